"""Search methods as generators of proposals, and the drivers that run them."""

from sculptnet.records import TrialRecord
from sculptnet.search.differentiable.method import Branches, Dnas
from sculptnet.search.drivers import drive, run
from sculptnet.search.genetic import Evolution
from sculptnet.search.joint_search.fine_stage import FineStage, refine
from sculptnet.search.joint_search.learning import Learning
from sculptnet.search.joint_search.method import Joint
from sculptnet.search.joint_search.predictor import JointPredictor, load_joint_predictor
from sculptnet.search.local_workers import LocalWorkers
from sculptnet.search.nondominated import Nsga2
from sculptnet.search.optuna_samplers import OptunaSearch, Sampler
from sculptnet.search.problem import Limit, Objective, Problem
from sculptnet.search.protocol import Evaluate, Job, Proposals, Results, Search
from sculptnet.search.random import RandomSearch
from sculptnet.search.ray_workers import RayWorkers
from sculptnet.search.records import best
from sculptnet.search.reinforcement.method import Reinforce
from sculptnet.search.reinforcement.reward import Reward

__all__ = [
    "Branches",
    "Dnas",
    "Evaluate",
    "Evolution",
    "FineStage",
    "Job",
    "Joint",
    "JointPredictor",
    "Learning",
    "Limit",
    "LocalWorkers",
    "Nsga2",
    "Objective",
    "OptunaSearch",
    "Problem",
    "Proposals",
    "RandomSearch",
    "RayWorkers",
    "Reinforce",
    "Results",
    "Reward",
    "Sampler",
    "Search",
    "TrialRecord",
    "best",
    "drive",
    "load_joint_predictor",
    "refine",
    "run",
]
