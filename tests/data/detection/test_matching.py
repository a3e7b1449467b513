"""Which file is an annotation's photograph: never another in its place, and nothing left out without a word."""

from __future__ import annotations

import json
import tarfile
import unicodedata
from pathlib import Path
from typing import Literal

import pytest
from tests.boxes import coco_of, paint, voc_xml, write_voc

from sculptnet.data.detection import BoxData, read_boxes
from sculptnet.errors import DataError

Form = Literal["NFC", "NFD"]
BOX = [("cell", 2, 3, 12, 14)]


def write_coco_file(file: Path, names: list[str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(coco_of([(name, 40, 30, BOX) for name in names])))


def write_xml(file: Path, image: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(voc_xml(image, 40, 30, BOX))


def used(data: BoxData) -> set[str]:
    return {name for split in (data.train, data.monitor, data.test) for name in split.names}


def problems(folder: Path) -> str:
    with pytest.raises(DataError) as raised:
        read_boxes(folder)
    return str(raised.value)


@pytest.mark.parametrize(
    ("training", "testing"),
    [
        ("images/train2017", "images/val2017"),
        ("images/Train", "images/Validation"),  # CVAT
        ("train2017", "val2017"),
        ("photos/training", "photos/testing/val"),  # found by name, told apart by their split
    ],
)
def test_like_numbered_images_belong_to_their_split(tmp_path: Path, training: str, testing: str) -> None:
    names = [f"{index}.png" for index in range(4)]
    for folder in (training, testing):
        for name in names:
            paint(tmp_path / folder / name)
    first, second = ("Train", "Validation") if "Train" in training else ("train2017", "val2017")
    write_coco_file(tmp_path / "annotations" / f"instances_{first}.json", names)
    write_coco_file(tmp_path / "annotations" / f"instances_{second}.json", names)
    data = read_boxes(tmp_path)
    assert set(data.train.names) | set(data.monitor.names) == {f"{training}/{name}" for name in names}
    assert set(data.test.names) == {f"{testing}/{name}" for name in names}


def test_a_missing_image_is_not_replaced_by_another_of_its_name(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for index in range(3):
            paint(tmp_path / split / f"{split}{index}.png")
        write_coco_file(tmp_path / split / "_annotations.coco.json", [f"{split}{index}.png" for index in range(3)])
    (tmp_path / "train" / "train1.png").unlink()
    paint(tmp_path / "masks" / "train1.png")
    text = problems(tmp_path)
    assert "train/_annotations.coco.json, image 2: its image train1.png is missing; add it or remove the entry" in text
    assert "masks/train1.png was not taken for it, as others are in train/" in text


def test_nor_is_one_of_voc_nor_one_in_the_folder_above(tmp_path: Path) -> None:
    for index in range(3):
        write_xml(tmp_path / "Annotations" / f"{index}.xml", f"{index}.png")
        paint(tmp_path / ("JPEGImages" if index else "SegmentationObject") / f"{index}.png")
    assert "SegmentationObject/0.png was not taken for it, as others are in JPEGImages/" in problems(tmp_path)
    paint(tmp_path / "JPEGImages" / "0.png")
    assert len(used(read_boxes(tmp_path))) == 3
    write_coco_file(tmp_path / "coco" / "labels.json", ["0.png", "1.png"])
    paint(tmp_path / "coco" / "0.png")
    paint(tmp_path / "coco" / "thumbnails" / "1.png")
    assert "thumbnails/1.png was not taken for it, as others lie in the folder itself" in problems(tmp_path / "coco")


def test_images_found_by_name_alone_are_told_and_never_from_another_split(tmp_path: Path) -> None:
    for index in range(4):
        paint(tmp_path / "photos" / f"part{index % 2}" / f"{index}.png")
    write_coco_file(tmp_path / "labels.json", [f"C:\\data\\{index}.png" for index in range(4)])
    data = read_boxes(tmp_path)
    assert used(data) == {f"photos/part{index % 2}/{index}.png" for index in range(4)}
    assert any(
        note.startswith("4 photographs were found by their file names alone: C:/data/0.png") for note in data.notes
    )

    other = tmp_path / "other"
    paint(other / "pictures" / "train" / "5.png")
    write_coco_file(other / "lists" / "instances_val.json", ["5.png"])
    assert "pictures/train/5.png was not taken for it" in problems(other)


def test_images_without_annotations_and_other_files_are_counted_and_named(tmp_path: Path) -> None:
    folder = tmp_path / "voc"
    for index in range(3):
        write_xml(folder / "Annotations" / f"{index}.xml", f"{index}.png")
        paint(folder / "JPEGImages" / f"{index}.png")
    paint(folder / "JPEGImages" / "lonely.png")
    (folder / "layout.xml").write_text("<page/>")
    (folder / "notes.json").write_text("{}")
    notes = "\n".join(read_boxes(folder).notes)
    assert "1 images have no annotation and were not used; an XML file without objects makes one" in notes
    assert "JPEGImages/lonely.png" in notes
    assert "2 files are no annotations and were left alone: layout.xml (begins with <page>" in notes
    coco = tmp_path / "coco"
    for index in range(5):
        paint(coco / f"{index}.png")
    write_coco_file(coco / "labels.json", [f"{index}.png" for index in range(4)])
    assert any(
        "`images` without an entry in `annotations`" in note and "4.png" in note for note in read_boxes(coco).notes
    )


def test_photographs_of_no_list_are_named(tmp_path: Path) -> None:
    folder = write_voc(tmp_path / "voc", {"train": 3, "test": 2})
    (folder / "ImageSets" / "Main" / "test.txt").write_text("test_000.png\n")  # names with an ending are read too
    notes = read_boxes(folder).notes
    assert "1 photographs with annotations belong to no split and were not used: test_001.png" in notes


def test_a_photograph_in_two_lists_is_refused(tmp_path: Path) -> None:
    folder = write_voc(tmp_path / "voc", {"train": 3, "test": 2})
    lists = folder / "ImageSets" / "Main"
    (lists / "test.txt").write_text("test_000\ntrain_001\n")
    assert "names train_001, which the list of test names too; remove one of the lines" in problems(folder)
    (lists / "test.txt").rename(lists / "val.txt")
    (lists / "train.txt").unlink()
    (lists / "trainval.txt").write_text("train_000\ntrain_001\ntrain_002\ntest_000\n")  # has those of val by its nature
    assert len(read_boxes(folder).test) == 2


def test_names_with_spaces_in_lists_and_in_utf_16(tmp_path: Path) -> None:
    for name in ("my photo 1", "my photo 2", "my photo 3"):
        paint(tmp_path / "JPEGImages" / f"{name}.png")
        write_xml(tmp_path / "Annotations" / f"{name}.xml", f"{name}.png")
    lists = tmp_path / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "Train.txt").write_text("my photo 1\nmy photo 2\n", encoding="utf-16")
    (lists / "Test.txt").write_text("my photo 3\n", encoding="utf-8-sig")
    assert read_boxes(tmp_path).test.names == ("JPEGImages/my photo 3.png",)


# ---------------------------------------------------------------------- other endings, other spellings
def test_an_image_under_another_ending_is_used_and_told(tmp_path: Path) -> None:
    for index in range(3):
        write_xml(tmp_path / f"frame{index}.xml", f"frame{index}.png" if index else "old name.bmp")
        paint(tmp_path / f"frame{index}.jpg")
    data = read_boxes(tmp_path)
    assert used(data) == {f"frame{index}.jpg" for index in range(3)}
    note = next(note for note in data.notes if "another ending" in note)
    assert "old name.bmp = frame0.jpg; frame1.png = frame1.jpg" in note

    coco = tmp_path / "coco"
    for index in range(3):
        paint(coco / "images" / f"{index}.JPG")
    write_coco_file(coco / "annotations.json", [f"{index}.png" for index in range(3)])
    assert used(read_boxes(coco)) == {f"images/{index}.JPG" for index in range(3)}


def test_a_mask_with_the_stem_of_a_missing_photograph_is_not_taken(tmp_path: Path) -> None:
    for index in range(3):
        write_xml(tmp_path / f"{index}.xml", f"{index}.jpg")
        paint(tmp_path / f"{index}.png")  # a mask
        if index:
            paint(tmp_path / f"{index}.jpg")
    assert "0.xml: its image 0.jpg is missing" in problems(tmp_path)
    paint(tmp_path / "0.bmp")
    paint(tmp_path / "0.webp")
    assert "several files may be its image: 0.bmp, 0.webp" in problems(tmp_path)


@pytest.mark.parametrize(("form", "other"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_names_that_differ_in_composition_are_one(tmp_path: Path, form: Form, other: Form) -> None:
    names = [f"café{index}" for index in range(3)]
    for name in names:
        paint(tmp_path / "JPEGImages" / f"{unicodedata.normalize(form, name)}.png")
        write_xml(
            tmp_path / "Annotations" / f"{unicodedata.normalize(form, name)}.xml",
            f"{unicodedata.normalize(other, name)}.png",
        )
    lists = tmp_path / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text(unicodedata.normalize(other, "\n".join(names[:2])))
    (lists / "test.txt").write_text(unicodedata.normalize(other, names[2]))
    assert len(read_boxes(tmp_path).train) == 2
    coco = tmp_path / "JPEGImages"
    write_coco_file(coco / "labels.json", [unicodedata.normalize(other, f"{name}.png") for name in names])
    assert len(used(read_boxes(coco))) == 3


def test_names_of_classes_that_differ_in_composition_are_one(tmp_path: Path) -> None:
    forms: tuple[Form, ...] = ("NFC", "NFD", "NFC", "NFD")
    for index, form in enumerate(forms):
        name = unicodedata.normalize(form, "café")
        paint(tmp_path / "voc" / f"{index}.png")
        (tmp_path / "voc" / f"{index}.xml").write_text(voc_xml(f"{index}.png", 40, 30, [(name, 2, 3, 12, 14)]))
        split = "train" if index < 3 else "test"
        paint(tmp_path / "coco" / split / f"{index}.png")
        data = coco_of([(f"{index}.png", 40, 30, [(name, 2, 3, 12, 14)])])
        (tmp_path / "coco" / split / f"{index}.json").write_text(json.dumps(data))
    assert read_boxes(tmp_path / "voc").classes == read_boxes(tmp_path / "coco").classes == ("caf\xe9",)


def test_an_ending_that_is_not_known_is_read_where_it_is_named(tmp_path: Path) -> None:
    for index in range(3):
        paint(tmp_path / f"{index}.png")
        (tmp_path / f"{index}.png").rename(tmp_path / f"{index}.jfif")
        write_xml(tmp_path / f"{index}.xml", f"{index}.jfif")
    assert used(read_boxes(tmp_path)) == {f"{index}.jfif" for index in range(3)}
    write_coco_file(tmp_path / "coco" / "labels.json", ["labels.json"])
    assert "labels.json cannot be read as an image (not an image)" in problems(tmp_path / "coco")


# ---------------------------------------------------------------------- links
def test_links_are_followed_and_those_that_lead_nowhere_are_named(tmp_path: Path) -> None:
    shared, folder = tmp_path / "shared", tmp_path / "voc"
    for index in range(3):
        paint(shared / "photos" / f"{index}.png")
        write_xml(folder / "Annotations" / f"{index}.xml", f"{index}.png")
    (folder / "JPEGImages").symlink_to(shared / "photos", target_is_directory=True)
    (shared / "photos" / "again").symlink_to(shared, target_is_directory=True)
    (folder / "round").symlink_to(folder, target_is_directory=True)
    (folder / "stale.png").symlink_to(tmp_path / "gone.png")
    data = read_boxes(folder)
    assert used(data) == {f"JPEGImages/{index}.png" for index in range(3)}
    note = next(note for note in data.notes if "cannot be read" in note)
    assert f"stale.png: a link to {tmp_path}/gone.png, which does not exist; mend or remove it" in note
    assert "not used: 2 links to folders that are read already: JPEGImages/again/photos, round" in data.notes
    (shared / "photos" / "2.png").unlink()
    (shared / "photos" / "2.png").symlink_to(tmp_path / "gone.png")
    assert "Annotations/2.xml: its image 2.png is there, but a link to" in problems(folder)
    (folder / "ImageSets" / "Main").mkdir(parents=True)
    (folder / "ImageSets" / "Main" / "train.txt").symlink_to(tmp_path / "gone.txt")
    assert "ImageSets/Main/train.txt: a link to" in problems(folder)


def test_links_in_archives_are_followed_and_those_that_lead_out_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "voc"
    for index in range(5):
        write_xml(folder / "Annotations" / f"{index}.xml", f"{index}.png")
    paint(folder / "JPEGImages" / "4.png")
    paint(folder / "photos" / "0.png")
    (folder / "photos" / "1.png").hardlink_to(folder / "photos" / "0.png")
    for index in range(2):
        (folder / "JPEGImages" / f"{index}.png").symlink_to(f"../photos/{index}.png")
    (folder / "JPEGImages" / "2.png").symlink_to("/somewhere/2.png")
    (folder / "JPEGImages" / "3.png").symlink_to("3.png")
    with tarfile.open(tmp_path / "voc.tar", "w") as archive:
        archive.add(folder, "voc")
    text = problems(tmp_path / "voc.tar")
    assert "2 problems" in text
    assert "2.png is there, but a link to somewhere/2.png, which is not in the archive" in text
    assert "3.png is there, but a link to" in text
