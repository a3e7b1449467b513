"""Evaluation by a trained supernet: the candidate's weights are there already, its batch-norm statistics are not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import final

from sculptnet.arch import Architecture, Candidate
from sculptnet.cost import macs, parameters
from sculptnet.data import EvaluationBatches, Preprocessing, Split
from sculptnet.data.choose import MEMORY_BYTES
from sculptnet.data.loading import evaluation_batch_size
from sculptnet.errors import InvalidValue, collected
from sculptnet.evaluate.prepared import PreparedImages
from sculptnet.learn import accuracy_of
from sculptnet.machine_limits import memory_budget
from sculptnet.nets import ElasticSupernet, Network, calibrate
from sculptnet.search import Job
from sculptnet.streams import stream


@final
@dataclass(frozen=True, eq=False)
class FromSupernet:
    """Copies a candidate's weights out of a supernet, makes its batch-norm statistics anew, measures on `held_out`.

    Nothing is trained. Deliberate difference from Once-for-All's published code: the images that statistics are made
    from are prepared as in evaluation, not augmented, so equal candidates give equal networks.

    Attributes:
        supernet: trained, on the accelerator.
        train, held_out: two parts of the training data; the test data have no place in a search.
        preprocessing: for its own resolution; `resize` is scaled for candidates of another one.
        seed: of the choice of images that statistics are made from, and of their order.
        calibration_images: how many these are; 2000 is Once-for-All's.
        batch_size: images at once, also of one set of statistics; 200 is Once-for-All's. Large ones are judged in
            smaller batches.
        num_workers: processes that decode images.
        accelerator: see `learn.open_machine`.
        kept_bytes: the most memory for images that were resized already, of all resolutions together; None as in
            `data.decoded`.

    Raises:
        InvalidValue: `train` holds fewer images than statistics are made from, or these are fewer than 2.
    """

    supernet: ElasticSupernet
    train: Split
    held_out: Split
    preprocessing: Preprocessing
    seed: int
    calibration_images: int = 2000
    batch_size: int = 200
    num_workers: int = 0
    accelerator: str = "cpu"
    kept_bytes: int | None = None

    def __post_init__(self) -> None:
        problems = [
            f"{name} must be at least 2, got {value}: statistics over a batch need two images or more"
            for name, value in (("calibration_images", self.calibration_images), ("batch_size", self.batch_size))
            if value < 2
        ]
        if self.calibration_images > len(self.train):
            problems.append(
                f"calibration_images must be at most the {len(self.train)} images there are, got "
                f"{self.calibration_images}; lower it (`search.calibration_images={len(self.train)}`)"
            )
        if problems:
            raise InvalidValue(collected(problems, "FromSupernet"))

    def __call__(self, candidate: Candidate, job: Job) -> Mapping[str, float]:
        """`top1` and `balanced` (fractions) on `held_out`, `macs` and `parameters`; `job` plays no part.

        Raises:
            NotInSpace: the architecture is none of the supernet's space; the message names the place.
        """
        architecture = candidate.architecture
        network = self.network(architecture)
        preprocessing = self.preprocessing.at(architecture.resolution)
        images = self._held_out.at(preprocessing)
        size = min(self.batch_size, evaluation_batch_size(preprocessing.resolution))
        batches = EvaluationBatches(images, preprocessing, size, self.num_workers)
        accuracy = accuracy_of(network, batches, architecture.num_classes, self.accelerator)
        counts = {"macs": float(macs(architecture)), "parameters": float(parameters(architecture))}
        return {"top1": accuracy.top1, "balanced": accuracy.balanced, **counts}

    def network(self, architecture: Architecture) -> Network:
        """The network of `architecture` as it can be used: the supernet's weights, its own statistics, in eval mode.

        Raises:
            NotInSpace: as above.
        """
        subnet = self.supernet.subnet(architecture)
        preprocessing = self.preprocessing.at(architecture.resolution)
        images = self._calibration.at(preprocessing)
        batches = EvaluationBatches(images, preprocessing, self.batch_size, self.num_workers)
        return calibrate(subnet, batches, images=len(images))

    @property
    def _half(self) -> int:
        return (memory_budget(MEMORY_BYTES) if self.kept_bytes is None else self.kept_bytes) // 2

    @cached_property
    def _held_out(self) -> PreparedImages:
        return PreparedImages(self.held_out, self._half)

    @cached_property
    def _calibration(self) -> PreparedImages:
        order = stream(self.seed, "evaluate.from_supernet: calibration").permutation(len(self.train))
        # shuffled, since images often come class by class; a last batch of one image would have no variance
        alone = self.calibration_images % self.batch_size == 1
        return PreparedImages(self.train.take(order[: self.calibration_images - alone]), self._half)
