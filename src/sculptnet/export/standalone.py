"""Classifies photos with the network beside this file. Needs Python 3.10+, onnxruntime, numpy and Pillow 10.1+.

    python predict.py PHOTO...
    python predict.py --model model.int8.onnx --top 3 PHOTO...
    python predict.py --json PHOTO...      the probabilities of all classes as one JSON document

The names of the classes and how a photo is prepared are read from the .onnx file.
Exit codes: 0 done, 2 bad input (everything that is wrong is listed).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from sculptnet.export.standalone_photos import open_model, read_photo


def main() -> int:
    """Reads the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help="image files")
    parser.add_argument("--model", type=Path, default=Path(__file__).with_name("model.onnx"), help="an .onnx file")
    parser.add_argument("--top", type=int, default=1, help="how many classes to print for each photo (1)")
    parser.add_argument("--threads", type=int, default=1, help="threads of ONNX Runtime (1)")
    parser.add_argument("--json", action="store_true", help="print the probabilities of all classes as JSON")
    arguments = parser.parse_args()
    try:
        classes, rows = predict(arguments.model, arguments.photos, arguments.threads)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if arguments.json:
        named = [dict(zip(classes, row.tolist(), strict=True)) for row in rows]
        pairs = zip(arguments.photos, named, strict=True)
        print(json.dumps([{"photo": photo, "probabilities": row} for photo, row in pairs], indent=2))
        return 0
    for photo, row in zip(arguments.photos, rows, strict=True):
        best = np.argsort(-row, kind="stable")[: arguments.top]
        print(f"{photo}: " + ", ".join(f"{classes[index]} {row[index]:.1%}" for index in best))
    return 0


def predict(model: Path, photos: list[str], threads: int = 1) -> tuple[list[str], list[npt.NDArray[np.float64]]]:
    """The names of the classes, and the probabilities of each photo; raises ValueError with all problems."""
    problems: list[str] = []
    session, classes, preprocessing = open_model(model, threads, "preprocessing", problems)
    rows = []
    for photo in photos:
        image = read_photo(Path(photo), preprocessing, problems)
        if session is None or image is None or preprocessing is None:
            continue
        prepared = prepare(image, preprocessing)
        logits = session.run(None, {session.get_inputs()[0].name: prepared[None]})[0][0]
        powers = np.exp(logits.astype(np.float64) - float(logits.max()))
        rows.append(powers / powers.sum())
    if problems:
        raise ValueError("\n".join(problems))
    return classes, rows


def prepare(image: Image.Image, preprocessing: dict[str, Any]) -> npt.NDArray[np.float32]:
    """The network's input for an RGB image, float32 (3, resolution, resolution), normalised."""
    resolution, side = preprocessing["resolution"], preprocessing["resize"]
    start = (side - resolution) // 2
    pixels = np.asarray(central_square(image, side))[start : start + resolution, start : start + resolution]
    mean, std = (np.array(preprocessing[key], dtype=np.float32) for key in ("mean", "std"))
    values = pixels.astype(np.float32) / np.float32(255)
    return np.ascontiguousarray(((values - mean) / std).transpose(2, 0, 1))


def central_square(image: Image.Image, side: int) -> Image.Image:
    """The largest central square, resized to `side` pixels."""
    width, height = image.size
    shorter = min(width, height)
    left, top = (width - shorter) // 2, (height - shorter) // 2
    box = (left, top, left + shorter, top + shorter)
    if shorter == side:
        return image.crop(box) if width != height else image
    return image.resize((side, side), Image.Resampling.BILINEAR, box=box)


if __name__ == "__main__":
    sys.exit(main())
