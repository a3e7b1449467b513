from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from sculptnet.data import rgb
from sculptnet.export import detector_standalone, standalone, standalone_photos
from sculptnet.export.scripts import shipped_script

CONFIGURATION = Path(__file__).parents[2] / "pyproject.toml"


@pytest.fixture(params=["standalone", "detector_standalone"])
def name(request: pytest.FixtureRequest) -> str:
    value: str = request.param
    return value


def definitions(source: str | bytes) -> dict[str, str]:
    """Functions, classes and constants with their code."""
    found = {}
    for node in ast.parse(source).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found[node.name] = ast.unparse(node)
        elif isinstance(node, ast.Assign):
            found[ast.unparse(node.targets[0])] = ast.unparse(node)
    return found


def test_a_script_holds_its_own_part_and_the_shared_one(name: str) -> None:
    module = {"standalone": standalone, "detector_standalone": detector_standalone}[name]
    own, photos, pixels = (definitions(inspect.getsource(part)) for part in (module, standalone_photos, rgb))
    assert definitions(shipped_script(name)) == photos | pixels | own
    assert len(photos | pixels | own) == len(photos) + len(pixels) + len(own)  # no name twice
    assert shipped_script(name).decode().startswith(f'"""{module.__doc__}"""')


def test_a_script_imports_nothing_else(name: str) -> None:
    tree = ast.parse(shipped_script(name))
    plain = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    parts = {node.module or "." for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    packages = {module.partition(".")[0] for module in plain | parts} - set(sys.stdlib_module_names)
    assert packages == {"numpy", "onnxruntime", "PIL"}


@pytest.mark.parametrize("rule", [("check", "--no-cache"), ("format", "--check", "--no-cache")])
def test_a_script_is_as_tidy_as_its_parts(name: str, rule: tuple[str, ...]) -> None:
    command = [
        sys.executable,
        "-m",
        "ruff",
        *rule,
        "--config",
        str(CONFIGURATION),
        "--stdin-filename",
        "predict.py",
        "-",
    ]
    done = subprocess.run(command, input=shipped_script(name), capture_output=True, check=False)
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
