"""How a supernet is trained and used: the settings of methods that specialise from one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from itertools import chain, count, islice

from torch import Tensor

from sculptnet.arch import Recipe, SearchSpace
from sculptnet.learn import BatchSource, Phase, progressive, rescaled, sandwich
from sculptnet.rules import at_least, require

PAPER_RATE = 2.6  # the full network's learning rate, to which those of all phases are set in proportion


class Schedule(Enum):
    """A published way to train a supernet.

    `SANDWICH`: one phase with everything open. `PROGRESSIVE`: the full network first, then smaller and smaller ones.
    """

    SANDWICH = "sandwich"
    PROGRESSIVE = "progressive"


@dataclass(frozen=True, kw_only=True)
class Shrinking:
    """The settings of a supernet's training, and of what is made from it. None leaves a number to the plan.

    The sandwich rule is the default, not the paper's progressive shrinking: in minutes on a CPU there are a few dozen
    epochs in all, and six phases would leave each a handful, the smallest networks only the last one, behind a teacher
    that is not yet trained. With one phase every network learns from the first step to the last.

    Attributes:
        schedule: see there.
        epochs: of all phases together, each over all images; each phase has its published share, one at least.
        samples: networks whose accuracy the predictor learns from.
        calibration_images: training images that batch-norm statistics are made from; 2000 in the published code.
        draws: networks of the best predicted accuracy that are measured whole.
        fine_tune_epochs: of the network that is chosen; 25 and 75 in the paper; 0 ships the supernet's weights.

    Raises:
        InvalidValue: with everything that is out of range.
    """

    schedule: Schedule = Schedule.SANDWICH
    epochs: int | None = None
    samples: int | None = None
    calibration_images: int | None = None
    draws: int = 6
    fine_tune_epochs: int | None = None

    def __post_init__(self) -> None:
        problems = at_least(self, 1, "epochs", "draws") + at_least(self, 25, "samples")
        problems += at_least(self, 2, "calibration_images") + at_least(self, 0, "fine_tune_epochs")
        require(problems, "Shrinking")


def phases_of(space: SearchSpace, schedule: Schedule, recipe: Recipe) -> tuple[Phase, ...]:
    """The phases with their published epochs, trained with `recipe` in everything but epochs, schedule and rate.

    Learning rates are to the recipe's as the published ones are to the full network's 2.6. The progressive schedule
    trains the full network first even where it has weights: its classifier is mostly drawn, and it is the teacher.
    """
    published = sandwich(space) if schedule is Schedule.SANDWICH else progressive(space)
    return tuple(replace(phase, recipe=_combined(phase.recipe, recipe)) for phase in published)


def shortened(phases: tuple[Phase, ...], epochs: Mapping[str, int]) -> tuple[Phase, ...]:
    """The same phases with other lengths, by name; warm-up keeps its share."""
    return tuple(replace(phase, recipe=rescaled(phase.recipe, epochs[phase.name])) for phase in phases)


@dataclass(frozen=True, eq=False)
class ShortEpochs:
    """The batches of whole epochs one after the other, in epochs of fewer steps: every image is seen as often.

    Attributes:
        batches: the whole epochs.
        steps_per_epoch: of the short ones.
    """

    batches: BatchSource
    steps_per_epoch: int

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of a short epoch from `start_step` on."""
        whole, step = divmod(epoch * self.steps_per_epoch + start_step, self.batches.steps_per_epoch)
        later = chain.from_iterable(self.batches.epoch(number) for number in count(whole + 1))
        return islice(chain(self.batches.epoch(whole, step), later), self.steps_per_epoch - start_step)


def _combined(published: Recipe, recipe: Recipe) -> Recipe:
    rate = recipe.optimizer.learning_rate * published.optimizer.learning_rate / PAPER_RATE
    return replace(
        recipe,
        epochs=published.epochs,
        schedule=published.schedule,
        optimizer=replace(recipe.optimizer, learning_rate=rate),
    )
