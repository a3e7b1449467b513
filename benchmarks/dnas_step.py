"""Time and memory of a DNAS step: sampled candidates per slot against all of them, at batch 64, 32 px, 22 slots of 9.

    python benchmarks/dnas_step.py
    python benchmarks/dnas_step.py --only 1 2          # without the runs of all candidates: 7 GB and 9 s a step

A step is what the search does: sample, forward, product loss, backward, optimiser. Each variant lives in a process of
its own, for its peak memory; steps are taken in turn, so that all variants see the same disturbances, and each ratio
is between neighbours in time. Rounds are kept beside the result while it is not finished: the script goes on where it
was stopped. Writes `results/dnas_step.md`; about five minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

RESULTS = Path(__file__).parent / "results"
BATCH, RESOLUTION, CLASSES = 64, 32, 10
PHASES = ("weights", "theta")
UNITS_PER_GIB = 2**30 if sys.platform == "darwin" else 2**20  # of ru_maxrss: bytes or KiB


@dataclass(frozen=True)
class Variant:
    """How many candidates of a slot run, and the memory format."""

    key: str
    title: str
    branches: int | None
    channels_last: bool


VARIANTS = (
    Variant("all-default", "all, default layout", None, False),
    Variant("all", "all, channels-last", None, True),
    Variant("2", "2, channels-last", 2, True),
    Variant("1", "1, channels-last", 1, True),
)
BY_KEY = {variant.key: variant for variant in VARIANTS}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="steps of each phase and variant that count")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=list(BY_KEY), default=list(BY_KEY))
    parser.add_argument("--worker", choices=list(BY_KEY), help=argparse.SUPPRESS)
    return parser.parse_args()


# ---------------------------------------------------------------------- one variant, in its own process
def work(variant: Variant, threads: int) -> None:
    """Takes a step for every line on standard input, and answers with seconds and peak memory."""
    import torch

    from sculptnet import spaces
    from sculptnet.cost import FactoredCost, Macs
    from sculptnet.learn import open_machine
    from sculptnet.learn.training import Position
    from sculptnet.nets import MixedSupernet
    from sculptnet.search.differentiable.training import Alternating, Constants, SearchTraining

    torch.set_num_threads(threads)
    space = spaces.fbnet(CLASSES, RESOLUTION)
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(BATCH, 3, RESOLUTION, RESOLUTION, generator=generator)
    labels = torch.randint(CLASSES, (BATCH,), generator=generator)
    constants = Constants(
        seed=0,
        epochs=90,
        warmup_epochs=10,
        tau=5.0,
        tau_decay=0.956,
        alpha=0.2,
        beta=0.6,
        weight_learning_rate=0.1,
        weight_momentum=0.9,
        weight_decay=1e-4,
        theta_learning_rate=0.01,
        theta_betas=(0.9, 0.999),
        theta_weight_decay=5e-4,
        branches=variant.branches,
        label_smoothing=0.0,
    )
    training = SearchTraining(
        MixedSupernet(space),
        FactoredCost(space, Macs()),
        constants,
        Alternating(_Steps(), _Steps(), constants.warmup_epochs),
        open_machine(),
        channels_last=variant.channels_last,
    )
    training.network.train()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number, line in enumerate(sys.stdin):
        first = 0 if line.strip() == "weights" else training.weight_steps
        training.position = Position(epoch=10, step=first + number)
        begun = time.perf_counter()
        training.step(images, labels)
        seconds = time.perf_counter() - begun
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        answer = {"seconds": seconds, "peak_gib": peak / UNITS_PER_GIB, "before_gib": before / UNITS_PER_GIB}
        print(json.dumps(answer), flush=True)


@dataclass(frozen=True)
class _Steps:
    """The worker gives images itself; the training asks for the length of an epoch alone."""

    steps_per_epoch: int = 1000

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[Any]:
        return iter(())


class Worker:
    """The process of one variant."""

    def __init__(self, variant: Variant, threads: int) -> None:
        command = [sys.executable, __file__, "--worker", variant.key, "--threads", str(threads)]
        self.title = variant.title
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def step(self, phase: str) -> dict[str, float]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(phase + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.title}: its process ended with {self.process.wait()}; was there enough memory?")
        answer: dict[str, float] = json.loads(line)
        return answer

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


# ---------------------------------------------------------------------- the comparison
def machine(threads: int) -> dict[str, Any]:
    """What the figures depend on."""
    import torch

    info = Path("/proc/cpuinfo")
    models = (
        [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        if (info.exists())
        else []
    )
    return {
        "cpu": models[0] if models else platform.processor() or platform.machine(),
        "cores": len(models),
        "threads": threads,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": f"{platform.system()} {platform.machine()}",
    }


def measured(given: argparse.Namespace, kept: Path, header: dict[str, Any]) -> list[dict[str, Any]]:
    """All rounds: those that an earlier run on the same machine kept, and what is missing."""
    lines = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    rounds = lines[1:] if lines and lines[0] == header else []
    if not rounds:
        kept.write_text(json.dumps(header) + "\n")
    if len(rounds) >= given.rounds:
        return rounds
    workers = {key: Worker(BY_KEY[key], given.threads) for key in given.only}
    for number in range(-1, given.rounds - len(rounds)):
        taken = {phase: {key: worker.step(phase) for key, worker in workers.items()} for phase in PHASES}
        print(f"{'warm-up' if number < 0 else f'round {len(rounds) + 1}'}: {described(taken)}", file=sys.stderr)
        if number >= 0:
            rounds.append(taken)
            with kept.open("a") as file:
                file.write(json.dumps(taken) + "\n")
    for worker in workers.values():
        worker.close()
    return rounds


def described(taken: dict[str, dict[str, dict[str, float]]]) -> str:
    return "; ".join(
        f"{phase} " + ", ".join(f"{key}: {answer['seconds']:.2f} s" for key, answer in answers.items())
        for phase, answers in taken.items()
    )


def spread(values: Sequence[float], digits: int) -> str:
    """Median, least and greatest."""
    return f"{median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def page(rounds: list[dict[str, Any]], header: dict[str, Any]) -> str:
    """The result as a Markdown page."""
    keys: list[str] = header["variants"]
    text = [
        "# A DNAS step: sampled candidates against all",
        "",
        f"{date.today().isoformat()}. FBNet's space (22 slots, 9 candidates), {RESOLUTION} px, batch {BATCH}, float32, "
        f"{header['threads']} of {header['cores']} cores ({header['cpu']}); {header['system']}, Python "
        f"{header['python']}, PyTorch {header['torch']}. n = {len(rounds)} steps of each kind after one that is not "
        "counted; median (least to greatest). Steps of all variants in turn; a ratio is between steps of one round. "
        "Peak: the process's largest resident memory, of which the given part was there before the first step.",
    ]
    for phase, title in (("weights", "Training weights"), ("theta", "Training theta (1: two candidates run)")):
        text += ["", f"## {title}", ""]
        text += [
            "| candidates | seconds a step | times as fast as all, default | as all, channels-last |",
            "|---|---|---|---|",
        ]
        for key in keys:
            seconds = {name: [taken[phase][name]["seconds"] for taken in rounds] for name in keys}
            cells = [BY_KEY[key].title, spread(seconds[key], 2)]
            for other in ("all-default", "all"):
                compared = other in keys and other != key
                ratios = (
                    [slow / fast for slow, fast in zip(seconds[other], seconds[key], strict=True)] if compared else []
                )
                cells.append(spread(ratios, 1) if ratios else "")
            text.append(f"| {' | '.join(cells)} |")
    text += ["", "## Peak memory", "", "| candidates | GiB | before the first step |", "|---|---|---|"]
    for key in keys:
        answers = [taken[phase][key] for taken in rounds for phase in PHASES]
        peak, before = (max(answer[name] for answer in answers) for name in ("peak_gib", "before_gib"))
        text.append(f"| {BY_KEY[key].title} | {peak:.2f} | {before:.2f} |")
    return "\n".join(text) + "\n"


def main() -> None:
    given = arguments()
    if given.worker:
        work(BY_KEY[given.worker], given.threads)
        return
    header = {**machine(given.threads), "variants": given.only}
    kept = RESULTS / "dnas_step.rounds.jsonl"
    RESULTS.mkdir(exist_ok=True)
    text = page(measured(given, kept, header), header)
    print(text)
    if given.only == list(BY_KEY):
        (RESULTS / "dnas_step.md").write_text(text)
    kept.unlink()


if __name__ == "__main__":
    main()
