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

from sculptnet.cost import FactoredCost, LatencyTable
from sculptnet.devices import Device, open_device
from sculptnet.devices.energy import POWERCAP
from sculptnet.errors import Infeasible, InvalidValue, RunError
from sculptnet.files import AS_WRITTEN, read_json, reading
from sculptnet.job import FitJob
from sculptnet.learn import process_as_found, rescaled
from sculptnet.methods import OnceForAll, made
from sculptnet.methods.searching import Target
from sculptnet.methods.supernet_learning import (
    Learned,
    fine_tuning,
    judge_of,
    load_learned,
    load_supernet,
    wanted_images,
)
from sculptnet.methods.supernet_plan import SupernetPlan
from sculptnet.methods.supernet_search import find_specialised, pareto_front
from sculptnet.options import FitOptions, SpecializeOptions
from sculptnet.plain import from_command
from sculptnet.precision import Precision
from sculptnet.records import of_kind
from sculptnet.records.run_events import FrontFound, NetworkSpecialized
from sculptnet.runs import SPECIALIZE, RunDirectory, read_record
from sculptnet.search import Limit, Objective, Problem
from sculptnet.specialized import Specialized, described, device_networks, write_specialized_report
from sculptnet.stages.feasibility import budget_at_table_speed, budget_ms, check_limits
from sculptnet.stages.ship import ship
from sculptnet.stages.table import limits_beside, measured_table
from sculptnet.stages.train import train_module
from sculptnet.stages.unused import READING
from sculptnet.streams import stream_seed
from sculptnet.tasks.classify import open_run, opened, problems_of
from sculptnet.tasks.opening import check_still_there
from sculptnet.words import several


def check_budgets(options: SpecializeOptions) -> None:
    """Whether all of it can be had.

    Raises:
        RunError: the run has no supernet.
        InvalidValue: with everything that cannot be had, such as a device that is unknown.
    """
    asked = asked_of(options)
    method = made(asked.method, OnceForAll)
    problems = [one for value in options.budgets() for one in problems_of(replace(asked, latency_ms=value), method)]
    if problems:
        raise InvalidValue("\n".join(problems), list(dict.fromkeys(problems)))


def read_anew(command: Mapping[str, Any], changes: Mapping[str, Any]) -> Mapping[str, Any]:
    """What was asked, without how data was read where it is given as a value now."""
    as_value = not isinstance(changes.get("data", ""), (str, Path))
    return {name: value for name, value in command.items() if not (as_value and name in READING)}


def requests_of(options: SpecializeOptions) -> tuple[FitOptions, ...]:
    """The options of each budget: the run's own, for this device, kept inside the run."""
    asked = asked_of(options)
    device = open_device(asked.device, asked.threads) if isinstance(asked.device, str) else asked.device
    place = device_folder(Path(options.run), device, asked.precision)
    return tuple(
        replace(asked, latency_ms=value, run_dir=place / budget_name(value, asked.limits))
        for value in options.budgets()
    )


def asked_of(options: SpecializeOptions) -> FitOptions:
    """What was asked of the run, with what is asked now in its place.

    Raises:
        RunError: the run has no supernet, or a program gave it values that no file can bring back.
    """
    folder = Path(options.run)
    changes: dict[str, Any] = {"table": options.table, "limits": tuple(options.limits), "baselines": False}
    changes |= {name: value for name in ("data", "space") if (value := getattr(options, name)) is not None}
    if options.device is not None:
        changes["device"] = options.device
    if options.threads is not None or not isinstance(options.device, str | None):  # a device has its own
        changes["threads"] = options.threads or 1
    if options.precision is not None:
        changes["precision"] = options.precision
    run = supernet_run(folder)
    with reading(run.description, AS_WRITTEN):
        asked = from_command(
            FitOptions,
            read_anew(run.info().command, changes),
            {**changes, "listener": options.listener},
            call="specialize",
        )
    check_still_there(asked.data, folder, "give the new one: `data=FOLDER`")
    return asked


def supernet_run(folder: Path) -> RunDirectory:
    """The run in `folder`.

    Raises:
        RunError: it is none, or trained no supernet.
    """
    run = RunDirectory(folder)
    info = run.info()
    if run.origin is not None:
        raise RunError(f"{folder} holds a network that was cut out of {run.origin.folder}; name that run")
    if run.supernet.load() is None or not run.record("plan").exists():
        if run.predictor.load() is not None:
            raise RunError(
                f"{folder} has no supernet, but a predictor: `fit(DATA, latency_ms=X, from_run={str(folder)!r})` "
                "searches with it for another budget or device"
            )
        raise RunError(
            f"{folder} has no supernet (a run of `{info.verb}`); `fit(DATA, latency_ms=X, method='ofa')` "
            "trains one, and a run that was interrupted goes on with `sculptnet fit RUN`"
        )
    return run


def device_folder(run: Path, device: Device, precision: Precision) -> Path:
    """Where what is made for a device is kept, with its table."""
    name = re.sub(r"[^A-Za-z0-9.-]+", "-", device.name).strip("-")
    return RunDirectory(run).specialized / (name if precision is Precision.FP32 else f"{name}-{precision.value}")


def budget_name(latency_ms: float, limits: Sequence[Limit | str]) -> str:
    """The folder of a budget: `5ms`, or `5ms-macs-2e7` with a limit beside."""
    beside = [re.sub(r"[^A-Za-z0-9.]+", "-", limit) for limit in sorted(map(str, limits))]
    return "-".join([f"{latency_ms:g}ms", *beside])


def specialize_run(
    options: SpecializeOptions,
    clock: Callable[[], float] = time.monotonic,
    powercap: Path = POWERCAP,
) -> Specialized:
    """Finds, cuts out, measures and exports a network for each budget; what earlier calls finished is read.

    A budget that cannot be met leaves nothing behind but the device's table.

    Raises:
        RunError: the run has no supernet, or its images have changed since.
        InvalidValue: with everything that is wrong with the options.
        Infeasible: budgets under the fastest network of the space on this device, or limits that nothing meets.
    """
    requests, origin = requests_of(options), supernet_run(Path(options.run))
    with origin.locked(), process_as_found():
        folders = [shipped_in(one, options.fine_tune_epochs) for one in requests]
        if not all(run.card.exists() for run in folders):
            device, method = RunDirectory(folders[0].folder.parent), made(requests[0].method, OnceForAll)
            assert isinstance(method, OnceForAll)  # runs of others have no supernet
            job = opened("fit", requests[0], method, clock, powercap, device)
            _specialize(job, method, requests, options.fine_tune_epochs, origin)
        networks = device_networks(folders)
        report = write_specialized_report(origin, options.listener.say)
    return Specialized(Path(options.run), networks, report)


def shipped_in(request: FitOptions, fine_tune_epochs: int) -> RunDirectory:
    """Where the network of a budget is shipped; fine-tuned ones have folders of their own, beside the one found."""
    assert request.run_dir is not None
    folder = request.run_dir
    return RunDirectory(folder.with_name(f"{folder.name}-{fine_tune_epochs}epochs") if fine_tune_epochs else folder)


def _specialize(
    job: FitJob, method: OnceForAll, requests: Sequence[FitOptions], fine_tune_epochs: int, origin: RunDirectory
) -> None:
    """Works on all budgets; `job` is the device's, whose folder keeps what does not depend on a budget."""
    plan = read_record(origin.record("plan"), SupernetPlan)
    torch.set_num_threads(plan.torch_threads)  # another number would round differently
    there, here = origin.info().identity["data_fingerprint"], job.loaded.fingerprint
    if there != here:
        raise RunError(
            f"the images of {job.loaded.name} have changed since {origin.folder} was trained (fingerprint {there} "
            f"then, {here} now); restore them, or train another supernet"
        )
    _check_table(requests[0], job.run)
    supernet, _ = load_supernet(origin.supernet, job.space)
    weights_part, held_out = job.search_parts()
    judge_of(job, supernet, wanted_images(method, weights_part), held_out)  # what is wrong, before measuring
    job.run.folder.mkdir(parents=True, exist_ok=True)
    table = measured_table(job, max(map(budget_ms, requests)))
    on_device = OnDevice(job, table, FactoredCost(job.space, table), limits_beside(job, table))
    on_device.check(requests)
    found = load_learned(job, replace(job, run=origin), method, plan)
    if not of_kind(job.events(), FrontFound):
        points = pareto_front(table, found.predictor, stream_seed(job.options.seed, "front"))
        job.log(FrontFound(job.device.name, tuple(points)))
    for request in requests:
        _one(on_device, method, request, found, plan, fine_tune_epochs)


@dataclass(frozen=True, eq=False)
class OnDevice:
    """What all budgets of a device share: the data and the space, the table, the limits beside latency."""

    job: FitJob
    table: LatencyTable
    cost: FactoredCost
    limits: tuple[Limit, ...]

    def problem(self, at_most_ms: float) -> Problem:
        """Accuracy within the limits."""
        return Problem(self.job.space, (Objective("top1"),), (Limit(self.table, at_most_ms), *self.limits))

    def check(self, requests: Sequence[FitOptions]) -> None:
        """Raises `Infeasible` if no network is within a budget and the limits."""
        _check_budgets(requests, self.cost, self.table)
        for request in requests:
            check_limits(replace(self.job, options=request), self.problem(budget_ms(request)))

    def opened(self, method: OnceForAll, request: FitOptions, folder: RunDirectory, fine_tune_epochs: int) -> FitJob:
        """The same for one budget, in `folder`."""
        request = replace(request, run_dir=folder.folder)
        tuned = replace(method, fine_tune_epochs=fine_tune_epochs) if fine_tune_epochs else method
        verb = folder.info().verb if folder.exists() else SPECIALIZE  # fit, in older ones
        run = open_run(verb, request, tuned, self.job.loaded, self.job.subject)
        return replace(self.job, options=request, run=run)


def _check_table(request: FitOptions, run: RunDirectory) -> None:
    """One table for each device."""
    if request.table is None or not run.table.exists():
        return
    if json.loads(request.table.read_text()) != read_json(run.table):
        raise InvalidValue(
            f"table {request.table} is not the table that earlier networks for this device were found with; leave "
            f"it out, or remove {run.folder} to begin with another"
        )


def _check_budgets(requests: Sequence[FitOptions], cost: FactoredCost, table: LatencyTable) -> None:
    (_, fastest), (_, slowest) = cost.extremes()
    under = [f"{budget_ms(request):g} ms" for request in requests if budget_ms(request) < fastest]
    if under:
        raise Infeasible(
            f"{' and '.join(under)}: under the fastest network of this supernet on {table.device}, {fastest:.3g} ms "
            f"(the slowest takes {slowest:.3g} ms); raise `latency_ms` above that"
        )


def _one(
    on_device: OnDevice,
    method: OnceForAll,
    request: FitOptions,
    found: Learned,
    plan: SupernetPlan,
    fine_tune_epochs: int,
) -> None:
    """Finds the network of a budget in the budget's folder, and ships it there, or fine-tuned in one beside it."""
    shipped = shipped_in(request, fine_tune_epochs)
    if shipped.card.exists():
        return
    here = job = on_device.opened(method, request, shipped_in(request, 0), 0)
    if fine_tune_epochs:
        job = on_device.opened(method, request, shipped, fine_tune_epochs)
    table, begun = on_device.table, job.clock()
    at_most_ms = budget_at_table_speed(here, table, on_device.cost)
    target = Target(on_device.problem(at_most_ms), table, on_device.cost)
    best = find_specialised(here, target, found, method.draws, method)
    architecture = job.space.decode(best.choices).architecture
    job.log(
        NetworkSpecialized(
            network=described(architecture),
            seconds=round(job.clock() - begun, 2),
            predicted_top1=float(found.predictor.of(best.choices)[0]),
            metrics=best.metrics,
            fine_tune_epochs=fine_tune_epochs,
        )
    )
    network, recipe = found.judge.network(architecture).to("cpu"), job.recipe()
    if fine_tune_epochs:
        recipe = fine_tuning(recipe, fine_tune_epochs)
        job.say(f"Fine-tuning the network for {budget_ms(request):g} ms, {several(fine_tune_epochs, 'epoch')}")
        train_module(job.at(architecture.resolution), network, recipe, "final")
    else:
        recipe = rescaled(recipe, sum(plan.epochs.values()))
    ship(job, network, recipe, table, on_device.limits)
