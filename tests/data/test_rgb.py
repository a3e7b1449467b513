from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageOps
from tests.deep import png16, tiff16

from sculptnet.data.rgb import UnusableError, as_rgb


def deep(channels: int, most: int = 4095) -> npt.NDArray[np.uint16]:
    values = np.random.default_rng(channels).integers(0, most, (7, 9, channels), endpoint=True).astype(np.uint16)
    if channels in (2, 4):
        values[..., -1] = 65535  # opaque
    return values


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def rounded(values: npt.NDArray[np.uint16], level: int) -> npt.NDArray[np.uint8]:
    exact = np.floor(np.minimum(values.astype(np.float64), level) * 255 / level + 0.5)
    return np.asarray(exact, dtype=np.uint8)


WRITERS: dict[str, tuple[int, Callable[[npt.NDArray[np.uint16]], bytes]]] = {
    "PNG, grey": (1, png16),
    "PNG, grey with alpha": (2, png16),
    "PNG, RGB": (3, png16),
    "PNG, RGBA": (4, png16),
    "TIFF, RGB": (3, tiff16),
    "TIFF, RGB, big end first": (3, lambda values: tiff16(values, order=">")),
    "TIFF, RGB, deflated": (3, lambda values: tiff16(values, packed=True)),
    "TIFF, RGB, big end first, deflated": (3, lambda values: tiff16(values, order=">", packed=True)),
    "TIFF, RGBA": (4, tiff16),
    "TIFF, RGBA, deflated": (4, lambda values: tiff16(values, packed=True)),
}


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("level", [255, 4095])
def test_all_16_bits_of_every_kind_are_scaled_by_the_level(kind: str, level: int) -> None:
    channels, write = WRITERS[kind]
    values = deep(channels, level + level // 8)  # some are above
    colours = values[..., :3] if channels > 2 else np.repeat(values[..., :1], 3, axis=2)
    assert np.array_equal(np.asarray(as_rgb(opened(write(values)), level)), rounded(colours, level))


@pytest.mark.parametrize("kind", WRITERS)
def test_at_the_full_range_colours_are_as_pillow_reads_them(kind: str) -> None:
    channels, write = WRITERS[kind]
    if channels > 1:
        content = write(deep(channels, 65535))
        assert np.array_equal(np.asarray(as_rgb(opened(content))), np.asarray(opened(content).convert("RGB")))


def test_deep_images_are_turned_as_their_exif_tag_says() -> None:
    for channels in (1, 2, 3, 4):
        content = png16(deep(channels), orientation=6)
        straight = as_rgb(opened(png16(deep(channels))), 4095)
        turned = as_rgb(opened(content), 4095)
        assert turned.size == straight.size[::-1]
        assert np.array_equal(np.asarray(turned), np.rot90(np.asarray(straight), -1)), channels
        assert ImageOps.exif_transpose(opened(content)).size == turned.size


def test_transparent_parts_of_deep_images_become_white() -> None:
    values = deep(4)
    values[:3, :, 3] = 0
    found = np.asarray(as_rgb(opened(png16(values)), 4095))
    assert (found[:3] == 255).all()
    assert np.array_equal(found[3:], rounded(values[3:, :, :3], 4095))


def test_a_file_on_disk_is_read_like_one_in_memory(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("deep") / "a.tiff"
    path.write_bytes(tiff16(deep(3), packed=True))
    with Image.open(path) as image:
        assert np.array_equal(np.asarray(as_rgb(image, 4095)), rounded(deep(3), 4095))


@pytest.mark.parametrize("level", [1.0, 255.0])
def test_floating_point_pixels_are_scaled_by_their_own_level(level: float) -> None:
    pixels = np.linspace(0, level, 9, dtype=np.float32)[None]
    found = np.asarray(as_rgb(Image.fromarray(pixels), 255, level))[0, :, 0]
    assert found.tolist() == [0, 32, 64, 96, 128, 159, 191, 223, 255]
    assert np.asarray(as_rgb(Image.fromarray(pixels * 3), 255, level))[0, -1].tolist() == [255] * 3


@pytest.mark.parametrize(
    ("pixels", "said"),
    [
        (np.array([[-5, 10]], dtype=np.int32), "pixels are negative, the least is -5; scale the images of the whole"),
        (np.array([[-0.5, 1]], dtype=np.float32), "pixels are negative, the least is -0.5; scale"),
        (np.array([[np.nan, 1]], dtype=np.float32), "pixels are infinite or no numbers; scale"),
        (np.array([[np.inf, 1]], dtype=np.float32), "pixels are infinite or no numbers; scale"),
    ],
)
def test_numbers_that_are_no_brightness_are_refused(pixels: npt.NDArray[np.generic], said: str) -> None:
    with pytest.raises(UnusableError, match=said):
        as_rgb(Image.fromarray(pixels), 255, 1.0)


def test_what_pillow_cuts_to_nothing_is_refused() -> None:
    values = deep(4)
    for content in (tiff16(values, extra=1), tiff16(values // 16, photometric=5)):
        with pytest.raises(UnusableError, match="only the upper 8 can be read, which hold next to nothing; save it as"):
            as_rgb(opened(content))
        with pytest.raises(UnusableError, match="only the upper 8"):
            as_rgb(opened(content), 4095)
    assert np.asarray(as_rgb(opened(tiff16(deep(4, 65535), extra=1)))).std() > 10


def test_lab_colours_are_refused() -> None:
    with pytest.raises(UnusableError, match="colours are in LAB, which Pillow does not turn into RGB; save it as RGB"):
        as_rgb(Image.new("LAB", (2, 2)))


def test_inverted_cmyk_of_photo_editors_is_not_inverted_again() -> None:
    file, red = io.BytesIO(), Image.new("RGB", (16, 16), (250, 10, 10))
    red.convert("CMYK").save(file, "JPEG", quality=95)
    assert np.abs(np.asarray(as_rgb(opened(file.getvalue()))).astype(int) - (250, 10, 10)).max() < 8
