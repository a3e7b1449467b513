"""How long a run took: every command counts, however it ended."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from sculptnet.errors import Infeasible, RunError
from sculptnet.job import OpenRun
from sculptnet.listening import Listener
from sculptnet.records import Event, OtherEvent
from sculptnet.records.run_events import CommandBegun, CommandEnded, DataSeen
from sculptnet.runs import RunDirectory
from sculptnet.stages.working_time import timed, worked_s


def opened(folder: Path, seconds_between: int) -> OpenRun:
    """A command that began at 100 s and reads a clock which moves on at every look."""
    clock = map(float, itertools.count(100, seconds_between)).__next__
    return OpenRun(RunDirectory(folder), Listener(print), clock, clock(), folder / "powercap")


@pytest.mark.parametrize("error", [Infeasible, KeyboardInterrupt])
def test_commands_that_fail_count_as_those_that_end_well(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), timed(opened(tmp_path, 2), "report"):  # begins after 2 s, fails after 4 s
        raise error
    with timed(last := opened(tmp_path, 10), "report"):
        assert worked_s(last.run.events(print), 25) == 4 + 25
    assert worked_s(last.run.events(print), 1) == 4 + 20 + 1
    kinds = [replace(event, time=None) for event in last.run.events(print)]
    first = [CommandBegun("report", 2), CommandEnded("report", 4)]
    assert kinds == [*first, CommandBegun("report", 10), CommandEnded("report", 20)]


def begun(at: float) -> CommandBegun:
    return CommandBegun("report", 3.0, time=at)


def test_a_killed_command_counts_up_to_its_last_event() -> None:
    killed: list[Event] = [begun(1000.0), DataSeen((), time=1040.0), OtherEvent("own", {}, time=1060.0)]
    at_once, ended = [begun(2000.0)], CommandEnded("report", 50.0)
    now: list[Event] = [begun(9000.0), OtherEvent("own", {}, time=9990.0)]
    assert worked_s([*killed, *now], 7.0) == 3 + 60 + 7
    assert worked_s([*killed, *at_once, *now], 7.0) == 3 + 60 + 3 + 7
    assert worked_s([*killed, *at_once, replace(ended, time=2050.0), *now], 7.0) == 3 + 60 + 50 + 7
    assert worked_s([ended, DataSeen((), time=5.0)], 7.0) == 50 + 7  # nothing says when the second one began


def test_a_clock_that_was_put_back_takes_no_time_away() -> None:
    killed: list[Event] = [begun(1000.0), DataSeen((), time=400.0)]
    assert worked_s([*killed, CommandBegun("report", 0.0, time=500.0)], 7.0) == 3 + 7


def test_an_error_is_told_though_nothing_can_be_noted(tmp_path: Path) -> None:
    def fails() -> None:
        with timed(opened(tmp_path, 1), "report"):
            log = tmp_path / "metrics.jsonl"
            log.unlink()
            log.mkdir()
            raise RunError("the disk is full")

    with pytest.raises(RunError, match="the disk is full"):
        fails()
