"""Options that take values or names: what is neither is refused before anything looks into it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sculptnet.arch import Architecture, Recipe, SearchSpace
from sculptnet.data import ImageData
from sculptnet.data.detection import BoxData
from sculptnet.learn.detection import DetectorRecipe
from sculptnet.listening import Listener
from sculptnet.nets.ssdlite import DetectorSettings
from sculptnet.option_groups import ListenGroup, TaskName
from sculptnet.options import DetectOptions, FitOptions, ResumeOptions
from sculptnet.search import Limit
from sculptnet.search.workers import Workers
from sculptnet.spaces.named import SpaceSettings
from sculptnet.tasks.opening import task_of
from sculptnet.zoo import Published

Takes = Callable[[Any], bool]
LONGEST_SHOWN = 120  # characters


def _one_of(*kinds: type) -> Takes:
    return lambda value: isinstance(value, kinds)


def _changes_or(kind: type) -> Takes:
    def takes(value: Any) -> bool:
        return isinstance(value, kind) or (isinstance(value, Mapping) and all(isinstance(one, str) for one in value))

    return takes


def _limits(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and all(map(_one_of(Limit, str), value))


OF_IMAGES: Mapping[str, tuple[Takes, str]] = MappingProxyType(
    {
        "run": (_one_of(str, Path), "a run directory"),
        "data": (_one_of(ImageData, str, Path), "a folder, a name or ImageData"),
        "network": (_one_of(Architecture, Published, str, Path), "a name, a file, an Architecture or Published"),
        "device": (lambda value: isinstance(value, str) or hasattr(value, "measure"), "a name or a Device"),
        "space": (
            lambda value: isinstance(value, (SearchSpace, SpaceSettings, str)) or callable(value),
            "a name, a SearchSpace or a function that makes one",
        ),
        "start": (_one_of(str, Path), "a name, NAME=FILE or a folder"),
        "recipe": (_changes_or(Recipe), "a Recipe, or what differs from the usual one by dotted names"),
        "detector": (_changes_or(DetectorSettings), "DetectorSettings, or what differs from the usual ones by names"),
        "limits": (_limits, "a list of texts NAME=NUMBER or of Limits"),
        "workers": (_one_of(int, str, Workers), "a number, a text or Workers"),
        "listener": (_one_of(Listener), "a Listener"),
    }
)
OF_BOXES: Mapping[str, tuple[Takes, str]] = MappingProxyType(
    {
        **OF_IMAGES,
        "data": (_one_of(BoxData, str, Path), "a folder, a .tar or BoxData"),
        "recipe": (_changes_or(DetectorRecipe), "a DetectorRecipe, or what differs from the usual one by dotted names"),
    }
)

OF_RUNS: Mapping[str, tuple[Takes, str]] = MappingProxyType(  # what they were begun with looks at the rest
    {**OF_IMAGES, "data": (_one_of(ImageData, BoxData), "ImageData or BoxData")}
)


def _table_of(options: ListenGroup) -> Mapping[str, tuple[Takes, str]]:
    if isinstance(options, ResumeOptions):
        return OF_RUNS
    boxes = isinstance(options, FitOptions) and task_of(options) is TaskName.DETECT
    return OF_BOXES if boxes or isinstance(options, DetectOptions) else OF_IMAGES


def kind_problems(options: ListenGroup) -> list[str]:
    """A sentence on every value of an option that is neither a name nor of a class that it takes."""
    table = _table_of(options)
    found = []
    for field in fields(options):
        value = getattr(options, field.name)
        takes, wanted = table.get(field.name, (None, ""))
        if takes is not None and not takes(value) and not (value is None and field.default is None):
            found.append(f"`{field.name}` must be {wanted}, got {_shown(value)}")
    return found


def _shown(value: object) -> str:
    """What was given; of a long value its class."""
    shown = repr(value)
    return shown if len(shown) <= LONGEST_SHOWN else type(value).__name__
