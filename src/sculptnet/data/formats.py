"""Which files are images that can be read, and what the others are."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import IO

from PIL import Image, UnidentifiedImageError
from PIL.ImageFile import ImageFile

from sculptnet.errors import DataError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif")
RAW_SUFFIXES = (
    *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dng", ".erf", ".iiq", ".kdc", ".mrw", ".nef", ".nrw", ".orf"),
    *(".pef", ".raf", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f"),
)
MOST_PIXELS = 250_000_000  # of an image, 0.75 GB decoded; Pillow's own limit, 179 million, is under many panoramas
_LIMIT = threading.Lock()  # Pillow's limit is a global; processes that decode are forked while nobody changes it
os.register_at_fork(before=_LIMIT.acquire, after_in_parent=_LIMIT.release, after_in_child=_LIMIT.release)


def open_image(source: IO[bytes] | Path) -> ImageFile:
    """Opens an image, panoramas too, as `PIL.Image.open` does; its pixels are not read yet.

    Raises:
        DataError: it has more pixels than are read.
        UnidentifiedImageError: it is no image.
        OSError: it is damaged.
    """
    with _LIMIT:
        before = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = None
        try:
            image = Image.open(source)
        finally:
            Image.MAX_IMAGE_PIXELS = before
    width, height = image.size
    if width * height > MOST_PIXELS:
        image.close()
        raise DataError(
            f"{width}x{height} pixels are {width * height / 1e6:.0f} million, and at most {MOST_PIXELS / 1e6:.0f} "
            "million are read; cut it into parts, or make it smaller"
        )
    return image


def raw_file(name: str) -> str | None:
    """What a file is of which Pillow would read a small preview alone; None for all others."""
    suffix = PurePath(name).suffix.lower()
    return f"a camera's raw file ({suffix}); export it as JPEG, PNG or TIFF" if suffix in RAW_SUFFIXES else None


def reason(error: Exception, content: bytes) -> str:
    """Why a file cannot be used, in words, and what to do where something can be done.

    Args:
        error: what opening or decoding it raised.
        content: its bytes, or the first thousand.
    """
    known = next((text for matches, text in _FOREIGN if matches(content)), None)
    if known is not None:
        return known
    if isinstance(error, UnidentifiedImageError):
        return "not an image"
    return str(error).split("\n")[0] or type(error).__name__


def _begins(*starts: bytes) -> Callable[[bytes], bool]:
    return lambda content: content.startswith(starts)


def _brand(*brands: bytes) -> Callable[[bytes], bool]:
    """ISO base media files (ISO/IEC 14496-12) name their kind after `ftyp`."""
    return lambda content: content[4:8] == b"ftyp" and content[8:12].startswith(brands)


_FOREIGN: tuple[tuple[Callable[[bytes], bool], str], ...] = (
    (lambda content: not content, "not an image: the file is empty"),
    (
        _begins(b"version https://git-lfs.github.com/spec/"),
        "not the image but its Git LFS pointer; fetch the images with `git lfs pull`",
    ),
    (
        _brand(b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"),
        "a HEIC photograph, which Pillow does not read; convert it to JPEG (`heif-convert`, ImageMagick, or a phone's "
        "setting 'most compatible')",
    ),
    (_begins(b"\xff\x0a", b"\0\0\0\x0cJXL "), "a JPEG XL image, which Pillow does not read; convert it to JPEG or PNG"),
    (_brand(b"qt", b"mp4", b"isom", b"iso2", b"avc1", b"M4V", b"3gp"), "a film, not an image; save single frames"),
    (_begins(b"%PDF"), "a PDF document, not an image; export its pages or pictures as images"),
    (_begins(b"PK\x03\x04", b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!"), "an archive, not an image; unpack it"),
    (
        lambda content: content[:512].lstrip().lower().startswith((b"<!doctype html", b"<html")),
        "a web page, not an image (a download that failed?); download it again",
    ),
    (lambda content: b"<svg" in content[:1000].lower(), "an SVG drawing, not a photograph; render it as PNG"),
)
