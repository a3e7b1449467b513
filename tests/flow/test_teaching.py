"""A network that is trained learns from the model of an earlier run, too."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from tests.flow.conftest import SILENT, Command

import sculptnet
from sculptnet import nets, zoo
from sculptnet.arch import Architecture, Recipe
from sculptnet.data import Preprocessing
from sculptnet.errors import InvalidValue
from sculptnet.job import Stage
from sculptnet.methods.given import recipe_of
from sculptnet.methods.teaching import DISTILLATION, Teacher, read_teacher
from sculptnet.nets import Network
from sculptnet.option_groups import Accelerator
from sculptnet.options import TrainOptions
from sculptnet.result import FitResult
from sculptnet.verbs import run_train


@pytest.fixture(scope="module")
def narrow() -> Architecture:
    """MobileNetV2, a tenth as wide, for images of 16 pixels."""
    return zoo.mobilenet_v2(1000, 16, width=0.1)


def ask(narrow: Architecture, photos: Path, run_dir: Path, **changes: object) -> TrainOptions:
    values: dict[str, object] = {
        "device": "sculptnet.testing:fake_device",
        "accelerator": Accelerator.CPU,
        "minutes": 1.0,
        "recipe": {"epochs": 2, "batch_size": 8},
        "run_dir": run_dir,
        "listener": SILENT,
    }
    return TrainOptions(narrow, photos, **(values | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def taught(narrow: Architecture, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    """A finished run, to learn from."""
    return run_train(ask(narrow, photos, tmp_path_factory.mktemp("teacher") / "run"), Stage.EXPORT)


def test_a_teacher_sees_images_as_its_own_were_prepared() -> None:
    network = Network(zoo.mobilenet_v2(3, 32, width=0.1)).eval()
    nets.initialise(network, 0)
    its = Preprocessing(32, 32, (0.5, 0.4, 0.3), (0.2, 0.25, 0.5))
    given = Preprocessing(16, 16, (0.1, 0.2, 0.3), (0.5, 0.5, 0.4))
    raw = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))

    def prepared(one: Preprocessing, images: torch.Tensor) -> torch.Tensor:
        mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (one.mean, one.std))
        return (images - mean) / std

    larger = torch.nn.functional.interpolate(raw, 32, mode="bilinear", antialias=True)
    with torch.no_grad():
        expected = network(prepared(its, larger))
        found = Teacher(network, its, given)(prepared(given, raw))
        same = Teacher(network, its, its)(prepared(its, larger))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(same, expected, rtol=1e-5, atol=1e-6)


def test_soft_labels_count_as_published_unless_the_recipe_says(narrow: Architecture, taught: FitResult) -> None:
    def weight(recipe: Recipe | dict[str, object] | None, teacher: Path | None) -> float:
        return recipe_of(TrainOptions(narrow, "photos", teacher=teacher, recipe=recipe), 16).distillation

    assert weight(None, None) == 0.0
    assert weight(None, taught.folder) == DISTILLATION == 0.8
    assert weight({"distillation": 0.5}, taught.folder) == 0.5
    assert weight(Recipe(distillation=0.3), taught.folder) == 0.3


def test_a_taught_network_is_another_and_goes_on_alike(
    narrow: Architecture, photos: Path, taught: FitResult, tmp_path: Path, command: Command
) -> None:
    first = run_train(ask(narrow, photos, tmp_path / "first", teacher=taught.folder), Stage.EXPORT)
    model = taught.folder / "model"
    words = ("train", str(tmp_path / "narrow.json"), str(photos), "--teacher", str(model), "--resolution", "16")
    (tmp_path / "narrow.json").write_text((model / "architecture.json").read_text())
    fake = ("--device", "sculptnet.testing:fake_device", "--accelerator", "cpu", "--minutes", "1")
    recipe = ("--set", "recipe.epochs=2", "--set", "recipe.batch_size=8")
    code, _, err = command(*words, *fake, *recipe, "--run-dir", str(tmp_path / "second"))
    assert (code, f"Taught by {model}: its soft labels count 0.8" in err) == (0, True)
    models = (first.folder / "model", tmp_path / "second" / "model")
    weights = [(folder / "weights.safetensors").read_bytes() for folder in models]
    assert weights[0] == weights[1]  # from Python and from the command line, from the run and from its model
    assert weights[0] != (model / "weights.safetensors").read_bytes()
    assert json.loads((first.folder / "model" / "recipe.json").read_text())["distillation"] == 0.8
    card = (models[1] / "card.json").read_bytes()
    assert sculptnet.resume(tmp_path / "second").folder == tmp_path / "second"
    assert (models[1] / "card.json").read_bytes() == card


def test_teachers_that_cannot_teach_are_refused_before_a_run_begins(
    narrow: Architecture, photos: Path, taught: FitResult, tmp_path: Path
) -> None:
    others = tmp_path / "others"
    for name in ("one", "two"):
        (others / name).mkdir(parents=True)
        for number in range(20):
            Image.new("RGB", (16, 16), (number, 99, len(name))).save(others / name / f"{number}.png")
    with pytest.raises(InvalidValue, match=r"has other classes than these images: it does not know 'one', 'two' and"):
        run_train(ask(narrow, others, tmp_path / "run", teacher=taught.folder))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidValue, match=r"empty has no card\.json; give a run that is finished, or its model"):
        run_train(ask(narrow, photos, tmp_path / "run", teacher=tmp_path / "empty"))
    recipe = {"epochs": 1, "distillation": 0.0}
    with pytest.raises(InvalidValue, match="distillation` is 0, so the teacher would not be heard"):
        run_train(ask(narrow, photos, tmp_path / "run", teacher=taught.folder, recipe=recipe))
    with pytest.raises(InvalidValue, match="there is no teacher, and without one it does nothing"):
        run_train(ask(narrow, photos, tmp_path / "run", recipe={"distillation": 0.5}))
    assert not (tmp_path / "run").exists()


def test_the_order_of_classes_counts(taught: FitResult) -> None:
    from sculptnet.methods.teaching import check_classes

    found = read_teacher(taught.folder)
    check_classes(found, found.card.classes)
    with pytest.raises(InvalidValue, match="their order is another"):
        check_classes(found, tuple(reversed(found.card.classes)))
    more = replace(found, card=replace(found.card, classes=(*found.card.classes, "more")))
    with pytest.raises(InvalidValue, match="only it knows 'more'"):
        check_classes(more, found.card.classes)
