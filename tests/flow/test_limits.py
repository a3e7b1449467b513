"""Limits beside latency: as typed, checked before anything is trained, kept, and on the card."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.flow.conftest import Ask

from sculptnet import cost
from sculptnet._fit import run_flow
from sculptnet.cost import Precision
from sculptnet.errors import Infeasible, InvalidValue, RunError
from sculptnet.flow.context import Voice
from sculptnet.flow.limits import COSTS, parse_limits
from sculptnet.flow.stages import Stage
from sculptnet.runs import RunDirectory


def test_every_name_makes_the_limit_of_that_name() -> None:
    for precision in Precision:
        limits = parse_limits([f"{name}=2e6" for name in COSTS], precision)
        assert [limit.at_most for limit in limits] == [2e6] * len(COSTS)
        assert [limit.metric.removesuffix("-int8") for limit in limits] == list(COSTS)


def test_everything_that_is_wrong_with_limits_is_said_at_once() -> None:
    with pytest.raises(InvalidValue) as caught:
        parse_limits(["macz=1", "macs=-1", "parameters", "macs=5"], Precision.FP32)
    for expected in (
        "unknown limit 'macz'; did you mean macs?",
        "--limit macs=-1 must read NAME=NUMBER with a number above 0, such as macs=1e6",
        "--limit parameters must read NAME=NUMBER",
        "--limit macs is given twice",
    ):
        assert expected in str(caught.value)


def test_a_network_is_fitted_to_all_limits(ask: Ask, said: list[str], voice: Voice, tmp_path: Path) -> None:
    request = replace(ask(tmp_path / "run"), limits=("macs=330e3", "peak_memory_bytes=45e3"))
    result = run_flow(request, Stage.EXPORT, voice)
    assert result.card is not None
    assert result.within_budget is True
    assert result.card["limits"] == {
        "macs": {"at_most": 330e3, "value": cost.macs(result.architecture)},
        "peak_memory_bytes": {"at_most": 45e3, "value": cost.peak_memory_bytes(result.architecture)},
    }
    assert all(one["value"] <= one["at_most"] for one in result.card["limits"].values())
    assert any("of random networks meet latency_ms@fake-1t <= 0.2 and macs <= 330000 and peak" in line for line in said)
    assert f"macs is {cost.macs(result.architecture):,}, within the limit of 330,000" in result.summary()
    trials = RunDirectory(result.folder).trials(print)
    assert all(trial["metrics"]["macs"] <= 330e3 for trial in trials if trial["error"] is None)
    with pytest.raises(RunError, match="holds another run"):
        run_flow(replace(request, limits=("macs=330e3",)), Stage.EXPORT, voice)


def test_limits_that_nothing_meets_stop_before_the_search(ask: Ask, voice: Voice, tmp_path: Path) -> None:
    request = replace(ask(tmp_path / "run"), limits=("macs=1000",))
    with pytest.raises(
        Infeasible, match=r"no network of this space was found that meets .* and macs <= 1000\n.*lowest"
    ):
        run_flow(request, Stage.SEARCH, voice)
