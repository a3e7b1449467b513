"""Thousands of damaged annotation files: a data set, or one `DataError` that can be printed; nothing else."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.boxes import coco_of, paint, voc_xml

from sculptnet.data.detection import read_boxes
from sculptnet.errors import DataError

COUNT = 3
FUZZ = settings(
    max_examples=1500, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
NAMES = [f"{index}.png" for index in range(COUNT)]
ROWS = [("cat", 2, 3, 12, 14), ("dog", 20, 8, 39, 29)]
XML = '<?xml version="1.0" encoding="utf-8"?>\n' + voc_xml("0.png", 40, 30, ROWS)
PIECES = [
    *("gbk", "utf-16", "klingon", "idna", "<object>", "</object>", "<name/>", "<!DOCTYPE a [<!ENTITY b 'c'>]>", "&b;"),
    *("nan", "inf", "-1", "1e400", "1e308", "99999999999999999999", "\x00", "\ud800", "\ufeff", "../", "C:\\", "é", ""),
]
STRANGE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from([10**400, -(10**400), "\ud800", "0.png", "../0.png", "", [], {}, [1], {"a": 1}, 1.0, 1e308, "1"]),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("fuzz")
    for name in NAMES:
        paint(made / name)
    return made


def read(path: Path) -> None:
    before = sorted(file.name for file in path.parent.rglob("*"))
    try:
        said = "\n".join(read_boxes(path).notes)
    except DataError as error:
        said = str(error)
    said.encode("utf-8")
    assert sorted(file.name for file in path.parent.rglob("*")) == before


@st.composite
def damaged(draw: st.DrawFn, text: str) -> bytes:
    """`text` with some pieces put in, cut out or repeated, and some bytes changed."""
    for _ in range(draw(st.integers(0, 3))):
        begin = draw(st.integers(0, len(text)))
        end = draw(st.integers(begin, min(len(text), begin + 30)))
        text = text[:begin] + draw(st.sampled_from([*PIECES, text[begin:end] * 2])) + text[end:]
    content = bytearray(text.encode(draw(st.sampled_from(["utf-8", "utf-16", "utf-8-sig"])), "surrogatepass"))
    for _ in range(draw(st.integers(0, 2))):
        content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
    return bytes(content)


def everywhere(value: Any) -> list[Callable[[Any], None]]:
    """A setter for every place in a JSON value."""
    places: list[Callable[[Any], None]] = []
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    for key in keys:
        places.append(lambda new, key=key: value.__setitem__(key, new))  # type: ignore[misc]
        places += everywhere(value[key])
    return places


@st.composite
def strange_coco(draw: st.DrawFn) -> bytes:
    """A COCO file in which some values are others."""
    data = coco_of([(name, 40, 30, ROWS) for name in NAMES])
    for _ in range(draw(st.integers(1, 4))):
        draw(st.sampled_from(everywhere(data)))(draw(STRANGE))
    return json.dumps(data).encode()


@pytest.mark.slow
@FUZZ
@given(content=damaged(XML), listed=st.one_of(st.none(), damaged("0\n1\n")))
def test_damaged_xml(folder: Path, content: bytes, listed: bytes | None) -> None:
    for name in NAMES[1:]:
        (folder / f"{name[:-4]}.xml").write_text(voc_xml(name, 40, 30, ROWS))
    (folder / "0.xml").write_bytes(content)
    lists = folder / "ImageSets" / "Main"
    lists.mkdir(parents=True, exist_ok=True)
    (lists / "test.txt").write_text("2\n")
    (lists / "train.txt").unlink(missing_ok=True)
    if listed is not None:
        (lists / "train.txt").write_bytes(listed)
    try:
        read(folder)
    finally:
        for name in NAMES:
            (folder / f"{name[:-4]}.xml").unlink()


@pytest.mark.slow
@FUZZ
@given(content=st.one_of(strange_coco(), damaged(json.dumps(coco_of([(name, 40, 30, ROWS) for name in NAMES])))))
def test_damaged_json(folder: Path, content: bytes) -> None:
    (folder / "labels.json").write_bytes(content)
    try:
        read(folder)
    finally:
        (folder / "labels.json").unlink()


@pytest.mark.slow
@FUZZ
@given(data=st.data())
def test_damaged_archives(folder: Path, data: st.DataObject) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=data.draw(st.sampled_from([0, 1, 2]))) as archive:
        for name in NAMES:
            archive.add(folder / name, f"photos/{name}")
        content = json.dumps(coco_of([(name, 40, 30, ROWS) for name in NAMES])).encode()
        member = tarfile.TarInfo("photos/labels.json")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    raw = bytearray(stream.getvalue()[: data.draw(st.integers(0, len(stream.getvalue())))])
    headers = [place for place in range(0, len(raw), 512) if raw[place + 257 : place + 262] == b"ustar"]
    for _ in range(data.draw(st.integers(0, 3)) if headers else 0):
        begin = data.draw(st.sampled_from(headers))
        raw[begin + data.draw(st.integers(0, min(511, len(raw) - begin - 1)))] = data.draw(st.integers(0, 255))
        if data.draw(st.booleans()):  # else the sum of its bytes gives every damage away
            header = raw[begin : begin + 512]
            if len(header) == 512:
                raw[begin + 148 : begin + 156] = b"%06o\0 " % (sum(header[:148]) + 8 * 32 + sum(header[156:]))
    (folder / "photos.tar").write_bytes(raw)
    try:
        read(folder / "photos.tar")
    finally:
        (folder / "photos.tar").unlink()
