"""A finished joint search, whose predictor another budget or device can use: what it decides of a request."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sculptnet.errors import InvalidValue, RunError
from sculptnet.options import FitOptions
from sculptnet.plain import from_command
from sculptnet.runs import RunDirectory, RunInfo

if TYPE_CHECKING:
    from sculptnet.methods.fbnetv3 import FBNetV3

BELONG = ("space", "recipe", "resolution", "seed", "test_fraction", "skip_broken")  # to the predictor
OF_THE_FINE_STAGE = ("finalists", "fine")  # what is left to search with it


def searched_run(folder: Path) -> RunInfo:
    """What is known of the run in `folder`.

    Raises:
        RunError: it is none, or has learned no predictor.
        InvalidValue: its predictor is of recipes for one network, for which no budget makes a difference.
    """
    run = RunDirectory(folder)
    info = run.info()
    if run.predictor.load() is None:
        raise RunError(
            f"{folder} has no predictor of accuracies; `fit(DATA, latency_ms=X, method='fbnetv3')` learns "
            "one, and a run that was interrupted goes on with `sculptnet fit RUN`"
        )
    if info.verb == "search-recipe":
        raise InvalidValue(
            f"{folder} searched recipes for {info.command['network']}: its predictor knows no other network"
        )
    return info


def reuse_problems(folder: Path, options: FitOptions, method: FBNetV3) -> list[str]:
    """What of a request does not go with the predictor in `folder`.

    Raises:
        RunError, InvalidValue: as `searched_run`.
    """
    decided, recipes = decided_by(folder, options), _searched_recipes(folder, options, type(method))
    problems = [f"`start` {options.start}: the predictor belongs to the networks of {folder}"] if options.start else []
    for name in sorted(options.given & set(BELONG)):
        here, there = getattr(options, name), getattr(decided, name)
        if here != there and name in ("space", "recipe"):
            problems.append(f"`{name}`: the predictor belongs to the {name} of {folder}; leave it out")
        elif here != there:
            problems.append(f"`{name}` {here}: {folder} has learned with {there}; leave it out")
    if method.recipes != recipes:
        problems.append(f"`search.recipes` must be {recipes}, as {folder} has learned, got {method.recipes}")
    own = [
        field.name
        for field in fields(method)
        if field.name not in (*OF_THE_FINE_STAGE, "recipes") and getattr(method, field.name) != field.default
    ]
    problems += [
        f"`search.{name}`: nothing is learned; `search.finalists` and `search.fine` can be set" for name in own
    ]
    if method.finalists == 0:
        problems.append("`search.finalists=0`: what is shipped is one of them; give 1 at least")
    return problems


def decided_by(folder: Path, options: FitOptions) -> FitOptions:
    """The options with what the predictor in `folder` belongs to."""
    info = searched_run(folder)
    there = _learned_with(info, options)
    found = {name: getattr(there, name) for name in BELONG}
    return replace(options, **{**found, "resolution": info.identity["resolution"]})


def _searched_recipes(folder: Path, options: FitOptions, kind: type[FBNetV3]) -> bool:
    """Whether the run in `folder` searched recipes, too."""
    from sculptnet.methods import made  # which lists the method that imports this module

    method = made(_learned_with(searched_run(folder), options).method, kind)
    assert isinstance(method, kind)  # no other one leaves a predictor
    return method.recipes


def _learned_with(info: RunInfo, options: FitOptions) -> FitOptions:
    """What was asked of a run, as far as its predictor depends on it; the rest has its defaults."""
    kept = {name: value for name, value in info.command.items() if name in ("method", *BELONG)}
    return from_command(FitOptions, kept, {"data": options.data})
