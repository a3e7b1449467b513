"""The front is what no other row dominates, by the definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sculptnet.errors import InvalidValue
from sculptnet.pareto import FloatMatrix, best_first, front, ranks


def by_definition(values: FloatMatrix, maximize: list[bool]) -> list[bool]:
    goods = values * np.where(maximize, 1, -1)
    return [not any((other >= row).all() and (other > row).any() for other in goods) for row in goods]


@given(st.data(), st.integers(1, 4))
def test_the_front_is_what_nothing_dominates(data: st.DataObject, objectives: int) -> None:
    shape = st.tuples(st.integers(0, 12), st.just(objectives))
    values = data.draw(arrays(np.float64, shape, elements=st.integers(-3, 3)))
    maximize = data.draw(st.lists(st.booleans(), min_size=objectives, max_size=objectives))
    assert front(values, maximize).tolist() == by_definition(values, maximize)


def test_the_front_of_many_random_pairs(rng: np.random.Generator) -> None:
    values = rng.normal(size=(300, 2))
    assert front(values, [True, False]).tolist() == by_definition(values, [True, False])


def test_ranks_count_the_fronts_that_must_go_first() -> None:
    values = np.array([[3, 1], [1, 3], [2, 2], [2, 1], [1, 1], [np.nan, 9]], dtype=float)
    assert ranks(values, [True, True]).tolist() == [0, 0, 0, 1, 2, 3]
    assert front(values, [True, True]).tolist() == [True, True, True, False, False, False]


@given(st.data(), st.integers(2, 3))
def test_ranks_are_the_fronts_taken_away_one_by_one(data: st.DataObject, objectives: int) -> None:
    shape = st.tuples(st.integers(0, 15), st.just(objectives))
    values = data.draw(arrays(np.float64, shape, elements=st.integers(-3, 3)))
    maximize = data.draw(st.lists(st.booleans(), min_size=objectives, max_size=objectives))
    found, left = ranks(values, maximize), np.arange(len(values))
    for rank in range(len(values)):
        on_front = front(values[left], maximize)
        assert (found[left] == rank).tolist() == on_front.tolist()
        left = left[~on_front]


def test_ranks_of_a_long_chain(rng: np.random.Generator) -> None:
    order = rng.permutation(20_000)  # each row dominates the next: one front after the other would take minutes
    assert ranks(np.stack([order, order + 0.5], axis=1).astype(float), [False, False]).tolist() == order.tolist()


def test_one_objective_is_ordered_by_its_values(rng: np.random.Generator) -> None:
    values = rng.permutation(50).astype(float)[:, None]
    assert values[best_first(values, [True]), 0].tolist() == sorted(values[:, 0], reverse=True)
    assert values[best_first(values, [False]), 0].tolist() == sorted(values[:, 0])


def test_ends_and_lonely_rows_of_a_front_come_first() -> None:
    values = np.array([[0, 10], [1, 9], [2, 8], [6, 4], [10, 0], [0, 0]], dtype=float)
    order = best_first(values, [True, True]).tolist()
    assert set(order[:2]) == {0, 4}
    assert order[2:] == [3, 2, 1, 5]


def test_objectives_and_columns_must_agree() -> None:
    with pytest.raises(InvalidValue, match=r"one column for each of 2 objectives, got shape \(3, 1\)"):
        front(np.zeros((3, 1)), [True, False])
