"""A run directory keeps what is whole, drops what is torn, and refuses what is another's."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from sculptnet.errors import RunError
from sculptnet.records import TrialRecord
from sculptnet.runs import FileCheckpoint, RunDirectory, RunInfo


def warnings() -> list[str]:
    return []


def test_a_checkpoint_comes_back_equal_and_replaces_the_older(tmp_path: Path) -> None:
    checkpoint = FileCheckpoint(tmp_path / "search")
    assert checkpoint.load() is None
    for step in (1, 2):
        tensors = {"w": torch.full((2, 3, 4, 4), float(step)).to(memory_format=torch.channels_last)}
        checkpoint.save(tensors, {"step": step})
    loaded = checkpoint.load()
    assert loaded is not None
    assert torch.equal(loaded[0]["w"], torch.full((2, 3, 4, 4), 2.0))
    assert loaded[1] == {"step": 2}
    assert sorted(path.name for path in checkpoint.folder.iterdir()) == ["000002.json", "000002.safetensors"]


def test_a_kill_between_the_two_files_leaves_the_older_checkpoint(tmp_path: Path) -> None:
    checkpoint = FileCheckpoint(tmp_path)
    checkpoint.save({"w": torch.ones(1)}, {"step": 1})
    (tmp_path / "000002.safetensors").write_bytes(b"half")
    loaded = checkpoint.load()
    assert loaded is not None
    assert loaded[1] == {"step": 1}
    checkpoint.save({"w": torch.ones(1)}, {"step": 2})
    loaded = checkpoint.load()
    assert loaded is not None
    assert loaded[1] == {"step": 2}


def test_a_full_disk_leaves_the_last_good_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = FileCheckpoint(tmp_path)
    checkpoint.save({"w": torch.ones(1)}, {"step": 1})

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match="could not be written \\(No space left on device\\); nothing there was changed"):
        checkpoint.save({"w": torch.zeros(1)}, {"step": 2})
    monkeypatch.undo()
    loaded = checkpoint.load()
    assert loaded is not None
    assert loaded[1] == {"step": 1}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000001.json", "000001.safetensors"]


def test_damaged_weights_are_named(tmp_path: Path) -> None:
    checkpoint = FileCheckpoint(tmp_path)
    checkpoint.save({"w": torch.ones(1)}, {"step": 1})
    file = tmp_path / "000001.safetensors"
    for content in (b"", file.read_bytes()[:30]):
        file.write_bytes(content)
        with pytest.raises(
            RunError, match=r"000001\.safetensors is damaged \(.*restore it, or start anew with `fresh=True`"
        ):
            checkpoint.load()


def test_a_torn_last_line_is_dropped_and_said(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.log_trial(TrialRecord(0, (0,)))
    with (tmp_path / "trials.jsonl").open("a") as file:
        file.write('{"trial": 1, "cho')
    said = warnings()
    assert run.trials(said.append) == [TrialRecord(0, (0,))]
    assert said == ["trials.jsonl: the last line was cut off by a kill; recovered the 1 whole lines before it"]
    run.log_trial(TrialRecord(1, (0,)))
    assert run.trials(said.append) == [TrialRecord(0, (0,)), TrialRecord(1, (0,))]
    assert len(said) == 1


def test_a_damaged_line_in_the_middle_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "trials.jsonl").write_text('{"trial": 0, "choices": []}\nnonsense\n{"trial": 1, "choices": []}\n')
    with pytest.raises(RunError, match="line 2 is no JSON object"):
        RunDirectory(tmp_path).trials(warnings().append)


def fit(identity: Mapping[str, Any], **command: Any) -> RunInfo:
    return RunInfo("fit", identity, command)


def test_the_same_identity_continues_and_another_is_refused(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    assert run.open(fit({"data": "a", "seed": 0}), fresh=False) is False
    assert run.open(fit({"data": "a", "seed": 0}), fresh=False) is True
    with pytest.raises(RunError) as caught:
        run.open(fit({"data": "b", "seed": 0}), fresh=False)
    assert "holds another run; give another `run_dir`, or `fresh=True` to replace it" in str(caught.value)
    assert '- data: there "a", now "b"' in str(caught.value)
    assert "seed" not in str(caught.value)
    with pytest.raises(RunError, match='- verb: there "fit", now "train"'):
        run.open(RunInfo("train", {"data": "a", "seed": 0}, {}), fresh=False)
    assert run.open(fit({"data": "b", "seed": 0}), fresh=True) is False


def test_what_the_folder_of_the_data_is_called_is_no_part_of_a_run(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    run.open(fit({"data_fingerprint": "x"}, data="/a/photos", seed=0), fresh=False)
    assert run.open(fit({"data_fingerprint": "x"}, data="/b/images", seed=0), fresh=False) is True
    assert run.info().command == {"data": "/b/images", "seed": 0}
    with pytest.raises(RunError, match="data_fingerprint: there"):
        run.open(fit({"data_fingerprint": "y"}), fresh=False)


def test_another_version_and_a_foreign_folder_are_refused(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    run.open(fit({}), fresh=False)
    content = json.loads((run.folder / "run.json").read_text())
    (run.folder / "run.json").write_text(json.dumps({**content, "version": 99}))
    with pytest.raises(RunError, match="RunInfo is of version 99, and this SculptNet reads version 1; another version"):
        run.open(fit({}), fresh=False)
    (run.folder / "run.json").write_text(json.dumps({"schema": 1, "identity": {}, "command": {}}))
    with pytest.raises(RunError, match=r"begun by an older version of SculptNet, .* or `fresh=True`"):
        run.open(fit({}), fresh=False)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"x")
    with pytest.raises(RunError, match="is not empty and no run directory"):
        RunDirectory(tmp_path / "photos").open(fit({}), fresh=True)
    with pytest.raises(RunError, match="is not empty and no run directory"), RunDirectory(tmp_path / "photos").locked():
        pytest.fail("a folder of somebody else's was locked")
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["cat.jpg"]
    assert (tmp_path / "photos" / "cat.jpg").exists()


def test_two_processes_cannot_use_one_run(tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from sculptnet.errors import RunError
from sculptnet.runs import RunDirectory, RunInfo
try:
    with RunDirectory(Path({str(tmp_path)!r})).locked():
        print("got it")
except RunError as error:
    print(error)
"""
    with RunDirectory(tmp_path).locked():
        held = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    freed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "is in use by another process" in held.stdout
    assert freed.stdout == "got it\n"
