from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sculptnet.data import Files, folder
from sculptnet.errors import DataError

Make = Callable[..., Path]


def test_one_folder_per_class_is_split_by_fraction(make_folder: Make) -> None:
    data = folder(make_folder({"cat": 10, "dog": 20}), test_fraction=0.3, seed=1)
    assert data.name == "set"
    assert data.classes == ("cat", "dog")
    assert np.bincount(data.train.labels).tolist() == [7, 14]
    assert np.bincount(data.test.labels).tolist() == [3, 6]
    assert data.notes == ("test split: 30% of each class, chosen at random with seed 1",)
    assert isinstance(data.train, Files)
    assert isinstance(data.test, Files)
    assert not set(data.train.names) & set(data.test.names)


def test_train_and_test_are_used_as_they_are(make_folder: Make) -> None:
    data = folder(make_folder({"train/a": 3, "train/b": 2, "test/a": 1, "test/b": 2}))
    assert (len(data.train), len(data.test)) == (5, 3)
    assert data.notes == ()
    assert isinstance(data.test, Files)
    assert data.test.names == ("test/a/000.png", "test/b/000.png", "test/b/001.png")
    assert data.test.labels.tolist() == [0, 1, 1]


def test_val_counts_as_test_where_there_is_no_test(make_folder: Make) -> None:
    data = folder(make_folder({"train/a": 3, "train/b": 2, "val/a": 1, "val/b": 2}))
    assert len(data.test) == 3
    assert data.notes == ("test split: val/, as there is no test/",)


def test_val_is_left_out_where_there_is_a_test(make_folder: Make) -> None:
    counts = {"train/a": 3, "train/b": 2, "val/a": 4, "val/b": 4, "test/a": 1, "test/b": 1}
    data = folder(make_folder(counts))
    assert (len(data.train), len(data.test)) == (5, 2)
    assert data.notes == (
        "val/ (8 files) was not used: selection holds out a part of train/, the result is measured on test/",
    )


def test_train_alone_is_split(make_folder: Make) -> None:
    assert len(folder(make_folder({"train/a": 10, "train/b": 10})).test) == 4


def test_hidden_files_and_folders_are_ignored(make_folder: Make) -> None:
    path = make_folder({"a": 3, "b": 3})
    for name in (".DS_Store", "a/.DS_Store", "a/._000.png", "b/Thumbs.db", "README.txt"):
        (path / name).write_text("not an image")
    (path / ".git").mkdir()
    (path / "__MACOSX").mkdir()
    (path / "a/.thumbnails").mkdir()
    (path / "a/.thumbnails/000.png").write_text("not an image")
    data = folder(path)
    assert len(data.train) + len(data.test) == 6
    assert data.classes == ("a", "b")


def test_images_in_deeper_folders_belong_to_the_class(make_folder: Make, photo: Callable[..., Image.Image]) -> None:
    path = make_folder({"a": 2, "b": 2})
    (path / "a/more").mkdir()
    photo(9).save(path / "a/more/x.png")
    data = folder(path)
    assert len(data.train) + len(data.test) == 5


def test_broken_files_are_all_listed(make_folder: Make) -> None:
    path = make_folder({"train/a": 3, "train/b": 3, "val/a": 1, "val/b": 1})
    content = (path / "train/a/001.png").read_bytes()
    (path / "train/a/001.png").write_bytes(content[: len(content) // 2])
    (path / "train/b/notes.txt").write_text("hello")
    (path / "val/a/x.jpg").touch()
    with pytest.raises(DataError) as caught:
        folder(path)
    lines = str(caught.value).splitlines()
    assert lines[0].endswith(
        "set: 3 files cannot be read as images; repair or remove them, or leave them out with `skip_broken=True`"
    )
    assert "train/a/001.png: " in lines[1]
    assert lines[2:] == ["  - train/b/notes.txt: not an image", "  - val/a/x.jpg: not an image: the file is empty"]
    data = folder(path, skip_broken=True)
    assert len(data.train) == 5
    assert len(data.broken) == 3
    assert "3 files that cannot be read were left out" in data.notes


def test_a_long_list_of_broken_files_is_cut(make_folder: Make) -> None:
    path = make_folder({"a": 2, "b": 2})
    for index in range(25):
        (path / f"a/{index}.txt").touch()
    with pytest.raises(DataError, match=r"25 files cannot be read(.|\n)*  - and 5 more$"):
        folder(path)


def test_a_class_of_broken_files_alone_is_named(make_folder: Make) -> None:
    path = make_folder({"a": 2, "b": 2})
    (path / "c").mkdir()
    (path / "c/x.png").touch()
    with pytest.raises(DataError, match="class 'c' has no training images"):
        folder(path, skip_broken=True)


def test_grey_files_are_noted(make_folder: Make) -> None:
    path = make_folder({"a": 2, "b": 2})
    for name in path.rglob("*.png"):
        with Image.open(name) as image:
            image.convert("L").save(name)
    data = folder(path)
    assert data.grey
    assert "grey images, widened to three equal channels" in data.notes


def test_a_missing_folder_and_a_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data folder .*/nowhere does not exist; give a folder per class"):
        folder(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"data folder .*/file is a file; give a folder per class"):
        folder(tmp_path / "file")


def test_no_classes(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    with pytest.raises(DataError, match=r"has no class folders \(1 files lie in it directly\); it needs a folder per"):
        folder(tmp_path)


def test_one_class(make_folder: Make) -> None:
    with pytest.raises(DataError, match="has one class, 'cat'; a classifier needs at least two class folders"):
        folder(make_folder({"cat": 3}))


def test_classes_without_images_are_all_named(make_folder: Make) -> None:
    with pytest.raises(DataError) as caught:
        folder(make_folder({"a": 3, "b": 0, "c": 0}))
    assert "2 problems" in str(caught.value)
    assert "class 'b' has no images; add some or remove the folder" in str(caught.value)
    assert "class 'c' has no images" in str(caught.value)


def test_a_test_split_without_training_images(make_folder: Make) -> None:
    with pytest.raises(DataError, match="has test/ but no train/; it needs a folder per class"):
        folder(make_folder({"test/a": 1, "test/b": 1}))


def test_classes_of_the_test_split_that_training_lacks(make_folder: Make) -> None:
    with pytest.raises(DataError, match="the test split has classes that train/ lacks: c, d"):
        folder(make_folder({"train/a": 1, "train/b": 1, "test/c": 1, "test/d": 1}))


def test_classes_that_the_test_split_lacks_are_noted(make_folder: Make) -> None:
    data = folder(make_folder({"train/a": 1, "train/b": 1, "test/a": 1}))
    assert data.notes == ("test images: none of class 'b'",)


def test_the_fraction_is_seeded(make_folder: Make) -> None:
    path = make_folder({"a": 10, "b": 10})
    assert folder(path, seed=1).fingerprint == folder(path, seed=1).fingerprint
    assert folder(path, seed=1).fingerprint != folder(path, seed=2).fingerprint


@pytest.mark.parametrize("layout", [{"train/a": 1, "test": 0}, {"train": 0}])
def test_empty_split_folders_have_no_classes(layout: dict[str, int], make_folder: Make) -> None:
    with pytest.raises(DataError, match="has no class folders"):
        folder(make_folder(layout))
