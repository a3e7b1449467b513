"""Files that are no images Pillow reads: what they are, and what to do."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from sculptnet.data import folder
from sculptnet.data.detection import read_boxes
from sculptnet.data.formats import MOST_PIXELS, open_image
from sculptnet.data.survey import survey_files
from sculptnet.errors import DataError, InvalidValue
from sculptnet.export.prediction import read_photo

FOREIGN = {
    "pointer.jpg": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 1\n", "`git lfs pull`"),
    "phone.heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a HEIC photograph, .* convert it to JPEG"),
    "named.jpg": (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "a HEIC photograph, .* convert it to JPEG"),
    "film.jpg": (b"\0\0\0\x18ftypmp42\0\0\0\0", "a film, not an image"),
    "page.png": (b"<!DOCTYPE html><html>404</html>", "a web page, not an image .*download it again"),
    "many.zip": (b"PK\x03\x04", "an archive, not an image; unpack it"),
    "drawing.svg": (b'<?xml version="1.0"?><svg/>', "an SVG drawing"),
    "paper.pdf": (b"%PDF-1.7", "a PDF document"),
    "empty.png": (b"", "the file is empty"),
    "text.png": (b"words", "^not an image$"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_files_are_called_what_they_are(name: str, tmp_path: Path) -> None:
    content, expected = FOREIGN[name]
    (tmp_path / name).write_bytes(content)
    _, broken = survey_files([tmp_path / name])
    assert re.search(expected, broken[0])


def test_detection_calls_them_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(FOREIGN["pointer.jpg"][0])
    (tmp_path / "a.xml").write_text("<annotation><filename>a.jpg</filename></annotation>")
    with pytest.raises(DataError, match=r"a\.jpg cannot be read as an image \(not the image but its Git LFS pointer"):
        read_boxes(tmp_path)


@pytest.mark.parametrize("suffix", ["CR2", "nef", "ARW", "dng"])
def test_previews_in_raw_files_are_not_taken_for_the_photograph(suffix: str, tmp_path: Path) -> None:
    Image.new("RGB", (16, 12)).save(tmp_path / "preview.tif")
    (tmp_path / "preview.tif").rename(tmp_path / f"photo.{suffix}")
    _, broken = survey_files([tmp_path / f"photo.{suffix}"])
    assert broken == {0: f"a camera's raw file (.{suffix.lower()}); export it as JPEG, PNG or TIFF"}


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # Python 3.12: of threads beside a fork
def test_forked_processes_open_images_whatever_threads_do(tmp_path: Path, photo: Callable[..., Image.Image]) -> None:
    photo(0).save(tmp_path / "a.png")
    stop = threading.Event()

    def keep_opening() -> None:
        while not stop.is_set():
            open_image(tmp_path / "a.png").close()

    thread = threading.Thread(target=keep_opening)
    thread.start()
    try:
        for _ in range(5):
            child = os.fork()
            if child == 0:
                open_image(tmp_path / "a.png").close()
                os._exit(0 if Image.MAX_IMAGE_PIXELS else 1)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        stop.set()
        thread.join()


def test_raw_files_are_not_classified_by_their_previews(tmp_path: Path) -> None:
    Image.new("RGB", (16, 12)).save(tmp_path / "photo.tif")
    (tmp_path / "photo.tif").rename(tmp_path / "photo.nef")
    with pytest.raises(InvalidValue, match=r"photo\.nef is a camera's raw file \(\.nef\); export it as JPEG"):
        read_photo(tmp_path / "photo.nef", None)


def test_panoramas_are_read_and_the_limit_is_told(make_folder: Callable[..., Path]) -> None:
    path = make_folder({"a": 3, "b": 3})
    Image.new("1", (20_000, 9_500)).save(path / "a/wide.png")  # more than Pillow opens by itself
    Image.new("1", (26_000, 10_000)).save(path / "b/wider.png")
    limit = Image.MAX_IMAGE_PIXELS
    data = folder(path, skip_broken=True)
    assert data.broken == (
        "b/wider.png: 26000x10000 pixels are 260 million, and at most 250 million are read; cut it into parts, or make "
        "it smaller",
    )
    assert [20_000, 9_500] in [*data.train.sizes.tolist(), *data.test.sizes.tolist()]
    assert limit == Image.MAX_IMAGE_PIXELS
    with open_image(path / "a/wide.png") as image:
        assert MOST_PIXELS > image.size[0] * image.size[1] > 2 * (limit or 0)
