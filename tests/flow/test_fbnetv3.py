"""Architecture and recipe searched together as a whole flow; its predictor serves another budget without trials."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from time import monotonic
from typing import Any

import numpy as np
import pytest
from tests.asking import asked
from tests.flow.conftest import Ask, Command, fitted

from sculptnet import cli, spaces
from sculptnet.cli.showing import show_settings
from sculptnet.cost import Macs
from sculptnet.errors import InvalidValue, RunError
from sculptnet.job import Stage
from sculptnet.methods import FBNetV3, Searching, made
from sculptnet.methods.finalists import SPEED_MARGIN
from sculptnet.methods.refining import refined_search
from sculptnet.options import FitOptions
from sculptnet.records import Event, of_kind
from sculptnet.records.search_events import SearchRefined, SearchRound, SearchStop
from sculptnet.result import FitResult
from sculptnet.runs import RunDirectory, RunInfo
from sculptnet.search import FineStage, Learning, Limit, Objective, Problem, Results, TrialRecord
from sculptnet.search.joint_search.predictor import pretrain
from sculptnet.search.records import of_one_length
from sculptnet.stages.lengths import length_notes
from sculptnet.stages.plan import Speed, Wishes, make_plan
from sculptnet.tasks.classify import opened
from sculptnet.verbs import check, run_fit

BUDGET_MS, TIGHTER_MS = 0.2, 0.15
SMALL = (
    "space.width=0.125",
    "space.round_to=8",
    "space.fewer_layers=9",
    "space.head_channels=32",
    "recipe.batch_size=16",
    "recipe.epochs=12",
)
QUICK = (
    "search.rounds=2",
    "search.batch=5",
    "search.finalists=2",
    "search.pool=64",
    "search.correlation=0.1",
    "search.learning.samples=100",
    "search.learning.pretraining_epochs=2",
    "search.fine.children=40",
    "search.fine.generations=5",
)
FEW = ("search.fine.children=40", "search.fine.generations=5")
SPEED = Speed(0.0, 0.05, 100, 1.0, 20.0, 2**30, 2)


@pytest.fixture(scope="module")
def finished(ask: Ask, tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    """A finished run of twelve trials."""
    run_dir = tmp_path_factory.mktemp("fbnetv3") / "run"
    settings = (*SMALL, *QUICK)
    return fitted(ask(run_dir, method="fbnetv3", settings=settings, latency_ms=BUDGET_MS, full_trials=1))


@pytest.mark.slow
def test_later_rounds_are_as_short_as_the_first_has_shown_and_finalists_are_trained_in_full(
    finished: FitResult,
) -> None:
    run = RunDirectory(finished.folder)
    trials, events = run.trials(print), run.events(print)
    (stop,) = of_kind(events, SearchStop)
    assert stop.epochs is not None
    assert 1 <= stop.epochs < 10
    lengths = [trial.epochs for trial in sorted(trials, key=lambda one: int(one.trial))]
    assert lengths == [None] * 5 + [stop.epochs] * 5 + [None] * 2
    trained = [trial for trial in trials if trial.error is None]
    assert [len(trial.curve) for trial in trained] == [trial.epochs or 10 for trial in trained]
    rounds = of_kind(events, SearchRound)
    assert [event.stage for event in rounds] == ["coarse", "coarse", "fine"]


@pytest.mark.slow
def test_what_is_shipped_is_within_the_budget_and_was_trained_with_its_recipe(finished: FitResult) -> None:
    run = RunDirectory(finished.folder)
    assert finished.within_budget is True
    whole = [one for one in run.trials(print) if one.error is None and one.epochs is None]
    within = [one for one in whole if one.metrics["measured_latency_high_ms"] <= BUDGET_MS / SPEED_MARGIN]
    best = max(within, key=lambda one: one.metrics["top1"])
    space = spaces.with_recipe(
        spaces.fbnetv3(3, 16, width=0.125, round_to=8, fewer_layers=9, head_channels=32),
        replace(spaces.fbnetv3_recipe(batch_size=16, learning_rate_factor=0.5), epochs=12),
    )
    candidate = space.decode(best.choices)
    recipe = json.loads((run.model / "recipe.json").read_text())
    assert candidate.architecture == finished.architecture
    assert (recipe["epochs"], recipe["dropout"]) == (12, candidate.recipe.dropout)
    assert recipe["augmentation"]["mixup"] == candidate.recipe.augmentation.mixup
    assert finished.report is not None
    page = finished.report.read_text(encoding="utf-8")
    for text in ("Recipes", "--set recipe.epochs=12", "Rounds of the search", "Predicted against true accuracy"):
        assert text in page


@pytest.mark.slow
def test_another_budget_is_served_from_the_predictor_without_a_trial_of_the_search(
    finished: FitResult, ask: Ask, photos: Path, tmp_path: Path
) -> None:
    fewer = Path(copytree(photos, tmp_path / "fewer"))
    (fewer / "red" / "000.png").unlink()
    values: dict[str, Any] = {
        "method": "fbnetv3",
        "latency_ms": TIGHTER_MS,
        "from_run": finished.folder,
        "table": finished.folder / "table.json",
        "settings": ("search.finalists=2", *FEW),
    }
    result = run_fit(ask(tmp_path / "run", **values))
    run = RunDirectory(result.folder)
    assert result.within_budget is True
    assert result.card is not None
    assert result.card.measured["model.onnx"].latency_ms <= TIGHTER_MS
    events = of_kind(run.events(print), SearchRefined)
    assert events
    assert not (result.folder / "predictor").exists()
    trained = [trial for trial in run.trials(print) if "top1" in trial.metrics]
    assert 1 <= len(trained) <= 2
    assert {f"space.{name}={text}" for name, text in run.info().command["space"]["settings"].items()} == {*SMALL[:4]}
    before = (run.folder / "trials.jsonl").read_bytes()
    assert run_fit(ask(tmp_path / "run", **values)).card == result.card
    assert (run.folder / "trials.jsonl").read_bytes() == before
    with pytest.raises(
        RunError, match=r"was learned on other images than fewer has \(fingerprint \w+ there, \w+ here\)"
    ):
        run_fit(ask(tmp_path / "other", **(values | {"data": str(fewer)})), Stage.SEARCH)


# ---------------------------------------------------------------------- what is asked for
def request(**values: Any) -> tuple[FitOptions, Searching[Any]]:
    """Options and the method in them, checked as far as they can be before images are read."""
    plain: dict[str, Any] = {"data": "images", "latency_ms": 1.0, "device": "sculptnet.testing:fake_device"}
    options = asked(FitOptions, **(plain | {"method": "fbnetv3"} | values))
    check(options)
    method = made(options.method, FBNetV3)
    assert isinstance(method, Searching)
    return options, method


@pytest.mark.parametrize(
    ("values", "recipe_decisions"),
    [
        ({}, 8),
        ({"space": "fbnet"}, 8),
        ({"space": "fbnet", "settings": ("search.recipes=false",)}, 0),
        ({"settings": ("search.recipes=false",)}, 0),
        ({"method": "random", "space": "fbnetv3"}, 0),
    ],
)
def test_recipes_are_open_in_any_space_unless_the_user_says_otherwise(
    values: dict[str, Any], recipe_decisions: int
) -> None:
    options, method = request(**values)
    space = method.maker(options)(10, 28)
    assert sum(path.startswith("recipe.") for path in space.decisions) == recipe_decisions
    if recipe_decisions:
        assert space.recipe.batch_size == 128


def test_settings_reach_the_predictor_and_the_fine_stage() -> None:
    _, method = request(settings=("search.learning.encoder=32,16", "search.fine.children=100"))
    assert method == FBNetV3(learning=Learning(encoder=(32, 16)), fine=FineStage(children=100))
    shown = {row["name"]: row for row in show_settings("fbnetv3", None)[1]}
    assert shown["search.learning.weight_decay"]["default"] == "3.0"
    assert shown["search.fine.gain"]["default"] == "1e-06"
    assert shown["recipe.dropout"]["default"] == "searched: 0.01 to 0.31, 31 values"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("search.learning.samples=1", "samples must be at least 10, got 1"),
        (
            "search.learning.sample=1",
            r"`search\.learning\.sample`: Learning has no field 'sample'; did you mean samples",
        ),
        ("search.fine.kept=0", "kept must be at least 1, got 0"),
        ("search.finalists=200", r"finalists must be at most FineStage\.kept \(96\), got 200"),
        ("recipe.dropout=2", r"Recipe\.dropout must be at least 0 and at most 1, got 2"),
        ("space.open_recipe=false", r"`space\.open_recipe`: method fbnetv3 opens recipes in any space; set `search"),
        ("space.open_recipe=true", r"`space\.open_recipe`: method fbnetv3 opens recipes in any space; set `search"),
    ],
)
def test_wrong_settings_are_told_before_images_are_read(setting: str, message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        request(settings=(setting,))


def test_a_run_without_a_predictor_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match=r"is no run directory \(no run\.json\)"):
        request(from_run=tmp_path)
    RunDirectory(tmp_path).open(RunInfo("fit", {"resolution": 16}, {"method": "random"}), fresh=False)
    with pytest.raises(InvalidValue, match=r"has no predictor of accuracies; .* method='fbnetv3'\)` learns one"):
        request(from_run=tmp_path)


def searched(folder: Path, **command: Any) -> Path:
    """A run that kept a predictor; `command`: how it was begun."""
    run = RunDirectory(folder)
    run.open(RunInfo("fit", {"resolution": 16}, {"method": "fbnetv3", **command}), fresh=False)
    pretrain(spaces.nas_bench_macro(), Objective("top1"), 0, Learning(samples=20, encoder=(4,))).save(run.predictor)
    return folder


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"settings": ("space.width=0.5",)}, r"`space`: the predictor belongs to the space of .*run; leave it out"),
        ({"settings": ("recipe.epochs=5",)}, r"`recipe`: the predictor belongs to the recipe of .*run; leave it out"),
        (
            {"settings": ("search.rounds=3",)},
            r"`search\.rounds`: nothing is learned; `search\.finalists` and",
        ),
        ({"settings": ("search.finalists=0",)}, r"`search\.finalists=0`: what is shipped is one of them"),
        ({"settings": ("search.recipes=false",)}, r"`search\.recipes` must be True, as .*run has learned, got False"),
        ({"seed": 7}, r"`seed` 7: .*run has learned with 0; leave it out"),
        ({"resolution": 32}, r"`resolution` 32: .*run has learned with 16; leave it out"),
        ({"space": "fbnet"}, r"`space`: the predictor belongs to the space of .*run; leave it out"),
        ({"method": "random"}, r"method random uses no predictor; method fbnetv3 does"),
    ],
)
def test_what_does_not_go_with_a_predictor_is_refused(values: dict[str, Any], message: str, tmp_path: Path) -> None:
    run = searched(tmp_path / "run", space={"space": None, "settings": {"width": "0.25"}})
    with pytest.raises(InvalidValue, match=message):
        request(from_run=run, **values)


def test_what_goes_with_a_predictor_is_taken_whatever_its_run_was_given_as_values(tmp_path: Path) -> None:
    own = {"space": None, "settings": {"width": "0.25"}}
    run = searched(tmp_path / "run", space=own, data={"value": "ImageData"}, device={"value": "Fake"})
    options, method = request(
        from_run=run, resolution=16, seed=0, settings=("space.width=0.25", "search.finalists=2", *FEW)
    )
    assert options.resolution == 16
    plain, _ = request(from_run=run)
    decided = method.asked(plain)
    assert (decided.space, decided.resolution, decided.data) == (options.space, 16, plain.data)
    without = searched(tmp_path / "without", method={"method": "fbnetv3", "settings": {"recipes": "False"}})
    request(from_run=without, settings=("search.recipes=false",))
    with pytest.raises(InvalidValue, match=r"`search\.recipes` must be False, as .*without has learned, got True"):
        request(from_run=without)


def test_all_that_does_not_go_with_a_predictor_is_told_at_once(command: Command, tmp_path: Path) -> None:
    run = searched(tmp_path / "run")
    typed = ("--from-run", str(run), "--set", "space.width=0.5", "--set", "recipe.epochs=5", "--seed", "7")
    code, _, error = command("fit", str(tmp_path), *typed, "--device", "sculptnet.testing:fake_device")
    assert code == cli.BAD_REQUEST
    for text in (
        "the budget is missing",
        f"--space: the predictor belongs to the space of {run}; leave it out",
        f"`recipe`: the predictor belongs to the recipe of {run}; leave it out",
        f"--seed 7: {run} has learned with 0; leave it out",
    ):
        assert text in error


@pytest.mark.parametrize("file", ["000001.json", "000001.safetensors"])
def test_a_predictor_of_which_half_is_there_is_told(tmp_path: Path, file: str) -> None:
    searched(tmp_path)
    kept = tmp_path / "predictor" / file
    kept.write_bytes(kept.read_bytes()[: kept.stat().st_size // 2])
    with pytest.raises(InvalidValue, match=rf"predictor/{file} (cannot be read as JSON|is damaged)"):
        request(from_run=tmp_path)


# ---------------------------------------------------------------------- trials
def test_what_the_user_sets_of_the_rounds_stays_and_the_rest_makes_the_trials() -> None:
    assert FBNetV3().planned(48) == FBNetV3(batch=8, rounds=5, finalists=8)
    assert FBNetV3(batch=8).planned(60) == FBNetV3(batch=8, rounds=5, finalists=20)
    assert FBNetV3(rounds=2).planned(60) == FBNetV3(batch=20, rounds=2, finalists=20)
    assert FBNetV3(finalists=4).planned(60) == FBNetV3(batch=10, rounds=5, finalists=4)
    assert FBNetV3(rounds=3, batch=8).wished_trials() == 32
    assert FBNetV3(batch=8).wished_trials() is None
    assert (FBNetV3().fewest_trials(), FBNetV3(batch=40).fewest_trials()) == (12, 41)


def test_few_minutes_still_mean_enough_trials_to_learn_from() -> None:
    hurried = make_plan(60, SPEED, 60000, Wishes(searches=False, fewest_trials=12))
    assert (hurried.trials, hurried.trial_epochs) == (12, 1)


@pytest.mark.parametrize(
    ("trial_epochs", "settings", "told"),
    [
        (2, SMALL, "trials of 2 epochs choose recipes for short trainings, which cost accuracy in 90 epochs"),
        (12, SMALL, None),
        (2, (*SMALL, "search.recipes=false"), None),
    ],
)
def test_short_trials_of_recipes_for_a_long_training_are_told(
    ask: Ask, tmp_path: Path, trial_epochs: int, settings: tuple[str, ...], told: str | None
) -> None:
    options = ask(tmp_path / "run", method="fbnetv3", settings=settings, minutes=600.0)
    job = opened("fit", options, made(options.method, FBNetV3), monotonic)
    plan = make_plan(600, SPEED, 6000, Wishes(searches=False, epochs=90))
    notes = length_notes(job, replace(plan, trial_epochs=trial_epochs))
    assert [note[: len(told or "")] for note in notes] == ([told] if told else [])


def test_with_a_predictor_trials_are_finalists_and_a_single_one_is_not_trained_before() -> None:
    patient = make_plan(7200, SPEED, 60000, Wishes(searches=False, predicts=True))
    assert (patient.trials, patient.draws, patient.full_trials) == (6, 12, 0)
    assert patient.trial_epochs > 1
    single = make_plan(7200, SPEED, 60000, Wishes(searches=False, predicts=True, trials=1))
    assert (single.trials, single.trial_epochs) == (1, 0)


def test_trials_that_were_cut_short_are_compared_only_with_each_other() -> None:
    def trial(number: int, epochs: int | None, top1: float) -> TrialRecord:
        return TrialRecord(number, (number,), epochs, 0, {"top1": top1}, (), None)

    whole, short, failed = trial(0, None, 0.5), trial(1, 2, 0.6), TrialRecord(2, (2,), None, 0, {}, (), "diverged")
    assert of_one_length([whole, short, failed], "top1") == [whole]
    assert of_one_length([short, failed], "top1") == [short]


def test_a_predictor_s_favourites_are_different_architectures_within_a_limit_that_tightens() -> None:
    space = spaces.with_recipe(
        spaces.fbnet(2, 8, channels=(8, 8), layers=(2, 1), strides=(1, 2), stem_channels=8, head_channels=8),
        spaces.fbnetv3_recipe(),
    )
    learning = Learning(samples=50, pretraining_epochs=1, encoder=(8,), head=(8,), frozen_epochs=2, epochs=2)
    rows = space.sample(np.random.default_rng(0), 12)
    untaught = pretrain(space, Objective("top1"), 0, learning)
    predictor = untaught.learned(rows, np.linspace(0.1, 0.6, 12), np.zeros(12, dtype=bool), 0, learning)
    every = Problem(space, (Objective("top1"),), (Limit(Macs(), 1e9),))
    limit = float(np.median(every.factored[0].of(rows)))
    problem, events = Problem(space, every.objectives, (Limit(Macs(), limit),)), list[Event]()
    fine = FineStage(best=8, random=8, kept=32, children=20, generations=2)
    search = refined_search(
        problem, predictor, 0, fine=fine, number=3, at_most_ms=1.0, clock=lambda: 0.0, log=events.append
    )
    first = next(search).choices

    def answer(latencies: list[float]) -> Results:
        metrics = {"measured_latency_high_ms": np.array(latencies)}
        return Results(first, metrics, [None] * len(first), [()] * len(first), [None] * len(first))

    second = search.send(answer([2.0] * len(first))).choices
    architectures = [space.decode(row).architecture for row in (*first, *second)]
    assert len({str(one) for one in architectures}) == len(first) + len(second)
    costs = every.factored[0].of(np.concatenate([first, second]))
    assert (costs[: len(first)] <= limit / 1.03).all()
    assert (costs[len(first) :] <= limit / 1.03**2).all()
    with pytest.raises(StopIteration):
        search.send(answer([0.5] + [2.0] * (len(first) - 1)))
    assert [event.round for event in of_kind(events, SearchRefined)] == [1, 2]
