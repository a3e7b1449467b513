"""Imports point down only, and values need no torch."""

from __future__ import annotations

import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def loaded_by(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("module", ["sculptnet", "sculptnet.arch", "sculptnet.errors", "sculptnet.state"])
def test_values_load_no_torch(module: str) -> None:
    assert not loaded_by(f"import {module}") & {"torch", "timm", "onnx", "onnxruntime", "matplotlib", "scipy"}


def test_the_layers_hold() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    if not lint.exists():
        pytest.skip("import-linter is not installed; `pip install -e .[dev]` brings it")
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("module", ["sculptnet.search", "sculptnet.learn"])
def test_what_only_training_by_a_recipe_needs_is_loaded_then(module: str) -> None:
    assert not loaded_by(f"import {module}") & {"timm", "torchvision", "scipy.stats"}


def test_no_folder_of_the_package_or_the_tests_is_one_that_git_ignores_anywhere() -> None:
    """A line `runs/` without a slash before it takes `src/sculptnet/runs` out of checkouts and wheels."""
    anywhere = [line.rstrip("/") for line in (ROOT / ".gitignore").read_text().split() if not line.startswith("/")]
    folders = {path.parent for top in ("src", "tests", "examples") for path in (ROOT / top).rglob("*.py")}
    parts = {part for folder in folders for part in folder.relative_to(ROOT).parts}
    assert {"runs", "stages"} <= parts
    assert [part for part in parts for pattern in anywhere if fnmatch(part, pattern)] == []
