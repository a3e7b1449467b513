from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sculptnet.devices import Model, Plan, Quality
from sculptnet.devices.local import AT_ONCE, check_threads, cpu_name, measure_plan
from sculptnet.errors import DeviceError, InvalidValue
from sculptnet.machine_limits import cores
from sculptnet.state import no_progress

QUICK = Quality(rounds=2, chunk_ms=0.01, chunk_runs=1, warm_up_runs=0, tries=1)
MODEL = Model(b"", (1, 1))


def opened(name: str, model: Model) -> Callable[[], object]:
    """What any model is here: a sum of nothing."""
    return lambda: np.zeros(1).sum()


def test_more_models_than_may_be_open_at_once_are_measured_in_groups() -> None:
    plan = Plan({f"m{index}": MODEL for index in range(AT_ONCE + 3)}, MODEL, QUICK)
    found = [(one.model, one.round) for one in measure_plan("any", plan, opened, no_progress)]
    first, second = found[: 2 * AT_ONCE], found[2 * AT_ONCE :]
    assert {name for name, _ in first} == {f"m{index}" for index in range(AT_ONCE)}
    assert second == [(f"m{AT_ONCE + index}", turn) for turn in range(2) for index in range(3)]


def test_progress_counts_every_model_that_is_opened_and_every_chunk_held_ones_included() -> None:
    told: list[tuple[str, int, int]] = []
    plan = Plan({"a": MODEL, "b": MODEL}, MODEL, QUICK, held=frozenset({("a", 0)}))
    list(measure_plan("any", plan, opened, lambda *said: told.append(said)))
    preparing = [("preparing models for any", 1, 2), ("preparing models for any", 2, 2)]
    assert told == [*preparing, *(("measuring on any", done, 4) for done in (2, 3, 4))]


def test_models_whose_chunks_are_all_held_are_not_opened() -> None:
    names: list[str] = []

    def noted(name: str, model: Model) -> Callable[[], object]:
        names.append(name)
        return opened(name, model)

    plan = Plan({"a": MODEL, "b": MODEL}, MODEL, QUICK, held=frozenset({("a", 0), ("a", 1)}))
    list(measure_plan("any", plan, noted, no_progress))
    assert names == ["reference network", "b"]


def test_threads_must_be_between_one_and_the_cores() -> None:
    check_threads(cores())
    with pytest.raises(DeviceError, match=rf"{cores() + 1} threads .* may use {cores()} cores; .* in 1..{cores()}"):
        check_threads(cores() + 1)
    with pytest.raises(InvalidValue, match="threads must be at least 1, got 0"):
        check_threads(0)


def test_the_processor_has_a_name() -> None:
    assert cpu_name()
