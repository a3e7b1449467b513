"""Annotation files and archives as they come: other encodings, damage, values of other kinds. Nothing but DataError."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
from tests.boxes import coco_of, paint, voc_xml, write_voc

from sculptnet.data.detection import read_boxes
from sculptnet.errors import DataError

BOX = [("細胞", 2, 3, 12, 14)]


def problems(path: Path) -> str:
    with pytest.raises(DataError) as raised:
        read_boxes(path)
    str(raised.value).encode("utf-8")  # it can be printed and written
    return str(raised.value)


def write_xmls(folder: Path, content: bytes) -> Path:
    """Two good files and one that holds `content`."""
    for index in range(3):
        paint(folder / f"{index}.png")
        (folder / f"{index}.xml").write_text(voc_xml(f"{index}.png", 40, 30, BOX), encoding="utf-8")
    (folder / "2.xml").write_bytes(content)
    return folder


def coco() -> dict[str, Any]:
    return coco_of([(f"{index}.png", 40, 30, BOX) for index in range(3)])


def write_json(folder: Path, content: bytes) -> Path:
    for index in range(3):
        paint(folder / f"{index}.png")
    (folder / "labels.json").write_bytes(content)
    return folder


# ---------------------------------------------------------------------- XML
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "gb2312", "shift_jis", "big5", "euc-jp", "utf-8-sig"])
def test_xml_is_read_in_the_encoding_that_it_declares(tmp_path: Path, encoding: str) -> None:
    name = "利用" if encoding == "gb2312" else "細胞"
    text = voc_xml("2.png", 40, 30, [(name, 2, 3, 12, 14)])
    declared = encoding.removesuffix("-sig")
    folder = write_xmls(tmp_path, f'<?xml version="1.0" encoding="{declared}"?>\n{text}'.encode(encoding))
    for index in range(2):
        (folder / f"{index}.xml").write_text(voc_xml(f"{index}.png", 40, 30, [(name, 2, 3, 12, 14)]), encoding="utf-8")
    assert read_boxes(folder).classes == (name,)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'<?xml version="1.0" encoding="klingon"?><annotation/>', "the encoding 'klingon', which is unknown; save it"),
        (
            b'<?xml version="1.0" encoding="gbk"?><annotation>\xff\xff</annotation>',
            "it is not in gbk, the encoding that",
        ),
        (b'<?xml version="1.0" encoding="hex"?><annotation>00</annotation>', "it is not in hex"),
        (b"<annotation><filename>caf\xe9</filename></annotation>", "not well-formed"),
        (b"\x00\x01", "not well-formed"),
        (b"", "no element found"),
    ],
)
def test_xml_that_cannot_be_read_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    text = problems(write_xmls(tmp_path, content))
    assert "2.xml is no XML (" in text
    assert message in text


def test_values_in_xml_that_are_none_are_named(tmp_path: Path) -> None:
    content = voc_xml("2.png", 40, 30, BOX).replace("<difficult>0", "<difficult>perhaps")
    assert "2.xml, object 1: difficult must be 0 or 1, got 'perhaps'" in problems(
        write_xmls(tmp_path, content.encode())
    )
    content = voc_xml("2.png", 40, 30, BOX).replace("<width>40", "<width>inf").replace("<xmin>2", "<xmin>1e999")
    assert "2.xml, object 1: corners must be finite numbers, got (inf, 3" in problems(
        write_xmls(tmp_path, content.encode())
    )


def test_a_list_that_is_no_text_is_named(tmp_path: Path) -> None:
    folder = write_voc(tmp_path / "voc", {"train": 3, "test": 2})
    (folder / "ImageSets" / "Main" / "test.txt").write_bytes(b"\xff\xff\xfe")
    assert "ImageSets/Main/test.txt cannot be read ('utf-8' codec can't decode" in problems(folder)


# ---------------------------------------------------------------------- JSON
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le"])
def test_json_is_read_in_every_unicode_encoding(tmp_path: Path, encoding: str) -> None:
    text = json.dumps(coco(), ensure_ascii=False)
    assert read_boxes(write_json(tmp_path, text.encode(encoding))).classes == ("細胞",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[" * 200_000, "it is nested too deeply"),
        (b'{"images": ["\xe9"]}', "it is not in utf-8: invalid continuation byte at byte 13"),
        (b'{"images": [' + b"9" * 5000 + b"]}", "Exceeds the limit (4300 digits) for integer string conversion"),
        (b"", "Expecting value"),
        (b'{"images": [}', "Expecting value: line 1 column 13"),
    ],
)
def test_json_that_cannot_be_read_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    text = problems(write_json(tmp_path, content))
    assert "labels.json is no JSON (" in text
    assert message in text


def test_every_value_of_another_kind_is_named_at_once(tmp_path: Path) -> None:
    data = coco()
    data["images"] += [
        {"id": [1], "file_name": "0.png"},
        {"id": None, "file_name": "0.png"},
        {"id": 50, "file_name": 7},
        {"id": 51, "file_name": "\udcff.png"},
        {"id": 52, "file_name": "0.png", "width": float("nan"), "height": float("inf")},
    ]
    data["categories"] += [{"id": True, "name": "a"}, {"id": 61, "name": None}, {"id": 62, "name": "\ud800"}, 5]
    box = {"image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5]}
    data["annotations"] += [
        box | {"id": 70, "image_id": {"a": 1}},
        box | {"id": 71, "category_id": [1]},
        box | {"id": 72, "bbox": [10**400, 1, 5, 5]},
        box | {"id": 73, "iscrowd": "maybe"},
        box | {"id": 74, "bbox": [1, float("nan"), 5, 5]},
        box | {"id": 75, "category_id": False},
        box | {"id": 76, "image_id": 1.5},
    ]
    text = problems(write_json(tmp_path, json.dumps(data).encode()))
    for part in (
        "images: id of entry 3 must be a whole number or a text, got [1]",
        "images: id of entry 4 must be a whole number or a text, got None",
        "image 50: file_name must be a text, got 7",
        "image 51: file_name must be a text, got '\\udcff.png'",
        "0.png has 2 annotations",
        "categories: id of entry 1 must be a whole number or a text, got True",
        "category 61: its name must be a text, got None",
        "category 62: its name must be a text, got '\\ud800'",
        "categories: entry 4 is no object",
        "annotation 70: image_id must be a whole number or a text, got {'a': 1}",
        "annotation 71: category_id must be a whole number or a text, got [1]",
        "annotation 72: bbox must be [x, y, width, height], got [1000000",
        "annotation 73: iscrowd must be 0 or 1, got 'maybe'",
        "annotation 75: category_id must be a whole number or a text, got False",
        "annotation 76: image_id must be a whole number or a text, got 1.5",
        "annotation 74: corners must be finite numbers, got (1, nan, 6, nan)",
    ):
        assert part in text


def test_whole_numbers_may_be_written_with_a_point_and_texts_are_ids_too(tmp_path: Path) -> None:
    data = coco()
    for row in data["annotations"]:
        row |= {"image_id": float(row["image_id"]), "category_id": 1.0, "iscrowd": "0"}
        del row["id"]
    assert read_boxes(write_json(tmp_path / "floats", json.dumps(data).encode())).train.num_bytes > 0
    for row in data["images"]:
        row["id"] = f"image {row['id']}"
    for row in data["annotations"]:
        row["image_id"] = f"image {int(row['image_id'])}"
    assert read_boxes(write_json(tmp_path / "texts", json.dumps(data).encode())).classes == ("細胞",)


# ---------------------------------------------------------------------- names of files
def test_names_that_are_not_utf_8_are_named(tmp_path: Path) -> None:
    folder = write_xmls(tmp_path, voc_xml("2.png", 40, 30, BOX).encode())
    with open(os.fsencode(folder) + b"/caf\xe9.png", "wb") as file:
        file.write((folder / "0.png").read_bytes())
    assert any("caf\\xe9.png: its name is not UTF-8; rename it" in note for note in read_boxes(folder).notes)
    with open(os.fsencode(folder) + b"/caf\xe9.xml", "wb") as file:
        file.write((folder / "0.xml").read_bytes())
    assert "caf\\xe9.xml: its name is not UTF-8; rename it" in problems(folder)


# ---------------------------------------------------------------------- archives
@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("packed")
    for index in range(3):
        paint(folder / "voc" / f"{index}.png")
        (folder / "voc" / f"{index}.xml").write_text(voc_xml(f"{index}.png", 40, 30, BOX), encoding="utf-8")
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        archive.add(folder / "voc", "voc")
    return stream.getvalue()


def test_damaged_archives_are_refused_and_not_read_in_part(tmp_path: Path, packed: bytes) -> None:
    file = tmp_path / "voc.tar"
    file.write_bytes(packed)
    assert len(read_boxes(file).test) == 1
    with tarfile.open(file) as archive:
        last = archive.getmembers()[-1]
    scratched = bytearray(packed)
    scratched[last.offset : last.offset + 8] = b"\xff" * 8
    empty = io.BytesIO()
    tarfile.open(fileobj=empty, mode="w").close()
    for content, message in (
        (bytes(scratched), f"it is damaged at byte {last.offset}"),
        (packed[: last.offset], "its end is missing: it was cut off"),
        (packed[: last.offset + 700], "unexpected end of data"),
        (packed[: last.offset + 100], f"it is damaged at byte {last.offset}"),
        (packed + packed, "something follows its end, such as a second archive"),
        (b"", "empty file"),
        (b"no archive at all", "truncated header"),
    ):
        file.write_bytes(content)
        assert message in problems(file)
    for name, content in (("gzip", gzip.compress(packed)), ("zip", b"PK\x03\x04..."), ("zstd", b"\x28\xb5\x2f\xfd...")):
        file.write_bytes(content)
        assert f"is compressed ({name}), so it cannot be read in place; unpack it, and give the folder" in problems(
            file
        )


def test_what_is_neither_file_nor_folder_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tar")
    assert "is neither a folder nor a file" in problems(tmp_path / "pipe.tar")
    folder = write_xmls(tmp_path / "voc", voc_xml("2.png", 40, 30, BOX).encode())
    os.mkfifo(folder / "pipe.xml")  # would wait for ever
    assert "pipe.xml: neither a file nor a folder; remove it" in problems(folder)
