"""The plan of a run that trains a supernet: minutes turned once into epochs, samples and images."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sculptnet.flow.kept_plan import plan_of

SHARES = {"supernet": 0.65, "samples": 0.15, "fine_tuning": 0.2}  # of what is left after measuring and shipping
PAPER_IMAGES = 2000  # for batch-norm statistics; as many judge a sample (10,000 in the paper)
FEWEST_IMAGES = 200
FEWEST_SAMPLES, ENOUGH_SAMPLES, MOST_SAMPLES = 40, 150, 2000  # fewer images a sample before fewer than enough samples
LOOKED_AT = 5  # networks that a phase looks at when it ends
FEWEST_EPOCHS = 8  # fewer whole ones would leave up to half of the time unused; epochs of fewer images instead


@dataclass(frozen=True)
class SupernetSpeed:
    """What things cost here, measured on trial steps but for shipping.

    Attributes:
        phase_step_s: seconds of one step, by phase.
        batch_size: images a step, in every phase.
        image_s: seconds to put one image through a network, forwards only.
        fine_tuning_epoch_s: seconds of one epoch of the network in the middle of the budget.
        shipping_s: estimated seconds for export, int8, accuracy with the runtime, timing, report.
        peak_bytes: the most memory that this process held so far, trial steps included.
        torch_threads: with which steps were fastest.
    """

    phase_step_s: Mapping[str, float]
    batch_size: int
    image_s: float
    fine_tuning_epoch_s: float
    shipping_s: float
    peak_bytes: int
    torch_threads: int


@dataclass(frozen=True)
class SupernetPlan:
    """How long everything is. `seconds` holds the expected time of each stage from here on.

    Attributes:
        epochs: of each phase, by name.
        images: of an epoch; where these are not all, every epoch goes on where the one before stopped.
        samples: networks that the accuracy predictor learns from.
        calibration_images: training images that batch-norm statistics are made from.
        held_out_images: that judge a sample; finalists see all.
        fine_tune_epochs: of the network that is chosen.
        seconds, peak_bytes, torch_threads: as in `Plan`.
    """

    epochs: Mapping[str, int]
    images: int
    samples: int
    calibration_images: int
    held_out_images: int
    fine_tune_epochs: int
    seconds: Mapping[str, float]
    peak_bytes: int
    torch_threads: int

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {**asdict(self), "epochs": dict(self.epochs), "seconds": dict(self.seconds)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SupernetPlan:
        """The plan that `to_json` wrote."""
        return plan_of(cls, data)


@dataclass(frozen=True)
class SupernetWishes:
    """What the user fixed; None leaves it to the plan. `shares`: published epochs of each phase, by name."""

    shares: Mapping[str, int]
    epochs: int | None = None
    samples: int | None = None
    calibration_images: int | None = None
    fine_tune_epochs: int | None = None


def make_supernet_plan(
    seconds_left: float, speed: SupernetSpeed, images: tuple[int, int], wishes: SupernetWishes
) -> SupernetPlan:
    """Fills `seconds_left`; never less than an epoch a phase, of one step at least, and 40 samples.

    Where eight whole epochs, or one for the shortest phase, take too long, epochs are of fewer images: so each phase
    has its share of the steps.

    Args:
        seconds_left: of the user's minutes, after what was spent on looking and measuring.
        speed: see its class.
        images: training images for weights, and those held out to judge networks.
        wishes: what is fixed already.
    """
    free = max(0.0, seconds_left - speed.shipping_s)
    samples, calibration, held_out = _sample_part(free * SHARES["samples"], speed.image_s, images, wishes)
    sample_s = (calibration + held_out) * speed.image_s
    fixed = wishes.fine_tune_epochs
    tuning_s = free * SHARES["fine_tuning"] if fixed is None else fixed * speed.fine_tuning_epoch_s
    looks_s = LOOKED_AT * len(wishes.shares) * sample_s
    epochs, epoch_steps = _epochs(free - samples * sample_s - tuning_s - looks_s, speed, images[0], wishes)
    supernet_s = looks_s + sum(count * epoch_steps * speed.phase_step_s[name] for name, count in epochs.items())
    left_s = free - supernet_s - samples * sample_s
    tuning = max(0, math.floor(left_s / speed.fine_tuning_epoch_s)) if fixed is None else fixed
    expected = {
        "supernet": supernet_s,
        "samples": samples * sample_s,
        "fine_tuning": tuning * speed.fine_tuning_epoch_s,
        "shipping": speed.shipping_s,
    }
    whole = epoch_steps == steps_of(images[0], speed.batch_size)
    return SupernetPlan(
        epochs,
        images[0] if whole else epoch_steps * speed.batch_size,
        samples,
        calibration,
        held_out,
        tuning,
        expected,
        speed.peak_bytes,
        speed.torch_threads,
    )


def steps_of(images: int, batch_size: int) -> int:
    """The steps of an epoch of so many images."""
    return max(1, images // batch_size)


def _sample_part(
    seconds: float, image_s: float, images: tuple[int, int], wishes: SupernetWishes
) -> tuple[int, int, int]:
    """How many samples, and how many images each takes for statistics and for its accuracy."""
    most = [min(PAPER_IMAGES, count) for count in images]
    wanted = wishes.samples or ENOUGH_SAMPLES
    share = min(1.0, seconds / (wanted * sum(most) * image_s))
    calibration, held_out = (min(count, max(FEWEST_IMAGES, math.floor(share * count))) for count in most)
    calibration = wishes.calibration_images or calibration
    affordable = math.floor(seconds / ((calibration + held_out) * image_s))
    return wishes.samples or min(MOST_SAMPLES, max(FEWEST_SAMPLES, affordable)), calibration, held_out


def _epochs(seconds: float, speed: SupernetSpeed, images: int, wishes: SupernetWishes) -> tuple[dict[str, int], int]:
    """Epochs of each phase in proportion to its share, one at least, and their steps, within `seconds` or as wished."""
    published, all_steps = sum(wishes.shares.values()), steps_of(images, speed.batch_size)
    mean_s = sum(share / published * speed.phase_step_s[name] for name, share in wishes.shares.items())
    fewest = max(FEWEST_EPOCHS, math.ceil(published / min(wishes.shares.values())))
    total = wishes.epochs or max(fewest, math.floor(seconds / (all_steps * mean_s)))
    fitting = all_steps if wishes.epochs else math.floor(seconds / (total * mean_s))
    epochs = {name: max(1, math.floor(total * share / published + 1e-9)) for name, share in wishes.shares.items()}
    return epochs, max(1, min(all_steps, fitting))
