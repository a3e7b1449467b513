"""How well the predictor of `search.Joint` ranks NAS-Bench-Macro's networks, with and without pre-training.

    python benchmarks/joint_predictor.py TABLE [--seeds 20]

TABLE is `nas-bench-macro_cifar10.json` of the authors' repository xiusu/NAS-Bench-Macro. Every predictor is a line in
`results/joint_predictor.jsonl`, so the script goes on where it was stopped. Writes `results/joint_predictor.md`. A few
minutes on one core.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from itertools import product
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import sklearn
import torch
from scipy.stats import kendalltau, spearmanr
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge

from sculptnet.arch import IntMatrix
from sculptnet.evaluate import FromTable, read_nas_bench_macro
from sculptnet.search import Learning, Objective
from sculptnet.search.joint_search.predictor import JointPredictor, pretrain
from sculptnet.streams import stream

RESULTS = Path(__file__).parent / "results"
SAMPLES, SEEDS, RESAMPLES = (25, 50, 100, 200), 20, 10_000
TOP1, LEARNING = Objective("top1"), Learning()
NONE = replace(LEARNING, pretraining_epochs=0)

Vector: TypeAlias = npt.NDArray[np.float64]
Predict: TypeAlias = Callable[[IntMatrix], Vector]


@dataclass(frozen=True)
class Case:
    """One predictor, which learns from `samples` networks that the seed picks."""

    arm: str
    samples: int
    seed: int


@dataclass(frozen=True)
class Outcome:
    """Rank correlations with the mean accuracies of all networks that it did not learn from."""

    kendall: float
    spearman: float


class Arms:
    """Ways to learn. A pre-trained encoder does not depend on the samples and is kept for one seed."""

    def __init__(self, table: FromTable) -> None:
        self.table, self.kept = table, dict[tuple[int, Learning], JointPredictor]()
        self.learn: Mapping[str, Callable[[IntMatrix, Vector, int], Predict]] = {
            "with pre-training": lambda rows, values, seed: self.ours(rows, values, seed, LEARNING),
            "without pre-training": lambda rows, values, seed: self.ours(rows, values, seed, NONE),
            "random forest": lambda rows, values, seed: self.other(
                RandomForestRegressor(random_state=seed), rows, values
            ),
            "ridge regression": lambda rows, values, seed: self.other(Ridge(), rows, values),
        }

    def ours(self, rows: IntMatrix, values: Vector, seed: int, learning: Learning) -> Predict:
        if (seed, learning) not in self.kept:
            self.kept[seed, learning] = pretrain(self.table.space, TOP1, seed, learning)
        untaught = self.kept[seed, learning]
        return untaught.learned(rows, values, np.zeros(len(rows), dtype=bool), seed, learning).of

    def other(self, model: RandomForestRegressor | Ridge, rows: IntMatrix, values: Vector) -> Predict:
        features = self.table.space.features
        model.fit(features(rows), values)
        return lambda asked: np.asarray(model.predict(features(asked)), dtype=np.float64)


def checked(case: Case, arms: Arms, table: FromTable, every: IntMatrix, means: Vector) -> Outcome:
    """Learns from single trainings of a few networks, and is checked with all others."""
    order = stream(case.seed, "benchmarks/joint_predictor").permutation(len(every))
    taken, others = order[: case.samples], order[case.samples :]
    values = np.asarray(replace(table, seed=case.seed).score(every[taken])["top1"])
    said = arms.learn[case.arm](every[taken], values, case.seed)(every[others])
    return Outcome(*(float(rank(said, means[others]).statistic) for rank in (kendalltau, spearmanr)))


def read(path: Path) -> dict[Case, Outcome]:
    """The predictors that were checked before."""
    lines = path.read_text().splitlines() if path.is_file() else []
    return {Case(**one["case"]): Outcome(one["kendall"], one["spearman"]) for one in map(json.loads, lines)}


def interval(values: Sequence[float]) -> str:
    """The mean and its 95 % interval: percentiles of means of resampled seeds."""
    column = np.array(values)
    picks = stream(0, "benchmarks/joint_predictor: bootstrap").integers(len(column), size=(RESAMPLES, len(column)))
    low, high = np.percentile(column[picks].mean(axis=1), [2.5, 97.5])
    return f"{column.mean():.3f} ({low:.3f} to {high:.3f})"


def column(found: Mapping[Case, Outcome], arm: str, samples: int, name: str, seeds: int) -> list[float]:
    return [getattr(found[Case(arm, samples, seed)], name) for seed in range(seeds)]


def page(found: Mapping[Case, Outcome], arms: Arms, seeds: int) -> str:
    """The result as a Markdown page."""
    lines = [
        "# What pre-training gives the predictor of a joint search",
        "",
        f"{date.today().isoformat()}. NAS-Bench-Macro, {seeds} seeds; Python packages: NumPy {np.__version__}, PyTorch "
        f"{torch.__version__}, scikit-learn {sklearn.__version__}. Made by `benchmarks/joint_predictor.py`.",
        "",
        "Each predictor learns one training each of so many random networks, and ranks all others of the 6,561, whose "
        "mean accuracy over three trainings it is compared with. Mean over seeds and 95 % interval "
        f"({RESAMPLES:,} bootstrap samples of seeds). Pre-trained on multiply-adds, parameters and peak memory of "
        "random networks, as `search.Joint` does by default; without pre-training nothing is frozen and all layers "
        "learn for as many epochs. The defaults of `Learning` were chosen on this table, from other samples (three "
        "seeds, 25 to 100 networks, a dozen settings): compare the two upper rows with each other rather than with the "
        "lower ones.",
    ]
    for name, title in (("kendall", "Kendall's rank correlation"), ("spearman", "Spearman's rank correlation")):
        lines += [
            "",
            f"## {title}",
            "",
            f"| samples | {' | '.join(map(str, SAMPLES))} |",
            f"|---|{'---|' * len(SAMPLES)}",
        ]
        for arm in arms.learn:
            lines.append(f"| {arm} | {' | '.join(interval(column(found, arm, n, name, seeds)) for n in SAMPLES)} |")
    lines += ["", "## What pre-training adds", "", "Difference of Kendall's rank correlations, seed by seed.", ""]
    lines += [f"| samples | {' | '.join(map(str, SAMPLES))} |", f"|---|{'---|' * len(SAMPLES)}"]
    pairs = [[column(found, arm, n, "kendall", seeds) for arm in list(arms.learn)[:2]] for n in SAMPLES]
    gains = [interval([a - b for a, b in zip(*pair, strict=True)]) for pair in pairs]
    return "\n".join([*lines, f"| with minus without | {' | '.join(gains)} |", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="how many")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder")
    given = parser.parse_args()
    torch.set_num_threads(1)
    table = read_nas_bench_macro(given.table)
    every = np.array(list(product(*map(range, table.space.num_options.tolist()))), dtype=np.int64)
    arms, means, path = Arms(table), table.means(every), given.results / "joint_predictor.jsonl"
    found, start = read(path), time.process_time()
    for seed, samples, arm in product(range(given.seeds), SAMPLES, arms.learn):
        case = Case(arm, samples, seed)
        if case not in found:
            found[case] = checked(case, arms, table, every, means)
            with path.open("a") as file:
                file.write(json.dumps({"case": asdict(case), **asdict(found[case])}) + "\n")
    text = page(found, arms, given.seeds)
    (given.results / "joint_predictor.md").write_text(text)
    print(text, f"{time.process_time() - start:.0f} processor seconds")


if __name__ == "__main__":
    main()
