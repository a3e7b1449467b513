"""From an image file to 8-bit RGB. Numpy and Pillow only: this code also travels in the scripts beside models."""

from __future__ import annotations

import io
import sys
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, ImageOps

WIDE_MODES = ("I", "I;16", "I;16L", "I;16B", "I;16N")  # Pillow's grey images of 16 bits or more
WHOLE_KINDS = ("RGB", "RGBA", "LA")  # colours of which all 16 bits can be had
FULL_WHITE = 65535
LEAST_HIGH_BYTE = 16  # a picture of 12 of 16 bits has high bytes below it


class UnusableError(ValueError):
    """An image whose pixels cannot be turned into 8-bit RGB without a guess; the message says what to do."""


def as_rgb(image: Image.Image, white_level: int = FULL_WHITE, float_white_level: float | None = None) -> Image.Image:
    """8-bit RGB: turned as the EXIF tag says, alpha over white, more than 8 bits scaled to 8, grey widened.

    Args:
        image: as it was opened: of colours of 16 bits that are loaded already, Pillow has dropped the lower half.
        white_level: the value of whole numbers of more than 8 bits that becomes 255; greater ones are clipped.
        float_white_level: the same for floating-point numbers; without it they are refused.

    Raises:
        UnusableError: negative or infinite pixels, floating-point numbers without a level, LAB colours, ...
    """
    grey = image.mode in (*WIDE_MODES, "F")
    # At the full range the upper half of a colour's 16 bits, which Pillow itself keeps, is the 8-bit value.
    wide = wide_values(image) if grey or white_level != FULL_WHITE else None
    if wide is None:
        image = eight_bits(image)
    else:
        level = float_white_level if image.mode == "F" else white_level
        if level is None:
            raise UnusableError(
                "pixels are floating-point numbers; images need 8 or 16 bits per channel, as the training images had: "
                "convert them first"
            )
        image = scaled(wide, level)
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    return image if image.mode == "RGB" else image.convert("RGB")


def eight_bits(image: Image.Image) -> Image.Image:
    """`image` as Pillow reads it, turned; raises UnusableError where that loses it."""
    cut = any(mode.partition(";16")[0] not in WHOLE_KINDS for mode in raw_modes(image) if ";16" in mode)
    image = ImageOps.exif_transpose(image)
    if image.mode == "LAB":
        raise UnusableError("colours are in LAB, which Pillow does not turn into RGB; save it as RGB")
    if cut and np.asarray(image if image.mode == "CMYK" else image.convert("RGB")).max() < LEAST_HIGH_BYTE:
        raise UnusableError(
            "of its 16 bits per channel only the upper 8 can be read, which hold next to nothing; save it as 8-bit RGB"
        )
    return image


def scaled(values: npt.NDArray[Any], level: float) -> Image.Image:
    """8-bit grey, RGB or RGBA of what `wide_values` gives: `level` becomes 255, what is greater too."""
    seen = np.minimum(values[..., :3] if values.ndim == 3 else values, level)
    whole = np.issubdtype(values.dtype, np.integer)
    rounded = (seen * 255 + int(level) // 2) // int(level) if whole else np.floor(seen * (255 / level) + 0.5)
    if values.ndim == 3 and values.shape[2] == 4:
        rounded = np.concatenate([rounded, values[..., 3:] >> 8], axis=2)  # opaque is the full range, whatever white is
    return Image.fromarray(rounded.astype(np.uint8))


def wide_values(image: Image.Image) -> npt.NDArray[Any] | None:
    """The pixels of an image of more than 8 bits, int64 or float64 `(h, w)` or `(h, w, 3 or 4)`, turned by EXIF.

    None for other images, and for those whose bits Pillow does not give. Raises UnusableError for negative or infinite
    pixels: what is black and white in them nothing tells.
    """
    if image.mode not in (*WIDE_MODES, "F"):
        return sixteen_bit_colours(image)
    turned = ImageOps.exif_transpose(image)
    values = np.asarray(turned, dtype=np.float64 if image.mode == "F" else np.int64)
    remedy = "scale the images of the whole data set by one rule to 16 bits without sign"
    if not np.isfinite(values).all():
        raise UnusableError(f"pixels are infinite or no numbers; {remedy}")
    if values.size and values.min() < 0:
        raise UnusableError(f"pixels are negative, the least is {values.min():g}; {remedy}")
    return values


def sixteen_bit_colours(image: Image.Image) -> npt.NDArray[np.int64] | None:
    """All 16 bits of colours, `(h, w, 3 or 4)`; None for other images.

    Pillow keeps the upper half of each. Read with the bytes in the other order, it keeps the lower one.
    """
    modes = raw_modes(image)
    if len(modes) != 1 or not isinstance(image, ImageFile.ImageFile):
        return None
    kind, sixteen, order = next(iter(modes)).partition(";16")
    if not sixteen or kind not in WHOLE_KINDS:
        return None
    if kind == "LA":  # four bytes a pixel: read as if they were four channels
        pairs = read_as(image, "RGBA")
        grey, alpha = pairs[..., 0] * 256 + pairs[..., 1], pairs[..., 2] * 256 + pairs[..., 3]
        return np.stack([grey, grey, grey, alpha], axis=-1)
    native = "L" if sys.byteorder == "little" else "B"
    other = "B" if (native if order == "N" else order) == "L" else "L"
    return read_as(image, f"{kind};16{order}") * 256 + read_as(image, f"{kind};16{other}")


def raw_modes(image: Image.Image) -> set[str]:
    """How the pixels lie in the file, in Pillow's words; nothing for images that are loaded."""
    tiles = image.tile if isinstance(image, ImageFile.ImageFile) else []
    arguments = [tile[3] for tile in tiles]
    return {str(one[0] if isinstance(one, tuple) and one else one) for one in arguments}


def read_as(image: ImageFile.ImageFile, raw_mode: str) -> npt.NDArray[np.int64]:
    """The pixels of the file of `image`, which is not loaded, read as if they lay in `raw_mode`; EXIF as always."""
    file = image.fp
    if file is None:
        raise UnusableError("the file of the image is closed")
    place = file.tell()
    file.seek(0)
    content = file.read()
    file.seek(place)
    with Image.open(io.BytesIO(content)) as copy:
        if isinstance(copy, ImageFile.ImageFile):
            copy.tile = [with_raw_mode(tile, raw_mode) for tile in copy.tile]
        return np.asarray(ImageOps.exif_transpose(copy), dtype=np.int64)


def with_raw_mode(tile: Any, raw_mode: str) -> Any:
    """One of Pillow's tiles, a plain tuple before Pillow 11, with another raw mode."""
    rest = tile[3]
    arguments = raw_mode if isinstance(rest, str) else (raw_mode, *rest[1:])
    return tile._replace(args=arguments) if hasattr(tile, "_replace") else (*tile[:3], arguments)
