"""Evolution on whole populations: where it ends, what it keeps, what another process does."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from sculptnet.arch import Architecture, IntMatrix, SearchSpace, choice, prefix
from sculptnet.blocks import Classifier, Conv, PooledConv
from sculptnet.cost import FactoredCost, Macs
from sculptnet.search import Evolution, Limit, Objective, Problem, Results, drive
from sculptnet.search.protocol import Columns
from sculptnet.search.rows import distinct, keys_of
from sculptnet.testing.elsewhere import run_elsewhere

STAGE = prefix(tuple(Conv(4, choice(1, 3, 5)) for _ in range(6)), 3, 4, 5, 6)
SPACE = SearchSpace(Architecture(8, Conv(4), (STAGE,), PooledConv(8), Classifier(2)))
PROBLEM = Problem(SPACE, (Objective("top1"),), (Limit(Macs(), 70_000.0),))


def score(rows: IntMatrix) -> Columns:
    """Rewards depth, and large kernels in later layers more."""
    return {"top1": rows @ np.linspace(1.0, 2.0, rows.shape[1])}


def populations(generations: int) -> list[IntMatrix]:
    """Every proposal of a search of ten candidates a generation."""
    search = Evolution(population=10, generations=generations).search(PROBLEM, 0)
    found, proposals = list[IntMatrix](), next(search)
    try:
        while True:
            rows = proposals.choices
            found.append(rows)
            proposals = search.send(Results(rows, score(rows), [None] * 10, [()] * 10, [None] * 10))
    except StopIteration:
        return found


def test_a_population_and_its_generations_are_proposed() -> None:
    found = populations(7)
    assert [len(rows) for rows in found] == [10] * 8
    for rows in found:
        assert PROBLEM.feasible(rows).all()
        np.testing.assert_array_equal(SPACE.canonical(rows), rows)
    np.testing.assert_array_equal(np.concatenate(found[:4]), np.concatenate(populations(3)))


def test_the_best_of_a_whole_space_is_found() -> None:
    every = np.array(list(itertools.product(*(range(count) for count in SPACE.num_options))), dtype=np.int64)
    every = SPACE.canonical(every)
    best = score(every[PROBLEM.feasible(every)])["top1"].max()
    results = drive(Evolution(population=40, generations=40).search(PROBLEM, 0), score)
    assert results.column("top1").max() == best


OTHER_PROCESS = """
from tests.search.test_genetic import PROBLEM, Evolution, drive, score
print(drive(Evolution(population=10, generations=6).search(PROBLEM, 5), score).choices.tolist())
"""


def test_another_process_proposes_the_same() -> None:
    done = run_elsewhere(OTHER_PROCESS)
    here = drive(Evolution(population=10, generations=6).search(PROBLEM, 5), score)
    assert done.strip() == str(here.choices.tolist())


@pytest.mark.parametrize("slack", [0.0, 1e-3, 0.05])
def test_it_goes_on_where_hardly_anything_is_feasible(slack: float) -> None:
    lowest = FactoredCost(SPACE, Macs()).extremes()[0].value
    tight = Problem(SPACE, PROBLEM.objectives, (Limit(Macs(), lowest * (1 + slack)),))
    results = drive(Evolution(population=10, generations=5).search(tight, 0), score)
    assert tight.feasible(results.choices).all()


def test_keys_are_equal_where_rows_are() -> None:
    rows = SPACE.sample(np.random.default_rng(0), 400)
    keys = keys_of(rows)
    assert len(set(keys)) == len(np.unique(rows, axis=0))
    assert keys == keys_of(np.asfortranarray(rows))
    _, first = np.unique(rows, axis=0, return_index=True)
    assert distinct(rows) == sorted(first.tolist())
    assert distinct(rows[:0]) == []
