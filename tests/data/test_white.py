from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from tests.deep import png16

from sculptnet import data
from sculptnet.arch import Augmentation, to_json
from sculptnet.data import (
    EvaluationBatches,
    Files,
    ImageData,
    Preprocessing,
    Request,
    TrainingBatches,
    prepare,
    preprocessing_from_json,
)
from sculptnet.data.inspection import inspect
from sculptnet.data.survey import survey_files
from sculptnet.data.white import FULL, WhiteLevels, white_level
from sculptnet.errors import DataError, InvalidValue
from sculptnet.listening import LOGGED
from sculptnet.options import TrainOptions
from sculptnet.tasks.classify import load_data

Pixels: TypeAlias = npt.NDArray[Any]
Save: TypeAlias = Callable[[Path, Pixels], None]
PLAIN = Augmentation(flip=False, crop_padding=0.0, crop_scale=1.0, randaugment_layers=0)


def grey16(path: Path, values: Pixels) -> None:
    Image.fromarray(values.astype(np.uint16)).save(path.with_suffix(".png"))


def colour16(path: Path, values: Pixels) -> None:
    rows = np.stack([values, values // 2, values // 3], axis=-1)
    path.with_suffix(".png").write_bytes(png16(rows.astype(np.uint16)))


def grey8(path: Path, values: Pixels) -> None:
    Image.fromarray(values.astype(np.uint8)).save(path.with_suffix(".png"))


def floats(path: Path, values: Pixels) -> None:
    Image.fromarray(values.astype(np.float32)).save(path.with_suffix(".tiff"))


@pytest.fixture
def pixels(rng: np.random.Generator) -> Callable[[float], Pixels]:
    """`pixels(4000)`: smooth noise from 0 to exactly so much."""

    def make(most: float) -> Pixels:
        coarse = Image.fromarray(rng.random((5, 5)).astype(np.float32)).resize((24, 20), Image.Resampling.BICUBIC)
        values = np.asarray(coarse, dtype=np.float64)
        return np.asarray((values - values.min()) / np.ptp(values) * most)

    return make


@pytest.fixture
def make(tmp_path: Path, pixels: Callable[[float], Pixels]) -> Callable[..., Path]:
    """Folders `train` and `test` of two classes; a saver and the greatest value of every image."""

    def write(train: list[tuple[Save, float]], test: list[tuple[Save, float]]) -> Path:
        for part, rows in (("train", train), ("test", test)):
            for label in "ab":
                (tmp_path / part / label).mkdir(parents=True)
                for index, (save, most) in enumerate(rows):
                    save(tmp_path / part / label / f"{index}", pixels(most))
        return tmp_path

    return write


@pytest.mark.parametrize(
    ("greatest", "level"),
    [
        (0, 1),
        (1, 1),
        (200, 255),
        (255, 255),
        (256, 511),
        (4095, 4095),
        (32768, 65535),
        (65535, 65535),
        (10**6, 2**20 - 1),
    ],
)
def test_the_level_is_the_full_range_up_to_the_next_power_of_two(greatest: int, level: int) -> None:
    assert white_level(greatest, floating=False) == level


@pytest.mark.parametrize(("greatest", "level"), [(0.0, 1), (0.3, 1), (1.0, 1), (1.5, 3), (255.0, 255), (4000.5, 4095)])
def test_floating_point_numbers_go_up_to_one_or_to_a_power_of_two(greatest: float, level: float) -> None:
    assert white_level(greatest, floating=True) == level


def test_bad_levels_are_refused() -> None:
    with pytest.raises(InvalidValue, match="the white level must be at least 1, got 0"):
        WhiteLevels(0)
    with pytest.raises(
        InvalidValue, match="Preprocessing: WhiteLevels: the white level of floating-point numbers must"
    ):
        Preprocessing(8, 8, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), float_white_level=-1.0)


@pytest.mark.parametrize(
    ("save", "most", "level", "seen"),
    [
        (grey16, 3871.0, 4095, 241),
        (colour16, 3871.0, 4095, 241),
        (grey16, 200.0, 255, 200),
        (grey16, 65535.0, 65535, 255),
    ],
)
def test_one_level_for_a_data_set_comes_from_its_training_images(
    make: Callable[..., Path], save: Save, most: float, level: int, seen: int
) -> None:
    loaded = data.folder(make([(save, most), (save, most / 4)], [(save, most / 2)]))
    assert isinstance(loaded.train, Files)
    assert loaded.train.levels == WhiteLevels(level)
    greatest = [int(np.asarray(loaded.train.image(index)).max()) for index in range(4)]
    assert greatest[0] == seen
    assert abs(greatest[1] - seen / 4) <= 1  # darker images stay darker
    assert abs(int(np.asarray(loaded.test.image(0)).max()) - seen / 2) <= 1
    noted = [note for note in loaded.notes if "white" in note]
    assert len(noted) == (level != 65535)
    if noted:
        assert noted[0] == (
            f"6 of 6 images have more than 8 bits per channel, in training up to {most:g}: {level} is white in every "
            "one of them, in the exported files too"
        )
    assert not [warning for warning in inspect(loaded).warnings if "black" in warning or "copies" in warning]


def test_test_images_above_the_level_are_clipped_and_counted(make: Callable[..., Path]) -> None:
    loaded = data.folder(make([(grey16, 4000.0)], [(grey16, 9000.0), (grey16, 4095.0)]))
    assert any(
        "4095 is white" in n and "; 2 test images have greater values, which are clipped" in n for n in loaded.notes
    )
    assert np.asarray(loaded.test.image(0)).max() == 255


def test_floating_point_images_have_a_level_of_their_own(make: Callable[..., Path]) -> None:
    loaded = data.folder(make([(floats, 0.9), (grey16, 700.0), (grey8, 255.0)], [(floats, 1.0)]))
    assert isinstance(loaded.train, Files)
    assert loaded.train.levels == WhiteLevels(1023, 1.0)
    assert [int(np.asarray(loaded.train.image(index)).max()) for index in range(3)] == [229, 174, 255]
    assert sum("is white" in note for note in loaded.notes) == 3
    assert "2 of 8 images have 8 bits, of which 255 is white; the others have more" in loaded.notes
    assert "4 images with floating-point pixels, scaled to 8 bits" in inspect(loaded).sentences()


@pytest.mark.parametrize(
    ("train", "test", "said"),
    [
        ((grey8, 255.0), (grey16, 4000.0), "2 test images have whole numbers of more than 8 bits, up to 4000, and no"),
        ((grey8, 255.0), (floats, 0.5), "2 test images have floating-point pixels, up to 0.5, and no training image"),
        (
            (floats, 1e9),
            (floats, 1.0),
            r"floating-point pixels go up to 1e\+09, more than 65535: physical units or marks",
        ),
    ],
)
def test_what_nothing_tells_is_refused(
    make: Callable[..., Path], train: tuple[Save, float], test: tuple[Save, float], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        data.folder(make([train], [test]))


def test_negative_pixels_are_listed_with_the_remedy(make: Callable[..., Path]) -> None:
    def signed(path: Path, values: Pixels) -> None:
        Image.fromarray((values - 1024).astype(np.int32)).save(path.with_suffix(".tiff"))

    with pytest.raises(
        DataError, match=r"a/0.tiff: pixels are negative, the least is -1024; scale the images of the who"
    ):
        data.folder(make([(signed, 3000.0)], [(signed, 3000.0)]))


def test_every_way_to_the_network_sees_the_same_pixels(make: Callable[..., Path]) -> None:
    root = make([(grey16, 3000.0), (colour16, 4000.0), (floats, 1.0)], [(colour16, 5000.0), (floats, 0.7)])
    loaded = data.folder(root)
    preprocessing = data.default_preprocessing(loaded, 16)
    assert preprocessing.levels == WhiteLevels(4095, 1.0)
    assert preprocessing_from_json(to_json(preprocessing)) == preprocessing
    assert preprocessing.at(32).levels == preprocessing.levels
    (evaluated, _), *rest = EvaluationBatches(loaded.test, preprocessing, 100)
    assert not rest
    assert isinstance(loaded.test, Files)
    for name, row in zip(loaded.test.names, evaluated.numpy(), strict=True):
        with Image.open(root / name) as image:
            assert np.array_equal(prepare(image, preprocessing), row), name
    held = data.decoded(loaded, preprocessing)
    ((in_memory, _),) = EvaluationBatches(held.test, preprocessing, 100)
    assert np.array_equal(in_memory.numpy(), evaluated.numpy())
    ((seen, labels),) = TrainingBatches(loaded.test, preprocessing, PLAIN, 4, 0).epoch(0)
    for row, label in zip(seen.numpy(), labels.tolist(), strict=True):
        same = [np.array_equal(row, other) for other in evaluated.numpy()]
        assert sum(same) == 1
        assert int(loaded.test.labels[same.index(True)]) == label


def test_the_level_belongs_to_the_fingerprint_and_to_every_part(make: Callable[..., Path]) -> None:
    loaded = data.folder(make([(grey16, 3000.0), (grey16, 200.0)], [(grey16, 200.0)]))
    assert isinstance(loaded.train, Files)
    dark = loaded.train.take([1, 3])
    assert dark.levels == WhiteLevels(4095)
    other = replace(dark, levels=WhiteLevels(255))
    assert dark.identity() != other.identity()
    assert replace(dark, levels=FULL).identity() != dark.identity()
    assert (other.survey().thumbnails.max(axis=(1, 2)) > 10 * dark.survey().thumbnails.max(axis=(1, 2))).all()


def test_images_of_8_bits_keep_the_fingerprint_that_they_had(make: Callable[..., Path]) -> None:
    loaded = data.folder(make([(grey8, 255.0)], [(grey8, 255.0)]))
    assert isinstance(loaded.train, Files)
    assert loaded.train.levels == FULL
    assert data.default_preprocessing(loaded, 16).levels == FULL
    assert not [note for note in loaded.notes if "white" in note]


def test_preprocessing_without_levels_is_the_full_range() -> None:
    plain = {"kind": "Preprocessing", "resolution": 8, "resize": 8, "mean": [0.0] * 3, "std": [1.0] * 3}
    assert preprocessing_from_json(plain).levels == FULL == WhiteLevels(65535, None)


def test_a_few_hot_pixels_are_warned_of(make: Callable[..., Path]) -> None:
    def hot(path: Path, values: Pixels) -> None:
        values[3, 4] = 65535
        grey16(path, values)

    warnings = inspect(data.folder(make([(hot, 1000.0)], [(hot, 1000.0)]))).warnings
    assert any(
        w.startswith("training: the 2 images of more than 8 bits come out nearly black, 95 % of") for w in warnings
    )
    assert any("since 65535 is white; if only a few pixels are so bright, clip them" in w for w in warnings)


def test_dark_images_that_others_make_black_are_named(make: Callable[..., Path]) -> None:
    root = make([(grey16, 60000.0), (grey16, 60000.0), (grey16, 100.0)], [(grey16, 60000.0)])
    found = [warning for warning in inspect(data.folder(root)).warnings if "lost" in warning]
    assert found == [
        "training: 2 images, first train/a/2.png, hold a picture that is lost: become black, since other images have "
        "values so much greater; scale all images by one rule, and clip what only a few pixels have"
    ]


def in_alpha(path: Path, values: Pixels) -> None:
    image = Image.new("RGBA", values.shape[::-1], "white")
    image.putalpha(Image.fromarray(values.astype(np.uint8)))
    image.save(path.with_suffix(".png"))


def transparent(path: Path, values: Pixels) -> None:
    image = Image.fromarray(values.astype(np.uint8)).convert("RGBA")
    image.putalpha(0)
    image.save(path.with_suffix(".png"))


def one_palette(path: Path, values: Pixels) -> None:
    image = Image.new("P", values.shape[::-1])
    image.putdata((values // 32).astype(int).ravel().tolist())
    image.putpalette([0] * 768)
    image.save(path.with_suffix(".png"))


@pytest.mark.parametrize("save", [in_alpha, transparent, one_palette])
def test_pictures_that_conversion_loses_are_refused_where_nothing_is_left_to_learn(
    make: Callable[..., Path], save: Save
) -> None:
    why = (
        "it is in the alpha channel, or transparent all over" if save is not one_palette else "a palette of one colour"
    )
    with pytest.raises(DataError, match=f"of 2 training images: 2 images, first train/a/0.png, hold.*{why}"):
        data.folder(make([(save, 255.0)], [(grey8, 255.0)]))


@pytest.mark.parametrize("save", [in_alpha, transparent, one_palette])
def test_some_lost_pictures_are_warned_of(make: Callable[..., Path], save: Save) -> None:
    loaded = data.folder(make([(grey8, 255.0), (grey8, 255.0), (save, 255.0)], [(save, 255.0)]))
    found = [warning for warning in inspect(loaded).warnings if "hold a picture that is lost" in warning]
    assert [warning.partition(",")[0] for warning in found] == ["training: 2 images", "test: 2 images"]


def test_further_frames_and_pages_are_counted(make: Callable[..., Path]) -> None:
    def pages(path: Path, values: Pixels) -> None:
        first, second = (Image.fromarray(part.astype(np.uint8)) for part in (values, values[::-1]))
        first.save(path.with_suffix(".tiff"), save_all=True, append_images=[second])
        first.save(path.with_suffix(".gif"), save_all=True, append_images=[second])

    loaded = data.folder(make([(pages, 255.0), (grey8, 255.0)], [(grey8, 255.0)]))
    assert "4 images with several frames or pages, of which the first is used" in inspect(loaded).sentences()
    gif, tiff = (np.asarray(loaded.train.image(index)).astype(int) for index in (0, 1))
    assert np.abs(gif - tiff).max() <= 2


def own_source(request: Request) -> ImageData:
    """A data set of the user's, which knows nothing of levels."""
    assert request.root is not None
    names = tuple(f"{index}.png" for index in range(6))
    facts, _ = survey_files([request.root / name for name in names])
    files = Files(request.root, names, np.arange(6) % 2, facts)
    return ImageData("own", ("a", "b"), files.take([0, 1, 2, 3]), files.take([4, 5]))


def test_data_sets_of_users_have_a_level_too(tmp_path: Path, pixels: Callable[[float], Pixels]) -> None:
    for index in range(6):
        grey16(tmp_path / f"{index}", pixels(1000.0))
    options = TrainOptions("mobilenet_v2", f"{__name__}:own_source", root=tmp_path)
    loaded = load_data(options, LOGGED)
    assert data.default_preprocessing(loaded, 16).levels == WhiteLevels(1023)
    assert loaded.notes[0].startswith(
        "6 of 6 images have more than 8 bits per channel, in training up to 1000: 1023 is"
    )
