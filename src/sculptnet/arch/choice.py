"""Open values: what stands in a template where a decided value would stand.

`choice(3, 5, 7)` where `3` would stand, `between(16, 28, 4)` for a range, `prefix(blocks, 2, 3, 4)` for a stage of
open depth, `same("stages.3.0.kernel_size")` for a place that follows another one. The functions claim the type of the
decided value, so that templates are written with the same dataclasses as architectures.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeVar, cast

from sculptnet.errors import InvalidValue, OpenValue

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OneOf:
    """An open decision. `ordered`: the options are steps of a range, so neighbours resemble each other."""

    options: tuple[Any, ...]
    ordered: bool = False

    def __repr__(self) -> str:
        return f"choice({', '.join(map(repr, self.options))})"


@dataclass(frozen=True, slots=True)
class Prefix:
    """Stands for a tuple: the first `length` of `items` (open depth)."""

    items: tuple[Any, ...]
    length: OneOf

    def __repr__(self) -> str:
        return f"prefix(<{len(self.items)} items>, {', '.join(map(repr, self.length.options))})"


@dataclass(frozen=True, slots=True)
class Same:
    """Takes the value of the decision with this path."""

    path: str

    def __repr__(self) -> str:
        return f"same({self.path!r})"


Open = OneOf | Prefix | Same


def choice(*options: T) -> T:
    """One of `options`, to be decided. Equal options are merged; a single one is no decision."""
    if not options:
        raise InvalidValue("choice() needs at least one option, got none")
    distinct = tuple(dict.fromkeys(options))
    return distinct[0] if len(distinct) == 1 else cast(T, OneOf(distinct))


def between(low: float, high: float, step: float) -> Any:
    """One of `low, low + step, ..., high`, to be decided.

    Raises:
        InvalidValue: `step` is not positive or does not divide the range.
    """
    if step <= 0 or high < low:
        raise InvalidValue(f"between({low}, {high}, {step}): needs low <= high and a step above 0")
    count = round((high - low) / step)
    if abs(low + count * step - high) > 1e-9 * max(1.0, abs(high)):
        raise InvalidValue(f"between({low}, {high}, {step}): the step must divide the range; {high} is not reached")
    integers = all(isinstance(value, int) for value in (low, high, step))
    options = tuple(low + index * step if integers else round(low + index * step, 12) for index in range(count + 1))
    return options[0] if count == 0 else OneOf(options, ordered=True)


def prefix(items: tuple[T, ...], *lengths: int) -> tuple[T, ...]:
    """The first n of `items`, n being one of `lengths`, to be decided (a stage of open depth)."""
    wrong = [length for length in lengths if not 1 <= length <= len(items)]
    if not lengths or wrong:
        raise InvalidValue(f"prefix: lengths must lie in 1..{len(items)}, the number of items, got {lengths}")
    distinct = tuple(sorted(set(lengths)))
    if len(distinct) == 1:
        return items[: distinct[0]]
    return cast("tuple[T, ...]", Prefix(items[: distinct[-1]], OneOf(distinct, ordered=True)))


def same(path: str) -> Any:
    """The value that is decided at `path`, for example `same("stages.3.0.kernel_size")`."""
    return Same(path)


def options_of(value: T) -> tuple[T, ...]:
    """What `value` may turn out to be: its options, itself if it is decided, nothing if it follows another place."""
    if isinstance(value, OneOf):
        return tuple(inner for option in value.options for inner in options_of(option))
    return () if isinstance(value, Same) else (value,)


def join(path: str, name: str) -> str:
    """`path.name`, or `name` at the root."""
    return f"{path}.{name}" if path else name


def children(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    """The parts of a template node with their paths: fields, items, options. Nothing for a plain value."""
    if isinstance(node, OneOf):
        yield from ((f"{path}[{index}]", option) for index, option in enumerate(node.options))
    elif isinstance(node, Prefix):
        yield join(path, "depth"), node.length
        yield from ((join(path, str(index)), item) for index, item in enumerate(node.items))
    elif isinstance(node, tuple):
        yield from ((join(path, str(index)), item) for index, item in enumerate(node))
    elif is_dataclass(node) and not isinstance(node, (type, Same)):
        yield from ((join(path, field.name), getattr(node, field.name)) for field in fields(node))


def first_open(node: Any, path: str = "") -> tuple[str, Open] | None:
    """The first open value in `node` and its path, or None if everything is decided."""
    if isinstance(node, (OneOf, Prefix, Same)):
        return path, node
    return next((found for p, child in children(node, path) if (found := first_open(child, p)) is not None), None)


def require_decided(node: Any, what: str) -> None:
    """Raises `OpenValue`, naming the place, if anything in `node` is still open."""
    found = first_open(node)
    if found is not None:
        path, value = found
        place = f"{type(node).__name__}.{path}" if path else type(node).__name__
        raise OpenValue(f"{what} needs decided values, but {place} is {value!r}; decode a candidate of a SearchSpace")
