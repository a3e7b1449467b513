"""The fine stage of a joint search alone, with the predictor of another run: seconds instead of trials."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from sculptnet.arch import IntMatrix
from sculptnet.errors import Infeasible, InvalidValue, RunError
from sculptnet.job import FitJob
from sculptnet.methods.finalists import ROUNDS, SPEED_MARGIN, Measured, run_logged, within
from sculptnet.records import Log
from sculptnet.records.search_events import SearchRefined
from sculptnet.runs import RunDirectory
from sculptnet.search import FineStage, Limit, Problem, Proposals, Search, TrialRecord
from sculptnet.search.joint_search.fine_stage import refine
from sculptnet.search.joint_search.predictor import JointPredictor, load_joint_predictor
from sculptnet.search.rows import distinct
from sculptnet.stages.plan import SearchPlan
from sculptnet.streams import stream_seed


def refined(
    job: FitJob, problem: Problem, evaluate: Measured, plan: SearchPlan, fine: FineStage
) -> Sequence[TrialRecord]:
    """What the other run's predictor likes most within this budget, measured whole; at most `plan.trials`.

    Raises:
        InvalidValue: the predictor is of another space.
        RunError: it was learned on other images.
        Infeasible: nothing that it likes runs within the budget.
    """
    predictor = learned_predictor(job)
    job.say("Searching with the predictor; the networks that it likes most are measured whole")
    search = refined_search(
        problem,
        predictor,
        job.options.seed,
        fine=fine,
        number=plan.draws,
        at_most_ms=evaluate.at_most,
        clock=job.clock,
        log=job.log,
    )
    records = run_logged(job, search, problem, replace(evaluate, training=None), ROUNDS * plan.draws)
    fitting = [record for record in records if within(record, evaluate.at_most)][: plan.trials]
    if not fitting:
        raise Infeasible(
            f"none of {len(records)} networks ran within {evaluate.at_most:g} ms on {job.device.name}; raise "
            "`latency_ms`, or stop other programs"
        )
    told = ", ".join(f"{value:.2%}" for value in predictor.of([record.choices for record in fitting]))
    job.say(f"Predicted top-1 of {len(fitting)} within the budget, as after trials there: {told}")
    return fitting


def learned_predictor(job: FitJob) -> JointPredictor:
    """The predictor of the run that was named.

    Raises:
        InvalidValue: it is damaged or of another space; the message names the first place that differs.
        RunError: it was learned on other images.
    """
    assert job.options.from_run is not None
    run = RunDirectory(job.options.from_run)
    there, here = run.info().identity["data_fingerprint"], job.loaded.fingerprint
    if there != here:
        raise RunError(
            f"the predictor of {run.folder} was learned on other images than {job.loaded.name} has (fingerprint "
            f"{there} there, {here} here); name those, or search anew without `from_run`"
        )
    try:
        return load_joint_predictor(run.predictor, job.space)
    except InvalidValue as error:
        raise InvalidValue(f"`from_run` {run.folder}: {error}") from error


def refined_search(
    problem: Problem,
    predictor: JointPredictor,
    seed: int,
    *,
    fine: FineStage,
    number: int,
    at_most_ms: float,
    clock: Callable[[], float],
    log: Log,
) -> Search:
    """Proposes `number` architectures, each with the recipe liked best for it, until one of them is within the budget.

    The first limit is that on latency. What is liked best lies at the limit by the table, where measuring whole finds
    about half over it; so every round keeps 3 % more distance.

    Args:
        problem: of the predictor's space.
        predictor: has learned accuracies.
        seed: of the genetic search.
        fine: its numbers.
        number: architectures a round.
        at_most_ms: the budget that measured latencies have to keep, with their intervals.
        clock: seconds; times the genetic search.
        log: is told a `SearchRefined` for each round.
    """
    latency, *others = problem.limits
    architecture = [not path.startswith("recipe.") for path in problem.space.decisions]
    asked: IntMatrix = np.empty((0, len(architecture)), dtype=np.int64)
    for index in range(1, ROUNDS + 1):
        begun, limit = clock(), Limit(latency.cost, latency.at_most / SPEED_MARGIN**index)
        narrowed = Problem(problem.space, problem.objectives, (limit, *others))
        try:
            found = refine(narrowed, predictor, stream_seed(seed, "refined", index), number=fine.kept, fine=fine)
        except Infeasible:
            if index == 1:
                raise
            return
        known = np.concatenate([asked, found.choices])
        new = [row for row in distinct(known[:, architecture]) if row >= len(asked)]
        rows = known[new[:number]]
        log(SearchRefined(index, round(clock() - begun, 2), found.generations, float(found.predicted[0])))
        if not len(rows):
            continue
        results = yield Proposals(rows)
        if (results.column("measured_latency_high_ms") <= at_most_ms).any():
            return
        asked = np.concatenate([asked, rows])
