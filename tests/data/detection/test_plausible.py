"""Boxes that nobody marks as they are written: refused with what was seen, or questioned."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from tests.boxes import coco_of, paint, voc_xml

from sculptnet.data.detection import read_boxes
from sculptnet.errors import DataError

Four = tuple[float, float, float, float]
CORNERS: list[Four] = [(5, 5, 35, 25), (40, 10, 78, 50), (2, 40, 30, 58), (50, 30, 70, 57)]
WIDTH, HEIGHT = 80, 60


def write_coco(folder: Path, boxes: list[Four], split: str = "") -> Path:
    """Four photographs, each with one of `boxes`, given as COCO writes them."""
    data = coco_of([(f"{split}{index}.png", WIDTH, HEIGHT, [("cell", 1, 1, 2, 2)]) for index in range(4)])
    for row, box in zip(data["annotations"], boxes, strict=True):
        row["bbox"] = box
    for index in range(4):
        paint(folder / split / f"{split}{index}.png", WIDTH, HEIGHT)
    (folder / split / "labels.json").write_text(json.dumps(data))
    return folder


def write_voc(folder: Path, boxes: list[Four]) -> Path:
    for index, (left, top, right, bottom) in enumerate(boxes):
        paint(folder / f"{index}.png", WIDTH, HEIGHT)
        text = voc_xml(f"{index}.png", WIDTH, HEIGHT, [("cell", 1001, 1002, 1003, 1004)])
        for number, value in zip((1001, 1002, 1003, 1004), (left, top, right, bottom), strict=True):
            text = text.replace(str(number), str(value))
        (folder / f"{index}.xml").write_text(text)
    return folder


def sizes(corners: list[Four]) -> list[Four]:
    return [(left, top, right - left, bottom - top) for left, top, right, bottom in corners]


def shares(fours: list[Four]) -> list[Four]:
    return [(a / WIDTH, b / HEIGHT, c / WIDTH, d / HEIGHT) for a, b, c, d in fours]


def middles(corners: list[Four]) -> list[Four]:
    return [
        ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top) for left, top, right, bottom in corners
    ]


def test_shares_of_the_photograph_are_refused(tmp_path: Path) -> None:
    message = "seem to be shares of width and height, from 0 to 1; write them in pixels"
    for name, boxes in (("size", shares(sizes(CORNERS))), ("middle", shares(middles(CORNERS)))):
        with pytest.raises(DataError, match=r"labels\.json: all 4 boxes lie within the first two pixels") as raised:
            read_boxes(write_coco(tmp_path / name, boxes))
        assert message in str(raised.value)
    with pytest.raises(DataError, match=message):
        read_boxes(write_voc(tmp_path / "voc", shares(CORNERS)))


def test_every_file_is_judged_by_itself(tmp_path: Path) -> None:
    write_coco(tmp_path, sizes(CORNERS), "train")
    write_coco(tmp_path, shares(sizes(CORNERS)), "test")
    with pytest.raises(DataError, match=r"test/labels\.json: all 4 boxes lie within the first two pixels"):
        read_boxes(tmp_path)


def test_corners_and_middles_where_sizes_belong_are_refused(tmp_path: Path) -> None:
    read_boxes(write_coco(tmp_path / "right", sizes(CORNERS)))
    with pytest.raises(DataError) as raised:
        read_boxes(write_coco(tmp_path / "corners", CORNERS))
    assert (
        "labels.json: 3 of 4 boxes, read as x, y, width, height, have no area or reach beyond their photograph, and "
        "all would fit as left, top, right, bottom" in str(raised.value)
    )
    with pytest.raises(DataError, match=r"would fit as .*the middle's x and y, width, height"):
        read_boxes(write_coco(tmp_path / "middles", middles(CORNERS)))


def test_sizes_and_rows_first_where_corners_belong_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"read as left, top, right, bottom, have no area .* fit as .*x, y, width, height"
    ):
        read_boxes(write_voc(tmp_path / "sizes", sizes(CORNERS)))
    rows: list[Four] = [
        (top, left, bottom, right) for left, top, right, bottom in [*CORNERS[1:3], *[(4.0, 2.0, 70.0, 40.0)] * 2]
    ]
    with pytest.raises(DataError, match="fit as top, left, bottom, right"):
        read_boxes(write_voc(tmp_path / "rows", rows))


def test_boxes_over_the_edge_that_nothing_explains_are_clipped(tmp_path: Path) -> None:
    over = [(-9.0, 5.0, 30.0, 25.0), (60.0, 10.0, 99.0, 50.0), (-5.0, 40.0, 30.0, 70.0), (50.0, 30.0, 70.0, 57.0)]
    data = read_boxes(write_voc(tmp_path, over))
    assert any(note.startswith("3 boxes reach over the edge and were clipped") for note in data.notes)


def test_what_is_strange_as_a_whole_is_questioned(tmp_path: Path) -> None:
    whole = read_boxes(write_voc(tmp_path / "whole", [(0, 0, WIDTH, HEIGHT)] * 4))
    assert any("is this classification?" in note for note in whole.notes)

    grey = write_voc(tmp_path / "grey", CORNERS)
    for index in range(4):
        Image.new("RGB", (WIDTH, HEIGHT), (index, 90, 90)).save(grey / f"{index}.png")
    assert any("all 4 photographs are of one colour throughout" in note for note in read_boxes(grey).notes)

    corner = tmp_path / "corner"  # percent, as some tools export them
    for index in range(7):
        paint(corner / f"{index}.png", 400, 300)
        rows = [("cell", 10, 20, 30, 40), ("cell", 50, 60, 90, 99), ("cell", 1, 1, 99, 99)]
        (corner / f"{index}.xml").write_text(voc_xml(f"{index}.png", 400, 300, rows))
    assert any("all 21 boxes lie in the upper left" in note for note in read_boxes(corner).notes)


def test_one_class_with_nearly_all_boxes_and_copies_are_questioned(tmp_path: Path) -> None:
    for index in range(10):
        paint(tmp_path / f"{index}.png", WIDTH, HEIGHT)
        rows = [("cell", 5 + step, 5, 35 + step, 25) for step in range(10)]
        if index == 0:
            rows[0] = ("dot", 50, 30, 70, 57)
        (tmp_path / f"{index}.xml").write_text(voc_xml(f"{index}.png", WIDTH, HEIGHT, rows))
    lists = tmp_path / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("0\n1\n2\n3\n")
    (lists / "val.txt").write_text("4\n5\n6\n")
    (lists / "test.txt").write_text("7\n8\n9\n")
    (tmp_path / "9.png").write_bytes((tmp_path / "1.png").read_bytes())
    notes = read_boxes(tmp_path).notes
    assert "99 of 100 boxes are of class cell: the others can hardly be learnt" in notes
    assert "1 test photographs are copies of training ones: the measured precision is too high; remove them" in notes
