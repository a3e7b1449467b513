"""What methods that breed candidates share: how good results are, and who is kept."""

from __future__ import annotations

import numpy as np

from sculptnet.arch import IntMatrix
from sculptnet.pareto import FloatMatrix, best_first
from sculptnet.search.problem import Problem
from sculptnet.search.protocol import Results
from sculptnet.search.rows import distinct


def objective_values(problem: Problem, results: Results) -> FloatMatrix:
    """A column for each objective; NaN where an evaluation failed."""
    return np.stack([results.column(objective.metric) for objective in problem.objectives], axis=1)


def survivors(problem: Problem, rows: IntMatrix, values: FloatMatrix, number: int) -> tuple[IntMatrix, FloatMatrix]:
    """The best distinct rows that were evaluated, best first, and their values; at most `number`."""
    first = np.array(distinct(rows), dtype=np.int64)  # also of no rows
    known = first[~np.isnan(values[first]).any(axis=1)]
    order = best_first(values[known], [objective.maximize for objective in problem.objectives])[:number]
    return rows[known[order]], values[known[order]]
