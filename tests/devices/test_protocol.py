from __future__ import annotations

from collections.abc import Callable
from statistics import median

import numpy as np
import pytest

from sculptnet.devices import Quality
from sculptnet.devices.protocol import EXTRA_TRIES, measure


class Machine:
    """A clock that runs advance: each takes its time, multiplied by how slow the machine is at that moment."""

    def __init__(self, slowness: Callable[[float], float] = lambda now: 1.0) -> None:
        self.now, self.cpu, self.slowness = 0.0, 0.0, slowness
        self.calls: list[str] = []

    def run(self, name: str, seconds: float) -> Callable[[], None]:
        def call() -> None:
            self.calls.append(name)
            took = seconds * self.slowness(self.now)
            self.now, self.cpu = self.now + took, self.cpu + took

        return call

    def clock(self) -> float:
        return self.now


def ratios(machine: Machine, models: dict[str, float], quality: Quality, alternate: bool = False) -> dict[str, float]:
    runs = {name: machine.run(name, seconds) for name, seconds in models.items()}
    reference = machine.run("reference", 1e-3)
    found = list(measure(runs, reference, quality, alternate=alternate, clock=machine.clock))
    return {name: median(one.ratio for one in found if one.model == name) for name in models}


@pytest.mark.parametrize("alternate", [False, True])
def test_on_a_steady_machine_the_ratio_is_exact(alternate: bool) -> None:
    found = ratios(Machine(), {"small": 2e-5, "large": 3e-3}, Quality(rounds=3), alternate)
    assert found == {"small": pytest.approx(0.02), "large": pytest.approx(3.0)}


@pytest.mark.parametrize("alternate", [False, True])
def test_a_machine_that_slows_down_for_good_does_not_change_the_ratio(alternate: bool) -> None:
    slowing = Machine(lambda now: 1.0 if now < 0.2 else 1.7)
    found = ratios(slowing, {"small": 2e-5, "large": 3e-3}, Quality(rounds=12), alternate)
    assert found == {"small": pytest.approx(0.02, rel=1e-3), "large": pytest.approx(3.0, rel=1e-3)}


@pytest.mark.parametrize("alternate", [False, True])
def test_a_drifting_machine_changes_the_ratio_by_less_than_one_percent(alternate: bool) -> None:
    found = ratios(Machine(lambda now: 1 + 0.5 * np.sin(now)), {"large": 3e-3}, Quality(rounds=40), alternate)
    assert found["large"] == pytest.approx(3.0, rel=0.01)


def test_every_round_visits_every_model_once_in_order() -> None:
    machine = Machine()
    runs = {name: machine.run(name, 1e-4) for name in "abc"}
    found = list(measure(runs, machine.run("reference", 1e-3), Quality(rounds=3), clock=machine.clock))
    assert [(one.model, one.round) for one in found] == [(name, index) for index in range(3) for name in "abc"]


def test_held_chunks_are_left_out() -> None:
    machine = Machine()
    runs = {name: machine.run(name, 1e-4) for name in "ab"}
    held = {("a", 0), ("b", 0), ("b", 1)}
    found = list(measure(runs, machine.run("reference", 1e-3), Quality(rounds=2), held=held, clock=machine.clock))
    assert [(one.model, one.round) for one in found] == [("a", 1)]


def test_alternating_runs_the_reference_between_any_two_runs_of_a_chunk() -> None:
    machine = Machine()
    quality = Quality(rounds=4, warm_up_runs=0)
    found = measure({"a": machine.run("a", 1e-4)}, machine.run("reference", 1e-3), quality, alternate=True)
    next(found)
    machine.calls.clear()
    list(found)
    neighbours = list(zip(machine.calls, machine.calls[1:], strict=False))
    assert ("a", "reference") in neighbours
    assert ("a", "a") not in neighbours


def test_in_a_row_the_reference_runs_before_and_after_the_chunk_only() -> None:
    machine = Machine()
    found = measure(
        {"a": machine.run("a", 1e-3)}, machine.run("reference", 1e-3), Quality(chunk_ms=2.5), clock=machine.clock
    )
    next(found)
    machine.calls.clear()
    next(found)
    assert machine.calls == ["reference"] * 4 + ["a"] * 4 + ["reference"] * 4


def test_the_first_runs_of_a_session_are_dropped() -> None:
    machine, calls = Machine(), 0

    def cold_start() -> None:
        nonlocal calls
        calls += 1
        machine.now += 1.0 if calls <= 2 else 1e-3

    reference = machine.run("reference", 1e-3)
    found = list(measure({"a": cold_start}, reference, Quality(rounds=2, warm_up_runs=2), clock=machine.clock))
    assert [one.ratio for one in found] == [pytest.approx(1.0)] * 2


def test_a_chunk_during_which_the_reference_moved_is_tried_again() -> None:
    machine = Machine(lambda now: 2.0 if 0.0225 < now < 0.036 else 1.0)  # from the middle of the second chunk
    runs = {"a": machine.run("a", 1e-3)}
    quality = Quality(rounds=4, chunk_ms=2.5, warm_up_runs=0)
    found = list(measure(runs, machine.run("reference", 1e-3), quality, clock=machine.clock))
    assert not any(one.disturbed for one in found)
    assert [one.ratio for one in found] == [pytest.approx(1.0)] * 4
    assert machine.calls.count("a") == 3 + 5 * 4


def test_on_a_restless_machine_the_loop_ends_and_says_so() -> None:
    rng = np.random.default_rng(0)
    machine = Machine(lambda now: float(rng.uniform(1, 3)))
    quality = Quality(rounds=20, warm_up_runs=0)
    found = list(measure({"a": machine.run("a", 1e-3)}, machine.run("reference", 1e-3), quality, clock=machine.clock))
    assert len(found) == 20
    assert sum(one.disturbed for one in found) > 10
    runs_per_chunk = 1 + quality.chunk_runs
    assert machine.calls.count("a") <= 3 + runs_per_chunk * (20 + EXTRA_TRIES * 20 + 1)


@pytest.mark.parametrize("alternate", [False, True])
def test_runs_during_which_another_process_had_the_cpu_do_not_count(alternate: bool) -> None:
    machine, calls = Machine(), 0

    def preempted_every_fourth_time() -> None:
        nonlocal calls
        calls += 1
        machine.now, machine.cpu = machine.now + 1e-4, machine.cpu + 1e-4
        if calls % 4 == 0:
            machine.now += 1e-1

    def cpu_clock() -> float:
        return machine.cpu

    found = measure(
        {"a": preempted_every_fourth_time},
        machine.run("reference", 1e-3),
        Quality(rounds=3, chunk_ms=10),
        alternate=alternate,
        clock=machine.clock,
        cpu_clock=cpu_clock,
    )
    assert [one.ratio for one in found] == [pytest.approx(0.1)] * 3


def test_short_models_are_run_many_times_and_long_ones_a_few() -> None:
    machine = Machine()
    runs = {"short": machine.run("short", 2e-5), "long": machine.run("long", 0.1)}
    list(measure(runs, machine.run("reference", 1e-3), Quality(rounds=2), clock=machine.clock))
    assert machine.calls.count("short") >= 2 * 100
    assert machine.calls.count("long") <= 2 * (1 + 3) + 3 + 2
