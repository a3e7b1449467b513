"""What every search method must do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np

from sculptnet.arch import Candidate, Choices
from sculptnet.cost import FactoredCost, Macs, cost_of
from sculptnet.learn.process import generators_as_found
from sculptnet.search import Job, Limit, Objective, Problem, Search, TrialRecord, run
from sculptnet.spaces import fbnet
from sculptnet.streams import stream
from sculptnet.testing.elsewhere import elsewhere


class SearchSuite(ABC):
    """Subclass it in a test file, name the class `Test...`, write `search`.

    Attributes:
        trials: candidates that each test evaluates; enough for several rounds of the method.
        metric: the objective, to be maximised; an accuracy between 0 and 1.
        keeps_limits: false for a method that only prefers what is within the limits.
    """

    trials: ClassVar[int] = 24
    metric: ClassVar[str] = "top1"
    keeps_limits: ClassVar[bool] = True

    @abstractmethod
    def search(self, problem: Problem, seed: int) -> Search:
        """A new search, at settings for which `trials` make several rounds."""

    def problem(self) -> Problem:
        """Small networks of FBNet's space within a budget that half of all random ones meet."""
        return small_problem(self.metric)

    def test_every_proposal_is_a_feasible_row(self) -> None:
        problem = self.problem()
        rows = np.array([record.choices for record in self._run()], dtype=np.int64)
        assert len(rows), "nothing was proposed"
        np.testing.assert_array_equal(problem.space.canonical(rows), rows)
        over = [tuple(row) for row in rows[~problem.feasible(rows)]]
        assert not (self.keeps_limits and over), f"proposed although over the limits: {over}"

    def test_the_same_seed_proposes_the_same(self) -> None:
        assert self._run() == self._run()

    def test_another_process_proposes_the_same(self) -> None:
        assert elsewhere(self, "proposed") == self.proposed()

    def test_the_global_generators_play_no_part(self) -> None:
        before = self._run()
        with generators_as_found():
            np.random.seed(1)  # the generator that must not matter
            assert self._run() == before

    def test_resuming_from_any_trial_gives_what_an_uninterrupted_run_gives(self) -> None:
        whole = self._run()
        for kept in sorted({1, len(whole) // 2, len(whole) - 1}):
            known = whole[:kept][::-1]  # trials are logged as they finish, in any order
            assert self._run(known=known) == whole, f"differs when resumed after {kept} trials"

    def test_failed_trials_do_not_end_the_search(self) -> None:
        records = self._run(fail_every=3)
        failed = [record for record in records if record.error is not None]
        assert failed
        assert len(records) == len(self._run())
        assert all(self.metric not in record.metrics for record in failed)

    def test_a_search_goes_on_when_every_first_trial_fails(self) -> None:
        assert len(self._run(fail_every=1)) > 0

    def proposed(self) -> list[list[int]]:
        """The choices of all trials, as JSON."""
        return [list(record.choices) for record in self._run()]

    def _run(self, *, known: tuple[TrialRecord, ...] = (), fail_every: int = 0) -> tuple[TrialRecord, ...]:
        problem = self.problem()
        landscape = Landscape(problem, self.metric, fail_every)
        return run(self.search(problem, 7), problem, landscape, self.trials, known=known)


@cache
def small_problem(metric: str) -> Problem:
    """Six layers of FBNet's nine candidates at 16 px, limited to the median multiply-adds of random networks."""
    space = fbnet(4, 16, channels=(8, 16), layers=(2, 4), strides=(1, 2), stem_channels=8, head_channels=16)
    costs = FactoredCost(space, Macs()).of(space.sample(stream(0, "testing.searches"), 500))
    return Problem(space, (Objective(metric),), (Limit(Macs(), float(np.median(costs))),))


@dataclass(frozen=True)
class Landscape:
    """A made-up accuracy: closeness to a hidden candidate, and a little for size. Every `fail_every`-th trial fails."""

    problem: Problem
    metric: str
    fail_every: int = 0

    def __call__(self, candidate: Candidate, job: Job) -> Mapping[str, float]:
        """The made-up accuracy of `candidate`; a trial that fails raises."""
        if self.fail_every and job.trial % self.fail_every == 0:
            raise RuntimeError(f"trial {job.trial} fails on purpose")
        space = self.problem.space
        row: Choices = space.encode(candidate)
        hidden = space.sample(stream(0, "testing.searches: hidden"), 1)[0]
        closeness = float(np.mean(np.array(row) == hidden))
        size = cost_of(Macs(), candidate.architecture) / max(limit.at_most for limit in self.problem.limits)
        return {self.metric: 0.1 + 0.7 * closeness + 0.1 * min(size, 1.0)}
