"""The scripts that travel with models: each is one plain file, its own part joined with what all of them share."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

from sculptnet.data import rgb
from sculptnet.export import standalone_photos

SHARED = (Path(rgb.__file__), Path(standalone_photos.__file__))
Imports: TypeAlias = list[ast.Import | ast.ImportFrom]


def shipped_script(name: str) -> bytes:
    """The script of the module `name` beside this one, with the shared functions in it: it runs without us."""
    head, imports, body = _parts(Path(__file__).with_name(f"{name}.py"))
    shared = [_parts(path) for path in SHARED]
    imports += [node for _, more, _ in shared for node in more]
    bodies = "\n\n\n".join([*(text for _, _, text in shared), body])
    return f"{head}\n\n{_joined(imports)}\n\n{bodies}\n".encode()


def _parts(path: Path) -> tuple[str, Imports, str]:
    """The lines up to `from __future__ import ...`, the imports after it, and everything after those."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    future, *imports = (node for node in ast.parse(text).body if isinstance(node, (ast.Import, ast.ImportFrom)))
    head, body = lines[: future.end_lineno], lines[imports[-1].end_lineno :]
    return "\n".join(head), imports, "\n".join(body).strip("\n")


def _joined(imports: Iterable[ast.Import | ast.ImportFrom]) -> str:
    """One line for each module, none for ours; those of the standard library first."""
    whole: set[str] = set()
    names: dict[str, set[str]] = {}
    for node in imports:
        if isinstance(node, ast.Import):
            whole.add(ast.unparse(node))
        elif node.module is not None and node.module.partition(".")[0] != __name__.partition(".")[0]:
            names.setdefault(node.module, set()).update(map(ast.unparse, node.names))
    lines = sorted(whole) + [f"from {module} import {', '.join(sorted(names[module]))}" for module in sorted(names)]
    standard = [line for line in lines if line.split()[1].partition(".")[0] in sys.stdlib_module_names]
    return "\n".join([*standard, "", *(line for line in lines if line not in standard)])
