"""A run that stops at something unforeseen keeps the traceback beside what it has done."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., tuple[int, str, str]]


def test_the_traceback_lies_in_the_run_directory(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    (tmp_path / "breaking.py").write_text(
        "from sculptnet.testing import fake_device\n"
        "class Breaking(type(fake_device(1))):\n"
        "    def measure(self, plan, progress=None):\n"
        "        raise LookupError('[red]nothing[/red] :dog:')\n"
        "def device(threads):\n"
        "    return Breaking()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    words = ("fit", str(photos), "--latency-ms", "1", "--device", "breaking:device", "--accelerator", "cpu")
    code, out, err = command(*words, "--run-dir", str(tmp_path / "run"), "--json")
    assert code == 1
    document = json.loads(out)
    assert document["kind"] == "LookupError"
    assert document["command"] == "sculptnet fit"
    assert document["stage"] != "reading the command line"
    assert document["traceback"] == str(tmp_path / "run" / "traceback.txt")
    assert "LookupError: [red]nothing[/red] :dog:" in err
    assert "in measure" in (tmp_path / "run" / "traceback.txt").read_text()
