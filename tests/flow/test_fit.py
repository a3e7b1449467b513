"""One command, from images to a measured model; again, it reads; killed, it goes on to the same result."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.flow.conftest import SMALL, Ask, Command, fitted
from tests.process import state_of_the_process

import sculptnet
from sculptnet import cost
from sculptnet.errors import Infeasible, InvalidValue, RunError
from sculptnet.job import Stage
from sculptnet.listening import Listener
from sculptnet.options import RecipeOptions
from sculptnet.records import of_kind
from sculptnet.records.codec import read_record
from sculptnet.records.run_events import BaselineJudged
from sculptnet.result import FitResult
from sculptnet.runs import RunDirectory
from sculptnet.stages.plan import SearchPlan
from sculptnet.verbs import go_on, run_fit, run_recipe


@pytest.fixture(scope="module")
def finished(ask: Ask, tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    """A run that was stopped after the search, and after the training, and then finished."""
    options = ask(tmp_path_factory.mktemp("finished") / "run")
    for stage in (Stage.SEARCH, Stage.TRAIN):
        assert run_fit(options, stage).card is None
    return fitted(options)


def test_the_shipped_model_is_within_the_budget_and_counted(finished: FitResult) -> None:
    card = finished.card
    assert card is not None
    assert finished.within_budget is True
    assert card.measured["model.onnx"].latency_ms <= 0.2
    assert card.macs == cost.macs(finished.architecture)
    assert card.parameters == sum(p.numel() for p in finished.network().parameters())
    assert set(card.accuracy) == {"weights.safetensors", "model.onnx", "model.int8.onnx"}
    assert card.accuracy["model.onnx"].top1 > 0.8
    assert card.parity["model.onnx"].max_difference < 1e-4
    assert card.classes == ("blue", "green", "red")


def test_everything_a_run_promises_is_there(finished: FitResult) -> None:
    names = {path.name for path in RunDirectory(finished.folder).model.iterdir()}
    assert names == {
        "architecture.json",
        "recipe.json",
        "weights.safetensors",
        "model.onnx",
        "model.int8.onnx",
        "card.json",
        "predict.py",
    }
    assert finished.report is not None
    page = finished.report.read_text()
    assert "model.int8.onnx" in page
    assert (finished.folder / "figures").is_dir()


def test_the_stand_alone_script_classifies_a_photo(finished: FitResult, photos: Path) -> None:
    model = RunDirectory(finished.folder).model
    photo = photos / "red" / "000.png"
    done = subprocess.run(
        [sys.executable, str(model / "predict.py"), str(photo)], capture_output=True, text=True, check=True, cwd="/"
    )
    assert "red" in done.stdout


def test_finalists_are_measured_before_any_is_trained(finished: FitResult) -> None:
    trials = RunDirectory(finished.folder).trials(print)
    kinds = ["top1" in trial.metrics for trial in trials]
    assert kinds == sorted(kinds)
    assert kinds.count(True) == 2
    assert all("measured_latency_ms" in trial.metrics for trial in trials)


def test_without_time_to_compare_finalists_one_is_measured_and_shipped(ask: Ask, tmp_path: Path) -> None:
    hurried = ask(tmp_path / "run", minutes=0.01, settings=tuple(one for one in SMALL if "draws" not in one))
    before = state_of_the_process()
    result = run_fit(hurried)
    assert state_of_the_process() == before
    run = RunDirectory(result.folder)
    plan = read_record(run.record("plan"), SearchPlan)
    assert (plan.trials, plan.trial_epochs) == (1, 0)
    assert not any("top1" in trial.metrics for trial in run.trials(print))
    assert result.within_budget is True
    assert result.report is not None
    assert "model.int8.onnx" in result.report.read_text()


@pytest.mark.parametrize("method", ["fbnet", "random"])
def test_as_many_of_the_best_are_trained_in_full_as_was_asked_for(
    method: str, ask: Ask, tmp_path: Path, said: list[str], listener: Listener
) -> None:
    kept = tuple(one for one in SMALL if method == "fbnet" or not one.startswith("search."))
    values = {"method": method, "minutes": 0.05, "settings": (*kept, "recipe.epochs=3"), "listener": listener}
    run_fit(ask(tmp_path / "run", **values, full_trials=2), Stage.SEARCH)
    full = [one for one in RunDirectory(tmp_path / "run").trials(print) if one.epochs == 3]
    assert len(full) == 2
    assert all("top1" in one.metrics for one in full)
    assert any("the best 2 for 3 epochs" in text for text in said)
    with pytest.raises(RunError, match="holds another run"):
        run_fit(ask(tmp_path / "run", **values), Stage.SEARCH)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"full_trials": 0}, "`full_trials` must be at least 1, got 0"),
        ({"full_trials": 2, "method": "ofa", "settings": ()}, "method ofa takes its network from a supernet"),
        ({"full_trials": 3}, "`full_trials` 3: the settings of search make only 2 trials"),
    ],
)
def test_a_number_of_full_trainings_that_cannot_be_is_refused(
    values: dict[str, Any], message: str, ask: Ask, tmp_path: Path
) -> None:
    with pytest.raises(InvalidValue, match=message):
        run_fit(ask(tmp_path / "run", **values), Stage.SEARCH)
    assert not (tmp_path / "run").exists()


def test_the_same_command_again_reads_the_result(finished: FitResult, ask: Ask) -> None:
    before = {path: path.read_bytes() for path in RunDirectory(finished.folder).model.iterdir()}
    again = run_fit(ask(finished.folder))
    assert again.card == finished.card
    assert {path: path.read_bytes() for path in RunDirectory(finished.folder).model.iterdir()} == before


def test_the_run_directory_alone_continues_a_run(finished: FitResult) -> None:
    again = go_on(finished.folder, {}, Stage.EXPORT)
    assert isinstance(again, FitResult)
    assert again.card == finished.card


def test_another_request_in_the_same_directory_is_refused(finished: FitResult, ask: Ask) -> None:
    for changed in (
        {"seed": 1},
        {"latency_ms": 0.3},
        {"settings": (*SMALL, "search.beta=1.0")},
    ):
        with pytest.raises(RunError, match="holds another run; give another `run_dir`, or `fresh=True`"):
            run_fit(ask(finished.folder, **changed))
    assert (finished.folder / "report.html").exists()


def test_a_budget_under_the_fastest_network_names_the_fastest(finished: FitResult, ask: Ask, tmp_path: Path) -> None:
    options = ask(tmp_path / "run", latency_ms=0.001, table=RunDirectory(finished.folder).table)
    with pytest.raises(Infeasible) as caught:
        run_fit(options)
    assert "the budget of 0.001 ms is under the fastest network of this space on fake-1t, 0.0" in str(caught.value)
    assert "raise `latency_ms` above that" in str(caught.value)


def test_a_budget_far_from_the_space_is_refused_before_its_blocks_are_measured(
    ask: Ask, listener: Listener, said: list[str], tmp_path: Path
) -> None:
    with pytest.raises(
        Infeasible, match=r"of 0.001 ms is far under what .* on fake-1t: the one of fewest .* takes 0.0\d+ ms; raise"
    ):
        run_fit(ask(tmp_path / "run", latency_ms=0.001, listener=listener))
    assert not any("Measuring" in line for line in said)
    models = {
        json.loads(line)["model"] for line in RunDirectory(tmp_path / "run").measurements.read_text().splitlines()
    }
    assert models == {"smallest network"}


def test_a_given_table_is_checked_and_a_strange_one_refused(finished: FitResult, ask: Ask, tmp_path: Path) -> None:
    given = tmp_path / "table.json"
    given.write_text(RunDirectory(finished.folder).table.read_text())
    other_space = ask(tmp_path / "other", table=given, settings=("space.layers=1,1,1,1,1,1,1",))
    with pytest.raises(sculptnet.errors.NotMeasured, match="sculptnet measure"):
        run_fit(other_space, Stage.SEARCH)
    slow = json.loads(given.read_text())
    slow["slope"], slow["constant"] = slow["slope"] * 3, slow["constant"] * 3
    given.write_text(json.dumps(slow))
    with pytest.raises(InvalidValue, match="% off on this device, more than 15 %"):
        run_fit(ask(tmp_path / "slow", table=given), Stage.SEARCH)
    assert not RunDirectory(tmp_path / "slow").measurements.exists(), "the next command measures again"


NUMBERS: dict[str, Any] = {
    "minutes": 0,
    "test_fraction": 1.5,
    "accelerator": "gpu",
    "resolution": 2,
    "threads": "all",
    "full_trials": 0,
    "baselines": "yes",
}
NUMBERS_TOLD = (
    "`latency_ms` must be above 0, got -1.0",
    "`minutes` must be above 0, got 0",
    "`resolution` must be at least 8, got 2",
    "`test_fraction` must be above 0 and below 1, got 1.5",
    "`accelerator` must be auto or cpu or cuda, got 'gpu'",
    "`threads` must be a whole number, got 'all'",
    "`full_trials` must be at least 1, got 0",
    "`baselines` must be True or False, got 'yes'",
)


@pytest.mark.parametrize("method", ["fbnett", "random"])
def test_everything_that_is_wrong_is_named_at_once(method: str, photos: Path, tmp_path: Path) -> None:
    parts: dict[str, Any] = {
        "device": "onnxruntim",
        "method": method,
        "space": "fbnt",
        "limits": ("macz=1",),
        "workers": "many",
        "table": tmp_path / "table.json",
        "recipe": {"epoch": 3},
    }
    with pytest.raises(InvalidValue) as caught:
        sculptnet.fit(photos, -1.0, run_dir=tmp_path / "run", **parts, **NUMBERS)
    text = str(caught.value)
    assert ("unknown method 'fbnett'; did you mean fbnet or fbnetv3 or fbnetv2?" in text) is (method == "fbnett")
    assert text.startswith(f"The request: {14 + (method == 'fbnett')} problems")
    for expected in (
        *NUMBERS_TOLD,
        "unknown device 'onnxruntim'; did you mean onnxruntime?",
        "unknown space 'fbnt'; did you mean fbnet or fbnetv3 or fbnetv2?",
        "unknown limit 'macz'; did you mean macs?",
        "`workers` must be a number of processes, ray, or ray:NAME=VALUE,...; got 'many'",
        "table.json does not exist; name a latency table; `sculptnet measure SPACE --out FILE` makes one",
        "`recipe.epoch`: Recipe has no field 'epoch'; did you mean epochs?",
    ):
        assert text.count(expected) == 1, expected
    assert not (tmp_path / "run").exists()


def test_the_command_line_names_everything_in_its_own_spelling(command: Command, photos: Path, tmp_path: Path) -> None:
    words = ("--method", "random", "--device", "onnxruntim", "--workers", "many", "--threads", "0")
    sets = ("--set", "tau=5", "--set", "recipe.epoch=3", "--set", "search.batch=few", "--run-dir", str(tmp_path / "r"))
    code, _, err = command("fit", str(photos), *words, *sets)
    assert code == 2
    for expected in (
        "The request: 7 problems",
        "--threads must be at least 1, got 0",
        "the budget is missing; give --latency-ms, milliseconds",
        "unknown device 'onnxruntim'; did you mean onnxruntime?",
        "--workers must be a number of processes",
        "setting 'tau=5' must read GROUP.NAME=VALUE",
        "--set recipe.epoch: Recipe has no field 'epoch'; did you mean epochs?",
        "--set search.batch: must be a whole number, got 'few'",
    ):
        assert err.count(expected) == 1, expected
    assert not (tmp_path / "r").exists()


def test_so_is_what_a_search_of_recipes_lacks(photos: Path, tmp_path: Path) -> None:
    options = RecipeOptions("mobilenet", photos, device="torsh", workers="many", run_dir=tmp_path / "run")
    with pytest.raises(InvalidValue) as caught:
        run_recipe(options)
    for expected in ("unknown network 'mobilenet'", "unknown device 'torsh'", "`workers` must be a number"):
        assert expected in str(caught.value)
    assert not (tmp_path / "run").exists()


KILLED = """
import sys
from pathlib import Path
from tests.asking import asked
from sculptnet.listening import Listener
from sculptnet.options import FitOptions, RecipeOptions
from sculptnet.verbs import run_fit
settings = tuple(sys.argv[3].split(";"))
run_fit(asked(FitOptions, data=sys.argv[1], latency_ms=0.2, device="sculptnet.testing:fake_device", minutes=1.0,
              accelerator="cpu", run_dir=Path(sys.argv[2]), settings=settings,
              listener=Listener(lambda text: print(text, flush=True))))
"""


@pytest.mark.slow
@pytest.mark.parametrize("after", ["Timing trial steps", "Searching", "finalists measured", "Exporting"])
def test_a_killed_run_ends_as_an_undisturbed_one(
    after: str, finished: FitResult, ask: Ask, photos: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", KILLED, str(photos), str(tmp_path / "run"), ";".join(SMALL)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    ) as run:
        assert run.stdout is not None
        for line in run.stdout:
            if after in line:
                time.sleep(1.0)
                run.send_signal(signal.SIGKILL)
                break
    resumed = run_fit(ask(tmp_path / "run"))
    assert resumed.architecture == finished.architecture
    for name in ("weights.safetensors", "model.onnx"):
        assert (RunDirectory(resumed.folder).model / name).read_bytes() == (
            RunDirectory(finished.folder).model / name
        ).read_bytes()


@pytest.mark.slow
def test_ctrl_c_saves_and_exits_with_130(photos: Path, tmp_path: Path) -> None:
    settings = [word for entry in SMALL for word in ("--set", entry)]
    longer = ["--set", "search.epochs=2000"]
    command = [
        sys.executable,
        "-m",
        "sculptnet",
        "fit",
        str(photos),
        "--latency-ms",
        "0.2",
        "--device",
        "sculptnet.testing:fake_device",
        "--minutes",
        "60",
        "--accelerator",
        "cpu",
        "--run-dir",
        str(tmp_path / "run"),
        *settings,
        *longer,
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        for line in run.stderr:
            if "Searching" in line:
                time.sleep(5.0)
                run.send_signal(signal.SIGINT)
                break
        rest = run.stderr.read()
        assert run.stdout is not None
        assert run.stdout.read() == ""
    assert run.returncode == 130
    assert "Stopping after this step and saving; press Ctrl-C again to stop at once" in rest
    assert "The same command goes on from here" in rest
    assert RunDirectory(tmp_path / "run").checkpoint("search").load() is not None


@pytest.mark.slow
def test_comparisons_are_added_to_a_finished_run_once(finished: FitResult, ask: Ask) -> None:
    for _ in range(2):
        run_fit(ask(finished.folder, baselines=True))
    events = of_kind(RunDirectory(finished.folder).events(print), BaselineJudged)
    assert [event.name for event in events] == ["mobilenet_v2", "random"]
    assert all(event.latency_ms > 0 for event in events)
