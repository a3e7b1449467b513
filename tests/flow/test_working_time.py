"""How long a run took: every command counts, however it ended."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from sculptnet.errors import Infeasible, RunError
from sculptnet.job import OpenRun
from sculptnet.listening import Listener
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
    kinds = [(event["event"], event["until"], event["seconds"]) for event in last.run.events(print)]
    assert kinds == [(kind, "report", seconds) for seconds, kind in ((2, "command_begun"), (4, "command"))] + [
        (kind, "report", seconds) for seconds, kind in ((10, "command_begun"), (20, "command"))
    ]


def test_a_killed_command_counts_up_to_its_last_event() -> None:
    begun, ended = {"event": "command_begun", "seconds": 3.0}, {"event": "command", "seconds": 50.0}
    killed = [{"time": 1000.0, **begun}, {"time": 1040.0, "event": "data"}, {"time": 1060.0, "event": "train_epoch"}]
    at_once = [{"time": 2000.0, **begun}]
    now = [{"time": 9000.0, **begun}, {"time": 9990.0, "event": "train_epoch"}]
    assert worked_s([*killed, *now], 7.0) == 3 + 60 + 7
    assert worked_s([*killed, *at_once, *now], 7.0) == 3 + 60 + 3 + 7
    assert worked_s([*killed, *at_once, {"time": 2050.0, **ended}, *now], 7.0) == 3 + 60 + 50 + 7
    assert worked_s([ended, {"time": 5.0, "event": "data"}], 7.0) == 50 + 7  # nothing says when the second one began


def test_a_clock_that_was_put_back_takes_no_time_away() -> None:
    killed = [{"time": 1000.0, "event": "command_begun", "seconds": 3.0}, {"time": 400.0, "event": "data"}]
    assert worked_s([*killed, {"time": 500.0, "event": "command_begun", "seconds": 0.0}], 7.0) == 3 + 7


def test_an_error_is_told_though_nothing_can_be_noted(tmp_path: Path) -> None:
    def fails() -> None:
        with timed(opened(tmp_path, 1), "report"):
            log = tmp_path / "metrics.jsonl"
            log.unlink()
            log.mkdir()
            raise RunError("the disk is full")

    with pytest.raises(RunError, match="the disk is full"):
        fails()
