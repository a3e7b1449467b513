"""Joint search: the pool, early stopping, what is proposed in which round, what is saved, and that it finds."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from sculptnet.arch import Architecture, IntMatrix, Recipe, SearchSpace, Sgd, between, choice
from sculptnet.blocks import Classifier, Conv, PooledConv
from sculptnet.cost import FactoredCost, Macs
from sculptnet.errors import Infeasible, InvalidValue, TrainingDiverged
from sculptnet.search import Limit, Objective, Problem, Proposals, Results, Search, drive, random_search
from sculptnet.search.joint_search.early_stop import correlations, shortest
from sculptnet.search.joint_search.fine_stage import FineStage, refine
from sculptnet.search.joint_search.learning import Learning
from sculptnet.search.joint_search.method import joint, settings_for
from sculptnet.search.joint_search.pool import sobol_pool
from sculptnet.search.joint_search.predictor import load_joint_predictor, parts_of, pretrain
from sculptnet.search.protocol import Columns
from sculptnet.state import Event
from sculptnet.testing import SearchSuite

LAYERS = tuple(Conv(4, choice(1, 3, 5, 7)) for _ in range(6))
RECIPE = Recipe(optimizer=Sgd(learning_rate=choice(0.1, 0.2, 0.4)), dropout=between(0.0, 0.4, 0.1))
SPACE = SearchSpace(Architecture(8, Conv(4), (LAYERS,), PooledConv(8), Classifier(2)), RECIPE)
TOP1 = (Objective("top1"),)
TARGET = np.array([3, 0, 2, 1, 3, 0, 1, 3])
QUICK = Learning(samples=300, pretraining_epochs=5, encoder=(32, 16), head=(16,), frozen_epochs=10, epochs=10)
FEW = FineStage(best=8, random=8, kept=16, children=60, generations=10)


def likeness(rows: IntMatrix) -> Columns:
    return {"top1": 0.5 + 0.4 * (rows == TARGET).mean(axis=1)}


def quick(problem: Problem, seed: int = 0, **settings: Any) -> Search:
    given: dict[str, Any] = {"pool": 256, "rounds": 3, "batch": 10, "finalists": 5, "learning": QUICK, "fine": FEW}
    return joint(problem, seed, **(given | settings))


def limited(share: float) -> Problem:
    costs = FactoredCost(SPACE, Macs()).of(SPACE.sample(np.random.default_rng(0), 2000))
    return Problem(SPACE, TOP1, (Limit(Macs(), float(np.quantile(costs, share))),))


class Kept:
    """A checkpoint in memory."""

    def __init__(self) -> None:
        self.saved: tuple[dict[str, torch.Tensor], Any] | None = None

    def save(self, tensors: Any, state: Any) -> None:
        self.saved = dict(tensors), state

    def load(self) -> tuple[dict[str, torch.Tensor], Any] | None:
        return self.saved


def answered(
    search: Search, results_of: Callable[[Proposals], Results] | None = None
) -> list[tuple[IntMatrix, int | None]]:
    """Everything that a search proposes until it ends, and for how many epochs."""
    found, proposals = [], next(search)
    while True:
        found.append((proposals.choices, proposals.epochs))
        try:
            proposals = search.send((results_of or plain)(proposals))
        except StopIteration:
            return found


def plain(proposals: Proposals) -> Results:
    rows = proposals.choices
    return Results(rows, likeness(rows), [None] * len(rows), [()] * len(rows), [None] * len(rows))


def curved(proposals: Proposals) -> Results:
    """Four epochs: the first says nothing, the second ranks as the last does."""
    results = plain(proposals)
    top1 = results.metrics["top1"]
    noise = np.random.default_rng(len(top1)).random(len(top1))
    curves = [
        tuple({"epoch": e + 1, "top1": float(v)} for e, v in enumerate((n, t - 0.3, t - 0.2, t)))
        for t, n in zip(top1, noise, strict=True)
    ]
    return Results(results.choices, results.metrics, results.errors, curves, results.folders)


class TestJoint(SearchSuite):
    def search(self, problem: Problem, seed: int) -> Search:
        learning = Learning(samples=100, pretraining_epochs=2, encoder=(16,), head=(8,), frozen_epochs=3, epochs=3)
        fine = FineStage(best=4, random=4, kept=8, children=20, generations=3)
        return joint(problem, seed, pool=64, rounds=3, batch=6, finalists=6, learning=learning, fine=fine)


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
    stop = next(event for event in events if event["event"] == "search_stop")
    assert stop["epochs"] == 2
    assert stop["correlations"]["2"] == pytest.approx(1.0)
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
    pairs = np.array(events[-1]["pairs"])
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


# ---------------------------------------------------------------------- the predictor
def test_features_are_split_into_those_of_the_architecture_and_those_of_the_recipe() -> None:
    rows = SPACE.sample(np.random.default_rng(0), 5)
    architectures, recipes = parts_of(SPACE, rows)
    assert (architectures.shape, recipes.shape) == ((5, 24), (5, 4))
    np.testing.assert_array_equal(np.hstack([architectures, recipes]), SPACE.features(rows))


def test_statistics_that_cost_nothing_are_learned_before_anything_is_trained() -> None:
    predictor = pretrain(SPACE, TOP1[0], 0, Learning(samples=1000, encoder=(64, 32)))
    r2 = {statistic.name: statistic.r2 for statistic in predictor.statistics}
    assert r2["macs"] > 0.9
    rows = SPACE.sample(np.random.default_rng(1), 200)
    macs = FactoredCost(SPACE, Macs()).of(rows)
    assert np.corrcoef(predictor.statistics_of(rows)["macs"], macs)[0, 1] > 0.95
    with pytest.raises(InvalidValue, match="has learned statistics only"):
        predictor.of(rows)


def test_a_frozen_encoder_stays_as_it_is() -> None:
    rows, learning = SPACE.sample(np.random.default_rng(0), 30), Learning(samples=100, pretraining_epochs=1, epochs=0)
    before = pretrain(SPACE, TOP1[0], 0, learning)
    after = before.learned(rows, likeness(rows)["top1"], np.zeros(30, dtype=bool), 0, learning)
    for old, new in zip(before.layers.encoder, after.layers.encoder, strict=True):
        assert torch.equal(old[0], new[0])
    assert not torch.equal(before.layers.accuracy[0][0], after.layers.accuracy[0][0])


def test_a_recipe_can_be_searched_for_a_decided_architecture() -> None:
    space = SearchSpace(Architecture(8, Conv(4), ((Conv(4),),), PooledConv(8), Classifier(2)), RECIPE)
    kept = Kept()
    results = drive(
        quick(Problem(space, TOP1), pool=64, rounds=2, batch=4, finalists=2, checkpoint=kept),
        lambda rows: {"top1": rows[:, 0] / 10},
    )
    assert len(results) == 10
    assert load_joint_predictor(kept, space).statistics == ()


# ---------------------------------------------------------------------- reuse
@pytest.fixture(scope="module")
def searched() -> Kept:
    kept = Kept()
    learning = Learning(samples=1000, encoder=(64, 32), frozen_epochs=30, epochs=30)
    drive(quick(limited(0.7), pool=2048, batch=24, learning=learning, checkpoint=kept), likeness)
    return kept


def test_it_finds_what_random_search_does_not(searched: Kept) -> None:
    """77 of 61,440 candidates."""
    found = load_joint_predictor(searched, SPACE).values
    drawn = drive(random_search(limited(0.7), 0, batch=11), likeness, 7).column("top1")
    assert len(found) == len(drawn) == 77
    assert found.max() > drawn.max() + 0.04


def test_a_saved_predictor_says_the_same(searched: Kept) -> None:
    rows = SPACE.sample(np.random.default_rng(0), 50)
    predictor, again = load_joint_predictor(searched, SPACE), Kept()
    predictor.save(again)
    np.testing.assert_array_equal(load_joint_predictor(again, SPACE).of(rows), predictor.of(rows))
    assert len(predictor.rows) == len(predictor.values) == 77


def test_another_budget_reruns_the_fine_stage_alone(searched: Kept) -> None:
    predictor, tighter = load_joint_predictor(searched, SPACE), limited(0.1)
    found = refine(tighter, predictor, 0, number=5, fine=FEW)
    assert tighter.feasible(found.choices).all()
    np.testing.assert_allclose(
        found.predicted, np.sort(predictor.of(found.choices))[::-1], rtol=1e-6
    )  # in other batches
    drawn = tighter.sample(np.random.default_rng(0), 500)
    assert found.predicted[0] >= predictor.of(drawn).max()
    assert likeness(found.choices)["top1"].mean() > likeness(drawn)["top1"].mean() + 0.05


def test_a_budget_that_nothing_learned_from_keeps_is_searched_from_random_candidates(searched: Kept) -> None:
    predictor = load_joint_predictor(searched, SPACE)
    cheapest = FactoredCost(SPACE, Macs()).of(predictor.rows).min()
    below = Problem(SPACE, TOP1, (Limit(Macs(), float(cheapest) - 1),))
    found = refine(below, predictor, 0, number=5, fine=FEW)
    assert len(found.choices) == 5
    assert below.feasible(found.choices).all()


def test_the_fine_stage_ends_when_nothing_is_gained(searched: Kept) -> None:
    predictor = load_joint_predictor(searched, SPACE)
    fine = FineStage(best=8, random=8, kept=16, children=100, gain=1.0, patience=2)
    assert refine(Problem(SPACE, TOP1), predictor, 0, number=1, fine=fine).generations == 2
    bounded = FineStage(best=8, random=8, kept=16, children=100, gain=0.0, patience=99, generations=4)
    assert refine(Problem(SPACE, TOP1), predictor, 0, number=1, fine=bounded).generations == 4


def test_a_predictor_of_another_space_is_told(searched: Kept) -> None:
    other = SearchSpace(Architecture(16, Conv(4), (LAYERS,), PooledConv(8), Classifier(2)), RECIPE)
    with pytest.raises(InvalidValue, match=r"another space: .*resolution is 8 there and 16 here"):
        load_joint_predictor(searched, other)
    predictor = load_joint_predictor(searched, SPACE)
    with pytest.raises(InvalidValue, match="learned for another space than the problem's"):
        refine(Problem(other, TOP1), predictor, 0, fine=FineStage())
    with pytest.raises(InvalidValue, match=r"the problem has .*loss"):
        refine(Problem(SPACE, (Objective("loss"),)), predictor, 0)


def test_what_is_no_predictor_is_told() -> None:
    kept = Kept()
    with pytest.raises(InvalidValue, match="no joint predictor was saved there"):
        load_joint_predictor(kept, SPACE)
    kept.save({}, {"kind": "accuracy predictor"})
    with pytest.raises(InvalidValue, match="what was saved there is no joint predictor"):
        load_joint_predictor(kept, SPACE)


# ---------------------------------------------------------------------- settings and errors
@pytest.mark.parametrize("trials", [1, 5, 12, 60, 100, 288, 1000])
def test_rounds_and_finalists_make_the_trials(trials: int) -> None:
    settings = settings_for(trials)
    total = settings["rounds"] * settings["batch"] + settings["finalists"]
    assert total == max(trials, settings["batch"] + 1) or settings["batch"] == 48
    joint(Problem(SPACE, TOP1), 0, **settings)


def test_every_wrong_argument_is_told_at_once() -> None:
    both = Problem(SPACE, (*TOP1, Objective("macs", maximize=False)))
    with pytest.raises(InvalidValue) as caught:
        joint(both, 0, pool=0, rounds=0, batch=0, finalists=-1, correlation=1.5, statistics=())
    for text in (
        "pool must be at least 1, got 0",
        "rounds must be at least 1, got 0",
        "batch must be at least 1, got 0",
        "finalists must be at least 0, got -1",
        "correlation must lie above 0 and at most at 1, got 1.5",
        "it takes one objective, got top1, macs; make what should be low a limit",
        "statistics must name at least one",
    ):
        assert text in str(caught.value)
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


def test_a_predictor_whose_loss_is_no_number_says_which_setting_to_lower() -> None:
    rows, learning = SPACE.sample(np.random.default_rng(0), 30), Learning(samples=100, pretraining_epochs=1)
    untaught, brief = pretrain(SPACE, TOP1[0], 0, learning), np.zeros(30, dtype=bool)
    with pytest.raises(TrainingDiverged, match=r"the predictor's loss is .*; lower Learning\.learning_rate"):
        untaught.learned(rows, likeness(rows)["top1"], brief, 0, Learning(learning_rate=1e20))
