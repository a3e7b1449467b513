"""Options are least-squares optima, for every family, kernel and padding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.inherit.families import ARCHITECTURES, images, library, network
from torch import Tensor, nn
from torch.nn.functional import pad, unfold

from sculptnet.arch import Block
from sculptnet.blocks.layers import Activation, Padding, conv_bn
from sculptnet.inherit import Refit
from sculptnet.inherit.anatomy import (
    Place,
    added,
    before_activation,
    features,
    folded,
    inverted_form,
    linear_map,
    places_of,
    projection_of,
    set_linear_map,
)
from sculptnet.inherit.fitting import Fitting
from sculptnet.inherit.kernels import DepthwiseFit, RegularFit, taps
from sculptnet.inherit.library import options_of_places
from sculptnet.inherit.orders import orders_of

NAMES = sorted(ARCHITECTURES)
STEP = {"mobilenet_v2": 7}  # its places are alike
EVERYTHING = Refit(images=6, rows=10**6, kernel_rows=10**6, ridge=1e-3, chunk=3)


def inputs_of(name: str) -> dict[str, Tensor]:
    x, found = images(6), {}
    for place in places_of(network(name)):
        found[place.path] = x
        x = place.module(x)
    return found


def cases(name: str) -> list[tuple[Place, Block, Tensor]]:
    xs, options = inputs_of(name), options_of_places(library(name).space)
    return [
        (place, block, xs[place.path])
        for place in places_of(network(name))
        if place.path.startswith("stages") and orders_of(place, xs[place.path], EVERYTHING)
        for block in options[place.path][:: 3 if len(options[place.path]) > 4 else 1]
        if not block.is_identity(place.in_channels)
    ][:: STEP.get(name, 1)]


def rows_of(maps: Tensor) -> np.ndarray:
    return maps.permute(0, 2, 3, 1).flatten(0, 2).double().numpy()


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_projections_are_the_least_squares_optimum_of_numpy(name: str) -> None:
    for place, block, x in cases(name):
        shifted = x + 0.1 * x.roll(1, 0)  # as if something had been carved before
        for seen in (x, shifted):
            orders = orders_of(place, x, EVERYTHING)
            module = Fitting(place, orders, x, seen, EVERYTHING).module(block)
            if module is place.module:
                assert seen is x
                continue
            shared = Fitting(place, orders, x, seen, EVERYTHING, many=True).module(block)
            torch.testing.assert_close(shared.state_dict(), module.state_dict(), rtol=1e-3, atol=1e-3)
            prior = prior_of(place, block, orders, x, seen)
            wanted = rows_of(before_activation(place.module, x) - added(module, seen))
            hidden, weights = rows_of(features(module, seen)), linear_map(projection_of(module))
            form = inverted_form(block)
            groups = 1 if form is None else form.groups
            for part, wish, found, old in zip(
                np.split(hidden, groups, 1),
                np.split(wanted, groups, 1),
                weights.chunk(groups),
                prior.chunk(groups),
                strict=True,
            ):
                pull = np.sqrt(EVERYTHING.ridge * ((part - part.mean(0)) ** 2).sum(0).mean())
                width = part.shape[1]
                left = np.concatenate([np.c_[part, np.ones(len(part))], np.c_[pull * np.eye(width), np.zeros(width)]])
                best = np.linalg.lstsq(left, np.concatenate([wish, pull * old.numpy().T]), rcond=None)[0]
                np.testing.assert_allclose(found.numpy(), best[:-1].T, rtol=2e-2, atol=2e-3 * np.abs(best).max())


def prior_of(place: Place, block: Block, orders: dict[str, Tensor], x: Tensor, seen: Tensor) -> Tensor:
    """The sliced projection: a pull beyond all data leaves it as it is."""
    stiff = replace(EVERYTHING, ridge=1e12, image_ridge=1e12)
    return linear_map(projection_of(Fitting(place, orders, x, seen, stiff).module(block)))


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_fitted_options_are_nearer_to_the_whole_block_than_slices(name: str) -> None:
    for place, block, x in cases(name):
        if block == place.block:
            continue
        errors = []
        for refit in (EVERYTHING, replace(EVERYTHING, ridge=1e12, image_ridge=1e12)):
            module = Fitting(place, orders_of(place, x, EVERYTHING), x, x, refit).module(block)
            errors.append(float((before_activation(module, x) - before_activation(place.module, x)).square().sum()))
        assert errors[0] < errors[1], f"{place.path}: {block}"


@pytest.mark.parametrize("padding", list(Padding))
@pytest.mark.parametrize("stride", [1, 2])
@torch.no_grad()
def test_smaller_kernels_explain_the_large_ones_response_best(padding: Padding, stride: int) -> None:
    if padding is Padding.SHORT and stride == 1:
        return
    large, small = (conv_bn(3, 3, size, stride, 3, padding=padding).eval() for size in (5, 3))
    x = images(4)
    wanted = large.conv(x)  # type: ignore[operator]
    fit = DepthwiseFit(small)
    pixels = torch.arange(wanted.shape[2] * wanted.shape[3]).expand(4, -1)
    fit.add(x, wanted, pixels)
    fit.apply(1e-9)
    norm = small.bn
    assert isinstance(norm, nn.BatchNorm2d)
    found = small.conv(x) - norm.running_mean[:, None, None]  # type: ignore[operator, index]
    seen = taps(x, small.conv, pixels).transpose(0, 1).flatten(1, 2).double().numpy()  # type: ignore[arg-type]
    for channel in range(3):
        left = np.c_[seen[channel], np.ones(len(seen[channel]))]
        wish = wanted[:, channel].flatten().double().numpy()
        best = left @ np.linalg.lstsq(left, wish, rcond=None)[0]
        np.testing.assert_allclose(found[:, channel].flatten().numpy(), best, atol=1e-3)


def test_taps_are_the_pixels_under_a_kernel() -> None:
    x, conv = images(2), nn.Conv2d(3, 3, 5, 2, 2, groups=3, bias=False)
    expected = unfold(pad(x, (2, 2, 2, 2)), 5, stride=2).view(2, 3, 25, -1).transpose(2, 3)
    pixels = torch.tensor([[0, 17, 255], [3, 3, 100]])
    found = taps(x, conv, pixels)
    for image in range(2):
        torch.testing.assert_close(found[image], expected[image][:, pixels[image]])


@torch.no_grad()
def test_a_regular_convolution_is_found_again_from_what_it_computes() -> None:
    given, other = (conv_bn(3, 4, 3).eval() for _ in range(2))
    x = images(6)
    fit = RegularFit(other)
    wanted = given.conv(x)  # type: ignore[operator]
    fit.add(x, wanted, torch.arange(1024).expand(6, -1))
    fit.apply(1e-9)
    torch.testing.assert_close(other.conv(x), wanted, atol=1e-2, rtol=1e-2)  # type: ignore[operator]


@torch.no_grad()
def test_a_linear_map_set_is_the_linear_map_read_and_computed() -> None:
    layer = conv_bn(5, 4, 1, activation=Activation.NONE).eval()
    norm = layer.bn
    assert isinstance(norm, nn.BatchNorm2d)
    norm.weight.copy_(torch.tensor([1.0, -0.5, 0.0, 1e-6]))  # scales that cannot be divided by are raised
    norm.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
    weights, biases = torch.randn(4, 5, dtype=torch.float64), torch.randn(4, dtype=torch.float64)
    set_linear_map(layer, weights, biases)
    torch.testing.assert_close(linear_map(layer), weights, rtol=1e-5, atol=1e-6)
    x = torch.randn(2, 5, 3, 3)
    wanted = torch.einsum("oc,nchw->nohw", weights.float(), x) + biases.float()[:, None, None]
    torch.testing.assert_close(layer(x), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_folded_networks_compute_the_same(name: str) -> None:
    made = network(name)
    torch.testing.assert_close(folded(made)(images(3)), made(images(3)), rtol=1e-3, atol=1e-3)


def test_pixels_are_few_distinct_and_repeat() -> None:
    maps = torch.empty(4, 0, 20, 20)
    pixels = Refit(seed=3).pixels(maps, 100)
    assert pixels.shape == (4, 25)
    assert all(len(set(row.tolist())) == 25 for row in pixels)
    assert torch.equal(pixels, Refit(seed=3).pixels(maps, 100))
    assert not torch.equal(pixels, Refit(seed=4).pixels(maps, 100))
