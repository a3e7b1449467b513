"""Sentences of the library as the command line spells them.

The library names what can be asked for as Python has it, in backticks: `latency_ms`, `fresh=True`, `search.tau=5`,
`fit(DATA, latency_ms=X, method="ofa")`. Here they become `--latency-ms`, `--fresh`, `--set search.tau=5` and
`sculptnet fit DATA --latency-ms X --method ofa`.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import cache

from sculptnet.cli.measure_options import MeasureOptions
from sculptnet.option_fields import Options, is_argument, option_name, typed_of
from sculptnet.option_groups import ListenGroup
from sculptnet.options import VERBS

QUOTED = re.compile(r"`([^`\n]+)`")
SETTING = re.compile(r"(?:search|space|recipe|detector)\.[a-z_0-9.]+(?:=[^\s`]+)?")


def spelled(text: str) -> str:
    """`text` with dashes: what stands in backticks and is no argument of a call stays as it is."""
    return QUOTED.sub(lambda found: _typed(found[1]) or found[0], text)


def spelled_option(name: str) -> str:
    """An option as it is typed, by the name that it has on a command line."""
    return f"--{name.replace('_', '-')}"


@cache
def spellings() -> Mapping[str, str]:
    """What every argument of a call is typed as."""
    kinds: tuple[type[Options], ...] = (ListenGroup, *VERBS.values(), MeasureOptions)
    known = [(field, is_argument(field)) for kind in kinds for field in fields(kind)]  # type: ignore[arg-type]
    return {
        field.name: field.name.upper() if argument else spelled_option(option_name(field))
        for field, argument in sorted(known, key=lambda one: one[1])  # an argument of one verb, an option of another
        if typed_of(field).kind is not None
    }


def _typed(quoted: str) -> str | None:
    """What was in backticks as one would type it; None where it is nothing that can be typed."""
    if SETTING.fullmatch(quoted):
        return f"--set {quoted}"
    try:
        call = ast.parse(f"_({quoted})", mode="eval").body
    except (SyntaxError, ValueError):
        return None
    assert isinstance(call, ast.Call)
    match call.args, call.keywords:
        case [ast.Name(name)], []:
            return spellings().get(name)
        case [], [_, *_]:
            return _joined(_options(call))
        case [ast.Call(ast.Name(verb))], [] if verb.replace("_", "-") in VERBS:
            inner = call.args[0]
            assert isinstance(inner, ast.Call)
            words = _joined(_arguments(inner), _options(inner))
            return None if words is None else f"`sculptnet {verb.replace('_', '-')} {words}`"
    return None


def _joined(*words: Iterator[str | None]) -> str | None:
    found = [word for part in words for word in part]
    return None if None in found else " ".join(word for word in found if word)


def _arguments(call: ast.Call) -> Iterator[str | None]:
    for one in call.args:
        yield one.id if isinstance(one, ast.Name) else _value(one)


def _options(call: ast.Call) -> Iterator[str | None]:
    for keyword in call.keywords:
        typed = spellings().get(keyword.arg or "")
        yield typed if typed is None or typed.startswith("--") else spelled_option(typed.lower())
        if not (isinstance(keyword.value, ast.Constant) and keyword.value.value is True):
            yield keyword.value.id if isinstance(keyword.value, ast.Name) else _value(keyword.value)


def _value(node: ast.expr) -> str | None:
    return shlex.quote(str(node.value)) if isinstance(node, ast.Constant) else None
