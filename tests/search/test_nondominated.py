"""NSGA-II: what it keeps, whom it breeds, and that it finds trade-offs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from sculptnet.arch import Architecture, IntMatrix, SearchSpace, choice
from sculptnet.blocks import Classifier, Conv, PooledConv
from sculptnet.cost import Macs
from sculptnet.errors import Infeasible, InvalidValue
from sculptnet.pareto import front
from sculptnet.search import Limit, Nsga2, Objective, Problem, Results, Search, drive
from sculptnet.search.protocol import Columns
from sculptnet.search.survival import survivors
from sculptnet.testing import SearchSuite

SPACE = SearchSpace(
    Architecture(8, Conv(4), (tuple(Conv(4, choice(1, 3, 5, 7)) for _ in range(5)),), PooledConv(8), Classifier(2))
)
TOP1 = Objective("top1")
BOTH = (TOP1, Objective("size", maximize=False))


class TestNsga2(SearchSuite):
    def search(self, problem: Problem, seed: int) -> Search:
        return Nsga2(population=6).search(problem, seed)


def score(rows: IntMatrix) -> Columns:
    """Early layers matter for the accuracy, late ones for the size; the front has 17 points."""
    return {"top1": rows @ np.array([4.0, 2.0, 1.0, 0.0, 0.0]), "size": rows @ np.array([1.0, 1.0, 1.0, 3.0, 3.0])}


def points(rows: IntMatrix) -> set[tuple[float, ...]]:
    """The objectives of what no other row beats."""
    values = np.stack(list(score(rows).values()), axis=1)
    return set(map(tuple, values[front(values, [True, False])].tolist()))


def test_the_whole_front_is_found() -> None:
    every = np.array(list(itertools.product(range(4), repeat=5)))
    found = drive(Nsga2(population=30, generations=40).search(Problem(SPACE, BOTH), 0), score)
    assert len(found) < len(every) / 2
    assert points(found.choices) == points(every)


def test_parents_and_children_compete_and_every_generation_has_its_size() -> None:
    problem = Problem(SPACE, (TOP1,))
    search = Nsga2(population=10, mutation_probability=0.0, crossover_probability=0.0, generations=2).search(problem, 0)
    start = next(search).choices
    children = search.send(bare(start)).choices
    assert len(children) == 10
    assert {tuple(row) for row in children.tolist()} <= {tuple(row) for row in start.tolist()}
    assert score(children)["top1"].mean() > score(start)["top1"].mean()  # winners of tournaments
    search.send(bare(children))
    with pytest.raises(StopIteration):
        search.send(bare(children))


def bare(rows: IntMatrix) -> Results:
    return Results(rows, score(rows), [None] * len(rows), [()] * len(rows), [None] * len(rows))


def test_survivors_are_the_best_different_rows_that_were_evaluated() -> None:
    rows = np.array([[0, 0, 0, 0, 0], [1, 0, 0, 0, 0], [1, 0, 0, 0, 0], [2, 0, 0, 0, 0], [3, 0, 0, 0, 0]])
    values = np.array([[1.0], [3.0], [3.0], [2.0], [np.nan]])
    kept, scores = survivors(Problem(SPACE, (TOP1,)), rows, values, 3)
    assert kept[:, 0].tolist() == [1, 2, 0]
    assert scores[:, 0].tolist() == [3.0, 2.0, 1.0]


def test_settings_out_of_range_and_impossible_limits_are_told() -> None:
    with pytest.raises(InvalidValue) as caught:
        Nsga2(population=1, generations=0, crossover_probability=-0.5)
    for text in ("population must be at least 2, got 1", "generations must be", "crossover_probability must be"):
        assert text in str(caught.value)
    with pytest.raises(Infeasible, match="no candidate has macs <= 1"):
        next(Nsga2().search(Problem(SPACE, BOTH, (Limit(Macs(), 1.0),)), 0))
