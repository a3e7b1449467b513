from __future__ import annotations

import pytest
import torch

from sculptnet.blocks import Gate, SqueezeExcite, round_channels


@pytest.mark.parametrize(
    ("channels", "rounded"),
    [(3, 8), (8, 8), (11.9, 16), (12, 16), (20, 24), (26, 24), (27, 32), (44.8, 48), (91, 88), (5.6, 8)],
)
def test_widths_are_rounded_to_multiples_of_8_and_never_below_90_percent(channels: float, rounded: int) -> None:
    assert round_channels(channels) == rounded


def test_the_floor_is_an_argument() -> None:
    assert (round_channels(26, floor=0.9), round_channels(26, floor=0.95)) == (24, 32)


@pytest.mark.parametrize("divisor", [1, 4, 8, 16])
def test_rounding_keeps_multiples(divisor: int) -> None:
    assert [round_channels(n * divisor, divisor) for n in range(1, 9)] == [n * divisor for n in range(1, 9)]


@pytest.mark.parametrize(("gate", "middle"), [(Gate.SIGMOID, 0.5), (Gate.HARD_SIGMOID, 0.5)])
def test_with_zero_weights_the_gate_is_half_open(gate: Gate, middle: float) -> None:
    module = SqueezeExcite(gate=gate).module(8, 16)
    for parameter in module.parameters():
        torch.nn.init.zeros_(parameter)
    images = torch.randn(2, 16, 3, 3)
    torch.testing.assert_close(module(images), middle * images)


def test_one_factor_per_channel_and_image() -> None:
    module = SqueezeExcite(gate=Gate.SIGMOID).module(8, 16)
    images = torch.rand(2, 16, 3, 3) + 0.5
    factors = (module(images) / images).flatten(2)
    torch.testing.assert_close(factors, factors[..., :1].expand_as(factors))
