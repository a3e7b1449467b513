"""A network that is given: searched for nothing, trained from drawn or from given weights, and shipped."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, final

import numpy as np

from sculptnet import settings, zoo
from sculptnet.arch import Architecture, Candidate, Recipe, Sgd, to_json
from sculptnet.cost import macs
from sculptnet.data import ImageData, Preprocessing
from sculptnet.files import digest
from sculptnet.job import Job
from sculptnet.learn import rescaled
from sculptnet.listening import Listener
from sculptnet.method import Found, Method, Subject
from sculptnet.methods.fine_tuning import FINE_TUNING, fine_tuned, probe_images, probe_seconds, sentence
from sculptnet.methods.planning import GIVEN_LATE_REMEDY
from sculptnet.methods.searching import LARGEST_NATIVE
from sculptnet.methods.settling import unsettled_steps, with_new_statistics
from sculptnet.methods.sizing import features_side, largest_that_fits
from sculptnet.methods.teaching import Teacher, check_classes, digest_of, distilled, model_folder, read_teacher
from sculptnet.nets import Network
from sculptnet.networks import (
    LARGE_BATCH,
    LARGE_BATCH_RESOLUTION,
    batch_size_at,
    beginning_problems,
    fitted,
    is_architecture_file,
    name_of,
    published_of,
)
from sculptnet.options import TrainOptions
from sculptnet.records.card import Origin
from sculptnet.rules import raised
from sculptnet.stages.batches import training_batches
from sculptnet.stages.lengths import fixed_names
from sculptnet.stages.plan import Speed, most_epochs, note_if_early, planned, warn_if_late
from sculptnet.stages.speed import measure_forward, measure_training
from sculptnet.stages.train import final_parts, train_module
from sculptnet.stages.unused import names_of, recipe_problems
from sculptnet.streams import stream_seed
from sculptnet.words import minutes, several, times
from sculptnet.zoo.starting import normalised_as

if TYPE_CHECKING:
    from sculptnet.report import ReportData, SectionMaker

SMALLEST_FEATURES = 3  # pixels a side; with fewer, most of a 3x3 or 5x5 kernel sees padding alone


@dataclass(frozen=True)
class TrainingPlan:
    """How long the training is: made once, from trial steps and the minutes left.

    Attributes:
        epochs: as the user fixed them, or as many as fit, one at least.
        seconds: expected of `training` and `shipping`.
        peak_bytes: the most memory that was held in trial steps.
        torch_threads: with which they were fastest.
        probe_images: that a logistic regression is fitted to; 0 where there is none.
    """

    epochs: int
    seconds: Mapping[str, float]
    peak_bytes: int
    torch_threads: int
    probe_images: int


@final
@dataclass(frozen=True)
class Given(Method[TrainOptions]):
    """Trains the network of the options; what `train` does."""

    name: ClassVar[str] = "given"

    def problems(self, options: TrainOptions) -> list[str]:
        found = beginning_problems(options.network, options.pretrained, options.weights)

        def recipe() -> None:
            given = recipe_of(options, LARGE_BATCH_RESOLUTION)
            found.extend(recipe_problems(given, names_of(options.recipe), taught=options.teacher is not None))

        def teacher() -> None:
            if options.teacher is not None:
                model_folder(options.teacher)

        return raised(lambda: published_of(options.network), recipe, teacher) + found

    def resolution(self, options: TrainOptions, data: ImageData, accelerator: str) -> int:
        """The network's own; the images' where they are small, no weights know another, and the user states none."""
        size = int(np.median(data.train.sizes.min(axis=1)))
        stated = isinstance(options.network, Architecture) or is_architecture_file(options.network)
        small = size <= LARGEST_NATIVE and not fine_tunes(options) and not stated
        return size if small else published_of(options.network).architecture.resolution

    def subject(self, options: TrainOptions, num_classes: int, resolution: int) -> Architecture:
        return fitted(published_of(options.network).architecture, resolution, num_classes)

    def identity(self, options: TrainOptions) -> dict[str, Any]:
        """The weights that it starts from, and those that teach."""
        begins: object = options.pretrained
        if options.weights is not None:
            begins = hashlib.sha256(options.weights.read_bytes()).hexdigest()[:16]
        found = {"network": digest(to_json(published_of(options.network).architecture)), "starting_weights": begins}
        return found if options.teacher is None else {**found, "teacher": digest_of(options.teacher)}

    def begin(self, options: TrainOptions, subject: Subject, data: ImageData) -> None:
        """Raises `InvalidValue` where there are no such weights, they are another network's, or a teacher's classes."""
        assert isinstance(subject, Architecture)
        first_network(options, subject)
        if options.teacher is not None:
            check_classes(read_teacher(options.teacher), data.classes)

    def preprocessing(self, options: TrainOptions, plain: Preprocessing, listener: Listener) -> Preprocessing:
        """As for the weights, where somebody states it."""
        if not fine_tunes(options):
            return plain
        name, published = name_of(options.network), published_of(options.network)
        return normalised_as(plain, name, options.weights, published, listener.say)

    def find(self, job: Job[TrainOptions]) -> Found:
        architecture = job.subject
        assert isinstance(architecture, Architecture)
        if job.options.resolution is None and job.options.latency_ms is not None:
            sizing = largest_that_fits(job, architecture, job.options.latency_ms)
            architecture = replace(architecture, resolution=sizing.resolution)
            job = job.decoded_at(sizing.resolution)
        warn_of_small_features(architecture, job.say)
        recipe = recipe_of(job.options, architecture.resolution)
        plan = planned(job, TrainingPlan, lambda: _made_plan(job, architecture, recipe))
        return Found(Candidate(architecture, rescaled(recipe, plan.epochs)))

    def network(self, job: Job[TrainOptions], found: Found) -> Network:
        architecture, recipe = found.candidate.architecture, found.candidate.recipe
        plan = job.kept("plan", TrainingPlan)
        assert plan is not None  # `find` made it
        if architecture.resolution != job.preprocessing.resolution:
            job = job.decoded_at(architecture.resolution)
        begins = "Fine-tuning" if fine_tunes(job.options) else "Training"
        job.say(f"{begins} {name_of(job.options.network)}, {macs(architecture) / 1e6:.1f} M MACs")
        teacher = _teacher(job)

        steps = unsettled_steps(job.options.weights, recipe)
        if steps is not None:
            job.say(
                f"Note: the weights were trained in {several(steps, 'step')}, too few for the statistics of batch "
                "norms to settle; they are taken anew from training images"
            )

        def make() -> Network:
            first = first_network(job.options, architecture)
            return first if steps is None else with_new_statistics(job, first, recipe)

        if plan.probe_images:
            return fine_tuned(job, make, recipe, plan.probe_images, teacher)
        network = make()
        train_module(job, network, recipe, "final", teacher=teacher)
        return network

    def origin(self, options: TrainOptions) -> Origin:
        weights = "published" if options.pretrained else "drawn" if options.weights is None else options.weights.name
        return Origin(network=name_of(options.network), starting_weights=weights)

    def sections(self, source: ReportData) -> tuple[SectionMaker, ...]:
        return sections_of_a_training()


def sections_of_a_training() -> tuple[SectionMaker, ...]:
    """The sections on a network that was given, and on how it was trained."""
    from sculptnet.report.sections import classes_apart, network, training_curves, what_was_used

    return (network, classes_apart, training_curves, what_was_used)


def _teacher(job: Job[TrainOptions]) -> Teacher | None:
    """Who teaches, for images as this run prepares them."""
    if job.options.teacher is None:
        return None
    return read_teacher(job.options.teacher).seen_by(job.preprocessing)


def fine_tunes(options: TrainOptions) -> bool:
    """Whether training starts from weights that were trained before."""
    return options.pretrained or options.weights is not None


def first_network(options: TrainOptions, architecture: Architecture) -> Network:
    """The network as its training starts.

    Raises:
        InvalidValue: there are no such weights, or they are those of another network.
    """
    published = replace(published_of(options.network), architecture=architecture)
    beginning: bool | Path = options.pretrained if options.weights is None else options.weights
    seed = stream_seed(options.seed, "weights/final")
    return zoo.load_published(published, pretrained=beginning, num_classes=architecture.num_classes, seed=seed)


def recipe_of(options: TrainOptions, resolution: int) -> Recipe:
    """The recipe, its epochs aside where the plan sets them.

    From scratch the learning rate is 0.1 for 128 images a step, in proportion for 32 (Goyal et al. 2017, the linear
    scaling rule). Fine-tuning is `FINE_TUNING`, at any resolution: batch norms keep the statistics of the given
    weights, batches are small, the rate is low, crops are large. With a teacher, soft labels count `DISTILLATION`. What
    the user decides is taken in either's place.
    """
    batch_size = batch_size_at(resolution)
    rate = Sgd().learning_rate * batch_size / LARGE_BATCH
    drawn = Recipe(batch_size=batch_size, optimizer=Sgd(learning_rate=rate))
    usual = FINE_TUNING if fine_tunes(options) else drawn
    return settings.decided(usual if options.teacher is None else distilled(usual), options.recipe, "recipe")


def probes(options: TrainOptions) -> bool:
    """Whether the classifier is fitted first: to features of given weights, unless a whole recipe says all there is."""
    return fine_tunes(options) and not isinstance(options.recipe, Recipe)


def _made_plan(job: Job[TrainOptions], architecture: Architecture, recipe: Recipe) -> TrainingPlan:
    job.say("Timing trial steps")
    batches = training_batches(job, job.data.train, recipe)
    speed = measure_training(job, batches, architecture)
    teacher = _teacher(job)
    teaching_s = 0.0 if teacher is None else measure_forward(job, batches, teacher)
    epoch_s = (speed.train_step_s + teaching_s) * batches.steps_per_epoch
    left_s = job.options.minutes * 60 - job.elapsed_s() - speed.shipping_s
    images, probe_s = _planned_probe(job, architecture, speed, left_s)
    fixed = "epochs" in fixed_names(job.options)
    most = most_epochs(batches.steps_per_epoch)
    epochs = recipe.epochs if fixed else min(most, max(1, math.floor((left_s - probe_s) / epoch_s)))
    seconds = {"classifier": probe_s} if images else {}
    seconds |= {"training": epochs * epoch_s, "shipping": speed.shipping_s}
    plan = TrainingPlan(epochs, seconds, speed.peak_bytes, speed.torch_threads, images)
    if fine_tunes(job.options):
        job.say(sentence(recipe, images))
    if teacher is not None:
        job.say(f"Taught by {job.options.teacher}: its soft labels count {recipe.distillation:g}")
    times = ", ".join(f"{name} {minutes(value)}" for name, value in seconds.items())
    job.say(
        f"Plan: {several(plan.epochs, 'epoch')}\nExpected: {minutes(sum(seconds.values()))} ({times}); "
        f"{plan.peak_bytes / 2**30:.1f} GiB of memory in trial steps; "
        f"torch uses {several(plan.torch_threads, 'thread')}"
    )
    warn_if_late(job, plan, job.options.minutes, GIVEN_LATE_REMEDY)
    if epochs == most and not fixed:
        note_if_early(job, plan, job.options.minutes, epochs)
    return plan


def _planned_probe(
    job: Job[TrainOptions], architecture: Architecture, speed: Speed, left_s: float
) -> tuple[int, float]:
    """The images that the probe is fitted to, and the seconds it takes; 0 where there is none."""
    if not probes(job.options):
        return 0, 0.0
    each_s = probe_seconds(architecture, speed.train_step_s / speed.batch_size)
    images = probe_images(len(final_parts(job)[0]), len(job.data.classes), left_s, each_s)
    return images, images * each_s


def warn_of_small_features(architecture: Architecture, say: Callable[[str], None]) -> None:
    """Says when a network made for photographs sees images that are too small for its strides."""
    size = features_side(architecture)
    if size < SMALLEST_FEATURES:
        resolution = architecture.resolution
        halved = times(round(math.log2(resolution / size)))
        say(
            f"Warning: this network, made for photographs, halves the image {halved}: {resolution} px end as "
            f"{size}x{size}. `resolution={resolution * 4}` enlarges images; an architecture file may have smaller "
            "strides; `sculptnet fit` searches one that has"
        )
