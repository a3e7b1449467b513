"""Whole flows in one call: from images, a device and a budget to a network; and with a network that is given."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from sculptnet.cost import Precision
from sculptnet.devices.energy import POWERCAP
from sculptnet.export import load_network
from sculptnet.files import read_json
from sculptnet.flow.baselines import missing_baselines
from sculptnet.flow.common_request import from_plain
from sculptnet.flow.context import Context, Voice, open_context
from sculptnet.flow.looking import look
from sculptnet.flow.measuring import (
    budget_at_table_speed,
    check_feasibility,
    check_limits,
    measured_table,
    space_blocks,
)
from sculptnet.flow.network_request import NetworkRequest
from sculptnet.flow.network_run import run_network
from sculptnet.flow.proxy_check import found_check
from sculptnet.flow.recipe_search import search_recipe
from sculptnet.flow.request import FitRequest
from sculptnet.flow.result import FitResult
from sculptnet.flow.searching import make_problem
from sculptnet.flow.shipping import ship
from sculptnet.flow.stages import Stage
from sculptnet.flow.trade_off import longer_epochs, trade_offs
from sculptnet.flow.work import check_method, planned_work
from sculptnet.flow.working_time import timed
from sculptnet.flow.writing import write_run_report
from sculptnet.search import TrialRecord
from sculptnet.state import Progress, no_progress

__all__ = ["FitResult", "fit", "fit_network", "fit_recipe", "run_flow"]


# The keywords of these calls are fields of the requests, which say what they mean; `locals()` hands them on.


def fit(
    data: str | Path,
    latency_ms: float,
    *,
    device: str = "onnxruntime",
    threads: int = 1,
    precision: Precision = Precision.FP32,
    method: str = "fbnet",
    space: str | None = None,
    resolution: int | None = None,
    minutes: float = 60.0,
    seed: int = 0,
    settings: Sequence[str] = (),
    table: Path | None = None,
    baselines: bool = False,
    limits: Sequence[str] = (),
    start: str | None = None,
    from_run: Path | None = None,
    workers: int | str = 1,
    check_proxy: bool = False,
    proxy_networks: int = 6,
    full_trials: int | None = None,
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
    request = from_plain(FitRequest, locals())
    return run_flow(request, Stage.REPORT, Voice(say, progress))


def fit_network(
    network: str | Path,
    data: str | Path,
    *,
    pretrained: bool = False,
    weights: Path | None = None,
    latency_ms: float | None = None,
    device: str = "onnxruntime",
    threads: int = 1,
    precision: Precision = Precision.FP32,
    resolution: int | None = None,
    minutes: float = 60.0,
    seed: int = 0,
    settings: Sequence[str] = (),
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
    """Trains or fine-tunes one network, of the zoo or of an architecture file, and ships it as `fit` ships its find.

    The same call again goes on where the last one stopped. See `NetworkRequest` for the arguments.

    Raises:
        InvalidValue: with everything that is wrong with the arguments, or the weights are those of another network.
        DataError: the images cannot be used as they are.
    """
    request = from_plain(NetworkRequest, locals())
    return run_network(request, Voice(say, progress))


def fit_recipe(
    network: str | Path,
    data: str | Path,
    *,
    method: str = "evolution",
    latency_ms: float | None = None,
    device: str = "onnxruntime",
    threads: int = 1,
    precision: Precision = Precision.FP32,
    resolution: int | None = None,
    minutes: float = 60.0,
    seed: int = 0,
    settings: Sequence[str] = (),
    workers: int | str = 1,
    full_trials: int | None = None,
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
    """Searches how one network is trained (optimiser, rates, regularisation), trains it so and ships it.

    The recipes are those of `spaces.fbnetv3_recipe`; what `settings` set (`recipe.dropout=0.1`) is no longer searched.
    `method` is one that learns from trials alone. The same call again goes on where the last one stopped. See
    `FitRequest` for the arguments.

    Raises:
        InvalidValue: with everything that is wrong with the arguments.
        DataError: the images cannot be used as they are.
        Infeasible: no training came out.
    """
    request = from_plain(FitRequest, {**locals(), "recipe_only": network})
    return run_flow(request, Stage.REPORT, Voice(say, progress))


def run_flow(
    request: FitRequest,
    until: Stage,
    voice: Voice,
    clock: Callable[[], float] = time.monotonic,
    powercap: Path = POWERCAP,
) -> FitResult:
    """The stages up to `until`; what earlier calls finished is read, not done again."""
    context = open_context(request.completed(), voice, clock, powercap)
    with context.run.locked():
        return _stages(context, until)


def _stages(context: Context, until: Stage) -> FitResult:
    result = _finished(context, until)
    if result is None:
        with timed(context, until.value):
            result = _worked(context, until)
    records = [TrialRecord.from_json(line) for line in context.run.trials(context.voice.say)]
    front = trade_offs(records, longer_epochs(context.run.info()))
    return replace(result, front=front, proxy=found_check(context))


def _finished(context: Context, until: Stage) -> FitResult | None:
    """The result of a run that has all that is asked for, without doing any of it again."""
    run = context.run
    if context.request.check_proxy and found_check(context) is None:
        return None
    if not run.card.exists() or (until is Stage.REPORT and (not run.report.exists() or missing_baselines(context))):
        return None
    architecture = load_network(run.model, blocks=space_blocks(context.space)).architecture
    return FitResult(run.folder, architecture, read_json(run.card), run.report if run.report.exists() else None)


def _worked(context: Context, until: Stage) -> FitResult:
    run = context.run
    check_method(context)
    if context.request.recipe_only is not None:
        return search_recipe(context, until)
    look(context)
    table = measured_table(context, context.request.budget_ms)
    cost = check_feasibility(context, table)
    problem = make_problem(context, table, context.request.budget_ms)
    check_limits(context, problem)
    work = planned_work(context, problem)
    problem = make_problem(context, table, budget_at_table_speed(context, table, cost))
    best = work.find(problem, table)
    candidate = context.space.decode(best.choices)
    architecture = candidate.architecture
    if until is Stage.SEARCH:
        return FitResult(run.folder, architecture, None, None)
    if not run.card.exists():
        network = work.network(candidate)
        if until is Stage.TRAIN:
            return FitResult(run.folder, architecture, None, None)
        ship(context, network, work.recipe(candidate), table, problem.limits[1:])
    card = read_json(run.card)
    if until is Stage.EXPORT:
        return FitResult(run.folder, architecture, card, None)
    work.compare(cost)
    report = write_run_report(context, architecture, card, table)
    return FitResult(run.folder, architecture, card, report)
