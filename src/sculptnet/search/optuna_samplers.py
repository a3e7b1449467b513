"""Optuna's samplers as searches (Akiba et al., Optuna, KDD 2019): ask, evaluate, tell. Needs the extra `optuna`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import count
from typing import TYPE_CHECKING

import numpy as np

from sculptnet.arch import Choices
from sculptnet.errors import MissingExtra
from sculptnet.rules import at_least, require
from sculptnet.search.problem import Problem
from sculptnet.search.protocol import Proposals, Search
from sculptnet.search.survival import objective_values
from sculptnet.streams import stream, stream_seed

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.study import Study
    from optuna.trial import Trial

ASKED, DRAWN = 20, 256  # asked for one new feasible candidate; then as many random ones are looked at


class Sampler(Enum):
    """Optuna's samplers that learn about categories."""

    TPE = "tpe"
    NSGA2 = "nsga2"


FIRST = {Sampler.TPE: 10, Sampler.NSGA2: 50}  # Optuna's defaults


@dataclass(frozen=True, kw_only=True)
class OptunaSearch:
    """Optuna's samplers: proposes what one of them asks for, a new feasible candidate each time, none twice.

    TPE models the good and the bad candidates by densities (Bergstra et al., NeurIPS 2011; all decisions jointly where
    there is one objective, with Optuna 5); NSGA-II breeds them. What a sampler asks for is told as failed and asked
    again where it is over the limits or was proposed before; after 20 times a random candidate within the limits takes
    its place. CMA-ES is not offered, since it does not know categories, nor are Gaussian processes, whose next answer
    would be the same one. The search ends when nothing new is found.

    Attributes:
        sampler: which one.
        first: random candidates within the limits before the sampler is asked; also the size of NSGA-II's population.
            None for Optuna's own: 10 for TPE, 50 for NSGA-II.
        batch: candidates asked for at once; they may be evaluated side by side.

    Raises:
        InvalidValue: with every setting that is out of range.
    """

    sampler: Sampler = Sampler.TPE
    first: int | None = None
    batch: int = 1

    def __post_init__(self) -> None:
        problems = at_least(self, 2 if self.sampler is Sampler.NSGA2 else 1, "first")
        require(problems + at_least(self, 1, "batch"), "OptunaSearch")

    def search(self, problem: Problem, seed: int) -> Search:
        """Rounds of proposals; decisions are categories to Optuna, ranges are whole numbers.

        Raises:
            MissingExtra: Optuna is not installed.
            Infeasible: no candidate meets the limits.
        """
        require_optuna()
        first = FIRST[self.sampler] if self.first is None else self.first
        return _asking(_Asked(problem, seed, self.sampler, first), first, self.batch)


def require_optuna() -> None:
    """Checks that Optuna is there.

    Raises:
        MissingExtra: it is not.
    """
    try:
        import optuna  # noqa: F401
    except ImportError as error:
        raise MissingExtra(
            f"this search needs the package `optuna` ({error}): pip install 'sculptnet[optuna]' or pip install optuna"
        ) from None


def _asking(asked: _Asked, first: int, batch: int) -> Search:
    """Rounds of `batch` candidates, after the random ones."""
    trials = asked.drawn(first)
    while trials:
        results = yield Proposals(np.array([asked.row_of(trial) for trial in trials], dtype=np.int64))
        for trial, values in zip(trials, objective_values(asked.problem, results).tolist(), strict=True):
            asked.tell(trial, values)
        new = [asked.another() for _ in range(batch)]
        trials = [trial for trial in new if trial is not None]


class _Asked:
    """A study, and what was proposed already."""

    def __init__(self, problem: Problem, seed: int, sampler: Sampler, first: int) -> None:
        self.problem, self.seed = problem, seed
        self.study = _study(problem, seed, sampler, first)
        self.distributions = _distributions(problem)
        self.seen: set[Choices] = set()
        self.draws = count()

    def drawn(self, number: int) -> list[Trial]:
        """At most `number` new candidates within the limits, at random."""
        rng = stream(self.seed, "optuna_search", next(self.draws))
        rows = self.problem.sample(rng, max(number, DRAWN)).tolist()
        new = [row for row in dict.fromkeys(map(tuple, rows)) if row not in self.seen][:number]
        for row in new:
            self.study.enqueue_trial(dict(zip(self.distributions, row, strict=True)))
        self.seen.update(new)
        return [self.study.ask(self.distributions) for _ in new]

    def another(self) -> Trial | None:
        """What the sampler asks for, or else a random candidate; None where there is nothing new."""
        for _ in range(ASKED):
            trial = self.study.ask(self.distributions)
            row = self.row_of(trial)
            if row not in self.seen and self.problem.feasible(np.array([row]))[0]:
                self.seen.add(row)
                return trial
            self.tell(trial, None)
        return next(iter(self.drawn(1)), None)

    def row_of(self, trial: Trial) -> Choices:
        """The canonical row."""
        choices = [[trial.params[path] for path in self.distributions]]
        return tuple(self.problem.space.canonical(choices)[0].tolist())

    def tell(self, trial: Trial, values: Sequence[float] | None) -> None:
        """How good a candidate is; None or NaN where that is unknown."""
        from optuna.trial import TrialState

        known = values is not None and not np.isnan(values).any()
        self.study.tell(trial, values if known else None, TrialState.COMPLETE if known else TrialState.FAIL)


def _study(problem: Problem, seed: int, sampler: Sampler, first: int) -> Study:
    import optuna

    chosen: BaseSampler
    number = stream_seed(seed, f"optuna_search: {sampler.value}") % 2**32  # what NumPy's old generators take
    if sampler is Sampler.TPE:
        chosen = optuna.samplers.TPESampler(n_startup_trials=first, seed=number)
    else:
        chosen = optuna.samplers.NSGAIISampler(population_size=first, seed=number)
    up, down = optuna.study.StudyDirection.MAXIMIZE, optuna.study.StudyDirection.MINIMIZE
    directions = [up if objective.maximize else down for objective in problem.objectives]
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # a new study is news to Optuna
    try:
        return optuna.create_study(sampler=chosen, directions=directions)
    finally:
        optuna.logging.set_verbosity(before)


def _distributions(problem: Problem) -> dict[str, BaseDistribution]:
    from optuna.distributions import CategoricalDistribution, IntDistribution

    return {
        path: IntDistribution(0, len(node.options) - 1)
        if node.ordered
        else CategoricalDistribution(tuple(range(len(node.options))))
        for path, node in problem.space.decisions.items()
    }
