"""`FactoredCost.of`: architectures priced per second on one core, against pricing them one by one.

    python benchmarks/factored_cost.py

FBNet's 22 x 9 space at 224 px, multiply-adds as the cost. Every way is timed in every round, in turn, and each ratio is
between ways of one round. Times are processor seconds of this process, so other programs disturb them little. Writes
`results/factored_cost.md`; less than a minute.
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
from statistics import median

import numpy as np
import torch

from sculptnet.cost import FactoredCost, Macs, cost_of
from sculptnet.spaces import fbnet
from sculptnet.streams import stream

RESULTS = Path(__file__).parent / "results"
MATRIX = "one matrix of 1,000,000 rows"
POPULATIONS = "matrices of 100 rows"
ONE_BY_ONE = "one by one: decode, sum over blocks"
DECODED = "one by one, decoded beforehand: sum over blocks"
ROWS, SMALL_ROWS, FEW = 1_000_000, 100, 300


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="that count; one more comes before")
    return parser.parse_args()


def ways() -> Mapping[str, tuple[int, Callable[[], object]]]:
    """What is timed: the number of architectures, and what prices them. Checks first that all give the same."""
    space, cost = fbnet(), Macs()
    factored = FactoredCost(space, cost)
    rows = space.sample(stream(0, "benchmarks/factored_cost"), ROWS)
    few = rows[:FEW]
    decoded = [space.decode(row).architecture for row in few]
    populations = rows[: 100 * SMALL_ROWS].reshape(100, SMALL_ROWS, -1)
    singly = [cost_of(cost, architecture) for architecture in decoded]
    if not np.allclose(factored.of(few), singly, rtol=1e-9, atol=0.0):
        raise SystemExit("of and one by one disagree; run the tests of cost/factored.py")
    return {
        MATRIX: (ROWS, lambda: factored.of(rows)),
        POPULATIONS: (populations[..., 0].size, lambda: [factored.of(population) for population in populations]),
        ONE_BY_ONE: (FEW, lambda: [cost_of(cost, space.decode(row).architecture) for row in few]),
        DECODED: (FEW, lambda: [cost_of(cost, architecture) for architecture in decoded]),
    }


def measured(rounds: int) -> list[dict[str, float]]:
    """Architectures per processor second of each way, a dictionary per round."""
    timed = ways()
    result = []
    for number in range(rounds + 1):
        rates = {}
        for name, (count, work) in timed.items():
            start = time.process_time()
            work()
            rates[name] = count / (time.process_time() - start)
        print(f"{'warm-up' if number == 0 else f'round {number}'}: {rates[MATRIX]:,.0f} per second", file=sys.stderr)
        result.append(rates)
    return result[1:]


def spread(values: Sequence[float]) -> str:
    """Median, least and greatest."""
    return f"{median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})"


def processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.processor() or platform.machine()


def page(rounds: Sequence[Mapping[str, float]]) -> str:
    """The result as a Markdown page."""
    text = [
        "# Pricing architectures",
        "",
        f"{date.today().isoformat()}. FBNet's space (22 slots, 9 candidates, 224 px), multiply-adds, one thread of "
        f"{os.cpu_count()} ({processor()}); {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, NumPy {np.__version__}. n = {len(rounds)} rounds after one that is not "
        "counted; median (least to greatest), processor seconds.",
        "",
        f"| way | architectures per second | times as fast as `{ONE_BY_ONE}` |",
        "|---|---|---|",
    ]
    for name in rounds[0]:
        ratios = [rates[name] / rates[ONE_BY_ONE] for rates in rounds]
        text.append(f"| {name} | {spread([rates[name] for rates in rounds])} | {spread(ratios)} |")
    return "\n".join(text) + "\n"


def main() -> None:
    given = arguments()
    torch.set_num_threads(1)
    text = page(measured(given.rounds))
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "factored_cost.md").write_text(text)


if __name__ == "__main__":
    main()
