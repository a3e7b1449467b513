"""What a joint search has asked for and learned so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

import numpy as np

from sculptnet.arch import IntMatrix
from sculptnet.search.joint_search.learning import Vector
from sculptnet.search.joint_search.predictor import JointPredictor
from sculptnet.search.protocol import Results
from sculptnet.search.rows import keys_of


@final
@dataclass
class History:
    """Candidates in the order of proposals. Those that failed are asked for no more, and teach nothing."""

    predictor: JointPredictor
    rows: list[IntMatrix] = field(default_factory=list)
    values: list[Vector] = field(default_factory=list)
    brief: list[bool] = field(default_factory=list)
    asked: dict[bytes, bool] = field(default_factory=dict)  # and whether that was for the last time

    def unasked(self, rows: IntMatrix, *, brief_again: bool = False) -> IntMatrix:
        """The rows that were not asked for; with `brief_again` also those that came out of short training."""
        keys = keys_of(rows)
        return rows[[key not in self.asked or (brief_again and not self.asked[key]) for key in keys]]

    def add(self, results: Results, *, brief: bool) -> Vector:
        """Remembers the results of a round; returns the objective of each row, NaN of those that failed."""
        values = np.array(results.column(self.predictor.objective.metric), dtype=np.float64)
        values[~np.isfinite(values) | np.array([error is not None for error in results.errors], dtype=bool)] = np.nan
        known = ~np.isnan(values)
        self.rows.append(results.choices[known])
        self.values.append(values[known])
        self.brief += [brief] * int(known.sum())
        for key, came_out in zip(keys_of(results.choices), known, strict=True):
            self.asked[key] = self.asked.get(key, False) or not brief or not came_out
        return values

    def learned_from(self) -> tuple[IntMatrix, Vector, np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]:
        """What `JointPredictor.learned` takes."""
        return np.concatenate(self.rows), np.concatenate(self.values), np.array(self.brief, dtype=bool)
