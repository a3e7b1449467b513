"""From images, a device and a budget to a trained, exported, measured network: the whole flow in one call."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sculptnet import blocks
from sculptnet.arch import Architecture, classes_in
from sculptnet.cost import Precision, macs
from sculptnet.errors import RunError
from sculptnet.export import load_network
from sculptnet.files import read_json
from sculptnet.flow.baselines import add_baselines, missing_baselines
from sculptnet.flow.context import Context, Voice, open_context
from sculptnet.flow.finalists import find_best
from sculptnet.flow.looking import look
from sculptnet.flow.measuring import check_feasibility, measured_table, space_blocks
from sculptnet.flow.request import FitRequest
from sculptnet.flow.searching import make_problem, planned
from sculptnet.flow.shipping import ship
from sculptnet.flow.stages import Stage
from sculptnet.flow.training import train_candidate
from sculptnet.flow.writing import write_run_report
from sculptnet.nets import Network
from sculptnet.runs import RunDirectory
from sculptnet.state import Progress, no_progress
from sculptnet.train import rescaled


@dataclass(frozen=True)
class FitResult:
    """A run, as far as it went.

    Attributes:
        folder: the run directory.
        architecture: of the network that is shipped, or of the best finalist.
        card: `model/card.json`, or None before the export.
        report: the page, or None before it is written.
    """

    folder: Path
    architecture: Architecture
    card: Mapping[str, Any] | None
    report: Path | None

    @property
    def within_budget(self) -> bool | None:
        """Whether the measured latency is within the budget; None before it is measured."""
        return None if self.card is None else bool(self.card["within_budget"])

    def network(self) -> Network:
        """The trained network.

        Raises:
            RunError: the run stopped before the export.
        """
        if self.card is None:
            raise RunError(f"{self.folder} has no trained model yet; run `sculptnet fit {self.folder}`")
        return load_network(RunDirectory(self.folder).model, blocks=(*blocks.ALL, *classes_in(self.architecture)))

    def summary(self) -> str:
        """The result as people read it."""
        if self.card is None:
            size = f"{macs(self.architecture) / 1e6:.1f} M MACs"
            return f"Found a network of {size}; stopped as asked. `sculptnet fit {self.folder}` goes on"
        budget, lines = self.card["budget"], []
        for name, timing in self.card["measured"].items():
            accuracy = self.card["accuracy"][name]
            low, high = accuracy["top1_interval"]
            lines.append(
                f"{name:<16} {timing['latency_ms']:8.3f} ms ({timing['loop_ms']:.3f} in a loop)   "
                f"top-1 {accuracy['top1']:.2%} ({low:.2%} to {high:.2%})"
            )
        over = self.card["measured"][budget["file"]]["latency_ms"] / budget["at_most"] - 1
        verdict = (
            f"within the budget of {budget['at_most']:g} ms"
            if over <= 0
            else (f"OVER the budget of {budget['at_most']:g} ms by {over:.1%}")
        )
        lines.append(f"{budget['file']} is {verdict} on {self.card['device']['name']}")
        lines.append(f"Model:  {RunDirectory(self.folder).model}")
        return "\n".join([*lines, *([f"Report: {self.report}"] if self.report else [])])

    def to_json(self) -> dict[str, Any]:
        """The result as machines read it."""
        return {"run": str(self.folder), "card": self.card, "report": str(self.report) if self.report else None}


def fit(
    data: str | Path,
    latency_ms: float,
    *,
    device: str = "onnxruntime",
    threads: int = 1,
    precision: Precision = Precision.FP32,
    method: str = "fbnet",
    space: str = "fbnet",
    resolution: int | None = None,
    minutes: float = 60.0,
    seed: int = 0,
    settings: Sequence[str] = (),
    table: Path | None = None,
    baselines: bool = False,
    skip_broken: bool = False,
    test_fraction: float = 0.2,
    accelerator: str = "auto",
    root: Path | None = None,
    run_dir: Path | None = None,
    runs: Path = Path("runs"),
    fresh: bool = False,
    say: Callable[[str], None] = print,
    progress: Progress = no_progress,
) -> FitResult:
    """Searches, trains and exports a ConvNet for `data` whose latency, measured on `device`, is within `latency_ms`.

    The same call again goes on where the last one stopped. See `FitRequest` for the arguments.

    Raises:
        InvalidValue: with everything that is wrong with the arguments.
        DataError: the images cannot be used as they are.
        Infeasible: the budget is under the fastest network of the space on this device.
    """
    request = FitRequest(
        data=str(data),
        settings=tuple(settings),
        latency_ms=latency_ms,
        device=device,
        threads=threads,
        precision=precision,
        method=method,
        space=space,
        resolution=resolution,
        minutes=minutes,
        seed=seed,
        table=table,
        baselines=baselines,
        skip_broken=skip_broken,
        test_fraction=test_fraction,
        accelerator=accelerator,
        root=root,
        run_dir=run_dir,
        runs=runs,
        fresh=fresh,
    )
    return run_flow(request, Stage.REPORT, Voice(say, progress))


def run_flow(request: FitRequest, until: Stage, voice: Voice, clock: Callable[[], float] = time.monotonic) -> FitResult:
    """The stages up to `until`; what earlier calls finished is read, not done again."""
    context = open_context(request, voice, clock)
    with context.run.locked():
        return _stages(context, until)


def _stages(context: Context, until: Stage) -> FitResult:
    done = _finished(context, until)
    if done is not None:
        return done
    result = _worked(context, until)
    context.log({"event": "command", "until": until.value, "seconds": round(context.elapsed_s(), 1)})
    return result


def _finished(context: Context, until: Stage) -> FitResult | None:
    """The result of a run that has all that is asked for, without doing any of it again."""
    run = context.run
    if not run.card.exists() or (until is Stage.REPORT and (not run.report.exists() or missing_baselines(context))):
        return None
    architecture = load_network(run.model, blocks=space_blocks(context.space)).architecture
    return FitResult(run.folder, architecture, read_json(run.card), run.report if run.report.exists() else None)


def _worked(context: Context, until: Stage) -> FitResult:
    run = context.run
    look(context)
    table = measured_table(context)
    cost = check_feasibility(context, table)
    plan = planned(context, cost)
    best = find_best(context, make_problem(context, table), table, plan)
    candidate = context.space.decode(best.choices)
    architecture = candidate.architecture
    if until is Stage.SEARCH:
        return FitResult(run.folder, architecture, None, None)
    if not run.card.exists():
        network = train_candidate(context, candidate, plan)
        if until is Stage.TRAIN:
            return FitResult(run.folder, architecture, None, None)
        ship(context, network, rescaled(candidate.recipe, plan.epochs), table)
    card = read_json(run.card)
    if until is Stage.EXPORT:
        return FitResult(run.folder, architecture, card, None)
    if context.request.baselines:
        add_baselines(context, cost, plan)
    report = write_run_report(context, table, architecture, card)
    return FitResult(run.folder, architecture, card, report)
