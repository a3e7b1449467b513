"""What README, documents and examples import stands in the `__all__` of a package or of a public module."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import pytest

import sculptnet

ROOT = Path(__file__).parents[1]
PACKAGES = ("sculptnet", *(one.name for one in walk_packages(sculptnet.__path__, "sculptnet.") if one.ispkg))
SECTION = (ROOT / "docs" / "architecture.md").read_text().partition("## What you can build on")[2].partition("\n## ")[0]
MODULES = tuple(f"sculptnet.{name}" for name in re.findall(r"^\| `([a-z_.]+)`", SECTION, re.MULTILINE))
PUBLIC = {*PACKAGES, *MODULES}


def sources() -> Iterator[tuple[str, str]]:
    """Everything that a reader copies from: a name and its code."""
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for number, code in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)):
            yield f"{page.name}:{number}", code
    for example in sorted((ROOT / "examples").rglob("*.py")):
        yield example.name, example.read_text()


def unpromised(code: str) -> list[str]:
    """What `code` imports of SculptNet that nobody promised."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names = [one.name for one in node.names if one.name.partition(".")[0] == "sculptnet"]
            found += [name for name in names if name not in PUBLIC]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "sculptnet":
            assert node.module is not None
            listed = import_module(node.module).__all__ if node.module in PUBLIC else ()
            names = [f"{node.module}.{one.name}" for one in node.names if one.name not in listed]
            found += [name for name in names if name not in PUBLIC]
    return found


@pytest.mark.parametrize("code", [code for _, code in sources()], ids=[name for name, _ in sources()])
def test_what_is_shown_is_promised(code: str) -> None:
    assert unpromised(code) == []


def test_what_is_not_promised_is_noticed() -> None:
    code = (
        "import sculptnet.verbs\nfrom sculptnet.stages.plan import planned\nfrom sculptnet.stages import planned, work"
    )
    assert unpromised(code) == ["sculptnet.verbs", "sculptnet.stages.plan.planned", "sculptnet.stages.work"]


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_every_name_that_is_promised_is_there(name: str) -> None:
    module = import_module(name)
    assert [one for one in module.__all__ if not hasattr(module, one)] == []
    assert len({*module.__all__}) == len(module.__all__)
    assert {*module.__all__} <= {*dir(module)}, "whoever asks what there is is told"


def test_public_modules_are_listed() -> None:
    assert {"sculptnet.errors", "sculptnet.methods.finalists", "sculptnet.streams"} <= {*MODULES}


def test_the_names_in_the_tables_are_promised() -> None:
    """`module.name` in the section on what one can build on."""
    named = re.findall(r"`((?:[a-z_]+\.)+)(\w+)(?:\(|`)", SECTION)
    known = [(f"sculptnet.{place[:-1]}", name) for place, name in named if f"sculptnet.{place[:-1]}" in PUBLIC]
    assert len(known) > 20
    missing = [f"{place}.{name}" for place, name in known if name not in import_module(place).__all__]
    assert [one for one in missing if one not in PUBLIC] == []
