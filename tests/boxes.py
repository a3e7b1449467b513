"""Made-up photographs with bright squares and dark disks, as VOC and COCO write them, and a network small enough."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sculptnet.arch import Architecture, SearchSpace, choice
from sculptnet.blocks import Classifier, Conv, InvertedResidual, PooledConv

SIZE = 64
Rows = list[tuple[str, int, int, int, int]]


def tiny_backbone(size: int = SIZE) -> Architecture:
    """Stem and four blocks of stride 2: 32 in all."""
    stages = tuple((InvertedResidual(width, 3, 2, 2),) for width in (8, 16, 16, 24))
    return Architecture(size, Conv(8, 3, 2), stages, PooledConv(32), Classifier(2))


def tiny_backbones(num_classes: int, resolution: int) -> SearchSpace:
    """`tiny_backbone` with open expansions and kernels: eight networks."""
    firsts = [InvertedResidual(8, choice(3, 5), choice(1, 2), 2), InvertedResidual(16, 3, choice(2, 4), 2)]
    stages = tuple((one,) for one in (*firsts, InvertedResidual(16, 3, 2, 2), InvertedResidual(24, 3, 2, 2)))
    return SearchSpace(Architecture(resolution, Conv(8, 3, 2), stages, PooledConv(32), Classifier(num_classes)))


def photo(rng: np.random.Generator, width: int = SIZE, height: int = SIZE, most: int = 2) -> tuple[Image.Image, Rows]:
    """Grey noise with one to `most` objects; each is a bright square or a dark disk."""
    pixels = rng.normal(110, 12, (height, width, 3))
    rows: Rows = []
    for _ in range(int(rng.integers(1, most + 1))):
        side = int(rng.integers(14, 28))
        left, top = int(rng.integers(0, width - side)), int(rng.integers(0, height - side))
        if rng.random() < 0.5:
            pixels[top : top + side, left : left + side] = (240, 220, 60)
            name = "square"
        else:
            down, right = np.mgrid[:height, :width]
            radius = side / 2
            disk = (down - top - radius + 0.5) ** 2 + (right - left - radius + 0.5) ** 2 <= radius**2
            pixels[disk] = (20, 20, 90)
            name = "disk"
        rows.append((name, left, top, left + side, top + side))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8)), rows


def voc_xml(name: str, width: int, height: int, rows: Rows) -> str:
    objects = "".join(
        f"<object><name>{kind}</name><difficult>0</difficult><bndbox><xmin>{left}</xmin><ymin>{top}</ymin>"
        f"<xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>"
        for kind, left, top, right, bottom in rows
    )
    size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    return f"<annotation><filename>{name}</filename>{size}{objects}</annotation>"


def write_voc(folder: Path, counts: dict[str, int], seed: int = 0, most: int = 2) -> Path:
    """VOC's layout with `ImageSets/Main`; without names of splits in `counts`, without lists."""
    rng = np.random.default_rng(seed)
    for part in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (folder / part).mkdir(parents=True)
    for split, count in counts.items():
        names = [f"{split or 'photo'}_{index:03d}" for index in range(count)]
        for name in names:
            image, rows = photo(rng, most=most)
            image.save(folder / "JPEGImages" / f"{name}.png")
            (folder / "Annotations" / f"{name}.xml").write_text(voc_xml(f"{name}.png", *image.size, rows))
        if split:
            (folder / "ImageSets" / "Main" / f"{split}.txt").write_text("\n".join(names))
    return folder


def coco_of(photos: list[tuple[str, int, int, Rows]]) -> dict[str, Any]:
    """COCO's JSON of (file, width, height, objects)."""
    kinds = sorted({row[0] for *_, rows in photos for row in rows})
    annotations = [
        (image, kinds.index(kind) + 1, [left, top, right - left, bottom - top])
        for image, (*_, rows) in enumerate(photos, 1)
        for kind, left, top, right, bottom in rows
    ]
    return {
        "images": [
            {"id": index, "file_name": file, "width": width, "height": height}
            for index, (file, width, height, _) in enumerate(photos, 1)
        ],
        "annotations": [
            {"id": index, "image_id": image, "category_id": kind, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
            for index, (image, kind, box) in enumerate(annotations, 1)
        ],
        "categories": [{"id": index, "name": kind} for index, kind in enumerate(kinds, 1)],
    }


def write_coco(folder: Path, counts: dict[str, int], seed: int = 0) -> Path:
    """A folder for each split with its photographs and `_annotations.coco.json`."""
    rng = np.random.default_rng(seed)
    for split, count in counts.items():
        (folder / split).mkdir(parents=True)
        photos = []
        for index in range(count):
            image, rows = photo(rng)
            image.save(folder / split / f"{index:03d}.png")
            photos.append((f"{index:03d}.png", *image.size, rows))
        (folder / split / "_annotations.coco.json").write_text(json.dumps(coco_of(photos)))
    return folder


def paint(path: Path, width: int = 40, height: int = 30) -> None:
    """A picture of two colours that depends on its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    value = sum(str(path).encode()) % 200
    image = Image.new("RGB", (width, height), (value, value, value))
    image.paste((250, 10, value), (0, 0, width // 2, height // 2))
    image.save(path)
