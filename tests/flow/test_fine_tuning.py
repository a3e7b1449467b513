"""A given network with given weights: all of them learn; what is worse than a classifier alone is taken back."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.flow.conftest import SILENT

from sculptnet.arch import Architecture, Recipe, Sgd, to_json
from sculptnet.blocks import Classifier, Conv, InvertedResidual, PooledConv
from sculptnet.data import EvaluationBatches, default_preprocessing, load
from sculptnet.errors import TrainingDiverged
from sculptnet.job import Stage
from sculptnet.listening import Listener
from sculptnet.methods.fine_tuning import FEWEST, FINE_TUNING, probe_images, probe_seconds, sentence
from sculptnet.methods.given import probes, recipe_of
from sculptnet.methods.settling import unsettled_steps
from sculptnet.nets import Network, calibrate, initialise
from sculptnet.option_groups import Accelerator
from sculptnet.options import TrainOptions
from sculptnet.records import Event, of_kind
from sculptnet.records.training_events import FineTuned, ProbeFitted
from sculptnet.result import FitResult
from sculptnet.runs import RunDirectory
from sculptnet.verbs import run_train

Ask: TypeAlias = Callable[..., TrainOptions]
IMAGES = 51  # of 72 photographs, a fifth is the test, a tenth of the rest is kept back


@pytest.fixture(scope="module")
def begun() -> Architecture:
    blocks = (InvertedResidual(8, 3, 2, 2), InvertedResidual(8, 3, 2))
    return Architecture(16, Conv(8, 3, 1), (blocks,), PooledConv(16), Classifier(3))


@pytest.fixture(scope="module")
def ask_to_tune(photos: Path, begun: Architecture, tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """Makes the options of a run from weights that were drawn, with statistics of some images, and kept in a file."""
    folder = tmp_path_factory.mktemp("network")
    network = Network(begun)
    initialise(network, 0)
    data = load(str(photos))
    batches = EvaluationBatches(data.train, default_preprocessing(data, 16), len(data.train))
    network = calibrate(network, batches, images=len(data.train))
    (folder / "narrow.json").write_text(json.dumps(to_json(begun)))
    save_file(network.state_dict(), folder / "weights.safetensors")

    def options(run_dir: Path, **changes: Any) -> TrainOptions:
        values: dict[str, Any] = {
            "network": str(folder / "narrow.json"),
            "weights": folder / "weights.safetensors",
            "data": str(photos),
            "device": "sculptnet.testing:fake_device",
            "accelerator": Accelerator.CPU,
            "minutes": 1.0,
            "recipe": {"epochs": 2},
            "run_dir": run_dir,
            "listener": SILENT,
        }
        return TrainOptions(**(values | changes))

    return options


@pytest.fixture(scope="module")
def tuned(ask_to_tune: Ask, tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    return run_train(ask_to_tune(tmp_path_factory.mktemp("runs") / "whole"), Stage.EXPORT)


def shipped(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(RunDirectory(folder).model / "weights.safetensors")


E = TypeVar("E", bound=Event)


def events(folder: Path, kind: type[E]) -> list[E]:
    return of_kind(RunDirectory(folder).events(print), kind)


def test_the_recipe_is_for_trained_weights_and_gives_way_to_the_users(ask_to_tune: Ask, tmp_path: Path) -> None:
    plain = ask_to_tune(tmp_path, recipe=None)
    assert recipe_of(plain, 96) == recipe_of(plain, 224) == FINE_TUNING
    drawn = recipe_of(replace(plain, weights=None), 96)
    assert (drawn.batch_size, drawn.optimizer, drawn.frozen_statistics) == (128, Sgd(0.1), False)
    some = recipe_of(ask_to_tune(tmp_path, recipe={"frozen_statistics": False, "optimizer": "AdamW"}), 96)
    assert (some.frozen_statistics, type(some.optimizer).__name__, some.batch_size) == (False, "AdamW", 32)
    whole = Recipe(epochs=3)
    assert recipe_of(ask_to_tune(tmp_path, recipe=whole), 96) == whole
    asked = [replace(plain, weights=None), plain, ask_to_tune(tmp_path), ask_to_tune(tmp_path, recipe=whole)]
    assert [probes(options) for options in asked] == [False, True, True, False]


def test_the_probe_takes_a_share_of_the_minutes_and_a_few_images_of_each_class(begun: Architecture) -> None:
    assert probe_images(1000, 10, seconds_left=100.0, seconds_each=0.1) == 200
    assert probe_images(100, 10, seconds_left=100.0, seconds_each=0.1) == 100
    assert probe_images(1000, 10, seconds_left=-1.0, seconds_each=0.1) == FEWEST * 10
    more = replace(begun, classifier=replace(begun.classifier, out_channels=300))  # type: ignore[type-var]
    assert 0.35 < probe_seconds(begun, 1.0) < probe_seconds(more, 1.0)


def test_the_plan_says_what_is_done() -> None:
    assert sentence(FINE_TUNING, 51) == (
        "Fine-tuning: all weights, 32 images a step at the learning rate 0.003, batch norms' statistics kept; no "
        "less than a logistic regression on the features of 51 images"
    )
    assert sentence(Recipe(), 0) == (
        "Fine-tuning: all weights, 128 images a step at the learning rate 0.1, batch norms' statistics learned anew"
    )


def test_all_weights_learn_and_statistics_stay(ask_to_tune: Ask, tuned: FitResult, tmp_path: Path) -> None:
    (probe,), (judged,) = events(tuned.folder, ProbeFitted), events(tuned.folder, FineTuned)
    assert probe.images == IMAGES
    assert probe.top1 == judged.probe_top1 > 0.6
    assert judged.ships_probe is False
    weights = ask_to_tune(tmp_path).weights
    assert weights is not None
    before, after = load_file(weights), shipped(tuned.folder)
    counters = {name for name in before if name.endswith("num_batches_tracked")}
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert same - counters == {name for name in before if name.endswith(("running_mean", "running_var"))}


@pytest.mark.parametrize("what", ["training", "reading features"])
def test_a_fine_tuning_that_was_stopped_ends_with_the_same_weights(
    ask_to_tune: Ask, tuned: FitResult, tmp_path: Path, what: str
) -> None:
    class Stopped(Exception):
        pass

    def stop(doing: str, done: int, total: int) -> None:
        if doing == what and done >= total - 1:
            raise Stopped

    with pytest.raises(Stopped):
        run_train(ask_to_tune(tmp_path / "run", listener=Listener(SILENT.say, stop)), Stage.TRAIN)
    resumed = run_train(ask_to_tune(tmp_path / "run"), Stage.TRAIN)
    assert len(events(resumed.folder, ProbeFitted)) == 1  # what was fitted is read
    for name in ("probe", "final"):
        once, again = (RunDirectory(one.folder).checkpoint(name).load() for one in (tuned, resumed))
        assert once is not None
        assert again is not None
        weights = {key for key in once[0] if key != "losses"}
        assert all(torch.equal(again[0][key], once[0][key]) for key in weights)


def test_a_training_that_spoils_the_network_is_not_shipped(ask_to_tune: Ask, tmp_path: Path) -> None:
    said: list[str] = []
    options = ask_to_tune(
        tmp_path / "run",
        recipe={"epochs": 1, "optimizer.learning_rate": 4.0},
        listener=Listener(said.append),
    )
    result = run_train(options, Stage.EXPORT)
    (judged,) = events(result.folder, FineTuned)
    assert judged.ships_probe is True
    assert any("no less than a logistic regression on the features of 51 images" in text for text in said)
    assert any("Warning: fine-tuning made the network worse; it is shipped as it was" in text for text in said)
    assert options.weights is not None
    before, after = load_file(options.weights), shipped(result.folder)
    weights_alone = {name for name in before if not name.endswith("num_batches_tracked")}
    changed = {name for name in weights_alone if not torch.equal(before[name], after[name])}
    assert changed == {"classifier.weight", "classifier.bias"}


# ---------------------------------------------------------------------- statistics that never settled
def with_counters(source: Path, steps: int, into: Path, spread: float = 1.0) -> Path:
    """The weights of a training of so many steps; the variances of its batch norms are `spread` times as large."""
    tensors = load_file(source)
    for name, tensor in tensors.items():
        if name.endswith("num_batches_tracked"):
            tensor.fill_(steps)
        elif name.endswith("running_var"):
            tensor.mul_(spread)
    save_file(tensors, into)
    return into


@pytest.mark.parametrize(("steps", "frozen", "expected"), [(13, True, 13), (13, False, None), (44, True, None)])
def test_statistics_of_few_steps_have_not_settled_where_they_are_kept(
    ask_to_tune: Ask, tmp_path: Path, steps: int, frozen: bool, expected: int | None
) -> None:
    weights = ask_to_tune(tmp_path).weights
    assert weights is not None
    file = with_counters(weights, steps, tmp_path / "weights.safetensors")
    assert unsettled_steps(file, replace(FINE_TUNING, frozen_statistics=frozen)) == expected
    assert unsettled_steps(weights, FINE_TUNING) is None, "statistics of `calibrate` count no steps"
    assert unsettled_steps(None, FINE_TUNING) is None


def test_weights_of_a_short_training_are_tuned_with_new_statistics(ask_to_tune: Ask, tmp_path: Path) -> None:
    weights, said = ask_to_tune(tmp_path).weights, list[str]()
    assert weights is not None
    listener = Listener(said.append)
    for name, steps in (("few", 13), ("many", 1000)):
        file = with_counters(weights, steps, tmp_path / f"{name}.safetensors", spread=1e-9)
        asked = ask_to_tune(tmp_path / name, weights=file, listener=listener)
        if name == "few":
            run_train(asked, Stage.TRAIN)
            continue
        remedy = "learn batch norms' statistics anew (recipe.frozen_statistics=False), lower recipe.optimizer"
        with pytest.raises(TrainingDiverged, match=re.escape(remedy)):
            run_train(asked, Stage.TRAIN)
    notes = [one for one in said if "13 steps, too few for the statistics of batch norms to settle" in one]
    assert len(notes) == 1
