"""The stages of a run, in order. Each reads what the ones before it left, so any of them can be the last."""

from __future__ import annotations

from enum import Enum


class Stage(Enum):
    """How far a run goes."""

    SEARCH = "search"
    TRAIN = "train"
    EXPORT = "export"
    REPORT = "report"
