"""The choice of the best trial."""

from __future__ import annotations

from collections.abc import Sequence

from sculptnet.errors import Infeasible, InvalidValue, collected
from sculptnet.records import TrialRecord
from sculptnet.search.problem import Limit, Objective

SHOWN_ERRORS = 3


def of_one_length(records: Sequence[TrialRecord], metric: str) -> list[TrialRecord]:
    """The trials with a `metric`, of the length that the plan has for them; those that a search cut short only if none.

    What is reached after trainings of different lengths does not tell which network is better.
    """
    trained = [record for record in records if metric in record.metrics]
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
