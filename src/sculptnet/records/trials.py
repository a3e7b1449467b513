"""The record of a trial, as a line of `trials.jsonl`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Self, TypeAlias

from sculptnet.arch import Choices
from sculptnet.errors import InvalidValue, collected

Key: TypeAlias = tuple[Choices, int | None, int]
Curve: TypeAlias = tuple[Mapping[str, Any], ...]  # what a training keeps of each epoch


@dataclass(frozen=True)
class TrialRecord:
    """One evaluated candidate.

    Attributes:
        trial: its number, from 0 in the order of proposals.
        choices: its canonical row.
        epochs: how long it was trained, None for the recipe's own length.
        replicate: the number of the repetition.
        metrics: finite numbers, units in the names; costs of limits are among them even if the evaluation failed.
        curve: per epoch, what its training kept.
        error: what went wrong, or None.

    Raises:
        InvalidValue: a number that counts is below 0.
    """

    WHOLE: ClassVar[bool] = True

    trial: int
    choices: tuple[int, ...]
    epochs: int | None = None
    replicate: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)
    curve: Curve = ()
    error: str | None = None

    def __post_init__(self) -> None:
        counts = {"trial": self.trial, "epochs": self.epochs or 0, "replicate": self.replicate}
        problems = [f"{name} must be at least 0, got {value}" for name, value in counts.items() if value < 0]
        if any(choice < 0 for choice in self.choices):
            problems.append(f"choices must be at least 0, got {self.choices}")
        if problems:
            raise InvalidValue(collected(problems, "trial record"))

    @property
    def key(self) -> Key:
        """What makes two evaluations the same one."""
        return self.choices, self.epochs, self.replicate


@dataclass(frozen=True)
class Sample(TrialRecord):
    """A network of a supernet, judged.

    Attributes:
        source: the fingerprint of the supernet's weights.
    """

    source: str = field(kw_only=True)

    @classmethod
    def of(cls, record: TrialRecord, source: str) -> Self:
        """A trial on a supernet."""
        return cls(**{one.name: getattr(record, one.name) for one in fields(record)}, source=source)
