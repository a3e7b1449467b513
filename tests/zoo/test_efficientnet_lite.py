"""EfficientNet-Lite is what timm builds as tf_efficientnet_lite."""

from __future__ import annotations

import pytest
import timm
import torch
from torch.utils.flop_counter import FlopCounterMode

from sculptnet.blocks import InvertedResidual, Padding
from sculptnet.cost import macs, parameters
from sculptnet.errors import InvalidValue, NotInSpace
from sculptnet.spaces import mnasnet, ofa_proxyless
from sculptnet.zoo import BY_NAME
from sculptnet.zoo.efficientnet_lite import ENTRIES, efficientnet_lite0

NAMES = [entry.name for entry in ENTRIES]


@pytest.mark.parametrize("name", NAMES)
def test_counts_are_those_of_timms_module(name: str) -> None:
    entry = BY_NAME[name]
    side = entry.architecture.resolution
    with torch.device("meta"):
        reference = timm.create_model(str(entry.timm), pretrained=False).eval()
    assert parameters(entry.architecture) == sum(parameter.numel() for parameter in reference.parameters())
    if name in (NAMES[0], NAMES[-1]):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            reference(torch.empty(1, 3, side, side, device="meta"))
        assert macs(entry.architecture) == counter.get_total_flops() // 2


@pytest.mark.parametrize("name", NAMES)
def test_the_stated_multiply_adds_are_a_little_above(name: str) -> None:
    entry = BY_NAME[name]
    assert entry.macs is not None
    assert 1.03 < entry.macs / macs(entry.architecture) < 1.06


def test_lite0_has_4_652_008_parameters() -> None:
    assert parameters(BY_NAME["efficientnet_lite0"].architecture) == 4_652_008


def test_it_lies_in_no_space_for_its_activation_and_its_padding() -> None:
    """MnasNet's space with its widths has ReLU; Once-for-All's with ReLU6 pads symmetrically and has other widths."""
    alike = mnasnet(filters=((24,), (40,), (80,), (112,), (192,)))
    with pytest.raises(NotInSpace, match=r"stem\.activation is <Activation\.RELU6"):
        alike.encode(efficientnet_lite0())
    with pytest.raises(NotInSpace, match=r"stem\.padding is <Padding\.SAME"):
        ofa_proxyless(width=1.0).encode(efficientnet_lite0())
    with pytest.raises(NotInSpace, match=r"stages\.4\.0\.out_channels is 112"):
        ofa_proxyless(width=1.0).encode(efficientnet_lite0(padding=Padding.HALF))


def test_strided_layers_pad_as_tensorflow_does() -> None:
    layers = [block for stage in efficientnet_lite0().stages for block in stage if isinstance(block, InvertedResidual)]
    assert {layer.padding for layer in layers} == {Padding.SAME}
    assert {path: shape for path, _, shape in efficientnet_lite0(10, 32).blocks()}["head"].height == 4


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(InvalidValue, match=r"3 problems\n  - width must be .*\n  - depth must be .*\n  - strides must"):
        efficientnet_lite0(width=0, depth=-1, strides=(1, 2))
