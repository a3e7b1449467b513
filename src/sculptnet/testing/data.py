"""What every data set must do."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

import numpy as np
import torch

from sculptnet.arch import Augmentation
from sculptnet.data import EvaluationBatches, ImageData, Split, TrainingBatches, default_preprocessing, subset
from sculptnet.data.loading import Batch
from sculptnet.testing.elsewhere import elsewhere

STEPS = 4


class DataSuite(ABC):
    """Subclass it in a test file, name the class `Test...`, write `data`.

    Attributes:
        resolution: of the batches that are tried.
        looked_at: images that are decoded; large data sets are sampled.
    """

    resolution: ClassVar[int] = 16
    looked_at: ClassVar[int] = 32

    @abstractmethod
    def data(self) -> ImageData:
        """The data set, read anew; called several times."""

    def test_classes_are_named_once(self) -> None:
        data = self.data()
        assert len(set(data.classes)) == len(data.classes) >= 2
        assert all(data.classes)

    def test_labels_are_indices_of_classes(self) -> None:
        data = self.data()
        for split in (data.train, data.test):
            assert split.labels.dtype == np.int64
            assert len(split) == len(split.labels) == len(split.sizes)
            assert 0 <= split.labels.min() <= split.labels.max() < len(data.classes)

    def test_images_are_rgb_and_as_large_as_stated(self) -> None:
        for split in self._looked_at():
            for index in range(len(split)):
                image = split.image(index)
                assert image.mode == "RGB"
                assert image.size == tuple(split.sizes[index]), f"image {index} has another size than stated"

    def test_taking_images_keeps_them_together_with_their_labels(self) -> None:
        for split in self._looked_at():
            order = np.arange(len(split))[::-1]
            taken = split.take(order)
            assert taken.labels.tolist() == split.labels[order].tolist()
            assert taken.image(0).tobytes() == split.image(len(split) - 1).tobytes()

    def test_reading_it_again_gives_the_same_fingerprint(self) -> None:
        assert self.data().fingerprint == self.data().fingerprint

    def test_another_process_sees_the_same_images_and_batches(self) -> None:
        assert elsewhere(self, "hashes") == self.hashes()

    def test_a_batch_depends_on_seed_epoch_and_step_alone(self) -> None:
        batches = self._batches()
        whole = list(batches.epoch(1))
        for step in range(len(whole)):
            images, labels = next(batches.epoch(1, step))
            assert torch.equal(images, whole[step][0])
            assert torch.equal(labels, whole[step][1])

    def test_epochs_and_seeds_differ(self) -> None:
        batches = self._batches()
        digests = [_digest(source.epoch(epoch)) for source in (batches, replace(batches, seed=1)) for epoch in (0, 1)]
        assert len(set(digests)) == 4

    def test_batches_are_normalised_images(self) -> None:
        images, labels = next(self._batches().epoch(0))
        assert images.dtype == torch.float32
        assert labels.dtype == torch.int64
        assert images.shape[1:] == (3, self.resolution, self.resolution)
        assert len(images) == len(labels)
        assert images.isfinite().all()

    def test_evaluation_sees_every_image_once_in_order(self) -> None:
        data = self.data()
        preprocessing = default_preprocessing(data, self.resolution)
        _, test = self._looked_at()
        batches = EvaluationBatches(test, preprocessing, batch_size=5)
        assert torch.cat([labels for _, labels in batches]).tolist() == test.labels.tolist()

    def hashes(self) -> list[str]:
        """The data set's fingerprint and a hash of the first training batch, as JSON."""
        return [self.data().fingerprint, _digest(iter([next(self._batches().epoch(0))]))]

    def _looked_at(self) -> tuple[Split, Split]:
        data = self.data()
        train, test = (subset(split, min(self.looked_at, len(split)), 0) for split in (data.train, data.test))
        return train, test

    def _batches(self) -> TrainingBatches:
        train, _ = self._looked_at()
        preprocessing = default_preprocessing(self.data(), self.resolution)
        return TrainingBatches(train, preprocessing, Augmentation(), max(1, len(train) // STEPS), seed=0)


def _digest(batches: Iterator[Batch]) -> str:
    digest = hashlib.sha256()
    for images, labels in batches:
        digest.update(images.contiguous(memory_format=torch.contiguous_format).numpy().tobytes())
        digest.update(labels.numpy().tobytes())
    return digest.hexdigest()
