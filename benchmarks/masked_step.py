"""Time and memory of a training step of a masked supernet against the number of options, and of one branch per choice.

    python benchmarks/masked_step.py
    python benchmarks/masked_step.py --seconds 60      # stop after the round in which they pass; call again to go on

Channels: 2 to 32 widths in each of four layers, as masks, and as separate blocks padded with zeros and summed (what
differentiable search does without masks). Resolutions: 1 to 8 in a network of the same layers, all of them in every
step, and one sampled. The widest layer and the highest resolution are the same throughout. A step is forward, cross
entropy, backward to the network's weights and to the weights of the options, and an update of both.

Each variant lives in a process of its own, for its peak memory; steps are taken in turn, so that all variants see the
same disturbances. Rounds are kept beside the result while it is not finished. Writes `results/masked_step.md` and
`results/masked_step.svg`.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import platform
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad

from sculptnet.arch import Architecture, SearchSpace, between
from sculptnet.blocks import Classifier, Conv, InvertedResidual, PooledConv
from sculptnet.nets import MaskedSupernet

RESULTS = Path(__file__).parent / "results"
WIDEST, LAYERS, EXPANSION, CLASSES = 64, 4, 2, 10
BATCH, HIGHEST = 16, 16
SHOWN = (100, 300, 1000, 3000)  # on logarithmic axes
CHANNELS, RESOLUTIONS = (2, 4, 8, 16, 32), (1, 2, 4, 8)
BYTES_OF_RSS = 1 if sys.platform == "darwin" else 1024  # ru_maxrss counts bytes or KiB


@dataclass(frozen=True)
class Variant:
    """`kind`: masks, branches, resolutions or sampled resolutions; `options`: of each decision."""

    kind: str
    options: int

    @property
    def key(self) -> str:
        return f"{self.kind} {self.options}"


VARIANTS = tuple(
    Variant(kind, options)
    for kind, counts in (("masks", CHANNELS), ("branches", CHANNELS), ("all", RESOLUTIONS), ("sampled", RESOLUTIONS))
    for options in counts
)


# ---------------------------------------------------------------------- one variant, in its own process
def space_of(widths: int, resolutions: int) -> SearchSpace:
    """`LAYERS` inverted residuals between a fixed stem and head."""
    step = WIDEST // widths
    width: Any = between(step, WIDEST, step)
    layers = tuple(InvertedResidual(width, 3, EXPANSION) for _ in range(LAYERS))
    sizes: Any = between(HIGHEST - resolutions + 1, HIGHEST, 1)
    return SearchSpace(Architecture(sizes, Conv(WIDEST), (layers,), PooledConv(128), Classifier(CLASSES)))


class Branches(nn.Module):
    """The same network with a block of its own for every width, outputs padded with zeros, weighted and summed."""

    def __init__(self, widths: int) -> None:
        super().__init__()
        options = range(WIDEST // widths, WIDEST + 1, WIDEST // widths)
        self.stem, self.head = Conv(WIDEST).build(3), PooledConv(128).build(WIDEST)
        self.layers = nn.ModuleList(
            nn.ModuleList(InvertedResidual(width, 3, EXPANSION).build(WIDEST) for width in options)
            for _ in range(LAYERS)
        )
        self.classifier = Classifier(CLASSES).build(128)

    def forward(self, images: Tensor, weights: Sequence[Tensor]) -> Tensor:
        """Logits `(batch, classes)`; `weights`: a vector for each layer."""
        x: Tensor = self.stem(images)
        for layer, vector in zip(self.layers, weights, strict=True):
            assert isinstance(layer, nn.ModuleList)
            found = [weight * block(x) for weight, block in zip(vector, layer, strict=True)]
            x = torch.stack([pad(y, (0, 0, 0, 0, 0, WIDEST - y.shape[1])) for y in found]).sum(0)
        logits: Tensor = self.classifier(self.head(x))
        return logits


def work(variant: Variant, threads: int, pipe: Connection) -> None:
    """Takes a step for every message, and answers with seconds and bytes."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    if variant.kind == "branches":
        network: nn.Module = Branches(variant.options)
        theta = [torch.zeros(variant.options, requires_grad=True) for _ in range(LAYERS)]
    else:
        widths = variant.options if variant.kind == "masks" else 2
        space = space_of(widths, 1 if variant.kind == "masks" else variant.options)
        network = MaskedSupernet(space, resolutions_at_once=1 if variant.kind == "sampled" else None)
        theta = [torch.zeros(len(node.options), requires_grad=True) for node in space.decisions.values()]
        paths = list(space.decisions)
    network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD([*network.parameters(), *theta], 0.01)
    images = torch.randn(BATCH, 3, HIGHEST, HIGHEST).to(memory_format=torch.channels_last)
    labels = torch.randint(CLASSES, (BATCH,))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    while pipe.recv():
        begun = time.perf_counter()
        weights: Any = [torch.softmax(vector + 0.1 * torch.randn(len(vector)), 0) for vector in theta]
        if variant.kind == "sampled":  # as in a step that trains the network: one resolution runs
            weights = [vector.detach() for vector in weights]
        logits = network(images, weights if variant.kind == "branches" else dict(zip(paths, weights, strict=True)))
        optimizer.zero_grad()
        cross_entropy(logits, labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        seconds = time.perf_counter() - begun
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        pipe.send({"seconds": seconds, "bytes": (peak - before) * BYTES_OF_RSS})


# ---------------------------------------------------------------------- the comparison
def machine(threads: int) -> dict[str, Any]:
    """What the figures depend on."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    return {
        "cpu": models[0] if models else platform.processor() or platform.machine(),
        "cores": len(models),
        "threads": threads,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": f"{platform.system()} {platform.machine()}",
    }


def measured(given: argparse.Namespace, kept: Path, header: dict[str, Any]) -> list[dict[str, dict[str, float]]]:
    """All rounds: those that an earlier run on the same machine kept, and what is missing and there is time for."""
    lines = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    rounds = lines[1:] if lines and lines[0] == header else []
    if not rounds:
        kept.write_text(json.dumps(header) + "\n")
    if len(rounds) >= given.rounds:
        return rounds
    begun, processes = time.monotonic(), multiprocessing.get_context("fork")
    workers = {}
    for variant in VARIANTS:
        own, other = processes.Pipe()
        process = processes.Process(target=work, args=(variant, given.threads, other), daemon=True)
        process.start()
        workers[variant.key] = own
    warm = False
    while len(rounds) < given.rounds and (given.seconds is None or time.monotonic() - begun < given.seconds):
        taken = {}
        for key, pipe in workers.items():
            pipe.send(True)
            taken[key] = pipe.recv()
        if warm:
            rounds.append(taken)
            with kept.open("a") as file:
                file.write(json.dumps(taken) + "\n")
        warm = True
    for pipe in workers.values():
        pipe.send(False)
    return rounds


def growth(rounds: Sequence[dict[str, dict[str, float]]], kind: str, what: str, low: int, high: int) -> float:
    """The median over rounds of `what` at `high` options over that at `low`."""
    return median(taken[f"{kind} {high}"][what] / taken[f"{kind} {low}"][what] for taken in rounds)


def table(rounds: Sequence[dict[str, dict[str, float]]], kinds: dict[str, str], counts: Sequence[int]) -> list[str]:
    """Milliseconds and MiB for every number of options."""
    text = [f"| options | {' | '.join(f'{title}, ms | MiB' for title in kinds.values())} |"]
    text.append("|---" * (1 + 2 * len(kinds)) + "|")
    for count in counts:
        cells = []
        for kind in kinds:
            found = [taken[f"{kind} {count}"] for taken in rounds]
            times = [1000 * one["seconds"] for one in found]
            cells.append(f"{median(times):.0f} ({min(times):.0f} to {max(times):.0f})")
            cells.append(f"{max(one['bytes'] for one in found) / 2**20:.0f}")
        text.append(f"| {count} | {' | '.join(cells)} |")
    return text


def page(rounds: list[dict[str, dict[str, float]]], header: dict[str, Any]) -> str:
    """The result as a Markdown page."""
    masks, branches = (growth(rounds, kind, "seconds", 2, 32) for kind in ("masks", "branches"))
    masks_bytes, branches_bytes = (growth(rounds, kind, "bytes", 2, 32) for kind in ("masks", "branches"))
    every, sampled = (growth(rounds, kind, "seconds", 1, 8) for kind in ("all", "sampled"))
    pixels = sum(size**2 for size in range(HIGHEST - 7, HIGHEST + 1)) / HIGHEST**2
    return "\n".join(
        [
            "# A step of a masked supernet, against the number of options",
            "",
            f"{date.today().isoformat()}. {LAYERS} inverted residuals of at most {WIDEST} channels, expansion "
            f"{EXPANSION}, {HIGHEST} px, batch {BATCH}, float32, {header['threads']} of {header['cores']} cores "
            f"({header['cpu']}); {header['system']}, Python {header['python']}, PyTorch {header['torch']}. "
            f"n = {len(rounds)} steps after one that is not counted; median (least to greatest), variants in turn. "
            "MiB: growth of the process's largest resident memory since before the first step.",
            "",
            "![Time and memory of a step against the number of widths](masked_step.svg)",
            "",
            "## Widths",
            "",
            *table(rounds, {"masks": "masks", "branches": "one branch per choice"}, CHANNELS),
            "",
            f"From 2 to 32 widths: masks {masks:.2f} times the time and {masks_bytes:.2f} times the memory, one branch "
            f"per choice {branches:.1f} and {branches_bytes:.1f} times.",
            "",
            "## Resolutions",
            "",
            *table(rounds, {"all": "all in a step", "sampled": "one sampled"}, RESOLUTIONS),
            "",
            f"From 1 to 8 resolutions ({HIGHEST - 7} to {HIGHEST} px): {every:.1f} times the time with all of them, "
            f"whose maps have {pixels:.1f} times the pixels of the largest, and {sampled:.2f} times with one sampled, "
            "which is smaller than the largest in most steps.",
            "",
        ]
    )


def draw(rounds: Sequence[dict[str, dict[str, float]]], path: Path) -> None:
    """Two panels, logarithmic: milliseconds and MiB over the number of widths."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 2.8), layout="constrained")
    panels = figure.subplots(1, 2)
    joins: tuple[Callable[[list[float]], float], ...] = (median, max)
    for axes, what, scale, label, joined in zip(
        panels, ("seconds", "bytes"), (1e3, 2**-20), ("a step, ms", "memory, MiB"), joins, strict=True
    ):
        for kind, title, colour in (("branches", "one branch per choice", "#b45309"), ("masks", "masks", "#1d4ed8")):
            values = [joined([taken[f"{kind} {count}"][what] for taken in rounds]) * scale for count in CHANNELS]
            axes.plot(CHANNELS, values, "o-", color=colour, label=title)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xticks(CHANNELS, list(map(str, CHANNELS)))
        axes.set_yticks(SHOWN, list(map(str, SHOWN)))
        axes.minorticks_off()
        axes.set_xlabel("widths a layer")
        axes.set_ylabel(label)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].legend(frameon=False)
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=6, help="steps of each variant that count")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, help="take no further round after these")
    given = parser.parse_args()
    header = machine(given.threads)
    kept = RESULTS / "masked_step.rounds.jsonl"
    rounds = measured(given, kept, header)
    print(f"{len(rounds)} of {given.rounds} rounds", file=sys.stderr)
    if len(rounds) < given.rounds:
        return
    text = page(rounds, header)
    print(text)
    draw(rounds, RESULTS / "masked_step.svg")
    (RESULTS / "masked_step.md").write_text(text)
    kept.unlink()


if __name__ == "__main__":
    main()
