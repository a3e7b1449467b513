from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sculptnet.arch import to_json
from sculptnet.data import Preprocessing, prepare, preprocessing_from_json, to_rgb
from sculptnet.data.preprocessing import central_square
from sculptnet.errors import DataError, InvalidValue

HALF = Preprocessing(8, 10, (0.5, 0.25, 0.0), (0.5, 0.25, 1.0))


def test_prepare_normalises_channels_first() -> None:
    result = prepare(Image.new("RGB", (20, 12), (255, 0, 51)), HALF)
    assert result.dtype == np.float32
    assert result.shape == (3, 8, 8)
    assert np.array_equal(result[:, 0, 0], np.array([1.0, -1.0, 51 / 255], dtype=np.float32))


@pytest.mark.parametrize("size", [(31, 22), (22, 31), (10, 10), (10, 17), (90, 11)])
def test_prepare_resizes_the_shorter_side_and_crops_the_centre(
    size: tuple[int, int], photo: Callable[..., Image.Image]
) -> None:
    image, plain = photo(1, size), Preprocessing(8, 10, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    width, height = (round(side * 10 / min(size)) for side in size)
    whole = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR), dtype=np.float32) / 255
    top, left = (height - 8) // 2, (width - 8) // 2
    expected = whole[top : top + 8, left : left + 8].transpose(2, 0, 1)
    # The longer side is not rounded to whole pixels here, which moves the picture by less than half a pixel.
    assert np.abs(prepare(image, plain) - expected).mean() < 0.03
    if size in ((10, 10), (10, 17)):
        assert np.array_equal(prepare(image, plain), expected)


def test_prepare_of_an_image_of_the_right_size_only_normalises(photo: Callable[..., Image.Image]) -> None:
    image = photo(2, (8, 8))
    values = np.asarray(image, dtype=np.float32) / np.float32(255)
    assert np.array_equal(prepare(image, Preprocessing(8, 8, (0, 0, 0), (1, 1, 1))), values.transpose(2, 0, 1))


def test_very_long_images_cost_no_more_than_square_ones() -> None:
    long = Image.new("RGB", (30_000, 1), (10, 20, 30))
    assert np.asarray(central_square(long, 64)).shape == (64, 64, 3)


def test_exif_rotation_is_applied(photo: Callable[..., Image.Image], tmp_path: Path) -> None:
    upright = photo(3, (24, 16))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    with Image.open(tmp_path / "turned.png") as image:
        assert np.array_equal(np.asarray(to_rgb(image)), np.asarray(upright))


def test_transparent_pixels_become_white() -> None:
    image = Image.new("RGBA", (2, 1), (200, 0, 0, 0))
    image.putpixel((1, 0), (200, 0, 0, 255))
    assert np.asarray(to_rgb(image)).tolist() == [[[255, 255, 255], [200, 0, 0]]]
    assert np.asarray(to_rgb(Image.new("LA", (1, 1), (0, 0)))).tolist() == [[[255, 255, 255]]]


def test_transparent_palette_entries_become_white(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "palette.png", transparency=0)
    with Image.open(tmp_path / "palette.png") as loaded:
        assert np.asarray(to_rgb(loaded)).tolist() == [[[255, 255, 255], [0, 255, 0]]]


def test_sixteen_bits_are_scaled_not_cut(tmp_path: Path) -> None:
    wide = np.array([[0, 255, 256, 32768, 65535]], dtype=np.uint16)
    Image.fromarray(wide).save(tmp_path / "wide.png")
    with Image.open(tmp_path / "wide.png") as image:
        assert np.asarray(to_rgb(image))[0, :, 0].tolist() == [0, 1, 1, 128, 255]


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "HSV", "I"])
def test_every_other_mode_becomes_rgb(mode: str) -> None:
    assert to_rgb(Image.new(mode, (3, 2))).mode == "RGB"


def test_grey_images_get_three_equal_channels(photo: Callable[..., Image.Image]) -> None:
    channels = np.asarray(to_rgb(photo(4, mode="L")))
    assert np.array_equal(channels, np.repeat(np.asarray(photo(4, mode="L"))[:, :, None], 3, axis=2))


def test_floating_point_pixels_are_refused() -> None:
    with pytest.raises(DataError, match="floating-point numbers; images need 8 or 16 bits"):
        to_rgb(Image.new("F", (2, 2)))


def test_json_round_trip() -> None:
    assert preprocessing_from_json(to_json(HALF)) == HALF
    with pytest.raises(InvalidValue, match="expected an object of kind Preprocessing, got int"):
        preprocessing_from_json(3)


def test_all_problems_of_a_preprocessing_are_listed() -> None:
    with pytest.raises(InvalidValue) as caught:
        Preprocessing(0, -1, (0.0, 0.0, 0.0), (1.0, 0.0, 1.0))
    text = str(caught.value)
    assert text.startswith("Preprocessing: 3 problems")
    assert "resolution must be at least 1 pixel, got 0" in text
    assert "resize must be at least the resolution, 0, got -1" in text
    assert "std must be above 0" in text


def test_the_module_needs_numpy_and_pillow_only() -> None:
    source = Path(sys.modules[Preprocessing.__module__].__file__ or "").read_text()
    imports = [line for line in source.splitlines() if line.startswith(("import", "from")) and "sculptnet" not in line]
    packages = {line.split()[1].split(".")[0] for line in imports}
    assert packages == {"__future__", "dataclasses", "typing", "numpy", "PIL"}
