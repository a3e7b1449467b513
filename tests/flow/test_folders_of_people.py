"""Folders as people have them, through the command line: with runs in them, renamed, of names that are no text."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.flow.conftest import SILENT, Command

from sculptnet import zoo
from sculptnet.arch import to_json
from sculptnet.options import TrainOptions
from sculptnet.runs import RunDirectory, RunInfo
from sculptnet.tasks.classify import load_data

TINY = ("--device", "sculptnet.testing:fake_device", "--accelerator", "cpu", "--minutes", "1")
QUICK = ("--set", "recipe.epochs=1", "--set", "recipe.batch_size=8", "--json")


@pytest.fixture
def network(tmp_path: Path) -> str:
    path = tmp_path / "narrow.json"
    path.write_text(json.dumps(to_json(zoo.mobilenet_v2(1000, 16, width=0.1))))
    return str(path)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes; the folder, one class and one file in each have names that are no UTF-8."""
    folder, rng = tmp_path / os.fsdecode(b"fotos\xe9"), np.random.default_rng(0)
    for name in (b"blue", b"caf\xe9"):
        (folder / os.fsdecode(name)).mkdir(parents=True)
        for file in (*(b"%d.png" % index for index in range(9)), b"\xff.png"):
            noise = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(noise).save(folder / os.fsdecode(name) / os.fsdecode(file))
    return folder


def test_a_run_inside_its_data_goes_on_also_when_the_data_are_renamed(
    network: str, photos: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos)
    code, out, err = command("train", network, ".", *TINY, *QUICK)
    assert code == 0
    first = json.loads(out)
    assert first["card"]["classes"] == ["blue", r"caf\xe9"]
    assert f"Starting runs/{first['card']['name']}" in err
    code, out, err = command("train", network, ".", *TINY, *QUICK)
    assert (code, json.loads(out)["card"]) == (0, first["card"])
    renamed = photos.rename(photos.with_name("photos"))
    monkeypatch.chdir(renamed)
    code, out, err = command("train", network, str(renamed), *TINY, *QUICK)
    assert (code, json.loads(out)["card"]) == (0, first["card"])
    assert f"Continuing runs/{first['card']['name']}" in err
    run = RunDirectory(renamed / "runs" / first["card"]["name"])
    assert run.info().command["data"] == str(renamed)
    renamed.rename(photos.with_name("elsewhere"))
    run = RunDirectory(photos.with_name("elsewhere") / "runs" / first["card"]["name"])
    code, _, err = command("train", str(run.folder))
    assert code == 2
    assert "which does not exist any more; if they were moved or renamed, give the call again" in err


def test_photos_of_such_names_are_classified_and_folders_for_runs_refused(
    network: str, photos: Path, command: Command
) -> None:
    odd = photos.parent / os.fsdecode(b"r\xfcn")
    code, _, err = command("train", network, str(photos), *TINY, "--run-dir", str(odd))
    assert code == 2
    assert r"r\xfcn is no UTF-8, and runtimes open no such files; give another --run-dir" in err
    run = photos.parent / "run"
    code, out, err = command("train", network, str(photos), *TINY, *QUICK[:-1], "--run-dir", str(run))
    assert code == 0
    assert r"fotos\xe9: 2 classes" in err
    code, out, _ = command("predict", str(run), str(photos / os.fsdecode(b"blue/\xff.png")))
    assert code == 0
    assert r"blue/\xff.png" in out
    code, out, _ = command("show", str(run))
    assert (code, r"on fotos\xe9" in out) == (0, True)


def test_an_existing_folder_is_no_module(
    photos: Path, tmp_path: Path, command: Command, network: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos.rename(tmp_path / "photos:v2")
    monkeypatch.chdir(tmp_path)
    assert load_data(TrainOptions("mobilenet_v2", "photos:v2"), SILENT).name == "photos:v2"
    Path(network).rename(tmp_path / "net:v2")
    code, _, err = command("measure", "net:v2", "--device", "sculptnet.testing:fake_device")
    assert code == 2
    assert "No module" not in err
    code, _, err = command("train", "net:v2", "photos:v2", *TINY)
    assert code == 2
    assert "NETWORK net:v2 is a file whose name does not end in .json" in err


def test_a_run_in_the_place_of_data_is_told(network: str, photos: Path, command: Command, tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    with run.locked():
        run.open(RunInfo("train", {"data_fingerprint": "x"}, {}), fresh=False)
    for words in (("train", network), ("detect", "mobilenet_v2")):
        code, _, err = command(*words, str(run.folder), *TINY)
        assert code == 2
        assert "is a run directory, not data; `sculptnet train" in err


def test_data_that_nothing_can_be_learned_from_begin_no_run(
    network: str, photos: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in photos.glob("*/*.png"):
        Image.new("L", (16, 16), 128).save(name)
    monkeypatch.chdir(photos.parent)
    for words in (("train", network, str(photos)), ("fit", str(photos), "--latency-ms", "1")):
        code, _, err = command(*words, *TINY)
        assert code == 2
        assert r"data set fotos\xe9: all 20 images are of one brightness alone (128 of 255)" in err
    assert not (photos.parent / "runs").exists()
