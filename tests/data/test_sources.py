from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sculptnet.data import BY_NAME, folder, load
from sculptnet.data.sources import download_folder
from sculptnet.errors import DataError


def test_the_names() -> None:
    assert sorted(BY_NAME) == ["cifar10", "cifar100", "elpv", "fashion_mnist"]


def test_a_path_is_a_folder_of_images(make_folder: Callable[..., Path]) -> None:
    path = make_folder({"a": 5, "b": 5})
    expected = folder(path, test_fraction=0.4, seed=3).fingerprint
    assert load(path, test_fraction=0.4, seed=3).fingerprint == expected
    assert load(str(path), test_fraction=0.4, seed=3).fingerprint == expected


def test_near_misses_of_names_are_suggested() -> None:
    with pytest.raises(
        DataError, match=r"'fashion-mnist' is neither a folder here nor a data set .*mean fashion_mnist"
    ):
        load("fashion-mnist")
    with pytest.raises(DataError, match="known: cifar10, cifar100, elpv, fashion_mnist"):
        load("zzz")


def test_a_missing_path_is_no_name() -> None:
    with pytest.raises(DataError, match="data folder no/such does not exist"):
        load("no/such")


def test_a_folder_with_the_name_of_a_data_set_is_reached_as_a_path(
    make_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_folder({"a": 5, "b": 5}, name="elpv")
    monkeypatch.chdir(path.parent)
    assert load(Path("elpv")).classes == ("a", "b")
    assert load("./elpv").classes == ("a", "b")


def test_the_download_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert download_folder() == tmp_path / "sculptnet"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert download_folder() == Path.home() / ".cache" / "sculptnet"
