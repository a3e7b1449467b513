"""Evaluation by prediction: a whole population at once, in a millisecond."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, final

import numpy as np
import numpy.typing as npt

from sculptnet.arch import Candidate, IntMatrix, SearchSpace
from sculptnet.search import Job
from sculptnet.search.protocol import Columns


class Predictor(Protocol):
    """Accuracies of all candidates of a space, such as an `AccuracyPredictor`."""

    @property
    def space(self) -> SearchSpace: ...

    def of(self, choices: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """The predicted accuracy of each row, a fraction, shape `(n,)`."""
        ...


@final
@dataclass(frozen=True, eq=False)
class FromPredictor:
    """What a predictor says of a candidate; `score` is for `drive`, the call is for `run`.

    Attributes:
        predictor: of the accuracies of a space.
        metric: the name of what it says; what is predicted and what is measured have different names.
    """

    predictor: Predictor
    metric: str = "predicted_top1"

    def __call__(self, candidate: Candidate, job: Job) -> Mapping[str, float]:
        """The predicted accuracy, a fraction; `job` plays no part.

        Raises:
            NotInSpace: the candidate is none of the predictor's space.
        """
        return {self.metric: float(self.predictor.of(self.predictor.space.encode(candidate))[0])}

    def score(self, choices: IntMatrix) -> Columns:
        """The predicted accuracy of each row."""
        return {self.metric: self.predictor.of(choices)}
