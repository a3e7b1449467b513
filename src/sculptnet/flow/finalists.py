"""Finalists: drawn, exported and measured whole while untrained, then trained briefly, then a few in full.

The most accurate one is shipped. Where there is no time to train two, the first that is within the budget is shipped.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sculptnet.arch import Architecture, Candidate
from sculptnet.cost import LatencyTable, cost_of
from sculptnet.devices import Device, FileMemo, Model, Timing, measure_networks
from sculptnet.errors import Infeasible
from sculptnet.evaluate import ByTraining
from sculptnet.flow.context import Context
from sculptnet.flow.plan import Plan
from sculptnet.flow.sampling import of_one_length
from sculptnet.flow.searching import make_search, several
from sculptnet.flow.workers import decoders, on_accelerator
from sculptnet.runs import FileCheckpoint
from sculptnet.search import Evaluate, Job, Problem, Proposals, Results, Search, TrialRecord, random_search, run
from sculptnet.streams import stream_seed

SPEED_MARGIN = 1.03  # a device's own speed drifts by about so much between two measurements
DRAWN_WITHIN = 16  # networks, where a search that only prefers what is within the budget found none
ROUNDS = 4  # batches of draws that are measured before the search gives up on the budget


@dataclass(frozen=True, eq=False)
class Measured:
    """Evaluates a candidate by measuring it whole, untrained; if it fits and `training` is given, that comes next.

    Attributes:
        device: where.
        table: for the predicted latency, and for the precision.
        memo: keeps timings.
        reference: the network that the table's speed is that of.
        epochs: how long candidates are trained that the search says nothing about.
        at_most: the budget, milliseconds; what is slower is not trained.
        training: finds out how accurate it is, by training or otherwise, or None to measure only.
    """

    device: Device
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
            measured = f"measured {timing.median_ms:.3g} ms, up to {timing.high_ms:.3g} within 95 %"
            raise Infeasible(f"{measured}: over the budget, not trained")
        return {
            "predicted_latency_ms": cost_of(self.table, candidate.architecture),
            "measured_latency_ms": timing.median_ms,
            "measured_latency_low_ms": timing.low_ms,
            "measured_latency_high_ms": timing.high_ms,
        }

    def _timing(self, architecture: Architecture) -> Timing:
        """Timed now, and stated at the speed that the device had when the table was made."""
        found = measure_networks(
            {"candidate": architecture},
            self.device,
            precision=self.table.precision,
            reference=self.reference,
            alternate=True,
            memo=self.memo,
        )
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


def find_best(context: Context, problem: Problem, table: LatencyTable, plan: Plan) -> TrialRecord:
    """Runs the search and returns the best trial whose measured latency is within the budget.

    Raises:
        Infeasible: the search proposed nothing that the device runs within the budget.
    """
    method, evaluate = context.request.chosen_method()[0], measured_by(context, problem, table, plan)
    if method.supernet is None:
        return best_sampled(context, problem, evaluate, plan)
    fitting = measured_draws(context, problem, replace(evaluate, training=None), plan)
    return best_of_finalists(context, problem, evaluate, plan, fitting)


def measured_by(context: Context, problem: Problem, table: LatencyTable, plan: Plan) -> Measured:
    """Measures candidates whole, and trains those within the budget for as long as the plan has for them."""
    return Measured(
        device=context.device,
        table=table,
        memo=FileMemo(context.run.measurements),
        reference=context.reference(),
        epochs=plan.trial_epochs,
        at_most=problem.limits[0].at_most / SPEED_MARGIN,
        training=by_training(context),
    )


def best_of_finalists(
    context: Context, problem: Problem, evaluate: Measured, plan: Plan, fitting: Sequence[TrialRecord]
) -> TrialRecord:
    """The most accurate of networks that were measured within the budget, each trained with its recipe.

    Raises:
        Infeasible: none was trained.
    """
    if plan.trial_epochs == 0:
        return fitting[0]
    rows = np.array([record.choices for record in fitting])
    lasting = several(plan.trial_epochs, "epoch")
    context.voice.say(f"{len(rows)} finalists measured within the budget; training each for {lasting}")
    records = run_logged(context, given(rows, plan.trial_epochs), problem, evaluate, len(rows))
    return best_in_full(context, problem, evaluate, plan, records)


def best_in_full(
    context: Context, problem: Problem, evaluate: Measured, plan: Plan, records: Sequence[TrialRecord]
) -> TrialRecord:
    """The most accurate within the budget; where the plan says so, of the best few after training in full.

    Raises:
        Infeasible: none was trained.
    """
    trained = of_one_length([record for record in records if within(record, evaluate.at_most)])
    ranked = sorted(trained, key=lambda record: -record.metrics["top1"])
    rows = np.array(list(dict.fromkeys(record.choices for record in ranked))[: plan.full_trials])
    if len(rows) < 2:  # nothing to compare
        return chosen(context, trained or records)
    context.voice.say(f"Training the best {len(rows)} of {len(records)} trials for {several(plan.epochs, 'epoch')}")
    return chosen(context, run_logged(context, given(rows, plan.epochs), problem, evaluate, len(rows)))


def best_sampled(context: Context, problem: Problem, evaluate: Measured, plan: Plan) -> TrialRecord:
    """Of a search that learns from its trials, the best within the budget; the best few are first trained in full.

    Some searches also learn from what is over the budget, which is trained like the rest; where they find nothing else,
    random networks within the budget are drawn.
    """
    method, _ = context.request.chosen_method()
    anything = replace(evaluate, at_most=math.inf) if method.beyond else evaluate
    # one that ends by itself is asked for one trial more: so it is told what became of its last ones, and logs it
    trials = plan.trials + (method.planned is not None)
    records = run_logged(context, make_search(context, problem, plan), problem, anything, trials)
    if method.beyond and not any("top1" in one.metrics and within(one, evaluate.at_most) for one in records):
        context.voice.say(f"None of {len(records)} trials ran within the budget; drawing networks within it")
        search = random_search(problem, stream_seed(context.request.seed, "flow/within"))
        records = run_logged(context, search, problem, evaluate, DRAWN_WITHIN)
    return best_in_full(context, problem, evaluate, plan, records)


def measured_draws(context: Context, problem: Problem, evaluate: Measured, plan: Plan) -> Sequence[TrialRecord]:
    """Draws of the search, measured whole, until enough are within the budget; those, at most `plan.trials`."""
    fitting: list[TrialRecord] = []
    for number in range(1, ROUNDS + 1):
        context.voice.say(
            "Searching" if number == 1 else "Too few draws were within the budget when measured; drawing more"
        )
        records = run_logged(context, make_search(context, problem, plan), problem, evaluate, number * plan.draws)
        fitting = [record for record in records if within(record, evaluate.at_most)]
        if len(fitting) >= plan.trials or len(records) < number * plan.draws:
            break
    if not fitting:
        fastest = min(record.metrics["measured_latency_ms"] for record in records)
        raise Infeasible(
            f"none of {len(records)} draws ran within {evaluate.at_most:g} ms on {context.device.name}, the fastest in "
            f"{fastest:.3g} ms; the table promises too much: raise --latency-ms, or stop other programs"
        )
    return fitting[: plan.trials]


def run_logged(
    context: Context, search: Search, problem: Problem, evaluate: Measured, trials: int
) -> Sequence[TrialRecord]:
    """Runs `search` with the run's log of trials as memory; returns the trials that this search asked for.

    The networks of a round are measured one by one, with nothing beside them, and then trained side by side.
    """
    if evaluate.training is None:
        return run_trials(context, search, problem, evaluate, trials)
    trained = Lasting(evaluate.training, evaluate.epochs)
    side_by_side = isinstance(evaluate.training, ByTraining)  # judging takes moments, and a supernet is large
    return run_trials(context, search, problem, trained, trials, alone=evaluate, side_by_side=side_by_side)


def run_trials(
    context: Context,
    search: Search,
    problem: Problem,
    evaluate: Evaluate,
    trials: int,
    *,
    alone: Evaluate | None = None,
    side_by_side: bool = False,
) -> Sequence[TrialRecord]:
    """The same with any evaluation; `side_by_side` by the workers that were asked for."""
    known = [TrialRecord.from_json(line) for line in context.run.trials(context.voice.say)]
    asked = context.request.chosen_workers()
    return run(
        search,
        problem,
        evaluate,
        trials,
        known=known,
        log=lambda record: context.run.log_trial(record.to_json()),
        folder=context.run.trial_folder,
        alone=alone,
        workers=on_accelerator(asked, context.accelerator) if side_by_side else 1,
        events=context.log,
        progress=context.voice.progress,
    )


def given(rows: np.ndarray[tuple[int, int], np.dtype[np.int64]], epochs: int) -> Generator[Proposals, Results, None]:
    """A search that proposes `rows`, once."""
    yield Proposals(rows, epochs)


def within(record: TrialRecord, at_most: float) -> bool:
    """Whether the measured latency, its interval included, is within the budget."""
    return record.error is None and record.metrics["measured_latency_high_ms"] <= at_most


def chosen(context: Context, records: Sequence[TrialRecord]) -> TrialRecord:
    """The most accurate trial that was trained.

    Raises:
        Infeasible: none was; the message says why each was not.
    """
    trained = [record for record in records if "top1" in record.metrics]
    if not trained:
        reasons = [f"trial {record.trial}: {record.error or 'over the budget when measured'}" for record in records]
        raise Infeasible("no finalist could be trained\n" + "\n".join(f"  - {reason}" for reason in reasons))
    return max(trained, key=lambda record: record.metrics["top1"])


def by_training(context: Context) -> ByTraining:
    """Short training on 80 % of the training images, judged on the rest."""
    train_part, select_part = context.search_parts()
    return ByTraining(
        train=train_part,
        held_out=select_part,
        preprocessing=context.preprocessing,
        seed=stream_seed(context.request.seed, "trials"),
        num_workers=decoders(context.request.chosen_workers(), context.workers()),
        accelerator=context.accelerator,
        checkpoint_in=FileCheckpoint,
    )
