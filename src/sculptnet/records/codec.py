"""Typed records to JSON and back, with all their problems at once.

The work is cattrs'; numbers are taken as they are, never parsed from text, and keys that nobody knows are refused.
A record in a file of its own says its kind and version (`to_plain`); a line of a log says its version where that is not
1 (`to_line`). What a class says of its JSON:

    version: ClassVar[int]   of its layout, 1 where it says nothing
    FLAT: ClassVar[str]      the field, a mapping, whose entries stand in JSON beside the other fields
    LEAN: ClassVar[bool]     fields that are None by default are left out of JSON where they are None
    NAMES: ClassVar[Mapping[str, str]]   what fields are called in JSON, where that is something else
    WHOLE: ClassVar[bool]    fields that have a default must be there in JSON as well

A class with the methods `to_json` and `from_json` is written and read by them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin

from sculptnet.errors import InvalidValue, RunError, collected
from sculptnet.files import read_json, write_json

if TYPE_CHECKING:
    from cattrs import Converter

R = TypeVar("R")
KIND, VERSION_KEY = "record", "version"
FLAT, LEAN, NAMES, WHOLE = "FLAT", "LEAN", "NAMES", "WHOLE"


@cache
def converter() -> Converter:
    """The one converter of all records."""
    from cattrs import Converter
    from cattrs.strategies import use_class_methods

    made = Converter(forbid_extra_keys=True, unstruct_collection_overrides={tuple: list})
    made.register_structure_hook(float, lambda value, _: float(_strict(value, (int, float), "a number")))
    made.register_structure_hook(int, lambda value, _: _strict(value, (int,), "a whole number"))
    made.register_structure_hook(str, lambda value, _: _strict(value, (str,), "text"))
    made.register_structure_hook(bool, _bool)
    made.register_structure_hook(Path, lambda value, _: Path(_strict(value, (str,), "a path")))
    made.register_unstructure_hook(Path, str)
    made.register_structure_hook_func(_is_plain, lambda value, _: value)
    made.register_structure_hook_func(lambda kind: kind == int | str | None, _name)
    made.register_structure_hook_factory(_is_tuple, lambda kind: _tuple(kind, made))
    made.register_structure_hook_factory(_is_record, lambda kind: _reader(kind, made))
    made.register_unstructure_hook_factory(
        lambda kind: _says(kind, FLAT) or _says(kind, LEAN), lambda kind: _writer(kind, made)
    )
    use_class_methods(made, "from_json", "to_json")
    made.register_structure_hook_factory(lambda kind: _says(kind, NAMES), lambda kind: _reader(kind, made))
    made.register_unstructure_hook_factory(lambda kind: _says(kind, NAMES), lambda kind: _writer(kind, made))
    return made


def _strict(value: Any, kinds: tuple[type, ...], what: str) -> Any:
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise ValueError(f"must be {what}, got {value!r}")
    return value


def _bool(value: object, _: type) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, got {value!r}")
    return value


def _is_plain(kind: Any) -> bool:
    """Whether any JSON will do."""
    return kind is object


def _is_tuple(kind: Any) -> bool:
    origin: Any = get_origin(kind)
    return origin is tuple


def _name(value: Any, _: object) -> int | str | None:
    """A number or a name, or neither."""
    found: int | str | None = None if value is None else _strict(value, (int, str), "a whole number or text")
    return found


def _tuple(kind: Any, made: Converter) -> Callable[[Any, Any], Any]:
    """Reads a tuple from a list alone: cattrs takes whatever can be iterated over, texts among them."""
    from cattrs.cols import homogenous_tuple_structure_factory

    parts = get_args(kind)
    if parts[-1] is Ellipsis:
        read = homogenous_tuple_structure_factory(kind, made)
    else:
        hooks = [made.get_structure_hook(part) for part in parts]

        def read(value: Any, _: Any) -> Any:
            if len(value) != len(parts):
                raise ValueError(f"must hold {len(parts)} values, got {value!r}")
            return tuple(hook(one, part) for hook, one, part in zip(hooks, value, parts, strict=True))

    def checked(value: Any, kind: Any) -> Any:
        if not isinstance(value, (list, tuple)):
            raise ValueError(f"must be a list, got {value!r}")
        return read(value, kind)

    return checked


def _is_record(kind: Any) -> bool:
    return is_dataclass(kind) and isinstance(kind, type)


def _says(kind: Any, what: str) -> bool:
    return _is_record(kind) and bool(getattr(kind, what, None))


def _reader(kind: Any, made: Converter) -> Callable[[Any, Any], Any]:
    from cattrs.gen import make_dict_structure_fn

    read = make_dict_structure_fn(kind, made, _cattrs_forbid_extra_keys=True, **_renamed(kind, {}))
    flat: str | None = getattr(kind, FLAT, None)
    own = {field.name for field in fields(kind)} - {flat}

    def checked(data: Any, kind: Any) -> Any:
        if not isinstance(data, Mapping):
            raise ValueError(f"must be an object, got {data!r}")
        if flat is None:
            return read(data, kind)
        rest = {name: value for name, value in data.items() if name not in own}
        return read({**{name: value for name, value in data.items() if name in own}, flat: rest}, kind)

    return checked


def _renamed(kind: Any, others: Mapping[str, Any]) -> dict[str, Any]:
    """What cattrs is told of a class's fields: their names in JSON, and `others`."""
    from cattrs.gen import override

    names: Mapping[str, str] = getattr(kind, NAMES, {})
    return {**others, **{name: override(rename=written) for name, written in names.items()}}


def _writer(kind: Any, made: Converter) -> Callable[[Any], dict[str, Any]]:
    from cattrs.gen import make_dict_unstructure_fn, override

    lean = getattr(kind, LEAN, False)
    lacking = [field.name for field in fields(kind) if lean and field.default is None]
    write = make_dict_unstructure_fn(
        kind, made, **_renamed(kind, {name: override(omit_if_default=True) for name in lacking})
    )
    flat: str | None = getattr(kind, FLAT, None)

    def written(value: Any) -> dict[str, Any]:
        content: dict[str, Any] = write(value)
        beside: dict[str, Any] = {} if flat is None else content.pop(flat)
        return {**content, **beside}

    return written


def version_of(kind: type) -> int:
    """The version of a class's layout."""
    return int(getattr(kind, "version", 1))


def to_plain(value: object) -> dict[str, Any]:
    """A record as plain JSON data, with its kind and version first."""
    content: dict[str, Any] = converter().unstructure(value)
    return {KIND: type(value).__name__, VERSION_KEY: version_of(type(value)), **content}


def from_plain(data: object, kind: type[R]) -> R:
    """The record of class `kind` that `to_plain` made.

    Raises:
        InvalidValue: it is of another kind or version, or with everything that is missing, unknown or of another type.
    """
    if not isinstance(data, Mapping) or data.get(KIND) != kind.__name__:
        found = data.get(KIND) if isinstance(data, Mapping) else type(data).__name__
        raise InvalidValue(f"expected a record of kind {kind.__name__}, found {found!r}")
    _require_version(data.get(VERSION_KEY), kind)
    return _structured({name: value for name, value in data.items() if name not in (KIND, VERSION_KEY)}, kind)


def to_line(value: object) -> dict[str, Any]:
    """A record as a line of a log: its fields, and its version where that is not 1."""
    content: dict[str, Any] = converter().unstructure(value)
    version = version_of(type(value))
    return content if version == 1 else {VERSION_KEY: version, **content}


def from_line(data: Mapping[str, Any], kind: type[R]) -> R:
    """The record of class `kind` that `to_line` made; errors as of `from_plain`."""
    _require_version(data.get(VERSION_KEY, 1), kind)
    return _structured({name: value for name, value in data.items() if name != VERSION_KEY}, kind)


def _require_version(found: object, kind: type) -> None:
    if found != version_of(kind):
        raise InvalidValue(
            f"{kind.__name__} is of version {found!r}, and this SculptNet reads version {version_of(kind)}; "
            "another version of SculptNet wrote it"
        )


def _structured(content: Mapping[str, Any], kind: type[R]) -> R:
    from cattrs import transform_error

    problems: list[str] = []
    try:
        value = converter().structure(content, kind)
    except Exception as error:  # cattrs groups errors of many kinds, those of the records' own rules among them
        problems = transform_error(error, path=kind.__name__, format_exception=_told)
        cause: Exception | None = error
    else:
        cause = None
    if _says(kind, WHOLE):
        problems += [
            f"required field missing @ {kind.__name__}.{name}" for name in sorted(_optional(kind) - set(content))
        ]
    if problems:
        raise InvalidValue(collected(problems, kind.__name__)) from cause
    return value


def _optional(kind: Any) -> set[str]:
    """The fields that a program may leave out."""
    return {one.name for one in fields(kind) if one.default is not MISSING or one.default_factory is not MISSING}


def _told(error: BaseException, kind: type | None) -> str:
    """What is wrong with one value; cattrs leaves out the sentences of rules, and the value."""
    from cattrs.v import format_exception

    return str(error) if isinstance(error, ValueError) and str(error) else format_exception(error, kind)


def write_record(path: Path, value: object) -> None:
    """Writes a record; raises `RunError` where that fails, and then the old one stays."""
    write_json(path, to_plain(value))


def read_record(path: Path, kind: type[R]) -> R:
    """The record in a file.

    Raises:
        RunError: it is damaged, or of another kind or version.
    """
    try:
        return from_plain(read_json(path), kind)
    except InvalidValue as error:
        raise RunError(f"{path} cannot be read: {error}; start anew with `fresh=True`") from error
