"""Links, hidden files and SculptNet's own output: followed, or told."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from sculptnet.data import folder
from sculptnet.data.detection.store import open_store
from sculptnet.errors import DataError
from sculptnet.runs import RunDirectory, RunInfo

Make = Callable[..., Path]


def test_links_below_a_class_are_followed(make_folder: Make) -> None:
    path = make_folder({"set/a": 1, "set/b": 1, "elsewhere/a": 5, "elsewhere/b": 6, "elsewhere/c": 7}, name=".")
    for name in ("a", "b"):
        (path / "set" / name / "more").symlink_to(path / "elsewhere" / name)
    (path / "set/c").symlink_to(path / "elsewhere/c")
    (path / "set/a/one.png").symlink_to("../../elsewhere/c/000.png")
    data = folder(path / "set")
    assert data.classes == ("a", "b", "c")
    assert len(data.train) + len(data.test) == 2 + 11 + 7 + 1
    assert len([name for name in open_store(path / "set")[1].names if "more/" in name]) == 11


def test_links_in_circles_end_and_are_named(make_folder: Make) -> None:
    path = make_folder({"a": 3, "b": 3})
    (path / "a/up").symlink_to("..")
    (path / "a/self").symlink_to(".")
    (path / "b/deep").mkdir()
    (path / "b/deep/again").symlink_to("..")
    (path / "all").symlink_to(path)
    data = folder(path)
    assert len(data.train) + len(data.test) == 6
    assert data.notes[0].startswith("not used: 4 links to folders that are read already: ")
    assert len(open_store(path)[1].names) == 6


def test_links_to_nothing_are_broken_files(make_folder: Make) -> None:
    path = make_folder({"a": 3, "b": 3})
    (path / "a/gone.png").symlink_to("/no/such.png")
    (path / "c").symlink_to("/no/such/folder")
    with pytest.raises(DataError) as caught:
        folder(path)
    assert "2 files cannot be read" in str(caught.value)
    assert "a/gone.png: a link to /no/such.png, which does not exist; mend or remove it" in str(caught.value)
    assert folder(path, skip_broken=True).broken[1].startswith("c: a link to /no/such/folder")
    unusable = open_store(path)[1].unusable
    assert list(unusable) == ["a/gone.png", "c"]
    assert unusable["a/gone.png"].startswith("a link to /no/such.png")


def test_a_pipe_is_no_image_and_nobody_waits_for_it(make_folder: Make) -> None:
    path = make_folder({"a": 3, "b": 3})
    os.mkfifo(path / "a/pipe.png")
    with pytest.raises(DataError, match=r"a/pipe\.png: neither a file nor a folder"):
        folder(path)


def test_hidden_files_are_counted_and_named(make_folder: Make) -> None:
    path = make_folder({"a": 3, "b": 3})
    (path / ".DS_Store").touch()
    (path / "b/Thumbs.db").touch()
    (path / "b/.cache").mkdir()
    assert folder(path).notes[0] == "not used: 3 hidden files: .DS_Store, b/.cache, b/Thumbs.db"
    assert open_store(path)[1].notes == ("not used: 3 hidden files: .DS_Store, b/.cache, b/Thumbs.db",)


def _run_in(path: Path) -> None:
    run = RunDirectory(path)
    with run.locked():
        run.open(RunInfo("fit", {"data_fingerprint": "x"}, {}), fresh=False)
    (path / "model").mkdir()
    (path / "model/card.json").write_text("{}")
    (path / "figures").mkdir()
    Image.new("RGB", (9, 9)).save(path / "figures/curve.png")


def test_runs_are_no_data(make_folder: Make) -> None:
    path = make_folder({"a": 3, "b": 3})
    before = folder(path)
    _run_in(path / "runs/photos-12345678")
    _run_in(path / "demo")
    _run_in(path / "a/runs/a-1")
    (path / "begun").mkdir()
    (path / "begun/.lock").touch()
    (path / "runs/log.txt").touch()
    (path / "model").mkdir()
    for name in ("card.json", "architecture.json"):
        (path / "model" / name).write_text("{}")
    data = folder(path)
    assert data.fingerprint == before.fingerprint
    assert data.notes[:2] == (
        "not used: 1 file beside runs: runs/log.txt",
        "not used: 5 folders that SculptNet wrote: a/runs/a-1/ (a run), begun/ (a run), demo/ (a run), "
        "model/ (a shipped model), runs/photos-12345678/ (a run)",
    )
    assert not [name for name in open_store(path)[1].names if "curve" in name or "card" in name]
    assert "5 folders that SculptNet wrote" in open_store(path)[1].notes[0]


def test_somebody_elses_run_json_hides_no_images(make_folder: Make) -> None:
    path = make_folder({"a": 3, "b": 3})
    (path / "a/run.json").write_text('{"camera": 3}')
    with pytest.raises(DataError, match=r"a/run\.json: not an image"):
        folder(path)
    (path / "a/run.json").unlink()
    (path / "a/run.json").symlink_to("/no/such/run.json")
    with pytest.raises(DataError, match=r"a/run\.json: a link to /no/such/run\.json"):
        folder(path)


def test_a_run_in_the_place_of_data_is_told(make_folder: Make) -> None:
    path = make_folder({"runs": 0})
    _run_in(path / "runs/one")
    for read in (folder, open_store):
        with pytest.raises(DataError, match=r"one is a run of SculptNet"):
            read(path / "runs/one")
    (path / "runs/one/model/architecture.json").touch()
    with pytest.raises(DataError, match=r"model is a shipped model of SculptNet"):
        folder(path / "runs/one/model")
    with pytest.raises(DataError, match=r"has no class folders .*no images: one"):
        folder(path / "runs")
    with pytest.raises(DataError, match=r"has no class folders .*no images: runs/one"):
        folder(path)


def _add(archive: tarfile.TarFile, name: str, content: bytes = b"x", link: str | None = None) -> None:
    member = tarfile.TarInfo(name)
    if link is not None:
        member.type, member.linkname = tarfile.SYMTYPE, link
        archive.addfile(member)
    else:
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))


def test_an_archive_says_what_is_left_out_and_follows_links(tmp_path: Path) -> None:
    run = json.dumps({"schema": 1, "identity": {}}).encode()
    with tarfile.open(tmp_path / "set.tar", "w") as archive:
        _add(archive, "./images/a.jpg", b"photo")
        _add(archive, "./train/b.jpg", link="../images/a.jpg")
        _add(archive, "./train/c.jpg", link="gone.jpg")
        _add(archive, "./train/.d.jpg")
        _add(archive, "./runs/one/run.json", run)
        _add(archive, "./runs/one/model/card.json")
    store, listing = open_store(tmp_path / "set.tar")
    assert listing.names == ("images/a.jpg", "train/b.jpg")
    assert store.read("train/b.jpg") == b"photo"
    assert listing.notes == (
        "not used: 1 hidden file: train/.d.jpg",
        "not used: 1 folder that SculptNet wrote: runs/one/ (a run)",
    )
    assert list(listing.unusable) == ["train/c.jpg"]
    assert "gone.jpg" in listing.unusable["train/c.jpg"]
