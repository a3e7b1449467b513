"""Files of 16 bits per channel in colour, which Pillow reads and cannot write."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import numpy.typing as npt

PNG_COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}  # by the number of channels


def png16(values: npt.NDArray[np.uint16], *, orientation: int = 1) -> bytes:
    """A PNG file of `(h, w, 1 to 4)`: grey, with alpha, RGB, RGBA."""
    height, width, channels = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    exif = b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    header = struct.pack(">IIBBBBB", width, height, 16, PNG_COLOURS[channels], 0, 0, 0)
    chunks = ((b"IHDR", header), (b"eXIf", exif), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def tiff16(
    values: npt.NDArray[np.uint16], *, order: str = "<", packed: bool = False, photometric: int = 2, extra: int = 2
) -> bytes:
    """A TIFF file of `(h, w, 3 or 4)`, in either order of bytes, as it is or deflated.

    Args:
        values: the pixels.
        order: `<` or `>`.
        packed: deflate.
        photometric: 2 RGB, 5 CMYK.
        extra: of a fourth channel of RGB: 1 alpha that the colours are multiplied with, 2 alpha.
    """
    height, width, channels = values.shape
    pixels = values.astype(f"{order}u2").tobytes()
    pixels = zlib.compress(pixels) if packed else pixels
    tags = [(256, 3, [width]), (257, 3, [height]), (258, 3, [16] * channels), (259, 3, [8 if packed else 1])]
    tags += [(262, 3, [photometric]), (273, 4, [0]), (277, 3, [channels]), (278, 3, [height]), (279, 4, [len(pixels)])]
    tags += [(338, 3, [extra])] if channels == 4 and photometric == 2 else []
    place = 8 + 2 + 12 * len(tags) + 4  # of what is longer than an entry; then come the pixels
    entries = b""
    for tag, kind, numbers in tags:
        found = [place + 2 * channels] if tag == 273 else numbers
        data = struct.pack(order + "HI"[kind == 4] * len(found), *found)
        entries += struct.pack(f"{order}HHI", tag, kind, len(found))
        entries += data.ljust(4, b"\0") if len(data) <= 4 else struct.pack(f"{order}I", place)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(tags))
    return head + entries + bytes(4) + struct.pack(order + "H" * channels, *[16] * channels) + pixels
