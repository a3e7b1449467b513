"""Searches that learn from trials, without a supernet: how many trials, what they cost, with which settings."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from sculptnet.cost import Macs
from sculptnet.flow.methods import Method
from sculptnet.search import Limit, Objective, Problem, Search, TrialRecord
from sculptnet.spaces import fbnet
from sculptnet.state import Checkpoint, Log, NoCheckpoint, no_log
from sculptnet.streams import stream

TYPICAL_OF = 256


def wished_trials(method: Method, settings: Mapping[str, Any]) -> int | None:
    """As many as the user's settings make; None leaves it to the plan."""
    if "batches" in settings:
        batch = settings.get("batch", method.settings()["batch"].default)
        return int(settings["batches"] * batch)
    if {"rounds", "batch"} <= settings.keys():
        return int(settings["rounds"] * settings["batch"] + settings.get("finalists", settings["batch"]))
    draws: int | None = settings.get("draws")
    return draws


def check_settings(method: Method, settings: Mapping[str, Any]) -> None:
    """Lets the search say what is wrong with its settings before anything is measured: on a problem of one layer.

    Raises:
        InvalidValue: with everything that is.
    """
    space = fbnet(2, 8, channels=(8,), layers=(1,), strides=(1,), stem_channels=8, head_channels=8)
    problem = Problem(space, (Objective("top1"),), (Limit(Macs(), 1e12),))
    with closing(sampling_search(method, problem, 0, settings, TYPICAL_OF, no_log, NoCheckpoint())) as search:
        if inspect.isgeneratorfunction(method.search):
            next(search)


def cost_of_proposals(problem: Problem, seed: int) -> float:
    """What a random candidate costs over what one within the limits does: what a soft search proposes at first."""
    rng, cost = stream(seed, "flow/sampling"), problem.factored[0]
    anything, within = problem.space.sample(rng, TYPICAL_OF), problem.sample(rng, TYPICAL_OF)
    return float(cost.of(anything).mean() / cost.of(within).mean())


def sampling_search(
    method: Method,
    problem: Problem,
    seed: int,
    settings: Mapping[str, Any],
    trials: int,
    log: Log,
    checkpoint: Checkpoint,
) -> Search:
    """The method's generator: settings of the user, then of the method for so many trials.

    It gets the log, and the checkpoint for what it learns, if it takes them.
    """
    planned = method.planned(trials, settings) if method.planned is not None else {}
    parameters = inspect.signature(method.search).parameters
    kept = {name: one for name, one in {"log": log, "checkpoint": checkpoint}.items() if name in parameters}
    return method.search(problem, seed, **{**planned, **settings, **kept})


def of_one_length(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The trials that came out, of the length that the plan has for them; those that a search cut short only if none.

    Accuracies after trainings of different lengths do not tell which network is better.
    """
    trained = [record for record in records if "top1" in record.metrics]
    return [record for record in trained if record.epochs is None] or trained
