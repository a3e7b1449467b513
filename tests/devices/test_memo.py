from __future__ import annotations

from pathlib import Path

import pytest

from sculptnet.devices import FileMemo, Measurement, NoMemo, Quality
from sculptnet.devices.memo import memo_key
from sculptnet.errors import InvalidValue

FIRST, SECOND = Measurement("a", 0, 1.5, 0.25), Measurement("b", 1, 2.5, 0.125, True)


def test_what_was_put_is_there_in_another_process(tmp_path: Path) -> None:
    memo = FileMemo(tmp_path / "memo.jsonl")
    memo.put("k1", FIRST)
    memo.put("k2", SECOND)
    again = FileMemo(tmp_path / "memo.jsonl")
    assert (again.get("k1"), again.get("k2"), again.get("k3")) == (FIRST, SECOND, None)


def test_the_folder_is_made_when_there_is_something_to_keep(tmp_path: Path) -> None:
    memo = FileMemo(tmp_path / "new" / "folder" / "memo.jsonl")
    assert not (tmp_path / "new").exists()
    memo.put("k1", FIRST)
    assert FileMemo(memo.path).get("k1") == FIRST


def test_a_torn_last_line_is_cut_off_and_the_file_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "memo.jsonl"
    FileMemo(path).put("k1", FIRST)
    with path.open("a") as file:
        file.write('{"key": "k2", "mod')
    memo = FileMemo(path)
    assert memo.get("k2") is None
    memo.put("k2", SECOND)
    assert FileMemo(path).get("k1") == FIRST
    assert FileMemo(path).get("k2") == SECOND


@pytest.mark.parametrize("line", ["not JSON", "[]", '{"model": "a"}', '{"key": "k", "model": "a"}'])
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "memo.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(InvalidValue, match=r"memo\.jsonl, line 1: not a measurement .* delete the line"):
        FileMemo(path)


def test_no_memo_keeps_nothing() -> None:
    memo = NoMemo()
    memo.put("k", FIRST)
    assert memo.get("k") is None


def test_more_rounds_keep_the_keys_of_the_first_ones_and_other_numbers_do_not() -> None:
    assert memo_key("x", Quality(rounds=5), 3) == memo_key("x", Quality(rounds=9), 3)
    assert memo_key("x", Quality(), 3) != memo_key("x", Quality(chunk_ms=5.0), 3)
