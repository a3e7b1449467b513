"""A training step of an elastic network against the same architecture as a static network.

    python benchmarks/elastic_step.py

Forward and backward at 96 px, batch 32, one thread, of a network of `spaces.ofa_mobilenet_v3`: inside the supernet, on
slices of its weights, and cut out, both channels last. Both are timed in every round, the order changing from round to
round, so each ratio is between neighbours. The optimiser's step is left out: it is the supernet's in the one case, the
network's in the other. Each architecture is kept in `results/elastic_step.json` when it is done, so the script goes on
where it was stopped; delete the file to measure anew. Writes `results/elastic_step.md`; about a minute and a half.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from sculptnet.arch import Architecture
from sculptnet.cost import macs
from sculptnet.devices.local import cpu_name
from sculptnet.files import read_json, write_json
from sculptnet.nets import ElasticSupernet, initialise, largest, smallest
from sculptnet.spaces import ofa_mobilenet_v3
from sculptnet.streams import stream

RESULTS = Path(__file__).parent / "results"
RESOLUTION, BATCH, CLASSES, RANDOM = 96, 32, 100, 3
EXPECTED = 1.2  # a goal, not a law


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8, help="that count; one more comes before")
    return parser.parse_args()


def architectures(supernet: ElasticSupernet) -> dict[str, Architecture]:
    space = supernet.space
    rows = space.sample(stream(0, "benchmarks/elastic_step"), RANDOM)
    drawn = {f"random {index}": space.decode(row).architecture for index, row in enumerate(rows, start=1)}
    return {"largest": largest(space), **drawn, "smallest": smallest(space)}


def step_seconds(logits_of: Callable[[], Tensor], module: nn.Module, labels: Tensor) -> float:
    for parameter in module.parameters():
        parameter.grad = None
    begun = time.perf_counter()
    torch.nn.functional.cross_entropy(logits_of(), labels).backward()  # type: ignore[no-untyped-call]
    return time.perf_counter() - begun


def measured(supernet: ElasticSupernet, architecture: Architecture, rounds: int) -> dict[str, Any]:
    """Seconds of both, a pair for each round."""
    static = supernet.subnet(architecture).to(memory_format=torch.channels_last)
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(BATCH, 3, RESOLUTION, RESOLUTION, generator=generator).to(memory_format=torch.channels_last)
    labels = torch.randint(CLASSES, (BATCH,), generator=generator)
    ways: list[tuple[str, Callable[[], Tensor], nn.Module]] = [
        ("elastic", lambda: supernet(images, architecture), supernet),
        ("static", lambda: static(images), static),
    ]
    pairs = []
    for number in range(rounds + 1):
        ordered = ways if number % 2 else ways[::-1]
        pairs.append({name: step_seconds(logits_of, module, labels) for name, logits_of, module in ordered})
    return {"macs": macs(architecture), "seconds": pairs[1:]}


def page(found: Mapping[str, Mapping[str, Any]]) -> str:
    """The result as Markdown."""
    pairs = min(len(one["seconds"]) for one in found.values())
    lines = [
        f"# An elastic training step, {date.today()}",
        "",
        f"`spaces.ofa_mobilenet_v3` at {RESOLUTION} px, batch {BATCH}, forward and backward, channels last. One thread "
        f"of {os.cpu_count()} ({cpu_name()}), PyTorch {torch.__version__}. n = {pairs} pairs after one that is not "
        "counted; milliseconds are medians. A ratio is that of the two steps of one pair: median (least to greatest). "
        f"The goal was {EXPECTED:g} at most.",
        "",
        "| network | M MACs | static, ms | elastic, ms | elastic over static |",
        "|---|---|---|---|---|",
    ]
    for name, one in found.items():
        elastic, static = ([1e3 * pair[way] for pair in one["seconds"]] for way in ("elastic", "static"))
        ratios = [left / right for left, right in zip(elastic, static, strict=True)]
        lines.append(
            f"| {name} | {one['macs'] / 1e6:.0f} | {median(static):.0f} | {median(elastic):.0f} | "
            f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) |"
        )
    return "\n".join([*lines, ""])


def main() -> None:
    given = arguments()
    torch.set_num_threads(1)
    kept = RESULTS / "elastic_step.json"
    found: dict[str, dict[str, Any]] = read_json(kept) if kept.exists() else {}
    supernet = ElasticSupernet(ofa_mobilenet_v3(CLASSES, RESOLUTION))
    initialise(supernet, 0)
    supernet.to(memory_format=torch.channels_last).train()
    for name, architecture in architectures(supernet).items():
        if name not in found:
            found[name] = measured(supernet, architecture, given.rounds)
            write_json(kept, found)
    (RESULTS / "elastic_step.md").write_text(page(found))
    print(page(found))


if __name__ == "__main__":
    main()
