"""Searches that learn from trials, without a supernet: how many trials, what they cost, with which settings."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from sculptnet.flow.methods import Method
from sculptnet.search import Problem, Search
from sculptnet.state import Log
from sculptnet.streams import stream

TYPICAL_OF = 256


def wished_trials(method: Method, settings: Mapping[str, Any]) -> int | None:
    """As many as the user's settings make; None leaves it to the plan."""
    if "batches" in settings:
        batch = settings.get("batch", method.settings()["batch"].default)
        return int(settings["batches"] * batch)
    draws: int | None = settings.get("draws")
    return draws


def cost_of_proposals(problem: Problem, seed: int) -> float:
    """What a random candidate costs over what one within the limits does: what a soft search proposes at first."""
    rng, cost = stream(seed, "flow/sampling"), problem.factored[0]
    anything, within = problem.space.sample(rng, TYPICAL_OF), problem.sample(rng, TYPICAL_OF)
    return float(cost.of(anything).mean() / cost.of(within).mean())


def sampling_search(
    method: Method, problem: Problem, seed: int, settings: Mapping[str, Any], trials: int, log: Log
) -> Search:
    """The method's generator: settings of the user, then of the method for so many trials; a log if it takes one."""
    planned = dict(method.planned(trials)) if method.planned is not None else {}
    if "batches" in settings:
        planned.pop("batch", None)  # the two go together
    logged = {"log": log} if "log" in inspect.signature(method.search).parameters else {}
    return method.search(problem, seed, **{**planned, **settings, **logged})
