"""A method of one's own logs events of a kind of its own; whoever reads the run finds them."""

from __future__ import annotations

from pathlib import Path

from examples.extending.my_method import Halving, Rung
from tests.flow.conftest import SMALL, Ask

from sculptnet.job import Stage
from sculptnet.records import OtherEvent, newest_of, of_kind
from sculptnet.runs import RunDirectory
from sculptnet.verbs import run_fit


def test_events_of_a_method_of_ones_own_come_back(ask: Ask, tmp_path: Path) -> None:
    asked = ask(tmp_path / "run", method=Halving(first=4), settings=SMALL[:4], minutes=0.01)
    result = run_fit(asked, Stage.SEARCH)
    events = RunDirectory(result.folder).events(print)
    rungs = of_kind(events, Rung)
    assert [(rung.number, rung.networks, rung.epochs) for rung in rungs] == [(1, 4, 1), (2, 2, 2)]
    assert all(0 < rung.best <= 1 and rung.time is not None for rung in rungs)
    others = [event for event in events if isinstance(event, OtherEvent)]
    assert [other.event for other in others] == ["halving_rung"] * 2, "whoever does not know the class reads on"
    assert others[0].values == {"number": 1, "networks": 4, "within_budget": 4, "epochs": 1, "best": rungs[0].best}
    for event in others:
        RunDirectory(result.folder).log(event)  # as a run does that goes on from its start
    again = RunDirectory(result.folder).events(print)
    assert len(of_kind(again, Rung)) == 4
    assert newest_of(again, Rung, lambda one: one.number) == rungs, "the newest of each, in order"
    assert [one.number for one in newest_of(again, Rung, lambda one: -one.networks)] == [1, 2]
    assert result.folder == run_fit(asked, Stage.SEARCH).folder, "and so does the same command"
