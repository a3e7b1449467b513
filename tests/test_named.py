from __future__ import annotations

from pathlib import Path

import pytest

from sculptnet.errors import InvalidValue
from sculptnet.named import find, is_part


def test_parts_of_the_users_own_are_imported() -> None:
    assert find("pathlib:Path", {}, "thing") is Path


@pytest.mark.parametrize("name", [":x", ".x:y", "a b:c", "./photos:v2", "photos:v 2", "nothing"])
def test_what_cannot_be_a_module_is_unknown(name: str) -> None:
    assert not is_part(name)
    with pytest.raises(InvalidValue, match=r"unknown thing .*known: one \(your own: package\.module:name\)"):
        find(name, {"one": 1}, "thing")


def test_an_existing_path_is_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert is_part("photos:v2")
    (tmp_path / "photos:v2").mkdir()
    assert not is_part("photos:v2")
