"""MobileNetV2 is the network that torchvision builds."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch.utils.flop_counter import FlopCounterMode

from sculptnet.cost import conv_fc_weights, macs, parameters
from sculptnet.errors import InvalidValue
from sculptnet.nets import Network
from sculptnet.zoo import BY_NAME, mobilenet_v2


def test_published_counts() -> None:
    architecture = BY_NAME["mobilenet_v2"].architecture
    assert macs(architecture) == 300_774_272
    assert parameters(architecture) == 3_504_872


@pytest.mark.parametrize("width", [0.35, 0.5, 1.0, 1.4])
def test_counts_are_those_of_torchvisions_module(width: float) -> None:
    with torch.device("meta"):
        reference = torchvision.models.mobilenet_v2(width_mult=width).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        reference(torch.empty(1, 3, 224, 224, device="meta"))
    architecture = mobilenet_v2(width=width)
    assert macs(architecture) == counter.get_total_flops() // 2
    assert parameters(architecture) == sum(parameter.numel() for parameter in reference.parameters())


def test_computes_what_torchvisions_module_computes() -> None:
    torch.manual_seed(0)
    reference = torchvision.models.mobilenet_v2(width_mult=0.35, num_classes=10).eval()
    network = Network(mobilenet_v2(10, 96, width=0.35)).eval()
    network.load_state_dict(dict(zip(network.state_dict(), reference.state_dict().values(), strict=True)))
    images = torch.randn(2, 3, 96, 96)
    with torch.no_grad():
        torch.testing.assert_close(network(images), reference(images))


@pytest.mark.parametrize(("resolution", "last"), [(224, 7), (96, 3), (64, 8), (32, 4), (28, 4)])
def test_small_images_keep_their_size_longer(resolution: int, last: int) -> None:
    shapes = {path: shape for path, _, shape in mobilenet_v2(resolution=resolution).blocks()}
    assert shapes["head"].height == last


def test_strides_and_stem_can_be_given() -> None:
    given = mobilenet_v2(resolution=28, strides=(1, 1, 2, 2, 1, 1, 1), stem_stride=2)
    assert {path: shape for path, _, shape in given.blocks()}["head"].height == 4


def test_a_wider_network_weighs_more() -> None:
    weights = [conv_fc_weights(mobilenet_v2(10, 32, width=width)) for width in (0.1, 0.35, 1.0, 1.4)]
    assert weights == sorted(weights)


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(InvalidValue, match=r"2 problems\n  - width must be above 0, got 0\n  - strides must have"):
        mobilenet_v2(width=0, strides=(1, 2))
