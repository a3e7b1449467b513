"""The latency table of the space on the device, and the power of its processor."""

from __future__ import annotations

import math
from pathlib import Path

from sculptnet import blocks
from sculptnet.arch import Architecture, SearchSpace, classes_in
from sculptnet.cost import (
    Energy,
    HeldOut,
    LatencyTable,
    check_covers,
    energy_from_json,
    table_from_json,
)
from sculptnet.cost.energy import SCHEMA as ENERGY_SCHEMA
from sculptnet.devices import FileMemo, measure_power, measure_table, open_rapl, recheck
from sculptnet.devices.energy import check_counted
from sculptnet.errors import InvalidValue
from sculptnet.files import AS_WRITTEN, read_given, read_json, reading, write_json
from sculptnet.job import FitTaskJob
from sculptnet.records.run_events import EnergyMeasured, PredictionsChecked
from sculptnet.search import Limit
from sculptnet.stages.first_look import affordable_entries, look_first
from sculptnet.stages.limits import ENERGY, make_limits, parse_limits

TABLE = "a latency table; `sculptnet measure SPACE --out FILE` makes one"
LARGEST_DRIFT_PERCENT = 15.0  # a given table that is further off than this was made on another device


def blocks_in(subject: SearchSpace | Architecture) -> tuple[type, ...]:
    """The classes that files of this space or network may name: ours, and the user's own that stand in it."""
    template = subject.architecture if isinstance(subject, SearchSpace) else subject
    return tuple(dict.fromkeys((*blocks.ALL, *classes_in(template))))


def measured_table(job: FitTaskJob, at_most_ms: float) -> LatencyTable:
    """The run's table: read if it is there, else taken from the options' and re-checked, else measured.

    Raises:
        Infeasible: before it is measured, where a budget of `at_most_ms` is far from what networks of the space take.
    """
    run, asked = job.run, job.options
    if run.table.exists():
        with reading(run.table, AS_WRITTEN):
            return table_from_json(read_json(run.table), blocks_in(job.space))
    if ENERGY in parse_limits(asked.limits, asked.device) and not run.energy.exists():  # said before minutes are spent
        check_counted(job.device)
        open_rapl(job.powercap)
    table = _given_table(job, asked.table) if asked.table else _fresh_table(job, at_most_ms)
    write_json(run.table, table.to_json())
    if table.held_out is not None:
        job.say(describe_error(table.held_out))
    for warning in table.warnings():
        job.say(f"Warning: {warning}")
    return table


def _fresh_table(job: FitTaskJob, at_most_ms: float) -> LatencyTable:
    reference_ms = look_first(job, at_most_ms).reference_ms
    job.say(f"Measuring the space's blocks on {job.device.name} ({job.precision.value})")
    return measure_table(
        job.space,
        job.device,
        seed=job.options.seed,
        precision=job.precision,
        most_entries=affordable_entries(job.options.minutes, reference_ms),
        memo=FileMemo(job.run.measurements),
        progress=job.listener.progress,
        log=job.log,
        whole=job.task.whole(job),
    )


def _given_table(job: FitTaskJob, path: Path) -> LatencyTable:
    table = _read_table(path, job.space)
    check_covers(table, job.space)
    if table.precision is not job.precision:
        raise InvalidValue(
            f"{path} was measured on {table.precision.value} graphs, the budget judges "
            f"{job.precision.value}; measure one with `precision={job.precision.value!r}`"
        )
    error = recheck(
        table,
        job.space,
        job.device,
        seed=job.options.seed,
        whole=job.task.whole(job),
        networks=3,  # not kept: a busy machine may be calm when the same command comes again
        progress=job.listener.progress,
    ).error
    job.say(f"Table {path}, re-checked on {error.networks} networks: {error.mape_percent:.1f} % off")
    if error.mape_percent > LARGEST_DRIFT_PERCENT:
        raise InvalidValue(
            f"{path} is {error.mape_percent:.0f} % off on this device, more than {LARGEST_DRIFT_PERCENT:.0f} %: it was "
            f"measured elsewhere or the machine is busy; leave `table` out to measure anew"
        )
    return table


def check_table(path: Path) -> None:
    """Raises `InvalidValue` where no latency table lies in `path`: as much as can be told without its space."""
    data = read_given(path, TABLE)
    if not isinstance(data, dict) or "entries" not in data:
        raise InvalidValue(f"{path} is not {TABLE}")


def _read_table(path: Path, space: SearchSpace) -> LatencyTable:
    try:
        return table_from_json(read_given(path, TABLE), blocks_in(space))
    except InvalidValue as error:
        raise InvalidValue(f"`table` {path}: {error}") from error


def limits_beside(job: FitTaskJob, table: LatencyTable) -> tuple[Limit, ...]:
    """The limits beside latency; the power of the processor is measured if energy is limited and the run lacks it.

    Raises:
        DeviceError: nothing counts energy here.
    """
    limits = parse_limits(job.options.limits, job.options.device)
    return make_limits(limits, job.precision, lambda: measured_energy(job, table))


def measured_energy(job: FitTaskJob, table: LatencyTable) -> Energy:
    """The run's energy: read if it is there, else measured."""
    path = job.run.energy
    if path.exists():
        with reading(path, AS_WRITTEN):
            return energy_from_json(read_json(path), table)
    job.say(f"Measuring the power of {job.device.name}")
    energy = measure_power(
        table,
        job.space,
        job.device,
        open_rapl(job.powercap),
        seed=job.options.seed,
        memo=FileMemo(job.run.measurements),
        progress=job.listener.progress,
        clock=job.clock,
    )
    write_json(path, energy.to_json())
    job.log(measured(energy))
    job.say(describe_energy(energy))
    return energy


def measured(energy: Energy) -> EnergyMeasured:
    """What a run logs of it."""
    found = energy.held_out
    checked = None
    if found is not None:
        spearman, noise = (None if math.isnan(x) else x for x in (found.spearman, found.noise_percent))
        errors = (found.mape_percent, found.bias_percent)
        checked = PredictionsChecked(found.networks, *errors, spearman, noise, found.pairs)
    return EnergyMeasured(ENERGY_SCHEMA, energy.name, energy.watts, energy.measured_w, checked)


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
