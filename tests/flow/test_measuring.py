"""The device's speed moves: what is shipped must fit at the table's speed and at the present one."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from time import monotonic

import pytest
from tests.flow.conftest import Ask

from sculptnet.cost import FactoredCost, LatencyTable
from sculptnet.job import FitJob
from sculptnet.listening import Listener
from sculptnet.methods import FBNet, made
from sculptnet.stages.feasibility import budget_at_table_speed, budget_ms, check_feasibility
from sculptnet.stages.table import measured_table
from sculptnet.tasks import classify


@pytest.fixture
def job(ask: Ask, listener: Listener, tmp_path: Path) -> FitJob:
    options = ask(tmp_path / "run", listener=listener)
    return classify.opened("fit", options, made(options.method, FBNet), monotonic)


@pytest.fixture
def table(job: FitJob) -> LatencyTable:
    return measured_table(job, budget_ms(job.options))


@pytest.mark.parametrize(
    ("at_most_ms", "advice"),
    [(0.5, r"\(`space\.width=[\d.]+`\)$"), (5000.0, r"width=4`\), and .* the budget is [\d,]+ times the slowest")],
)
def test_a_budget_that_does_not_bind_is_told_apart_from_one_in_the_wrong_unit(
    job: FitJob, table: LatencyTable, said: list[str], at_most_ms: float, advice: str
) -> None:
    check_feasibility(replace(job, options=replace(job.options, latency_ms=at_most_ms)), table)
    assert said[-1].startswith("The budget does not bind")
    assert re.search(advice, said[-1]), said[-1]


def made_when(faster: float, table: LatencyTable) -> LatencyTable:
    """The table as it would be, had the device been `faster` times as fast when it was made."""
    assert table.reference_ms is not None
    return replace(
        table,
        reference_ms=table.reference_ms / faster,
        slope=table.slope / faster,
        constant=table.constant / faster,
    )


def test_the_budget_is_tightened_by_as_much_as_the_device_slowed_down_once(
    job: FitJob, table: LatencyTable, said: list[str]
) -> None:
    fast = made_when(1.5, table)
    at_most_ms = budget_at_table_speed(job, fast, FactoredCost(job.space, fast))
    assert at_most_ms == pytest.approx(budget_ms(job.options) / 1.5)
    assert said[-1].startswith("fake-1t is 1.50 times as slow as when its table was made: looking for what fits at")
    again = budget_at_table_speed(job, table, FactoredCost(job.space, table))
    assert again == at_most_ms, "kept with the run"


def test_a_device_of_the_same_speed_or_a_faster_one_leaves_the_budget(job: FitJob, table: LatencyTable) -> None:
    slow = made_when(0.5, table)
    assert budget_at_table_speed(job, slow, FactoredCost(job.space, slow)) == budget_ms(job.options)
    published = replace(table, reference_ms=None)
    cost = FactoredCost(job.space, published)
    assert budget_at_table_speed(job, published, cost) == budget_ms(job.options)


def test_a_device_that_became_too_slow_for_the_budget_is_a_warning(
    job: FitJob, table: LatencyTable, said: list[str]
) -> None:
    assert table.reference_ms is not None
    fast = replace(table, reference_ms=table.reference_ms / 100)
    assert budget_at_table_speed(job, fast, FactoredCost(job.space, fast)) == budget_ms(job.options)
    assert said[-1].startswith("Warning: fake-1t is 100.00 times as slow as when its table was made, where nothing")
