"""Evaluation by looking up: tables of networks that others have trained, for comparing search methods in seconds."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import numpy.typing as npt

from sculptnet.arch import Candidate, Choices, IntMatrix, SearchSpace
from sculptnet.errors import InvalidValue, NotMeasured, collected
from sculptnet.search import Job
from sculptnet.search.protocol import Columns
from sculptnet.spaces import nas_bench_macro
from sculptnet.streams import stream

SHOWN = 5  # of many missing networks
PURPOSE = "evaluate.from_table: training"


@final
@dataclass(frozen=True, eq=False)
class FromTable:
    """What a table of trained networks says of a candidate. The call is for `run`, `score` for `drive`.

    Attributes:
        space: of the candidates.
        accuracies: of every training of a candidate, fractions, by its canonical choices.
        seed: None answers with the mean over the trainings, which is what a search wants to find out. A number answers
            with a single training, as a search really sees it: which one is drawn for each candidate, and every
            replicate is another one.
        metric: the name of what the table says.
    """

    space: SearchSpace
    accuracies: Mapping[Choices, tuple[float, ...]]
    seed: int | None = None
    metric: str = "top1"

    def __call__(self, candidate: Candidate, job: Job) -> Mapping[str, float]:
        """The accuracy of one training, or of all on average; `job.replicate` alone plays a part.

        Raises:
            NotInSpace: the candidate is none of the space.
            NotMeasured: the table does not have it, or has fewer trainings than replicates are asked for.
        """
        row = self.space.encode(candidate)
        self._check(np.array([row]))
        return {self.metric: self._said(row, job.replicate)}

    def score(self, choices: IntMatrix) -> Columns:
        """The accuracy of each row, replicate 0.

        Raises:
            NotMeasured: with the rows that the table does not have.
        """
        rows = self._check(choices)
        return {self.metric: np.array([self._said(row, 0) for row in rows], dtype=np.float64)}

    def means(self, choices: IntMatrix) -> npt.NDArray[np.float64]:
        """The mean accuracy over the trainings of each row, whatever the `seed`.

        Raises:
            NotMeasured: with the rows that the table does not have.
        """
        return np.array([_mean(self.accuracies[row]) for row in self._check(choices)], dtype=np.float64)

    def _check(self, choices: IntMatrix) -> list[Choices]:
        rows = [tuple(row) for row in self.space.canonical(choices).tolist()]
        missing = [row for row in dict.fromkeys(rows) if row not in self.accuracies]
        if missing:
            raise NotMeasured(
                f"the table of {len(self.accuracies)} networks lacks {_listed([str(row) for row in missing])}; "
                "search the part of the space that it covers"
            )
        return rows

    def _said(self, row: Choices, replicate: int) -> float:
        trainings = self.accuracies[row]
        if self.seed is None:
            return _mean(trainings)
        if replicate >= len(trainings):
            raise NotMeasured(
                f"the table has {len(trainings)} trainings of {row}, replicate {replicate} is none of "
                f"0..{len(trainings) - 1}"
            )
        order = stream(self.seed, PURPOSE, self._number(row)).permutation(len(trainings))
        return trainings[int(order[replicate])]

    def _number(self, row: Choices) -> int:
        """The row as digits of a number, one number for each row."""
        number = 0
        for option, count in zip(row, self.space.num_options.tolist(), strict=True):
            number = number * count + option
        return number


def read_nas_bench_macro(path: Path) -> FromTable:
    """The published table of NAS-Bench-Macro: 6,561 networks, each trained three times, CIFAR-10's test accuracy.

    Args:
        path: `nas-bench-macro_cifar10.json` of the authors' repository xiusu/NAS-Bench-Macro.

    Raises:
        InvalidValue: with everything that is wrong in the file, networks that it lacks among it.
    """
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InvalidValue(f"{path} cannot be read as JSON: {error}") from None
    space = nas_bench_macro()
    keys = [np.base_repr(number, 3).zfill(8) for number in range(space.size())]
    if not isinstance(data, dict):
        raise InvalidValue(f"{path} must hold an object with {len(keys)} networks, got {type(data).__name__}")
    unknown, lacking = sorted(set(data) - set(keys)), [key for key in keys if key not in data]
    problems = [f"{_listed(unknown)}: names are eight digits 0, 1 or 2"] if unknown else []
    problems += [f"lacks {_listed(lacking)}, of {len(keys)} networks"] if lacking else []
    wrong = [key for key in keys if key in data and not _is_record(data[key])]
    problems += [f"{_listed(wrong)}: test_acc must be a list of numbers in 0..100"] if wrong else []
    if problems:
        raise InvalidValue(collected(problems, str(path)))
    rows = {key: tuple(map(int, key)) for key in keys}
    return FromTable(space, {rows[key]: tuple(value / 100 for value in data[key]["test_acc"]) for key in keys})


def _is_record(record: Any) -> bool:
    accuracies = record.get("test_acc") if isinstance(record, dict) else None
    return isinstance(accuracies, list) and bool(accuracies) and all(map(_is_percentage, accuracies))


def _is_percentage(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 100


def _mean(trainings: tuple[float, ...]) -> float:
    return math.fsum(trainings) / len(trainings)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
