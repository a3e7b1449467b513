"""Search methods as generators of proposals, the drivers that run them, and `BY_NAME`: what the command line offers."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from sculptnet.search.dnas import dnas
from sculptnet.search.drivers import drive, run
from sculptnet.search.evolution import evolution
from sculptnet.search.problem import Limit, Objective, Problem
from sculptnet.search.protocol import Evaluate, Job, Proposals, Results, Search
from sculptnet.search.random import random_search
from sculptnet.search.records import TrialRecord, best

BY_NAME: Mapping[str, Callable[..., Search]] = MappingProxyType(
    {
        "dnas": dnas,
        "evolution": evolution,
        "random": random_search,
    }
)

__all__ = [
    "BY_NAME",
    "Evaluate",
    "Job",
    "Limit",
    "Objective",
    "Problem",
    "Proposals",
    "Results",
    "Search",
    "TrialRecord",
    "best",
    "dnas",
    "drive",
    "evolution",
    "random_search",
    "run",
]
