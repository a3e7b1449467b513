"""SSDLite on any network: where it taps, what its heads mean, what it costs, which networks it refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tests.boxes import SIZE, tiny_backbone

from sculptnet import zoo
from sculptnet.arch import Architecture
from sculptnet.blocks import Classifier, Conv, GlobalPool, InvertedResidual
from sculptnet.errors import InvalidValue
from sculptnet.nets import Network, initialise
from sculptnet.nets.detector import Detector, initialise_detector, starting_boxes
from sculptnet.nets.detector_boxes import with_fitted_boxes
from sculptnet.nets.ssdlite import Place, SsdLite, strides_of


@pytest.fixture(scope="module")
def detector() -> Detector:
    made = Detector(SsdLite(tiny_backbone(), 2))
    initialise_detector(made, 0)
    made.eval()
    return made


def published(name: str, size: int = 320) -> Architecture:
    return replace(zoo.BY_NAME[name].architecture, resolution=size)


def test_the_features_are_the_networks_own() -> None:
    architecture = tiny_backbone()
    network = Network(architecture)
    initialise(network, 3)
    network.eval()
    made = Detector(SsdLite(architecture, 2)).eval()
    initialise_detector(made, 0, network.state_dict())
    seen: dict[str, torch.Tensor] = {}
    for path in ("stages.3.0.body.expand", "head.features"):
        network.get_submodule(path).register_forward_hook(lambda _, x, y, path=path: seen.update({path: y}))
    images = torch.randn(2, 3, SIZE, SIZE)
    with torch.no_grad():
        network(images)
        fine, coarse = made.backbone(images)
    assert torch.equal(fine, seen["stages.3.0.body.expand"])
    assert torch.equal(coarse, seen["head.features"])


def test_a_block_without_an_expansion_lends_its_input() -> None:
    plain = (InvertedResidual(8, 3, 2, 2), InvertedResidual(16, 3, 1, 2, expand_at_1=False))
    stages = ((InvertedResidual(8, 3, 2, 2),), (plain[0],), (plain[0], plain[1]))
    architecture = Architecture(SIZE, Conv(8, 3, 2), stages, GlobalPool(16), Classifier(2))
    made = Detector(SsdLite(architecture, 2)).eval()
    assert made.plan.first_coarse() == Place(2, 1)
    with torch.no_grad():
        fine, coarse = made.backbone(torch.randn(1, 3, SIZE, SIZE))
    assert fine.shape == (1, 8, 4, 4)
    assert coarse.shape == (1, 16, 2, 2)


def test_mobilenet_v2_is_tapped_where_the_paper_taps_it() -> None:
    architecture = published("mobilenet_v2")
    made = Detector(SsdLite(architecture, 80))
    assert made.plan.first_coarse().path == "stages.5.0"  # the expansion of "layer 15": 6 x 96 channels, stride 16
    heads = made.head.regression_head.module_list
    assert [layer[0][0].in_channels for layer in heads] == [576, 1280, 512, 256, 256, 128]
    assert made.sizes == ((20, 20), (10, 10), (5, 5), (3, 3), (2, 2), (1, 1))


@pytest.mark.parametrize(("name", "millions"), [("mobilenet_v2", 4.3), ("mnasnet_a1", 4.9)])
def test_parameters_are_near_the_published_ones(name: str, millions: float) -> None:
    """Sandler et al. 2018, table 6; Tan et al. 2019, table 3: COCO's 80 classes, 320 px; other first boxes."""
    made = Detector(SsdLite(published(name), 80))
    assert sum(parameter.numel() for parameter in made.parameters()) / 1e6 == pytest.approx(millions, rel=0.1)


def test_every_box_has_a_row(detector: Detector) -> None:
    assert detector.boxes.shape == (6 * (4 * 4 + 2 * 2 + 1), 4)
    assert torch.equal(detector.boxes, starting_boxes(((4, 4), (2, 2), (1, 1)), SIZE, 0.2, 0.95))
    with torch.no_grad():
        assert detector(torch.randn(3, 3, SIZE, SIZE)).shape == (3, len(detector.boxes), 4 + 1 + 2)


def ideal(detector: Detector, objects: torch.Tensor) -> torch.Tensor:
    """What heads would say that know every object, `(n, 5)`, for sure."""
    from torchvision.ops import box_iou

    nearest = detector.proposal_matcher(box_iou(objects[:, :4], detector.boxes))
    wanted = objects[nearest.clamp(min=0)]
    offsets = detector.box_coder.encode_single(wanted[:, :4], detector.boxes)
    logits = torch.zeros(len(detector.boxes), 3)
    labels = torch.where(nearest >= 0, wanted[:, 4].long(), 0)
    logits[torch.arange(len(labels)), labels] = 30.0
    return torch.cat([offsets, logits], 1)[None]


def test_heads_that_know_the_objects_have_no_loss_and_find_them(detector: Detector) -> None:
    objects = torch.tensor([[4.0, 6, 30, 40, 1], [30, 20, 60, 62, 2]])
    heads = ideal(detector, objects)
    filled = torch.cat([objects, torch.zeros(3, 5)])[None]
    assert detector.loss(heads, filled).item() == pytest.approx(0, abs=1e-4)
    (found,) = detector.detections(heads)
    order = found.labels.argsort()
    assert found.labels[order].tolist() == [0, 1]
    torch.testing.assert_close(found.boxes[order], objects[:, :4], atol=1e-3, rtol=0)


def test_rows_that_fill_up_change_no_loss(detector: Detector) -> None:
    heads = torch.randn(2, len(detector.boxes), 7, generator=torch.Generator().manual_seed(0))
    objects = torch.tensor([[[4.0, 6, 30, 40, 1]], [[30, 20, 60, 62, 2]]])
    more = torch.cat([objects, torch.zeros(2, 4, 5)], 1)
    assert torch.equal(detector.loss(heads, objects), detector.loss(heads, more))
    nothing = torch.zeros(2, 1, 5)
    assert detector.loss(heads, nothing).item() == 0.0


def test_drawn_weights_depend_on_the_seed_alone(detector: Detector) -> None:
    torch.manual_seed(5)
    again = Detector(SsdLite(tiny_backbone(), 2))
    initialise_detector(again, 0)
    for name, tensor in detector.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
    initialise_detector(again, 1)
    one, other = (next(module.extra.parameters()) for module in (again, detector))
    assert not torch.equal(one, other)


def test_fitted_boxes_meet_small_objects_better() -> None:
    import numpy as np

    plan = SsdLite(tiny_backbone(128), 1)
    corners = np.array([[0.1, 0.1, 0.18, 0.18], [0.6, 0.4, 0.68, 0.48]], dtype=np.float32)
    labels = np.zeros(2, dtype=np.int64)
    fitted, met = with_fitted_boxes(plan, corners, labels)
    assert fitted.smallest < 0.2
    assert met > 0.3
    assert (fitted, met) == with_fitted_boxes(plan, corners, labels)


def test_a_network_for_small_images_is_refused_with_its_strides() -> None:
    small = zoo.mobilenet_v2(10, 32)
    assert {stride for _, stride in strides_of(small)} == {1, 2, 4, 8}
    with pytest.raises(
        InvalidValue, match=r"stride 16 and, at the end, of stride 32; this network has strides 1, 2, 4"
    ):
        SsdLite(small, 3)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(InvalidValue) as raised:
        SsdLite(tiny_backbone(100), 0, smallest=0.9, largest=0.5, overlap=1.0, most_boxes=0)
    for part in (
        "multiple of 32 pixels, got 100; the nearest is 96",
        "num_classes must be at least 1, got 0",
        "smallest < largest",
        "overlap must lie between 0 and 1, got 1",
        "most_boxes must be at least 1, got 0",
    ):
        assert part in str(raised.value)
