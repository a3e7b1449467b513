from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sculptnet.data import folder
from sculptnet.data.detection.entries import split_in
from sculptnet.data.split_names import SPLITS, split_called, split_folders
from sculptnet.errors import DataError

Make = Callable[..., Path]


@pytest.mark.parametrize("name", [word for known in SPLITS for word in (known, known.title(), known.upper())])
def test_every_name_of_a_split_counts_in_any_case_for_both_tasks(name: str) -> None:
    assert split_called(name) == split_in(f"{name}/a.xml") == SPLITS[name.lower()]


def test_usual_endings_count_and_other_words_do_not() -> None:
    names = ["training_set", "Test Set", "val2017", "trainset", "test-images", "VALID_1"]
    assert [split_called(name) for name in names] == ["train", "test", "val", "train", "test", "val"]
    assert [split_called(name) for name in ("trainer", "bullet_train", "attest", "valley", "test tube")] == [None] * 5


def test_names_that_differ_in_the_split_alone_are_splits() -> None:
    assert split_folders(["seg_test", "seg_pred", "seg_train"]) == {"train": ["seg_train"], "test": ["seg_test"]}
    assert split_folders(["bullet_train", "test_tube"]) == {}


@pytest.mark.parametrize(
    ("train", "test", "notes"),
    [
        ("Training", "Testing", ()),
        ("Train", "TEST", ()),
        ("training", "validation", ("test split: validation/, as there is no test/",)),
        ("train", "valid", ("test split: valid/, as there is no test/",)),
        ("seg_train", "seg_test", ()),
    ],
)
def test_folders_called_like_splits_are_splits(
    train: str, test: str, notes: tuple[str, ...], make_folder: Make
) -> None:
    data = folder(make_folder({f"{train}/a": 3, f"{train}/b": 2, f"{test}/a": 1, f"{test}/b": 2}))
    assert data.classes == ("a", "b")
    assert (len(data.train), len(data.test)) == (5, 3)
    assert data.notes == notes


def test_what_lies_beside_splits_is_counted_and_named(make_folder: Make) -> None:
    path = make_folder({"train/a": 3, "train/b": 2, "val/a": 1, "val/b": 1, "extra/a": 2, "more": 1})
    (path / "labels.csv").touch()
    (path / "train/classes.txt").touch()
    assert folder(path).notes == (
        "test split: val/, as there is no test/",
        "not used: 1 file beside the class folders: train/classes.txt",
        "not used: 1 file beside train/ and val/: labels.csv",
        "not used: 2 folders beside the splits: extra/ (2 files), more/ (1 file)",
    )


def test_loose_images_beside_classes_are_counted(make_folder: Make) -> None:
    path = make_folder({"a": 3, "b": 2})
    for index in range(7):
        shutil.copy(path / "a/000.png", path / f"{index}.png")
    shown = "0.png, 1.png, 2.png, 3.png, 4.png, and 2 more"
    assert folder(path).notes[0] == f"not used: 7 files beside the class folders: {shown}"


def test_classes_all_called_like_splits_without_training_are_asked_about(make_folder: Make) -> None:
    with pytest.raises(DataError, match=r"has Validation/ and Test/ but no train/; .*rename them, .*Test_class/"):
        folder(make_folder({"Test": 3, "Validation": 2}))


def test_one_class_called_like_a_split_is_asked_about(make_folder: Make) -> None:
    path = make_folder({"bus": 3, "car": 3, "train": 3})
    with pytest.raises(DataError, match=r"no class folders \(3 files .*Where train is a class, as bus/, car/ may be"):
        folder(path)
    (path / "train").rename(path / "train_class")
    assert folder(path).classes == ("bus", "car", "train_class")


def test_splits_below_a_folder_are_asked_about(make_folder: Make) -> None:
    path = make_folder({"train/Train/a": 3, "train/Test/a": 2, "test/Train/a": 3})
    with pytest.raises(DataError, match=r"has classes that are called like splits: Test, Train; give the folder that"):
        folder(path)


def test_two_folders_of_one_split_are_asked_about(make_folder: Make) -> None:
    with pytest.raises(DataError, match="Train/ and training/ are both called like train/; keep one of them"):
        folder(make_folder({"Train/a": 1, "training/a": 1, "test/a": 1}))


def test_a_test_split_without_classes_is_asked_about(make_folder: Make) -> None:
    path = make_folder({"train/a": 2, "train/b": 2, "test": 3})
    with pytest.raises(DataError, match=r"test has no class folders \(3 files .* move test/ elsewhere"):
        folder(path)
