"""How well short training tells which network is better after longer training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from sculptnet.arch import Choices
from sculptnet.errors import InvalidValue
from sculptnet.job import FitTaskJob
from sculptnet.methods.finalists import Lasting, given, run_trials
from sculptnet.records.training_events import ProxyChecked
from sculptnet.search import Problem, TrialRecord
from sculptnet.stages.plan import SearchPlan
from sculptnet.stages.proxy import PURPOSE, ProxyCheck, newest_check, rank_correlations
from sculptnet.streams import stream
from sculptnet.words import several

DRAWS = 20  # of as many networks as are missing; small spaces have no more


@contextmanager
def proxied(job: FitTaskJob, problem: Problem, plan: SearchPlan) -> Iterator[None]:
    """Checks the proxy after the search inside, if that was asked for and not done; lengths before hours of trials."""
    unchecked = job.options.check_proxy and newest_check(job.events(), job.options.proxy_networks) is None
    if unchecked:
        check_lengths(plan)
    yield
    if unchecked:
        check_proxy(job, problem, plan)


def check_proxy(job: FitTaskJob, problem: Problem, plan: SearchPlan) -> ProxyCheck:
    """Trains some of the run's trials for as long as the network that is shipped, logs and says how the ranks agree.

    They lie evenly over the accuracies that trials reached; those that were trained so long anyway are among them.
    Where the run has fewer trials than asked for, random networks within the limits are trained briefly first.

    Raises:
        InvalidValue: trials are not shorter than that.
    """
    check_lengths(plan)
    number = job.options.proxy_networks
    short = _with_more(job, problem, plan, trained(job, plan.trial_epochs, None), number)
    already = trained(job, plan.epochs)
    rows = list(dict.fromkeys([*spread_out(short, number, job.task.metric), *(row for row in already if row in short)]))
    job.say(f"Checking the proxy: {len(rows)} networks for {several(plan.epochs, 'epoch')} each")
    training = Lasting(job.task.trial(job), plan.epochs)
    search = given(np.array(rows), plan.epochs)
    longer = run_trials(job, search, problem, training, len(rows), side_by_side=True)
    metric = job.task.metric
    both = [(short[one.choices], one.metrics[metric]) for one in longer if one.error is None]
    if len(both) < 2:
        raise InvalidValue("`check_proxy`: fewer than two networks could be trained longer; see trials.jsonl")
    pairs = tuple((one.trial, one.metrics[metric], long) for one, long in both)
    correlations = rank_correlations([pair[1] for pair in pairs], [pair[2] for pair in pairs], job.options.seed)
    check = ProxyCheck(plan.trial_epochs, plan.epochs, pairs, *correlations)
    job.log(ProxyChecked(number, plan.trial_epochs, plan.epochs, pairs, *correlations))
    job.say(str(check))
    return check


def check_lengths(plan: SearchPlan) -> None:
    """Raises `InvalidValue` where trials are not shorter than the training of the network that is shipped."""
    if not 0 < plan.trial_epochs < plan.epochs:
        raise InvalidValue(
            f"`check_proxy`: trials are trained for {plan.trial_epochs} epochs and the network that is shipped for "
            f"{plan.epochs}; for a comparison the first must lie between 0 and the second: give more `minutes`, or "
            "raise recipe.epochs where it is set"
        )


def trained(job: FitTaskJob, *epochs: int | None) -> dict[Choices, TrialRecord]:
    """The run's trials of these lengths that came out with an accuracy, the first of each network."""
    found: dict[Choices, TrialRecord] = {}
    for record in job.run.trials(job.say):
        if record.error is None and record.epochs in epochs and job.task.metric in record.metrics:
            found.setdefault(record.choices, record)
    return found


def _with_more(
    job: FitTaskJob, problem: Problem, plan: SearchPlan, short: Mapping[Choices, TrialRecord], number: int
) -> dict[Choices, TrialRecord]:
    """`short` and random networks, so that there are `number` if the space has them."""
    rng, rows = stream(job.options.seed, PURPOSE), dict.fromkeys(short)
    for _ in range(DRAWS):
        if len(rows) >= number:
            break
        rows |= dict.fromkeys(tuple(row) for row in problem.sample(rng, number).tolist())
    new = [row for row in rows if row not in short][: max(0, number - len(short))]
    if not new:
        return dict(short)
    job.say(f"Training {len(new)} random networks for {several(plan.trial_epochs, 'epoch')} each to compare")
    training = Lasting(job.task.trial(job), plan.trial_epochs)
    search = given(np.array(new), plan.trial_epochs)
    records = run_trials(job, search, problem, training, len(new), side_by_side=True)
    return {**short, **{one.choices: one for one in records if one.error is None}}


def spread_out(short: Mapping[Choices, TrialRecord], number: int, metric: str) -> list[Choices]:
    """`number` of the networks, evenly over the ranks of their `metric`, best and worst among them."""
    order = sorted(short, key=lambda row: (short[row].metrics[metric], short[row].trial))
    places = np.linspace(0, len(order) - 1, min(number, len(order))).round().astype(int)
    return [order[place] for place in places]
