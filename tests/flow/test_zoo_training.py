"""One given network: trained or fine-tuned, shipped as `fit` ships its find; resumed; wrong requests named at once."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.flow.conftest import SILENT, Command
from tests.process import state_of_the_process

from sculptnet import cost, zoo
from sculptnet.arch import Architecture, to_json
from sculptnet.data import Preprocessing, load
from sculptnet.errors import InvalidValue
from sculptnet.learn import process_as_found
from sculptnet.listening import Listener
from sculptnet.methods.given import Given, recipe_of, warn_of_small_features
from sculptnet.networks import fitted
from sculptnet.option_groups import Accelerator
from sculptnet.options import TrainOptions
from sculptnet.records import to_plain
from sculptnet.result import FitResult
from sculptnet.runs import RunDirectory
from sculptnet.verbs import run_train
from sculptnet.zoo.starting import normalisation_of
from sculptnet.zoo.weights import LITE0, LITE0_PACKAGE

AskToTrain: TypeAlias = Callable[..., TrainOptions]
FAKE = ("--device", "sculptnet.testing:fake_device", "--accelerator", "cpu", "--minutes", "1")
QUICK = ("--set", "recipe.epochs=2", "--set", "recipe.batch_size=8")
SHIPPED = {
    "architecture.json",
    "recipe.json",
    "weights.safetensors",
    "model.onnx",
    "model.int8.onnx",
    "card.json",
    "predict.py",
}


@pytest.fixture(scope="session")
def narrow() -> Architecture:
    """MobileNetV2, a tenth as wide, for images of 16 pixels, with the classes of ImageNet."""
    return zoo.mobilenet_v2(1000, 16, width=0.1)


@pytest.fixture(scope="session")
def file(narrow: Architecture, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("network") / "narrow.json"
    path.write_text(json.dumps(to_json(narrow)))
    return path


@pytest.fixture(scope="session")
def ask_to_train(photos: Path, file: Path) -> AskToTrain:
    """Makes the options of a run directory; others on top."""

    def options(run_dir: Path, **changes: Any) -> TrainOptions:
        values: dict[str, Any] = {
            "network": str(file),
            "data": str(photos),
            "device": "sculptnet.testing:fake_device",
            "accelerator": Accelerator.CPU,
            "minutes": 1.0,
            "recipe": {"epochs": 2, "batch_size": 8},
            "run_dir": run_dir,
            "listener": SILENT,
        }
        return TrainOptions(**(values | changes))

    return options


@pytest.fixture(scope="module")
def finished(ask_to_train: AskToTrain, tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    return run_train(ask_to_train(tmp_path_factory.mktemp("trained") / "run"))


def test_everything_is_shipped_and_no_budget_is_invented(finished: FitResult, narrow: Architecture) -> None:
    card = finished.card
    assert card is not None
    assert {path.name for path in RunDirectory(finished.folder).model.iterdir()} == SHIPPED
    assert (card.budget, card.within_budget, card.predicted) == (None, None, None)
    assert finished.within_budget is None
    assert (card.network, card.starting_weights) == ("narrow.json", "drawn")
    assert set(card.measured) == {"model.onnx", "model.int8.onnx"}
    assert finished.architecture == replace(narrow, classifier=replace(narrow.classifier, out_channels=3))  # type: ignore[type-var]
    assert card.macs == cost.macs(finished.architecture)
    assert finished.network().architecture == finished.architecture
    assert "no budget was given" in finished.summary()


def test_the_page_speaks_of_the_network_and_not_of_searches(finished: FitResult) -> None:
    assert finished.report is not None
    text = finished.report.read_text(encoding="utf-8")
    figures = set(re.findall(r'<svg [^>]*aria-labelledby="(\w+)-title', text))
    assert figures == {"layers", "recall", "confusion", "training"}
    assert "No budget was given." in text
    assert "narrow.json for" in text
    assert "learning_rate 0.1" in text
    assert "sculptnet train" in text
    for absent in ("Left out", "found network", "search", "Baselines", ">Budget<"):
        assert absent not in text


def test_the_same_request_again_and_the_directory_alone_read_the_result(
    finished: FitResult, ask_to_train: AskToTrain, command: Command
) -> None:
    before = {path: path.read_bytes() for path in finished.folder.rglob("*") if path.name != ".lock" and path.is_file()}
    assert run_train(ask_to_train(finished.folder)).card == finished.card
    code, out, _ = command("train", str(finished.folder), "--json")
    assert code == 0
    assert json.loads(out)["card"] == to_plain(finished.card)
    assert {path: path.read_bytes() for path in before} == before
    code, out, _ = command("show", str(finished.folder))
    assert code == 0
    assert "no budget on sculptnet.testing:fake_device" in out
    code, _, err = command("fit", str(finished.folder))
    assert code == 2
    assert f"`sculptnet train {finished.folder}` goes on with it" in err


class Stopped(Exception):
    """As a kill would, between two steps."""


def test_a_training_that_was_stopped_ends_with_the_same_weights(
    finished: FitResult, ask_to_train: AskToTrain, tmp_path: Path, said: list[str], listener: Listener
) -> None:
    def stop(what: str, done: int, total: int) -> None:
        if what == "training" and done == total - 2:  # in the second of two epochs
            raise Stopped

    before = state_of_the_process()
    with pytest.raises(Stopped):
        run_train(ask_to_train(tmp_path / "run", listener=Listener(SILENT.say, stop)))
    assert state_of_the_process() == before
    assert not RunDirectory(tmp_path / "run").card.exists()
    assert RunDirectory(tmp_path / "run").checkpoint("final").load() is not None
    with process_as_found():
        torch.set_num_threads(2)  # the plan's one is what it goes on with
        before = state_of_the_process()
        resumed = run_train(ask_to_train(tmp_path / "run", listener=listener))
        assert state_of_the_process() == before
    assert said[0] == f"Continuing {tmp_path / 'run'}"
    for name in ("weights.safetensors", "model.onnx", "model.int8.onnx"):
        assert (RunDirectory(resumed.folder).model / name).read_bytes() == (
            RunDirectory(finished.folder).model / name
        ).read_bytes()


def test_a_budget_judges_where_the_resolution_is_given(
    photos: Path, file: Path, tmp_path: Path, command: Command
) -> None:
    words = ("train", str(file), str(photos), *FAKE, *QUICK, "--resolution", "16", "--run-dir", str(tmp_path / "run"))
    code, out, _ = command(*words, "--latency-ms", "0.0001", "--json")
    card = json.loads(out)["card"]
    assert code == 3
    assert card["within_budget"] is False
    assert card["budget"] == {"metric": "latency_ms", "at_most": 1e-4, "precision": "fp32", "file": "model.onnx"}
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Over budget</strong>" in page
    assert "--latency-ms 0.0001" in page
    code, _, err = command(*words, "--latency-ms", "5")
    assert code == 2
    assert "holds another run" in err


def test_weights_of_an_earlier_run_go_on_with_its_normalisation(
    finished: FitResult, ask_to_train: AskToTrain, tmp_path: Path
) -> None:
    model = RunDirectory(finished.folder).model
    options = ask_to_train(
        tmp_path / "run",
        network=str(model / "architecture.json"),
        weights=model / "weights.safetensors",
        recipe={"epochs": 1, "optimizer.learning_rate": 1e-30, "batch_size": 8},
    )
    result = run_train(options)
    assert result.card is not None
    assert finished.card is not None
    assert result.card.starting_weights == "weights.safetensors"
    assert result.card.preprocessing.mean == finished.card.preprocessing.mean
    assert result.card.preprocessing.std == finished.card.preprocessing.std
    before, after = (load_file(RunDirectory(one.folder).model / "weights.safetensors") for one in (finished, result))
    kept = [name for name in before if "num_batches_tracked" not in name and "running_" not in name]  # few steps
    differs = {name.partition(".")[0] for name in kept if not torch.equal(before[name], after[name])}
    assert differs <= {"classifier"}  # at most, where a fitted one is better


def test_fine_tuning_has_a_recipe_of_its_own_and_from_scratch_the_rate_follows_the_batch(
    ask_to_train: AskToTrain, finished: FitResult, tmp_path: Path
) -> None:
    plain = ask_to_train(tmp_path, recipe=None)
    tuned = replace(plain, weights=RunDirectory(finished.folder).model / "weights.safetensors")
    rates = [
        (recipe_of(options, resolution).batch_size, recipe_of(options, resolution).optimizer.learning_rate)
        for options in (plain, tuned)
        for resolution in (96, 224)
    ]
    assert rates == [(128, 0.1), (32, 0.025), (32, 0.003), (32, 0.003)]
    assert recipe_of(tuned, 96).frozen_statistics
    assert not recipe_of(plain, 96).frozen_statistics


def test_published_weights_bring_their_normalisation(photos: Path, said: list[str], listener: Listener) -> None:
    options = TrainOptions("efficientnet_lite0", photos, pretrained=True)
    found = normalisation_of(options.weights, zoo.BY_NAME["efficientnet_lite0"])
    assert found == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "timm's tf_efficientnet_lite0")
    plain = Preprocessing(32, 32, (0.1, 0.2, 0.3), (1.0, 1.0, 1.0))
    taken = Given().preprocessing(options, plain, listener)
    assert (taken.mean, taken.std) == ((0.5,) * 3, (0.5,) * 3)
    nowhere = replace(options, network="fbnet_a")
    assert Given().preprocessing(nowhere, plain, listener) == plain
    assert "is not recorded; the mean and standard deviation of these images are used" in said[1]


def test_small_images_keep_their_size_where_nothing_was_trained_before(photos: Path, tmp_path: Path) -> None:
    data, drawn = load(str(photos)), TrainOptions("mobilenet_v2", photos)
    (tmp_path / "own.json").write_text(json.dumps(to_json(zoo.mobilenet_v2(3, 40))))
    assert Given().resolution(drawn, data, "cpu") == 16
    assert Given().resolution(replace(drawn, pretrained=True), data, "cpu") == 224
    assert Given().resolution(replace(drawn, network=tmp_path / "own.json"), data, "cpu") == 40


@pytest.mark.parametrize(("resolution", "warns"), [(28, True), (64, True), (96, False), (224, False)])
def test_small_images_in_a_network_of_stride_32_are_warned_of(resolution: int, warns: bool, said: list[str]) -> None:
    warn_of_small_features(replace(zoo.BY_NAME["fbnet_a"].architecture, resolution=resolution), said.append)
    assert bool(said) is warns
    assert all(f"`resolution={4 * resolution}` enlarges images" in line for line in said)


def test_a_network_of_the_zoo_is_trained_by_its_name(photos: Path, tmp_path: Path, command: Command) -> None:
    words = ("mnasnet_small", str(photos), *FAKE, "--set", "recipe.epochs=1", "--resolution", "32")
    code, out, err = command("train", *words, "--run-dir", str(tmp_path / "run"), "--json")
    assert code == 0
    card = json.loads(out)["card"]
    assert (card["network"], card["preprocessing"]["resolution"]) == ("mnasnet_small", 32)
    assert "Warning: this network, made for photographs, halves the image five times: 32 px end as 1x1" in err
    published = zoo.BY_NAME["mnasnet_small"].architecture
    assert card["macs"] == cost.macs(fitted(published, 32, 3))


def test_every_number_that_breaks_its_rule_and_every_part_that_is_not_there_is_named_at_once(
    photos: Path, tmp_path: Path
) -> None:
    with pytest.raises(InvalidValue) as caught:
        run_train(
            TrainOptions(
                "fbnet_z",
                photos,
                -1.0,
                minutes=0.0,
                threads=0,
                pretrained=True,
                weights=tmp_path / "none.pth",
                device="onnxruntim",
                recipe={"epochs": 0},
                run_dir=tmp_path / "run",
            )
        )
    for expected in (
        "`latency_ms` must be above 0, got -1",
        "`minutes` must be above 0, got 0",
        "`threads` must be at least 1, got 0",
        "unknown network 'fbnet_z'; did you mean fbnet_",
        f"`pretrained` and `weights` {tmp_path}/none.pth are two beginnings; give one of them",
        f"`weights` {tmp_path}/none.pth does not exist",
        "unknown device 'onnxruntim'; did you mean onnxruntime?",
        "epochs must be a whole number at least 1, got 0",
    ):
        assert expected in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("none.json", "photos"), "NETWORK none.json does not exist; `sculptnet zoo` lists networks by name"),
        (("mobilenet_v2", "none"), "neither a folder here nor a data set known by name"),
        (("photos", "mobilenet_v2"), "photos is a folder; the network comes first: `sculptnet train NETWORK DATA`"),
        (("mobilenet_v22", "photos"), "unknown network 'mobilenet_v22'; did you mean mobilenet_v2"),
        (
            ("mobilenet_v2", "photos", "more"),
            "expected NETWORK and DATA, or a run directory, got mobilenet_v2 photos more",
        ),
        (("mobilenet_v2", "photos", "--weights", "w.pth"), "weights w.pth does not exist"),
        (("narrow.json", "photos", "--pretrained"), "--pretrained: nobody publishes weights of narrow.json"),
        (("narrow.json", "photos", "--weights", "other.safetensors"), "other.safetensors does not hold narrow.json"),
        (("fbnet_a", "photos", "--pretrained"), "fbnet_a: timm has no weights of it"),
        (("mobilenet_v2", "photos", "--space", "fbnet"), "No such option: --space"),
        (("mobilenet_v2", "photos", "--baselines"), "No such option: --baselines"),
        (("photos",), "expected NETWORK and DATA, or a run directory, got photos"),
        (("mobilenet_v2", "--latency-ms", "5"), "; `sculptnet train mobilenet_v2 DATA` trains it on images"),
    ],
)
def test_bad_requests_say_why_and_leave_nothing(
    words: tuple[str, ...],
    message: str,
    photos: Path,
    file: Path,
    tmp_path: Path,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "photos").symlink_to(photos)
    (tmp_path / "narrow.json").write_text(file.read_text())
    save_file({"stem.weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    code, out, err = command("train", *words)
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err
    assert sorted(tmp_path.iterdir()) == before


def test_several_wrong_options_are_named_together(photos: Path, command: Command) -> None:
    words = ("--device", "onnxruntim", "--weights", "none.pth", "--set", "recipe.epoch=2")
    code, _, err = command("train", "fbnet_z", str(photos), *words)
    assert code == 2
    for expected in ("unknown device", "unknown network 'fbnet_z'", "weights none.pth does", "did you mean epochs"):
        assert expected in err


@pytest.mark.slow
@pytest.mark.skipif(find_spec(LITE0_PACKAGE) is None, reason=f"{LITE0_PACKAGE} is not installed")
def test_published_weights_are_fine_tuned(photos: Path, tmp_path: Path, command: Command) -> None:
    words = (LITE0, str(photos), *FAKE, *QUICK, "--resolution", "64", "--run-dir", str(tmp_path / "run"))
    code, out, err = command("train", *words, "--pretrained", "--json")
    card = json.loads(out)["card"]
    assert code == 0
    assert "Images are normalised as for the weights (timm's tf_efficientnet_lite0" in err
    assert (card["starting_weights"], card["preprocessing"]["mean"]) == ("published", [0.5, 0.5, 0.5])
    assert card["accuracy"]["model.onnx"]["top1"] > 0.6  # by chance a third
