"""From one trained supernet to networks for other devices and budgets, without training."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from sculptnet.cost import FactoredCost, LatencyTable, Precision
from sculptnet.devices import Device, open_device
from sculptnet.errors import Infeasible, InvalidValue, RunError, collected
from sculptnet.files import read_json
from sculptnet.flow.context import Context, Voice, identity_of, open_context, open_run, searched
from sculptnet.flow.measuring import budget_at_table_speed, check_limits, measured_table
from sculptnet.flow.request import FitRequest, from_plain
from sculptnet.flow.searching import make_problem
from sculptnet.flow.shipping import ship
from sculptnet.flow.specialized import Specialized, device_networks, write_specialized_report
from sculptnet.flow.supernet_learning import Learned, load_learned
from sculptnet.flow.supernet_plan import SupernetPlan
from sculptnet.flow.supernet_search import find_specialised, pareto_front
from sculptnet.runs import RunDirectory
from sculptnet.streams import stream_seed
from sculptnet.train import rescaled


@dataclass(frozen=True)
class SpecializeRequest:
    """What is wanted of a run's supernet; None is as in the run.

    Attributes:
        run: the directory of a run that trained a supernet.
        latencies_ms: the budgets, milliseconds for one image on the device.
        device, threads, precision: what they are measured on, and which exported file they judge.
        table: a latency table of that device, measured before; it is checked on three networks.
        limits: beside latency, `NAME=VALUE` each.

    Raises:
        InvalidValue: with everything that is wrong.
    """

    run: Path
    latencies_ms: tuple[float, ...]
    device: str | None = None
    threads: int | None = None
    precision: Precision | None = None
    table: Path | None = None
    limits: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        problems = [] if self.latencies_ms else ["the budgets are missing; give --latency-ms, once or several times"]
        repeated = [value for value in dict.fromkeys(self.latencies_ms) if self.latencies_ms.count(value) > 1]
        problems += [f"--latency-ms {value:g} is given twice" for value in repeated]
        if problems:
            raise InvalidValue(collected(problems, "The request"))

    def requests(self) -> tuple[FitRequest, ...]:
        """One request for each budget: the run's own, for this device, kept inside the run.

        Raises:
            RunError: the run has no supernet.
            InvalidValue: something cannot be had, such as a device that is unknown.
        """
        command = supernet_run(self.run).info()["command"]
        changes = {"device": self.device, "threads": self.threads, "precision": self.precision}
        asked = {**command, **{name: value for name, value in changes.items() if value is not None}}
        asked = {**asked, "table": self.table, "limits": self.limits, "baselines": False}
        device = open_device(asked["device"], asked["threads"])
        folder = device_folder(self.run, device, Precision(asked["precision"]))
        return tuple(
            from_plain(FitRequest, {**asked, "latency_ms": value, "run_dir": folder / budget_name(value, self.limits)})
            for value in self.latencies_ms
        )


def supernet_run(folder: Path) -> RunDirectory:
    """The run in `folder`.

    Raises:
        RunError: it is none, or trained no supernet.
    """
    run = RunDirectory(folder)
    info = run.info()
    if run.supernet.load() is None or "plan" not in info:
        method = info["command"].get("method", "none")
        raise RunError(
            f"{folder} has no supernet (its method is {method}); `sculptnet fit DATA --latency-ms X --method ofa` "
            "trains one, and a run that was interrupted goes on with `sculptnet fit RUN`"
        )
    return run


def device_folder(run: Path, device: Device, precision: Precision) -> Path:
    """Where what is made for a device is kept, with its table."""
    name = re.sub(r"[^A-Za-z0-9.-]+", "-", device.name).strip("-")
    return RunDirectory(run).specialized / (name if precision is Precision.FP32 else f"{name}-{precision.value}")


def budget_name(latency_ms: float, limits: Sequence[str]) -> str:
    """The folder of a budget: `5ms`, or `5ms-macs-2e7` with a limit beside."""
    return "-".join([f"{latency_ms:g}ms", *(re.sub(r"[^A-Za-z0-9.]+", "-", limit) for limit in sorted(limits))])


def specialize_run(
    request: SpecializeRequest, voice: Voice, clock: Callable[[], float] = time.monotonic
) -> Specialized:
    """Finds, cuts out, measures and exports a network for each budget; what earlier calls finished is read.

    Raises:
        RunError: the run has no supernet, or its images have changed since.
        InvalidValue: with everything that is wrong with the request.
        Infeasible: budgets under the fastest network of the space on this device.
    """
    requests, origin = request.requests(), supernet_run(request.run)
    with origin.locked():
        folders = [RunDirectory(one.run_dir or request.run) for one in requests]
        if not all(run.card.exists() for run in folders):
            _specialize(requests, origin, voice, clock)
        networks = device_networks(folders)
        report = write_specialized_report(origin, voice.say)
    return Specialized(request.run, networks, report)


def _specialize(requests: Sequence[FitRequest], origin: RunDirectory, voice: Voice, clock: Callable[[], float]) -> None:
    plan = SupernetPlan.from_json(origin.info()["plan"])
    torch.set_num_threads(plan.torch_threads)  # another number would round differently
    first = open_context(requests[0], voice, clock)
    there, here = origin.info()["identity"]["data_fingerprint"], first.loaded.fingerprint
    if there != here:
        raise RunError(
            f"the images of {first.loaded.name} have changed since {origin.folder} was trained (fingerprint {there} "
            f"then, {here} now); restore them, or train another supernet"
        )
    on_device = replace(first, run=RunDirectory(first.run.folder.parent))
    _check_table(requests[0], on_device.run)
    table = measured_table(on_device)
    cost = FactoredCost(first.space, table)
    _check_budgets(requests, cost, table)
    found = load_learned(first, replace(first, run=origin), plan)
    if not any(event["event"] == "front" for event in on_device.run.events(voice.say)):
        points = pareto_front(table, found.predictor, stream_seed(first.request.seed, "front"))
        on_device.log({"event": "front", "device": first.device.name, "points": points})
    for request in requests:
        _one(_context_of(request, first), table, cost, found, plan)


def _check_table(request: FitRequest, run: RunDirectory) -> None:
    """One table for each device."""
    if request.table is None or not run.table.exists():
        return
    if json.loads(request.table.read_text()) != read_json(run.table):
        raise InvalidValue(
            f"--table {request.table} is not the table that earlier networks for this device were found with; leave "
            f"it out, or remove {run.folder} to begin with another"
        )


def _check_budgets(requests: Sequence[FitRequest], cost: FactoredCost, table: LatencyTable) -> None:
    (_, fastest), (_, slowest) = cost.extremes()
    under = [f"{request.latency_ms:g} ms" for request in requests if request.latency_ms < fastest]
    if under:
        raise Infeasible(
            f"{' and '.join(under)}: under the fastest network of this supernet on {table.device}, {fastest:.3g} ms "
            f"(the slowest takes {slowest:.3g} ms); raise --latency-ms above that"
        )


def _context_of(request: FitRequest, first: Context) -> Context:
    """The same data and space, for another budget."""
    identity = identity_of(request, first.loaded, first.preprocessing.resolution) | searched(request, first.space)
    return replace(first, request=request, run=open_run(request, first.loaded, identity, first.voice))


def _one(context: Context, table: LatencyTable, cost: FactoredCost, found: Learned, plan: SupernetPlan) -> None:
    if context.run.card.exists():
        return
    problem = make_problem(context, table, budget_at_table_speed(context, table, cost))
    check_limits(context, problem)
    begun = context.clock()
    best = find_specialised(context, problem, table, found)
    predicted = float(found.predictor.of(best.choices)[0])
    context.log(
        {
            "event": "specialized",
            "seconds": round(context.clock() - begun, 2),
            "predicted_top1": predicted,
            "metrics": _numbers(best.metrics),
        }
    )
    candidate = context.space.decode(best.choices)
    network = found.judge.network(candidate.architecture).to("cpu")
    recipe = rescaled(context.recipe(), sum(plan.epochs.values()))
    ship(context, network, recipe, table, problem.limits[1:])


def _numbers(metrics: Mapping[str, float]) -> dict[str, Any]:
    return {name: float(value) for name, value in metrics.items()}
