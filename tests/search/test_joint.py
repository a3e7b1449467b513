"""Joint search: the pool, early stopping, what is proposed in which round, and what goes wrong."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pytest
from tests.search.joint_toy import (
    RECIPE,
    SPACE,
    TOP1,
    Kept,
    answered,
    curved,
    likeness,
    limited,
    plain,
    quick,
)

from sculptnet.arch import Architecture, SearchSpace, choice
from sculptnet.arch.block import Block, TensorShape
from sculptnet.blocks import Classifier, Conv, PooledConv
from sculptnet.cost import FactoredCost, Macs
from sculptnet.cost.model import Reduce
from sculptnet.errors import Infeasible, InvalidValue
from sculptnet.records import Event, of_kind
from sculptnet.records.search_events import SearchRound, SearchStop
from sculptnet.search import Limit, Objective, Problem, Proposals, Results, Search, drive
from sculptnet.search.joint_search.early_stop import correlations, shortest
from sculptnet.search.joint_search.fine_stage import FineStage
from sculptnet.search.joint_search.learning import Learning
from sculptnet.search.joint_search.method import Joint
from sculptnet.search.joint_search.pool import sobol_pool
from sculptnet.search.joint_search.predictor import load_joint_predictor
from sculptnet.testing import SearchSuite


class TestJoint(SearchSuite):
    def search(self, problem: Problem, seed: int) -> Search:
        learning = Learning(samples=100, pretraining_epochs=2, encoder=(16,), head=(8,), frozen_epochs=3, epochs=3)
        fine = FineStage(best=4, random=4, kept=8, children=20, generations=3)
        return Joint(pool=64, rounds=3, batch=6, finalists=6, learning=learning, fine=fine).search(problem, seed)


# ---------------------------------------------------------------------- the pool
def test_a_pool_as_large_as_a_small_space_holds_every_candidate_once() -> None:
    """256 points of a sequence in four dimensions, four options each: one in every cell."""
    layers = tuple(Conv(4, choice(1, 3, 5, 7)) for _ in range(2))
    space = SearchSpace(Architecture(8, Conv(4), (layers,), PooledConv(8), Classifier(2)))
    pool = sobol_pool(Problem(space, TOP1), 3, 16)
    assert sorted(map(tuple, pool.tolist())) == list(itertools.product(range(4), repeat=2))


def test_options_of_a_pool_are_equally_frequent() -> None:
    pool = sobol_pool(Problem(SPACE, TOP1), 0, 1024)
    assert len(pool) > 950  # of 61,440 candidates
    for column, count in zip(pool.T, SPACE.num_options, strict=True):
        np.testing.assert_allclose(np.bincount(column, minlength=count) / len(pool), 1 / count, atol=0.02)


@pytest.mark.parametrize("share", [0.5, 0.002])
def test_a_pool_is_within_the_limits(share: float) -> None:
    problem = limited(share)
    pool = sobol_pool(problem, 0, 100)
    assert problem.feasible(pool).all()
    assert len(np.unique(pool, axis=0)) == len(pool) > 50
    np.testing.assert_array_equal(pool, sobol_pool(problem, 0, 100))
    assert pool.tolist() != sobol_pool(problem, 1, 100).tolist()


def test_limits_that_no_candidate_meets_are_told_before_anything_is_proposed() -> None:
    with pytest.raises(Infeasible, match="no candidate has macs <= 1: the lowest is"):
        next(quick(Problem(SPACE, TOP1, (Limit(Macs(), 1.0),))))


# ---------------------------------------------------------------------- early stop
def test_rank_correlations_of_epochs_are_spearman_s() -> None:
    """Final ranks 1 2 3 4; 2 1 3 4 has squared differences of 2: 1 - 6 * 2 / (4 * 15) = 0.8."""
    epochs = ([2.0, 1.0, 3.0, 4.0], [0.1, 0.2, 0.3, 0.4], [1.0, 2.0, 3.0, 4.0])
    curves = [tuple({"epoch": e + 1, "top1": column[row]} for e, column in enumerate(epochs)) for row in range(4)]
    rows = np.zeros((6, 8), dtype=np.int64)
    values = np.array([1.0, 2.0, 3.0, 4.0, np.nan, np.nan])
    broken = ({"epoch": 1, "top1": 0.9},)  # of a trial that failed later: plays no part
    results = Results(rows, {"top1": values}, [None] * 4 + ["nan"] * 2, [*curves, broken, ()], [None] * 6)
    found = correlations(results, "top1")
    assert found == pytest.approx({1: 0.8, 2: 1.0, 3: 1.0})
    assert [shortest(found, wanted) for wanted in (0.5, 0.79, 0.92)] == [1, 1, 2]
    assert shortest({1: 0.3, 2: float("nan"), 3: 1.0}, 0.92) is None  # the whole length is no stop
    assert correlations(Results(rows[:2], {"top1": values[:2]}, [None] * 2, curves[:2], [None] * 2), "top1") == {}


def test_later_rounds_are_trained_as_long_as_the_first_has_shown_and_finalists_in_full() -> None:
    events: list[Event] = []
    lengths = [epochs for _, epochs in answered(quick(Problem(SPACE, TOP1), log=events.append), curved)]
    assert lengths == [None, 2, 2, None]
    (stop,) = of_kind(events, SearchStop)
    assert stop.epochs == 2
    assert stop.correlations["2"] == pytest.approx(1.0)
    assert [epochs for _, epochs in answered(quick(Problem(SPACE, TOP1)))] == [None] * 4  # no curves


# ---------------------------------------------------------------------- rounds
def test_rounds_are_of_the_pool_and_nothing_comes_twice() -> None:
    problem = limited(0.5)
    found = [rows for rows, _ in answered(quick(problem))]
    assert [len(rows) for rows in found] == [10, 10, 10, 5]
    every = np.concatenate(found)
    assert len(np.unique(every, axis=0)) == len(every)
    assert problem.feasible(every).all()
    pool = {tuple(row) for row in sobol_pool(problem, 0, 256).tolist()}
    assert {tuple(row) for row in np.concatenate(found[:3]).tolist()} <= pool


def test_the_predictions_of_a_round_were_made_before_it_and_are_its_best() -> None:
    problem, kept, events = Problem(SPACE, TOP1), Kept(), list[Event]()
    search = quick(problem, checkpoint=kept, log=events.append)
    first = next(search)
    second = search.send(plain(first)).choices
    predictor = load_joint_predictor(kept, SPACE)
    unasked = np.array([row for row in sobol_pool(problem, 0, 256).tolist() if row not in first.choices.tolist()])
    assert sorted(predictor.of(second))[0] >= np.sort(predictor.of(unasked))[-10] - 1e-12
    search.send(plain(Proposals(second)))
    pairs = np.array(of_kind(events, SearchRound)[-1].pairs)
    np.testing.assert_array_equal(pairs[:, 0], predictor.of(second))
    np.testing.assert_array_equal(pairs[:, 1], likeness(second)["top1"])


def test_failed_candidates_teach_nothing_and_are_not_asked_for_again() -> None:
    kept = Kept()

    def failing(proposals: Proposals) -> Results:
        results = plain(proposals)
        top1 = results.metrics["top1"].copy()
        top1[:4] = np.nan, np.inf, 0.0, 0.0  # the third has an error beside its accuracy
        errors = ["diverged", None, "stopped", *results.errors[3:]]
        return Results(results.choices, {"top1": top1}, errors, results.curves, results.folders)

    found = np.concatenate([rows for rows, _ in answered(quick(Problem(SPACE, TOP1), checkpoint=kept), failing)])
    assert len(np.unique(found, axis=0)) == len(found) == 35
    predictor = load_joint_predictor(kept, SPACE)
    assert len(predictor.values) == 35 - 4 * 3
    assert (predictor.values == 0.0).sum() == 4  # a finite accuracy without an error counts, even one of 0
    assert not {tuple(found[0]), tuple(found[1]), tuple(found[2])} & {tuple(row) for row in predictor.rows.tolist()}


def test_what_should_be_low_becomes_low() -> None:
    low = Problem(SPACE, (Objective("loss", maximize=False),))
    results = drive(quick(low), lambda rows: {"loss": 1.0 - likeness(rows)["top1"]})
    assert results.column("loss")[10:].mean() < results.column("loss")[:10].mean()


def test_a_recipe_can_be_searched_for_a_decided_architecture() -> None:
    space = SearchSpace(Architecture(8, Conv(4), ((Conv(4),),), PooledConv(8), Classifier(2)), RECIPE)
    kept = Kept()
    results = drive(
        quick(Problem(space, TOP1), pool=64, rounds=2, batch=4, finalists=2, checkpoint=kept),
        lambda rows: {"top1": rows[:, 0] / 10},
    )
    assert len(results) == 10
    assert load_joint_predictor(kept, space).statistics == ()


# ---------------------------------------------------------------------- settings and errors
@pytest.mark.parametrize("trials", [1, 5, 12, 60, 100, 288, 1000])
def test_rounds_and_finalists_make_the_trials(trials: int) -> None:
    planned = Joint().planned(trials)
    assert planned.batch is not None
    assert planned.trials() == max(trials, planned.batch + 1) or planned.batch == 48
    planned.search(Problem(SPACE, TOP1), 0)


def test_every_wrong_argument_is_told_at_once() -> None:
    both = Problem(SPACE, (*TOP1, Objective("macs", maximize=False)))
    with pytest.raises(InvalidValue) as caught:
        Joint(pool=0, rounds=0, batch=0, finalists=-1, correlation=1.5, statistics=())
    for text in (
        "pool must be at least 1, got 0",
        "rounds must be at least 1, got 0",
        "batch must be at least 1, got 0",
        "finalists must be at least 0, got -1",
        "correlation must be above 0 and at most 1, got 1.5",
        "statistics must name at least one",
    ):
        assert text in str(caught.value)
    with pytest.raises(InvalidValue, match="it takes one objective, got top1, macs; make what should be low a limit"):
        Joint().search(both, 0)
    with pytest.raises(InvalidValue, match=r"(?s)samples must.*encoder must have.*huber must be.*held_out must"):
        Learning(samples=1, encoder=(), huber=0.0, held_out=1.0)
    with pytest.raises(InvalidValue, match=r"(?s)kept must be at least 1, got 0.*mutation_probability must lie"):
        FineStage(kept=0, mutation_probability=0.0)


# ---------------------------------------------------------------------- what goes wrong
def test_where_every_candidate_failed_the_search_goes_on_at_random_and_saves_nothing() -> None:
    kept = Kept()

    def failing(proposals: Proposals) -> Results:
        rows = proposals.choices
        return Results(rows, {"top1": np.full(len(rows), np.nan)}, ["diverged"] * len(rows), [()] * len(rows), [])

    found = np.concatenate([rows for rows, _ in answered(quick(Problem(SPACE, TOP1), checkpoint=kept), failing)])
    assert len(np.unique(found, axis=0)) == len(found) == 35
    with pytest.raises(InvalidValue, match="no joint predictor was saved there"):
        load_joint_predictor(kept, SPACE)


def test_a_candidate_that_failed_in_a_short_training_is_no_finalist() -> None:
    layers = tuple(Conv(4, choice(1, 3, 5, 7)) for _ in range(2))
    space = SearchSpace(Architecture(8, Conv(4), (layers,), PooledConv(8), Classifier(2)))

    def results_of(proposals: Proposals) -> Results:
        top1 = proposals.choices @ [0.4, 0.1]
        curves = [tuple({"epoch": epoch, "top1": float(value)} for epoch in (1, 2, 3)) for value in top1]
        errors = [None if proposals.epochs is None else "diverged"] * len(top1)
        values = top1 if proposals.epochs is None else np.full(len(top1), np.nan)
        return Results(proposals.choices, {"top1": values}, errors, curves, [None] * len(top1))

    search = quick(Problem(space, TOP1), pool=16, rounds=2, batch=5, finalists=16)
    (_, whole), (_, brief), (finalists, _) = rounds = answered(search, results_of)
    assert (whole, brief, len(finalists)) == (None, 1, 6)
    assert len(np.unique(np.concatenate([rows for rows, _ in rounds]), axis=0)) == 16


def test_the_first_round_of_which_anything_came_out_tells_how_long_to_train() -> None:
    rounds = iter([False, True, True, True])

    def results_of(proposals: Proposals) -> Results:
        found = curved(proposals)
        if next(rounds):
            return found
        return Results(found.choices, {}, ["diverged"] * len(found), [()] * len(found), found.folders)

    assert [epochs for _, epochs in answered(quick(Problem(SPACE, TOP1)), results_of)] == [None, None, 2, None]


@dataclass(frozen=True)
class FewerMacs:
    """Low where multiply-adds are many: with a limit on those too, a band is left."""

    name: str = "fewer_macs"
    constant: float = 1e9
    reduce: Reduce = Reduce.SUM

    def block(self, path: str, block: Block, shape: TensorShape) -> float:
        return -float(Macs().block(path, block, shape))


def test_a_pool_of_the_few_that_meet_two_limits_together_is_what_the_sequence_found() -> None:
    """Half of all meet each limit, two in a thousand both: too few to be drawn, and no reason to find nothing."""
    layers = tuple(Conv(width, choice(1, 3, 5, 7)) for width in (4, 5, 7, 11, 17, 26))
    space = SearchSpace(Architecture(8, Conv(4), (layers,), PooledConv(8), Classifier(2)), RECIPE)
    rows = np.array([[*row, 0, 0] for row in itertools.product(range(4), repeat=6)])
    low, high = np.sort(FactoredCost(space, Macs()).of(rows))[[2044, 2051]]
    problem = Problem(space, TOP1, (Limit(Macs(), float(high)), Limit(FewerMacs(), float(1e9 - low))))
    pool = sobol_pool(problem, 0, 256)
    assert 2 < len(pool) < 20
    assert problem.feasible(pool).all()
    found = [rows for rows, _ in answered(quick(problem, pool=256, rounds=1, batch=3, finalists=2), unlike)]
    assert problem.feasible(np.concatenate(found)).all()


def unlike(proposals: Proposals) -> Results:
    """Results of a space that `likeness` does not know."""
    rows = proposals.choices
    top1 = {"top1": rows.sum(axis=1) / 100}
    return Results(rows, top1, [None] * len(rows), [()] * len(rows), [None] * len(rows))
