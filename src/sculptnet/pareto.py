"""Trade-offs: which candidates no other one beats in every objective."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from sculptnet.errors import InvalidValue

FloatMatrix: TypeAlias = npt.NDArray[np.float64]


def front(values: FloatMatrix, maximize: Sequence[bool]) -> npt.NDArray[np.bool_]:
    """Which rows no other row dominates: is at least as good everywhere and better somewhere. NaN never is on it.

    Args:
        values: `(candidates, objectives)`.
        maximize: for each objective, whether high is good.
    """
    goods = _oriented(values, maximize)
    numbers = ~np.isnan(goods).any(axis=1)
    result = np.zeros(len(goods), dtype=bool)
    result[numbers] = (_front_of_two if goods.shape[1] == 2 else _front_of_many)(goods[numbers])
    return result


def ranks(values: FloatMatrix, maximize: Sequence[bool]) -> npt.NDArray[np.int64]:
    """The number of the front of each row: 0 for the front, 1 for the front of the rest, ...; NaN rows come last."""
    if len(maximize) == 1:
        return np.unique(-_oriented(values, maximize)[:, 0], return_inverse=True)[1]
    goods = _oriented(values, maximize)
    rows = np.flatnonzero(~np.isnan(goods).any(axis=1))
    found = (_ranks_of_two if goods.shape[1] == 2 else _ranks_of_many)(goods[rows])
    result = np.full(len(goods), found.max(initial=-1) + 1, dtype=np.int64)
    result[rows] = found
    return result


def best_first(values: FloatMatrix, maximize: Sequence[bool]) -> npt.NDArray[np.int64]:
    """Row numbers, best first: by front, inside a front by crowding distance, lonely rows first.

    With one objective that is the order of its values, equal ones as they come. Reference: Deb et al., NSGA-II, 2002,
    section III.
    """
    if len(maximize) == 1:
        return np.argsort(-_oriented(values, maximize)[:, 0], kind="stable")
    rank = ranks(values, maximize)
    crowding = np.zeros(len(values))
    for number in np.unique(rank):
        rows = np.flatnonzero(rank == number)
        crowding[rows] = _crowding(values[rows])
    return np.lexsort((-crowding, rank))


def _oriented(values: FloatMatrix, maximize: Sequence[bool]) -> FloatMatrix:
    matrix = np.asarray(values, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[1] != len(maximize) or not len(maximize):
        raise InvalidValue(f"values need one column for each of {len(maximize)} objectives, got shape {matrix.shape}")
    return matrix * np.where(maximize, 1.0, -1.0)


def _front_of_two(goods: FloatMatrix) -> npt.NDArray[np.bool_]:
    """In order of the first objective, a row is on the front if its second one is above all that came before."""
    order = np.lexsort((-goods[:, 1], -goods[:, 0]))
    first, second = goods[order].T
    starts = np.searchsorted(-first, -first)  # of the rows with an equal first objective, the best second comes first
    reached = np.concatenate([[-np.inf], np.maximum.accumulate(second)])
    result = np.empty(len(goods), dtype=bool)
    result[order] = (second == second[starts]) & ((second > reached[starts]) | (starts == 0))
    return result


def _ranks_of_two(goods: FloatMatrix) -> npt.NDArray[np.int64]:
    """In order of the first objective, a row joins the first front whose best second objective is below its own.

    Jensen, IEEE Transactions on Evolutionary Computation 7(5), 2003: n log n, where one front after the other takes n
    rounds for n rows of which each dominates the next.
    """
    best, result = list[float](), np.empty(len(goods), dtype=np.int64)  # `best`, negated, ascends
    before, rank = (math.nan, math.nan), 0
    for row in np.lexsort((-goods[:, 1], -goods[:, 0])):
        first, second = goods[row].tolist()
        if (first, second) != before:
            rank = bisect_right(best, -second)
            best[rank : rank + 1] = [-second]
        result[row], before = rank, (first, second)
    return result


def _ranks_of_many(goods: FloatMatrix) -> npt.NDArray[np.int64]:
    result, left = np.full(len(goods), -1, dtype=np.int64), np.arange(len(goods))
    for rank in range(len(goods)):
        if not len(left):
            break
        on_front = _front_of_many(goods[left])
        result[left[on_front]] = rank
        left = left[~on_front]
    return result


def _front_of_many(goods: FloatMatrix) -> npt.NDArray[np.bool_]:
    result = np.ones(len(goods), dtype=bool)
    for row in np.argsort(-goods.sum(axis=1), kind="stable"):
        if result[row]:
            beaten = (goods <= goods[row]).all(axis=1) & (goods < goods[row]).any(axis=1)
            result &= ~beaten
    return result


def _crowding(values: FloatMatrix) -> npt.NDArray[np.float64]:
    """The sum over objectives of the distance between both neighbours, relative to the range; infinite at the ends."""
    result = np.zeros(len(values))
    for column in values.T:
        order = np.argsort(column, kind="stable")
        extent = column[order[-1]] - column[order[0]]
        result[order[[0, -1]]] = np.inf
        if extent > 0:
            result[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / extent
    return result
