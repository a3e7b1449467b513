"""Every method that learns from trials, from images to a measured model, through the public call on tiny data."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from tests.methods.flows import BUDGET_MS, SPACE, architecture_of, files_of, fitted, table_of, trials_of

from sculptnet.arch import recipe_from_json
from sculptnet.cost import cost_of
from sculptnet.methods import ALL, Differentiable, Evolution, FBNetV3, Method, MnasNet, Nsga2, Optuna, Random, Trials
from sculptnet.methods.finalists import SPEED_MARGIN
from sculptnet.methods.started import Started
from sculptnet.networks import with_open_recipe
from sculptnet.result import FitResult
from sculptnet.search import FineStage, Learning, Limit, Objective, Problem

METHODS: dict[str, Method[Any]] = {
    "random": Random(batch=3),
    "evolution": Evolution(population=2, parent_ratio=0.5),
    "nsga2": Nsga2(population=2),
    "optuna": Optuna(first=2),
    "mnasnet": MnasNet(batches=2, batch=3),
    "fbnetv3": FBNetV3(
        rounds=2,
        batch=4,
        finalists=1,
        pool=32,
        correlation=0.1,
        learning=Learning(samples=50, pretraining_epochs=1, encoder=(8,), head=(8,), frozen_epochs=2, epochs=2),
        fine=FineStage(children=10, generations=2),
    ),
}
WITHIN = ("random", "evolution", "nsga2", "optuna")  # they propose what is predicted to be within the budget


@pytest.fixture(scope="module", params=METHODS)
def name(request: pytest.FixtureRequest) -> str:
    """Of a method."""
    return str(request.param)


@pytest.fixture(scope="module")
def finished(name: str, tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    """A finished run of the method."""
    return fitted(tmp_path_factory.mktemp("flow") / "run", method=METHODS[name])


def test_all_methods_that_learn_from_trials_are_tried_here() -> None:
    others = {one.name for one in ALL if issubclass(one, (Differentiable, Started))}
    assert others == {"fbnet", "fbnetv2", "ofa", "carve"}, "each has a file of its own in tests/flow"
    assert METHODS.keys() | others == {one.name for one in ALL}


def test_what_is_shipped_is_measured_within_the_budget_and_classifies(finished: FitResult) -> None:
    assert finished.within_budget is True
    assert f"model.onnx is within the budget of {BUDGET_MS} ms on fake" in finished.summary()
    network = finished.network().eval()
    assert network.architecture == finished.architecture
    assert network(torch.zeros(2, 3, 16, 16)).shape == (2, 3)


def test_it_is_the_most_accurate_trial_within_the_budget(finished: FitResult) -> None:
    trained = [one for one in trials_of(finished.folder) if "top1" in one.metrics]
    within = [one for one in trained if one.metrics["measured_latency_high_ms"] <= BUDGET_MS / SPEED_MARGIN]
    whole = [one for one in within if one.epochs is None] or within
    best = max(whole, key=lambda one: one.metrics["top1"])
    assert architecture_of(best) == finished.architecture


def test_it_was_trained_for_as_long_as_was_said_with_the_recipe_of_its_trial(name: str, finished: FitResult) -> None:
    recipe = recipe_from_json(json.loads((finished.folder / "model" / "recipe.json").read_text()))
    assert (recipe.epochs, recipe.batch_size) == (2, 24)
    if name == "fbnetv3":
        space, trials = with_open_recipe(SPACE)(3, 16), trials_of(finished.folder)
        tried = [space.decode(one.choices) for one in trials if architecture_of(one) == finished.architecture]
        assert recipe.dropout in [one.recipe.dropout for one in tried]
        assert recipe.augmentation.mixup in [one.recipe.augmentation.mixup for one in tried]
    else:
        assert recipe.augmentation == SPACE(3, 16).recipe.augmentation


def test_no_network_is_trained_twice_and_what_is_predicted_is_the_tables(finished: FitResult) -> None:
    records, table = trials_of(finished.folder), table_of(finished)
    assert len({record.key for record in records}) == len(records) >= 2
    for record in records:
        if record.error is None:
            assert record.metrics["predicted_latency_ms"] == cost_of(table, architecture_of(record))


def test_what_is_measured_over_the_budget_is_trained_only_where_the_search_learns_from_it(
    name: str, finished: FitResult
) -> None:
    for record in trials_of(finished.folder):
        if name in WITHIN:
            assert record.metrics["predicted_latency_ms"] <= BUDGET_MS
            assert ("top1" in record.metrics) == (record.error is None)
            assert record.error is None or "% to spare; not trained" in record.error
        else:
            assert "top1" in record.metrics


def test_what_is_proposed_first_follows_from_the_seed_and_the_table(name: str, finished: FitResult) -> None:
    method = METHODS[name]
    space = with_open_recipe(SPACE)(3, 16) if isinstance(method, FBNetV3) else SPACE(3, 16)
    problem = Problem(space, (Objective("top1"),), (Limit(table_of(finished), BUDGET_MS),))
    if isinstance(method, MnasNet):
        search = method.planned(6).search(problem, 0)
    elif isinstance(method, FBNetV3):
        search = method.planned(9).search(problem, 0)
    else:
        assert isinstance(method, Trials)
        search = method.search(problem, 0)
    first = list(dict.fromkeys(map(tuple, next(search).choices.tolist())))
    found = [record.choices for record in trials_of(finished.folder)]
    assert found[: len(first)] == first[: len(found)]


def test_the_same_call_again_reads_and_writes_nothing(name: str, finished: FitResult) -> None:
    files = files_of(finished.folder)
    again = fitted(finished.folder, method=METHODS[name])
    assert again.summary() == finished.summary()
    assert again.front == finished.front
    assert files_of(finished.folder) == files


def test_the_front_is_of_trials_that_no_other_one_beats(finished: FitResult) -> None:
    points = [(one.latency_ms, one.top1) for one in finished.front]
    assert points
    assert points == sorted(points)
    assert [top1 for _, top1 in points] == sorted({top1 for _, top1 in points})
    trials = [one.metrics for one in trials_of(finished.folder) if "top1" in one.metrics and one.epochs is None]
    for latency_ms, top1 in points:
        assert not any(one["measured_latency_ms"] <= latency_ms and one["top1"] > top1 for one in trials)


def test_the_page_shows_the_trials(finished: FitResult) -> None:
    assert finished.report is not None
    page = finished.report.read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "Accuracy over latency" in page
