"""A detector's backbone searched: trials by average precision, latencies of whole detectors, any method of trials."""

from __future__ import annotations

import json
import pickle
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.asking import asked
from tests.boxes import SIZE, tiny_backbones, write_voc
from tests.flow.conftest import SILENT, Ask, Command
from torchvision.ops import box_iou

import sculptnet
from sculptnet.arch import SearchSpace, choice
from sculptnet.cost import FactoredCost, table_from_json
from sculptnet.data.detection import read_boxes
from sculptnet.errors import DataError, InvalidValue, RunError
from sculptnet.files import read_json
from sculptnet.job import BoxJob, Stage
from sculptnet.learn.detection import DetectorRecipe
from sculptnet.listening import Listener
from sculptnet.methods import Evolution, FBNetV3, MnasNet, Nsga2, Optuna, Random, Trials
from sculptnet.option_groups import Accelerator, TaskName
from sculptnet.options import FitOptions
from sculptnet.plain import from_command, to_command
from sculptnet.records import of_kind
from sculptnet.records.run_events import BoxBaselineJudged, FileTested
from sculptnet.records.search_events import SearchBatch
from sculptnet.runs import RunDirectory
from sculptnet.search import Job
from sculptnet.stages.detector_latency import WholeDetectors, settled, typical_answer
from sculptnet.stages.detector_training import trial_parts
from sculptnet.stages.table import blocks_in
from sculptnet.tasks.detect_open import opened_search
from sculptnet.tasks.detect_result import DetectionResult
from sculptnet.testing import FakeDevice, tiny_images
from sculptnet.verbs import go_on, run_fit

BUDGET_MS = 0.3  # all of the space's detectors keep it
SPACE = "tests.boxes:tiny_backbones"
SETTINGS = ("recipe.batch_size=4", "recipe.epochs=3", "detector.score_threshold=0.05")


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_voc(tmp_path_factory.mktemp("boxes") / "voc", {"train": 8, "val": 4, "test": 4})


@pytest.fixture(scope="module")
def asked_here(boxes: Path) -> FitOptions:
    return asked(
        FitOptions,
        data=str(boxes),
        latency_ms=BUDGET_MS,
        task=TaskName.DETECT,
        size=SIZE,
        method="random",
        space=SPACE,
        settings=SETTINGS,
        device="sculptnet.testing:fake_device",
        accelerator=Accelerator.CPU,
        minutes=0.1,
        full_trials=1,
        listener=SILENT,
        run_dir=boxes.parent / "run",
    )


@pytest.fixture(scope="module")
def finished(asked_here: FitOptions) -> DetectionResult:
    result = run_fit(asked_here)
    assert isinstance(result, DetectionResult)
    return result


@pytest.fixture(scope="module")
def job(asked_here: FitOptions, finished: DetectionResult) -> BoxJob[FitOptions]:
    return opened_search(asked_here, Random(), lambda: 0.0)


def test_the_most_precise_trial_within_the_budget_is_trained_and_shipped(finished: DetectionResult) -> None:
    run, card = RunDirectory(finished.folder), finished.card
    assert card is not None
    trials = run.trials(print)
    trained = [one for one in trials if one.error is None]
    assert len(trained) >= 2
    assert all({"map", "map50", "measured_latency_ms", "predicted_latency_ms"} <= set(one.metrics) for one in trained)
    best = max(trained, key=lambda one: one.metrics["map"])
    space = tiny_backbones(2, SIZE)
    assert space.decode(best.choices).architecture == finished.architecture
    assert finished.detector().plan.backbone == finished.architecture
    assert finished.within_budget is True
    assert (card.method, card.network, card.starting_weights) == ("random", None, "drawn")
    assert card.predicted is not None
    assert card.predicted.latency_ms == pytest.approx(card.measured["model.onnx"].latency_ms, rel=0.1)
    assert 0 <= card.detection.ap <= card.detection.ap50 <= 1
    assert len(of_kind(run.events(print), FileTested)) == 1


def test_the_table_predicts_whole_detectors(finished: DetectionResult, job: BoxJob[FitOptions]) -> None:
    """Fitted and checked on networks with heads and post-processing, which its constant stands for."""
    table = table_from_json(read_json(RunDirectory(finished.folder).table), blocks_in(job.space))
    assert table.held_out is not None
    assert table.held_out.mape_percent < 5
    device, whole = FakeDevice(noise_percent=0.0), job.task.whole(job)
    rows = job.space.sample(np.random.default_rng(0), 4)
    predicted = FactoredCost(job.space, table).of(rows)
    for row, expected in zip(rows, predicted, strict=True):
        latency_ms = device.latency_ms(whole(job.space.decode(row).architecture).onnx)
        assert latency_ms == pytest.approx(float(expected), rel=0.05)
        alone = WholeDetectors(job, None)(job.space.decode(row).architecture)
        assert device.latency_ms(alone.onnx) < latency_ms


def test_untrained_detectors_are_timed_with_what_a_good_one_would_say(job: BoxJob[FitOptions]) -> None:
    """Of a photograph with the median number of objects, found again by the post-processing of PyTorch."""
    counts = [len(one.labels) for one in job.data.train.boxes]
    detector = settled(job.plan(tiny_backbones(2, SIZE).decode([0, 0, 0]).architecture))
    (found,) = detector.detections(torch.from_numpy(typical_answer(job)))
    typical = next(one for one in job.data.train.boxes if len(one.labels) == sorted(counts)[len(counts) // 2])
    assert set(found.labels.tolist()) <= set(np.concatenate([one.labels for one in job.data.train.boxes]).tolist())
    assert 0 < len(found.labels) < 20
    assert len(typical.labels) <= len(found.labels)
    assert float(found.scores.min()) > 0.9
    overlaps = box_iou(found.boxes, found.boxes) - torch.eye(len(found.boxes))
    same = found.labels[:, None] == found.labels[None]
    assert float(overlaps[same].max()) <= detector.plan.overlap


def test_trials_are_judged_by_photographs_that_are_neither_trained_on_nor_the_test(
    job: BoxJob[FitOptions], boxes: Path
) -> None:
    train, judged = trial_parts(job)
    assert (len(train), judged.names) == (8, job.data.monitor.names)
    few = replace(job, data=replace(job.data, monitor=job.data.monitor.take([0])))
    train, judged = trial_parts(few)
    assert (len(train), len(judged)) == (6, 2)
    assert {*train.names, *judged.names} == set(few.data.train.names)
    assert set(judged.names).isdisjoint(train.names)
    assert trial_parts(few)[1].names == judged.names


def test_a_trial_is_the_same_in_another_process(job: BoxJob[FitOptions], finished: DetectionResult) -> None:
    """What several workers are sent gives what the run has, whatever ran before."""
    (trial, *_) = [one for one in RunDirectory(finished.folder).trials(print) if one.error is None]
    evaluate = pickle.loads(pickle.dumps(job.task.trial(job)))
    found = evaluate(job.space.decode(trial.choices), Job(trial=7, epochs=trial.epochs or 3))
    assert found["map"] == trial.metrics["map"]


def test_the_page_shows_the_trials_and_the_table(finished: DetectionResult) -> None:
    assert finished.report is not None
    text = finished.report.read_text(encoding="utf-8")
    figures = set(re.findall(r'<svg [^>]*aria-labelledby="(\w+)-title', text))
    assert {"precision_latency", "layers", "feasibility", "predicted_measured", "precision", "training"} <= figures
    assert "--task detect" in text
    assert "SSDLite on a network that random found" in text
    assert "mAP (%)" in text


def test_the_result_says_which_trials_no_other_one_beats(finished: DetectionResult) -> None:
    document = json.loads(json.dumps(finished.to_json()))
    assert [one["latency_ms"] for one in document["front"]] == sorted(one["latency_ms"] for one in document["front"])
    assert set(document["front"][0]) == {"trial", "choices", "latency_ms", "map", "longer_map"}
    assert document["card"]["budget"]["at_most"] == BUDGET_MS
    assert "mAP@0.5" in finished.summary()


def test_the_command_line_asks_the_same_and_the_folder_alone_goes_on(
    finished: DetectionResult, asked_here: FitOptions, boxes: Path, command: Command
) -> None:
    given = ["--task", "detect", "--latency-ms", str(BUDGET_MS), "--size", str(SIZE), "--method", "random"]
    given += ["--space", SPACE, "--device", "sculptnet.testing:fake_device", "--accelerator", "cpu", "--minutes", "0.1"]
    settings = [word for one in SETTINGS for word in ("--set", one)]
    where = ("--full-trials", "1", "--run-dir", str(finished.folder))
    code, out, _ = command("fit", str(boxes), *given, *settings, *where, "--json")
    assert code == 0
    assert json.loads(out)["card"] == finished.to_json()["card"]
    code, out, _ = command("fit", str(finished.folder), "--json")
    assert json.loads(out) == finished.to_json()
    kept = RunDirectory(finished.folder).info().command
    assert kept == to_command(asked_here)
    again = from_command(FitOptions, kept, {"run_dir": finished.folder, "listener": SILENT})
    assert replace(again, given=asked_here.given) == asked_here
    assert sculptnet.resume(finished.folder).card == finished.card


def test_photographs_that_a_program_gave_are_given_again_and_nothing_else_is_taken(
    finished: DetectionResult, asked_here: FitOptions, boxes: Path, tmp_path: Path
) -> None:
    folder, data = tmp_path / "run", read_boxes(boxes)
    table = RunDirectory(finished.folder).table
    options = replace(asked_here, data=data, task=None, table=table, run_dir=folder)
    begun = run_fit(options, Stage.SEARCH)
    with pytest.raises(RunError, match="data"):
        sculptnet.resume(folder)
    for wrong in (3, "photos"):
        with pytest.raises(InvalidValue, match="`data` must be ImageData or BoxData, got"):
            sculptnet.resume(folder, data=wrong)  # type: ignore[arg-type]
    assert go_on(folder, {"data": data, "listener": SILENT}, Stage.SEARCH).architecture == begun.architecture
    assert sculptnet.resume(folder, data=data, listener=SILENT).within_budget is True


class Stopped(KeyboardInterrupt):
    """As a kill would, between two steps."""


def test_a_run_that_was_stopped_ends_with_the_same_bits(
    finished: DetectionResult, asked_here: FitOptions, tmp_path: Path
) -> None:
    """While it measures (then the other run's measurements are taken), in a trial, between trials, at the end."""
    places, trials_done = ["measuring", "training", "trials", "last training"], [False]

    def stop(what: str, done: int, total: int) -> None:
        trials_done[0] |= what == "trials" and done == total
        place = f"last {what}" if trials_done[0] else what.partition(" ")[0]
        if places and place == places[0] and done == total - 1:
            del places[0]
            raise Stopped

    there, here = RunDirectory(finished.folder), RunDirectory(tmp_path / "run")
    options = replace(asked_here, run_dir=here.folder, listener=Listener(SILENT.say, stop))
    while places:
        with pytest.raises(Stopped):
            run_fit(options)
        shutil.copy(there.measurements, here.measurements)
    again = run_fit(options)
    assert again.architecture == finished.architecture
    ours, theirs = ([replace(one, curve=()) for one in run.trials(print)] for run in (here, there))
    assert ours == theirs
    for name in ("weights.safetensors", "model.onnx"):
        assert (here.model / name).read_bytes() == (there.model / name).read_bytes()


@pytest.mark.slow
def test_a_controller_is_rewarded_for_average_precision_and_comparisons_are_trained(
    asked_here: FitOptions, tmp_path: Path, boxes: Path
) -> None:
    """MnasNet's second experiment, from a value that tells its task: photographs with boxes."""
    method = MnasNet(batches=2, batch=3)
    data = read_boxes(boxes)
    options = replace(asked_here, data=data, task=None, method=method, run_dir=tmp_path / "run", baselines=True)
    result = run_fit(options)
    assert isinstance(result, DetectionResult)
    run = RunDirectory(result.folder)
    events = run.events(print)
    batches = of_kind(events, SearchBatch)
    assert [event.batch for event in batches] == [1, 2]
    measured = {one.metrics["measured_latency_ms"] for one in run.trials(print)}
    assert {cost for event in batches for cost in event.costs or ()} <= measured
    compared = {event.name: event for event in of_kind(events, BoxBaselineJudged)}
    assert set(compared) == {"mobilenet_v2", "random"}
    assert all(event.detection.images == 4 and event.latency_ms > 0 for event in compared.values())
    assert result.report is not None
    text = result.report.read_text(encoding="utf-8")
    assert {"reward", "precision_latency"} <= set(re.findall(r'<svg [^>]*aria-labelledby="(\w+)-title', text))
    assert "found detector" in text
    again = run_fit(options)
    assert again.card == result.card


# ---------------------------------------------------------------------- refusals
def test_methods_that_need_a_classifier_are_refused_with_those_that_can(asked_here: FitOptions) -> None:
    for method in ("fbnet", "fbnetv2", "ofa", "carve"):
        with pytest.raises(InvalidValue) as raised:
            run_fit(replace(asked_here, method=method))
        assert (
            f"method {method} learns from a network that classifies, and task detect has none; fbnetv3, mnasnet, "
            "random, evolution, nsga2, optuna learn from trials alone"
        ) in str(raised.value)


def test_options_of_the_other_task_are_refused_together(asked_here: FitOptions, ask: Ask, tmp_path: Path) -> None:
    with pytest.raises(InvalidValue) as raised:
        run_fit(
            replace(
                asked_here,
                run_dir=tmp_path / "run",
                size=100,
                resolution=64,
                limits=("macs=1e6",),
                start="mobilenet_v2",
                recipe={"label_smoothing": 0.1},
                detector={"overlap": "much"},
            )
        )
    for part in (
        "`resolution` is for task classify and plays no part in task detect; leave it out",
        "`limits` is for task classify",
        "`start` is for task classify",
        "`size`: the input must be a multiple of 32 pixels, got 100; the nearest is 96",
        "DetectorRecipe has no field 'label_smoothing'",
        "`detector.overlap`: must be a number",
    ):
        assert part in str(raised.value)
    with pytest.raises(InvalidValue) as raised:
        run_fit(ask(tmp_path / "run", size=64, settings=("detector.overlap=0.3",)))
    assert "`size` is for task detect and plays no part in task classify" in str(raised.value)
    assert "`detector` is for task detect" in str(raised.value)
    assert not (tmp_path / "run").exists()


def test_recipes_and_data_of_the_other_task_are_refused(
    asked_here: FitOptions, ask: Ask, boxes: Path, tmp_path: Path
) -> None:
    with pytest.raises(InvalidValue, match=r"`recipe` must be a Recipe, or what .*, got DetectorRecipe"):
        run_fit(replace(ask(tmp_path / "run"), recipe=DetectorRecipe()))
    with pytest.raises(InvalidValue, match="`data` must be a folder, a name or ImageData, got BoxData"):
        run_fit(ask(tmp_path / "run", data=read_boxes(boxes), task=TaskName.CLASSIFY))
    with pytest.raises(InvalidValue, match=r"`data` must be a folder, a \.tar or BoxData, got ImageData"):
        run_fit(replace(asked_here, data=tiny_images(), run_dir=tmp_path / "run"))
    with pytest.raises(DataError, match=r"has annotations of boxes: to find objects, give `task='detect'`"):
        run_fit(ask(tmp_path / "run", data=str(boxes)))


def test_spaces_that_make_no_detector_are_refused(asked_here: FitOptions, tmp_path: Path) -> None:
    elsewhere = replace(asked_here, run_dir=tmp_path / "run")
    with pytest.raises(InvalidValue, match=r"networks of the space make no detector: SsdLite: .*stride 16 and"):
        run_fit(replace(elsewhere, space="fbnet"))
    with pytest.raises(InvalidValue, match=r"leaves recipes open.* `search.recipes=false`"):
        run_fit(replace(elsewhere, method="fbnetv3"))
    space = tiny_backbones(2, SIZE)
    opened = SearchSpace(replace(space.architecture, resolution=choice(SIZE, 2 * SIZE)))
    with pytest.raises(InvalidValue, match="the space leaves the resolution open"):
        run_fit(replace(elsewhere, space=opened))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "method",
    [
        Evolution(population=2),
        pytest.param(Nsga2(population=2), marks=pytest.mark.slow),
        pytest.param(Optuna(), marks=pytest.mark.slow),
        pytest.param(FBNetV3(recipes=False, rounds=1, batch=2, finalists=1), marks=pytest.mark.slow),
    ],
    ids=lambda method: method.name,
)
def test_a_search_alone_stops_with_trials(
    method: Trials, asked_here: FitOptions, finished: DetectionResult, tmp_path: Path
) -> None:
    """On a table that is there already."""
    table = RunDirectory(finished.folder).table
    result = run_fit(replace(asked_here, method=method, table=table, run_dir=tmp_path / "run"), Stage.SEARCH)
    assert isinstance(result, DetectionResult)
    assert (result.card, result.report, result.within_budget) == (None, None, None)
    assert "Stopped as asked" in result.summary()
    assert len(result.front) >= 1
