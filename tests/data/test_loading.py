from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from sculptnet.arch import Augmentation
from sculptnet.data import (
    EvaluationBatches,
    Files,
    ImageData,
    InMemory,
    Preprocessing,
    TrainingBatches,
    folder,
    prepare,
)
from sculptnet.data.loading import evaluation_batch_size, normalised
from sculptnet.errors import DataError, InvalidValue

SAME_SIZE = Preprocessing(12, 12, (0.3, 0.4, 0.5), (0.2, 0.3, 0.4))
ZOOMED = Preprocessing(10, 12, (0.3, 0.4, 0.5), (0.2, 0.3, 0.4))
PLAIN = Augmentation(flip=False, crop_padding=0.0, crop_scale=1.0)
RICH = Augmentation(randaugment_layers=2)


@pytest.fixture
def files(make_folder: Callable[..., Path]) -> Files:
    split = folder(make_folder({"a": 14, "b": 15})).train
    assert isinstance(split, Files)
    return split


@pytest.fixture(params=["memory", "memory, zoomed", "files", "files, zoomed"])
def batches(request: pytest.FixtureRequest, in_memory: Callable[..., InMemory], files: Files) -> TrainingBatches:
    """Four kinds of training batches, all of 23 or 24 images and 3 steps, RandAugment and all."""
    split = in_memory(23, 3) if request.param.startswith("memory") else files
    preprocessing = ZOOMED if request.param.endswith("zoomed") else SAME_SIZE
    return TrainingBatches(split, preprocessing, RICH, batch_size=6, seed=5)


def _equal(left: tuple[Tensor, Tensor], right: tuple[Tensor, Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(left, right, strict=True))


def test_batches_have_the_shape_that_training_expects(batches: TrainingBatches) -> None:
    images, labels = next(iter(batches.epoch(0)))
    side = batches.preprocessing.resolution
    assert images.shape == (6, 3, side, side)
    assert images.dtype == torch.float32
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert labels.shape == (6,)
    assert labels.dtype == torch.int64


def test_a_batch_does_not_depend_on_earlier_ones(batches: TrainingBatches) -> None:
    whole = list(batches.epoch(1))
    assert len(whole) == batches.steps_per_epoch
    for start in range(len(whole) + 1):
        rest = list(batches.epoch(1, start))
        assert len(rest) == len(whole) - start
        assert all(map(_equal, rest, whole[start:]))


def test_epochs_and_seeds_differ(batches: TrainingBatches) -> None:
    first = next(iter(batches.epoch(0)))
    assert not _equal(first, next(iter(batches.epoch(1))))
    assert not _equal(first, next(iter(replace(batches, seed=6).epoch(0))))


def test_the_shares_of_all_ranks_make_the_batch_of_one_process(batches: TrainingBatches) -> None:
    shares = [list(replace(batches, rank=rank, world=3).epoch(2)) for rank in range(3)]
    for step, (images, labels) in enumerate(batches.epoch(2)):
        for rank in range(3):
            assert torch.equal(images[rank::3], shares[rank][step][0])
            assert torch.equal(labels[rank::3], shares[rank][step][1])


def test_batches_leave_the_global_generators_alone(batches: TrainingBatches) -> None:
    before, numpy_before = torch.get_rng_state(), str(np.random.get_state())
    first = next(iter(batches.epoch(0)))
    assert torch.equal(torch.get_rng_state(), before)
    assert str(np.random.get_state()) == numpy_before
    torch.manual_seed(99)
    assert _equal(first, next(iter(batches.epoch(0))))


def test_workers_change_nothing(files: Files) -> None:
    alone = TrainingBatches(files, ZOOMED, RICH, 6, seed=1)
    assert all(map(_equal, replace(alone, num_workers=2).epoch(3, 1), alone.epoch(3, 1)))
    evaluated = EvaluationBatches(files, ZOOMED, 5)
    assert all(map(_equal, replace(evaluated, num_workers=2), evaluated))


def test_every_image_is_seen_at_most_once_an_epoch(in_memory: Callable[..., InMemory]) -> None:
    split = in_memory(23, 1)
    batches = TrainingBatches(split, SAME_SIZE, PLAIN, 6, seed=0)
    seen = torch.cat([images for images, _ in batches.epoch(0)])
    everything = normalised(split.images, SAME_SIZE)
    places = [int((everything == image).flatten(1).all(1).nonzero()[0, 0]) for image in seen]
    assert len(set(places)) == 18
    labels = torch.cat([labels for _, labels in batches.epoch(0)])
    assert labels.tolist() == split.labels[places].tolist()


def test_a_small_split_makes_one_small_batch(in_memory: Callable[..., InMemory]) -> None:
    batches = TrainingBatches(in_memory(5), SAME_SIZE, PLAIN, 64, seed=0)
    assert batches.steps_per_epoch == 1
    assert [len(labels) for _, labels in batches.epoch(0)] == [5]
    assert [len(labels) for _, labels in replace(batches, rank=1, world=2).epoch(0)] == [2]


def test_shifts_and_mirrors_are_those_of_the_augmentation(in_memory: Callable[..., InMemory]) -> None:
    split = replace(
        in_memory(64, 1), images=torch.arange(144, dtype=torch.uint8).view(1, 1, 12, 12).repeat(64, 1, 1, 1)
    )
    zero_one = Preprocessing(12, 12, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    images, _ = next(iter(TrainingBatches(split, zero_one, Augmentation(crop_padding=1 / 6), 64, seed=0).epoch(0)))
    centres = (images[:, 0, 6, 6] * 255).round().to(torch.int64)
    expected = {column + 12 * row for row, column in itertools.product(range(4, 9), [*range(4, 9), *range(3, 8)])}
    assert set(centres.tolist()) <= expected
    assert len(set(centres.tolist())) > 20
    unchanged, _ = next(iter(TrainingBatches(split, zero_one, PLAIN, 64, seed=0).epoch(0)))
    assert torch.equal(unchanged, normalised(split.images, zero_one))


def test_a_photograph_without_random_crops_is_cropped_at_the_centre(files: Files) -> None:
    odd = replace(ZOOMED, resolution=9)
    images, _ = next(iter(TrainingBatches(files, odd, PLAIN, len(files), seed=0).epoch(0)))
    prepared = {prepare(files.image(index), odd).tobytes() for index in range(len(files))}
    assert {image.contiguous().numpy().tobytes() for image in images} == prepared


def test_randaugment_changes_images_and_keeps_the_range(in_memory: Callable[..., InMemory]) -> None:
    zero_one = Preprocessing(12, 12, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    rich = replace(PLAIN, randaugment_layers=2)
    for channels in (1, 3):
        split = in_memory(32, channels)
        images, _ = next(iter(TrainingBatches(split, zero_one, rich, 32, seed=0).epoch(0)))
        plain, _ = next(iter(TrainingBatches(split, zero_one, PLAIN, 32, seed=0).epoch(0)))
        assert not torch.equal(images, plain)
        assert 0 <= float(images.min()) <= float(images.max()) <= 1


def test_evaluation_of_files_is_prepare(files: Files) -> None:
    images = torch.cat([images for images, _ in EvaluationBatches(files, ZOOMED, 7)])
    assert len(images) == len(files)
    for index, image in enumerate(images):
        assert np.array_equal(image.numpy(), prepare(files.image(index), ZOOMED))


@pytest.mark.parametrize("preprocessing", [SAME_SIZE, ZOOMED, Preprocessing(16, 16, *((0.1, 0.2, 0.3),) * 2)])
@pytest.mark.parametrize("channels", [1, 3])
def test_evaluation_in_memory_is_prepare(
    preprocessing: Preprocessing, channels: int, in_memory: Callable[..., InMemory]
) -> None:
    split = in_memory(20, channels)
    batches = EvaluationBatches(split, preprocessing, 8)
    assert batches.num_images == 20
    together = list(batches)
    assert [len(labels) for _, labels in together] == [8, 8, 4]
    assert torch.equal(torch.cat([labels for _, labels in together]), torch.from_numpy(split.labels))
    for index, image in enumerate(torch.cat([images for images, _ in together])):
        assert np.array_equal(image.numpy(), prepare(split.image(index), preprocessing))


def test_the_memory_of_an_evaluation_is_bounded_and_its_order_independent_of_that(files: Files) -> None:
    sizes = {r: evaluation_batch_size(r) for r in (8, 32, 96, 128, 129, 160, 224, 600, 5000)}
    assert sizes == {8: 256, 32: 256, 96: 256, 128: 256, 129: 128, 160: 128, 224: 64, 600: 8, 5000: 1}
    assert all(size * 12 * r**2 <= 48 << 20 for r, size in sizes.items() if size > 1)
    whole = next(iter(EvaluationBatches(files, ZOOMED, 100)))
    for size in (1, 5, 8):
        parts = zip(*EvaluationBatches(files, ZOOMED, size, 2), strict=True)
        assert _equal(whole, tuple(torch.cat(part) for part in parts))  # type: ignore[arg-type]


def test_a_vanished_file_is_named_also_in_workers(files: Files) -> None:
    (files.folder / files.names[0]).unlink()
    for num_workers in (0, 1):
        with pytest.raises(DataError, match="cannot be read now"):
            list(EvaluationBatches(files, SAME_SIZE, 4, num_workers))


def test_all_problems_are_listed(small_data: ImageData) -> None:
    with pytest.raises(InvalidValue) as caught:
        TrainingBatches(small_data.train.take([0]), SAME_SIZE, PLAIN, 3, seed=0, rank=2, world=2)
    text = str(caught.value)
    assert "batch_size must be a multiple of the 2 processes, got 3" in text
    assert "rank must lie in 0..1, got 2" in text
    assert "1 images cannot be shared by 2 processes" in text
    with pytest.raises(InvalidValue, match="batch_size must be at least 1, got 0"):
        EvaluationBatches(small_data.test, SAME_SIZE, 0)


def test_a_step_of_one_image_is_refused_before_batch_norm_meets_it(small_data: ImageData) -> None:
    images = small_data.train
    for split, batch_size, world in (
        (images, 1, 1),
        (images.take([0]), 4, 1),
        (images, 2, 2),
        (images.take([0, 1]), 6, 2),
    ):
        with pytest.raises(InvalidValue, match=r"a process gets one image a step, .* batch norm needs two: give more"):
            TrainingBatches(split, SAME_SIZE, PLAIN, batch_size, seed=0, world=world)
    assert TrainingBatches(images.take([0, 1]), SAME_SIZE, PLAIN, 4, seed=0).steps_per_epoch == 1
