"""Imports point down only, and values need no torch."""

from __future__ import annotations

import subprocess
import sys
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
