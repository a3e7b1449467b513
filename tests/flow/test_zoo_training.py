"""One given network: trained or fine-tuned, shipped as `fit` ships its find; resumed; wrong requests named at once."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

import pytest
import torch
from safetensors.torch import load_file, save_file
from sculptnet.flow.context import Voice
from sculptnet.flow.given_network import fitted
from sculptnet.flow.network_context import own_resolution, warn_of_small_features
from sculptnet.flow.network_request import NetworkRequest
from sculptnet.flow.network_run import run_network
from sculptnet.flow.result import FitResult
from sculptnet.flow.starting import normalisation_of, normalised_as
from tests.process import state_of_the_process

from sculptnet import cost, zoo
from sculptnet.arch import Architecture, to_json
from sculptnet.data import Preprocessing, load
from sculptnet.errors import InvalidValue
from sculptnet.learn import process_as_found
from sculptnet.runs import RunDirectory
from sculptnet.state import no_progress
from sculptnet.zoo.weights import LITE0, LITE0_PACKAGE

Command: TypeAlias = Callable[..., tuple[int, str, str]]
SILENT = Voice(lambda text: None, no_progress)
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
def ask_to_train(photos: Path, file: Path) -> Callable[[Path], NetworkRequest]:
    return lambda run_dir: NetworkRequest(
        data=str(photos),
        network=str(file),
        device="sculptnet.testing:fake_device",
        accelerator="cpu",
        minutes=1.0,
        settings=("recipe.epochs=2", "recipe.batch_size=8"),
        run_dir=run_dir,
    )


@pytest.fixture(scope="module")
def finished(ask_to_train: Callable[[Path], NetworkRequest], tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    return run_network(ask_to_train(tmp_path_factory.mktemp("trained") / "run"), SILENT)


def test_everything_is_shipped_and_no_budget_is_invented(finished: FitResult, narrow: Architecture) -> None:
    card = finished.card
    assert card is not None
    assert {path.name for path in RunDirectory(finished.folder).model.iterdir()} == SHIPPED
    assert (card["budget"], card["within_budget"], card["predicted"]) == (None, None, None)
    assert finished.within_budget is None
    assert (card["network"], card["starting_weights"]) == ("narrow.json", "drawn")
    assert set(card["measured"]) == {"model.onnx", "model.int8.onnx"}
    assert finished.architecture == replace(narrow, classifier=replace(narrow.classifier, out_channels=3))  # type: ignore[type-var]
    assert card["macs"] == cost.macs(finished.architecture)
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
    finished: FitResult, ask_to_train: Callable[[Path], NetworkRequest], command: Command
) -> None:
    before = {path: path.read_bytes() for path in finished.folder.rglob("*") if path.name != ".lock" and path.is_file()}
    assert run_network(ask_to_train(finished.folder), SILENT).card == finished.card
    code, out, _ = command("train", str(finished.folder), "--json")
    assert code == 0
    assert json.loads(out)["card"] == finished.card
    assert {path: path.read_bytes() for path in before} == before
    code, out, _ = command("show", str(finished.folder))
    assert code == 0
    assert "no budget on sculptnet.testing:fake_device" in out
    code, _, err = command("fit", str(finished.folder))
    assert code == 2
    assert f"`sculptnet train {finished.folder}` continues it" in err


class Stopped(Exception):
    """As a kill would, between two steps."""


def test_a_training_that_was_stopped_ends_with_the_same_weights(
    finished: FitResult, ask_to_train: Callable[[Path], NetworkRequest], tmp_path: Path
) -> None:
    request = ask_to_train(tmp_path / "run")

    def stop(what: str, done: int, total: int) -> None:
        if what == "training" and done == total - 2:  # in the second of two epochs
            raise Stopped

    before = state_of_the_process()
    with pytest.raises(Stopped):
        run_network(request, Voice(lambda text: None, stop))
    assert state_of_the_process() == before
    assert not RunDirectory(request.run_dir or tmp_path).card.exists()
    assert RunDirectory(tmp_path / "run").checkpoint("final").load() is not None
    said: list[str] = []
    with process_as_found():
        torch.set_num_threads(2)  # the plan's one is what it goes on with
        before = state_of_the_process()
        resumed = run_network(request, Voice(said.append, no_progress))
        assert state_of_the_process() == before
    assert said[0] == f"Continuing {tmp_path / 'run'}"
    for name in ("weights.safetensors", "model.onnx", "model.int8.onnx"):
        assert (RunDirectory(resumed.folder).model / name).read_bytes() == (
            RunDirectory(finished.folder).model / name
        ).read_bytes()


def test_a_budget_judges_and_is_no_target(photos: Path, file: Path, tmp_path: Path, command: Command) -> None:
    words = ("train", str(file), str(photos), *FAKE, *QUICK, "--run-dir", str(tmp_path / "run"))
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
    finished: FitResult, ask_to_train: Callable[[Path], NetworkRequest], tmp_path: Path
) -> None:
    model = RunDirectory(finished.folder).model
    request = replace(
        ask_to_train(tmp_path / "run"),
        network=str(model / "architecture.json"),
        weights=model / "weights.safetensors",
        settings=("recipe.epochs=1", "recipe.optimizer.learning_rate=1e-30", "recipe.batch_size=8"),
    )
    result = run_network(request, SILENT)
    assert result.card is not None
    assert finished.card is not None
    assert result.card["starting_weights"] == "weights.safetensors"
    for key in ("mean", "std"):
        assert result.card["preprocessing"][key] == finished.card["preprocessing"][key]
    before, after = (load_file(RunDirectory(one.folder).model / "weights.safetensors") for one in (finished, result))
    learned = [name for name in before if not name.endswith(("running_mean", "running_var", "num_batches_tracked"))]
    assert all(torch.equal(before[name], after[name]) for name in learned)


def test_fine_tuning_takes_a_tenth_of_the_learning_rate(
    ask_to_train: Callable[[Path], NetworkRequest], finished: FitResult, tmp_path: Path
) -> None:
    plain = replace(ask_to_train(tmp_path), settings=())
    tuned = replace(plain, weights=RunDirectory(finished.folder).model / "weights.safetensors")
    rates = [
        (request.recipe(resolution).batch_size, request.recipe(resolution).optimizer.learning_rate)
        for request in (plain, tuned)
        for resolution in (96, 224)
    ]
    assert rates == [(128, 0.1), (32, 0.025), (128, pytest.approx(0.01)), (32, pytest.approx(0.0025))]


def test_published_weights_bring_their_normalisation(photos: Path, said: list[str], voice: Voice) -> None:
    request = NetworkRequest(data=str(photos), network="efficientnet_lite0", pretrained=True, threads=1)
    found = normalisation_of(request.weights, zoo.BY_NAME["efficientnet_lite0"])
    assert found == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "timm's tf_efficientnet_lite0")
    nowhere = replace(request, network="fbnet_a")
    plain = Preprocessing(32, 32, (0.1, 0.2, 0.3), (1.0, 1.0, 1.0))
    assert normalised_as(plain, nowhere.network, nowhere.weights, zoo.BY_NAME["fbnet_a"], voice.say) == plain
    assert "is not recorded; the mean and standard deviation of these images are used" in said[0]


def test_small_images_keep_their_size_where_nothing_was_trained_before(photos: Path, file: Path) -> None:
    data = load(str(photos))
    drawn = NetworkRequest(data=str(photos), network="mobilenet_v2")
    published = zoo.BY_NAME["mobilenet_v2"]
    assert own_resolution(drawn, published, data) == 16
    assert own_resolution(replace(drawn, pretrained=True), published, data) == 224
    from_file = replace(drawn, network=str(file))
    assert own_resolution(from_file, replace(published, architecture=zoo.mobilenet_v2(3, 40)), data) == 40


@pytest.mark.parametrize(("resolution", "warns"), [(28, True), (64, True), (96, False), (224, False)])
def test_small_images_in_a_network_of_stride_32_are_warned_of(
    resolution: int, warns: bool, said: list[str], voice: Voice
) -> None:
    warn_of_small_features(replace(zoo.BY_NAME["fbnet_a"].architecture, resolution=resolution), voice)
    assert bool(said) is warns
    assert all(f"--resolution {4 * resolution} enlarges images" in line for line in said)


def test_a_network_of_the_zoo_is_trained_by_its_name(photos: Path, tmp_path: Path, command: Command) -> None:
    words = ("mnasnet_small", str(photos), *FAKE, "--set", "recipe.epochs=1", "--resolution", "32")
    code, out, err = command("train", *words, "--run-dir", str(tmp_path / "run"), "--json")
    assert code == 0
    card = json.loads(out)["card"]
    assert (card["network"], card["preprocessing"]["resolution"]) == ("mnasnet_small", 32)
    assert "Warning: images of 32 px are 1x1 pixels where this network ends" in err
    published = zoo.BY_NAME["mnasnet_small"].architecture
    assert card["macs"] == cost.macs(fitted(published, 32, 3))


def test_every_wrong_argument_is_named_at_once(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidValue) as caught:
        NetworkRequest(
            data=str(photos),
            network="fbnet_z",
            pretrained=True,
            weights=tmp_path / "none.pth",
            latency_ms=-1.0,
            settings=("space.width=0.5", "search.beta=1", "recipe.epochs=0"),
        )
    text = str(caught.value)
    for expected in (
        "unknown network 'fbnet_z'; did you mean fbnet_",
        f"--pretrained and --weights {tmp_path}/none.pth are two beginnings; give one of them",
        "the budget must be above 0 ms, got -1",
        "--set space.width, search.beta: nothing is searched with NETWORK; only recipe can be set",
        "epochs",
    ):
        assert expected in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("none.json", "photos"), "NETWORK none.json does not exist; `sculptnet zoo` lists networks by name"),
        (("mobilenet_v2", "none"), "neither a folder here nor a data set known by name"),
        (("photos", "mobilenet_v2"), "photos is a folder; the network comes first: `sculptnet train NETWORK DATA`"),
        (("mobilenet_v22", "photos"), "unknown network 'mobilenet_v22'; did you mean mobilenet_v2"),
        (("mobilenet_v2", "photos", "more"), "expected NETWORK and DATA, got 3 arguments: mobilenet_v2 photos more"),
        (("mobilenet_v2", "photos", "--weights", "w.pth"), "--weights w.pth does not exist"),
        (("narrow.json", "photos", "--pretrained"), "narrow.json is a file, and nobody publishes its weights"),
        (("narrow.json", "photos", "--weights", "other.safetensors"), "other.safetensors does not hold narrow.json"),
        (("fbnet_a", "photos", "--pretrained"), "fbnet_a: timm has no weights of it"),
        (("mobilenet_v2", "photos", "--space", "fbnet"), "--space belongs to searches; leave it out"),
        (("mobilenet_v2", "photos", "--baselines"), "--baselines belongs to searches; leave it out"),
        (("photos", "--pretrained"), "--pretrained: there is no NETWORK; `sculptnet train NETWORK DATA` takes it"),
        (("photos",), "the budget is missing; give --latency-ms"),
        (("mobilenet_v2", "--latency-ms", "5"), "mobilenet_v2 is a network; `sculptnet train mobilenet_v2 DATA`"),
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
    code, _, err = command("train", "fbnet_z", str(photos), "--space", "fbnet", "--table", "t.json", "--minutes", "0")
    assert code == 2
    for expected in ("--space belongs", "--table belongs", "unknown network 'fbnet_z'", "--minutes must be above 0"):
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
