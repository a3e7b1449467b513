"""Search methods as generators of proposals, and the drivers that run them."""

from sculptnet.search.differentiable.method import dnas
from sculptnet.search.drivers import drive, run
from sculptnet.search.genetic import evolution
from sculptnet.search.local_workers import LocalWorkers
from sculptnet.search.nondominated import nsga2
from sculptnet.search.optuna_samplers import Sampler, optuna_search
from sculptnet.search.problem import Limit, Objective, Problem
from sculptnet.search.protocol import Evaluate, Job, Proposals, Results, Search
from sculptnet.search.random import random_search
from sculptnet.search.ray_workers import RayWorkers
from sculptnet.search.records import TrialRecord, best
from sculptnet.search.reinforcement.method import reinforce
from sculptnet.search.reinforcement.reward import Reward

__all__ = [
    "Evaluate",
    "Job",
    "Limit",
    "LocalWorkers",
    "Objective",
    "Problem",
    "Proposals",
    "RayWorkers",
    "Results",
    "Reward",
    "Sampler",
    "Search",
    "TrialRecord",
    "best",
    "dnas",
    "drive",
    "evolution",
    "nsga2",
    "optuna_search",
    "random_search",
    "reinforce",
    "run",
]
