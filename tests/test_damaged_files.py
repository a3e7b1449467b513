"""Files that are whole JSON, zip or pickle, and hold something else: one error that names the file."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from sculptnet.arch import Recipe, recipe_from_json, to_json
from sculptnet.devices.agent import main as agent
from sculptnet.devices.memo import FileMemo
from sculptnet.errors import InvalidValue, RunError
from sculptnet.export import load_network
from sculptnet.records.codec import read_record, to_plain, write_record
from sculptnet.runs import FileCheckpoint, RunDirectory, RunInfo
from sculptnet.stages.plan import SearchPlan
from sculptnet.zoo.weight_files import read_weights

Command = Callable[..., tuple[int, str, str]]
RUN: dict[str, Any] = to_plain(RunInfo("fit", {}, {}))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"identity": {}}, "run.json cannot be read: expected a record of kind RunInfo, found None"),
        ({**RUN, "command": None}, "run.json cannot be read: RunInfo: "),
        ({**RUN, "identity": []}, "run.json cannot be read: RunInfo: "),
        (RUN, "run.json cannot be read (TypeError"),
        ({**RUN, "command": {"data": "x", "latency_ms": "fast"}}, "run.json cannot be read (--latency-ms must be a n"),
        ({**RUN, "command": {"data": "x", "latency_ms": 1, "runs": 5}}, "run.json cannot be read (TypeError"),
    ],
)
def test_a_run_that_says_too_little_is_named(content: Any, message: str, run: Command, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps(content))
    code, out, err = run("fit", str(tmp_path))
    assert (code, out) == (2, "")
    assert message in err


def test_a_card_that_says_too_little_is_named(run: Command, tmp_path: Path) -> None:
    identity = {"data": "d", "latency_ms": 1, "device": "x", "threads": 1, "precision": "fp32"}
    method = {"method": "fbnet", "settings": {}}
    RunDirectory(tmp_path).open(RunInfo("fit", {**identity, "method": method}, {"data": "d"}), fresh=False)
    (tmp_path / "model").mkdir()
    cards: list[Any] = [{}, {"measured": {"a": {"latency_ms": "fast"}}}, []]
    for card in cards:
        (tmp_path / "model" / "card.json").write_text(json.dumps(card))
        code, _, err = run("show", str(tmp_path))
        assert code == 2
        assert f"{tmp_path}/model/card.json cannot be read" in err


@pytest.mark.parametrize("field", ["epochs", "seconds", "torch_threads"])
def test_a_plan_of_words_is_refused(field: str, tmp_path: Path) -> None:
    plan, file = SearchPlan(1, 0, 8, 1, 2, 1, 3, {"training": 1.0}, 1024, 1), tmp_path / "plan.json"
    write_record(file, plan)
    assert read_record(file, SearchPlan) == plan
    file.write_text(json.dumps({**to_plain(plan), field: {"training": "long"} if field == "seconds" else "many"}))
    with pytest.raises(
        RunError, match=rf"plan\.json cannot be read: .*must be a .*number, got '(many|long)' @ .*{field}.*`fresh=True`"
    ):
        read_record(file, SearchPlan)


def test_lines_of_logs_are_objects(tmp_path: Path) -> None:
    (tmp_path / "trials.jsonl").write_text("{}\n5\n")
    with pytest.raises(RunError, match=r"trials\.jsonl, line 2 is no JSON object"):
        RunDirectory(tmp_path).trials(lambda text: None)
    (tmp_path / "m.jsonl").write_bytes(b"\xff\n")
    with pytest.raises(InvalidValue, match=r"m\.jsonl cannot be read \(UnicodeDecodeError"):
        FileMemo(tmp_path / "m.jsonl")


def test_a_checkpoint_without_a_state_is_damaged(tmp_path: Path) -> None:
    checkpoint = FileCheckpoint(tmp_path)
    checkpoint.save({"w": torch.ones(1)}, {"step": 1})
    (tmp_path / "000001.json").write_text("[]")
    with pytest.raises(RunError, match=r"000001\.json is damaged \(no JSON object\)"):
        checkpoint.load()


@pytest.mark.parametrize("content", [b"", b"hello world", b"PK\x03\x04" + bytes(60), b"\x80\x05X"])
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_weights_that_are_none_are_named(content: bytes, suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"w.{suffix}"
    file.write_bytes(content)
    with pytest.raises(InvalidValue, match=rf"w\.{suffix}"):
        read_weights(file)


def test_documents_with_values_that_rules_cannot_compute_with_are_refused(tmp_path: Path) -> None:
    recipe = to_json(Recipe())
    with pytest.raises(InvalidValue, match="JSON: "):
        recipe_from_json({**recipe, "optimizer": {**recipe["optimizer"], "learning_rate": []}})
    for name in ("architecture.json", "weights.safetensors"):
        (tmp_path / name).write_text("[" * 100_000)
    with pytest.raises(InvalidValue, match=r"architecture\.json makes no network"):
        load_network(tmp_path)


@pytest.mark.parametrize("plan", ["[]", "{}", "[" * 100_000, None])
def test_an_agent_refuses_a_bundle_without_a_plan(
    plan: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = tmp_path / "board.zip"
    if plan is None:
        bundle.write_bytes(b"PK\x05\x06" + b"\xff" * 18)
    else:
        with zipfile.ZipFile(bundle, "w") as archive:
            archive.writestr("plan.json", plan)
    assert agent(str(bundle), ["--results", str(tmp_path / "r.jsonl")]) == 2
    assert "get " in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["board.zip"]
