from __future__ import annotations

import pytest
import torch

from sculptnet.blocks import Activation
from sculptnet.blocks.layers import ChannelShuffle, Classify, Pool, Residual, conv_bn


def test_the_shuffle_interleaves_groups() -> None:
    images = torch.arange(6.0).reshape(1, 6, 1, 1)
    assert ChannelShuffle(2)(images).flatten().tolist() == [0, 3, 1, 4, 2, 5]


@pytest.mark.parametrize(("channels", "groups"), [(12, 2), (12, 3), (8, 8), (8, 1)])
def test_a_shuffle_by_g_and_one_by_c_over_g_undo_each_other(channels: int, groups: int) -> None:
    images = torch.randn(2, channels, 3, 3)
    assert torch.equal(ChannelShuffle(channels // groups)(ChannelShuffle(groups)(images)), images)


def test_the_shuffle_is_the_one_of_torch() -> None:
    images = torch.randn(2, 12, 3, 5)
    assert torch.equal(ChannelShuffle(3)(images), torch.nn.functional.channel_shuffle(images, 3))


@pytest.mark.parametrize(
    ("activation", "values"),
    [
        (Activation.RELU, [0, 0, 1, 7]),
        (Activation.RELU6, [0, 0, 1, 6]),
        (Activation.HARD_SWISH, [0, -1 / 3, 2 / 3, 7]),
        (Activation.NONE, [-3, -1, 1, 7]),
    ],
)
def test_activations(activation: Activation, values: list[float]) -> None:
    torch.testing.assert_close(activation.module()(torch.tensor([-3.0, -1.0, 1.0, 7.0])), torch.tensor(values).float())


def test_swish_is_x_times_sigmoid() -> None:
    x = torch.linspace(-3, 3, 7)
    torch.testing.assert_close(Activation.SWISH.module()(x), x * torch.sigmoid(x))


@pytest.mark.parametrize("kernel_size", [1, 3, 5, 7])
@pytest.mark.parametrize("side", [1, 6, 7])
def test_padding_keeps_the_size_and_strides_round_up(kernel_size: int, side: int) -> None:
    images = torch.zeros(1, 4, side, side)
    assert conv_bn(4, 4, kernel_size).eval()(images).shape[-1] == side
    assert conv_bn(4, 4, kernel_size, stride=2).eval()(images).shape[-1] == -(-side // 2)


def test_a_convolution_without_activation_ends_in_batch_norm() -> None:
    assert [name for name, _ in conv_bn(4, 4, 1, activation=Activation.NONE).named_children()] == ["conv", "bn"]


def test_pool_is_the_mean() -> None:
    images = torch.randn(2, 3, 5, 7)
    torch.testing.assert_close(Pool()(images)[..., 0, 0], images.flatten(2).mean(2))


def test_residual_adds_only_if_told() -> None:
    images = torch.ones(1, 2, 2, 2)
    assert torch.equal(Residual(torch.nn.Identity(), residual=True)(images), 2 * images)
    assert torch.equal(Residual(torch.nn.Identity(), residual=False)(images), images)


def test_the_classifier_is_a_linear_layer_on_pooled_features() -> None:
    classify, features = Classify(4, 3), torch.randn(2, 4)
    torch.testing.assert_close(
        classify(features[..., None, None]), torch.nn.functional.linear(features, classify.weight, classify.bias)
    )
