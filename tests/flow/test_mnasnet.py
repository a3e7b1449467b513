"""Reinforcement learning as a whole flow: trials beyond the budget teach, the network that is shipped is within it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from tests.flow.conftest import Ask, fitted

from sculptnet.cli.showing import show_settings
from sculptnet.errors import InvalidValue
from sculptnet.job import Stage
from sculptnet.methods import FBNet, MnasNet
from sculptnet.methods.finalists import SPEED_MARGIN
from sculptnet.records import of_kind
from sculptnet.records.codec import from_plain, to_plain
from sculptnet.records.search_events import SearchBatch
from sculptnet.result import FitResult
from sculptnet.runs import RunDirectory
from sculptnet.stages.plan import SearchPlan, Speed, Wishes, make_plan
from sculptnet.verbs import run_fit

BUDGET_MS = 0.1
SMALL = (
    "space.width=0.5",
    "space.layers=1",
    "space.filters=16,32",
    "space.strides=1,2,1",
    "space.last_channels=32",
    "space.head_channels=32",
    "space.squeeze=false",
    "recipe.batch_size=24",
    "recipe.epochs=3",
    "recipe.optimizer.learning_rate=0.05",
    "search.batches=2",
    "search.batch=4",
)
SPEED = Speed(0.0, 0.05, 100, 1.0, 20.0, 2**30, 2)
SEARCHLESS = Wishes(searches=False)


@pytest.fixture(scope="module")
def finished(ask: Ask, tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    """A finished run of eight trials, whose budget half of the space's networks keep."""
    run_dir = tmp_path_factory.mktemp("mnasnet") / "run"
    return fitted(ask(run_dir, method="mnasnet", settings=SMALL, latency_ms=BUDGET_MS, full_trials=3))


@pytest.mark.slow
def test_every_trial_is_trained_and_the_best_within_the_budget_again_in_full(finished: FitResult) -> None:
    run = RunDirectory(finished.folder)
    trials = run.trials(print)
    short = [trial for trial in trials if trial.epochs is None]
    full = [trial for trial in trials if trial.epochs is not None]
    assert all("top1" in trial.metrics for trial in trials)
    over = [trial for trial in short if trial.metrics["measured_latency_ms"] > BUDGET_MS]
    assert 0 < len(over) < len(short) <= 8
    assert {trial.epochs for trial in full} == {3}
    limit = BUDGET_MS / SPEED_MARGIN
    within = [trial for trial in short if trial.metrics["measured_latency_high_ms"] <= limit]
    best = sorted(within, key=lambda trial: -trial.metrics["top1"])[:3]
    assert [trial.choices for trial in full] == [trial.choices for trial in best]


@pytest.mark.slow
def test_what_is_shipped_is_within_the_budget(finished: FitResult) -> None:
    assert finished.within_budget is True
    assert finished.card is not None
    assert finished.card.measured["model.onnx"].latency_ms <= BUDGET_MS


@pytest.mark.slow
def test_the_controller_learned_from_measured_latencies_and_the_page_shows_it(finished: FitResult) -> None:
    run = RunDirectory(finished.folder)
    events = of_kind(run.events(print), SearchBatch)
    assert [event.batch for event in events] == [1, 2]  # the last results came back, too
    measured = {trial.metrics["measured_latency_ms"] for trial in run.trials(print)}
    assert {cost for event in events for cost in event.costs or ()} <= measured
    assert finished.report is not None
    figures = set(re.findall(r'<svg [^>]*aria-labelledby="(\w+)-title', finished.report.read_text()))
    assert {"reward", "latencies_around"} <= figures


# ---------------------------------------------------------------------- plans
def test_trials_are_as_short_as_they_may_be_until_there_are_a_hundred_of_them() -> None:
    epoch = 0.05 * 600
    plans = [make_plan(20 + epochs * epoch, SPEED, 60000, SEARCHLESS) for epochs in (20, 400, 2000, 20_000)]
    assert [plan.trial_epochs for plan in plans] == [1, 2, 5, 5]
    assert 2 < plans[0].trials < plans[1].trials == 100 < plans[2].trials < plans[3].trials
    for plan, epochs in zip(plans, (20, 400, 2000, 20_000), strict=True):
        assert sum(plan.seconds.values()) <= 20 + epochs * epoch


def test_few_images_mean_more_epochs_a_trial() -> None:
    assert make_plan(600, SPEED, 2000, SEARCHLESS).trial_epochs >= 5
    assert make_plan(30, SPEED, 500, SEARCHLESS).trial_epochs == 10


def test_what_is_proposed_beyond_the_budget_costs_more() -> None:
    plain, dear = (make_plan(1800, SPEED, 60000, replace(SEARCHLESS, trial_cost=cost)) for cost in (1.0, 2.0))
    assert dear.trials < plain.trials
    assert dear.seconds["trials"] == pytest.approx(plain.seconds["trials"], rel=0.2)


def test_three_trials_are_trained_in_full_where_there_is_time() -> None:
    hurried, patient = (make_plan(minutes * 60, SPEED, 60000, SEARCHLESS) for minutes in (60, 360))
    assert hurried.full_trials == 0
    assert patient.full_trials == 3
    assert patient.epochs >= 30
    assert make_plan(3600, SPEED, 60000, replace(SEARCHLESS, epochs=5)).full_trials == 3
    assert (
        from_plain({key: value for key, value in to_plain(hurried).items() if key != "full_trials"}, SearchPlan)
        == hurried
    )


@pytest.mark.parametrize(
    ("method", "setting", "message"),
    [
        ("mnasnet", "alpha=0.1", "alpha must be a number of at most 0, got 0.1; above 0, being slow would be rewarded"),
        ("evolution", "population=0", "population must be at least 1, got 0"),
        ("random", "batch=0", "batch must be at least 1, got 0"),
    ],
)
def test_what_a_search_refuses_is_said_before_anything_is_measured(
    method: str, setting: str, message: str, ask: Ask, tmp_path: Path
) -> None:
    with pytest.raises(InvalidValue, match=message):
        run_fit(ask(tmp_path / "run", method=method, settings=(f"search.{setting}",)), Stage.SEARCH)
    assert not (tmp_path / "run").exists()


def test_batches_say_how_many_trials_are_wished() -> None:
    assert MnasNet(batches=3, batch=5).wished_trials() == 15
    assert MnasNet(batches=3).wished_trials() == 60
    assert MnasNet(batch=5).wished_trials() is None
    assert FBNet(draws=4).wished_trials() == 4


def test_the_settings_of_reward_and_controller_are_shown() -> None:
    shown = {row["name"]: row["default"] for row in show_settings("mnasnet", None)[1]}
    assert (shown["search.alpha"], shown["search.beta"], shown["search.batch"]) == ("-0.07", "-0.07", "None")
    assert "space.squeeze" in shown
