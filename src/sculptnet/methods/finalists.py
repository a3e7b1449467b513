"""Finalists: drawn, exported and measured whole while untrained, then trained briefly, then a few in full.

The most accurate one is shipped. Where there is no time to train two, the first that is within the budget is shipped.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sculptnet.arch import Architecture, Candidate, IntMatrix
from sculptnet.cost import FactoredCost, LatencyTable, cost_of
from sculptnet.devices import Device, FileMemo, Model, Timing, times
from sculptnet.errors import Infeasible
from sculptnet.evaluate import Trains
from sculptnet.job import FitTaskJob, TrialTaskJob
from sculptnet.methods.searching import Target
from sculptnet.search import Evaluate, Job, Limit, Problem, Proposals, Results, Search, TrialRecord, run
from sculptnet.search.records import of_one_length
from sculptnet.stages.plan import SearchPlan
from sculptnet.stages.workers import as_workers, on_accelerator
from sculptnet.words import several

__all__ = [
    "ROUNDS",
    "SPEED_MARGIN",
    "Lasting",
    "Measured",
    "best_in_full",
    "best_of_finalists",
    "chosen",
    "given",
    "measured_by",
    "run_logged",
    "run_trials",
    "until_one_fits",
    "with_spare",
    "within",
]

SPEED_MARGIN = 1.03  # a device's own speed drifts by about so much between two measurements
ROUNDS = 4  # batches of draws that are measured before the search gives up on the budget


@dataclass(frozen=True, eq=False)
class Measured:
    """Evaluates a candidate by measuring it whole, untrained; if it fits and `training` is given, that comes next.

    Attributes:
        device: where.
        whole: makes the graph of a whole network.
        table: for the predicted latency.
        memo: keeps timings.
        reference: the network that the table's speed is that of.
        epochs: how long candidates are trained that the search says nothing about.
        at_most: the budget less what has to be to spare, milliseconds; what is slower is not trained.
        training: finds out how accurate it is, by training or otherwise, or None to measure only.
    """

    device: Device
    whole: Callable[[Architecture], Model]
    table: LatencyTable
    memo: FileMemo
    reference: Model
    epochs: int
    at_most: float
    training: Evaluate | None

    def __call__(self, candidate: Candidate, job: Job) -> Mapping[str, float]:
        """`predicted_latency_ms`, `measured_latency_ms` and its interval.

        Raises:
            Infeasible: it is over the budget, and so need not be trained.
        """
        timing = self._timing(candidate.architecture)
        if self.training is not None and timing.high_ms > self.at_most:
            raise Infeasible(
                f"measured {timing.median_ms:.4g} ms (95 %: up to {timing.high_ms:.4g}), over "
                f"{with_spare(self.at_most)}; not trained"
            )
        return {
            "predicted_latency_ms": cost_of(self.table, candidate.architecture),
            "measured_latency_ms": timing.median_ms,
            "measured_latency_low_ms": timing.low_ms,
            "measured_latency_high_ms": timing.high_ms,
        }

    def _timing(self, architecture: Architecture) -> Timing:
        """Timed now, and stated at the speed that the device had when the table was made."""
        models = {"candidate": self.whole(architecture)}
        found = times(models, self.device, reference=self.reference, alternate=True, memo=self.memo)
        timing = found["candidate"]
        return timing if self.table.reference_ms is None else timing.at(self.table.reference_ms)


@dataclass(frozen=True, eq=False)
class Lasting:
    """Evaluates by `training`, for `epochs` where the search does not say for how long."""

    training: Evaluate
    epochs: int

    def __call__(self, candidate: Candidate, job: Job) -> Mapping[str, float]:
        """What `training` gives."""
        return self.training(candidate, replace(job, epochs=self.epochs if job.epochs is None else job.epochs))


def measured_by(job: FitTaskJob, target: Target, epochs: int, training: Evaluate) -> Measured:
    """Measures candidates whole; those within the budget are judged by `training`, for `epochs` where it trains."""
    return Measured(
        device=job.device,
        whole=job.task.whole(job),
        table=target.table,
        memo=FileMemo(job.run.measurements),
        reference=job.reference(),
        epochs=epochs,
        at_most=target.problem.limits[0].at_most / SPEED_MARGIN,
        training=training,
    )


def best_of_finalists(
    job: TrialTaskJob, problem: Problem, evaluate: Measured, plan: SearchPlan, fitting: Sequence[TrialRecord]
) -> TrialRecord:
    """The most accurate of networks that were measured within the budget, each trained with its recipe.

    Raises:
        Infeasible: none was trained.
    """
    if plan.trial_epochs == 0:
        return fitting[0]
    rows = np.array([record.choices for record in fitting])
    lasting = several(plan.trial_epochs, "epoch")
    job.say(f"{len(rows)} finalists measured within the budget; training each for {lasting}")
    records = run_logged(job, given(rows, plan.trial_epochs), problem, evaluate, len(rows))
    return best_in_full(job, problem, evaluate, plan, records)


def best_in_full(
    job: TrialTaskJob, problem: Problem, evaluate: Measured, plan: SearchPlan, records: Sequence[TrialRecord]
) -> TrialRecord:
    """The most accurate within the budget; where the plan says so, of the best few after training in full.

    Raises:
        Infeasible: none was trained.
    """
    metric = job.task.metric
    trained = of_one_length([record for record in records if within(record, evaluate.at_most)], metric)
    ranked = sorted(trained, key=lambda record: -record.metrics[metric])
    rows = np.array(list(dict.fromkeys(record.choices for record in ranked))[: plan.full_trials])
    if len(rows) < 2:  # nothing to compare
        return chosen(job, trained or records)
    job.say(f"Training the best {len(rows)} of {len(records)} trials for {several(plan.epochs, 'epoch')}")
    return chosen(job, run_logged(job, given(rows, plan.epochs), problem, evaluate, len(rows)))


def run_logged(
    job: TrialTaskJob, search: Search, problem: Problem, evaluate: Measured, trials: int
) -> Sequence[TrialRecord]:
    """Runs `search` with the run's log of trials as memory; returns the trials that this search asked for.

    The networks of a round are measured one by one, with nothing beside them, and then trained side by side.
    """
    if evaluate.training is None:
        return run_trials(job, search, problem, evaluate, trials)
    trained = Lasting(evaluate.training, evaluate.epochs)
    side_by_side = isinstance(evaluate.training, Trains)  # judging takes moments, and a supernet is large
    return run_trials(job, search, problem, trained, trials, alone=evaluate, side_by_side=side_by_side)


def run_trials(
    job: TrialTaskJob,
    search: Search,
    problem: Problem,
    evaluate: Evaluate,
    trials: int,
    *,
    alone: Evaluate | None = None,
    side_by_side: bool = False,
) -> Sequence[TrialRecord]:
    """The same with any evaluation; `side_by_side` by the workers that were asked for."""
    known = job.run.trials(job.say)
    asked = as_workers(job.options.workers)
    return run(
        search,
        problem,
        evaluate,
        trials,
        known=known,
        log=job.run.log_trial,
        folder=job.run.trial_folder,
        alone=alone,
        workers=on_accelerator(asked, job.accelerator) if side_by_side else 1,
        events=job.log,
        progress=job.listener.progress,
    )


def given(rows: np.ndarray[tuple[int, int], np.dtype[np.int64]], epochs: int) -> Generator[Proposals, Results, None]:
    """A search that proposes `rows`, once."""
    yield Proposals(rows, epochs)


def until_one_fits(problem: Problem, propose: Callable[[int, Problem], IntMatrix]) -> Search:
    """Proposes what `propose` gives until one of a round is within the budget when measured.

    What is best by a table lies at the limit, where measuring whole finds about half over it; so every round keeps 3 %
    more distance from the first limit, that on latency, as far as the space goes.

    Args:
        problem: with the limits; its objectives play no part.
        propose: rows for the number of a round, from 1, and the problem with that distance.

    Raises:
        Infeasible: the first round has nothing to propose.
    """
    latency, *others = problem.limits
    cost = problem.factored[0]
    assert isinstance(cost, FactoredCost)  # latency tables add up
    (_, fastest_ms), _ = cost.extremes()
    for number in range(1, ROUNDS + 1):
        at_most = max(latency.at_most / SPEED_MARGIN**number, min(fastest_ms, latency.at_most))
        try:
            rows = propose(number, replace(problem, limits=(Limit(latency.cost, at_most), *others)))
        except Infeasible:
            if number == 1:
                raise
            return
        results = yield Proposals(rows)
        if any(error is None for error in results.errors):
            return


def with_spare(at_most: float) -> str:
    """What networks are held to, and why it is not the budget itself."""
    budget, spare = at_most * SPEED_MARGIN, 100 * (SPEED_MARGIN - 1)
    return f"{at_most:.4g} ms: the budget of {budget:.4g} ms less {spare:.0f} % to spare"


def within(record: TrialRecord, at_most: float) -> bool:
    """Whether the measured latency, its interval included, is within the budget."""
    return record.error is None and record.metrics["measured_latency_high_ms"] <= at_most


def chosen(job: TrialTaskJob, records: Sequence[TrialRecord]) -> TrialRecord:
    """The most accurate trial that was trained.

    Raises:
        Infeasible: none was; the message says why each was not, and what helps.
    """
    metric = job.task.metric
    trained = [record for record in records if metric in record.metrics]
    if not trained:
        reasons = [f"  - trial {record.trial}: {record.error or 'over the budget when measured'}" for record in records]
        raise Infeasible(
            "\n".join([f"none of {several(len(records), 'trial')} was trained; {_remedy(records)}", *reasons])
        )
    return max(trained, key=lambda record: record.metrics[metric])


def _remedy(records: Sequence[TrialRecord]) -> str:
    over = [record.error is None or record.error.startswith(f"{Infeasible.__name__}: ") for record in records]
    raised = "raise `latency_ms` a little" if any(over) else ""
    lowered = "" if all(over) else "lower `recipe.optimizer.learning_rate` where losses diverged"
    return ", and ".join(filter(None, (raised, lowered)))
