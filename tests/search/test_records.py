from __future__ import annotations

import pytest

from sculptnet.cost import Macs
from sculptnet.errors import Infeasible, InvalidValue
from sculptnet.search import Limit, Objective, TrialRecord, best

TOP1 = Objective("top1")
LIMIT = Limit(Macs(), 100)


def record(trial: int, error: str | None = None, **metrics: float) -> TrialRecord:
    return TrialRecord(trial, (trial,), metrics=metrics, error=error)


def test_the_best_meets_the_limits_and_did_not_fail() -> None:
    records = [
        record(0, top1=0.5, macs=90),
        record(1, top1=0.9, macs=110),
        record(2, "RuntimeError: no", top1=0.95, macs=10),
        record(3, top1=0.7, macs=100),
        record(4, top1=0.7, macs=20),
        record(5, macs=1),
    ]
    assert best(records, TOP1, [LIMIT]).trial == 3
    assert best(records, TOP1).trial == 1
    assert best(records[:5], Objective("macs", maximize=False)).trial == 4


def test_no_best_says_why() -> None:
    with pytest.raises(Infeasible, match=r"none of 2 trials has top1\n  - RuntimeError: no"):
        best([record(0, "RuntimeError: no"), record(1, "RuntimeError: no")], TOP1)
    with pytest.raises(Infeasible, match=r"none of 2 trials meets macs <= 100; the lowest values are macs 110"):
        best([record(0, top1=1, macs=110), record(1, top1=1, macs=120)], TOP1, [LIMIT])
    with pytest.raises(InvalidValue, match="trial 0 has no macs"):
        best([record(0, top1=1)], TOP1, [LIMIT])
