"""The plan: minutes turned once into epochs, images and trials. Made after measuring, kept with the run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch

from sculptnet.job import OpenRun
from sculptnet.words import minutes, several

SHARES = {"search": 0.25, "trials": 0.2, "training": 0.55}  # of what is left after measuring and shipping
SHORT_SEARCH_SHARE = 0.1  # where a quarter would not reach FEW_STEPS: training makes more of the time
# Fashion-MNIST, 9 layers of 9 candidates, single paths: after 825 steps, 92 for each candidate, the supernet classifies
# 10 to 27 % correctly, and what it finds is no better than a random network of the same latency.
FEW_STEPS = 1000  # for each candidate
PAPER_SEARCH_EPOCHS = 90  # FBNet
PAPER_WARMUP_SHARE = 10 / 90  # of the epochs, with all branches (FBNet)
SAMPLED_WARMUP_SHARE = 1 / 3  # with sampled branches, where a step trains a few candidates of each layer only
FEWEST_SEARCH_EPOCHS = 12  # below, the temperature falls too fast to learn; fewer images an epoch instead
WEIGHT_SHARE = 0.8  # of the search's images train weights, the rest the architecture (FBNet, section 3.3)
# of a search that learns from trials, without a supernet
MANY_TRIALS = 100  # before they are trained for longer than they must
TRIAL_STEPS = 100  # in which a network learns enough to be told from others
LONGEST_TRIAL = 5  # epochs (MnasNet, section 5), more where these are fewer steps
# Short trials choose recipes for short trainings: so there are fewer trials of recipes, and longer ones
MANY_RECIPE_TRIALS, LONGEST_RECIPE_TRIAL = 32, 30
FULL_TRIALS, FULL_EPOCHS = 3, 30  # so many are trained in full where that leaves so many epochs; 15 in MnasNet


# Nobody trains for as long as minutes allow: 300 epochs in DeiT and in ResNet strikes back's A2, 350 in MnasNet, 360 in
# FBNet, 400 in FBNetV3. Of few images that would be few steps; so many are ours.
MOST_EPOCHS, FEWEST_STEPS = 400, 2000


class Plan(Protocol):
    """What a run will do and how long it takes: made once, from trial steps and the minutes left."""

    @property
    def seconds(self) -> Mapping[str, float]:
        """The expected time of each stage from here on."""
        ...

    @property
    def torch_threads(self) -> int:
        """With which trial steps were fastest; another number would round differently."""
        ...


P = TypeVar("P", bound=Plan)
LATE = 1.1  # times the minutes: from there on a plan that takes longer is warned of
UNUSED = 0.1  # of the minutes: from there on it is said that they are left over


def planned(run: OpenRun, kind: type[P], make: Callable[[], P]) -> P:
    """The run's plan: read if it is there, else made once; torch computes with its threads from here on."""
    plan = run.once("plan", kind, make)
    torch.set_num_threads(plan.torch_threads)
    return plan


def warn_if_late(run: OpenRun, plan: Plan, asked_minutes: float, remedy: str) -> None:
    """Says when a plan takes longer than was asked for, what was done before included, and the `remedy`."""
    expected_s = run.elapsed_s() + sum(plan.seconds.values())
    if expected_s > LATE * 60 * asked_minutes:
        run.say(
            f"Warning: the least sensible plan takes {minutes(expected_s)} in all, measuring included, more than the "
            f"{asked_minutes:g} minutes asked for; {remedy}"
        )


def note_if_early(run: OpenRun, plan: Plan, asked_minutes: float, epochs: int, setting: str = "recipe.epochs") -> None:
    """Says when much of the minutes is left over, since nobody trains for longer than `epochs`, which nobody fixed."""
    left_s = 60 * asked_minutes - run.elapsed_s() - sum(plan.seconds.values())
    if left_s > UNUSED * 60 * asked_minutes:
        run.say(
            f"Note: {several(epochs, 'epoch')}, since longer trainings rarely help: about {minutes(left_s)} of the "
            f"{asked_minutes:g} minutes are not used; `{setting}` fixes another number"
        )


@dataclass(frozen=True)
class Speed:
    """What things cost here: steps are measured on trial steps, the rest is estimated.

    Attributes:
        search_step_s, train_step_s: seconds of one step of the supernet and of the network in the middle of the budget.
        batch_size: images a step.
        trial_measure_s: estimated seconds to export and time one finalist.
        shipping_s: estimated seconds for export, int8, accuracy with the runtime, timing, report.
        peak_bytes: the most memory that this process held so far, trial steps included.
        torch_threads: with which the steps were fastest; fewer than cores where other programs keep some busy.
    """

    search_step_s: float
    train_step_s: float
    batch_size: int
    trial_measure_s: float
    shipping_s: float
    peak_bytes: int
    torch_threads: int


@dataclass(frozen=True)
class SearchPlan:
    """How long everything is. `search_images` are drawn from the training images, the same in every epoch.

    `seconds` holds the expected time of each stage from here on. With `trial_epochs` 0 there is one finalist, which
    nothing has to be compared with. The best `full_trials` are trained again, for `epochs`, before one is chosen; 0
    where the best one is.
    """

    search_epochs: int
    search_warmup_epochs: int
    search_images: int
    draws: int
    trials: int
    trial_epochs: int
    epochs: int
    seconds: Mapping[str, float]
    peak_bytes: int
    torch_threads: int
    full_trials: int = 0


@dataclass(frozen=True)
class Wishes:
    """What the user fixed; None leaves it to the plan.

    `run_share` is the part of a slot's candidates that one step of the search trains; `trial_cost` what a trial costs
    over what one in the middle of the budget does. At least `fewest_trials` are made, however few the minutes. With
    `predicts` what is proposed is predicted to be good, and trials are finalists, as after the search of a supernet.
    With `recipes` trials differ in their recipes, too.
    """

    search_epochs: int | None = None
    search_warmup_epochs: int | None = None
    epochs: int | None = None
    trials: int | None = None
    full_trials: int | None = None
    searches: bool = True
    samples_branches: bool = True
    run_share: float = 1.0
    trial_cost: float = 1.0
    fewest_trials: int = 2
    predicts: bool = False
    recipes: bool = False

    @property
    def draws(self) -> bool:
        """Whether trials are finalists."""
        return self.searches or self.predicts


def make_plan(seconds_left: float, speed: Speed, images: int, wishes: Wishes) -> SearchPlan:
    """Fills `seconds_left` with search, trials and training; never less than one epoch of search and of training.

    Args:
        seconds_left: of the user's minutes, after what was spent on looking and measuring.
        speed: see its class.
        images: training images.
        wishes: what is fixed already.
    """
    free = max(0.0, seconds_left - speed.shipping_s)
    train_epoch = speed.train_step_s * max(1, images // speed.batch_size)
    search = _search_part(free * _search_share(free, speed, wishes), speed, images, wishes)
    search_epochs, warmup, search_images, search_seconds = search
    rest = free - search_seconds
    trial_epoch = train_epoch * WEIGHT_SHARE * wishes.trial_cost
    if wishes.draws:
        share = SHARES["trials"] / (SHARES["trials"] + SHARES["training"])
        trials, trial_epochs = _trial_part(rest * share, trial_epoch, wishes)
        draws = max(6, 2 * trials)
    else:
        steps = max(1, images // speed.batch_size)
        share = 1 - SHARES["training"]
        trials, trial_epochs = _sampling_part(rest * share, trial_epoch, speed.trial_measure_s, steps, wishes)
        draws = trials
    trial_seconds = draws * speed.trial_measure_s + trials * trial_epochs * trial_epoch
    most = most_epochs(images // speed.batch_size)
    full_trials, epochs = _training_part((rest - trial_seconds) / train_epoch, trial_epochs, most, wishes)
    expected = {
        "search": search_seconds,
        "trials": trial_seconds + full_trials * epochs * train_epoch * WEIGHT_SHARE,
        "training": epochs * train_epoch,
        "shipping": speed.shipping_s,
    }
    return SearchPlan(
        search_epochs,
        warmup,
        search_images,
        draws,
        trials,
        trial_epochs,
        epochs,
        expected,
        speed.peak_bytes,
        speed.torch_threads,
        full_trials,
    )


def most_epochs(steps_per_epoch: int) -> int:
    """The most epochs that a plan has where nobody fixed their number, however many minutes there are."""
    return max(MOST_EPOCHS, math.ceil(FEWEST_STEPS / max(1, steps_per_epoch)))


def _search_share(free: float, speed: Speed, wishes: Wishes) -> float:
    steps = free * SHARES["search"] / max(speed.search_step_s, 1e-9) * WEIGHT_SHARE * wishes.run_share
    return SHARES["search"] if steps >= FEW_STEPS else SHORT_SEARCH_SHARE


def _search_part(seconds: float, speed: Speed, images: int, wishes: Wishes) -> tuple[int, int, int, float]:
    if not wishes.searches:
        return 0, 0, 0, 0.0
    steps = max(1.0, seconds / speed.search_step_s)
    all_steps = max(1, images // speed.batch_size)
    fewest = min(FEWEST_SEARCH_EPOCHS, PAPER_SEARCH_EPOCHS)
    epochs = wishes.search_epochs or min(PAPER_SEARCH_EPOCHS, max(fewest, math.floor(steps / all_steps)))
    # at least two steps an epoch: one for weights, one for the architecture
    epoch_steps = all_steps if wishes.search_epochs else min(all_steps, max(2, math.floor(steps / epochs)))
    warmup = wishes.search_warmup_epochs
    if warmup is None:
        share = SAMPLED_WARMUP_SHARE if wishes.samples_branches else PAPER_WARMUP_SHARE
        warmup = min(epochs - 1, max(1, round(epochs * share)))
    search_images = min(images, epoch_steps * speed.batch_size)
    return epochs, max(0, warmup), search_images, epochs * epoch_steps * speed.search_step_s


def _trial_part(seconds: float, epoch_seconds: float, wishes: Wishes) -> tuple[int, int]:
    """Two finalists at least, up to the paper's six; then longer trials. One, untrained, where two take too long."""
    affordable = seconds / epoch_seconds
    compared = wishes.full_trials or 1
    if compared == 1 and (wishes.trials == 1 or (wishes.trials is None and affordable < 2)):
        return 1, 0
    trials = wishes.trials or max(compared, min(6, max(2, math.floor(affordable))))
    return trials, max(1, min(math.floor(affordable / trials), 10, _longest(wishes)))


def _sampling_part(
    seconds: float, epoch_seconds: float, measure_seconds: float, steps: int, wishes: Wishes
) -> tuple[int, int]:
    """Many trials, as short as they may be; from a hundred on longer ones; then more. With recipes, from 32 on."""
    shortest = min(10, math.ceil(TRIAL_STEPS / steps), _longest(wishes))
    many, patient = (MANY_RECIPE_TRIALS, LONGEST_RECIPE_TRIAL) if wishes.recipes else (MANY_TRIALS, LONGEST_TRIAL)
    longest = min(max(shortest, patient), _longest(wishes))
    short, long = (math.floor(seconds / (epochs * epoch_seconds + measure_seconds)) for epochs in (shortest, longest))
    trials = wishes.trials or max(wishes.fewest_trials, wishes.full_trials or 0, min(short, many), long)
    epochs = math.floor((seconds / trials - measure_seconds) / epoch_seconds)
    return trials, min(longest, max(shortest, epochs))


def _longest(wishes: Wishes) -> int:
    """The most epochs of a trial: as many as the user fixed for what is shipped, fewer where some are trained anew."""
    if wishes.epochs is None:
        return LONGEST_RECIPE_TRIAL
    return max(1, wishes.epochs - ((wishes.full_trials or 1) > 1))


def _training_part(affordable: float, trial_epochs: int, most: int, wishes: Wishes) -> tuple[int, int]:
    """How many trials are trained in full beside the network that is shipped, and for how many epochs all of them.

    `affordable` epochs in all, at most `most` of one network.
    """
    count = wishes.full_trials
    if count is None:
        patient = affordable >= (1 + FULL_TRIALS * WEIGHT_SHARE) * (wishes.epochs or FULL_EPOCHS)
        count = FULL_TRIALS if patient and not wishes.draws else 1
    if count == 1 or wishes.epochs == trial_epochs:  # the one that is shipped; or all trials were trained in full
        return 0, wishes.epochs or max(1, trial_epochs, min(most, math.floor(affordable)))
    each = min(most, math.floor(affordable / (1 + count * WEIGHT_SHARE)))
    return count, wishes.epochs or max(trial_epochs + 1, each)
