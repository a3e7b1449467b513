from __future__ import annotations

import pytest
import torch
from torch import nn

from sculptnet.arch import TensorShape
from sculptnet.blocks import Skip
from sculptnet.cost import count


@pytest.mark.parametrize(
    ("in_channels", "out_channels", "stride", "identity"), [(8, 8, 1, True), (8, 16, 1, False), (8, 8, 2, False)]
)
def test_a_skip_is_the_identity_where_shapes_agree_and_a_projection_elsewhere(
    in_channels: int, out_channels: int, stride: int, identity: bool
) -> None:
    skip = Skip(out_channels, stride)
    assert skip.is_identity(in_channels) == identity
    assert isinstance(skip.build(in_channels), nn.Identity) == identity


def test_the_projection_is_a_strided_1x1_convolution_with_relu() -> None:
    layers = list(Skip(16, 2).build(8).children())
    assert [type(layer).__name__ for layer in layers] == ["Conv2d", "BatchNorm2d", "ReLU"]
    assert count(Skip(16, 2), TensorShape(8, 6, 6)).macs == 3 * 3 * 8 * 16


def test_the_identity_keeps_gradients() -> None:
    images = torch.randn(1, 8, 4, 4, requires_grad=True)
    Skip(8).build(8)(images).sum().backward()
    assert images.grad is not None
    assert torch.equal(images.grad, torch.ones_like(images))
