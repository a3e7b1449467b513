"""Tables for 26 devices, from the Pixel 3's table and a few whole networks measured on each.

    python benchmarks/transfer.py --tables ../shared/data/tables

FBNet's space at 32 px; the latencies are HELP's (Lee et al., NeurIPS 2021), the Pixel 3's table is HW-NAS-Bench's. For
each device, networks are drawn at random from the first 4,000; all is judged on the other 1,000. Nothing depends on the
machine that runs this. Writes `results/transfer.md`; a few minutes.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sculptnet.arch import Architecture, SearchSpace
from sculptnet.cost import FactoredCost, LatencyTable, read_fbnet_tables, transfer
from sculptnet.cost.errors_of_tables import fit_affine, spearman
from sculptnet.spaces import fbnet
from sculptnet.streams import stream

RESULTS = Path(__file__).parent / "results"
COUNTS = (10, 20, 50)
TRAINING = 4000
SOURCE = "pixel3"
SUMS = ("raspi4", "eyeriss", "fpga")  # sums of another table; the other devices were measured end to end
NOISY = ("essential_ph_1", "pixel2", "samsung_a50", "samsung_s7")  # whole milliseconds

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Score:
    """One table on the 1,000 networks. `stated`: the mean error in percent that the table itself says."""

    spearman: float
    mape_percent: float
    stated: float = float("nan")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=Path, required=True, help="the folder of the published tables")
    parser.add_argument("--seeds", type=int, default=10)
    return parser.parse_args()


def score(predicted: Vector, measured: Vector, stated: float = float("nan")) -> Score:
    return Score(spearman(predicted, measured), 100 * float(np.mean(np.abs(predicted - measured) / measured)), stated)


def many(space: SearchSpace, choices: npt.NDArray[np.int64], measured: Vector) -> Score:
    """An additive table of one number per slot and candidate, fitted on all 4,000 networks (relative error)."""
    columns = np.concatenate([choices[:, [slot]] == np.arange(8) for slot in range(len(space.decisions))], axis=1)
    design = np.column_stack([columns, np.ones(len(choices))]).astype(np.float64)
    fitted = design[:TRAINING] / measured[:TRAINING, None]
    table = np.linalg.lstsq(fitted, np.ones(TRAINING), rcond=None)[0]
    return score(design[TRAINING:] @ table, measured[TRAINING:])


def few(
    source: LatencyTable, space: SearchSpace, choices: npt.NDArray[np.int64], measured: Vector, seeds: int
) -> Mapping[tuple[str, int], list[Score]]:
    """Scores over seeds, by way and number of networks."""
    old = FactoredCost(space, source).of(choices)
    found: dict[tuple[str, int], list[Score]] = {}

    @cache
    def network(index: int) -> Architecture:
        return space.decode(choices[index]).architecture

    for seed in range(seeds):
        order = stream(seed, "benchmarks/transfer").permutation(TRAINING)
        for count in COUNTS:
            picked = order[:count]
            slope, constant = fit_affine(old[picked], measured[picked])
            affine = score(slope * old[TRAINING:] + constant, measured[TRAINING:])
            table = transfer(source, "new", [network(int(i)) for i in picked], measured[picked].tolist())
            assert table.held_out is not None
            predicted = FactoredCost(space, table).of(choices[TRAINING:])
            transferred = score(predicted, measured[TRAINING:], table.held_out.mape_percent)
            found.setdefault(("affine", count), []).append(affine)
            found.setdefault(("transfer", count), []).append(transferred)
    return found


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Mean, least and greatest."""
    return f"{np.mean(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def page(scores: Mapping[str, Mapping[tuple[str, int], list[Score]]], best: Mapping[str, Score], seeds: int) -> str:
    """The result as Markdown."""
    lines = [
        "# Tables transferred between devices",
        "",
        "FBNet's space at 32 px, HELP's latencies; from HW-NAS-Bench's table of the Pixel 3 to each other device. "
        "Rank correlation (Spearman) on 1,000 other networks: mean (least-greatest) over draws of the networks that "
        f"were measured, n = {seeds}. *Pixel 3*: its table as it is, which slope and constant do not change. *4,000*: "
        "a table fitted on 4,000 networks of that device.",
        "",
        "| device | Pixel 3 | " + " | ".join(f"{count} networks" for count in COUNTS) + " | 4,000 |",
        "|---|---|" + "---|" * len(COUNTS) + "---|",
    ]
    for device, found in scores.items():
        cells = [spread([one.spearman for one in found["transfer", count]]) for count in COUNTS]
        plain = found["affine", COUNTS[-1]][0].spearman
        mark = " (noisy)" if device in NOISY else " (sums)" if device in SUMS else ""
        lines.append(f"| {device}{mark} | {plain:.2f} | {' | '.join(cells)} | {best[device].spearman:.2f} |")
    lines += [
        "",
        "Means over devices and draws: rank correlation / mean absolute error in percent; *stated* is the error that "
        "tables say of themselves (each network left out in turn).",
        "",
        "| devices | way | " + " | ".join(f"{count} networks" for count in COUNTS) + " |",
        "|---|---|" + "---|" * len(COUNTS),
    ]
    groups = {
        "noisy phones": list(NOISY),
        "sums of tables": list(SUMS),
        "all others": [name for name in scores if name not in (*NOISY, *SUMS)],
    }
    for title, devices in groups.items():
        for way, label in (("affine", "slope and constant"), ("transfer", "transfer")):
            cells = []
            for count in COUNTS:
                every = [one for device in devices for one in scores[device][way, count]]
                rank, off = (np.mean([getattr(one, name) for one in every]) for name in ("spearman", "mape_percent"))
                stated = f", stated {np.mean([one.stated for one in every]):.1f}" if way == "transfer" else ""
                cells.append(f"{rank:.3f} / {off:.1f}{stated}")
            lines.append(f"| {title} ({len(devices)}) | {label} | {' | '.join(cells)} |")
        rank, off = (
            np.mean([getattr(best[device], name) for device in devices]) for name in ("spearman", "mape_percent")
        )
        lines.append(f"| {title} ({len(devices)}) | fitted on 4,000 | | | {rank:.3f} / {off:.1f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    given = arguments()
    space = fbnet(100, 32)
    source = read_fbnet_tables(given.tables / "fbnet_hwnasbench_lut.json", space)[SOURCE]
    with (given.tables / "fbnet_5000_latency_ms.csv").open() as file:
        rows = list(csv.DictReader(file))
    choices = np.array([[int(digit) for digit in row["ops_digits"]] for row in rows])
    devices = [name for name in rows[0] if name not in ("arch_idx", "ops_digits", SOURCE)]
    scores, best = {}, {}
    for device in devices:
        measured = np.array([float(row[device]) for row in rows])
        best[device] = many(space, choices, measured)
        scores[device] = few(source, space, choices, measured, given.seeds)
        print(f"{device} done", file=sys.stderr)
    text = page(scores, best, given.seeds)
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "transfer.md").write_text(text)


if __name__ == "__main__":
    main()
