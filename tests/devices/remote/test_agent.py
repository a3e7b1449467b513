"""The agent: the zip file runs where nothing of ours is installed, goes on after a kill, and says what is wrong."""

from __future__ import annotations

import ast
import inspect
import io
import json
import signal
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest

from sculptnet.devices import OnnxRuntime, Plan
from sculptnet.devices.remote import start
from sculptnet.devices.remote.packing import Order, agent_files, packed, pieces_of, zipped
from sculptnet.errors import InvalidValue

ALONE = """
import importlib.abc, runpy, sys
class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "onnx", "scipy", "timm"):
            raise ModuleNotFoundError(name)
        if name == "sculptnet" and path is not None:
            raise ModuleNotFoundError(name)
sys.path = [entry for entry in sys.path if "src" not in entry]
sys.meta_path = [one for one in sys.meta_path if "editable" not in repr(one).lower()]
sys.meta_path.insert(0, Refuse())
try:
    import sculptnet
except ModuleNotFoundError:
    pass
else:
    raise SystemExit("sculptnet can be imported")
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run(*words: object, isolated: str = "") -> subprocess.CompletedProcess[str]:
    first = [sys.executable, "-I", *(["-c", isolated] if isolated else [])]
    return subprocess.run([*first, *map(str, words)], capture_output=True, text=True, check=False)


@pytest.fixture
def file(plan: Plan, tmp_path: Path) -> Path:
    path = tmp_path / "plan.zip"
    path.write_bytes(packed(Order((plan,), "onnxruntime", 1, {"asked": "this"})))
    return path


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_it_holds_what_measures_and_nothing_else() -> None:
    ours = ("agent", "local", "onnxruntime", "plan", "protocol", "runtimes")
    assert set(agent_files("onnxruntime")) == {
        "__main__.py",
        *(
            f"sculptnet/{name}.py"
            for name in ("__init__", "errors", "machine_limits", "named", "state", "devices/__init__")
        ),
        *(f"sculptnet/devices/{name}.py" for name in ours),
    }
    assert set(agent_files("openvino")) ^ set(agent_files("onnxruntime")) == {
        "sculptnet/devices/openvino.py",
        "sculptnet/devices/onnxruntime.py",
    }


def test_it_runs_where_neither_sculptnet_nor_torch_can_be_imported(file: Path) -> None:
    done = run(file, isolated=ALONE)
    assert done.returncode == 0, done.stderr
    results = file.with_name("plan.results.jsonl")
    assert str(results) in done.stdout
    header, *chunks = rows_of(results)
    assert header["details"] == OnnxRuntime(1).describe()
    assert header["request"] == {"asked": "this"}
    assert len(chunks) == 4
    assert list(file.parent.glob("*.turn")) == []


def test_the_unpacked_folder_runs_too(file: Path) -> None:
    with zipfile.ZipFile(file) as archive:
        archive.extractall(file.with_name("unpacked"))
    assert run(file.with_name("unpacked")).returncode == 0
    assert len(rows_of(file.with_name("unpacked.results.jsonl"))) == 5


def test_it_goes_on_after_a_kill_and_measures_nothing_twice(plan: Plan, tmp_path: Path) -> None:
    long = replace(plan, quality=replace(plan.quality, rounds=40, chunk_ms=5.0))
    file, results = tmp_path / "plan.zip", tmp_path / "plan.results.jsonl"
    file.write_bytes(packed(Order((long,), "onnxruntime", 1, {})))
    process = subprocess.Popen([sys.executable, file, "--stream"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"[]")
    process.stdin.close()
    lines = (line for line in process.stdout if b'"progress"' not in line)
    first = [next(lines) for _ in range(4)]
    process.send_signal(signal.SIGKILL)
    process.stdout.close()
    process.wait()
    kept = results.read_text()
    assert kept.startswith(b"".join(first).decode())
    results.write_text(kept[:-1] if kept.endswith("\n") else kept)  # a line torn by the kill
    done = run(file)
    assert done.returncode == 0, done.stderr
    chunks = [(row["model"], row["round"]) for row in rows_of(results)[1:]]
    assert sorted(chunks) == [(name, index) for name in long.models for index in range(40)]
    assert results.read_text().startswith(b"".join(first[:3]).decode())


def test_results_of_another_plan_are_not_touched(file: Path, plan: Plan) -> None:
    assert run(file).returncode == 0
    before = file.with_name("plan.results.jsonl").read_text()
    file.write_bytes(packed(Order((replace(plan, alternate=True),), "onnxruntime", 1, {"asked": "this"})))
    done = run(file)
    assert done.returncode == 2
    assert "holds results of another plan, runtime version or machine; move it away" in done.stderr
    assert file.with_name("plan.results.jsonl").read_text() == before


def test_a_damaged_file_is_not_measured(file: Path) -> None:
    with zipfile.ZipFile(file) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    piece = next(name for name in content if name.startswith("pieces/"))
    file.write_bytes(zipped({**content, piece: b"x" + content[piece]}))
    done = run(file)
    assert done.returncode == 2
    assert "the file is damaged; get it anew" in done.stderr
    file.write_bytes(zipped(content).replace(content[piece], bytes(len(content[piece]))))
    done = run(file)
    assert done.returncode == 2
    assert "Bad CRC-32" in done.stderr


def test_a_file_without_a_plan_says_so(tmp_path: Path) -> None:
    (tmp_path / "agent.zip").write_bytes(zipped(agent_files("onnxruntime")))
    done = run(tmp_path / "agent.zip")
    assert done.returncode == 2
    assert "holds no plan to measure" in done.stderr


def test_the_start_is_read_by_python_3_6_and_asks_for_3_11() -> None:
    ast.parse(inspect.getsource(start), feature_version=(3, 6))
    code = "import sys; sys.version_info = (3, 6, 9); import runpy; runpy.run_path(sys.argv[1], run_name='__main__')"
    done = run(Path(start.__file__), isolated=code)
    assert done.returncode == 2
    assert done.stderr == f"Error: Python 3.11 or newer is needed, {sys.executable} is Python 3.6.9\n"
    assert json.loads(done.stdout)["event"] == "error"


def test_the_same_plan_is_the_same_file(plan: Plan) -> None:
    order = Order((plan,), "onnxruntime", 1, {})
    assert packed(order) == packed(order)
    assert order.identity() != Order((plan,), "onnxruntime", 2, {}).identity()
    assert order.identity() != Order((replace(plan, alternate=True),), "onnxruntime", 1, {}).identity()
    held = replace(plan, held=frozenset({("first model", 0)}))
    assert order.identity() == Order((held,), "onnxruntime", 1, {}).identity()


def test_models_are_cut_around_large_weights_and_joined_again() -> None:
    weights = [onnx.helper.make_tensor(f"w{i}", 1, [500], bytes([i]) * 2000, raw=True) for i in (1, 2)]
    small = onnx.helper.make_tensor("s", 1, [2], b"12345678", raw=True)
    graph = onnx.helper.make_graph([], "g", [], [], [weights[0], small, weights[1]])
    model = onnx.helper.make_model(graph).SerializeToString()
    pieces = pieces_of(model)
    assert b"".join(pieces) == model
    assert [len(piece) for piece in pieces if set(piece) in ({1}, {2})] == [2000, 2000]
    assert pieces_of(b"no model") == [b"no model"]


def test_weights_that_models_share_are_packed_once(plan: Plan) -> None:
    models = {f"copy {index}": plan.reference for index in range(5)}
    with zipfile.ZipFile(io.BytesIO(packed(Order((replace(plan, models=models),), "onnxruntime", 1, {})))) as archive:
        names = [name for name in archive.namelist() if name.startswith("pieces/")]
    assert len(names) == len(pieces_of(plan.reference.onnx))


def test_a_device_of_the_user_cannot_be_sent() -> None:
    with pytest.raises(InvalidValue, match="'mine:device' cannot be measured on other machines"):
        agent_files("mine:device")
