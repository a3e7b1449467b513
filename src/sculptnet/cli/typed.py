"""Options of verbs as a command line has them: made of the classes in `sculptnet.options`, and read back into those."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from typing import Annotated, Any, TypeAlias, TypeVar

import typer

from sculptnet.cli.spelling import spelled, spelled_option
from sculptnet.errors import InvalidValue
from sculptnet.option_fields import Options, is_argument, option_name, typed_of
from sculptnet.option_groups import ListenGroup

O = TypeVar("O", bound=Options)  # noqa: E741
GROUPS: Mapping[str, tuple[str, ...]] = {  # what `--set` changes, by the fields that a verb has
    "method": ("search",),
    "space": ("space",),
    "recipe": ("recipe",),
    "detector": ("detector",),
}

AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="One JSON document on standard output, of errors too.")]


def typed_fields(kind: type[Options]) -> Iterator[Field[Any]]:
    """The fields that can be typed as options."""
    for field in fields(kind):  # type: ignore[arg-type]
        if typed_of(field).kind is not None and not is_argument(field):
            yield field


def groups_of(kind: type[Options]) -> tuple[str, ...]:
    """The groups of settings that a verb has."""
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    return tuple(group for name, groups in GROUPS.items() if name in names for group in groups)


def with_options(*kinds: type[Options]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a verb the options of `kinds`, `--set` for their settings, and `--json`, beside its own arguments.

    Typer knows options by a function's signature, which this writes; the verb reads them with `values_of`.
    """

    def decorate(verb: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(verb, eval_str=True).parameters
        options = {field.name: _parameter(field) for kind in kinds for field in typed_fields(kind)}
        groups = tuple(dict.fromkeys(group for kind in kinds for group in groups_of(kind)))
        if groups:
            options["set_"] = _set_parameter(groups)
        options["as_json"] = inspect.Parameter(
            "as_json", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=AsJson
        )

        @functools.wraps(verb)
        def command(**values: Any) -> None:
            verb(**{name: values[name] for name in own})

        command.__signature__ = inspect.Signature([*own.values(), *options.values()])  # type: ignore[attr-defined]
        return command

    return decorate


def _parameter(field: Field[Any]) -> inspect.Parameter:
    typed, default = typed_of(field), None if field.default is MISSING else field.default
    kind: Any = typed.kind
    annotation: Any
    if typed.repeated:
        annotation, default = list[kind] | None, None
    elif typed.kind is bool:
        annotation = bool
    else:
        annotation = kind if default is not None else kind | None
        default = str(default) if typed.kind is str and default is not None else default
    shown = typer.Option(spelled_option(option_name(field)), help=spelled(typed.help), metavar=typed.metavar)
    return inspect.Parameter(
        field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[annotation, shown]
    )


def _set_parameter(groups: tuple[str, ...]) -> inspect.Parameter:
    pages = ["settings"] if groups != ("recipe", "detector") else []
    pages += ["detector-settings"] if "detector" in groups else []
    shown = " and ".join(f"`sculptnet show {page}`" for page in pages)
    help_text = f"A setting of {' or '.join(groups)}; {shown} list{'s' if len(pages) == 1 else ''} all."
    shown = typer.Option("--set", metavar="GROUP.NAME=VALUE", help=help_text)
    annotation = Annotated[list[str] | None, shown]
    return inspect.Parameter("set_", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


# ---------------------------------------------------------------------- reading
def typed_in(context: typer.Context) -> list[str]:
    """The names of the options that were typed, even if with their defaults."""
    options = [one for one in context.command.params if one.param_type_name == "option"]
    sources = {one.name or "": context.get_parameter_source(one.name or "") for one in options}
    return [name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"]


def values_of(kind: type[Options], context: typer.Context) -> tuple[dict[str, Any], list[str]]:
    """What was typed, as values for `kind`, settings included; and sentences on settings that are none."""
    given, params = typed_in(context), context.params
    values = {field.name: params[field.name] for field in typed_fields(kind) if field.name in given}
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    texts, problems = _settings(params.get("set_") or (), groups_of(kind))
    values |= _configured(values, texts)
    return ({**values, "given": frozenset(values)} if issubclass(kind, ListenGroup) else values), problems


def _settings(given: Sequence[str], groups: tuple[str, ...]) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Settings by group, and sentences on those that are none."""
    from sculptnet import settings

    texts: dict[str, dict[str, str]] = {group: {} for group in groups}
    problems: list[str] = []
    for entry in given:
        try:
            for group, named in settings.split((entry,), groups).items():
                texts[group] |= named
        except InvalidValue as error:
            problems += error.problems
    return texts, problems


def _configured(values: Mapping[str, Any], texts: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    from sculptnet.method import NamedMethod
    from sculptnet.spaces.named import NamedSpace, SpaceSettings

    found: dict[str, Any] = {name: texts[name] for name in ("recipe", "detector") if texts.get(name)}
    if texts.get("search"):
        found["method"] = NamedMethod(values.get("method"), texts["search"])
    if texts.get("space"):
        name = values.get("space")
        found["space"] = SpaceSettings(texts["space"]) if name is None else NamedSpace(name, texts["space"])
    return found


def refuse_beside_a_run(folder: str, context: typer.Context, allowed: tuple[str, ...]) -> None:
    """A run directory has its options already.

    Raises:
        InvalidValue: options were typed beside it.
    """
    by_name = {one.name: one.opts[0] for one in context.command.params}
    extra = [by_name[name] for name in typed_in(context) if name not in ("as_json", *allowed)]
    if extra:
        raise InvalidValue(
            f"{folder} is a run directory and has its options already; leave out {', '.join(extra)}, or name the data "
            "for another run"
        )
