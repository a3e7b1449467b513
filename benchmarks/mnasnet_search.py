"""MnasNet's search on small data: found networks against random ones at equal measured latency, several seeds.

    python benchmarks/mnasnet_search.py --work FOLDER

A small MnasNet space on Fashion-MNIST. Latencies are measured with ONNX Runtime on one thread: a table of the space,
for the limit that random networks are drawn within, and every network whole, which is what the reward takes.
Reinforcement learning and random search have as many trials; each trains for an epoch on the same images. The best two
of each that run within the target are trained for longer, the better one is tested. A third contender is a random
network that nobody chose, of the latency of the one found. What is finished lies in `--work` and is not done again.
Writes `results/mnasnet_search.md`.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable, Mapping, Sequence
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

import sculptnet
from sculptnet import blocks, data
from sculptnet.arch import Augmentation, Candidate, IntMatrix, Recipe, SearchSpace
from sculptnet.cost import LatencyTable, Precision, macs, table_from_json
from sculptnet.data import EvaluationBatches, Preprocessing
from sculptnet.devices import FileMemo, Model, OnnxRuntime, measure_networks, measure_table
from sculptnet.devices.measure import graphs_of
from sculptnet.devices.tables import reference_network
from sculptnet.evaluate import ByTraining
from sculptnet.files import read_json, write_atomic, write_json
from sculptnet.learn import accuracy_of
from sculptnet.nets import Network
from sculptnet.records import Event
from sculptnet.records.events import event_to_line
from sculptnet.runs import FileCheckpoint, append_record, read_records
from sculptnet.search import (
    Job,
    Limit,
    Objective,
    Problem,
    Proposals,
    RandomSearch,
    Reinforce,
    Search,
    TrialRecord,
    run,
)
from sculptnet.spaces import mnasnet
from sculptnet.streams import stream

RESULTS = Path(__file__).parent / "results"
RESOLUTION, CLASSES = 28, 10
HELD_OUT, BEST, LUCKY_DRAWS = 2000, 2, 8
ENTRIES = 250  # of the space's blocks that are measured; the others are predicted
QUANTILE = 0.4  # of random networks that the target lets through
METHODS = {"found": "reinforcement learning", "random": "random search", "lucky": "a random network, not chosen"}
LATENCY = "measured_latency_ms"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="fashion_mnist")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--epochs", type=int, default=4, help="of the best two; trials have one")
    return parser.parse_args()


def space() -> SearchSpace:
    return mnasnet(
        CLASSES, RESOLUTION, width=0.25, layers=(1, 2, 2, 2, 1), stem_stride=2, first_channels=8, head_channels=256
    )


def recipe() -> Recipe:
    """Without what makes images harder: trainings are short."""
    return Recipe(epochs=1, batch_size=64, label_smoothing=0.0, augmentation=Augmentation(crop_padding=0.0))


def given(rows: IntMatrix, epochs: int) -> Search:
    """A search that proposes `rows`, once."""
    yield Proposals(rows, epochs)


@dataclass(frozen=True, eq=False)
class Timed:
    """Measures a candidate whole, at the speed that the device had for the table; then trains it, if asked to."""

    table: LatencyTable
    memo: FileMemo
    reference: Model
    training: ByTraining | None

    def __call__(self, candidate: Candidate, job: Job) -> Mapping[str, float]:
        named = {"candidate": candidate.architecture}
        found = measure_networks(named, OnnxRuntime(1), reference=self.reference, alternate=True, memo=self.memo)
        timing = found["candidate"]
        at_speed = timing if self.table.reference_ms is None else timing.at(self.table.reference_ms)
        trained = {} if self.training is None else self.training(candidate, job)
        return {LATENCY: at_speed.median_ms, **trained}


@dataclass(frozen=True, eq=False)
class Work:
    """Everything that the trials of one seed need; `folder` keeps them, `shared` what all seeds share."""

    arguments: argparse.Namespace
    seed: int

    @property
    def shared(self) -> Path:
        return Path(self.arguments.work)

    @property
    def folder(self) -> Path:
        return self.shared / f"seed-{self.seed}"

    @cached_property
    def space(self) -> SearchSpace:
        return replace(space(), recipe=recipe())

    @cached_property
    def table(self) -> LatencyTable:
        path = self.shared / "table.json"
        if not path.exists():
            memo = FileMemo(self.shared / "table.jsonl")
            table = measure_table(self.space, OnnxRuntime(1), seed=0, most_entries=ENTRIES, memo=memo)
            write_json(path, table.to_json())
        return table_from_json(read_json(path), blocks.ALL)

    @cached_property
    def problem(self) -> Problem:
        every = Problem(self.space, (Objective("top1"),), (Limit(self.table, 1e9),))
        rows = self.space.sample(stream(0, "mnasnet_search: target"), 2000)
        target = float(np.quantile(every.costs(rows)["predicted_latency_ms"], QUANTILE))
        return Problem(self.space, every.objectives, (Limit(self.table, float(f"{target:.2g}")),))

    @property
    def target_ms(self) -> float:
        return self.problem.limits[0].at_most

    @cached_property
    def _loaded(self) -> tuple[data.ImageData, Preprocessing]:
        loaded = data.load(self.arguments.data)
        preprocessing = data.default_preprocessing(loaded, RESOLUTION)
        return data.decoded(loaded, preprocessing), preprocessing

    @cached_property
    def evaluate(self) -> Timed:
        images, preprocessing = self._loaded
        rest, held_out = images.hold_out(0.2, self.seed)
        training = ByTraining(
            data.subset(rest, self.arguments.images, self.seed),
            data.subset(held_out, HELD_OUT, self.seed),
            preprocessing,
            self.seed,
            checkpoint_in=FileCheckpoint,
        )
        reference = graphs_of(Precision.FP32).network(reference_network(self.space))
        return Timed(self.table, FileMemo(self.folder / "measurements.jsonl"), reference, training)

    def logged(self, name: str, search: Search, trials: int, evaluate: Timed) -> Sequence[TrialRecord]:
        """Runs `search`; what its log holds is not done again."""
        log = self.folder / f"{name}.jsonl"
        return run(
            search,
            self.problem,
            evaluate,
            trials,
            known=read_records(log, TrialRecord, print),
            log=lambda record: append_record(log, record),
            folder=lambda number: self.folder / name / f"{number:06d}",
        )

    def within(self, records: Sequence[TrialRecord]) -> list[TrialRecord]:
        """Those that ran within the target, the most accurate first."""
        fitting = [r for r in records if r.error is None and r.metrics[LATENCY] <= self.target_ms]
        return sorted(fitting, key=lambda record: -record.metrics["top1"])

    def tested(self, name: str, rows: IntMatrix) -> dict[str, Any]:
        """The better of `rows` on held-out images after a longer training, with its accuracy on the test images."""
        path = self.folder / f"{name}-tested.json"
        if path.exists():
            found: dict[str, Any] = read_json(path)
            return found
        longer = self.logged(f"{name}-longer", given(rows, self.arguments.epochs), len(rows), self.evaluate)
        best = max(longer, key=lambda record: record.metrics["top1"])
        network = Network(self.space.decode(best.choices).architecture)
        network.load_state_dict(load_file(self.folder / f"{name}-longer" / f"{best.trial:06d}" / "weights.safetensors"))
        images, preprocessing = self._loaded
        top1 = accuracy_of(network.eval(), EvaluationBatches(images.test, preprocessing, 256), CLASSES).top1
        result = {
            "top1": top1,
            "latency_ms": best.metrics[LATENCY],
            "macs": macs(network.architecture),
            "longer": [[list(record.choices), record.metrics["top1"]] for record in longer],
        }
        write_json(path, result)
        return result

    def lucky(self, latency_ms: float) -> IntMatrix:
        """Of a few random networks of about that latency, the nearest when measured."""
        cost, rng = self.problem.factored[0], stream(self.seed, "mnasnet_search: lucky")
        rows = cost.draw_within(self.space.uniform(), self.target_ms, rng, 512).choices
        nearest = rows[np.argsort(np.abs(cost.of(rows) - latency_ms), kind="stable")[:LUCKY_DRAWS]]
        records = self.logged("lucky-drawn", given(nearest, 1), LUCKY_DRAWS, replace(self.evaluate, training=None))
        one = min(records, key=lambda record: abs(record.metrics[LATENCY] - latency_ms))
        return np.array([one.choices], dtype=np.int64)


def work_through(work: Work, say: Callable[[str], None]) -> dict[str, Any]:
    """One seed: trials of both methods, and what the contenders reach."""
    trials, events = work.arguments.trials, list[Event]()
    searches: Mapping[str, Callable[[], Search]] = {
        "found": lambda: Reinforce().planned(trials).search(work.problem, work.seed, log=events.append),
        "random": lambda: RandomSearch().search(work.problem, work.seed),
    }
    result: dict[str, Any] = {"seed": work.seed, "short": {}, "within": {}}
    for name, search in searches.items():
        begun = time.process_time()
        # one more than is proposed: so the search is told, and logs, what became of its last batch
        records = work.logged(name, search(), trials + (name == "found"), work.evaluate)
        fitting = work.within(records)
        say(f"seed {work.seed}, {name}: {len(fitting)} of {len(records)} within, {time.process_time() - begun:.0f} s")
        best = fitting[:BEST]
        if not best:
            raise SystemExit(f"nothing of {name}, seed {work.seed}, ran within the target; give more --trials")
        result[name] = work.tested(name, np.array([record.choices for record in best], dtype=np.int64))
        result["short"][name] = [record.metrics["top1"] for record in fitting]
        result["within"][name] = len(fitting)
        result.setdefault("pairs", []).extend(
            [record.metrics["top1"], longer] for record, (_, longer) in zip(best, result[name]["longer"], strict=True)
        )
    result["batches"] = [event_to_line(event) for event in events]
    result["lucky"] = work.tested("lucky", work.lucky(result["found"]["latency_ms"]))
    return result


# ---------------------------------------------------------------------- the page
def spread(values: Sequence[float], form: str) -> str:
    """Mean and standard deviation, with every value behind them."""
    deviation = f" ± {stdev(values):{form}}" if len(values) > 1 else ""
    return f"{mean(values):{form}}{deviation} ({', '.join(f'{value:{form}}' for value in values)})"


def contenders(seeds: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = []
    for name, title in METHODS.items():
        cells = [
            title,
            spread([seed[name]["latency_ms"] for seed in seeds], ".3f"),
            spread([100 * seed[name]["top1"] for seed in seeds], ".2f"),
            spread([seed[name]["macs"] / 1e6 for seed in seeds], ".2f"),
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def course(seeds: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the controllers did, batch by batch."""
    rows = []
    for seed in seeds:
        batches = [event for event in seed["batches"] if "reward" in event]
        half = len(batches) // 2
        parts = (batches[:half], batches[half:])
        rewards = [mean(event.reward for event in part) for part in parts]
        within = [100 * mean(event.within for event in part) for part in parts]
        cells = [
            f"{seed['seed']}",
            f"{rewards[0]:.3f} to {rewards[1]:.3f}",
            f"{within[0]:.0f} to {within[1]:.0f}",
            f"{batches[0]['entropy']:.2f} to {batches[-1]['entropy']:.2f}",
            *(f"{seed['within'][name]}" for name in ("found", "random")),
            *(f"{100 * max(seed['short'][name]):.2f}" for name in ("found", "random")),
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def page(arguments: argparse.Namespace, work: Work, seeds: Sequence[Mapping[str, Any]]) -> str:
    table, pairs = work.table, [pair for seed in seeds for pair in seed["pairs"]]
    correlation = spearmanr([short for short, _ in pairs], [longer for _, longer in pairs]).statistic
    checked = table.held_out
    error = "unchecked" if checked is None else f"{checked.mape_percent:.1f} % (mean, {checked.networks} networks)"
    planned = Reinforce().planned(arguments.trials)
    batch, rate = planned.batch, planned.learning_rate
    text = [
        f"# MnasNet's search on Fashion-MNIST, {date.today().isoformat()}",
        "",
        f"{work.space.size():.1e} networks (`spaces.mnasnet` at width 0.25, {RESOLUTION} px), target "
        f"{work.target_ms:g} ms on one thread of ONNX Runtime, which "
        f"{100 * QUANTILE:.0f} % of random networks keep by the table; the "
        f"table's error is {error}. {arguments.trials} trials a method and seed, one epoch on {arguments.images:,} "
        f"images each; the best {BEST} within the target, as measured, for {arguments.epochs} epochs on the same "
        "images; the better of the two on 2,000 held-out images is tested on 10,000 test images. Soft reward "
        f"(-0.07, -0.07) of measured latencies, batches of {batch}, learning rate {rate:g}; all other constants as by "
        "default. Random search draws within the target, by the table.",
        "",
        f"n = {len(seeds)} seeds: mean ± standard deviation (each seed).",
        "",
        "| contender | measured latency, ms | top-1 on test images, % | M MACs |",
        "|---|---|---|---|",
        *contenders(seeds),
        "",
        "The course of reinforcement learning, first half of the batches to the second; trials within the target, and "
        "the best short accuracy among them, for both methods:",
        "",
        "| seed | mean reward | within, % | entropy, nats a decision | trials within: learned | random | best after "
        "one epoch, %: learned | random |",
        "|---|---|---|---|---|---|---|---|",
        *course(seeds),
        "",
        f"The proxy: rank correlation of accuracies after 1 and after {arguments.epochs} epochs, over the "
        f"{len(pairs)} networks that had both, all among the best two of their search: {correlation:.2f}.",
        "",
        f"{platform.processor() or platform.machine()}, one thread beside other work, Python "
        f"{platform.python_version()}, PyTorch {torch.__version__}, sculptnet {sculptnet.__version__}. Device: "
        f"`{table.device}`, {table.details.get('cpu', '')}.",
    ]
    return "\n".join(text) + "\n"


def main() -> None:
    given_arguments = arguments()
    torch.set_num_threads(1)
    works = [Work(given_arguments, seed) for seed in range(given_arguments.seeds)]
    for work in works:
        work.folder.mkdir(parents=True, exist_ok=True)
    seeds = []
    for work in works:
        print(f"seed {work.seed}: target {work.target_ms:g} ms", flush=True)
        seeds.append(work_through(work, lambda text: print(text, flush=True)))
    text = page(given_arguments, works[0], seeds)
    write_atomic(RESULTS / "mnasnet_search.md", text)
    print(text)


if __name__ == "__main__":
    main()
