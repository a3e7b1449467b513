"""MnasNet (Tan et al., CVPR 2019, arXiv 1807.11626): reinforcement learning on measured latencies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, final

from sculptnet.job import FitTaskJob, TrialTaskJob
from sculptnet.methods.beyond import tried_beyond
from sculptnet.methods.finalists import Measured
from sculptnet.methods.trials import Trials
from sculptnet.search import Problem, Reinforce, Search, TrialRecord
from sculptnet.stages.plan import SearchPlan
from sculptnet.streams import stream

if TYPE_CHECKING:
    from sculptnet.report import SectionMaker

TYPICAL_OF = 256


@final
@dataclass(frozen=True, kw_only=True)
class MnasNet(Reinforce, Trials):
    """A controller that is rewarded for accuracy and for speed, over MnasNet's factorised space.

    It prefers what is within the limits and proposes what is beyond them, too, which is trained all the same: the
    search learns from it. The reward takes measured latencies, as in the paper. Batch, batches and rate follow from
    the number of trials where they are open.
    """

    name: ClassVar[str] = "mnasnet"
    default_space: ClassVar[str] = "mnasnet"

    def wished_trials(self) -> int | None:
        return self.trials()

    def trial_cost(self, problem: Problem, seed: int) -> float:
        """What a random candidate costs over what one within the limits does: what is proposed at first."""
        rng, cost = stream(seed, "flow/sampling"), problem.factored[0]
        anything, within = problem.space.sample(rng, TYPICAL_OF), problem.sample(rng, TYPICAL_OF)
        return float(cost.of(anything).mean() / cost.of(within).mean())

    def proposals(self, job: TrialTaskJob, problem: Problem, trials: int) -> Search:
        metric = "measured_latency_ms" if self.cost_metric is None else self.cost_metric
        planned = replace(self, cost_metric=metric).planned(trials)
        return planned.search(problem, job.options.seed, log=job.log)

    def recipe_problems(self) -> list[str]:
        return [f"method {self.name} searches architectures; random, evolution and optuna try recipes"]

    def driven(self, trials: int) -> int:
        return trials + 1  # it ends by itself, and logs what became of its last batch when it is asked once more

    def tried(self, job: FitTaskJob, problem: Problem, evaluate: Measured, plan: SearchPlan) -> Sequence[TrialRecord]:
        proposals = self.proposals(job, problem, plan.trials)
        return tried_beyond(job, proposals, problem, evaluate, self.driven(plan.trials))

    def course(self) -> tuple[SectionMaker, ...]:
        from sculptnet.report.sections import layer_diversity, search_over_batches

        return search_over_batches, layer_diversity
