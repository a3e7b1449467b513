"""One supernet, trained once; networks for several devices and budgets are cut out of it."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.flow.conftest import SILENT, SUPERNET, Ask

from sculptnet import cost, spaces
from sculptnet.data import EvaluationBatches
from sculptnet.errors import InvalidSpace, InvalidValue, RunError
from sculptnet.job import FitJob, Stage
from sculptnet.listening import Listener
from sculptnet.methods import OnceForAll, made
from sculptnet.methods.supernet_learning import load_supernet, read_samples, supernet_batches
from sculptnet.methods.supernet_plan import SupernetPlan
from sculptnet.methods.supernet_search import ends_of
from sculptnet.nets import calibrate
from sculptnet.nets.elastic_range import largest, smallest
from sculptnet.options import FitOptions
from sculptnet.records import kind_of, of_kind
from sculptnet.records.training_events import AccuracyPredictorChecked
from sculptnet.result import FitResult
from sculptnet.runs import RunDirectory
from sculptnet.streams import stream, stream_seed
from sculptnet.tasks import classify
from sculptnet.verbs import run_fit


def opened(options: FitOptions) -> FitJob:
    """The run, open again."""
    return classify.opened("fit", options, made(options.method, OnceForAll), time.monotonic)


def test_the_network_that_is_shipped_is_within_the_budget(supernet_run: FitResult) -> None:
    card = supernet_run.card
    assert card is not None
    assert supernet_run.within_budget is True
    assert card.method == "ofa"
    assert card.macs == cost.macs(supernet_run.architecture)
    assert card.accuracy["model.onnx"].top1 > 0.5


def test_the_shipped_weights_are_the_supernets_recalibrated(supernet_run: FitResult, ask_ofa: Ask) -> None:
    job = opened(ask_ofa(supernet_run.folder))
    supernet, _ = load_supernet(job.run.supernet, job.space)
    weights_part, held_out = job.search_parts()
    order = stream(stream_seed(0, "calibration"), "evaluate.from_supernet: calibration").permutation(len(weights_part))
    images = EvaluationBatches(weights_part.take(order[:30]), job.preprocessing, 200)
    expected = calibrate(supernet.subnet(supernet_run.architecture), images, images=30)
    shipped = supernet_run.network()
    for batch, _ in EvaluationBatches(held_out, job.preprocessing, 12):
        assert torch.equal(shipped(batch), expected(batch))


def test_the_run_keeps_what_its_networks_are_cut_out_of(supernet_run: FitResult) -> None:
    run = RunDirectory(supernet_run.folder)
    assert len(run.samples.read_text().splitlines()) == 25
    events = {kind_of(event) for event in run.events(print)}
    assert {"supernet_epoch", "shrink_phase", "accuracy_predictor"} <= events
    assert supernet_run.report is not None
    page = supernet_run.report.read_text()
    assert "The supernet, phase by phase" in page
    assert "Predicted against true accuracy" in page
    (checked,) = of_kind(run.events(print), AccuracyPredictorChecked)
    assert (len(checked.pairs), checked.learned) == (5, 20)


def test_the_ends_of_the_space_are_measured_where_the_limits_allow(supernet_run: FitResult, ask_ofa: Ask) -> None:
    job = opened(ask_ofa(supernet_run.folder))
    trials = {tuple(trial.choices) for trial in job.run.trials(print)}
    low, high = (tuple(row) for row in ends_of(job.space).tolist())
    assert low in trials
    assert job.space.decode(low).architecture == smallest(job.space)
    assert job.space.decode(high).architecture == largest(job.space)


def test_a_supernet_of_another_space_is_refused(supernet_run: FitResult) -> None:
    other = spaces.ofa_mobilenet_v3(3, 16, width=0.25, depths=(1, 2), expansions=(2, 3), kernel_sizes=(3, 5, 7))
    with pytest.raises(InvalidValue) as caught:
        load_supernet(RunDirectory(supernet_run.folder).supernet, other)
    assert (
        "holds the supernet of another space: stages.1.0.kernel_size is choice(3, 5) there and choice(3, 5, 7"
        in str(caught.value)
    )
    assert "use the space and the settings that it was trained with, or train another (`fresh=True`)" in str(
        caught.value
    )
    with pytest.raises(RunError, match=r"holds no supernet; `fit\(DATA, latency_ms=X, method='ofa'\)` trains one"):
        load_supernet(RunDirectory(supernet_run.folder / "nowhere").supernet, other)


def test_samples_of_another_supernet_are_refused(supernet_run: FitResult, tmp_path: Path) -> None:
    samples = RunDirectory(supernet_run.folder).samples
    _, state = RunDirectory(supernet_run.folder).supernet.load() or ({}, {})
    assert len(read_samples(samples, state["source"], print)) == 25
    with pytest.raises(InvalidValue) as caught:
        read_samples(samples, "0123456789abcdef", print)
    assert f"{samples} holds 25 accuracies of another supernet (weights {state['source']}, here 0123456789abc" in str(
        caught.value
    )
    assert "remove it: its networks are then sampled anew" in str(caught.value)


def test_a_space_of_whole_blocks_is_refused_before_anything_is_measured(ask_ofa: Ask, tmp_path: Path) -> None:
    options = ask_ofa(tmp_path / "run", space="fbnet", settings=())
    with pytest.raises(InvalidSpace, match="all that is open must be sizes, as in space ofa_mobilenet_v3"):
        run_fit(options, Stage.SEARCH)
    assert not (tmp_path / "run" / "table.json").exists()


def test_wrong_settings_are_named_with_what_they_may_be(ask_ofa: Ask, tmp_path: Path) -> None:
    for settings, expected in (
        (
            "search.fine_tune_epoch=1",
            "`search.fine_tune_epoch`: OnceForAll has no field 'fine_tune_epoch'; did you mean fine_tune_epochs?",
        ),
        ("search.populatio=1", "`search.populatio`: OnceForAll has no field 'populatio'; did you mean population?"),
        ("search.samples=3", "samples must be at least 25, got 3"),
        ("search.schedule=sandwitch", "`search.schedule`: got 'sandwitch'; did you mean sandwich?"),
    ):
        with pytest.raises(InvalidValue) as caught:
            run_fit(ask_ofa(tmp_path / "run", settings=(settings,)), Stage.SEARCH)
        assert expected in str(caught.value)
    with pytest.raises(InvalidValue, match="takes its network from a supernet, and comparisons are trained"):
        run_fit(ask_ofa(tmp_path / "run", settings=(), baselines=True), Stage.SEARCH)
    assert not (tmp_path / "run").exists()


def test_too_few_images_to_recalibrate_are_an_error(ask_ofa: Ask, tmp_path: Path) -> None:
    settings = tuple("search.calibration_images=999" if "calibration" in one else one for one in SUPERNET)
    with pytest.raises(InvalidValue, match="calibration_images must be at most the 45 images there are, got 999"):
        run_fit(ask_ofa(tmp_path / "run", settings=settings), Stage.SEARCH)


def test_a_killed_run_goes_on_to_the_same_network(supernet_run: FitResult, ask_ofa: Ask, tmp_path: Path) -> None:
    shutil.copytree(supernet_run.folder, tmp_path / "run")
    run = RunDirectory(tmp_path / "run")
    shutil.rmtree(run.model)
    (tmp_path / "run" / "trials.jsonl").unlink()
    lines = run.samples.read_text().splitlines(keepends=True)
    run.samples.write_text("".join(lines[:7]) + lines[7][:20])
    again = run_fit(ask_ofa(tmp_path / "run"), Stage.TRAIN)
    assert again.architecture == supernet_run.architecture
    assert run.samples.read_text().splitlines()[:25] == [line.rstrip("\n") for line in lines]


def test_a_plan_of_fewer_images_trains_shorter_epochs(supernet_run: FitResult, ask_ofa: Ask) -> None:
    job = opened(ask_ofa(supernet_run.folder))
    plan, (images, _) = job.kept("plan", SupernetPlan), job.search_parts()
    assert plan is not None
    assert plan.images == len(images) == 45
    whole = supernet_batches(job, images, plan)
    short = supernet_batches(job, images, replace(plan, images=16))
    assert (whole.steps_per_epoch, short.steps_per_epoch) == (2, 1)
    ((pixels, _),) = short.epoch(3)
    assert torch.equal(pixels, list(whole.epoch(1))[1][0])


@pytest.mark.slow
@pytest.mark.parametrize("schedule", ["progressive", "sandwich"])
def test_a_run_that_is_interrupted_anywhere_ends_with_the_same_weights(
    schedule: str, ask_ofa: Ask, tmp_path: Path
) -> None:
    class Stopped(Exception):
        pass

    tuned = tuple("search.fine_tune_epochs=2" if "fine_tune" in one else one for one in SUPERNET)
    settings = (*tuned, f"search.schedule={schedule}")
    whole = run_fit(ask_ofa(tmp_path / "whole", settings=settings), Stage.EXPORT)
    stopped = ask_ofa(tmp_path / "stopped", settings=settings)
    for calls in (150, 300, 400, 500, 600):  # ever further
        left = iter(range(calls))

        def progress(what: str, done: int, total: int, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise Stopped

        with contextlib.suppress(Stopped):
            run_fit(replace(stopped, listener=Listener(SILENT.say, progress)), Stage.EXPORT)
    again = run_fit(stopped, Stage.EXPORT)
    for name, tensor in whole.network().state_dict().items():
        assert torch.equal(tensor, again.network().state_dict()[name]), name
