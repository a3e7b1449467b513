"""MobileNetV2 and MobileNetV3 are the networks that timm and torchvision build."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import timm
import torch
import torchvision
from torch.utils.flop_counter import FlopCounterMode

from sculptnet.arch import Architecture
from sculptnet.cost import conv_fc_weights, macs, parameters
from sculptnet.errors import InvalidValue
from sculptnet.nets import Network
from sculptnet.zoo import BY_NAME, mobilenet_v2
from sculptnet.zoo.mobilenets import mobilenet_v3_large, mobilenet_v3_small


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


V3 = {"mobilenet_v3_large": (216_589_760, 5_483_032), "mobilenet_v3_small": (56_510_400, 2_542_856)}


@pytest.mark.parametrize("name", V3)
def test_v3_has_the_counts_of_timm_and_torchvision(name: str) -> None:
    entry = BY_NAME[name]
    with torch.device("meta"):
        references = timm.create_model(str(entry.timm)), torchvision.models.get_model(name, weights=None)
    for reference in references:
        assert sum(parameter.numel() for parameter in reference.parameters()) == V3[name][1]
    assert (macs(entry.architecture), parameters(entry.architecture)) == V3[name]


@pytest.mark.parametrize(("make", "name"), [(mobilenet_v3_large, "large"), (mobilenet_v3_small, "small")])
@pytest.mark.parametrize("width", [0.35, 1.25])
def test_scaled_v3_is_torchvisions(make: Callable[..., Architecture], name: str, width: float) -> None:
    with torch.device("meta"):
        reference = torchvision.models.get_model(f"mobilenet_v3_{name}", weights=None, width_mult=width).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        reference(torch.empty(1, 3, 224, 224, device="meta"))
    architecture = make(width=width)
    assert parameters(architecture) == sum(parameter.numel() for parameter in reference.parameters())
    assert macs(architecture) == counter.get_total_flops() // 2


@pytest.mark.parametrize("make", [mobilenet_v3_large, mobilenet_v3_small])
@pytest.mark.parametrize(("resolution", "last"), [(224, 7), (64, 8), (32, 4)])
def test_v3_keeps_small_images_longer(make: Callable[..., Architecture], resolution: int, last: int) -> None:
    shapes = {path: shape for path, _, shape in make(resolution=resolution).blocks()}
    assert shapes["head"].height == last


def test_v3_is_told_all_that_is_wrong_at_once() -> None:
    with pytest.raises(InvalidValue, match=r"mobilenet_v3: 2 problems\n  - width must be .*\n  - strides must have"):
        mobilenet_v3_small(width=-1, strides=(1,))
