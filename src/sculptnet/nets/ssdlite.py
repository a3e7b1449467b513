"""SSDLite as a value: which features of a backbone it looks at, and which boxes it starts from. No torchvision here."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import NamedTuple, final

from torch import nn

from sculptnet.arch import Architecture
from sculptnet.blocks.layers import Pool, Residual
from sculptnet.errors import InvalidValue, collected

FINE, COARSE = 16, 32  # strides of the two features of the backbone
EXTRA_CHANNELS = (512, 256, 256, 128)  # of the layers behind them, as in torchvision's SSDLite
ASPECT_RATIOS = (2, 3)  # beside squares of two sizes: six boxes at every place
EXPANSION = "expand"  # the name of an inverted residual's first convolution


class Place(NamedTuple):
    """A block of the stages."""

    stage: int
    position: int

    @property
    def path(self) -> str:
        """As everywhere: `stages.3.1`."""
        return f"stages.{self.stage}.{self.position}"


@final
@dataclass(frozen=True)
class SsdLite:
    """A detector: SSDLite (Sandler et al., MobileNetV2, CVPR 2018, section 6.2) on any architecture.

    The first feature has stride 16: the expansion in the first block of stride 32 or, where that block has none or adds
    a shortcut, its input, the output of the last block at stride 16. The second has stride 32: what the head computes
    before it pools or, where it only pools, the output of the last block. Both are MobileNetV2's choices, which MnasNet
    took over (Tan et al., CVPR 2019, section 5.3). The classifier is not used.

    Attributes:
        backbone: decided; its resolution is the size of the detector's square input, a multiple of 32.
        num_classes: of objects, the background not counted.
        smallest, largest: sides of the square boxes at the first and at the last feature, as parts of the input; those
            between are evenly spaced.
        score_threshold: boxes of a lower probability are dropped.
        overlap: of two boxes of one class with a larger intersection over union, the less probable is dropped.
        most_boxes: that an image may have; the most probable stay.

    Raises:
        InvalidValue: with everything that is wrong, such as a backbone without a feature of stride 16 or 32.
    """

    backbone: Architecture
    num_classes: int
    smallest: float = 0.2
    largest: float = 0.95
    score_threshold: float = 0.02
    overlap: float = 0.5
    most_boxes: int = 100

    def __post_init__(self) -> None:
        problems = [*stride_problems(self.backbone), *size_problems(self.size)]
        if self.num_classes < 1:
            problems.append(f"num_classes must be at least 1, got {self.num_classes}")
        if not 0 < self.smallest < self.largest <= 1:
            problems.append(f"0 < smallest < largest <= 1 must hold, got {self.smallest:g} and {self.largest:g}")
        problems += [
            f"{name} must lie between 0 and 1, got {value:g}"
            for name, value in (("score_threshold", self.score_threshold), ("overlap", self.overlap))
            if not 0 < value < 1
        ]
        if self.most_boxes < 1:
            problems.append(f"most_boxes must be at least 1, got {self.most_boxes}")
        if problems:
            raise InvalidValue(collected(problems, "SsdLite"))

    @property
    def size(self) -> int:
        """Height and width of the input, pixels."""
        return self.backbone.resolution

    @property
    def extra_channels(self) -> tuple[int, ...]:
        """Of the layers behind the backbone: each halves the feature, until it is one pixel, four at most."""
        halvings = (self.size // COARSE - 1).bit_length()
        return EXTRA_CHANNELS[:halvings]

    def first_coarse(self) -> Place:
        """The first block whose output has stride 32."""
        return next(place for place, stride in strides_of(self.backbone) if stride == COARSE)


def strides_of(architecture: Architecture) -> tuple[tuple[Place, int], ...]:
    """Every block of the stages with the stride of its output: input pixels over output pixels."""
    stride, found = architecture.stem.stride, []
    for i, stage in enumerate(architecture.stages):
        for j, block in enumerate(stage):
            stride *= block.stride
            found.append((Place(i, j), stride))
    return tuple(found)


def stride_problems(architecture: Architecture) -> list[str]:
    """What keeps SSDLite from using `architecture`: it needs features of strides 16 and 32, the latter at its end."""
    present = [architecture.stem.stride, *(stride for _, stride in strides_of(architecture))]
    unlike = list(dict.fromkeys(present))
    if {FINE, COARSE} <= set(unlike) and unlike[-1] == COARSE:
        return []
    return [
        f"SSDLite needs features of stride 16 and, at the end, of stride 32; this network has strides "
        f"{', '.join(map(str, unlike))}. Networks for small images have smaller ones: take one for photographs "
        "(224 px), or set strides"
    ]


def size_problems(size: int) -> list[str]:
    """What is wrong with an input of `size` pixels."""
    if size >= COARSE and size % COARSE == 0:
        return []
    nearest = max(COARSE, round(size / COARSE) * COARSE)
    return [f"the input must be a multiple of {COARSE} pixels, got {size}; the nearest is {nearest}"]


def expansion_of(block: nn.Module) -> nn.Sequential | None:
    """The body of `block` if it begins with an expansion and nothing is added to what it computes, else None."""
    if not isinstance(block, Residual) or block.residual or not isinstance(block.body, nn.Sequential):
        return None
    return block.body if next(iter(dict(block.body.named_children())), None) == EXPANSION else None


def before_pooling(head: nn.Module) -> nn.Sequential:
    """What `head` computes before it pools; nothing where it pools first or is no sequence."""
    kept = nn.Sequential()
    if isinstance(head, nn.Sequential) and any(isinstance(layer, Pool) for layer in head):
        for name, layer in head.named_children():
            if isinstance(layer, Pool):
                break
            kept.add_module(name, layer)
    return kept


@dataclass(frozen=True)
class DetectorSettings:
    """What `detector.NAME=VALUE` changes; see `SsdLite`. None: fitted to the training objects."""

    smallest: float | None = None
    largest: float | None = None
    score_threshold: float = 0.02
    overlap: float = 0.5
    most_boxes: int = 100

    def on(self, backbone: Architecture, num_classes: int) -> SsdLite:
        """The detector on a network; what is None has SSDLite's default."""
        given = {name: value for name, value in asdict(self).items() if value is not None}
        return SsdLite(backbone, num_classes, **given)
