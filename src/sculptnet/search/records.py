"""The record of a trial, as it stands in the log, and the choice of the best."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from sculptnet.arch import Choices
from sculptnet.errors import Infeasible, InvalidValue, collected
from sculptnet.search.problem import Limit, Objective
from sculptnet.search.protocol import Curve

Key: TypeAlias = tuple[Choices, int | None, int]
SHOWN_ERRORS = 3


@dataclass(frozen=True)
class TrialRecord:
    """One evaluated candidate.

    Attributes:
        trial: its number, from 0 in the order of proposals.
        choices: its canonical row.
        epochs: how long it was trained, None for the recipe's own length.
        replicate: the number of the repetition.
        metrics: finite numbers, units in the names; costs of limits are among them even if the evaluation failed.
        curve: per-epoch events of its training.
        error: what went wrong, or None.
    """

    trial: int
    choices: Choices
    epochs: int | None = None
    replicate: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)
    curve: Curve = ()
    error: str | None = None

    @property
    def key(self) -> Key:
        """What makes two evaluations the same one."""
        return self.choices, self.epochs, self.replicate

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {
            "trial": self.trial,
            "choices": list(self.choices),
            "epochs": self.epochs,
            "replicate": self.replicate,
            "metrics": dict(self.metrics),
            "curve": [dict(event) for event in self.curve],
            "error": self.error,
        }

    @classmethod
    def from_json(cls, data: Any) -> TrialRecord:
        """The record that `to_json` wrote.

        Raises:
            InvalidValue: with everything that is missing or of another kind.
        """
        if not isinstance(data, dict):
            raise InvalidValue(f"a trial record is a JSON object, got {data!r}")
        problems = [
            f"{name} is missing" if name not in data else f"{name} is {data[name]!r}"
            for name, fits in _FIELDS.items()
            if name not in data or not fits(data[name])
        ]
        if problems:
            raise InvalidValue(collected(problems, "trial record"))
        metrics = {name: float(value) for name, value in data["metrics"].items()}
        tuples = {"choices": tuple(data["choices"]), "curve": tuple(data["curve"])}
        return cls(**{name: data[name] for name in _FIELDS} | tuples | {"metrics": metrics})


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


_FIELDS: Mapping[str, Callable[[Any], bool]] = {
    "trial": _whole,
    "choices": lambda value: isinstance(value, list) and all(map(_whole, value)),
    "epochs": lambda value: value is None or _whole(value),
    "replicate": _whole,
    "metrics": lambda value: isinstance(value, dict) and all(isinstance(v, (int, float)) for v in value.values()),
    "curve": lambda value: isinstance(value, list) and all(isinstance(event, dict) for event in value),
    "error": lambda value: value is None or isinstance(value, str),
}


def of_one_length(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The trials that came out, of the length that the plan has for them; those that a search cut short only if none.

    Accuracies after trainings of different lengths do not tell which network is better.
    """
    trained = [record for record in records if "top1" in record.metrics]
    return [record for record in trained if record.epochs is None] or trained


def best(records: Sequence[TrialRecord], objective: Objective, limits: Sequence[Limit] = ()) -> TrialRecord:
    """The record with the best `objective` among those that meet the `limits`; the first of equals.

    A limit is checked against the metric of its name (`Limit.metric`), which `run` records. Trials that failed or were
    not evaluated in the objective (because they were too slow when measured, say) are passed over.

    Raises:
        Infeasible: no record is left; the message has the errors, or the lowest values.
        InvalidValue: a limited cost was not recorded.
    """
    good = [record for record in records if record.error is None and objective.metric in record.metrics]
    if not good:
        raise Infeasible(f"none of {len(records)} trials has {objective.metric}{_reasons(records)}")
    problems = [f"trial {r.trial} has no {x.metric}" for r in good for x in limits if x.metric not in r.metrics]
    if problems:
        raise InvalidValue(collected(problems, "best"))
    within = [record for record in good if all(record.metrics[x.metric] <= x.at_most for x in limits)]
    if not within:
        seen = ", ".join(f"{x.metric} {min(record.metrics[x.metric] for record in good):g}" for x in limits)
        wanted = " and ".join(map(str, limits))
        raise Infeasible(f"none of {len(good)} trials meets {wanted}; the lowest values are {seen}: raise the limits")
    sign = 1 if objective.maximize else -1
    return max(within, key=lambda record: (sign * record.metrics[objective.metric], -record.trial))


def _reasons(records: Sequence[TrialRecord]) -> str:
    texts = list(dict.fromkeys(record.error for record in records if record.error is not None))
    more = [f"... and {len(texts) - SHOWN_ERRORS} more"] if len(texts) > SHOWN_ERRORS else []
    return "".join(f"\n  - {text}" for text in [*texts[:SHOWN_ERRORS], *more])
