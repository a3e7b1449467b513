"""Optuna's samplers behave like every other search here."""

from __future__ import annotations

import sys

import numpy as np
import optuna
import pytest

from sculptnet.arch import Architecture, IntMatrix, SearchSpace, between, choice
from sculptnet.blocks import Classifier, Conv, PooledConv
from sculptnet.cost import Macs
from sculptnet.errors import Infeasible, InvalidValue, MissingExtra
from sculptnet.method import NamedMethod
from sculptnet.methods import FBNet, Optuna, made
from sculptnet.pareto import front
from sculptnet.search import Limit, Objective, OptunaSearch, Problem, RandomSearch, Sampler, Search, drive
from sculptnet.search.protocol import Columns
from sculptnet.testing import SearchSuite

LAYERS = 8
SPACE = SearchSpace(
    Architecture(8, Conv(4), (tuple(Conv(4, choice(1, 3, 5, 7)) for _ in range(LAYERS)),), PooledConv(8), Classifier(2))
)
PROBLEM = Problem(SPACE, (Objective("top1"),), (Limit(Macs(), 170_000.0),))


class TestTpe(SearchSuite):
    def search(self, problem: Problem, seed: int) -> Search:
        return OptunaSearch(first=6, batch=3).search(problem, seed)


def score(rows: IntMatrix) -> Columns:
    """Rewards odd options, which no linear order of them explains, and few multiply-adds."""
    return {"top1": np.isin(rows, (1, 3)).mean(axis=1), "size": rows.sum(axis=1).astype(np.float64)}


@pytest.mark.parametrize("sampler", list(Sampler))
def test_a_sampler_learns_and_depends_on_its_seed_alone(sampler: Sampler) -> None:
    found = drive(OptunaSearch(sampler=sampler, first=10).search(PROBLEM, 0), score, 30)
    again = drive(OptunaSearch(sampler=sampler, first=10).search(PROBLEM, 0), score, 30)
    other = drive(OptunaSearch(sampler=sampler, first=10).search(PROBLEM, 1), score, 1)
    np.testing.assert_array_equal(found.choices, again.choices)
    assert found.choices[:10].tolist() != other.choices.tolist()
    assert len(np.unique(found.choices, axis=0)) == len(found) == 10 + 29
    drawn = drive(RandomSearch(batch=39).search(PROBLEM, 0), score, 1)
    assert found.column("top1")[10:].mean() > drawn.column("top1").mean() + 0.05


def test_two_objectives_are_traded_off() -> None:
    problem = Problem(SPACE, (Objective("top1"), Objective("size", maximize=False)))
    found = drive(OptunaSearch(sampler=Sampler.NSGA2, first=12, batch=12).search(problem, 0), score, 6)
    drawn = drive(RandomSearch(batch=72).search(problem, 0), score, 1)
    values = np.concatenate([np.stack(list(one.metrics.values()), axis=1) for one in (found, drawn)])
    on_front = front(values, [True, False])
    assert on_front[: len(found)].sum() > on_front[len(found) :].sum()


def test_a_small_space_is_searched_whole_and_then_it_ends() -> None:
    small = SearchSpace(
        Architecture(8, Conv(4), ((Conv(4, choice(1, 3, 5)), Conv(between(4, 8, 4))),), PooledConv(8), Classifier(2))
    )
    results = drive(OptunaSearch(first=2).search(Problem(small, (Objective("top1"),)), 0), score, 100)
    assert len(results) == small.size() == 6


def test_its_log_stays_as_the_user_has_it(capfd: pytest.CaptureFixture[str]) -> None:
    optuna.logging.set_verbosity(optuna.logging.INFO)
    drive(OptunaSearch(first=2).search(PROBLEM, 0), score, 3)
    assert optuna.logging.get_verbosity() == optuna.logging.INFO
    assert capfd.readouterr() == ("", "")


def test_what_is_wrong_is_told_before_anything_is_proposed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidValue, match=r"2 problems\n  - first must be at least 2, got 1\n  - batch must be"):
        OptunaSearch(sampler=Sampler.NSGA2, first=1, batch=0)
    with pytest.raises(Infeasible, match="no candidate has macs <= 1"):
        next(OptunaSearch().search(Problem(SPACE, PROBLEM.objectives, (Limit(Macs(), 1.0),)), 0))
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtra, match=r"pip install 'sculptnet\[optuna\]'"):
        OptunaSearch().search(PROBLEM, 0)
    with pytest.raises(MissingExtra, match=r"sculptnet\[optuna\]"):
        made("optuna", FBNet)


def test_the_command_line_names_the_sampler() -> None:
    found = made(NamedMethod("optuna", {"sampler": "nsga2", "first": "20"}), FBNet)
    assert found == Optuna(sampler=Sampler.NSGA2, first=20)
    with pytest.raises(InvalidValue, match="known: nsga2, tpe"):
        made(NamedMethod("optuna", {"sampler": "cmaes"}), FBNet)
