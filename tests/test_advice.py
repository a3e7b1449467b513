"""Whatever a message sends its reader to exists: options, settings, verbs, files, pages, extras, attributes."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path

import pytest
import typer

from sculptnet import methods, spaces
from sculptnet.arch import AdamW, Cosine, Exponential, Recipe, RmsProp, Sgd, Steps
from sculptnet.cli.app import app
from sculptnet.cli.showing import WORDS
from sculptnet.cli.spelling import spelled
from sculptnet.learn.detection import DetectorRecipe
from sculptnet.nets.ssdlite import DetectorSettings
from sculptnet.settings import leaves, settings_of
from sculptnet.spaces.around_space import around

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "sculptnet"
ELSEWHERE = {  # of pip, ray, docker and tar, which messages quote
    "--force-reinstall",
    "--head",
    "--memory",
    "--shm-size",
    "--sparse",
    "--dereference",
}
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*[a-z]")
SETTING = re.compile(r"(?<![\w./-])(search|space|recipe|detector)\.([a-z_]+(?:\.[a-z_0-9]+)*)(?![\w(*{}:])")
VERB = re.compile(r"`sculptnet ([a-z-]+)")
OPTION_OF_VERB = re.compile(r"`sculptnet ([a-z-]+)([^`]*)`")


def texts(source: str) -> Iterator[tuple[int, str]]:
    """The texts of a module with their lines, f-strings with `{}` for values; docstrings are no messages."""
    tree = ast.parse(source)
    apart = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield node.lineno, "".join(str(p.value) if isinstance(p, ast.Constant) else "{}" for p in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and not {id(node)} & (apart | inside):
            yield node.lineno, node.value


@cache
def messages() -> tuple[tuple[str, str], ...]:
    """(place, text) of all texts of the package, as the command line shows them; values are X."""
    return tuple(
        (f"{path.relative_to(SOURCE)}:{line}", spelled(text.replace("{}", "X")))
        for path in sorted(SOURCE.rglob("*.py"))
        for line, text in texts(path.read_text())
    )


@cache
def verbs() -> dict[str, set[str]]:
    """The options of every verb."""
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    return {
        name: {option for one in command.params for option in (*one.opts, *one.secondary_opts)} | {"--help"}
        for name, command in commands.items()
    }


@cache
def settings() -> dict[str, set[str]]:
    """Every setting of every group, whatever the method, the space, or the class of a part."""
    search = {name for method in methods.ALL for name in settings_of(method)}
    space = {name for made in (*spaces.BY_NAME.values(), around) for name in settings_of(made)}
    recipes = [
        Recipe(optimizer=optimizer, schedule=schedule)
        for optimizer in (Sgd(), RmsProp(), AdamW())
        for schedule in (Cosine(), Steps(), Exponential())
    ]
    recipe = {name for one in (*recipes, DetectorRecipe()) for name, _ in leaves(one)}
    return {
        "search": search,
        "space": space,
        "recipe": recipe,
        "detector": {field.name for field in fields(DetectorSettings)},
    }


@cache
def parsed_elsewhere() -> set[str]:
    """Options of the programs that are shipped or started beside the command line: they parse their own."""
    added = re.compile(r'add_argument\(\s*"(--[a-z-]+)"')
    added_there = {option for path in SOURCE.rglob("*.py") for option in added.findall(path.read_text())}
    return added_there | ELSEWHERE | {"--version"}


@cache
def every_option() -> set[str]:
    return set[str]().union(*verbs().values(), parsed_elsewhere())


def unknown_options(text: str) -> set[str]:
    return set(OPTION.findall(text)) - every_option()


def unknown_settings(text: str) -> set[str]:
    if not {" ", "="} & {*text}:  # the name of a file or of a random stream
        return set()
    found = {(group, name) for group, name in SETTING.findall(text) if not name.endswith("json")}
    return {f"{group}.{name}" for group, name in found if not known(group, name)}


def known(group: str, name: str) -> bool:
    """A setting, or a group of them such as `recipe.augmentation`."""
    return any(one == name or one.startswith(f"{name}.") for one in settings()[group])


def test_every_option_of_a_message_is_one_of_the_command_line() -> None:
    assert sum(bool(OPTION.search(text)) for _, text in messages()) > 100
    wrong = {place: unknown for place, text in messages() if (unknown := unknown_options(text))}
    assert wrong == {}


def test_every_setting_of_a_message_can_be_set() -> None:
    assert sum(bool(SETTING.search(text)) for _, text in messages()) > 20
    wrong = {place: unknown for place, text in messages() if (unknown := unknown_settings(text))}
    assert wrong == {}


def test_every_verb_of_a_message_is_one_and_takes_the_options_that_stand_behind_it() -> None:
    for place, text in messages():
        assert {*VERB.findall(text)} <= verbs().keys(), place
        for verb, words in OPTION_OF_VERB.findall(text):
            assert {*OPTION.findall(words)} <= verbs()[verb], place


def test_what_a_message_says_that_show_shows_is_shown() -> None:
    named = {(place, word) for place, text in messages() for word in re.findall(r"`sculptnet show ([a-z-]+)", text)}
    assert named
    assert {word for _, word in named} <= {*WORDS}, named


def test_messages_that_name_what_is_not_there_would_be_found() -> None:
    assert unknown_options("raise --rounds, or give --minutes") == {"--rounds"}
    assert unknown_settings("set search.roundz or recipe.epochs (--set space.wide=2)") == {
        "search.roundz",
        "space.wide",
    }
    assert list(texts('"""no --message"""\nx = f"give --{y} or --z"')) == [(2, "give --{} or --z")]


def test_every_file_and_page_that_a_message_names_is_there() -> None:
    for place, text in messages():
        for page in re.findall(r"(?<![\w/])docs/[\w./-]+\.md", text):
            assert (ROOT / page).is_file(), f"{place} names {page}"


def test_every_extra_that_a_message_names_is_one() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"].keys()
    for place, text in messages():
        for names in re.findall(r"sculptnet\[([a-z,-]+)\]", text):
            assert {*names.split(",")} <= extras, f"{place} names {names}"


@pytest.mark.parametrize("word", ["number of rounds", "more rounds"])
def test_no_message_asks_for_rounds_of_measuring_that_no_command_can_change(word: str) -> None:
    assert [place for place, text in messages() if word in text] == []
