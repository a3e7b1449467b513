"""The detector's network: a backbone, SSDLite's layers, torchvision's boxes, matching, loss and post-processing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import DefaultBoxGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.ssd import SSD
from torchvision.models.detection.ssdlite import SSDLiteHead
from torchvision.ops import box_iou
from torchvision.ops.misc import Conv2dNormActivation

from sculptnet.arch import IMAGE_CHANNELS, Architecture
from sculptnet.nets.network import Network, initialise
from sculptnet.nets.ssdlite import ASPECT_RATIOS, Place, SsdLite, before_pooling, expansion_of
from sculptnet.streams import stream_seed

_norm = partial(nn.BatchNorm2d, eps=1e-3, momentum=0.03)  # torchvision's SSDLite
HEAD_SPREAD = 0.03  # standard deviation of drawn weights, as there


class Backbone(nn.Module):
    """The parts of a classification network that a detector uses; modules and weights keep their names.

    Attributes:
        stem, stages: those of `nets.Network`.
        head: what its head computes before it pools.
        coarse: the first block of stride 32.
    """

    def __init__(self, architecture: Architecture, coarse: Place) -> None:
        super().__init__()
        network = Network(architecture)
        self.stem, self.stages = network.stem, network.stages
        self.head, self.coarse = before_pooling(network.head), coarse

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The features of stride 16 and 32 of `images`, float `(batch, 3, size, size)`, normalised."""
        x = self.stem(images)
        fine = x
        for i, stage in enumerate(self.stages):
            assert isinstance(stage, nn.ModuleList)
            for j, block in enumerate(stage):
                if (i, j) == self.coarse:
                    fine, x = _tapped(block, x)
                else:
                    x = block(x)
        coarse: Tensor = self.head(x)
        return fine, coarse


def _tapped(block: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """The feature before `block` reduces it, and its output."""
    body = expansion_of(block)
    if body is None:
        y: Tensor = block(x)
        return x, y
    expanded = body[0](x)
    return expanded, body[1:](expanded)


class Found(NamedTuple):
    """The objects in one image, most probable first.

    Attributes:
        boxes: left, top, right, bottom, `(n, 4)`, pixels of the network's input.
        scores: their probabilities, `(n,)`.
        labels: class indices from 0, int64 `(n,)`.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor


class Detector(SSD):  # type: ignore[misc]  # torchvision has no annotations
    """SSDLite on a backbone. `forward` gives what the heads say; `detections` and `loss` make something of it.

    torchvision's SSD gives matcher, coder, loss and post-processing; its resizing and its loop over images are not
    used, so that the forward pass is a plain graph.

    Attributes:
        plan: what it is made of.
        sizes: height and width of each feature.
        boxes: those that it starts from, see `starting_boxes`.
    """

    boxes: Tensor

    def __init__(self, plan: SsdLite) -> None:
        backbone = Backbone(plan.backbone, plan.first_coarse())
        shapes = _shapes(backbone, plan)
        generator = _generator(len(shapes), plan.smallest, plan.largest)
        channels, each = [shape[0] for shape in shapes], generator.num_anchors_per_location()
        super().__init__(
            backbone,
            generator,
            (plan.size, plan.size),
            plan.num_classes + 1,
            head=SSDLiteHead(channels, each, plan.num_classes + 1, _norm),
            score_thresh=plan.score_threshold,
            nms_thresh=plan.overlap,
            detections_per_img=plan.most_boxes,
        )
        self.plan = plan
        self.extra = nn.ModuleList(_extra(before, after) for before, after in pairwise(channels[1:]))
        self.cells = tuple(count * height * width for count, (_, height, width) in zip(each, shapes, strict=True))
        self.sizes = tuple((height, width) for _, height, width in shapes)
        boxes = starting_boxes(self.sizes, plan.size, plan.smallest, plan.largest)
        self.register_buffer("boxes", boxes, persistent=False)
        self.topk_candidates = len(boxes)  # none is left out before overlaps are looked for, as in an exported graph

    def forward(self, images: Tensor) -> Tensor:
        """What the heads say of each box of `images`, float `(batch, 3, size, size)`, normalised.

        Returns:
            `(batch, boxes, 4 + 1 + classes)`: the encoded offset of a box, the logit of the background, those of the
            classes.
        """
        features = [*self.backbone(images)]
        for layer in self.extra:
            features.append(layer(features[-1]))
        offsets = self._flat(self.head.regression_head.module_list, features, 4)
        logits = self._flat(self.head.classification_head.module_list, features, self.plan.num_classes + 1)
        return torch.cat([offsets, logits], 2)

    def _flat(self, layers: nn.ModuleList, features: Sequence[Tensor], columns: int) -> Tensor:
        """The layers' answers, `(batch, boxes, columns)`, in the order of `boxes`."""
        maps = zip(layers, features, self.cells, strict=True)
        parts = [layer(x).permute(0, 2, 3, 1).reshape(-1, cells, columns) for layer, x, cells in maps]
        return torch.cat(parts, 1)

    @torch.no_grad()
    def detections(self, heads: Tensor) -> list[Found]:
        """The objects in each image, from what `forward` said."""
        offsets, logits = _parts(heads)
        images = len(heads)
        found = self.postprocess_detections(
            {"bbox_regression": offsets, "cls_logits": logits},
            [self.boxes] * images,
            [(self.plan.size, self.plan.size)] * images,
        )
        return [Found(one["boxes"], one["scores"], one["labels"] - 1) for one in found]

    def loss(self, heads: Tensor, targets: Tensor) -> Tensor:
        """SSD's loss (Liu et al., ECCV 2016, equation 1), a tensor without dimensions.

        Args:
            heads: from `forward`.
            targets: `(batch, n, 5)`: left, top, right, bottom in pixels of the input, and the class counted from 1;
                rows of class 0 fill up images with fewer objects.
        """
        offsets, logits = _parts(heads)
        objects = [rows[rows[:, 4] > 0] for rows in targets]
        wanted = [{"boxes": rows[:, :4], "labels": rows[:, 4].long()} for rows in objects]
        boxes = self.boxes
        nothing = torch.full((len(boxes),), -1, dtype=torch.int64, device=boxes.device)
        matched = [
            self.proposal_matcher(box_iou(one["boxes"], boxes)) if len(one["boxes"]) else nothing for one in wanted
        ]
        heads_by_name = {"bbox_regression": offsets, "cls_logits": logits}
        parts = self.compute_loss(wanted, heads_by_name, [boxes] * len(wanted), matched)
        total: Tensor = parts["bbox_regression"] + parts["classification"]
        return total


def starting_boxes(sizes: Sequence[tuple[int, int]], size: int, smallest: float, largest: float) -> Tensor:
    """The boxes that a detector starts from: six at every place of every feature, most of the image in the last.

    Args:
        sizes: height and width of each feature.
        size: of the input, pixels.
        smallest, largest: see `SsdLite`.

    Returns:
        left, top, right, bottom in pixels of the input, `(boxes, 4)`.
    """
    image = ImageList(torch.zeros(1, IMAGE_CHANNELS, size, size), [(size, size)])
    features = [torch.zeros(1, 1, *pixels) for pixels in sizes]
    (boxes,) = _generator(len(sizes), smallest, largest)(image, features)
    found: Tensor = boxes
    return found


def _generator(features: int, smallest: float, largest: float) -> DefaultBoxGenerator:
    return DefaultBoxGenerator([list(ASPECT_RATIOS)] * features, smallest, largest)


def _parts(heads: Tensor) -> tuple[Tensor, Tensor]:
    heads = heads.float()
    return heads[:, :, :4], heads[:, :, 4:]


def _shapes(backbone: Backbone, plan: SsdLite) -> list[tuple[int, int, int]]:
    """Channels, height and width of every feature."""
    with torch.no_grad():
        features = backbone.eval()(torch.zeros(1, IMAGE_CHANNELS, plan.size, plan.size))
    shapes = [(int(x.shape[1]), int(x.shape[2]), int(x.shape[3])) for x in features]
    for channels in plan.extra_channels:
        _, height, width = shapes[-1]
        shapes.append((channels, -(-height // 2), -(-width // 2)))
    return shapes


def _extra(in_channels: int, out_channels: int) -> nn.Sequential:
    """1x1 convolution to half the channels, depthwise 3x3 of stride 2, 1x1 convolution: as in torchvision's."""
    layer = partial(Conv2dNormActivation, norm_layer=_norm, activation_layer=nn.ReLU6)
    middle = out_channels // 2
    return nn.Sequential(
        layer(in_channels, middle, kernel_size=1),
        layer(middle, middle, kernel_size=3, stride=2, groups=middle),
        layer(middle, out_channels, kernel_size=1),
    )


@torch.no_grad()
def initialise_detector(detector: Detector, seed: int, backbone: Mapping[str, Tensor] | None = None) -> None:
    """Draws all weights anew; with `backbone`, the weights of a whole `nets.Network`, the backbone takes its part.

    The result depends on the arguments alone, not on torch's global generator.
    """
    initialise(detector.backbone, stream_seed(seed, "detector/backbone"))
    generator = torch.Generator().manual_seed(stream_seed(seed, "detector/heads"))
    for layer in [*detector.extra.modules(), *detector.head.modules()]:
        if isinstance(layer, nn.Conv2d):
            layer.weight.normal_(0.0, HEAD_SPREAD, generator=generator)
            if layer.bias is not None:
                layer.bias.zero_()
        elif isinstance(layer, nn.BatchNorm2d):
            layer.reset_running_stats()
            layer.weight.fill_(1.0)
            layer.bias.zero_()
    if backbone is not None:
        names = detector.backbone.state_dict()
        detector.backbone.load_state_dict({name: backbone[name] for name in names})
