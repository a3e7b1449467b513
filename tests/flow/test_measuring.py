"""The device's speed moves: what is shipped must fit at the table's speed and at the present one."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from time import monotonic

import pytest
from tests.flow.conftest import Ask

from sculptnet.cost import FactoredCost, LatencyTable
from sculptnet.flow.context import Context, Voice, open_context
from sculptnet.flow.measuring import budget_at_table_speed, check_feasibility, measured_table


@pytest.fixture
def context(ask: Ask, voice: Voice, tmp_path: Path) -> Context:
    return open_context(ask(tmp_path / "run"), voice, monotonic)


@pytest.fixture
def table(context: Context) -> LatencyTable:
    return measured_table(context, context.request.budget_ms)


@pytest.mark.parametrize(
    ("at_most_ms", "advice"),
    [(0.5, r"\(--set space\.width=[\d.]+\)$"), (5000.0, r"width=4\), and .* the budget is [\d,]+ times the slowest")],
)
def test_a_budget_that_does_not_bind_is_told_apart_from_one_in_the_wrong_unit(
    context: Context, table: LatencyTable, said: list[str], at_most_ms: float, advice: str
) -> None:
    check_feasibility(replace(context, request=replace(context.request, latency_ms=at_most_ms)), table)
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
    context: Context, table: LatencyTable, said: list[str]
) -> None:
    fast = made_when(1.5, table)
    at_most_ms = budget_at_table_speed(context, fast, FactoredCost(context.space, fast))
    assert at_most_ms == pytest.approx(context.request.budget_ms / 1.5)
    assert said[-1].startswith("fake-1t is 1.50 times as slow as when its table was made: looking for what fits at")
    again = budget_at_table_speed(context, table, FactoredCost(context.space, table))
    assert again == at_most_ms, "kept with the run"


def test_a_device_of_the_same_speed_or_a_faster_one_leaves_the_budget(context: Context, table: LatencyTable) -> None:
    slow = made_when(0.5, table)
    assert budget_at_table_speed(context, slow, FactoredCost(context.space, slow)) == context.request.budget_ms
    published = replace(table, reference_ms=None)
    cost = FactoredCost(context.space, published)
    assert budget_at_table_speed(context, published, cost) == context.request.budget_ms


def test_a_device_that_became_too_slow_for_the_budget_is_a_warning(
    context: Context, table: LatencyTable, said: list[str]
) -> None:
    assert table.reference_ms is not None
    fast = replace(table, reference_ms=table.reference_ms / 100)
    assert budget_at_table_speed(context, fast, FactoredCost(context.space, fast)) == context.request.budget_ms
    assert said[-1].startswith("Warning: fake-1t is 100.00 times as slow as when its table was made, where nothing")
