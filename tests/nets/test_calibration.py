from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from sculptnet.arch import Architecture
from sculptnet.blocks import Classifier, Conv, InvertedResidual, PooledConv
from sculptnet.errors import InvalidValue
from sculptnet.nets import Network, calibrate, initialise, set_dropout


def network() -> Network:
    made = Network(Architecture(8, Conv(4), ((InvertedResidual(4, 3, 2),),), PooledConv(6), Classifier(3)))
    initialise(made, 0)
    return made


def batches(*sizes: int) -> Iterator[tuple[Tensor, Tensor]]:
    for index, size in enumerate(sizes):
        images = torch.randn(size, 3, 8, 8, generator=torch.Generator().manual_seed(index))
        yield images * (index + 1), torch.zeros(size, dtype=torch.int64)


def first_norm(module: nn.Module) -> nn.BatchNorm2d:
    return next(layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d))


def test_statistics_are_the_means_over_batches_of_means_and_variances() -> None:
    original = network()
    calibrated = calibrate(original, batches(4, 4, 4), images=12)
    conv = original.stem.get_submodule("conv")
    with torch.no_grad():
        values = [conv(images).transpose(0, 1).flatten(1) for images, _ in batches(4, 4, 4)]
    norm = first_norm(calibrated)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    torch.testing.assert_close(norm.running_mean, torch.stack([value.mean(1) for value in values]).mean(0))
    torch.testing.assert_close(norm.running_var, torch.stack([value.var(1) for value in values]).mean(0))


def test_one_batch_is_then_normalised_as_in_training() -> None:
    """But for the variance over n - 1 instead of n values: 256 of a channel here, 4 in the head."""
    original = network().double()
    images = next(batches(400))[0].double()
    calibrated = calibrate(original, [(images, torch.zeros(400))], images=400)
    assert not calibrated.training
    torch.testing.assert_close(calibrated(images), original.train()(images), rtol=1e-3, atol=1e-5)


def test_the_network_stays_as_it_is_and_dropout_stays_off() -> None:
    original = network().train()
    before = {name: tensor.clone() for name, tensor in original.state_dict().items()}
    plain = calibrate(original, batches(4, 4), images=8)
    set_dropout(original, 0.9, 0.9)
    dropped = calibrate(original, batches(4, 4), images=8)
    assert original.training
    assert all(torch.equal(before[name], tensor) for name, tensor in original.state_dict().items())
    for name, tensor in plain.state_dict().items():
        assert torch.equal(dropped.state_dict()[name], tensor)
        if "running" not in name and "tracked" not in name:
            assert torch.equal(before[name], tensor)
    assert first_norm(plain).momentum == first_norm(original).momentum


def test_no_more_batches_are_taken_than_needed() -> None:
    source = batches(4, 4, 4, 4)
    calibrate(network(), source, images=7)
    assert len(list(source)) == 2


def test_calibrating_twice_is_calibrating_once() -> None:
    once = calibrate(network(), batches(4, 4), images=8)
    twice = calibrate(once, batches(4, 4), images=8)
    assert all(torch.equal(twice.state_dict()[name], tensor) for name, tensor in once.state_dict().items())


def test_too_few_images_are_an_error() -> None:
    with pytest.raises(InvalidValue, match="the batches hold 8 images, 9 are asked for; give more batches or lower"):
        calibrate(network(), batches(4, 4), images=9)
    with pytest.raises(InvalidValue, match=r"a batch holds one image; .* two or more"):
        calibrate(network(), batches(1), images=1)


@pytest.mark.parametrize(("classes", "each"), [(3, 40), (40, 6)])
def test_batches_of_images_sorted_by_class_are_refused_and_drawn_ones_are_not(classes: int, each: int) -> None:
    """Also where a batch holds several classes in order."""
    labels = torch.arange(classes).repeat_interleave(each)
    images = torch.randn(len(labels), 3, 8, 8, generator=torch.Generator().manual_seed(0))
    in_order = list(zip(torch.split(images, 20), torch.split(labels, 20), strict=True))
    with pytest.raises(InvalidValue, match=rf"no fair draws of the {classes} classes.* shuffle the images first"):
        calibrate(network(), in_order, images=len(labels))
    for seed in range(20):
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
        calibrate(
            network(),
            zip(torch.split(images[order], 20), torch.split(labels[order], 20), strict=True),
            images=len(labels),
        )


def test_few_batches_of_few_images_are_never_refused_by_chance() -> None:
    images = torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3])
    calibrate(network(), zip(torch.split(images, 2), torch.split(labels, 2), strict=True), images=8)
