"""Python gives values where a command line gives names: both do the same, and neither is guessed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.asking import asked
from tests.flow.conftest import SMALL, Ask, Command

import sculptnet
from sculptnet import data, methods
from sculptnet.cost import Macs
from sculptnet.errors import InvalidValue, RunError
from sculptnet.job import Stage
from sculptnet.learn import process_as_found
from sculptnet.listening import Listener
from sculptnet.option_groups import Accelerator
from sculptnet.options import DetectOptions, FitOptions, TrainOptions
from sculptnet.plain import from_command, to_command
from sculptnet.precision import Precision
from sculptnet.search import Limit
from sculptnet.tasks.classify import identity_of
from sculptnet.testing import fake_device
from sculptnet.verbs import go_on, run_fit
from sculptnet.zoo import BY_NAME


def test_values_and_texts_are_one_request(photos: Path, tmp_path: Path) -> None:
    given: dict[str, Any] = {"latency_ms": 5, "table": "t.json", "precision": "int8", "accelerator": "cpu"}
    texts = asked(FitOptions, data=str(photos), run_dir=str(tmp_path / "run"), **given)
    values = FitOptions(
        photos,
        latency_ms=5.0,
        run_dir=tmp_path / "run",
        table=Path("t.json"),
        precision=Precision.INT8,
        accelerator=Accelerator.CPU,
    )
    assert (texts.run_dir, texts.table, texts.precision, texts.accelerator, repr(texts.latency_ms)) == (
        values.run_dir,
        values.table,
        values.precision,
        values.accelerator,
        "5.0",
    )
    assert to_command(texts) == to_command(values)


def test_data_and_networks_may_be_values(photos: Path) -> None:
    images = data.load(str(photos))
    assert FitOptions(images, 1.0).data is images
    published = BY_NAME["mobilenet_v2"]
    assert TrainOptions(published, images).network is published
    assert TrainOptions(published.architecture, images).network is published.architecture
    assert DetectOptions(published, photos).network is published


@pytest.mark.parametrize("method", [3, lambda problem: None, object])
def test_what_is_no_method_is_refused(ask: Ask, tmp_path: Path, method: object) -> None:
    with pytest.raises(InvalidValue, match="names no method; a method is a class below"):
        run_fit(ask(tmp_path / "run", method=method, settings=()))
    assert not (tmp_path / "run").exists()


def test_equal_requests_are_one_run(ask: Ask, photos: Path, tmp_path: Path) -> None:
    images = data.load(str(photos))
    method = methods.FBNet(tau=4.0)
    ways = [
        (ask(tmp_path, settings=("search.tau=4", "recipe.epochs=3")), methods.made("fbnet", methods.FBNet)),
        (ask(tmp_path, method=method, settings=(), recipe={"epochs": 3}), method),
        (ask(tmp_path, method="fbnet", settings=("search.tau=4.0", "recipe.epochs=3")), method),
    ]
    made = [methods.made(options.method, methods.FBNet) for options, _ in ways]
    assert made == [method] * 3
    subject = made[0].subject(ways[0][0], 3, 16)
    found = [identity_of(options, one, images, subject) for (options, _), one in zip(ways, made, strict=True)]
    assert found[0] == found[1] == found[2]
    other = identity_of(ways[0][0], methods.FBNet(tau=3.0), images, subject)
    assert other != found[0]


def test_folders_called_like_methods_and_devices_change_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("ofa", "onnxruntime", "photos"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    command = to_command(FitOptions("photos", 1.0, method="ofa", device="onnxruntime", run_dir=Path("run")))
    assert command == {"data": str(tmp_path / "photos"), "latency_ms": 1.0, "method": "ofa"}


def test_what_no_file_brings_back_is_said(photos: Path) -> None:
    command = to_command(FitOptions(str(photos), 1.0, limits=(Limit(Macs(), 1e6), "parameters=1e6")))
    with pytest.raises(RunError, match="was begun by a program that gave limits as values, which no file brings back"):
        from_command(FitOptions, command, {})


def test_a_finished_run_is_read_without_the_values_that_a_program_gave(
    ask: Ask, photos: Path, tmp_path: Path, command: Command
) -> None:
    folder = tmp_path / "run"
    values: dict[str, Any] = {"data": data.load(str(photos)), "device": fake_device(1), "limits": (Limit(Macs(), 1e9),)}
    asked = ask(folder, settings=(*SMALL, "search.draws=2"), **values)
    run_fit(asked, Stage.EXPORT)
    with pytest.raises(RunError, match=r"gave data .*, device .*, limits as values, which no file brings back"):
        sculptnet.resume(folder)
    finished = run_fit(asked)
    assert sculptnet.resume(folder).to_json() == finished.to_json()
    assert command("fit", str(folder)) == (0, f"{finished.summary()}\n", "")
    with pytest.raises(RunError, match="which no file brings back"):
        sculptnet.resume(folder, baselines=True)


def test_a_finished_run_takes_what_can_be_added_and_nothing_else(
    ask: Ask, photos: Path, tmp_path: Path, said: list[str]
) -> None:
    folder = tmp_path / "run"
    threads, state = torch.get_num_threads(), torch.random.get_rng_state()
    with process_as_found():
        torch.set_num_threads(2)
        result = run_fit(ask(folder, listener=Listener(said.append), settings=(*SMALL, "search.draws=2")))
        assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.random.get_rng_state(), state)
    assert result.card is not None
    moved = tmp_path / "moved"
    photos_again = moved / "photos0"
    moved.mkdir()
    photos_again.symlink_to(photos)
    with pytest.raises(
        InvalidValue,
        match=r"leave out `minutes`, .* still be given: `accelerator`, `baselines`",
    ):
        go_on(folder, {"minutes": 3})
    resumed = sculptnet.resume(folder)
    assert resumed.to_json() == result.to_json()
    again = run_fit(ask(folder, data=str(photos_again)))
    assert again.to_json() == result.to_json()
    images = run_fit(ask(folder, data=data.load(str(photos))))
    assert images.to_json() == result.to_json()
    assert sculptnet.resume(folder).to_json() == result.to_json()


def test_a_run_of_one_network_has_no_trials_to_share(ask: Ask, photos: Path, tmp_path: Path) -> None:
    options = asked(
        TrainOptions,
        network="mobilenet_v2",
        data=str(photos),
        device="sculptnet.testing:fake_device",
        accelerator="cpu",
        minutes=0.1,
        run_dir=tmp_path / "run",
        listener=Listener(lambda text: None),
        settings=("recipe.epochs=1", "recipe.batch_size=16"),
    )
    from sculptnet.job import Stage
    from sculptnet.verbs import run_train

    run_train(options, Stage.SEARCH)
    with pytest.raises(
        InvalidValue,
        match=r"leave out `workers`, .* still be given: `accelerator`, `fresh`",
    ):
        go_on(tmp_path / "run", {"workers": 2})
