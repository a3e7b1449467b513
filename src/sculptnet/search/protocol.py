"""What a search method, a driver and an evaluation say to each other.

A search method is a generator: it yields `Proposals` and receives `Results`. It never evaluates anything itself.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from sculptnet.arch import Candidate, IntMatrix
from sculptnet.errors import InvalidValue, suggestion
from sculptnet.records import Log, no_log
from sculptnet.records.trials import Curve
from sculptnet.state import Progress, no_progress

Columns: TypeAlias = Mapping[str, npt.NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class Proposals:
    """Candidates to evaluate.

    Attributes:
        choices: one canonical row each.
        epochs: how long to train, None for the recipe's own length.
        replicate: 0, or the number of the repetition if the same candidates are wanted again with other seeds.
    """

    choices: IntMatrix
    epochs: int | None = None
    replicate: int = 0


@dataclass(frozen=True, eq=False)
class Results:
    """What became of proposals, row by row in their order.

    Attributes:
        choices: as proposed.
        metrics: columns by name, units in the names; NaN where the evaluation failed or did not give this one.
        errors: the text of what went wrong, or None.
        curves: what trainings kept of each epoch; empty where nothing was trained.
        folders: what a trial left behind lies there.
    """

    choices: IntMatrix
    metrics: Columns
    errors: Sequence[str | None]
    curves: Sequence[Curve]
    folders: Sequence[Path | None]

    def __len__(self) -> int:
        return len(self.choices)

    def column(self, metric: str) -> npt.NDArray[np.float64]:
        """The values of one metric; NaN where an evaluation failed.

        Raises:
            InvalidValue: no evaluation gave it, although one succeeded.
        """
        if metric not in self.metrics:
            if all(error is not None for error in self.errors):
                return np.full(len(self), np.nan)
            raise InvalidValue(f"no evaluation gave the metric {metric!r}; {suggestion(metric, self.metrics)}")
        return self.metrics[metric]


Search: TypeAlias = Generator[Proposals, Results, None]
Score: TypeAlias = Callable[[IntMatrix], Columns]


def no_curve(curve: Curve) -> None:
    """Drops the curve."""


@dataclass(frozen=True)
class Job:
    """What an evaluation is told about the trial that it is for.

    Attributes:
        trial: its number, from 0 in the order of proposals.
        epochs: how long to train, None for the recipe's own length.
        replicate: the number of the repetition.
        folder: where the trial may leave files, or None.
        log: for events; the trial's number is added to each.
        progress: for progress bars.
        keep_curve: told the whole per-epoch curve when training is done; it becomes part of the trial's record.
    """

    trial: int
    epochs: int | None = None
    replicate: int = 0
    folder: Path | None = None
    log: Log = no_log
    progress: Progress = no_progress
    keep_curve: Callable[[Curve], None] = no_curve


Evaluate: TypeAlias = Callable[[Candidate, Job], Mapping[str, float]]
