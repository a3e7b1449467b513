"""Carving: the smaller form of a trained network that answers most like it, found without training any of them.

The start is trained on the images first. All that smaller blocks do to its answers is found out in closed form
(`sculptnet.inherit`), the exact optimum of their scores within the limits is put together, and that is trained on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from sculptnet import cost
from sculptnet.arch import Architecture, Candidate, IntMatrix, Recipe
from sculptnet.cost import FactoredCost, Priced, TotalCost, macs, parameters
from sculptnet.errors import InvalidValue, SculptNetError
from sculptnet.inherit import Library, Refit, carve_space, load_library, save_library
from sculptnet.inherit.files import VALUES
from sculptnet.inherit.library import options_of_places
from sculptnet.job import FitJob
from sculptnet.learn import accuracy_of, rescaled
from sculptnet.method import Found, SpaceMaker
from sculptnet.methods.carved_section import carved, described
from sculptnet.methods.finalists import ROUNDS, chosen, measured_by, run_logged, until_one_fits
from sculptnet.methods.fine_tuning import FINE_TUNING
from sculptnet.methods.searching import Target
from sculptnet.methods.started import Started
from sculptnet.nets import Network
from sculptnet.options import FitOptions
from sculptnet.records.card import Origin
from sculptnet.rules import at_least, between, require
from sculptnet.search import Job, Limit, Problem, Search, TrialRecord
from sculptnet.spaces.named import SpaceSettings
from sculptnet.stages.batches import training_batches
from sculptnet.stages.limits import COSTS, parse_limits
from sculptnet.stages.plan import most_epochs, note_if_early, planned, warn_if_late
from sculptnet.stages.speed import measure_training
from sculptnet.stages.table import blocks_in
from sculptnet.stages.train import train_module
from sculptnet.streams import stream, stream_seed
from sculptnet.words import minutes, several
from sculptnet.zoo.starting import Start, parse_start, space_around

if TYPE_CHECKING:
    from sculptnet.report import ReportData, SectionMaker

NO_START = (
    "the start is missing: method carve makes a trained network smaller; give `start`, such as efficientnet_lite0"
)
# Of the time of a training step, for one image; seen with EfficientNet-Lite0 at 128 px on a CPU
OPTION_SHARE = 0.04  # to make an option and to score it
ASSEMBLY_SHARE = 0.5  # to put a network together and to judge it


@dataclass(frozen=True)
class CarvePlan:
    """How long everything is. `seconds` holds the expected time of each stage from here on.

    Attributes:
        start_epochs: of the start, on the images that weights are trained on.
        epochs: of the carved network, on all training images.
        seconds, peak_bytes, torch_threads: as in `SearchPlan`.
    """

    start_epochs: int
    epochs: int
    seconds: Mapping[str, float]
    peak_bytes: int
    torch_threads: int


@final
@dataclass(frozen=True, kw_only=True)
class Carve(Started[CarvePlan]):
    """A network that is trained already is made smaller: nothing is searched by training.

    Attributes:
        images: training images of the library, half of them for regressions and half for scores.
        draws: networks of the best scores that are measured whole and judged, in each round.
        share: of the layers in which any two of those differ.
        teacher_share: of the time for training that the start has; the carved network has the rest.
        start_epochs: of the start; None leaves them to the plan.
        recovery_epochs: of the carved network; None leaves them to the plan.

    Raises:
        InvalidValue: with everything that is out of range.
    """

    name: ClassVar[str] = "carve"
    source: ClassVar[str] = "a start that is trained"
    lengths: ClassVar[str] = "the start for search.start_epochs, and what it ships for search.recovery_epochs"

    images: int = 384
    draws: int = 4
    share: float = 0.2
    teacher_share: float = 0.5
    start_epochs: int | None = None
    recovery_epochs: int | None = None

    def __post_init__(self) -> None:
        problems = at_least(self, 2, "images") + at_least(self, 1, "draws", "start_epochs", "recovery_epochs")
        problems += between(self, 0, 1, "share")
        problems += between(self, 0, 1, "teacher_share", without_low=True, without_high=True)
        require(problems, "Carve")

    # ------------------------------------------------------------------ what is asked for
    def problems(self, options: FitOptions) -> list[str]:
        return list(dict.fromkeys([*super().problems(options), *_totals(options)]))

    def opener(self, space: str | None) -> SpaceMaker:
        if space is not None:
            raise InvalidValue(f"space {space}: method carve opens a space around its start; leave `space` out")
        return carve_space

    def recipe(self, resolution: int) -> Recipe:
        """Of the start and of what is carved."""
        return FINE_TUNING

    def maker(self, options: FitOptions) -> SpaceMaker:
        """Everything that can be carved out of the start, with the recipe of both trainings."""
        if options.start is None:
            raise InvalidValue(NO_START)
        given = options.space.settings if isinstance(options.space, SpaceSettings) else {}
        opened = space_around(parse_start(options.start), given, carve_space)
        return lambda num_classes, resolution: replace(opened(num_classes, resolution), recipe=self.recipe(resolution))

    def origin(self, options: FitOptions) -> Origin:
        return replace(super().origin(options), starting_weights=str(options.start))

    def check(self, job: FitJob) -> None:
        """Whether the start's weights can be had, and whether there are images enough for the library."""
        weights_part, _ = job.search_parts()
        problems = []
        if self.images > len(weights_part):
            problems.append(
                f"images must be at most the {len(weights_part)} that weights are trained on here, got {self.images}; "
                f"lower it (`search.images={len(weights_part)}`)"
            )
        if not (job.run.library / VALUES).exists():
            try:
                self._first_network(job)
            except SculptNetError as error:
                problems.append(str(error))
        require(problems, "Carve")

    # ------------------------------------------------------------------ the plan
    def plan(self, job: FitJob, problem: Problem) -> CarvePlan:
        return planned(job, CarvePlan, lambda: self._plan(job, problem))

    def _plan(self, job: FitJob, problem: Problem) -> CarvePlan:
        job.say("Timing trial steps")
        options, (weights_part, held_out) = job.options, job.search_parts()
        batches = training_batches(job, job.data.train, job.recipe())
        speed = measure_training(job, batches, _whole(job))
        typical = job.space.decode(problem.sample(stream(options.seed, "flow/typical"), 1)[0]).architecture
        recovery_s = measure_training(job, batches, typical).train_step_s * batches.steps_per_epoch
        start_s = speed.train_step_s * training_batches(job, weights_part, job.recipe()).steps_per_epoch
        image_s = speed.train_step_s / speed.batch_size
        made = sum(len(blocks) for blocks in options_of_places(job.space).values())
        finalists = ASSEMBLY_SHARE * self.draws * (self.images + len(held_out))
        library_s = image_s * (OPTION_SHARE * made * self.images + finalists)
        free_s = max(0.0, options.minutes * 60 - job.elapsed_s() - speed.shipping_s - library_s)
        most = most_epochs(batches.steps_per_epoch)
        start_epochs = self.start_epochs or min(most, max(1, math.floor(free_s * self.teacher_share / start_s)))
        left_epochs = math.floor((free_s - start_epochs * start_s) / recovery_s)
        epochs = self.recovery_epochs or min(most, max(1, left_epochs))
        seconds = {
            "start": start_epochs * start_s,
            "library": library_s,
            "training": epochs * recovery_s,
            "shipping": speed.shipping_s,
        }
        plan = CarvePlan(start_epochs, epochs, seconds, speed.peak_bytes, speed.torch_threads)
        times = ", ".join(f"{name} {minutes(value)}" for name, value in seconds.items())
        job.say(
            f"Plan: {several(start_epochs, 'epoch')} of the start; a library of {made} options, each scored on "
            f"{self.images - self.images // 2} images; {several(epochs, 'epoch')} of what is carved\nExpected: "
            f"{minutes(sum(seconds.values()))} ({times}); {plan.peak_bytes / 2**30:.1f} GiB of memory in trial steps; "
            f"torch uses {several(plan.torch_threads, 'thread')}"
        )
        warn_if_late(job, plan, options.minutes, "fewer images, a lower resolution or search.images help")
        if epochs == most and not self.recovery_epochs:
            note_if_early(job, plan, options.minutes, epochs, "search.recovery_epochs")
        return plan

    # ------------------------------------------------------------------ the network
    def best(self, job: FitJob, target: Target, plan: CarvePlan) -> TrialRecord:
        if not (job.run.library / VALUES).exists():
            save_library(self._library(job, self._trained_start(job, plan)), job.run.library)
        library = load_library_of(job)
        job.say("Putting the best networks of the library together; they are measured whole, and judged untrained")
        scores = FactoredCost(job.space, library.scores)
        proposed = best_scored(target.problem, scores, _whole(job), self.draws, self.share)
        evaluate = measured_by(job, target, 0, AsAssembled(library, job))
        return chosen(job, run_logged(job, proposed, target.problem, evaluate, ROUNDS * self.draws + 1))

    def trained(self, candidate: Candidate, plan: CarvePlan) -> Candidate:
        return replace(candidate, recipe=rescaled(candidate.recipe, plan.epochs))

    def network(self, job: FitJob, found: Found) -> Network:
        """Put together anew, which gives the same bits, and trained on all training images."""
        architecture, library = found.candidate.architecture, load_library_of(job)
        network = library.assemble(architecture)
        job.log(described(library, network))
        job.say(
            f"Training what was carved, {several(found.candidate.recipe.epochs, 'epoch')}: "
            f"{macs(architecture) / 1e6:.1f} of {macs(library.network.architecture) / 1e6:.1f} M MACs"
        )
        network.to("cpu")
        train_module(job, network, found.candidate.recipe, "final")
        return network

    def _first_network(self, job: FitJob) -> Network:
        return _start(job.options).network(_whole(job), stream_seed(job.options.seed, "weights/start"))

    def _trained_start(self, job: FitJob, plan: CarvePlan) -> Network:
        """The start, trained on the images that no candidate is judged by."""
        job.say(f"Training the start, {several(plan.start_epochs, 'epoch')}")
        network = self._first_network(job)
        train_module(job, network, rescaled(job.recipe(), plan.start_epochs), "start", job.search_parts())
        return network.eval()

    def _library(self, job: FitJob, start: Network) -> Library:
        """Of training images in a drawn order, so that classes are mixed, as evaluation prepares them."""
        weights_part, _ = job.search_parts()
        order = stream(job.options.seed, "carve: images").permutation(len(weights_part))
        job.say("Making the library: smaller blocks in closed form, and what each does to the start's answers")
        start.to(job.accelerator)
        return Library.of(
            start,
            job.space,
            job.in_order(weights_part.take(order[: self.images])),
            images=self.images,
            refit=Refit(images=self.images // 2),
            progress=job.listener.progress,
        )

    def sections(self, source: ReportData) -> tuple[SectionMaker, ...]:
        from sculptnet.report import sections

        return (
            sections.accuracy_over_latency,
            sections.network,
            carved,
            sections.classes_apart,
            sections.budget_in_space,
            sections.table_checked,
            sections.training_curves,
            sections.what_was_used,
        )


# ---------------------------------------------------------------------- what is proposed, and how it is judged
def best_scored(problem: Problem, scores: FactoredCost, whole: Architecture, draws: int, share: float) -> Search:
    """Proposes `draws` networks of the least sum of scores until one of them is within the budget when measured.

    The whole network is the best of all where it is within the limits.

    Args:
        problem: its first limit is that on latency; its objectives play no part.
        scores: over the problem's space.
        whole: the network that all others are carved out of.
        draws: networks a round, at most.
        share: of the layers in which any two of a round differ.
    """
    costs, uncut = [_factored(one) for one in problem.factored], problem.space.encode(whole)

    def rows(number: int, narrowed: Problem) -> IntMatrix:
        bounds = [cost.Bound(one, limit.at_most) for one, limit in zip(costs, narrowed.limits, strict=True)]
        best = [one.choices for one in cost.diverse(scores, bounds, count=draws, share=share)]
        if uncut not in best and narrowed.feasible(np.array([uncut])).all():
            best.append(uncut)
        return np.array(best, dtype=np.int64)

    return until_one_fits(problem, rows)


@dataclass(frozen=True, eq=False)
class AsAssembled:
    """Evaluates a candidate as the library puts it together, untrained, on images that the start was not trained on."""

    library: Library
    run: FitJob

    def __call__(self, candidate: Candidate, job: Job) -> Mapping[str, float]:
        """`top1` and `balanced` (fractions), `kl_nats` to the start, `macs` and `parameters`; `job` plays no part."""
        architecture, run = candidate.architecture, self.run
        network = self.library.assemble(architecture)
        _, held_out = run.search_parts()
        found = accuracy_of(network, run.in_order(held_out), architecture.num_classes, run.accelerator)
        return {
            "top1": found.top1,
            "balanced": found.balanced,
            "kl_nats": self.library.divergence(network),
            "macs": float(macs(architecture)),
            "parameters": float(parameters(architecture)),
        }


def load_library_of(job: FitJob) -> Library:
    """The run's library, on what it is used with; always read, so that a run that goes on has the same bits."""
    library = load_library(job.run.library, blocks_in(job.space))
    device = job.accelerator
    return replace(library, network=library.network.to(device), images=library.images.to(device))


# ---------------------------------------------------------------------- the start, and limits
def _start(options: FitOptions) -> Start:
    if options.start is None:
        raise InvalidValue(NO_START)
    return parse_start(options.start)


def _whole(job: FitJob) -> Architecture:
    """The start, at the run's resolution and for its classes."""
    return _start(job.options).fitted(job.preprocessing.resolution, len(job.data.classes))


def _totals(options: FitOptions) -> list[str]:
    """A sentence for every limit that the exact optimum cannot keep."""
    try:
        limits = parse_limits(options.limits, options.device)
    except InvalidValue:
        return []  # said where limits are read
    costs = {
        name: given.cost if isinstance(given, Limit) else COSTS[name](options.precision)
        for name, given in limits.items()
        if isinstance(given, Limit) or name in COSTS
    }
    return [
        f"the limit on {name}: method carve limits sums and maxima, and this is a total of both; limit "
        f"{' and '.join(part.name for part in one.parts)} instead, each by itself"
        for name, one in costs.items()
        if isinstance(one, TotalCost)
    ]


def _factored(given: Priced) -> FactoredCost:
    assert isinstance(given, FactoredCost)  # totals are refused
    return given
