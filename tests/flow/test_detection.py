"""A detector from photographs with boxes to a model, a card and a page; resumed; wrong requests named at once."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tests.boxes import SIZE, tiny_backbone, write_voc
from tests.flow.conftest import SILENT, Command
from tests.process import state_of_the_process

from sculptnet.arch import Architecture, to_json
from sculptnet.data.detection import evaluation_batches
from sculptnet.errors import InvalidValue
from sculptnet.export import save_network
from sculptnet.export.detector_files import OnnxDetector
from sculptnet.listening import Listener
from sculptnet.methods.given_detector import GivenDetector
from sculptnet.nets import Network, initialise
from sculptnet.option_groups import Accelerator
from sculptnet.options import DetectOptions
from sculptnet.plain import from_command, to_command
from sculptnet.records import to_plain
from sculptnet.records.card import Budget
from sculptnet.runs import RunDirectory
from sculptnet.stages.detector_training import first_detector
from sculptnet.tasks.detect_network import beginning_of
from sculptnet.tasks.detect_open import opened
from sculptnet.tasks.detect_result import DetectionResult
from sculptnet.tasks.detect_ship import drawn_photos, typical_photo
from sculptnet.verbs import run_detect

SHIPPED = {
    "architecture.json",
    "detector.json",
    "recipe.json",
    "weights.safetensors",
    "model.onnx",
    "card.json",
    "predict.py",
}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs, and a network with weights as a run ships it."""
    folder = tmp_path_factory.mktemp("detection")
    write_voc(folder / "voc", {"train": 8, "val": 2, "test": 4})
    network = Network(tiny_backbone(32))
    initialise(network, 7)
    save_network(network, folder / "model")
    (folder / "alone.json").write_text(json.dumps(to_json(tiny_backbone())))
    return folder


@pytest.fixture(scope="module")
def asked_here(work: Path) -> DetectOptions:
    return DetectOptions(
        str(work / "model"),
        str(work / "voc"),
        0.001,
        size=SIZE,
        device="sculptnet.testing:fake_device",
        accelerator=Accelerator.CPU,
        minutes=1.0,
        recipe={"epochs": 2, "batch_size": 4},
        detector={"score_threshold": 0.05},
        run_dir=work / "run",
        listener=SILENT,
    )


@pytest.fixture(scope="module")
def finished(asked_here: DetectOptions) -> DetectionResult:
    return run_detect(asked_here)


def test_everything_is_shipped_and_described(finished: DetectionResult) -> None:
    card = finished.card
    assert card is not None
    assert {path.name for path in RunDirectory(finished.folder).model.iterdir()} == SHIPPED
    assert card.kind == "detector"
    assert card.classes == ("disk", "square")
    assert set(card.measured) == {"model.onnx", "without NMS"}
    assert card.measured["model.onnx"].latency_ms > card.measured["without NMS"].latency_ms
    assert (card.within_budget, finished.within_budget) == (False, False)
    assert card.budget == Budget(at_most=0.001, file="model.onnx")
    assert [row.name for row in card.detection.classes] == ["disk", "square"]
    assert 0 <= card.detection.ap <= card.detection.ap50 <= 1
    assert card.parity["model.onnx"].same >= 0.98
    assert (card.data.train_images, card.data.monitor_images, card.data.test_images) == (8, 2, 4)
    assert card.starting_weights == "weights.safetensors"
    assert finished.detector().plan.score_threshold == 0.05
    assert "mAP@0.5" in finished.summary()


def test_training_starts_from_the_weights_beside_the_architecture(asked_here: DetectOptions, work: Path) -> None:
    job = opened(replace(asked_here, run_dir=work / "first"), GivenDetector(), time.monotonic)
    assert isinstance(job.subject, Architecture)
    given = load_file(work / "model" / "weights.safetensors")
    backbone = first_detector(job, job.plan(job.subject), weights=job.first_weights()).backbone.state_dict()
    assert set(backbone) < set(given)
    assert all(torch.equal(tensor, given[name]) for name, tensor in backbone.items())
    assert beginning_of(replace(asked_here, network=str(work / "model" / "architecture.json"))) == (
        work / "model" / "weights.safetensors"
    )
    assert beginning_of(replace(asked_here, network=str(work / "alone.json"))) is False


def test_the_file_is_compared_and_timed_on_photographs_that_were_drawn(
    asked_here: DetectOptions, finished: DetectionResult, tmp_path: Path
) -> None:
    """Not on the first ones: names are often sorted by what is to be seen."""
    write_voc(tmp_path / "voc", {"train": 24, "val": 2, "test": 4})
    job = opened(
        replace(asked_here, data=str(tmp_path / "voc"), run_dir=tmp_path / "run"), GivenDetector(), time.monotonic
    )
    everything = next(evaluation_batches(job.data.train, job.preprocessing, 24)).numpy()
    drawn = drawn_photos(job)
    places = [int(np.flatnonzero((everything == photo).all(axis=(1, 2, 3)))[0]) for photo in drawn]
    assert len(set(places)) == 8
    assert max(places) >= 12
    model = OnnxDetector(RunDirectory(finished.folder).model / "model.onnx")
    counts = [len(model.heads(photo[None])[1]) for photo in drawn]
    assert len(model.heads(typical_photo(model, drawn))[1]) == sorted(counts)[4]


def test_the_file_is_judged_beside_the_weights_on_the_same_photographs(finished: DetectionResult) -> None:
    assert finished.card is not None
    compared = finished.card.compared["model.onnx"]
    assert compared.against == "weights.safetensors"
    assert abs(compared.difference) < 0.01
    assert finished.card.warnings == ()


def test_a_run_goes_on_with_renamed_photographs(asked_here: DetectOptions, work: Path, tmp_path: Path) -> None:
    unnamed = replace(asked_here, run_dir=None, runs=tmp_path)
    begun = opened(unnamed, GivenDetector(), time.monotonic).run
    shutil.copytree(work / "voc", work / "renamed")
    again = replace(unnamed, data=str(work / "renamed"))
    assert opened(again, GivenDetector(), time.monotonic).run == begun
    assert begun.info().command["data"] == str(work / "renamed")


def test_the_page_shows_photographs_with_boxes(finished: DetectionResult) -> None:
    assert finished.report is not None
    assert finished.card is not None
    text = finished.report.read_text(encoding="utf-8")
    assert text.count("data:image/jpeg;base64,") == 4
    dashed = len(re.findall(r"<rect [^>]*stroke-dasharray", text))
    assert dashed == finished.card.data.test_boxes
    assert set(re.findall(r'<svg [^>]*aria-labelledby="(\w+)-title', text)) == {"precision", "training"}
    assert "Over budget" in text
    assert "sculptnet detect" in text
    assert "Left out" not in text
    assert not re.findall(r'(?:src|href)="(?!data:|#|figures/)', text)


def test_the_same_request_again_and_the_directory_alone_read_the_result(
    finished: DetectionResult, asked_here: DetectOptions, command: Command
) -> None:
    before = {path: path.read_bytes() for path in finished.folder.rglob("*") if path.name != ".lock" and path.is_file()}
    assert run_detect(asked_here).card == finished.card
    code, out, _ = command("detect", str(finished.folder), "--json")
    assert code == 3  # over its budget
    assert json.loads(out)["card"] == to_plain(finished.card)
    assert {path: path.read_bytes() for path in before} == before
    command_there = RunDirectory(finished.folder).info().command
    assert from_command(DetectOptions, command_there, {"run_dir": finished.folder, "listener": SILENT}) == asked_here
    code, out, _ = command("show", str(finished.folder))
    assert code == 0
    assert "model.onnx: " in out
    assert "mAP@0.5" in out


def test_verbs_for_classifiers_refuse_a_detectors_run(finished: DetectionResult, command: Command) -> None:
    for verb in ("fit", "train"):
        code, _, err = command(verb, str(finished.folder))
        assert code == 2
        assert f"`sculptnet detect {finished.folder}` goes on with it" in err
    code, _, err = command("detect", str(finished.folder), str(finished.folder))
    assert code == 2
    assert f"{finished.folder} is a detector; name the network that it was made of" in err
    code, _, err = command("show", str(finished.folder / "model" / "card.json"))
    assert code == 2
    assert "holds neither a latency table nor an architecture" in err
    code, _, err = command("detect", str(finished.folder), "--size", "96")
    assert code == 2
    assert "leave out --size" in err


def test_predict_lists_what_a_detector_finds_by_its_folder_or_file(
    finished: DetectionResult, work: Path, command: Command
) -> None:
    photos = [str(path) for path in sorted((work / "voc" / "JPEGImages").iterdir())[:2]]
    code, out, _ = command("predict", str(finished.folder), *photos, "--json")
    assert code == 0
    found = json.loads(out)
    assert [one["photo"] for one in found] == photos
    assert all(set(object_) == {"class", "score", "box"} for one in found for object_ in one["objects"])
    code, out, _ = command("predict", str(finished.folder / "model" / "model.onnx"), *photos)
    assert code == 0
    assert out.startswith(f"{photos[0]}: {len(found[0]['objects'])} objects")
    code, _, err = command("predict", str(finished.folder), "none.jpg", str(work))
    assert code == 2
    assert "none.jpg does not exist" in err
    assert "is a folder; name the image files in it" in err
    code, _, err = command("predict", str(work / "voc"), *photos)
    assert code == 2
    assert "voc has no model.onnx yet; name a run that has shipped one, or an .onnx file" in err


def test_the_settings_of_a_detector_are_listed(command: Command) -> None:
    code, out, _ = command("show", "detector-settings", "--json")
    rows = {row["name"]: (row["default"], row["type"]) for row in json.loads(out)}
    assert code == 0
    assert rows["detector.smallest"] == ("None", "float | None")
    assert rows["recipe.optimizer"] == ("'AdamW'", "str")
    assert rows["recipe.augmentation.zoom_out"] == ("1.5", "float")


class Stopped(Exception):
    """As a kill would, between two steps."""


def test_a_run_that_was_stopped_ends_with_the_same_weights(
    finished: DetectionResult, asked_here: DetectOptions, tmp_path: Path
) -> None:

    def stop(what: str, done: int, total: int) -> None:
        if what == "training" and done == total - 1:
            raise Stopped

    before = state_of_the_process()
    with pytest.raises(Stopped):
        run_detect(replace(asked_here, run_dir=tmp_path / "run", listener=Listener(SILENT.say, stop)))
    assert state_of_the_process() == before
    assert RunDirectory(tmp_path / "run").checkpoint("final").load() is not None

    def stop_when_shipped(what: str, done: int, total: int) -> None:
        if what.startswith("testing"):
            raise Stopped

    with pytest.raises(Stopped):
        run_detect(replace(asked_here, run_dir=tmp_path / "run", listener=Listener(SILENT.say, stop_when_shipped)))
    names = ("weights.safetensors", "model.onnx")
    for one, other in ((finished.folder / "model" / name, tmp_path / "run" / "model" / name) for name in names):
        assert one.read_bytes() == other.read_bytes()


def test_everything_wrong_with_a_request_is_told_at_once(work: Path) -> None:
    settings: dict[str, Any] = {"recipe": {"epoch": 3}, "detector": {"overlap": "much"}}
    with pytest.raises(InvalidValue) as raised:
        run_detect(
            DetectOptions(
                "mobilenet_v22",
                work / "voc",
                -1.0,
                minutes=0.0,
                size=300,
                device="onnxruntim",
                pretrained=True,
                weights=work / "none.pth",
                **settings,
            )
        )
    for part in (
        "`latency_ms` must be above 0, got -1",
        "`minutes` must be above 0, got 0",
        "`size`: the input must be a multiple of 32 pixels, got 300; the nearest is 288",
        "unknown network 'mobilenet_v22'; did you mean mobilenet_v2",
        "`pretrained` and `weights`",
        "unknown device 'onnxruntim'; did you mean onnxruntime?",
        "did you mean epochs",
        "`detector.overlap`: must be a number",
    ):
        assert part in str(raised.value)
    with pytest.raises(InvalidValue) as raised:
        run_detect(DetectOptions(work / "gone.json", "x", **settings))
    for part in ("gone.json does not exist", "did you mean epochs", "`detector.overlap`: must be a number"):
        assert part in str(raised.value)


def test_a_network_without_these_strides_is_refused(work: Path, command: Command) -> None:
    from sculptnet import zoo

    (work / "small.json").write_text(json.dumps(to_json(zoo.mobilenet_v2(10, 32))))
    code, _, err = command("detect", str(work / "small.json"), str(work / "voc"))
    assert code == 2
    assert "small.json: SSDLite needs features of stride 16 and, at the end, of stride 32" in err
    code, _, err = command("detect", "mobilenet_v2")
    assert code == 2
    assert "expected NETWORK and DATA, or a run directory, got mobilenet_v2" in err


@pytest.mark.slow
def test_a_killed_run_ends_with_the_same_bits(
    finished: DetectionResult, asked_here: DetectOptions, tmp_path: Path
) -> None:
    """SIGKILL in the second epoch, in another process, which then goes on to the end."""
    program = (
        "import sys, json; from pathlib import Path; from sculptnet.plain import from_command;"
        "from sculptnet.options import DetectOptions; from sculptnet.verbs import run_detect;"
        "from sculptnet.listening import Listener;"
        "tell = lambda what, done, total: what == 'training' and print(done, flush=True);"
        "import torch; torch.set_num_threads(1);"
        "changes = {'run_dir': Path(sys.argv[2]), 'listener': Listener(lambda text: None, tell)};"
        "run_detect(from_command(DetectOptions, json.loads(sys.argv[1]), changes))"
    )
    command = [sys.executable, "-c", program, json.dumps(to_command(asked_here)), str(tmp_path / "run")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() == "3":
                os.kill(process.pid, signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL
    assert not RunDirectory(tmp_path / "run").card.exists()
    subprocess.run(command, check=True, capture_output=True)
    for name in ("weights.safetensors", "model.onnx"):
        assert (tmp_path / "run" / "model" / name).read_bytes() == (finished.folder / "model" / name).read_bytes()
