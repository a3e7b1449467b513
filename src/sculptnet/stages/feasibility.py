"""Whether the budget and the limits can be met, and at which speed of the device."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sculptnet.cost import FactoredCost, LatencyTable
from sculptnet.devices import times
from sculptnet.errors import Infeasible, InvalidValue
from sculptnet.job import FitTaskJob
from sculptnet.options import FitOptions
from sculptnet.records.run_events import Feasibility
from sculptnet.search import Problem
from sculptnet.streams import stream
from sculptnet.words import share_of

FEASIBILITY_SAMPLES = 2000  # random networks, to say how many fit
LARGEST_WIDENING = 4.0  # that is advised; a budget that is looser yet may be a mistake
NOTICED_SLOWER = 1.03  # times the table's speed; less is within what finalists have to spare


def budget_ms(options: FitOptions) -> float:
    """The budget of a search that has one.

    Raises:
        InvalidValue: it has none.
    """
    if options.latency_ms is None:
        raise InvalidValue("the budget is missing; give `latency_ms`, the milliseconds that one image may take")
    return options.latency_ms


def check_feasibility(job: FitTaskJob, table: LatencyTable) -> FactoredCost:
    """Says where the budget lies in the space.

    Raises:
        Infeasible: it is below the fastest network.
    """
    cost, at_most = FactoredCost(job.space, table), budget_ms(job.options)
    (_, fastest), (_, slowest) = cost.extremes()
    drawn = cost.of(job.space.sample(stream(job.options.seed, "flow/feasibility"), FEASIBILITY_SAMPLES))
    median, share = float(np.median(drawn)), float(np.mean(drawn <= at_most))
    job.log(Feasibility(table.name, fastest, median, slowest, at_most))
    job.say(
        f"This space on this device: fastest {fastest:.3g} ms, median {median:.3g} ms, slowest {slowest:.3g} ms. "
        f"Budget {at_most:g} ms: {share_of(share)} of random networks fit"
    )
    if at_most < fastest:
        raise Infeasible(
            f"the budget of {at_most:g} ms is under the fastest network of this space on {table.device}, "
            f"{fastest:.3g} ms; raise `latency_ms` above that, lower `{job.task.size_option}`, or "
            f"{narrower(job.options, 0.5)}. With the same space, `table={str(job.run.table)!r}` spares measuring again"
        )
    if at_most >= slowest:
        job.say(_describe_loose(job, at_most / slowest))
    return cost


def narrower(options: FitOptions, width: float) -> str:
    """What to do where networks are too slow: `width` is of spaces that have one."""
    if options.start is not None:
        return "start from a smaller network"
    return f"narrow the space (`space.width={width:g}`)"


def _describe_loose(job: FitTaskJob, excess: float) -> str:
    """What to do with a budget that is `excess` times the slowest network's latency."""
    wider = min(LARGEST_WIDENING, math.ceil(2 * excess) / 2)  # widths in steps of 8 or 4 stay whole
    larger = f"space may be better (`space.width={wider:g}`)" if job.options.start is None else "start may be better"
    advice = f"The budget does not bind: every network fits. A larger {larger}"
    if excess <= LARGEST_WIDENING:
        return advice
    return (
        f"{advice}, and a higher `{job.task.size_option}`: the budget is {excess:,.0f} times the slowest network's "
        "time. `latency_ms` is in milliseconds for one image"
    )


@dataclass(frozen=True)
class Slowed:
    """How many times as slow the device was, when the search began, as when its table was made; 1 at least."""

    times: float


def budget_at_table_speed(job: FitTaskJob, table: LatencyTable, cost: FactoredCost) -> float:
    """The most milliseconds that a network may take at the speed of the table: the budget, or less.

    The speed of shared and of warm machines moves by half and more. Where the device is slower now than it was when
    its table was made, what fits at both speeds is looked for; decided once and kept with the run.
    """
    at_most, table_ms = budget_ms(job.options), table.reference_ms
    if table_ms is None:
        return at_most
    slower = job.once("slowed", Slowed, lambda: Slowed(max(1.0, _reference_now_ms(job) / table_ms))).times
    if slower < NOTICED_SLOWER:
        return at_most
    (_, fastest), _ = cost.extremes()
    if at_most / slower < fastest:
        job.say(
            f"Warning: {job.device.name} is {slower:.2f} times as slow as when its table was made, where nothing "
            f"fits into {at_most:g} ms; the model may be over the budget"
        )
        return at_most
    job.say(
        f"{job.device.name} is {slower:.2f} times as slow as when its table was made: looking for what fits at "
        f"both speeds, {at_most / slower:.4g} ms at the table's"
    )
    return at_most / slower


def _reference_now_ms(job: FitTaskJob) -> float:
    reference = job.reference()
    found = times(
        {"reference": reference}, job.device, reference=reference, alternate=True, progress=job.listener.progress
    )
    return found["reference"].reference_ms


def check_limits(job: FitTaskJob, problem: Problem) -> None:
    """Says how many random networks meet all limits, if there are any beside latency.

    Raises:
        Infeasible: practically none does; the message has the least of each cost.
    """
    if len(problem.limits) < 2:
        return
    rows = job.space.sample(stream(job.options.seed, "flow/limits"), FEASIBILITY_SAMPLES)
    share, costs = float(problem.feasible(rows).mean()), problem.costs(rows)
    limits = " and ".join(map(str, problem.limits))
    try:
        problem.sample(stream(job.options.seed, "flow/limits/any"), 1)
    except Infeasible as error:
        raise Infeasible(f"no network of this space was found that meets {limits}\n{error}") from error
    ranges = ", ".join(
        f"{name} {np.quantile(values, 0.05):.3g} to {np.quantile(values, 0.95):.3g}" for name, values in costs.items()
    )
    job.say(f"{share_of(share)} of random networks meet {limits}; nine of ten lie in {ranges}")
