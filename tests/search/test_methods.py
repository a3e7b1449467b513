"""Random search and evolution: what they propose, and that they find."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sculptnet.arch import Architecture as Template
from sculptnet.arch import SearchSpace, choice
from sculptnet.blocks import Classifier, Conv, PooledConv
from sculptnet.cost import Macs, Parameters
from sculptnet.errors import Infeasible, InvalidValue
from sculptnet.pareto import front
from sculptnet.search import Evolution, Limit, Objective, Problem, Proposals, RandomSearch, drive

LAYERS = 10
SPACE = SearchSpace(
    Template(8, Conv(4), (tuple(Conv(4, choice(1, 3, 5, 7)) for _ in range(LAYERS)),), PooledConv(8), Classifier(2))
)
TOP1 = (Objective("top1"),)
LIMIT = Limit(Macs(), 90_000.0)
TARGET = np.random.default_rng(5).integers(4, size=LAYERS)


def likeness(rows: Any) -> dict[str, Any]:
    return {"top1": (rows == TARGET).mean(axis=1)}


def feasible_problem() -> Problem:
    cost = Problem(SPACE, TOP1, (LIMIT,)).costs(TARGET[None])["macs"][0]
    return Problem(SPACE, TOP1, (Limit(Macs(), float(cost)),))


@pytest.mark.parametrize("method", [RandomSearch(), Evolution()])
def test_proposals_are_feasible_canonical_and_depend_on_the_seed_alone(method: Any) -> None:
    problem = feasible_problem()
    first, again, other = (drive(method.search(problem, seed), likeness, 4).choices for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert first.tolist() != other.tolist()
    assert problem.feasible(first).all()
    np.testing.assert_array_equal(first, SPACE.canonical(first))


def test_random_search_proposes_nothing_twice_and_ends_with_the_space() -> None:
    small = SearchSpace(
        Template(8, Conv(4), ((Conv(4, choice(1, 3, 5)), Conv(choice(4, 8))),), PooledConv(8), Classifier(2))
    )
    results = drive(
        RandomSearch(batch=4).search(Problem(small, TOP1), 0), lambda rows: {"top1": rows[:, 0].astype(float)}, 1000
    )
    assert len(results) == small.size() == 6


def test_evolution_finds_what_random_search_does_not() -> None:
    problem = feasible_problem()
    evolved = drive(Evolution(population=40).search(problem, 0), likeness, 25)
    drawn = drive(RandomSearch(batch=40).search(problem, 0), likeness, 25)
    assert evolved.column("top1").max() == 1.0
    assert drawn.column("top1").max() < 1.0


def test_a_generation_holds_mutants_of_parents_and_crossings_of_them() -> None:
    problem = Problem(SPACE, TOP1)
    search = Evolution(population=20, parent_ratio=0.1, mutation_probability=0.0).search(problem, 0)
    start = next(search).choices
    results = drive(iter_once(start), likeness, 1)
    children = search.send(results).choices
    parents = start[np.argsort(-results.column("top1"), kind="stable")[:2]]
    mutants, crossings = children[:10], children[10:]
    assert {tuple(row) for row in mutants.tolist()} <= {tuple(row) for row in parents.tolist()}
    assert ((crossings == parents[0]) | (crossings == parents[1])).all()


def iter_once(rows: Any) -> Any:
    yield Proposals(rows)


def test_two_objectives_evolve_towards_the_front() -> None:
    objectives = (Objective("top1"), Objective("parameters", maximize=False))
    problem = Problem(SPACE, objectives, (LIMIT,))
    cost = Problem(SPACE, objectives, (Limit(Parameters(), 1e9),))

    def score(rows: Any) -> dict[str, Any]:
        return {**likeness(rows), **cost.costs(rows)}

    def area(results: Any) -> float:
        """Of what the front dominates, against no likeness and 3000 parameters."""
        values = np.stack([results.column("top1"), results.column("parameters")], axis=1)
        values = values[front(values, [True, False])]
        values = values[np.argsort(-values[:, 0])]
        widths = values[:, 0] - np.append(values[1:, 0], 0.0)
        return float((widths * np.maximum.accumulate(3000 - values[:, 1])).sum())

    evolved = drive(Evolution(population=40).search(problem, 0), score, 20)
    drawn = drive(RandomSearch(batch=40).search(problem, 0), score, 20)
    assert area(evolved) > area(drawn)


def test_an_impossible_limit_is_told_before_anything_is_proposed() -> None:
    problem = Problem(SPACE, TOP1, (Limit(Macs(), 1.0),))
    for method in (RandomSearch(), Evolution()):
        with pytest.raises(Infeasible, match="no candidate has macs <= 1: the lowest is"):
            next(method.search(problem, 0))


def test_settings_out_of_range_are_told_at_once() -> None:
    with pytest.raises(InvalidValue) as caught:
        Evolution(population=0, parent_ratio=0.0, mutation_probability=2.0)
    for text in ("population must be at least 1", "parent_ratio must be above 0", "mutation_probability must be at"):
        assert text in str(caught.value)
    with pytest.raises(InvalidValue, match="batch must be at least 1, got 0"):
        RandomSearch(batch=0)
