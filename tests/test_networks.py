"""A network that is given: what it may be, how cards name it, and what is said of what is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sculptnet import spaces, zoo
from sculptnet.arch import to_json
from sculptnet.errors import InvalidValue
from sculptnet.networks import (
    LARGE_BATCH,
    LARGE_BATCH_RESOLUTION,
    SMALL_BATCH,
    batch_size_at,
    beginning_problems,
    fitted,
    is_architecture_file,
    name_of,
    published_of,
    recipes_at,
)

PUBLISHED = zoo.BY_NAME["mobilenet_v2"]
ARCHITECTURE = PUBLISHED.architecture


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An architecture file."""
    path = tmp_path / "small.json"
    path.write_text(json.dumps(to_json(ARCHITECTURE)))
    return path


def test_values_names_and_files_are_the_same_network(file: Path) -> None:
    for given, name in (
        (ARCHITECTURE, "an architecture"),
        (PUBLISHED, "mobilenet_v2"),
        ("mobilenet_v2", "mobilenet_v2"),
        (file, "small.json"),
        (str(file), "small.json"),
    ):
        assert published_of(given).architecture == ARCHITECTURE
        assert name_of(given) == name
        assert is_architecture_file(given) == (name == "small.json")
    assert published_of("mobilenet_v2") is PUBLISHED
    assert published_of(ARCHITECTURE).name == "an architecture"


def test_what_is_none_says_what_it_is_instead(file: Path, tmp_path: Path) -> None:
    shipped = tmp_path / "run" / "model" / "architecture.json"
    shipped.parent.mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    shipped.write_text(file.read_text())
    (tmp_path / "network.txt").write_text("{}")
    for given, expected in (
        (tmp_path / "run", f"is a run; the network that it shipped is {shipped}: name that"),
        (tmp_path / "empty", "is a folder; the network comes first"),
        (tmp_path / "network.txt", "is a file whose name does not end in .json; name an architecture file"),
        (tmp_path / "none.json", "none.json does not exist"),
        ("mobilenet_v9", "unknown network 'mobilenet_v9'; did you mean mobilenet_v2"),
    ):
        with pytest.raises(InvalidValue) as caught:
            published_of(given)
        assert expected in str(caught.value)
    with pytest.raises(InvalidValue, match=r"needs decided values"):
        published_of(spaces.nas_bench_macro().architecture)


def test_all_that_keeps_the_first_weights_away_is_told_at_once(file: Path, tmp_path: Path) -> None:
    weights = tmp_path / "weights.pth"
    assert beginning_problems(file, False, None) == beginning_problems("mobilenet_v2", True, None) == []
    assert [text.replace("`", "") for text in beginning_problems(file, True, weights)] == [
        f"pretrained and weights {weights} are two beginnings; give one of them",
        "pretrained: nobody publishes weights of small.json; give weights, a file",
        f"weights {weights} does not exist; give a .safetensors or .pth file",
    ]
    (only,) = beginning_problems(ARCHITECTURE, True, None)
    assert "nobody publishes weights of an architecture; give" in only


def test_a_network_is_fitted_to_images_and_classes_in_nothing_but_its_last_layer() -> None:
    small = fitted(ARCHITECTURE, 32, 7)
    assert (small.resolution, small.num_classes) == (32, 7)
    assert (small.stem, small.stages, small.head) == (ARCHITECTURE.stem, ARCHITECTURE.stages, ARCHITECTURE.head)
    assert fitted(small, ARCHITECTURE.resolution, ARCHITECTURE.num_classes) == ARCHITECTURE


def test_batches_are_small_for_large_images_and_rates_in_proportion() -> None:
    assert batch_size_at(LARGE_BATCH_RESOLUTION) == LARGE_BATCH == 128
    assert batch_size_at(LARGE_BATCH_RESOLUTION + 1) == SMALL_BATCH == 32
    for resolution, batch_size in ((96, 128), (224, 32)):
        recipe = recipes_at(resolution)
        assert recipe == spaces.fbnetv3_recipe(batch_size=batch_size, learning_rate_factor=batch_size / 256)
