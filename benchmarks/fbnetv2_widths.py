"""Does the search of FBNetV2 find good widths? Fashion-MNIST at 16 px, four layers of seven widths, nothing else open.

    python -m benchmarks.fbnetv2_widths
    python -m benchmarks.fbnetv2_widths --parts networks --seeds 2    # these only, while other processes do the rest
    python -m benchmarks.fbnetv2_widths --seconds 60     # start nothing further after these; call again to go on
    python -m benchmarks.fbnetv2_widths --share 0.02 --results FOLDER    # all of it in a minute, to try the script

Two questions. Do the search's preferences rank networks as training each of them alone does? And is a network that it
finds better than the widest one, uniformly narrowed to the same multiply-adds, and than one that was drawn at random?

Every search and every training is a line in `results/fbnetv2_widths.jsonl`, and is not done again; then
`fbnetv2_widths_page.py` makes the page. Costs are processor seconds of one thread, about a quarter of an hour in all.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from benchmarks.fbnetv2_widths_page import write_page

from sculptnet import data
from sculptnet.accuracy import Accuracy
from sculptnet.arch import Architecture, Augmentation, Cosine, IntMatrix, Recipe, SearchSpace, Sgd, between
from sculptnet.blocks import Classifier, Conv, InvertedResidual, PooledConv
from sculptnet.cost import FactoredCost, Macs, macs
from sculptnet.data import EvaluationBatches, ImageData, Preprocessing, Split, TrainingBatches
from sculptnet.learn import accuracy_of, train_network
from sculptnet.methods.shrinking import ShortEpochs
from sculptnet.nets import MaskedSupernet, Network, calibrate, initialise
from sculptnet.records import Event, of_kind
from sculptnet.records.search_events import SearchEpoch
from sculptnet.runs import append_line, read_lines
from sculptnet.search import Dnas, Limit, Objective, Problem
from sculptnet.streams import stream, stream_seed

RESULTS = Path(__file__).parent / "results"
LINES, PARTS = "fbnetv2_widths.jsonl", ("search", "networks", "alone")
CLASSES, RESOLUTION, BATCH = 10, 16, 96
WIDEST = (16, 32, 48, 64)
SEEDS = (0, 1, 2)
ANY, EQUAL, REPEATS = 32, 20, 2  # settings of any multiply-adds, of nearly equal ones; trainings of each of the latter
NEARLY = 0.03  # how far multiply-adds may lie from the median where they are nearly equal
BUDGETS = (90_000, 120_000, 190_000)  # multiply-adds
SPENT = 0.95  # of its budget, at least, a drawn network must spend
FINALISTS = 3
EPOCHS, WARMUP, PAPER_EPOCHS, PAPER_DECAY = 24, 8, 90, 0.045
WEIGHT_STEPS, THETA_STEPS = 40, 20  # of an epoch of the search
ALONE_STEPS, FINALIST_STEPS, FINAL_STEPS = 200, 100, 600
PIECES = 10  # that a training is cut into
JUDGED, CALIBRATION = 2000, 600  # held-out images, and training images for batch norm, of a network of the supernet
RECIPE = Recipe(PIECES, BATCH, Sgd(0.1), Cosine(0.5), Augmentation(crop_padding=0.0), label_smoothing=0.0)

Line: TypeAlias = dict[str, Any]


def space_of() -> SearchSpace:
    """Four layers of seven widths; the hidden widths follow."""
    stem = Conv(between(4, 16, 2), 3, 2)
    stages = (
        (InvertedResidual(between(8, 32, 4), 3, 2, 2),),
        (InvertedResidual(between(12, 48, 6), 3, 3, 2), InvertedResidual(between(16, 64, 8), 3, 3)),
    )
    return SearchSpace(Architecture(RESOLUTION, stem, stages, PooledConv(64), Classifier(CLASSES)))


def of_widths(widths: Sequence[int]) -> Architecture:
    """The network of these four widths, on the grid of the space or not."""
    first, second, third, last = widths
    stages = (
        (InvertedResidual(second, 3, 2, 2),),
        (InvertedResidual(third, 3, 3, 2), InvertedResidual(last, 3, 3)),
    )
    return Architecture(RESOLUTION, Conv(first, 3, 2), stages, PooledConv(64), Classifier(CLASSES))


def widths_of(architecture: Architecture) -> list[int]:
    blocks = [architecture.stem, *(block for stage in architecture.stages for block in stage)]
    return [block.out_channels for block in blocks]


def narrowed(wanted: int) -> Architecture:
    """The widest network with all four widths times one factor, found by bisection, nearest to `wanted`."""
    low, high = 1 / WIDEST[0], 2.0

    def at(factor: float) -> Architecture:
        return of_widths([max(1, round(factor * width)) for width in WIDEST])

    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if macs(at(middle)) <= wanted else (low, middle)
    return min((at(low), at(high)), key=lambda one: abs(macs(one) - wanted))


class Paused(Exception):
    """The time that was given is over."""


@dataclass(frozen=True, eq=False)
class Work:
    """The images, the space, and what is done already.

    Attributes:
        lines: the file of finished parts.
        share: of the steps of every search and training.
        until: processor seconds of this process, after which no further part begins.
    """

    lines: Path
    share: float
    until: float = math.inf

    @property
    def done(self) -> dict[tuple[Any, ...], Line]:
        """What is finished, by this process or another one."""
        return {key_of(dict(line)): dict(line) for line in read_lines(self.lines, print)}

    def finish(self, line: Line) -> Line:
        """Keeps a part.

        Raises:
            Paused: there is no time for another one.
        """
        append_line(self.lines, line)
        print(*key_of(line), flush=True)
        if time.process_time() > self.until:
            raise Paused
        return line

    @cached_property
    def space(self) -> SearchSpace:
        return space_of()

    @cached_property
    def cost(self) -> FactoredCost:
        return FactoredCost(self.space, Macs())

    @cached_property
    def loaded(self) -> ImageData:
        return data.load("fashion_mnist")

    @cached_property
    def preprocessing(self) -> Preprocessing:
        return data.default_preprocessing(self.loaded, RESOLUTION)

    @cached_property
    def images(self) -> ImageData:
        return data.decoded(self.loaded, self.preprocessing)

    @cached_property
    def parts(self) -> tuple[Split, Split]:
        """The images that weights learn from, and a fifth for the distribution and for every choice."""
        return self.images.hold_out(0.2, 0)

    @cached_property
    def judged(self) -> Split:
        return data.subset(self.parts[1], JUDGED, 0)

    def steps(self, count: int) -> int:
        return max(1, round(self.share * count))

    def batches(self, split: Split, steps: int, seed: int) -> ShortEpochs:
        return ShortEpochs(TrainingBatches(split, self.preprocessing, RECIPE.augmentation, BATCH, seed), steps)

    def accuracy(self, network: Network, split: Split) -> Accuracy:
        return accuracy_of(network, EvaluationBatches(split, self.preprocessing, 200), CLASSES)

    def trained(self, architecture: Architecture, steps: int, seed: int) -> tuple[Network, float]:
        """The network, trained for `steps` times `share`, and the processor seconds."""
        begun, network = time.process_time(), Network(architecture)
        initialise(network, stream_seed(seed, "benchmarks/fbnetv2_widths: weights"))
        batches = self.batches(self.parts[0], self.steps(steps // PIECES), stream_seed(seed, "batches"))
        train_network(network, RECIPE, batches, num_classes=CLASSES, seed=seed, clock=time.process_time)
        return network, time.process_time() - begun

    def settings(self, group: str) -> IntMatrix:
        """Rows of choices, each once: drawn uniformly, or from those around the median of multiply-adds."""
        rows = self.space.sample(stream(0, f"benchmarks/fbnetv2_widths: {group}"), 20_000)
        costs = self.cost.of(rows)
        near = np.abs(costs / np.median(costs) - 1) <= NEARLY if group == "equal" else np.ones(len(rows), dtype=bool)
        distinct = list(dict.fromkeys(map(tuple, rows[near].tolist())))
        return np.array(distinct[: EQUAL if group == "equal" else ANY], dtype=np.int64)


def key_of(line: Mapping[str, Any]) -> tuple[Any, ...]:
    """What a line is the result of."""
    names = ("what", "macs_in_loss", "kind", "group", "budget", "index", "seed")
    return tuple(line[name] for name in names if name in line)


# ---------------------------------------------------------------------- searches
def search(work: Work, macs_in_loss: bool, seed: int) -> Line:
    """Trains supernet and distribution; what both prefer."""
    asked = {"what": "search", "macs_in_loss": macs_in_loss, "seed": seed}
    if key_of(asked) in work.done:
        return work.done[key_of(asked)]
    begun, events, supernet = time.process_time(), list[Event](), MaskedSupernet(work.space)
    limits = (Limit(Macs(), work.cost.extremes()[1].value),) if macs_in_loss else ()  # nothing is over it
    weights_part, theta_part = work.parts
    next(
        Dnas(epochs=EPOCHS, warmup_epochs=WARMUP, tau_decay=math.exp(-PAPER_DECAY * PAPER_EPOCHS / EPOCHS)).search(
            Problem(work.space, (Objective("top1"),), limits),
            seed,
            supernet=supernet,
            weight_batches=work.batches(weights_part, work.steps(WEIGHT_STEPS), stream_seed(seed, "weights")),
            theta_batches=work.batches(theta_part, work.steps(THETA_STEPS), stream_seed(seed, "theta")),
            clock=time.process_time,
            log=events.append,
        )
    )
    seconds = time.process_time() - begun
    last = of_kind(events, SearchEpoch)[-1]
    kept = {"probabilities": last.probabilities, "entropy": last.entropy, "accuracy": last.accuracy}
    found = {group: supernet_top1(work, supernet, work.settings(group)) for group in ("any", "equal")}
    return work.finish({**asked, **kept, "supernet_top1": found, "cpu_seconds": seconds})


def supernet_top1(work: Work, supernet: MaskedSupernet, rows: IntMatrix) -> list[float]:
    """The held-out accuracy of each network, cut out of the supernet, with batch-norm statistics of its own."""
    images = EvaluationBatches(data.subset(work.parts[0], CALIBRATION, 0), work.preprocessing, 200)
    networks = (supernet.subnet(work.space.decode(row).architecture).eval() for row in rows)
    return [work.accuracy(calibrate(one, images, images=CALIBRATION), work.judged).top1 for one in networks]


# ---------------------------------------------------------------------- networks alone
def train_settings(work: Work) -> None:
    """Every sampled setting, trained briefly from drawn weights; the test images say how good it is."""
    wanted = [("any", index, 0) for index in range(ANY)]
    wanted += [("equal", index, seed) for seed in range(REPEATS) for index in range(EQUAL)]
    for group, index, seed in wanted:
        asked = {"what": "alone", "group": group, "index": index, "seed": seed}
        if key_of(asked) in work.done:
            continue
        architecture = work.space.decode(work.settings(group)[index]).architecture
        network, seconds = work.trained(architecture, ALONE_STEPS, seed)
        top1 = work.accuracy(network, work.images.test).top1
        sizes = {"widths": widths_of(architecture), "macs": macs(architecture)}
        work.finish({**asked, **sizes, "top1": top1, "cpu_seconds": seconds})


# ---------------------------------------------------------------------- networks at three budgets
def drawn(work: Work, kind: str, budget: int, seed: int) -> IntMatrix:
    """`FINALISTS` networks that spend the budget: from what the search learned, or from the uniform distribution."""
    chances: Mapping[str, Any] = work.space.uniform()
    if kind == "found":
        chances = search(work, True, seed)["probabilities"]
    rng = stream(seed, f"benchmarks/fbnetv2_widths: {kind}", budget)
    rows = work.cost.draw_within(chances, budget, rng, 4096).choices
    spending = rows[work.cost.of(rows) >= SPENT * budget].tolist()
    return np.array(list(dict.fromkeys(map(tuple, spending)))[:FINALISTS], dtype=np.int64)


def best_drawn(work: Work, kind: str, budget: int, seed: int) -> Architecture:
    """The finalist that is best on held-out images after a short training."""
    results = dict[int, float]()
    rows = drawn(work, kind, budget, seed)
    for index, row in enumerate(rows):
        asked = {"what": "finalist", "kind": kind, "budget": budget, "index": index, "seed": seed}
        if key_of(asked) not in work.done:
            network, seconds = work.trained(work.space.decode(row).architecture, FINALIST_STEPS, seed)
            work.finish({**asked, "held_out": work.accuracy(network, work.judged).top1, "cpu_seconds": seconds})
        results[index] = work.done[key_of(asked)]["held_out"]
    return work.space.decode(rows[max(results, key=results.__getitem__)]).architecture


def train_final(work: Work, kind: str, budget: int, seed: int) -> None:
    """Found, drawn at random, or narrowed to the multiply-adds of the found one: trained alike, tested."""
    asked = {"what": "final", "kind": kind, "budget": budget, "seed": seed}
    if key_of(asked) not in work.done:
        if kind == "narrowed":
            architecture = narrowed(macs(best_drawn(work, "found", budget, seed)))
        else:
            architecture = best_drawn(work, kind, budget, seed)
        network, seconds = work.trained(architecture, FINAL_STEPS, stream_seed(seed, "final"))
        accuracy = work.accuracy(network, work.images.test)
        sizes = {"widths": widths_of(architecture), "macs": macs(architecture)}
        work.finish({**asked, **sizes, "top1": accuracy.top1, "cpu_seconds": seconds})


def sampled(work: Work) -> dict[str, list[dict[str, int]]]:
    """The settings of each group, as options by decision."""
    paths = list(work.space.decisions)
    return {
        group: [dict(zip(paths, row, strict=True)) for row in work.settings(group).tolist()]
        for group in ("any", "equal")
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--seeds", nargs="+", type=int, choices=SEEDS, default=SEEDS, help="of searches and networks")
    parser.add_argument("--page", action="store_true", help="only make the page, of whatever is finished")
    parser.add_argument("--seconds", type=float, default=math.inf, help="processor seconds of this call, about")
    parser.add_argument("--share", type=float, default=1.0, help="of the steps of every search and training")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder")
    given = parser.parse_args()
    torch.set_num_threads(1)
    work = Work(given.results / LINES, given.share, given.seconds)
    if given.page:
        write_page(list(work.done.values()), sampled(work), given.results)
        return
    try:
        if "search" in given.parts:
            for seed, macs_in_loss in product(given.seeds, (False, True)):
                search(work, macs_in_loss, seed)
        if "networks" in given.parts:
            for kinds, seed, budget in product((("found", "narrowed"), ("random",)), given.seeds, BUDGETS):
                for kind in kinds:
                    train_final(work, kind, budget, seed)
        if "alone" in given.parts:
            train_settings(work)
    except Paused:
        print("paused; the same command goes on", flush=True)
        return
    if (*given.parts, *given.seeds) == (*PARTS, *SEEDS):
        write_page(list(work.done.values()), sampled(work), given.results)


if __name__ == "__main__":
    main()
