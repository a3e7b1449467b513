"""Methods, one file each. `ALL` is what is known by name; anybody's own is named `package.module:Name`."""

from __future__ import annotations

from typing import Any

from sculptnet import settings
from sculptnet.errors import InvalidValue
from sculptnet.method import Found, Method, NamedMethod
from sculptnet.methods.carve import Carve
from sculptnet.methods.dnas import Differentiable
from sculptnet.methods.fbnet import FBNet
from sculptnet.methods.fbnetv2 import FBNetV2
from sculptnet.methods.fbnetv3 import FBNetV3
from sculptnet.methods.given import Given
from sculptnet.methods.mnasnet import MnasNet
from sculptnet.methods.ofa import OnceForAll
from sculptnet.methods.recipe import SearchRecipe
from sculptnet.methods.scratch import FromScratch
from sculptnet.methods.searching import Searching, Target
from sculptnet.methods.trials import Evolution, Nsga2, Optuna, Random, Trials
from sculptnet.named import find

__all__ = [
    "ALL",
    "BY_NAME",
    "Carve",
    "Differentiable",
    "Evolution",
    "FBNet",
    "FBNetV2",
    "FBNetV3",
    "Found",
    "FromScratch",
    "Given",
    "Method",
    "MnasNet",
    "NamedMethod",
    "Nsga2",
    "OnceForAll",
    "Optuna",
    "Random",
    "SearchRecipe",
    "Searching",
    "Target",
    "Trials",
    "made",
]

ALL: tuple[type[Method[Any]], ...] = (
    FBNet,
    FBNetV2,
    FBNetV3,
    MnasNet,
    OnceForAll,
    Carve,
    Random,
    Evolution,
    Nsga2,
    Optuna,
)
BY_NAME = {one.name: one for one in ALL}


def made(given: Method[Any] | type[Method[Any]] | NamedMethod | str | None, default: type[Method[Any]]) -> Method[Any]:
    """A method as a value: as it is, or made of its class or name, with the settings that come with the name.

    Args:
        given: what was asked for.
        default: for settings without a name, and where nothing was asked for.

    Raises:
        InvalidValue: there is none of that name, or with every setting that it does not have.
        MissingExtra: it needs a package that is not installed.
    """
    if isinstance(given, Method):
        return given
    named = given if isinstance(given, NamedMethod) else NamedMethod(given if isinstance(given, str) else None, {})
    kind: object = given if isinstance(given, type) else default
    if named.name is not None:
        kind = find(named.name, BY_NAME, "method")
    elif not (given is None or isinstance(given, (NamedMethod, type))):
        kind = given
    if isinstance(kind, type) and issubclass(kind, Method):
        method = kind()
    elif isinstance(kind, Method):
        method = kind
    else:
        raise InvalidValue(f"{given!r} names no method; a method is a class below sculptnet.methods.Method")
    method.require()
    return settings.apply(method, named.settings, "search") if named.settings else method
