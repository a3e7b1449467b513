"""First stage: the latency table of the space on the device, and whether the budget can be met."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from sculptnet import blocks
from sculptnet.arch import SearchSpace, classes_in
from sculptnet.cost import (
    Energy,
    FactoredCost,
    HeldOut,
    LatencyTable,
    check_covers,
    energy_from_json,
    table_from_json,
)
from sculptnet.devices import FileMemo, measure_networks, measure_power, measure_table, open_rapl, recheck
from sculptnet.devices.energy import check_counted
from sculptnet.devices.tables import reference_network
from sculptnet.errors import Infeasible, InvalidValue
from sculptnet.files import AS_WRITTEN, read_given, read_json, reading, write_json
from sculptnet.flow.context import Context
from sculptnet.flow.first_look import affordable_entries, look_first
from sculptnet.flow.limits import ENERGY, make_limits
from sculptnet.flow.result import NOTICED_SLOWER
from sculptnet.search import Limit, Problem
from sculptnet.streams import stream

FEASIBILITY_SAMPLES = 2000  # random networks, to say how many fit
LARGEST_WIDENING = 4.0  # that is advised; a budget that is looser yet may be a mistake
LARGEST_DRIFT_PERCENT = 15.0  # a given table that is further off than this was made on another device


def space_blocks(space: SearchSpace) -> tuple[type, ...]:
    """The classes that files of this space may name: ours, and the user's own that stand in it."""
    return tuple(dict.fromkeys((*blocks.ALL, *classes_in(space.architecture))))


def measured_table(context: Context, at_most_ms: float) -> LatencyTable:
    """The run's table: read if it is there, else taken from `--table` and re-checked, else measured.

    Raises:
        Infeasible: before it is measured, where a budget of `at_most_ms` is far from what networks of the space take.
    """
    run, request = context.run, context.request
    if run.table.exists():
        with reading(run.table, AS_WRITTEN):
            return table_from_json(read_json(run.table), space_blocks(context.space))
    if ENERGY in request.chosen_limits() and not run.energy.exists():  # said before minutes are spent
        check_counted(context.device)
        open_rapl(context.powercap)
    table = _given_table(context, request.table) if request.table else _fresh_table(context, at_most_ms)
    write_json(run.table, table.to_json())
    if table.held_out is not None:
        context.voice.say(describe_error(table.held_out))
    for warning in table.warnings():
        context.voice.say(f"Warning: {warning}")
    return table


def _fresh_table(context: Context, at_most_ms: float) -> LatencyTable:
    reference_ms = look_first(context, at_most_ms).reference_ms
    context.voice.say(f"Measuring the space's blocks on {context.device.name} ({context.request.precision.value})")
    return measure_table(
        context.space,
        context.device,
        seed=context.request.seed,
        precision=context.request.precision,
        most_entries=affordable_entries(context.request.minutes, reference_ms),
        memo=FileMemo(context.run.measurements),
        progress=context.voice.progress,
        log=context.log,
    )


def _given_table(context: Context, path: Path) -> LatencyTable:
    table = _read_table(path, context.space)
    check_covers(table, context.space)
    if table.precision is not context.request.precision:
        raise InvalidValue(
            f"{path} was measured on {table.precision.value} graphs, the budget judges "
            f"{context.request.precision.value}; measure one with --precision {context.request.precision.value}"
        )
    error = recheck(
        table,
        context.space,
        context.device,
        seed=context.request.seed,
        networks=3,  # not kept: a busy machine may be calm when the same command comes again
        progress=context.voice.progress,
    ).error
    context.voice.say(f"Table {path}, re-checked on {error.networks} networks: {error.mape_percent:.1f} % off")
    if error.mape_percent > LARGEST_DRIFT_PERCENT:
        raise InvalidValue(
            f"{path} is {error.mape_percent:.0f} % off on this device, more than {LARGEST_DRIFT_PERCENT:.0f} %: it was "
            f"measured elsewhere or the machine is busy; leave --table out to measure anew"
        )
    return table


def _read_table(path: Path, space: SearchSpace) -> LatencyTable:
    try:
        return table_from_json(read_given(path, "a latency table"), space_blocks(space))
    except InvalidValue as error:
        raise InvalidValue(f"--table {path}: {error}") from error


def limits_beside(context: Context, table: LatencyTable) -> tuple[Limit, ...]:
    """The limits beside latency; the power of the processor is measured if energy is limited and the run lacks it.

    Raises:
        DeviceError: nothing counts energy here.
    """
    request = context.request
    return make_limits(request.chosen_limits(), request.precision, lambda: measured_energy(context, table))


def measured_energy(context: Context, table: LatencyTable) -> Energy:
    """The run's energy: read if it is there, else measured."""
    path = context.run.energy
    if path.exists():
        with reading(path, AS_WRITTEN):
            return energy_from_json(read_json(path), table)
    context.voice.say(f"Measuring the power of {context.device.name}")
    energy = measure_power(
        table,
        context.space,
        context.device,
        open_rapl(context.powercap),
        seed=context.request.seed,
        memo=FileMemo(context.run.measurements),
        progress=context.voice.progress,
        clock=context.clock,
    )
    write_json(path, energy.to_json())
    context.log({"event": "energy", **energy.to_json()})
    context.voice.say(describe_energy(energy))
    return energy


def check_feasibility(context: Context, table: LatencyTable) -> FactoredCost:
    """Says where the budget lies in the space.

    Raises:
        Infeasible: it is below the fastest network.
    """
    cost, at_most = FactoredCost(context.space, table), context.request.budget_ms
    (_, fastest), (_, slowest) = cost.extremes()
    drawn = cost.of(context.space.sample(stream(context.request.seed, "flow/feasibility"), FEASIBILITY_SAMPLES))
    median, share = float(np.median(drawn)), float(np.mean(drawn <= at_most))
    context.log(
        {
            "event": "feasibility",
            "cost": table.name,
            "fastest": fastest,
            "median": median,
            "slowest": slowest,
            "at_most": at_most,
        }
    )
    context.voice.say(
        f"This space on this device: fastest {fastest:.3g} ms, median {median:.3g} ms, slowest {slowest:.3g} ms. "
        f"Budget {at_most:g} ms: {share:.0%} of random networks fit"
    )
    if at_most < fastest:
        raise Infeasible(
            f"the budget of {at_most:g} ms is under the fastest network of this space on {table.device}, "
            f"{fastest:.3g} ms; raise --latency-ms above that, lower --resolution, or narrow the space "
            f"(--set space.width=0.5). With the same space, --table {context.run.table} spares measuring again"
        )
    if at_most >= slowest:
        context.voice.say(_describe_loose(at_most / slowest))
    return cost


def _describe_loose(times: float) -> str:
    """What to do with a budget that is so many times the slowest network's latency."""
    wider = min(LARGEST_WIDENING, math.ceil(2 * times) / 2)  # widths in steps of 8 or 4 stay whole
    advice = f"The budget does not bind: every network fits. A larger space may be better (--set space.width={wider:g})"
    if times <= LARGEST_WIDENING:
        return advice
    return (
        f"{advice}, and a higher --resolution: the budget is {times:,.0f} times the slowest network's time. "
        "--latency-ms is in milliseconds for one image"
    )


def budget_at_table_speed(context: Context, table: LatencyTable, cost: FactoredCost) -> float:
    """The most milliseconds that a network may take at the speed of the table: the budget, or less.

    The speed of shared and of warm machines moves by half and more. Where the device is slower now than it was when
    its table was made, what fits at both speeds is looked for; decided once and kept with the run.
    """
    at_most, run = context.request.budget_ms, context.run
    if table.reference_ms is None:
        return at_most
    if "slower" not in run.info():
        run.note("slower", max(1.0, _reference_now_ms(context) / table.reference_ms))
    slower: float = run.info()["slower"]
    if slower < NOTICED_SLOWER:
        return at_most
    (_, fastest), _ = cost.extremes()
    if at_most / slower < fastest:
        context.voice.say(
            f"Warning: {context.device.name} is {slower:.2f} times as slow as when its table was made, where nothing "
            f"fits into {at_most:g} ms; the model may be over the budget"
        )
        return at_most
    context.voice.say(
        f"{context.device.name} is {slower:.2f} times as slow as when its table was made: looking for what fits at "
        f"both speeds, {at_most / slower:.4g} ms at the table's"
    )
    return at_most / slower


def _reference_now_ms(context: Context) -> float:
    timings = measure_networks(
        {"reference": reference_network(context.space)},
        context.device,
        precision=context.request.precision,
        reference=context.reference(),
        alternate=True,
        progress=context.voice.progress,
    )
    return timings["reference"].reference_ms


def check_limits(context: Context, problem: Problem) -> None:
    """Says how many random networks meet all limits, if there are any beside latency.

    Raises:
        Infeasible: practically none does; the message has the least of each cost.
    """
    if len(problem.limits) < 2:
        return
    rows = context.space.sample(stream(context.request.seed, "flow/limits"), FEASIBILITY_SAMPLES)
    share, costs = float(problem.feasible(rows).mean()), problem.costs(rows)
    limits = " and ".join(map(str, problem.limits))
    try:
        problem.sample(stream(context.request.seed, "flow/limits/any"), 1)
    except Infeasible as error:
        raise Infeasible(f"no network of this space was found that meets {limits}\n{error}") from error
    ranges = ", ".join(
        f"{name} {np.quantile(values, 0.05):.3g} to {np.quantile(values, 0.95):.3g}" for name, values in costs.items()
    )
    context.voice.say(f"{share:.0%} of random networks meet {limits}; nine of ten lie in {ranges}")


def describe_error(error: HeldOut) -> str:
    """The error of a table, in a line."""
    return (
        f"Table checked on {error.networks} networks it was not fitted on: MAPE {error.mape_percent:.1f} %, bias "
        f"{error.bias_percent:+.1f} %, Spearman {error.spearman:.3f}; noise floor {error.noise_percent:.1f} %"
    )


def describe_energy(energy: Energy) -> str:
    """The power, and the error of energies that follow from it, in a line."""
    power = f"Power: {energy.watts:.1f} W over {len(energy.measured_w)} networks"
    if energy.held_out is None:
        return f"{power}; the space has no others to check it on"
    return f"{power}; energy of {energy.held_out.networks} others off by {energy.held_out.mape_percent:.1f} %"
