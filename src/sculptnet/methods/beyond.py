"""Searches that learn from what is over the budget, too."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from sculptnet.job import FitTaskJob
from sculptnet.methods.finalists import Measured, run_logged, within
from sculptnet.search import Problem, RandomSearch, Search, TrialRecord
from sculptnet.streams import stream_seed

DRAWN_WITHIN = 16  # networks, where a search that only prefers what is within the budget found none


def tried_beyond(
    job: FitTaskJob, search: Search, problem: Problem, evaluate: Measured, trials: int
) -> Sequence[TrialRecord]:
    """Trials of `search`, whatever their latency; where none is within the budget, random networks within it."""
    records = run_logged(job, search, problem, replace(evaluate, at_most=math.inf), trials)
    if any(job.task.metric in one.metrics and within(one, evaluate.at_most) for one in records):
        return records
    job.say(f"None of {len(records)} trials ran within the budget; drawing networks within it")
    drawn = RandomSearch().search(problem, stream_seed(job.options.seed, "flow/within"))
    return run_logged(job, drawn, problem, evaluate, DRAWN_WITHIN)
