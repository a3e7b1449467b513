"""Latency tables: how long they take and how wrong they are on whole networks that nobody fitted.

    python benchmarks/latency_table.py
    python benchmarks/latency_table.py --only small --held-out 20 --rounds 6     # a trial
    python benchmarks/latency_table.py --threads 2 --precision int8

FBNet's 22 x 9 space at 224 px, and a narrow one at 28 px whose blocks take 5 to 20 microseconds, batch 1. Each chunk of
runs is kept in `build/` until the result is written: the script goes on where it was stopped (the time of a table is
then unknown). Writes `results/latency_table_DEVICE_DATE.md` and `.json`. About five minutes on an idle core.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Mapping
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
from sculptnet.spaces import fbnet
from sculptnet.streams import stream

RESULTS = Path(__file__).parent / "results"
KEPT = Path(__file__).parents[1] / "build" / "latency_table"
SPACES: Mapping[str, tuple[str, SearchSpace]] = {
    "fbnet": ("FBNet, 224 px", fbnet()),
    "small": ("FBNet, width 0.5, 28 px, stem stride 2", fbnet(10, 28, width=0.5, stem_stride=2)),
}
SEED = 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=list(SPACES), nargs="+", default=list(SPACES))
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
        seed=SEED,
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
        "table_seconds": None if resumed else table.seconds,
        "seconds": None if resumed else seconds,
        "load_before": load,
        "load_after": os.getloadavg()[0],
        "slope": table.slope,
        "constant_ms": table.constant,
        "reference_ms": table.reference_ms,
        "warnings": list(table.warnings()),
        **error(table, space),
    }


def show(text: str) -> None:
    """Where the script is, on one line of a terminal; nothing where the output goes elsewhere."""
    if sys.stdout.isatty():
        print(f"\r{text}  ", end="", flush=True)


def error(table: LatencyTable, space: SearchSpace) -> dict[str, Any]:
    """The held-out error, its bootstrap intervals, and the rank correlation of multiply-adds for comparison."""
    held_out = table.held_out
    assert held_out is not None
    predicted, actual = np.array(held_out.pairs).T
    counted = np.array(
        [macs(network) for network in distinct_networks(space, SEED, held_out.networks)], dtype=np.float64
    )
    rng = stream(SEED, "benchmarks/latency_table: bootstrap")
    picks = rng.integers(0, len(actual), (2000, len(actual)))
    off = 100 * np.abs(predicted - actual) / actual
    ranks = [spearman(predicted[pick], actual[pick]) for pick in picks]
    return {
        **asdict(held_out),
        "mape_interval": np.percentile(off[picks].mean(axis=1), [2.5, 97.5]).tolist(),
        "spearman_interval": np.nanpercentile(ranks, [2.5, 97.5]).tolist(),
        "spearman_of_macs": spearman(counted, actual),
        "fastest_ms": float(actual.min()),
        "slowest_ms": float(actual.max()),
    }


def page(document: Mapping[str, Any]) -> str:
    """The result as Markdown."""
    device, quality = document["device"], document["quality"]
    lines = [
        f"# Latency tables on {document['name']}, {document['precision']}",
        "",
        f"{document['date']}; {device['cpu']}, {device['cores']} cores, {device['threads']} thread(s); "
        f"{device['runtime']} {device['version']}, PyTorch {document['torch']}; {quality['rounds']} rounds; "
        f"10 networks fitted; intervals: 95 %, bootstrap over the held-out networks.",
        "",
        "| space | entries | table s | with check s | networks | ms | MAPE % | bias % | Spearman | of MACs | noise % "
        "| load |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in document["rows"]:
        low, high = row["mape_interval"]
        lowest, highest = row["spearman_interval"]
        took = ["resumed" if row[key] is None else f"{row[key]:.0f}" for key in ("table_seconds", "seconds")]
        lines.append(
            f"| {row['space']} | {row['entries']} | {took[0]} | {took[1]} | {row['networks']} "
            f"| {row['fastest_ms']:.2f}-{row['slowest_ms']:.2f} | {row['mape_percent']:.2f} ({low:.2f}-{high:.2f}) "
            f"| {row['bias_percent']:+.2f} | {row['spearman']:.3f} ({lowest:.3f}-{highest:.3f}) "
            f"| {row['spearman_of_macs']:.3f} | {row['noise_percent']:.2f} "
            f"| {row['load_before']:.1f}-{row['load_after']:.1f} |"
        )
    warnings = [f"- {row['space']}: {warning}" for row in document["rows"] for warning in row["warnings"]]
    return "\n".join([*lines, *(["", "Warnings:", "", *warnings] if warnings else []), ""])


def main() -> None:
    given = arguments()
    torch.set_num_threads(1)
    device = open_device(given.device, threads=given.threads)
    document = {
        "date": date.today().isoformat(),
        "name": device.name,
        "precision": given.precision,
        "device": dict(device.describe()),
        "torch": torch.__version__,
        "quality": asdict(Quality(rounds=given.rounds)),
        "rows": [measured(key, device, given) for key in given.only],
    }
    stem = f"latency_table_{device.name}-{given.precision}_{document['date']}"
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{stem}.json").write_text(json.dumps(finite(document), indent=1) + "\n")
    (RESULTS / f"{stem}.md").write_text(page(document))
    for key in given.only:
        (KEPT / f"{key}-{device.name}-{given.precision}.jsonl").unlink()
    print(page(document))


def finite(value: Any) -> Any:
    """`value` without numbers that JSON lacks: null in their place."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


if __name__ == "__main__":
    main()
