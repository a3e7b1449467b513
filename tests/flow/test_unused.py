"""Nothing is accepted and ignored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.asking import asked
from tests.flow.conftest import SMALL, Ask

from sculptnet.arch import Augmentation, OneOf, Recipe
from sculptnet.data import Preprocessing
from sculptnet.errors import InvalidValue
from sculptnet.job import Stage
from sculptnet.listening import Listener
from sculptnet.options import TrainOptions
from sculptnet.stages.unused import recipe_problems, unused_crops
from sculptnet.verbs import run_fit, run_train

DISTILLATION = "`recipe.distillation`: there is no teacher, and without one it does nothing; leave it out"
RANDAUGMENT = (
    "`recipe.augmentation.randaugment_magnitude`: RandAugment is off; set `recipe.augmentation.randaugment_lay"
)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"settings": ("recipe.distillation=0.5",)}, DISTILLATION),
        ({"root": Path("files")}, "`root` is where the files of a data set by name are, and .* is a folder"),
        ({"proxy_networks": 8}, "`proxy_networks` 8 is for `check_proxy`; give both, or none"),
        (
            {"method": "ofa", "settings": ("recipe.epochs=3",)},
            "`recipe.epochs`: method ofa trains a supernet for search.ep",
        ),
        ({"method": "ofa", "settings": (), "workers": "2"}, "`workers` 2: method ofa trains no trials"),
        (
            {"data": "fashion_mnist", "skip_broken": True},
            "`skip_broken` is for folders, and fashion_mnist is a data set",
        ),
        (
            {"settings": ("recipe.epochs=1",), "full_trials": 2},
            "`full_trials` 2: with `recipe.epochs=1` every trial is trained in full",
        ),
    ],
)
def test_what_would_do_nothing_is_refused_before_anything_is_read(
    values: dict[str, Any], message: str, ask: Ask, tmp_path: Path
) -> None:
    with pytest.raises(InvalidValue, match=message):
        run_fit(ask(tmp_path / "run", **values), Stage.SEARCH)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("setting", "message"),
    [("distillation=1", DISTILLATION), ("augmentation.randaugment_magnitude=5", RANDAUGMENT)],
)
def test_training_one_network_refuses_it_too(setting: str, message: str, photos: Path, tmp_path: Path) -> None:
    settings = (f"recipe.{setting}",)
    options = asked(TrainOptions, network="mobilenet_v2", data=photos, settings=settings, run_dir=tmp_path / "run")
    with pytest.raises(InvalidValue, match=message):
        run_train(options)
    assert not (tmp_path / "run").exists()


def test_whether_there_is_randaugment_the_space_says(ask: Ask, tmp_path: Path, listener: Listener) -> None:
    settings = (*SMALL, "recipe.augmentation.randaugment_magnitude=5")
    with pytest.raises(InvalidValue, match=RANDAUGMENT):
        run_fit(ask(tmp_path / "run", settings=settings, listener=listener))
    layers: Any = OneOf((0, 2))
    searched = Recipe(augmentation=Augmentation(randaugment_layers=layers))
    assert recipe_problems(searched, ["augmentation.randaugment_magnitude"]) == []
    assert recipe_problems(Recipe(), []) == []


def test_augmentation_that_these_images_never_see_is_told() -> None:
    mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    small, photographs = Preprocessing(32, 32, mean, std), Preprocessing(224, 256, mean, std)
    crops = ["augmentation.crop_scale", "augmentation.crop_padding"]
    assert [text.split()[1] for text in unused_crops(small, crops)] == ["recipe.augmentation.crop_scale"]
    assert [text.split()[1] for text in unused_crops(photographs, crops)] == ["recipe.augmentation.crop_padding"]
    assert unused_crops(small, ["augmentation.crop_padding"]) == []
