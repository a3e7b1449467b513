"""Latency tables: how long they take and how wrong they are on whole networks that nobody fitted.

    python benchmarks/latency_table.py
    python benchmarks/latency_table.py --only small --held-out 20 --rounds 6     # a trial
    python benchmarks/latency_table.py --device openvino --threads 2 --precision int8

FBNet's 22 x 9 space at 224 px, a narrow one at 28 px whose blocks take 5 to 20 microseconds, Once-for-All's at four
sizes and MnasNet's; batch 1. Each chunk of runs is kept in `build/` until its space is written: the script goes on
where it was stopped (the time of a table is then unknown). Each call adds its rows to
`results/latency_tables/DEVICE.json`, and `results/latency_tables.md` shows all devices together. About two minutes a
space on an idle core, slower runtimes more.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sculptnet.arch import SearchSpace
from sculptnet.cost import LatencyTable, Precision, macs
from sculptnet.cost.errors_of_tables import spearman
from sculptnet.devices import Device, FileMemo, Quality, measure_table, open_device
from sculptnet.devices.tables import distinct_networks
from sculptnet.spaces import fbnet, mnasnet, ofa_mobilenet_v3
from sculptnet.streams import stream

FOLDER = Path(__file__).parent / "results" / "latency_tables"
KEPT = Path(__file__).parents[1] / "build" / "latency_table"
SPACES: Mapping[str, tuple[str, SearchSpace]] = {
    "fbnet": ("FBNet, 224 px", fbnet()),
    "small": ("FBNet, width 0.5, 28 px, stem stride 2", fbnet(10, 28, width=0.5, stem_stride=2)),
    "ofa": ("Once-for-All, MobileNetV3, 128-224 px", ofa_mobilenet_v3(1000, 224, resolutions=(128, 160, 192, 224))),
    "mnasnet": ("MnasNet, 224 px", mnasnet(1000, 224)),
}
# Of networks that no choice of scheme looked at. What those of 7 showed in the two large spaces led to the calibration
# networks of today, so these have others.
SEEDS: Mapping[str, int] = {"fbnet": 7, "small": 7, "ofa": 8, "mnasnet": 8}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=list(SPACES), nargs="+", default=["fbnet", "small"])
    parser.add_argument("--device", default="onnxruntime")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", choices=[member.value for member in Precision], default="fp32")
    parser.add_argument("--held-out", type=int, default=50, help="networks that the table is checked on")
    parser.add_argument("--rounds", type=int, default=Quality().rounds)
    return parser.parse_args()


def measured(key: str, device: Device, given: argparse.Namespace) -> dict[str, Any]:
    """One space: its table's figures, with 95 % intervals over the held-out networks."""
    title, space = SPACES[key]
    KEPT.mkdir(parents=True, exist_ok=True)
    kept = KEPT / f"{key}-{device.name}-{given.precision}.jsonl"
    resumed = kept.exists()
    start, load = time.perf_counter(), os.getloadavg()[0]
    table = measure_table(
        space,
        device,
        seed=SEEDS[key],
        precision=Precision(given.precision),
        quality=Quality(rounds=given.rounds),
        num_held_out=given.held_out,
        memo=FileMemo(kept),
        progress=lambda what, done, total: show(f"{title}: {what} {done}/{total}"),
    )
    seconds = time.perf_counter() - start
    return {
        "space": title,
        "entries": len(table.entries_ms),
        "predicted_entries": len(table.predicted),
        "table_seconds": None if resumed else table.seconds,
        "seconds": None if resumed else seconds,
        "rounds": given.rounds,
        "seed": SEEDS[key],
        "fitted_on": "both kinds",
        "load_before": load,
        "load_after": os.getloadavg()[0],
        "slope": table.slope,
        "constant_ms": table.constant,
        "reference_ms": table.reference_ms,
        "warnings": list(table.warnings()),
        **error(table, space, SEEDS[key]),
    }


def show(text: str) -> None:
    """Where the script is, on one line of a terminal; nothing where the output goes elsewhere."""
    if sys.stdout.isatty():
        print(f"\r{text}  ", end="", flush=True)


def error(table: LatencyTable, space: SearchSpace, seed: int) -> dict[str, Any]:
    """The held-out error, its bootstrap intervals, and the rank correlation of multiply-adds for comparison."""
    held_out = table.held_out
    assert held_out is not None
    predicted, actual = np.array(held_out.pairs).T
    counted = np.array(
        [macs(network) for network in distinct_networks(space, seed, held_out.networks)], dtype=np.float64
    )
    rng = stream(seed, "benchmarks/latency_table: bootstrap")
    picks = rng.integers(0, len(actual), (2000, len(actual)))
    off = 100 * np.abs(predicted - actual) / actual
    ranks = [spearman(predicted[pick], actual[pick]) for pick in picks]
    return {
        **asdict(held_out),
        "mape_interval": np.percentile(off[picks].mean(axis=1), [2.5, 97.5]).tolist(),
        "spearman_interval": np.nanpercentile(ranks, [2.5, 97.5]).tolist(),
        "macs": counted.tolist(),
        "fastest_ms": float(actual.min()),
        "slowest_ms": float(actual.max()),
    }


def table_page(documents: Sequence[Mapping[str, Any]]) -> str:
    """All devices as Markdown."""
    lines = [
        f"# Latency tables, {max(document['date'] for document in documents)}",
        "",
        f"{documents[0]['device']['cpu']}; PyTorch {documents[0]['torch']}; 10 networks fitted, others "
        "held out; intervals: 95 %, bootstrap over the held-out networks; *load* of the machine before and after "
        "(where it is far above the threads, the measurement had one core to itself and other work the second). "
        "\\* older: fitted on networks from end to end of the space alone, where now half of them are random. "
        "\\*\\* older still: the networks that the table is fitted to and those it is checked on were measured one "
        "after another and not in turn, so that the device's drift within a minute is part of the error.",
    ]
    for title in dict.fromkeys(row["space"] for document in documents for row in document["rows"]):
        found = [(document, row) for document in documents for row in document["rows"] if row["space"] == title]
        lines += ["", f"## {title}", "", "| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
        lines += [line(document, row) for document, row in found]
        if len(found) > 1:
            lines += ["", "Rank correlation (Spearman) of measured latencies, and of multiply-adds with them:", ""]
            lines += correlations(found)
    return "\n".join([*lines, ""])


COLUMNS = (
    "device",
    "version",
    "blocks (predicted)",
    "table s",
    "with check s",
    "networks",
    "ms",
    "MAPE %",
    "bias %",
    "Spearman",
    "noise %",
    "load",
)


def line(document: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    """One table."""
    took = ["resumed" if row[key] is None else f"{row[key]:.0f}" for key in ("table_seconds", "seconds")]
    low, high = row["mape_interval"]
    lowest, highest = row["spearman_interval"]
    cells = (
        f"{document['name']} {document['precision']}{age(row)}",
        str(document["device"].get("version", "")).split("-")[0],
        f"{row['entries']} ({row['predicted_entries']})",
        *took,
        str(row["networks"]),
        f"{row['fastest_ms']:.2f}-{row['slowest_ms']:.2f}",
        f"{row['mape_percent']:.2f} ({low:.2f}-{high:.2f})",
        f"{row['bias_percent']:+.2f}",
        f"{row['spearman']:.3f} ({lowest:.3f}-{highest:.3f})",
        f"{row['noise_percent']:.2f}",
        f"{row['load_before']:.1f}-{row['load_after']:.1f}",
    )
    return f"| {' | '.join(cells)} |"


def age(row: Mapping[str, Any]) -> str:
    """The mark of a row that an earlier version measured."""
    if "fitted_on" in row:
        return ""
    return " \\*" if row.get("in_turn") else " \\*\\*"


def correlations(found: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> list[str]:
    """Every device against every other, on the networks that both measured."""
    names = [f"{document['name']} {document['precision']}" for document, _ in found]
    columns = [np.array(max((row["macs"] for _, row in found), key=len), dtype=np.float64)]
    columns += [np.array(row["pairs"], dtype=np.float64)[:, 1] for _, row in found]
    lines = [f"| | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for label, left in zip(["multiply-adds", *names], columns, strict=True):
        both = [(left[: len(right)], right[: len(left)]) for right in columns[1:]]
        lines.append(f"| {label} | {' | '.join(f'{spearman(*pair):.3f}' for pair in both)} |")
    return lines


def main() -> None:
    given = arguments()
    torch.set_num_threads(1)
    device = open_device(given.device, threads=given.threads)
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{device.name}-{given.precision}.json"
    earlier = json.loads(path.read_text())["rows"] if path.exists() else []
    for key in given.only:
        row = measured(key, device, given)
        earlier = [*(other for other in earlier if other["space"] != row["space"]), row]
        document = {
            "date": date.today().isoformat(),
            "name": device.name,
            "precision": given.precision,
            "device": dict(device.describe()),
            "torch": torch.__version__,
            "rows": earlier,
        }
        path.write_text(json.dumps(finite(document), indent=1) + "\n")
        (KEPT / f"{key}-{device.name}-{given.precision}.jsonl").unlink()
        print(line(document, row))
    documents = [json.loads(one.read_text()) for one in sorted(FOLDER.glob("*.json"))]
    (FOLDER.parent / "latency_tables.md").write_text(table_page(documents))


def finite(value: Any) -> Any:
    """`value` without numbers that JSON lacks: null in their place."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


if __name__ == "__main__":
    main()
