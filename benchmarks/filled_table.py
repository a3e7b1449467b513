"""How good a latency table is of which a part was measured and the rest predicted, against how much was measured.

    sculptnet measure fbnetv2 --resolution 28 --num-classes 10 --out table.json --set space.lowest_resolution=20
    python benchmarks/filled_table.py table.json --set lowest_resolution=20

The table of a run of `sculptnet fit --method fbnetv2` will do as well.

Takes some of the blocks that the table has measured, predicts all others from them (`cost.fill`), and compares: with
the measured blocks that were left out, and with the whole networks that the table was checked on. Several random parts
of each size. Writes `results/filled_table.md`. Seconds.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from statistics import mean, stdev

import numpy as np

from sculptnet import blocks, settings, spaces
from sculptnet.arch import SearchSpace
from sculptnet.cost import LatencyTable, cost_of, fill, table_from_json
from sculptnet.cost.errors_of_tables import error_of
from sculptnet.cost.table import HeldOut
from sculptnet.devices.tables import distinct_networks
from sculptnet.files import read_json, write_atomic
from sculptnet.streams import stream

RESULTS = Path(__file__).parent / "results"
COUNTS, PARTS = (50, 100, 150, 200, 400, 800), 5
SLOW_MS = 0.02  # what takes less is hard to tell from the noise of a network's time
CALIBRATION = 10  # networks that `sculptnet measure` draws beside those that the table is checked on


@dataclass(frozen=True)
class Outcome:
    """Of one part of the blocks: errors of the blocks that were left out, all and slow ones, and of whole networks."""

    left_out: HeldOut
    slow: HeldOut
    networks: HeldOut


def outcome(table: LatencyTable, space: SearchSpace, count: int, number: int) -> Outcome:
    """A table with `count` of the measured blocks, the others predicted."""
    measured = {entry: ms for entry, ms in table.entries_ms.items() if entry not in table.predicted}
    order = stream(number, "benchmarks/filled_table", count).permutation(len(measured))
    entries = list(measured)
    part = {entries[index]: measured[entries[index]] for index in order[:count]}
    filled = fill(replace(table, entries_ms=part, predicted=frozenset(), predictor_mape_percent=None), space)
    others = [entries[index] for index in order[count:] if measured[entries[index]] > 0]
    said, true = (np.array([values[entry] for entry in others]) for values in (filled.entries_ms, measured))
    slow = true >= SLOW_MS
    return Outcome(error_of(said, true), error_of(said[slow], true[slow]), checked(filled, space))


def checked(table: LatencyTable, space: SearchSpace) -> HeldOut:
    """The networks that the table was checked on when it was measured, priced anew."""
    assert table.held_out is not None
    pairs = table.held_out.pairs
    networks = distinct_networks(space, 0, 2 * len(pairs) + 2 + CALIBRATION)[: len(pairs)]
    predicted = np.array([cost_of(table, network) for network in networks])
    return error_of(predicted, np.array([measured for _, measured in pairs]))


def require_same_networks(table: LatencyTable, space: SearchSpace) -> None:
    """Whether these are the networks that the table was checked on: as a whole, it must say what it said then."""
    assert table.held_out is not None
    if abs(checked(table, space).mape_percent - table.held_out.mape_percent) > 1e-6:
        raise SystemExit("the table was checked on other networks; measure it again, with the seed 0")


def spread(values: Sequence[float]) -> str:
    return f"{mean(values):.1f} ± {stdev(values):.1f}"


def row(table: LatencyTable, space: SearchSpace, count: int) -> str:
    found = [outcome(table, space, count, number) for number in range(PARTS)]
    cells = [
        str(count),
        spread([one.left_out.mape_percent for one in found]),
        spread([one.slow.mape_percent for one in found]),
        f"{mean(one.left_out.spearman for one in found):.3f}",
        spread([one.networks.mape_percent for one in found]),
        f"{mean(one.networks.bias_percent for one in found):+.1f}",
        f"{mean(one.networks.spearman for one in found):.3f}",
    ]
    return f"| {' | '.join(cells)} |"


def page(table: LatencyTable, space: SearchSpace, name: str) -> str:
    """The result as a Markdown page."""
    assert table.held_out is not None
    total, checks = len(table.entries_ms), table.held_out
    measured = total - len(table.predicted)
    again = checked(table, space)
    return "\n".join(
        [
            "# Latency tables that are measured in part",
            "",
            f"{date.today().isoformat()}. {name} on {table.device} ({table.details.get('cpu', 'unknown processor')}, "
            f"ONNX Runtime {table.details.get('version', '?')}): {measured:,} of {total:,} blocks were measured in "
            f"{table.seconds:.0f} s. Made by `benchmarks/filled_table.py`.",
            "",
            f"Blocks: those that were measured and left out. Networks: {checks.networks} random ones, measured whole; "
            f"noise of their measurement {checks.noise_percent:.1f} %. Mean over {PARTS} random parts (± standard "
            "deviation); MAPE is the mean absolute error in percent. Slope and constant are those of the whole table.",
            "",
            f"| blocks measured | MAPE of other blocks | of those of {SLOW_MS:g} ms and more | Spearman, all | MAPE of "
            "networks | bias | Spearman |",
            "|---|---|---|---|---|---|---|",
            *(row(table, space, count) for count in COUNTS if count < measured),
            f"| {measured} | | | | {again.mape_percent:.1f} | {again.bias_percent:+.1f} | {again.spearman:.3f} |",
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--resolution", type=int, default=28)
    parser.add_argument("--classes", type=int, default=10, help="logits; as in `sculptnet measure`")
    parser.add_argument("--set", dest="settings", action="append", default=[], help="NAME=VALUE of the space")
    given = parser.parse_args()
    chosen = dict(entry.split("=", 1) for entry in given.settings)
    space = spaces.fbnetv2(given.classes, given.resolution, **settings.bind(spaces.fbnetv2, chosen, "space"))
    table = table_from_json(read_json(given.table), blocks.ALL)
    require_same_networks(table, space)
    text = page(table, space, " ".join([f"`fbnetv2` at {given.resolution} px", *given.settings]))
    print(text)
    write_atomic(RESULTS / "filled_table.md", text)


if __name__ == "__main__":
    main()
