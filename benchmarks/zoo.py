"""Every published network on this machine: measured latency, float32 and int8, 1 and 2 threads, beside its accuracy.

    python benchmarks/zoo.py
    python benchmarks/zoo.py --threads 1 --precision fp32 --only mobilenet_v2 fbnet_a

ONNX Runtime, batch 1, in a loop, at the network's own resolution; weights do not change the time. Accuracies are the
authors'. Every network is kept in `results/zoo.json` when it is done, so the script goes on where it was stopped, and
calls for single settings add up; delete the file to measure anew. Writes `results/zoo.md`. About five minutes a setting
on an idle core, int8 longer.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TypeAlias

import numpy as np
import onnxruntime
import torch

from sculptnet import zoo
from sculptnet.cost import Precision, macs, parameters
from sculptnet.devices import Timing, measure_networks, open_device
from sculptnet.devices.local import cpu_name

RESULTS = Path(__file__).parent / "results"
Interval: TypeAlias = tuple[float, float, float]  # median, low, high; milliseconds
LARGEST_MACS = 3e9  # the rest (ResNet-50's largest) takes longer than all others together


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--precision", choices=[one.value for one in Precision], nargs="+", default=["fp32", "int8"])
    parser.add_argument("--only", choices=list(zoo.BY_NAME), nargs="+", default=list(zoo.BY_NAME))
    return parser.parse_args()


def progress(what: str, done: int, total: int) -> None:
    if sys.stdout.isatty():
        print(f"\r{what} {done}/{total}  ", end="", flush=True)


def measured(name: str, threads: int, precision: Precision) -> Timing:
    """One network in one setting."""
    architecture = zoo.BY_NAME[name].architecture
    device = open_device("onnxruntime", threads)
    return measure_networks({name: architecture}, device, precision=precision, progress=progress)[name]


def zoo_page(found: Mapping[str, Mapping[str, Interval]]) -> str:
    """The result as Markdown, the fastest network first."""
    settings = list(dict.fromkeys(setting for row in found.values() for setting in row))
    names = sorted(found, key=lambda name: min(median for median, _, _ in found[name].values()))
    widths = [50 * (high - low) / middle for row in found.values() for middle, low, high in row.values()]
    lines = [
        f"# The zoo on one machine, {date.today()}",
        "",
        f"{cpu_name()}, {os.cpu_count()} cores; ONNX Runtime {onnxruntime.__version__}, PyTorch {torch.__version__}; "
        f"batch 1, in a loop, milliseconds, medians. Half of a 95 % interval: {np.median(widths):.1f} % in the median, "
        f"{max(widths):.0f} % at most. Top-1 on ImageNet as the authors state it. *Front*: no network is both "
        "faster, in its best setting, and more accurate.",
        "",
        f"| network | input | M MACs | M parameters | {' | '.join(settings)} | top-1 % | front |",
        "|---" * (6 + len(settings)) + "|",
    ]
    best = 0.0
    for name in names:
        entry, row = zoo.BY_NAME[name], found[name]
        top1 = entry.top1 or 0.0
        counts = f"{macs(entry.architecture) / 1e6:.0f} | {parameters(entry.architecture) / 1e6:.2f}"
        times = " | ".join(f"{row[setting][0]:.2f}" if setting in row else "" for setting in settings)
        lines.append(
            f"| {name} | {entry.architecture.resolution} | {counts} | {times} | {entry.top1 or ''} | "
            f"{'*' if top1 > best else ''} |"
        )
        best = max(best, top1)
    return "\n".join([*lines, ""])


def main() -> None:
    given = arguments()
    torch.set_num_threads(1)
    kept = RESULTS / "zoo.json"
    found: dict[str, dict[str, Interval]] = json.loads(kept.read_text()) if kept.exists() else {}
    for threads in given.threads:
        for precision in map(Precision, given.precision):
            for name in given.only:
                row, setting = found.setdefault(name, {}), f"{precision.value}, {threads} threads"
                if macs(zoo.BY_NAME[name].architecture) <= LARGEST_MACS and setting not in row:
                    timing = measured(name, threads, precision)
                    print(name, threads, precision.value, asdict(timing), flush=True)
                    row[setting] = (timing.median_ms, timing.low_ms, timing.high_ms)
                    kept.write_text(json.dumps(found, indent=1) + "\n")
    (RESULTS / "zoo.md").write_text(zoo_page({name: row for name, row in found.items() if row}))


if __name__ == "__main__":
    main()
