"""Options of a verb from texts, as a command line gives them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from sculptnet import settings as texts
from sculptnet.method import NamedMethod
from sculptnet.option_groups import ListenGroup
from sculptnet.spaces.named import NamedSpace, SpaceSettings

O = TypeVar("O", bound=ListenGroup)  # noqa: E741
GROUPS = ("search", "space", "recipe", "detector")


def asked(kind: type[O], *, settings: Sequence[str] = (), **values: Any) -> O:
    """The options of a verb.

    Args:
        kind: of the verb: `FitOptions`, `TrainOptions` and so on.
        settings: as after `--set`: "search.epochs=2".
        values: the fields.
    """
    given = texts.split(settings, GROUPS)
    made = {**values, **{name: given[name] for name in ("recipe", "detector") if given.get(name)}}
    if given.get("search"):
        made["method"] = NamedMethod(values.get("method"), given["search"])
    if given.get("space"):
        name = values.get("space")
        made["space"] = SpaceSettings(given["space"]) if name is None else NamedSpace(name, given["space"])
    return kind(**made, given=frozenset(made))
