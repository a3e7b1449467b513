"""A run directory is gone on with by whoever has it: with what it still takes, and with values that no file keeps."""

from __future__ import annotations

import inspect
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.boxes import tiny_backbone
from tests.flow.conftest import SILENT, SUPERNET, Command

import sculptnet
from sculptnet import data
from sculptnet.errors import DataError, InvalidValue, RunError
from sculptnet.job import Stage
from sculptnet.methods import OnceForAll
from sculptnet.option_groups import Accelerator
from sculptnet.options import VERBS, FitOptions, ResumeOptions, SpecializeOptions, TrainOptions
from sculptnet.result import FitResult
from sculptnet.runs import RunDirectory, RunInfo
from sculptnet.spaces.named import NamedSpace
from sculptnet.specializing import asked_of
from sculptnet.tasks.classify import identity_of
from sculptnet.testing import tiny_images
from sculptnet.verbs import options_of, run_train

VALUES = {"data", "network", "device", "space", "method", "limits"}


def begun_with(run: RunDirectory, **command: Any) -> Path:
    """The same run, as if a program had begun it with these in the place of what was asked."""
    content = json.loads(run.description.read_text())
    content["command"] |= command
    run.description.write_text(json.dumps(content))
    return run.folder


def test_images_and_a_network_of_a_program_are_given_again(photos: Path, tmp_path: Path) -> None:
    network, images, folder = tiny_backbone(16), data.load(str(photos)), tmp_path / "run"
    options = TrainOptions(
        network,
        images,
        device="sculptnet.testing:fake_device",
        minutes=0.1,
        accelerator=Accelerator.CPU,
        run_dir=folder,
        listener=SILENT,
        recipe={"epochs": 1, "batch_size": 16},
    )
    run_train(options, Stage.SEARCH)
    with pytest.raises(RunError) as caught:
        sculptnet.resume(folder)
    assert "gave network (Architecture), data (ImageData photos0) as values, which no file brings" in str(caught.value)
    assert "in Python: `resume(RUN, network=..., data=...)`" in str(caught.value)
    fewer = data.load(str(photos), test_fraction=0.5)
    with pytest.raises(RunError, match=r"holds another run[^\n]*\n  - data_fingerprint"):
        sculptnet.resume(folder, data=fewer, network=network, listener=SILENT)
    with pytest.raises(RunError, match=r"holds another run[^\n]*\n  - network"):
        sculptnet.resume(folder, data=images, network=tiny_backbone(32), listener=SILENT)
    result = sculptnet.resume(folder, data=images, network=network, listener=SILENT)
    assert result.to_json()["card"]["network"] == "an architecture"
    assert sculptnet.resume(folder, data=images, network=network).to_json() == result.to_json()


def test_so_are_spaces_and_devices(tmp_path: Path) -> None:
    command = {"data": "x", "latency_ms": 1.0, "space": {"value": "function mine"}, "device": {"value": "Mine mine"}}
    RunDirectory(tmp_path).open(RunInfo("fit", {"resolution": 48}, command), fresh=False)
    with pytest.raises(RunError) as caught:
        options_of(tmp_path, {})
    assert "gave space (function mine), device (Mine mine) as values" in str(caught.value)
    assert "`resume(RUN, space=..., device=...)`" in str(caught.value)
    space = NamedSpace("fbnet", {})
    begun_with(RunDirectory(tmp_path), skip_broken=True, test_fraction=0.5)
    read = options_of(tmp_path, {"space": space, "device": "torch", "data": tiny_images(2)})
    assert isinstance(read, FitOptions)
    assert (read.skip_broken, read.test_fraction) == (False, 0.2)  # nothing is read any more
    options = options_of(tmp_path, {"space": space, "device": "torch"})
    assert isinstance(options, FitOptions)
    assert (options.space, options.device, options.latency_ms, options.resolution) == (space, "torch", 1.0, 48)


def test_what_a_run_still_takes_python_and_the_command_line_take_alike(tmp_path: Path, command: Command) -> None:
    taken = {*inspect.signature(sculptnet.resume).parameters} - {"run", "listener", *VALUES}
    assert taken == {"workers", "baselines", "check_proxy", "proxy_networks", "accelerator", "fresh"}
    RunDirectory(tmp_path).open(RunInfo("fit", {"resolution": 16}, {"data": "x", "latency_ms": 1.0}), fresh=False)
    given = {"workers": 2, "baselines": True, "check_proxy": True, "proxy_networks": 4, "accelerator": "cpu"}
    options = options_of(tmp_path, given)
    assert {name: getattr(options, name) for name in given} == {**given, "accelerator": Accelerator.CPU}
    code, _, err = command("fit", str(tmp_path), "--minutes", "5", "--workers", "2", "--accelerator", "cpu")
    assert (code, "leave out --minutes, or name the data" in err) == (2, True)
    words = ("--workers", "2", "--accelerator", "cpu", "--baselines", "--check-proxy", "--proxy-networks", "2")
    code, _, err = command("fit", str(tmp_path), *words)
    assert (code, "--proxy-networks must be at least 4, got 2" in err) == (2, True)
    with pytest.raises(InvalidValue, match="`proxy_networks` must be at least 4, got 2"):
        sculptnet.resume(tmp_path, check_proxy=True, proxy_networks=2)
    assert {"run", *VALUES} <= {*inspect.signature(ResumeOptions).parameters}


def test_a_supernet_is_specialized_with_images_and_a_space_given_again(
    supernet_run: FitResult, photos: Path, tmp_path: Path
) -> None:
    shutil.copytree(supernet_run.folder, tmp_path / "run")
    lost = {"data": {"value": "ImageData photos"}, "space": {"value": "function mine"}}
    run = begun_with(RunDirectory(tmp_path / "run"), **lost)
    budget: dict[str, Any] = {"latency_ms": 0.2345, "threads": 2, "listener": SILENT}
    with pytest.raises(RunError, match=re.escape("in Python: `specialize(RUN, data=..., space=...)`")):
        sculptnet.specialize(run, **budget)
    texts = dict(one.removeprefix("space.").split("=") for one in SUPERNET if one.startswith("space."))
    images, space = data.load(str(photos)), NamedSpace("ofa_mobilenet_v3", texts)
    with pytest.raises(RunError, match=r"the images of photos\w+ have changed since"):
        sculptnet.specialize(run, data=data.load(str(photos), test_fraction=0.5), space=space, **budget)
    asked = asked_of(SpecializeOptions(run, data=images, space=space, **budget))
    assert (asked.data, asked.space) == (images, space)
    identity = identity_of(asked, OnceForAll(), images, OnceForAll().subject(asked, 3, 16))
    begun = RunDirectory(run).info().identity
    assert [identity[name] for name in ("data_fingerprint", "subject")] == [
        begun[name] for name in ("data_fingerprint", "subject")
    ]


def test_images_that_were_moved_are_named_in_both_spellings(
    supernet_run: FitResult, photos: Path, tmp_path: Path, command: Command
) -> None:
    shutil.copytree(supernet_run.folder, tmp_path / "run")
    run = begun_with(RunDirectory(tmp_path / "run"), data=str(tmp_path / "gone"))
    with pytest.raises(DataError, match="moved or renamed, give the new one: `data=FOLDER`"):
        sculptnet.specialize(run, 0.2, threads=2)
    words = ("specialize", str(run), "--latency-ms", "0.0001", "--threads", "2")
    code, _, err = command(*words)
    assert (code, "moved or renamed, give the new one: --data FOLDER" in err) == (2, True)
    code, _, err = command(*words, "--data", str(photos))
    assert (code, "raise --latency-ms" in err) == (2, True)


def test_a_network_that_was_cut_out_of_a_run_is_no_run_of_its_own(tmp_path: Path, command: Command) -> None:
    RunDirectory(tmp_path / "run").open(RunInfo("fit", {}, {"data": "x"}), fresh=False)
    budget = RunDirectory(tmp_path / "run" / "specialized" / "fake-1t" / "5ms")
    budget.open(RunInfo("fit", {}, {"data": "x"}), fresh=False)  # as older versions have it
    message = rf"holds a network that `specialize` cut out of {tmp_path}/run; .* with that run goes on .* shows it"
    with pytest.raises(InvalidValue, match=message):
        sculptnet.resume(budget.folder)
    with pytest.raises(RunError, match=f"holds a network that was cut out of {tmp_path}/run; name that run"):
        sculptnet.specialize(budget.folder, 0.2)
    code, _, err = command("fit", str(budget.folder))
    assert (code, "`sculptnet specialize RUN --latency-ms X` with that run goes on with it" in err) == (2, True)


GOES_ON = {
    "fit": ("fit", "search", "export", "train", "specialize"),
    "search-recipe": ("fit", "search", "export", "train", "search-recipe", "specialize"),
    "train": ("train", "specialize"),
    "detect": ("detect", "specialize"),
    "specialize": ("specialize",),
}


@pytest.mark.parametrize("begun", sorted(VERBS))
def test_every_verb_says_what_goes_on_with_a_run_of_another(begun: str, tmp_path: Path, command: Command) -> None:
    folder, values = tmp_path / "run", {"data": str(tmp_path / "gone"), "network": "mobilenet_v2"}
    RunDirectory(folder).open(RunInfo(begun, {"data_fingerprint": "x"}, values), fresh=False)
    for verb in ("fit", "search", "export", "train", "search-recipe", "detect"):
        code, _, err = command(verb, str(folder))
        assert code == 2, verb
        if begun == "specialize":
            assert f"{folder} holds a network that `specialize` cut out of a run; `sculptnet specialize RUN --l" in err
        elif verb not in GOES_ON[begun]:
            assert f"{folder} is a run of `{begun}`; `sculptnet {begun} {folder}` goes on with it" in err, verb
        else:
            assert "goes on with it" not in err, verb
    code, _, err = command("specialize", str(folder), "--latency-ms", "1")
    assert (code, f"has no supernet (a run of `{begun}`)" in err) == (2, True)


def test_a_run_in_the_place_of_data_is_told_in_python_too(tmp_path: Path) -> None:
    RunDirectory(tmp_path).open(RunInfo("train", {}, {}), fresh=False)
    calls: list[tuple[Any, tuple[Any, ...]]] = [
        (sculptnet.fit, (tmp_path, 1.0)),
        (sculptnet.train, ("mobilenet_v2", tmp_path)),
        (sculptnet.detect, ("mobilenet_v2", str(tmp_path))),
        (sculptnet.search_recipe, ("mobilenet_v2", tmp_path)),
    ]
    for call, arguments in calls:
        with pytest.raises(InvalidValue, match=r"is a run directory, not data; `sculptnet train [^`]*`, in Python `r"):
            call(*arguments)


def test_numbers_of_numpy_are_numbers(photos: Path) -> None:
    options = FitOptions(photos, np.float32(5), threads=np.int64(2))  # type: ignore[arg-type]
    assert (options.problems(), repr(options.latency_ms), repr(options.threads)) == ([], "5.0", "2")
