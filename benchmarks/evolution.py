"""Once-for-All's search on its published tables of a Samsung Note 10: architectures per second, and what it finds.

    python benchmarks/evolution.py FOLDER

FOLDER holds the published files, `160_lookup_table.yaml` to `224_lookup_table.yaml` and `acc_predictor.pth`
(both of the authors' repository han-cai/files). Every way is timed in every round, in turn, and each ratio is between
ways of one round. Times are processor seconds of this process. Writes `results/evolution.md`; about a minute.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from statistics import mean, median

import numpy as np
import torch

from sculptnet.arch import IntMatrix
from sculptnet.cost import LatencyTable, cost_of, read_ofa_table
from sculptnet.evaluate import FromPredictor
from sculptnet.nets.perceptron import outputs
from sculptnet.search import Evolution, Limit, Objective, Problem, RandomSearch, Results, drive
from sculptnet.spaces import ofa_mobilenet_v3
from sculptnet.streams import stream
from sculptnet.zoo import OfaAccuracy, read_ofa_accuracy
from sculptnet.zoo.ofa_accuracy import ABSENT

RESULTS = Path(__file__).parent / "results"
RESOLUTIONS = (160, 176, 192, 208, 224)
METRIC = "predicted_top1"
BUDGETS_MS, TIMED_MS = (15.0, 20.0, 25.0, 30.0, 35.0), 25.0
SEEDS = 5
PAPER = "evolution, 500 generations of 100"
LARGE = "evolution, 50 generations of 1,000"
SCORING = "latency and accuracy alone, matrices of 100 rows"
PRODUCTS = "the predictor's matrix products alone, 100 rows"
SINGLY = "one at a time, the same functions on matrices of one row"
DECODED = "one at a time, decoded: latency a sum over blocks"
CHILDREN, FEW, POPULATION = 1_000, 100, 100


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the published files are")
    parser.add_argument("--rounds", type=int, default=7, help="that count; one more comes before")
    return parser.parse_args()


def problem_of(table: LatencyTable, at_most_ms: float) -> Problem:
    space = ofa_mobilenet_v3(width=1.2, resolutions=RESOLUTIONS)
    problem = Problem(space, (Objective(METRIC),), (Limit(table, at_most_ms),))
    problem.costs(space.sample(stream(0, "benchmarks/evolution"), 1))  # priced now, not while something is timed
    return problem


def ways(
    problem: Problem, accuracy: OfaAccuracy, table: LatencyTable
) -> Mapping[str, tuple[int, Callable[[], object]]]:
    """What is timed: the number of architectures that get a latency and an accuracy, and what gives them."""
    space, evaluate = problem.space, FromPredictor(accuracy)
    features = np.zeros((POPULATION, ABSENT + 1), dtype=np.float32)
    parents = drive(Evolution().search(problem, 0), evaluate.score).choices[-POPULATION:]
    rng = stream(0, "benchmarks/evolution: children")
    populations = [space.mutate(parents, rng, 0.1) for _ in range(100)]

    def child(number: int) -> IntMatrix:
        """A mutant or a crossing, as one row, drawn until it is within the limit."""
        for _ in range(1000):
            left, right = parents[rng.integers(POPULATION, size=(2, 1))]
            row = space.mutate(left, rng, 0.1) if number % 2 else space.crossover(left, right, rng)
            if problem.feasible(row)[0]:
                return row
        raise SystemExit("no child is within the limit")

    return {
        PAPER: (100 * 501, lambda: drive(Evolution().search(problem, 0), evaluate.score)),
        LARGE: (
            1000 * 51,
            lambda: drive(Evolution(population=1000, generations=50).search(problem, 0), evaluate.score),
        ),
        SCORING: (10_000, lambda: [(problem.costs(rows), evaluate.score(rows)) for rows in populations]),
        PRODUCTS: (10_000, lambda: [outputs(accuracy.perceptron, features) for _ in populations]),
        SINGLY: (CHILDREN, lambda: [evaluate.score(child(number)) for number in range(CHILDREN)]),
        DECODED: (
            FEW,
            lambda: [(cost_of(table, space.decode(row).architecture), evaluate.score(row)) for row in parents[:FEW]],
        ),
    }


def timed(rounds: int, work: Mapping[str, tuple[int, Callable[[], object]]]) -> list[dict[str, float]]:
    """Processor seconds of each way, a dictionary per round."""
    result = []
    for number in range(rounds + 1):
        seconds = {}
        for name, (_, run) in work.items():
            start = time.process_time()
            run()
            seconds[name] = time.process_time() - start
        print(f"{'warm-up' if number == 0 else f'round {number}'}: {seconds[PAPER]:.2f} s", file=sys.stderr)
        result.append(seconds)
    return result[1:]


def found(table: LatencyTable, evaluate: FromPredictor) -> list[str]:
    """Rows of a table: what evolution and random search find within each budget."""
    rows = []
    for budget_ms in BUDGETS_MS:
        problem = problem_of(table, budget_ms)
        evolved = [drive(Evolution().search(problem, seed), evaluate.score) for seed in range(SEEDS)]
        drawn = [
            drive(RandomSearch(batch=1000).search(problem, seed), evaluate.score, round(len(results) / 1000))
            for seed, results in enumerate(evolved)
        ]
        latencies = [problem.costs(best_row(results))["predicted_latency_ms"][0] for results in evolved]
        cells = [
            f"{budget_ms:g}",
            spread([100 * results.column(METRIC).max() for results in evolved], ".2f"),
            spread(latencies, ".2f"),
            spread([len(results) for results in evolved], ",.0f"),
            spread([100 * results.column(METRIC).max() for results in drawn], ".2f"),
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def best_row(results: Results) -> IntMatrix:
    return results.choices[[results.column(METRIC).argmax()]]


def spread(values: Sequence[float], form: str, middle: Callable[[Sequence[float]], float] = mean) -> str:
    """The middle, least and greatest."""
    return f"{middle(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.processor() or platform.machine()


def page(rounds: Sequence[Mapping[str, float]], counts: Mapping[str, int], finds: Sequence[str]) -> str:
    """The result as a Markdown page."""
    text = [
        "# Evolution with a predictor and a table",
        "",
        f"{date.today().isoformat()}. Once-for-All's MobileNetV3 space at width 1.2, {len(RESOLUTIONS)} resolutions, "
        "its published latency tables of a Samsung Note 10 and its published accuracy predictor (128-400-400-400-1, "
        f"single precision). One thread of {os.cpu_count()} ({processor()}); {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, NumPy {np.__version__}, PyTorch {torch.__version__}.",
        "",
        "## Speed",
        "",
        f"Within {TIMED_MS:g} ms. n = {len(rounds)} rounds after one that is not counted; median (least to greatest), "
        "processor seconds. What is counted are the architectures that get a latency and an accuracy; those that are "
        "over the limit and drawn again are not counted. Evolution proposes many a second time, above all late: those "
        "are looked up.",
        "",
        f"| way | seconds | architectures per second | times as fast as `{SINGLY}` |",
        "|---|---|---|---|",
    ]
    for name, count in counts.items():
        seconds = [times[name] for times in rounds]
        ratios = [count / times[name] * times[SINGLY] / counts[SINGLY] for times in rounds]
        cells = (
            spread(seconds, ".2f", median),
            spread([count / value for value in seconds], ",.0f", median),
            spread(ratios, ".1f" if name != DECODED else ".2f", median),
        )
        text.append(f"| {name} | {' | '.join(cells)} |")
    text += [
        "",
        "## What is found",
        "",
        f"500 generations of 100, {SEEDS} seeds; mean (least to greatest). Random search draws as many different "
        "candidates within the limit. Accuracies are the predictor's, of training images that were held out: 3 to 5 "
        "points above the validation accuracy. Latencies are sums of the table.",
        "",
        "| budget, ms | evolution, predicted top-1, % | its latency, ms | different candidates | random search, % |",
        "|---|---|---|---|---|",
        *finds,
    ]
    return "\n".join(text) + "\n"


def main() -> None:
    given = arguments()
    torch.set_num_threads(1)
    space = ofa_mobilenet_v3(width=1.2, resolutions=RESOLUTIONS)
    table = read_ofa_table([given.folder / f"{size}_lookup_table.yaml" for size in RESOLUTIONS], space)
    accuracy = read_ofa_accuracy(given.folder / "acc_predictor.pth", space)
    work = ways(problem_of(table, TIMED_MS), accuracy, table)
    rounds = timed(given.rounds, work)
    text = page(rounds, {name: count for name, (count, _) in work.items()}, found(table, FromPredictor(accuracy)))
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "evolution.md").write_text(text)


if __name__ == "__main__":
    main()
