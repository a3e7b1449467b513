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
from sculptnet.devices.energy import POWERCAP
from sculptnet.errors import Infeasible, InvalidValue, RunError, collected
from sculptnet.files import read_json
from sculptnet.flow.common_request import from_plain
from sculptnet.flow.context import Context, Voice, identity_of, open_context, open_run, searched
from sculptnet.flow.measuring import budget_at_table_speed, check_limits, limits_beside, measured_table
from sculptnet.flow.request import FitRequest
from sculptnet.flow.shipping import ship
from sculptnet.flow.specialized import Specialized, device_networks, write_specialized_report
from sculptnet.flow.supernet_learning import Learned, fine_tuning, judge_of, load_learned, load_supernet, wanted_images
from sculptnet.flow.supernet_plan import SupernetPlan
from sculptnet.flow.supernet_search import find_specialised, pareto_front
from sculptnet.flow.training import train_module
from sculptnet.runs import RunDirectory
from sculptnet.search import Limit, Objective, Problem
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
        fine_tune_epochs: each network is trained on for so long after it was cut out; 25 and 75 in the paper.

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
    fine_tune_epochs: int = 0

    def __post_init__(self) -> None:
        problems = [] if self.latencies_ms else ["the budgets are missing; give --latency-ms, once or several times"]
        repeated = [value for value in dict.fromkeys(self.latencies_ms) if self.latencies_ms.count(value) > 1]
        problems += [f"--latency-ms {value:g} is given twice" for value in repeated]
        if self.fine_tune_epochs < 0:
            problems.append(f"--fine-tune-epochs must be at least 0, got {self.fine_tune_epochs}")
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
        method = info["command"].get("method")
        if run.predictor.load() is not None:
            raise RunError(
                f"{folder} has no supernet, but a predictor (its method is {method}): `sculptnet fit DATA --from-run "
                f"{folder} --latency-ms X` searches with it for another budget or device"
            )
        searched = "it searched nothing" if method is None else f"its method is {method}"
        raise RunError(
            f"{folder} has no supernet ({searched}); `sculptnet fit DATA --latency-ms X --method ofa` "
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
    request: SpecializeRequest,
    voice: Voice,
    clock: Callable[[], float] = time.monotonic,
    powercap: Path = POWERCAP,
) -> Specialized:
    """Finds, cuts out, measures and exports a network for each budget; what earlier calls finished is read.

    A budget that cannot be met leaves nothing behind but the device's table.

    Raises:
        RunError: the run has no supernet, or its images have changed since.
        InvalidValue: with everything that is wrong with the request.
        Infeasible: budgets under the fastest network of the space on this device, or limits that nothing meets.
    """
    requests, origin = request.requests(), supernet_run(request.run)
    with origin.locked():
        folders = [shipped_in(one, request.fine_tune_epochs) for one in requests]
        if not all(run.card.exists() for run in folders):
            device = RunDirectory(folders[0].folder.parent)
            context = open_context(requests[0], voice, clock, powercap, device)
            _specialize(context, requests, request.fine_tune_epochs, origin)
        networks = device_networks(folders)
        report = write_specialized_report(origin, voice.say)
    return Specialized(request.run, networks, report)


def shipped_in(request: FitRequest, fine_tune_epochs: int) -> RunDirectory:
    """Where the network of a budget is shipped; fine-tuned ones have folders of their own, beside the one found."""
    assert request.run_dir is not None
    folder = request.run_dir
    return RunDirectory(folder.with_name(f"{folder.name}-{fine_tune_epochs}epochs") if fine_tune_epochs else folder)


def _specialize(context: Context, requests: Sequence[FitRequest], fine_tune_epochs: int, origin: RunDirectory) -> None:
    """Works on all budgets; `context` is the device's, whose folder keeps what does not depend on a budget."""
    plan = SupernetPlan.from_json(origin.info()["plan"])
    torch.set_num_threads(plan.torch_threads)  # another number would round differently
    there, here = origin.info()["identity"]["data_fingerprint"], context.loaded.fingerprint
    if there != here:
        raise RunError(
            f"the images of {context.loaded.name} have changed since {origin.folder} was trained (fingerprint {there} "
            f"then, {here} now); restore them, or train another supernet"
        )
    _check_table(requests[0], context.run)
    supernet, _ = load_supernet(origin.supernet, context.space)
    weights_part, held_out = context.search_parts()
    judge_of(context, supernet, wanted_images(context, weights_part), held_out)  # what is wrong, before measuring
    context.run.folder.mkdir(parents=True, exist_ok=True)
    table = measured_table(context, max(request.budget_ms for request in requests))
    on_device = OnDevice(context, table, FactoredCost(context.space, table), limits_beside(context, table))
    on_device.check(requests)
    found = load_learned(context, replace(context, run=origin), plan)
    if not any(event["event"] == "front" for event in context.run.events(context.voice.say)):
        points = pareto_front(table, found.predictor, stream_seed(context.request.seed, "front"))
        context.log({"event": "front", "device": context.device.name, "points": points})
    for request in requests:
        _one(on_device, request, found, plan, fine_tune_epochs)


@dataclass(frozen=True, eq=False)
class OnDevice:
    """What all budgets of a device share: the data and the space, the table, the limits beside latency."""

    context: Context
    table: LatencyTable
    cost: FactoredCost
    limits: tuple[Limit, ...]

    def problem(self, at_most_ms: float) -> Problem:
        """Accuracy within the limits."""
        return Problem(self.context.space, (Objective("top1"),), (Limit(self.table, at_most_ms), *self.limits))

    def check(self, requests: Sequence[FitRequest]) -> None:
        """Raises `Infeasible` if no network is within a budget and the limits."""
        _check_budgets(requests, self.cost, self.table)
        for request in requests:
            check_limits(replace(self.context, request=request), self.problem(request.budget_ms))

    def opened(self, request: FitRequest, folder: RunDirectory, more: Mapping[str, Any]) -> Context:
        """The same for one budget, in `folder`; `more` makes it what it is besides."""
        context, request = self.context, replace(request, run_dir=folder.folder)
        identity = identity_of(request, context.loaded, context.preprocessing.resolution)
        identity = {**identity, **searched(request, context.space), **more}
        return replace(context, request=request, run=open_run(request, context.loaded, identity, context.voice))


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
    under = [f"{request.budget_ms:g} ms" for request in requests if request.budget_ms < fastest]
    if under:
        raise Infeasible(
            f"{' and '.join(under)}: under the fastest network of this supernet on {table.device}, {fastest:.3g} ms "
            f"(the slowest takes {slowest:.3g} ms); raise --latency-ms above that"
        )


def _one(on_device: OnDevice, request: FitRequest, found: Learned, plan: SupernetPlan, fine_tune_epochs: int) -> None:
    """Finds the network of a budget in the budget's folder, and ships it there, or fine-tuned in one beside it."""
    shipped = shipped_in(request, fine_tune_epochs)
    if shipped.card.exists():
        return
    here = context = on_device.opened(request, shipped_in(request, 0), {})
    if fine_tune_epochs:
        context = on_device.opened(request, shipped, {"fine_tune_epochs": fine_tune_epochs})
    table, begun = on_device.table, context.clock()
    best = find_specialised(here, on_device.problem(budget_at_table_speed(here, table, on_device.cost)), table, found)
    context.log(
        {
            "event": "specialized",
            "seconds": round(context.clock() - begun, 2),
            "predicted_top1": float(found.predictor.of(best.choices)[0]),
            "metrics": _numbers(best.metrics),
            "fine_tune_epochs": fine_tune_epochs,
        }
    )
    architecture = context.space.decode(best.choices).architecture
    network, recipe = found.judge.network(architecture).to("cpu"), context.recipe()
    if fine_tune_epochs:
        recipe = fine_tuning(recipe, fine_tune_epochs)
        context.voice.say(f"Fine-tuning the network for {request.budget_ms:g} ms, {fine_tune_epochs} epochs")
        train_module(context.at(architecture.resolution), network, recipe, "final")
    else:
        recipe = rescaled(recipe, sum(plan.epochs.values()))
    ship(context, network, recipe, table, on_device.limits)


def _numbers(metrics: Mapping[str, float]) -> dict[str, Any]:
    return {name: float(value) for name, value in metrics.items()}
