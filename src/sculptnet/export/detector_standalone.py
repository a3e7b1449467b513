"""Finds objects in photos with the detector beside this file. Needs Python 3.10+, onnxruntime, numpy and Pillow 10.1+.

    python predict.py PHOTO...               lists what is found
    python predict.py --out FOLDER PHOTO...  writes the photos with boxes drawn, as FOLDER/NAME.png
    python predict.py --json PHOTO...        everything as one JSON document

Boxes are left, top, right, bottom in pixels of the photo. The names of the classes and how a photo is prepared are read
from the .onnx file. Exit codes: 0 done, 2 bad input (everything that is wrong is listed).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from sculptnet.export.standalone_photos import open_model, open_rgb, read_photo

COLOURS = ("#0b62b5", "#d07c1e", "#289575", "#8b63b9", "#b13b08", "#1d2126")


def main() -> int:
    """Reads the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help="image files")
    parser.add_argument("--model", type=Path, default=Path(__file__).with_name("model.onnx"), help="an .onnx file")
    parser.add_argument("--threshold", type=float, default=0.3, help="the least probability of a box (0.3)")
    parser.add_argument("--out", type=Path, help="a folder for the photos with boxes drawn")
    parser.add_argument("--threads", type=int, default=1, help="threads of ONNX Runtime (1)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    try:
        found = detect(arguments.model, arguments.photos, arguments.threshold, arguments.threads)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if arguments.out is not None:
        arguments.out.mkdir(parents=True, exist_ok=True)
        _, _, stated = open_model(arguments.model, 1, "detector", [])
        for photo, objects in zip(arguments.photos, found, strict=True):
            drawn(open_rgb(Path(photo), stated or {}), objects).save(arguments.out / f"{Path(photo).stem}.png")
    if arguments.json:
        pairs = zip(arguments.photos, found, strict=True)
        print(json.dumps([{"photo": photo, "objects": objects} for photo, objects in pairs], indent=2))
        return 0
    for photo, objects in zip(arguments.photos, found, strict=True):
        print(listed(photo, objects))
    return 0


def listed(photo: str, objects: list[dict[str, Any]]) -> str:
    """What was found in a photo, a line each."""
    shown = "  {class} {score:.0%} at {box[0]:.0f}, {box[1]:.0f} to {box[2]:.0f}, {box[3]:.0f}"
    return "\n".join([f"{photo}: {len(objects)} objects", *(shown.format(**one) for one in objects)])


def detect(model: Path, photos: list[str], threshold: float = 0.3, threads: int = 1) -> list[list[dict[str, Any]]]:
    """The objects in each photo, most probable first: class, score, box; raises ValueError with all problems."""
    problems: list[str] = []
    session, classes, stated = open_model(model, threads, "detector", problems)
    results = []
    for photo in photos:
        image = read_photo(Path(photo), stated, problems)
        if session is None or image is None or stated is None:
            continue
        size = stated["size"]
        boxes, scores, labels = session.run(None, {session.get_inputs()[0].name: prepare(image, stated)[None]})
        scale = np.array(image.size * 2, dtype=np.float32) / np.float32(size)
        results.append(
            [
                {"class": classes[label], "score": float(score), "box": [float(value) for value in box]}
                for box, score, label in zip(boxes * scale, scores, labels.tolist(), strict=True)
                if score >= threshold
            ]
        )
    if problems:
        raise ValueError("\n".join(problems))
    return results


def prepare(image: Image.Image, stated: dict[str, Any]) -> npt.NDArray[np.float32]:
    """The network's input for an image, float32 (3, size, size), normalised: the whole image, stretched."""
    size = stated["size"]
    pixels = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))
    mean, std = (np.array(stated[key], dtype=np.float32) for key in ("mean", "std"))
    return np.ascontiguousarray(((pixels.astype(np.float32) / np.float32(255) - mean) / std).transpose(2, 0, 1))


def drawn(image: Image.Image, objects: list[dict[str, Any]]) -> Image.Image:
    """The image with a box, a class and a probability for each object."""
    image = image.copy()
    canvas, unit = ImageDraw.Draw(image), max(1, round(max(image.size) / 320))
    font = ImageFont.load_default(size=7 * unit + 3)
    colours = {name: COLOURS[index % len(COLOURS)] for index, name in enumerate(sorted({o["class"] for o in objects}))}
    for one in reversed(objects):  # the most probable on top
        left, top, right, bottom = one["box"]
        colour, text = colours[one["class"]], f"{one['class']} {one['score']:.0%}"
        canvas.rectangle((left, top, right, bottom), outline=colour, width=unit)
        place = (left, max(0.0, top - 8 * unit - 5))
        canvas.rectangle(canvas.textbbox(place, text, font=font), fill=colour)
        canvas.text(place, text, fill="white", font=font)
    return image


if __name__ == "__main__":
    sys.exit(main())
