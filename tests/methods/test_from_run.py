"""A predictor of accuracies that one run has learned serves another budget, without a trial of its search."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.methods.flows import files_of, fitted, job_of, trials_of

from sculptnet.errors import Infeasible, InvalidValue, RunError
from sculptnet.methods import FBNetV3
from sculptnet.methods.finalists import ROUNDS, measured_by
from sculptnet.methods.refining import learned_predictor, refined
from sculptnet.methods.searched_run import searched_run
from sculptnet.result import FitResult
from sculptnet.runs import RunDirectory, RunInfo
from sculptnet.search import FineStage, Learning
from sculptnet.spaces.named import NamedSpace
from sculptnet.stages.plan import SearchPlan
from sculptnet.testing import tiny_images

SPACE = NamedSpace("fbnet", {"channels": "8,16,24", "layers": "1,1,1", "strides": "1,2,2", "head_channels": "32"})
FINE = FineStage(best=8, random=8, kept=16, children=10, generations=2)
LEARNING = Learning(samples=50, pretraining_epochs=1, encoder=(8,), head=(8,), frozen_epochs=2, epochs=2)
METHOD = FBNetV3(rounds=1, batch=4, finalists=1, pool=32, correlation=0.1, learning=LEARNING, fine=FINE)
TIGHTER = FBNetV3(finalists=2, fine=FINE)
TIGHTER_MS = 0.08


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    """A run that learned a predictor from five trials, one epoch each."""
    run_dir = tmp_path_factory.mktemp("searched") / "run"
    return fitted(run_dir, method=METHOD, space=SPACE, recipe={"epochs": "1", "batch_size": "24"})


@pytest.fixture(scope="module")
def told() -> list[str]:
    """What the second run said."""
    return []


@pytest.fixture(scope="module")
def served(searched: FitResult, told: list[str], tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    """A run for a smaller budget, with the first one's predictor and table."""
    return fitted(
        tmp_path_factory.mktemp("served") / "run",
        said=told,
        method=TIGHTER,
        from_run=searched.folder,
        latency_ms=TIGHTER_MS,
        table=searched.folder / "table.json",
        space=None,
        recipe=None,
    )


def test_the_smaller_budget_is_kept_by_what_the_predictor_likes(served: FitResult, told: list[str]) -> None:
    assert served.within_budget is True
    assert "Searching with the predictor; the networks that it likes most are measured whole" in told
    (line,) = [text for text in told if text.startswith("Predicted top-1 of ")]
    assert line.partition(" within the budget, as after trials there: ")[2].endswith("%")
    assert not (served.folder / "predictor").exists(), "nothing is learned"


def test_only_finalists_are_trained(served: FitResult) -> None:
    trained = [one for one in trials_of(served.folder) if "top1" in one.metrics]
    assert len(trained) <= 2
    assert all(one.metrics["predicted_latency_ms"] <= TIGHTER_MS for one in trials_of(served.folder))


def test_a_given_table_is_checked_on_the_device_and_kept(
    served: FitResult, searched: FitResult, told: list[str]
) -> None:
    assert any(text.startswith(f"Table {searched.folder / 'table.json'}, re-checked on 3 networks: ") for text in told)
    assert (served.folder / "table.json").read_bytes() == (searched.folder / "table.json").read_bytes()


def test_the_same_call_again_reads_the_result(served: FitResult, searched: FitResult) -> None:
    files = files_of(served.folder)
    again = fitted(
        served.folder,
        method=TIGHTER,
        from_run=searched.folder,
        latency_ms=TIGHTER_MS,
        table=searched.folder / "table.json",
        space=None,
        recipe=None,
    )
    assert again.summary() == served.summary()
    assert files_of(served.folder) == files


def test_other_images_or_another_space_than_the_predictors_are_refused(searched: FitResult, tmp_path: Path) -> None:
    job = job_of(tmp_path / "run", TIGHTER, from_run=searched.folder, space=None, recipe=None)
    other = replace(job, loaded=tiny_images(3, seed=1))
    with pytest.raises(RunError, match=r"was learned on other images than tiny_images has \(fingerprint \w+ there, "):
        learned_predictor(other)
    wider = replace(job, subject=NamedSpace("fbnet", {"layers": "1,1,1,1,1,1,1"})(3, 16))
    with pytest.raises(InvalidValue, match=rf"`from_run` {searched.folder}: "):
        learned_predictor(wider)


def test_where_nothing_that_is_liked_runs_within_the_budget_the_remedy_is_said(
    searched: FitResult, tmp_path: Path
) -> None:
    said: list[str] = []
    job = job_of(tmp_path / "run", TIGHTER, from_run=searched.folder, space=None, recipe=None, said=said)
    target = TIGHTER.target(job)
    evaluate = replace(measured_by(job, target, 1, lambda candidate, trial: {}), at_most=0.001)
    plan = SearchPlan(0, 0, 0, 2, 2, 1, 1, {"training": 1.0}, 2**20, 1)
    with pytest.raises(Infeasible) as caught:
        refined(job, target.problem, evaluate, plan, FINE)
    count = len(trials_of(job.run.folder))
    assert 2 <= count <= 2 * ROUNDS
    assert str(caught.value).startswith(f"none of {count} networks ran within 0.001 ms on fake; raise ")


def test_the_predictor_of_a_search_of_recipes_knows_no_other_network(searched: FitResult, tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    run.open(RunInfo("search-recipe", {"resolution": 16}, {"network": "fbnet_a"}), fresh=False)
    kept = RunDirectory(searched.folder).predictor.load()
    assert kept is not None
    run.predictor.save(*kept)
    with pytest.raises(InvalidValue, match=r"run searched recipes for fbnet_a: its predictor knows no other network$"):
        searched_run(run.folder)
