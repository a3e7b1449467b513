"""Architecture and recipe searched together or in turn, and a recipe searched for a given network: real trainings.

    python benchmarks/joint_ablation.py --work FOLDER

Fashion-MNIST at 28 px, a small FBNetV3 space with a limit on multiply-adds. Every search is `search.Joint`; all trials
train for as long on the same images. In turn: half the trials go to the architecture under the default recipe, half to
the recipe of the architecture found. What each search finds is trained for longer and tested. Trials are kept in
`--work`, results are lines of `results/joint_ablation.jsonl`: the script goes on where it was stopped, and `--page`
alone makes the page, `results/joint_ablation.md`, from what is there. About 45 minutes on one core.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from scipy.stats import spearmanr

from sculptnet import data, zoo
from sculptnet.arch import (
    Architecture,
    Augmentation,
    Candidate,
    OneOf,
    Recipe,
    RmsProp,
    SearchSpace,
    Sgd,
    between,
    choice,
    same,
)
from sculptnet.cost import Macs, macs
from sculptnet.data import EvaluationBatches, Preprocessing
from sculptnet.evaluate import ByTraining
from sculptnet.evaluate.trains import WEIGHTS
from sculptnet.learn import accuracy_of
from sculptnet.nets import Network
from sculptnet.records import Event, of_kind
from sculptnet.records.search_events import SearchRound
from sculptnet.report.recipe_options import set_options
from sculptnet.runs import FileCheckpoint, append_line, append_record, read_lines, read_records
from sculptnet.search import Job, Joint, Limit, Objective, Problem, TrialRecord, run
from sculptnet.spaces import fbnetv3, fbnetv3_recipe, with_recipe

RESULTS = Path(__file__).parent / "results"
NAME = "joint_ablation"
RESOLUTION, CLASSES, STRIDES = 28, 10, (2, 1, 2, 1, 1, 2, 1)
MOST_MACS, POOL, BATCH = 500_000.0, 2000, 8
HELD_OUT, STEP = 1000, 32  # images that trials are judged on; images a step
LIMITS = (Limit(Macs(), MOST_MACS),)
SETTINGS = ("images", "epochs", "final_images", "final_epochs", "trials", "recipe_trials")
TOGETHER = {"joint": "together", "in turn": "in turn", "architecture": "the architecture alone, half the trials"}
ALONE = {
    "default": "default recipe",
    "wide": "searched, ranges around the default",
    "paper": "searched, FBNetV3's table",
}
ARMS = (*TOGETHER, *ALONE)
Rows = Mapping[tuple[str, int], Mapping[str, Any]]  # by arm and seed


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for trials; one for each length of trials")
    parser.add_argument("--seeds", type=int, default=3, help="how many")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=ARMS, help="what is compared; by default all")
    parser.add_argument("--trials", type=int, default=32, help="of architecture and recipe, a multiple of 16")
    parser.add_argument("--recipe-trials", type=int, default=20, help="of the recipe of a given network")
    parser.add_argument("--images", type=int, default=1500, help="that a trial trains on")
    parser.add_argument("--epochs", type=int, default=2, help="of a trial")
    parser.add_argument("--final-images", type=int, default=6000)
    parser.add_argument("--final-epochs", type=int, default=5)
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder")
    parser.add_argument("--page", action="store_true", help="make the page from the results that are there, and stop")
    return parser.parse_args()


# ---------------------------------------------------------------------- spaces
def architectures(recipe: Recipe) -> SearchSpace:
    """Layers of an eighth of the published width, at 14 pixels and fewer."""
    space = fbnetv3(
        CLASSES,
        RESOLUTION,
        width=0.125,
        round_to=4,
        fewer_layers=4,
        stem_stride=2,
        head_channels=128,
        strides=STRIDES,
    )
    return replace(space, recipe=recipe)


def given_network() -> Architecture:
    return zoo.mobilenet_v2(CLASSES, RESOLUTION, width=0.15, stem_stride=2, strides=STRIDES)


def default_recipe(epochs: int) -> Recipe:
    """The package's, its learning rate in proportion to smaller steps, without what makes images harder."""
    plain = Augmentation(crop_padding=0.0)
    return Recipe(epochs, STEP, Sgd(0.1 * STEP / 128), label_smoothing=0.0, augmentation=plain)


def wide_recipe(epochs: int) -> Recipe:
    """What FBNetV3's table opens, in ranges that hold the default recipe: short trainings want other values."""
    plain, tied = default_recipe(epochs), same("recipe.optimizer[0].weight_decay")
    rates: Any = powers(0.003125, 6)
    decays: Any = OneOf((1e-5, 1e-4, 1e-3), ordered=True)
    optimizer: Any = choice(RmsProp(powers(0.0005, 6), weight_decay=decays), Sgd(rates, weight_decay=tied))
    augmentation = replace(plain.augmentation, mixup=between(0.0, 0.4, 0.1))
    return replace(
        plain,
        optimizer=optimizer,
        augmentation=augmentation,
        dropout=between(0.0, 0.3, 0.05),
        drop_path=between(0.0, 0.3, 0.05),
        ema=choice(0.0, 0.99),
    )


def powers(lowest: float, number: int) -> Any:
    """The lowest, twice that, four times that, and so on."""
    return OneOf(tuple(lowest * 2**power for power in range(number)), ordered=True)


def paper_recipe(epochs: int) -> Recipe:
    """FBNetV3's table; without what makes images harder, as the others."""
    found = fbnetv3_recipe(epochs=150, batch_size=STEP, learning_rate_factor=STEP / 256)
    augmentation = replace(found.augmentation, crop_padding=0.0)
    return replace(found, augmentation=augmentation, label_smoothing=0.0)


# ---------------------------------------------------------------------- one seed
@dataclass(frozen=True)
class Found:
    """The best trial of a search, all of its trials, and what it logged."""

    candidate: Candidate
    best: TrialRecord
    records: Sequence[TrialRecord]
    events: Sequence[Event]


@dataclass(frozen=True, eq=False)
class Timed:
    """Trains for so many epochs, and says how many processor seconds that took."""

    training: ByTraining
    epochs: int

    def __call__(self, candidate: Candidate, job: Job) -> Mapping[str, float]:
        begun = time.process_time()
        metrics = self.training(candidate, replace(job, epochs=self.epochs))
        return {**metrics, "processor_s": time.process_time() - begun}


@dataclass(frozen=True, eq=False)
class Seed:
    """Everything that one seed needs."""

    given: argparse.Namespace
    seed: int

    @property
    def folder(self) -> Path:
        return Path(self.given.work) / f"seed-{self.seed}"

    @cached_property
    def loaded(self) -> tuple[data.ImageData, Preprocessing]:
        images = data.load("fashion_mnist")
        preprocessing = data.default_preprocessing(images, RESOLUTION)
        return data.decoded(images, preprocessing), preprocessing

    def training(self, number: int, epochs: int) -> Timed:
        """On `number` images; all trainings of a seed are judged on the same others."""
        images, preprocessing = self.loaded
        rest, held_out = images.hold_out(0.2, self.seed)
        parts = data.subset(rest, number, self.seed), data.subset(held_out, HELD_OUT, self.seed)
        return Timed(ByTraining(*parts, preprocessing, self.seed, checkpoint_in=FileCheckpoint), epochs)

    def searched(self, name: str, space: SearchSpace, trials: int, limits: tuple[Limit, ...] = ()) -> Found:
        """The trials of `search.Joint`; those that the log holds are not done again."""
        problem, log, events = (
            Problem(space, (Objective("top1"),), limits),
            self.folder / f"{name}.jsonl",
            list[Event](),
        )
        rounds = max(1, (trials - 1) // BATCH)
        search = Joint(
            pool=POOL, rounds=rounds, batch=BATCH, finalists=trials - rounds * BATCH, correlation=1.0
        ).search(problem, self.seed, log=events.append)
        records = run(
            search,
            problem,
            self.training(self.given.images, self.given.epochs),
            trials + 1,  # so that it is told what became of its last ones, and logs it
            known=read_records(log, TrialRecord, print),
            log=lambda record: append_record(log, record),
        )
        best = max((one for one in records if "top1" in one.metrics), key=lambda one: one.metrics["top1"])
        return Found(space.decode(best.choices), best, records, events)

    def tested(self, arm: str, candidate: Candidate) -> dict[str, Any]:
        """After longer training with its recipe, on test images."""
        folder = self.folder / f"final-{arm.replace(' ', '-')}"
        training = self.training(self.given.final_images, self.given.final_epochs)
        metrics = training(candidate, Job(0, None, 0, folder))
        network = Network(candidate.architecture)
        network.load_state_dict(load_file(folder / WEIGHTS))
        images, preprocessing = self.loaded
        top1 = accuracy_of(network.eval(), EvaluationBatches(images.test, preprocessing, 256), CLASSES).top1
        return {
            "top1": top1,
            "final_held_out": metrics["top1"],
            "final_processor_s": metrics["processor_s"],
            "macs": macs(candidate.architecture),
            "recipe": list(set_options(candidate.recipe)),
        }

    # ------------------------------------------------------------------ arms
    def together(self) -> tuple[Candidate, list[Found]]:
        space = architectures(wide_recipe(self.given.epochs))
        found = self.searched("joint", space, self.given.trials, LIMITS)
        return found.candidate, [found]

    def first_half(self) -> Found:
        space = architectures(default_recipe(self.given.epochs))
        return self.searched("architecture", space, self.given.trials // 2, LIMITS)

    def in_turn(self) -> tuple[Candidate, list[Found]]:
        first = self.first_half()
        space = with_recipe(first.candidate.architecture, wide_recipe(self.given.epochs))
        second = self.searched("in-turn-recipe", space, self.given.trials - self.given.trials // 2)
        better = second.best.metrics["top1"] > first.best.metrics["top1"]  # else the default recipe stays
        return (second if better else first).candidate, [first, second]

    def alone(self) -> tuple[Candidate, list[Found]]:
        first = self.first_half()
        return first.candidate, [first]

    def recipe(self, name: str, template: Recipe) -> tuple[Candidate, list[Found]]:
        found = self.searched(f"recipe-{name}", with_recipe(given_network(), template), self.given.recipe_trials)
        return found.candidate, [found]

    @property
    def arms(self) -> Mapping[str, Callable[[], tuple[Candidate, list[Found]]]]:
        epochs = self.given.epochs
        return {
            "joint": self.together,
            "in turn": self.in_turn,
            "architecture": self.alone,
            "default": lambda: (Candidate(given_network(), default_recipe(epochs)), []),
            "wide": lambda: self.recipe("wide", wide_recipe(epochs)),
            "paper": lambda: self.recipe("paper", paper_recipe(epochs)),
        }

    def result(self, arm: str) -> dict[str, Any]:
        """What an arm found and what that reaches; plain JSON data."""
        candidate, searches = self.arms[arm]()
        trials = [record for found in searches for record in found.records]
        pairs = [
            pair for found in searches for event in of_kind(found.events, SearchRound) for pair in event.pairs or ()
        ]
        settings = {name: getattr(self.given, name) for name in SETTINGS}
        return {
            "seed": self.seed,
            "arm": arm,
            "settings": settings,
            "trials": len(trials),
            "failed": sum(record.error is not None for record in trials),
            "short": [record.metrics["top1"] for record in trials if "top1" in record.metrics],
            "pairs": pairs,
            "processor_s": sum(record.metrics.get("processor_s", 0.0) for record in trials),
            **self.tested(arm, candidate),
        }


# ---------------------------------------------------------------------- the page
def percent(values: Sequence[float]) -> str:
    """Mean and standard deviation in percent, with every value behind them."""
    deviation = f" ± {100 * stdev(values):.2f}" if len(values) > 1 else ""
    return f"{100 * mean(values):.2f}{deviation} ({', '.join(f'{100 * value:.2f}' for value in values)})"


def table(rows: Rows, names: Mapping[str, str], seeds: Sequence[int]) -> list[str]:
    lines = [
        "| | top-1 on test images, % | best trial on held-out images, % | M MACs | trials | failed |",
        f"|{6 * '---|'}",
    ]
    for arm, title in names.items():
        found = [rows[arm, seed] for seed in seeds]
        short = percent([max(one["short"]) for one in found]) if found[0]["short"] else "-"
        sizes = ", ".join(f"{one['macs'] / 1e6:.2f}" for one in found)
        cells = (percent([one["top1"] for one in found]), short, sizes, f"{found[0]['trials']}")
        lines.append(f"| {title} | {' | '.join(cells)} | {sum(one['failed'] for one in found)} |")
    return lines


def differences(rows: Rows, pairs: Sequence[tuple[str, str]], seeds: Sequence[int]) -> list[str]:
    """Between arms, seed by seed, in points of test accuracy, the worst first."""
    names, found = {**TOGETHER, **ALONE}, []
    for left, right in pairs:
        gains = [100 * (rows[left, seed]["top1"] - rows[right, seed]["top1"]) for seed in seeds]
        spread = f" ± {stdev(gains):.2f}" if len(gains) > 1 else ""
        each = ", ".join(f"{gain:+.2f}" for gain in gains)
        found.append((mean(gains), f"- {names[left]} minus {names[right]}: {mean(gains):+.2f}{spread} points ({each})"))
    return [line for _, line in sorted(found)]


def predicted(rows: Rows, arm: str, seeds: Sequence[int]) -> str:
    """How well accuracies were predicted before trials, seed by seed."""
    pairs = [np.array(rows[arm, seed]["pairs"]) for seed in seeds]
    return ", ".join(f"{float(spearmanr(one[:, 0], one[:, 1]).statistic):.2f} of {len(one)}" for one in pairs)


def recipes(rows: Rows, arms: Sequence[str], seeds: Sequence[int]) -> list[str]:
    """What was chosen, apart from what all recipes share."""
    kept = ("optimizer", "mixup", "drop", "ema")
    titles = {**TOGETHER, **ALONE}
    lines = ["| | seed | recipe |", "|---|---|---|"]
    for arm, seed in ((arm, seed) for arm in arms for seed in seeds):
        options = [one.removeprefix("recipe.") for one in rows[arm, seed]["recipe"]]
        chosen = [one for one in options if any(word in one.split("=")[0] for word in kept)]
        lines.append(f"| {titles[arm]} | {seed} | {', '.join(f'`{one}`' for one in chosen)} |")
    return lines


def page(results: Sequence[Mapping[str, Any]]) -> str:
    """The page, a section for every part and length of trials, of the seeds for which all of its arms are finished."""
    groups: dict[tuple[int, ...], dict[tuple[str, int], Mapping[str, Any]]] = {}
    for one in results:
        groups.setdefault(tuple(one["settings"].values()), {})[one["arm"], one["seed"]] = one
    sections = [*parts(part_together, TOGETHER, groups.values()), *parts(part_alone, ALONE, groups.values())]
    if not sections:
        raise SystemExit("no seed has all of its arms yet; run the script without --page")
    searched = sum(one["processor_s"] for one in results if one["arm"] != "architecture")
    final = sum(one["final_processor_s"] for one in results)
    text = [
        f"# Architecture and recipe: together, in turn, and a recipe alone, {date.today().isoformat()}",
        "",
        f"Fashion-MNIST at {RESOLUTION} px; mean ± standard deviation (each seed). A trial is judged on {HELD_OUT:,} "
        "images that it was not trained on; what a search finds is trained from new weights with its recipe, and "
        "tested once on the 10,000 test images. The images and their order are a seed's, the same for all. "
        f"Every search is `search.Joint` with rounds of {BATCH} from a pool of {POOL:,} and no early stop, all else as "
        "by default.",
        "",
        "Made by `benchmarks/joint_ablation.py`.",
        *sections,
        "",
        f"{searched / 60:.0f} processor minutes of trials and {final / 60:.0f} of longer trainings in all, one thread "
        f"beside other work; {platform.processor() or platform.machine()}, Python {platform.python_version()}, PyTorch "
        f"{torch.__version__}.",
    ]
    return "\n".join(text) + "\n"


def parts(
    part: Callable[[Rows, Sequence[int]], list[str]], names: Mapping[str, str], groups: Iterable[Rows]
) -> Iterator[str]:
    """The lines of one part, for every length of trials."""
    for rows in groups:
        seeds = [seed for seed in sorted({seed for _, seed in rows}) if all((arm, seed) in rows for arm in names)]
        if seeds:
            yield from part(rows, seeds)


def trained_images(rows: Rows) -> int:
    """By a trial in all its epochs."""
    settings = next(iter(rows.values()))["settings"]
    return int(settings["images"] * settings["epochs"])


def lengths(rows: Rows) -> str:
    """How long trials and final trainings were."""
    given = argparse.Namespace(**next(iter(rows.values()))["settings"])
    return (
        f"Trials of {given.epochs} epochs on {given.images:,} images; what was found, {given.final_epochs} epochs on "
        f"{given.final_images:,}. "
    )


def part_together(rows: Rows, seeds: Sequence[int]) -> list[str]:
    return [
        "",
        f"## Together or in turn, trials of {trained_images(rows):,} images, n = {len(seeds)}",
        "",
        f"{lengths(rows)}`spaces.fbnetv3` at width 0.125, {architectures(Recipe()).size():.1e} architectures, at most "
        f"{MOST_MACS / 1e6:g} M multiply-adds. In turn: half the trials for the architecture under the default recipe, "
        "half for the recipe of the architecture found; the default recipe stays where no trial beats it. The recipes: "
        "optimiser, its learning rate, weight decay, mixup, dropout, stochastic depth and averaged weights, in ranges "
        "around the default.",
        "",
        *table(rows, TOGETHER, seeds),
        "",
        *differences(rows, (("joint", "in turn"), ("joint", "architecture"), ("in turn", "architecture")), seeds),
        "",
        f"Spearman's correlation of accuracies as the search predicted them and as they came out, together, by seed: "
        f"{predicted(rows, 'joint', seeds)} trials.",
        "",
        *recipes(rows, ("joint", "in turn"), seeds),
    ]


def part_alone(rows: Rows, seeds: Sequence[int]) -> list[str]:
    return [
        "",
        f"## A recipe for a given network, trials of {trained_images(rows):,} images, n = {len(seeds)}",
        "",
        f"{lengths(rows)}MobileNetV2 at width 0.15, {macs(given_network()) / 1e6:.2f} M multiply-adds. The default "
        "recipe is the package's, without label smoothing and shifts, which short trainings do not repay.",
        "",
        *table(rows, ALONE, seeds),
        "",
        *differences(rows, (("wide", "default"), ("paper", "default")), seeds),
        "",
        *recipes(rows, ("wide", "paper"), seeds),
    ]


def main() -> None:
    given = arguments()
    path, text = given.results / f"{NAME}.jsonl", given.results / f"{NAME}.md"
    torch.set_num_threads(1)
    if not given.page:
        settings = {name: getattr(given, name) for name in SETTINGS}
        done = {(one["arm"], one["seed"]) for one in read_lines(path, print) if one["settings"] == settings}
        for seed in (Seed(given, number) for number in range(given.seeds)):
            seed.folder.mkdir(parents=True, exist_ok=True)
            for arm in given.arms:
                if (arm, seed.seed) not in done:
                    result = seed.result(arm)
                    append_line(path, result)
                    print(json.dumps({name: result[name] for name in ("seed", "arm", "top1", "failed")}), flush=True)
    text.write_text(page(read_lines(path, print)))
    print(text.read_text())


if __name__ == "__main__":
    main()
