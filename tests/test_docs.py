"""The examples in the documents run, and the README's call is one that the library takes."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest
import typer

import sculptnet
from sculptnet import cli

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


def examples() -> list[tuple[str, str]]:
    return [
        (f"{path.name}:{index}", code)
        for path in sorted((ROOT / "docs").glob("*.md"))
        for index, code in enumerate(BLOCK.findall(path.read_text()))
    ]


@pytest.mark.parametrize("code", [code for _, code in examples()], ids=[name for name, _ in examples()])
def test_an_example_of_the_documents_runs(code: str) -> None:
    exec(compile(code, "example", "exec"), {})


def test_the_readme_calls_fit_as_it_is() -> None:
    code = BLOCK.findall((ROOT / "README.md").read_text())[0]
    calls = [
        node
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "sculptnet.fit"
    ]
    assert len(calls) == 1
    positional = [ast.literal_eval(argument) for argument in calls[0].args]
    named = {keyword.arg: ast.literal_eval(keyword.value) for keyword in calls[0].keywords if keyword.arg}
    inspect.signature(sculptnet.fit).bind(*positional, **named)
    assert set(re.findall(r"result\.(\w+)", code)) <= set(dir(sculptnet.FitResult)) | {"card", "architecture"}


def test_every_file_that_the_documents_point_to_is_there() -> None:
    for document in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))):
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
            if not target.startswith("http"):
                assert (document.parent / target).exists(), f"{document.name} points to {target}"


def test_the_index_lists_every_page() -> None:
    text = (ROOT / "docs" / "index.md").read_text()
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"index.md"}
    assert {page for page in pages if f"({page})" not in text} == set()


def commands() -> list[tuple[str, str, str]]:
    """Every command line of the documents: page, verb, the words behind it."""
    found = []
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = page.read_text().replace("\\\n", " ")
        blocks = re.findall(r"```([a-z]*)\n(.*?)```", text, re.DOTALL)
        fenced = [line for language, block in blocks if language != "python" for line in block.splitlines()]
        inline = re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
        for line in (*fenced, *inline):
            match = re.search(r"(?:^|\s)sculptnet ([a-z-]+)\s([^#|>]*)", line.replace("\n", " "))
            if match is not None:
                found.append((page.name, match[1], match[2]))
    return found


def test_every_option_of_the_documents_is_one_of_its_verb() -> None:
    verbs = typer.main.get_command(cli.app).commands  # type: ignore[attr-defined]
    lines = commands()
    assert len(lines) > 50
    for page, verb, words in lines:
        assert verb in verbs, f"{page}: sculptnet {verb} {words}"
        known = {option for parameter in verbs[verb].params for option in parameter.opts}
        assert set(re.findall(r"(?<!\S)--[a-z-]+", words)) <= known, f"{page}: sculptnet {verb} {words}"
