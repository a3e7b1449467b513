"""Networks written as tables: a line is a stage, a word is a layer, `4*` in front of a word repeats it.

A word is made of fields: `k5_e4.5_c24_s2_se` is kernel 5, expansion 4.5, 24 output channels, stride 2, flag `se`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from sculptnet.arch import Block
from sculptnet.errors import InvalidValue, collected

_NUMBER = re.compile(r"([kcs])(\d+)|(e)(\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class Word:
    """A layer of a table. `flags` are its fields without a number, such as `se`; what they mean is the paper's."""

    kernel_size: int
    expansion: float
    out_channels: int
    stride: int
    flags: frozenset[str]


def stages(table: str, flags: frozenset[str], layer: Callable[[Word], Block]) -> tuple[tuple[Block, ...], ...]:
    """The stages that `table` writes down, each layer made by `layer`.

    Raises:
        InvalidValue: with every word that has no width, or a field that is neither a number nor one of `flags`.
    """
    lines = [line.split() for line in table.strip().splitlines()]
    problems = [problem for line in lines for word in line for problem in _problems(word, flags)]
    if problems:
        raise InvalidValue(collected(problems, "table"))
    return tuple(tuple(block for word in line for block in _repeated(word, layer)) for line in lines)


def _repeated(word: str, layer: Callable[[Word], Block]) -> list[Block]:
    count, _, name = word.rpartition("*")
    return [layer(_read(name))] * int(count or 1)


def _read(name: str) -> Word:
    numbers, flags = {"k": 3.0, "e": 1.0, "s": 1.0}, set[str]()
    for field in name.split("_"):
        if _NUMBER.fullmatch(field):
            numbers[field[0]] = float(field[1:])
        else:
            flags.add(field)
    return Word(int(numbers["k"]), numbers["e"], int(numbers["c"]), int(numbers["s"]), frozenset(flags))


def _problems(word: str, flags: frozenset[str]) -> list[str]:
    count, star, name = word.rpartition("*")
    fields = name.split("_")
    wrong = [field for field in fields if not _NUMBER.fullmatch(field) and field not in flags]
    rule = f"fields are k, e, c and s with a number, or {', '.join(sorted(flags))}"
    problems = [f"{word}: {field!r} is no field; {rule}" for field in wrong]
    if star and not count.isdigit():
        problems.append(f"{word}: in front of * stands a whole number, got {count!r}")
    if not any(re.fullmatch(r"c\d+", field) for field in fields):
        problems.append(f"{word}: every layer needs its output channels, such as c24")
    return problems
