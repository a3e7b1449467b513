"""Photographs with boxes from VOC and COCO: what is read, what is dropped and said, what is refused."""

from __future__ import annotations

import json
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.boxes import coco_of, voc_xml, write_coco, write_voc
from tests.deep import png16

from sculptnet.data.detection import BoxData, BoxSplit, read_boxes
from sculptnet.data.detection.entries import split_in
from sculptnet.data.detection.preprocessing import box_preprocessing, prepare_photo, stretched
from sculptnet.data.white import FULL, WhiteLevels
from sculptnet.errors import DataError

ARCHIVE = Path(__file__).parents[3].parent / "shared" / "data" / "images" / "bccd.tar"
COUNTS = {"train": 6, "val": 2, "test": 3}


@pytest.fixture(scope="module")
def voc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_voc(tmp_path_factory.mktemp("boxes") / "voc", COUNTS)


@pytest.fixture(scope="module")
def coco(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_coco(tmp_path_factory.mktemp("boxes") / "coco", COUNTS)


def grey(path: Path, width: int = 40, height: int = 30) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    value = sum(path.name.encode()) % 200
    Image.new("RGB", (width, height), (value, value, value)).save(path)


def objects(split: BoxSplit) -> list[list[list[float]]]:
    return [boxes.corners.tolist() for boxes in split.boxes]


def write_one(folder: Path, data: dict[str, Any]) -> Path:
    (folder / "annotations.json").write_text(json.dumps(data))
    return folder


def test_both_formats_say_the_same(voc: Path, coco: Path) -> None:
    one, other = read_boxes(voc), read_boxes(coco)
    assert one.classes == other.classes == ("disk", "square")
    for name in ("train", "monitor", "test"):
        ours, theirs = getattr(one, name), getattr(other, name)
        assert objects(ours) == objects(theirs)
        assert [boxes.labels.tolist() for boxes in ours.boxes] == [boxes.labels.tolist() for boxes in theirs.boxes]
        assert ours.digests.tolist() == theirs.digests.tolist()
    assert one.fingerprint == other.fingerprint
    assert [len(split) for split in (one.train, one.monitor, one.test)] == [6, 2, 3]


def test_an_archive_is_read_as_its_folder(voc: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "voc.tar", "w") as archive:
        archive.add(voc, "somewhere/voc")
    packed, loose = read_boxes(tmp_path / "voc.tar"), read_boxes(voc)
    assert packed.fingerprint == loose.fingerprint
    assert packed.name == "voc"
    assert np.array_equal(np.asarray(packed.test.image(0)), np.asarray(loose.test.image(0)))
    assert np.array_equal(np.asarray(packed.held(1 << 20).train.image(1)), np.asarray(loose.train.image(1)))


def test_without_splits_they_are_drawn_by_the_seed(tmp_path: Path) -> None:
    folder = write_voc(tmp_path / "voc", {"": 12})
    one, same, other = read_boxes(folder, seed=1), read_boxes(folder, seed=1), read_boxes(folder, seed=2)
    assert one.test.names == same.test.names != other.test.names
    parts = [set(split.names) for split in (one.train, one.monitor, one.test)]
    assert [len(part) for part in parts] == [9, 1, 2]
    assert len(set.union(*parts)) == 12
    assert "test split: 20% of the photographs, chosen at random with seed 1" in one.notes


def test_boxes_without_area_and_outside_are_dropped_and_told(tmp_path: Path) -> None:
    rows = {
        "a": [("cell", 1, 2, 10, 12), ("cell", 5, 5, 5, 5), ("cell", 50, 2, 60, 9)],
        "b": [("cell", -4, 20, 12, 40)],
        "c": [("cell", 0, 0, 40, 30)],
    }
    for name, boxes in rows.items():
        grey(tmp_path / f"{name}.png")
        (tmp_path / f"{name}.xml").write_text(voc_xml(f"{name}.png", 40, 30, boxes))
    data = read_boxes(tmp_path)
    assert data.dropped == (
        "a.xml, object 2: cell (5, 5, 5, 5) has no area",
        "a.xml, object 3: cell (50, 2, 60, 9) lies outside the image of 40x30 pixels",
    )
    by_name = {
        name: boxes.corners.tolist()
        for split in (data.train, data.test)
        for name, boxes in zip(split.names, split.boxes, strict=True)
    }
    assert by_name == {"a.png": [[1, 2, 10, 12]], "b.png": [[0, 20, 12, 30]], "c.png": [[0, 0, 40, 30]]}
    assert any("1 boxes reach over the edge and were clipped: b.xml" in note for note in data.notes)
    assert any(note.startswith("2 boxes were dropped: a.xml, object 2") for note in data.notes)


def test_everything_wrong_with_voc_is_told_at_once(tmp_path: Path) -> None:
    folder = write_voc(tmp_path / "voc", {"train": 3, "test": 2})
    annotations = folder / "Annotations"
    (folder / "JPEGImages" / "train_000.png").unlink()
    (folder / "JPEGImages" / "train_001.png").write_bytes(b"no picture")
    (annotations / "test_000.xml").write_text(voc_xml("test_000.png", 64, 64, [("dragon", 1, 1, 9, 9)]))
    (annotations / "test_001.xml").write_text(voc_xml("test_001.png", 32, 64, [("", 1, 1, 9, 9)]))
    (annotations / "broken.xml").write_text("<annotation>")
    wrong = voc_xml("train_002.png", 64, 64, [("disk", 1, 1, 9, 9)]).replace("<xmin>1", "<xmin>left")
    (annotations / "train_002.xml").write_text(wrong)
    with (folder / "ImageSets" / "Main" / "test.txt").open("a") as file:
        file.write("\nghost\n")
    with pytest.raises(DataError) as raised:
        read_boxes(folder)
    for part in (
        "Annotations/train_000.xml: its image train_000.png is missing; add it or remove the entry",
        "JPEGImages/train_001.png cannot be read as an image (not an image)",
        "Annotations/test_000.xml, object 1: class 'dragon' is unknown: no training photograph has it, one of test",
        "Annotations/test_001.xml, object 1: the name of its class is empty",
        "Annotations/test_001.xml: boxes are for 32x64 pixels, the image has 64x64",
        "Annotations/broken.xml is no XML",
        "Annotations/train_002.xml, object 1: a box needs four numbers, got xmin 'left', ymin '1'",
        "ImageSets/Main/test.txt names ghost, which has no annotation",
        "train: none of its 1 photographs has a box",
    ):
        assert part in str(raised.value)


def test_everything_wrong_with_coco_is_told_at_once(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        grey(tmp_path / f"{name}.png")
    data = coco_of([(f"{name}.png", 40, 30, [("cell", 1, 2, 10, 12)]) for name in ("a", "b", "c")])
    data["images"].append({"id": 1, "file_name": "b.png", "width": 40, "height": 30})
    data["images"].append({"id": 9, "file_name": "gone.png", "width": 40, "height": 30})
    data["annotations"] += [
        {"id": 1, "image_id": 2, "category_id": 7, "bbox": [1, 1, 5, 5]},
        {"id": 20, "image_id": 77, "category_id": 1, "bbox": [1, 1, 5, 5]},
        {"id": 21, "image_id": 2, "category_id": 1, "bbox": [1, 1, 5]},
    ]
    data["categories"].append({"id": 2, "name": "cell"})
    with pytest.raises(DataError) as raised:
        read_boxes(write_one(tmp_path, data))
    for part in (
        "annotations.json, images: id 1 occurs 2 times; each needs its own",
        "annotations.json, annotations: id 1 occurs 2 times",
        "annotations.json, categories: name 'cell' occurs 2 times",
        "annotations.json, image 9: its image gone.png is missing",
        "annotations.json, annotation 1: no category has the id 7; known: 1, 2",
        "annotations.json, annotation 20: no image has the id 77",
        "annotations.json, annotation 21: bbox must be [x, y, width, height], got [1, 1, 5]",
        "b.png has 2 annotations; it needs one",
    ):
        assert part in str(raised.value)


def test_crowds_and_empty_photographs_are_kept_apart(tmp_path: Path) -> None:
    names = [f"{index}.png" for index in range(6)]
    for name in names:
        grey(tmp_path / name)
    data = coco_of([(name, 40, 30, [("cell", 1, 2, 10, 12)]) for name in names[:5]] + [(names[5], 40, 30, [])])
    data["annotations"][0]["iscrowd"] = 1
    data["categories"].insert(0, {"id": 9, "name": "cells"})
    found = read_boxes(write_one(tmp_path, data))
    assert found.classes == ("cell",)
    ignored = {
        name: boxes.ignored.tolist()
        for split in (found.train, found.monitor, found.test)
        for name, boxes in zip(split.names, split.boxes, strict=True)
    }
    assert ignored == {names[0]: [True], **{name: [False] for name in names[1:5]}, names[5]: []}
    assert "1 photographs have no box; they teach what is no object" in found.notes
    assert "classes without a box in the training photographs, left out: cells" in found.notes


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train/a.xml", "train"),
        ("data/valid/b.json", "val"),
        ("annotations/instances_train2017.json", "train"),
        ("annotations/instances_val2017.json", "val"),
        ("Annotations/training_day.xml", "train"),
        ("Annotations/contest.xml", None),
    ],
)
def test_splits_are_read_from_names(name: str, split: str | None) -> None:
    assert split_in(name) == split


def test_what_is_no_data_set_is_named(tmp_path: Path, voc: Path) -> None:
    with pytest.raises(DataError, match=r"does not exist; give a folder or a \.tar"):
        read_boxes(tmp_path / "nowhere")
    (tmp_path / "zipped.tar.gz").write_bytes(b"\x1f\x8b no")
    with pytest.raises(DataError, match="unpack it, and give the folder"):
        read_boxes(tmp_path / "zipped.tar.gz")
    grey(tmp_path / "empty" / "a.png")
    with pytest.raises(DataError, match=r"no annotations of photographs were found; it needs VOC \(XML"):
        read_boxes(tmp_path / "empty")
    only = write_voc(tmp_path / "only", {"test": 2})
    with pytest.raises(DataError, match="there is test, but training needs train, and test or val"):
        read_boxes(only)


@pytest.mark.shared
@pytest.mark.skipif(not ARCHIVE.is_file(), reason="the image collections beside the repository are absent")
def test_the_blood_cells_have_their_splits_and_two_boxes_without_area() -> None:
    data: BoxData = read_boxes(ARCHIVE)
    splits = (data.train, data.monitor, data.test)
    assert [len(split) for split in splits] == [205, 87, 72]
    assert sum(split.num_boxes for split in splits) + len(data.dropped) == 4888
    assert [line.split(",")[0].rpartition("_")[2] for line in data.dropped] == ["00338.xml", "00343.xml"]
    assert all("has no area" in line for line in data.dropped)
    assert data.classes == ("Platelets", "RBC", "WBC")


def deep_photos(folder: Path, most: int, test_most: int) -> dict[str, np.ndarray[Any, Any]]:
    """Four photographs of 16 bits to train on and one to test, with a box in each."""
    rng, found = np.random.default_rng(0), {}
    for index in range(5):
        place = folder / ("test" if index == 4 else "train")
        place.mkdir(parents=True, exist_ok=True)
        values = rng.integers(0, test_most if index == 4 else most, (30, 40, 3), endpoint=True).astype(np.uint16)
        (place / f"{index}.png").write_bytes(png16(values))
        (place / f"{index}.xml").write_text(voc_xml(f"{index}.png", 40, 30, [("cell", 1, 2, 20, 22)]))
        found[f"{index}.png"] = values
    return found


def test_photographs_of_12_bits_are_read_by_one_level(tmp_path: Path) -> None:
    pictures = deep_photos(tmp_path, 4095, 9000)
    data = read_boxes(tmp_path)
    assert data.train.levels == data.monitor.levels == data.test.levels == WhiteLevels(4095)
    noted = [note for note in data.notes if "white" in note]
    assert len(noted) == 1
    assert noted[0].startswith("5 of 5 images have more than 8 bits per channel, in training up to 409")
    assert noted[0].endswith("; 1 test images have greater values, which are clipped")
    for split in (data.train.take([1, 0]), data.test, data.train.held()):
        for index, name in enumerate(split.names):
            values = pictures[Path(name).name].astype(np.float64)
            expected = np.floor(np.minimum(values, 4095) * 255 / 4095 + 0.5)
            assert np.array_equal(np.asarray(split.image(index)), expected), name
    preprocessing = box_preprocessing(data.train, 24)
    assert preprocessing.levels == WhiteLevels(4095)
    assert 0.4 < preprocessing.mean[0] < 0.6
    with Image.open(tmp_path / "test" / "4.png") as image:
        assert np.array_equal(prepare_photo(image, preprocessing), prepare_photo(data.test.image(0), preprocessing))
    with Image.open(tmp_path / "test" / "4.png") as image:
        assert np.array_equal(stretched(image, 24, preprocessing.levels), stretched(data.test.image(0), 24))
    seen_otherwise = replace(data.test, levels=FULL)
    assert seen_otherwise.identity() != data.test.identity()


def test_photographs_that_conversion_loses_are_refused(tmp_path: Path) -> None:
    deep_photos(tmp_path, 4095, 4095)
    for index in range(4):
        image = Image.new("RGBA", (40, 30), "white")
        image.putalpha(Image.linear_gradient("L").resize((40, 30)))
        image.save(tmp_path / "train" / f"{index}.png")
    with pytest.raises(
        DataError, match="1 test images have whole numbers of more than 8 bits, up to 4093, and no training"
    ):
        read_boxes(tmp_path)
    Image.new("RGB", (40, 30), "blue").save(tmp_path / "test" / "4.png")
    with pytest.raises(DataError, match=r"of 3 training images: 3 images, first train/.*hold a picture that is lost"):
        read_boxes(tmp_path)
