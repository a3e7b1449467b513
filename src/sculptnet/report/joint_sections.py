"""The course of a joint search: its rounds, how long they were trained and why, what its predictor knew before."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from sculptnet.report.facts import events_of, last_event
from sculptnet.report.html import Column, Content, Html, paragraph, table
from sculptnet.report.parts import Absent, Part, Section
from sculptnet.report.source import ReportData
from sculptnet.report.text import MISSING, duration, number, percent

TITLE = "Rounds of the search"
FEWEST = 3  # pairs, of a rank correlation
HEADS = ("Round", "Stage", "Trials", "Trained for", "Failed", "Best", "Mean", "Ranks predicted")


def goes_in_rounds(data: ReportData) -> bool:
    """Whether the run searched with a predictor of trials, its own or that of another run."""
    return any(event.get("event") in ("search_round", "search_refined") for event in data.events)


def joint_rounds(data: ReportData) -> Part:
    """The rounds as a table; the newest event of a round counts, since a resumed run logs it again."""
    rounds = {(event.get("stage"), event.get("round")): event for event in events_of(data, "search_round")}
    if not rounds:
        return _reused(data)
    columns = [Column(head, numeric=index not in (1, 3)) for index, head in enumerate(HEADS)]
    caption = (
        "Best and mean: accuracy on held-back training images. Ranks predicted: Spearman's correlation of what the "
        "predictor had said before the round and what came out; 1 is perfect, 0 chance."
    )
    rows = [_row(event) for event in rounds.values()]
    body = (table(caption, columns, rows), _stop(data), _prepared(data))
    return Section("rounds", TITLE, tuple(part for part in body if part is not None))


def _row(event: Mapping[str, Any]) -> list[Content]:
    epochs, count = event.get("epochs"), event.get("candidates")
    return [
        str(event.get("round")),
        str(event.get("stage")),
        MISSING if count is None else str(count),
        "in full" if epochs is None else f"{epochs} epoch{'s' * (epochs != 1)}",
        str(event.get("failed", MISSING)),
        percent(number(event.get("best"))),
        percent(number(event.get("mean"))),
        _correlation(event.get("pairs") or ()),
    ]


def _correlation(pairs: Any) -> str:
    known = np.array([(number(said), number(true)) for said, true in pairs], dtype=np.float64).reshape(-1, 2)
    if len(known) < FEWEST or not np.isfinite(known).all() or (np.ptp(known, axis=0) == 0).any():
        return MISSING
    from scipy.stats import spearmanr  # two seconds to import, which few pages need

    return f"{float(spearmanr(known[:, 0], known[:, 1]).statistic):.2f}"


def _stop(data: ReportData) -> Html | None:
    """How the length of later trials was chosen."""
    event = last_event(data, "search_stop")
    if event is None:
        return None
    wanted, epochs = number(event.get("wanted")), event.get("epochs")
    found = {int(epoch): number(value) for epoch, value in (event.get("correlations") or {}).items()}
    told = ", ".join(f"{value:.2f} after {epoch}" for epoch, value in sorted(found.items()))
    if epochs is None:
        return paragraph(
            f"No shorter training ranks the first round as its end does, with a correlation of {wanted:g} ({told}): "
            "all rounds were trained in full."
        )
    return paragraph(
        f"After {epochs} of {max(found, default=epochs)} epochs the ranks of the first round correlate by "
        f"{found.get(int(epochs), math.nan):.2f} with its last ({told}); {wanted:g} was asked for, so later rounds "
        "were trained for so long. Finalists were trained in full."
    )


def _prepared(data: ReportData) -> Html | None:
    """What the predictor's encoder knew before any trial."""
    r2 = (last_event(data, "search_pretrained") or {}).get("r2") or {}
    known = {name: number(value) for name, value in r2.items() if math.isfinite(number(value))}
    if not known:
        return None
    told = ", ".join(f"{name} {value:.3f}" for name, value in known.items())
    return paragraph(
        f"Before any trial the predictor had learned free statistics; R\u00b2 on held-out networks: {told}."
    )


def _reused(data: ReportData) -> Part:
    found = {event.get("round", place): event for place, event in enumerate(events_of(data, "search_refined"), 1)}
    if not found:
        return Absent(TITLE, "no round was logged")
    heads = ("Search", "Took", "Generations", "Best prediction")
    columns = [Column(head, numeric=index > 0) for index, head in enumerate(heads)]
    rows: list[list[Content]] = [
        [
            str(index),
            duration(number(event.get("seconds"))),
            str(event.get("generations", MISSING)),
            percent(number(event.get("predicted"))),
        ]
        for index, event in found.items()
    ]
    caption = (
        "Genetic searches on the predictor of another run, which trained nothing. A second one keeps more distance "
        "from the budget, since nothing that the first one proposed ran within it. Predictions are of accuracies after "
        "trials of that run."
    )
    return Section("rounds", TITLE, (table(caption, columns, rows),))
