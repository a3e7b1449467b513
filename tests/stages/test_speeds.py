"""Trial steps: by a clock that tests set, so that every second is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.methods.flows import SHORT, job_of

from sculptnet.arch import Architecture
from sculptnet.job import FitJob
from sculptnet.methods import FBNet
from sculptnet.methods.dnas import run_share, steps_of_a_candidate
from sculptnet.nets import MixedSupernet
from sculptnet.stages.batches import training_batches
from sculptnet.stages.plan import FEW_STEPS, WEIGHT_SHARE, SearchPlan
from sculptnet.stages.speed import (
    RUNTIME_SHARE,
    SEARCH_EXTRA,
    SHIPPING_SECONDS,
    TRIAL_STEPS,
    measure_speed,
    measure_training,
    peak_bytes,
)


@pytest.fixture
def job(tmp_path: Path) -> FitJob:
    """An open run."""
    return job_of(tmp_path / "run", FBNet())


@pytest.fixture
def typical(job: FitJob) -> Architecture:
    """A network of its space."""
    return job.space.decode([0, 0, 0]).architecture


@pytest.fixture
def threads() -> Iterator[None]:
    """Torch has two threads, and afterwards as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def ticking(step_s: Callable[[], float]) -> Callable[[], float]:
    """A clock on which whatever is timed takes what `step_s` says then."""
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += step_s()
        return now

    return clock


def test_a_step_is_the_median_of_three_after_one_that_is_not_counted(job: FitJob, typical: Architecture) -> None:
    begun_and_ended = iter([0.0, 100.0, 0.0, 1.0, 0.0, 9.0, 0.0, 2.0])
    timed = replace(job, clock=ticking(lambda: next(begun_and_ended)))
    speed = measure_training(timed, training_batches(job, job.data.train, job.recipe()), typical)
    assert TRIAL_STEPS == 3
    assert (speed.train_step_s, speed.search_step_s, speed.batch_size) == (2.0, 0.0, int(SHORT["batch_size"]))
    assert speed.shipping_s == pytest.approx(SHIPPING_SECONDS + 2 * RUNTIME_SHARE * len(job.data.test) / 24 * 2.0)
    assert next(begun_and_ended, None) is None


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize(("seconds", "expected"), [({2: 1.0, 1: 3.0}, 2), ({2: 3.0, 1: 1.0}, 1)])
def test_torch_goes_on_with_the_threads_that_were_faster(
    seconds: dict[int, float], expected: int, job: FitJob, typical: Architecture
) -> None:
    timed = replace(job, clock=ticking(lambda: seconds[torch.get_num_threads()]))
    speed = measure_training(timed, training_batches(job, job.data.train, job.recipe()), typical)
    assert (speed.torch_threads, speed.train_step_s) == (expected, 1.0)
    assert torch.get_num_threads() == expected


def test_a_search_step_is_four_of_weights_to_one_of_the_architecture(job: FitJob, typical: Architecture) -> None:
    batches = training_batches(job, job.data.train, job.recipe())
    calls = iter([*[1.0] * 8, *[10.0] * 8, *[100.0] * 8])
    timed = replace(job, clock=ticking(lambda: next(calls)))
    speed = measure_speed(timed, batches, 1, typical, MixedSupernet)
    assert speed.train_step_s == 1.0
    assert speed.search_step_s == pytest.approx(SEARCH_EXTRA * (WEIGHT_SHARE * 10.0 + (1 - WEIGHT_SHARE) * 100.0))
    calls = iter([*[1.0] * 8, *[10.0] * 8])
    every = measure_speed(timed, batches, None, typical, MixedSupernet)
    assert every.search_step_s == pytest.approx(SEARCH_EXTRA * 10.0), "all branches in both kinds of steps"
    calls = iter([1.0] * 8)
    assert measure_speed(timed, batches, None, typical, None).search_step_s == 0.0


def test_memory_is_counted_in_bytes() -> None:
    assert 2**26 < peak_bytes() < 2**42


# ---------------------------------------------------------------------- what a search makes of them
def test_a_step_with_one_branch_of_nine_trains_a_ninth_of_the_candidates(job: FitJob) -> None:
    counts = [len(node.options) for node in job.space.decisions.values()]
    assert counts == [9, 9, 9]
    assert run_share(1, job.space) == pytest.approx(1 / 9)
    assert run_share(3, job.space) == pytest.approx(1 / 3)
    assert run_share(12, job.space) == run_share(None, job.space) == 1.0


def test_a_search_too_short_to_tell_blocks_apart_says_in_how_many_steps_it_trains_each(
    job: FitJob, tmp_path: Path
) -> None:
    plan = SearchPlan(90, 9, 9000, 6, 3, 5, 30, {"search": 1.0}, 2**20, 1)
    assert steps_of_a_candidate(plan, 100, 1 / 9) == pytest.approx(0.8 * 90 * 90 / 9)
    assert steps_of_a_candidate(plan, 100, 1.0) > FEW_STEPS
    said: list[str] = []
    short = job_of(tmp_path / "short", FBNet(epochs=1, warmup_epochs=0), said=said)
    found = FBNet(epochs=1, warmup_epochs=0)
    found.plan(short, found.target(short).problem)
    (note,) = [text for text in said if text.startswith("Note: this search trains each candidate block in ")]
    assert "less than one step; below about 1000 it hardly tells blocks apart" in note


def test_branches_are_one_on_a_cpu_and_all_with_cuda_unless_they_are_set() -> None:
    assert (FBNet().branches_on("cpu"), FBNet().branches_on("cuda")) == (1, None)
    assert (FBNet(branches=4).branches_on("cpu"), FBNet(branches=4).branches_on("cuda")) == (4, 4)
