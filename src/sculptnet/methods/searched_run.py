"""A finished joint search, whose predictor another budget or device can use: what it decides of a request."""

from __future__ import annotations

from collections.abc import Mapping
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
            f"{folder} has no predictor of accuracies; `sculptnet fit DATA --latency-ms X --method fbnetv3` learns "
            "one, and a run that was interrupted goes on with `sculptnet fit RUN`"
        )
    if "network" in info.command:
        raise InvalidValue(
            f"{folder} searched recipes for {info.command['network']}: its predictor knows no other network"
        )
    return info


def reuse_problems(folder: Path, options: FitOptions, method: FBNetV3) -> list[str]:
    """What of a request does not go with the predictor in `folder`.

    Raises:
        RunError, InvalidValue: as `searched_run`.
    """
    there = from_command(FitOptions, searched_run(folder).command, {"run_dir": folder})
    problems = [f"start {options.start}: the predictor belongs to the networks of {folder}"] if options.start else []
    problems += [
        f"{name}: {folder} has learned with {getattr(there, name)}; leave it out"
        for name in sorted(options.given & set(BELONG))
        if getattr(options, name) != getattr(there, name)
    ]
    own = [
        field.name
        for field in fields(method)
        if field.name not in (*OF_THE_FINE_STAGE, "recipes") and getattr(method, field.name) != field.default
    ]
    problems += [f"search.{name}: nothing is learned; search.finalists and search.fine can be set" for name in own]
    if method.finalists == 0:
        problems.append("search.finalists=0: what is shipped is one of them; give 1 at least")
    return problems


def decided_by(folder: Path, options: FitOptions) -> FitOptions:
    """The options with what the predictor in `folder` belongs to."""
    info = searched_run(folder)
    there = from_command(FitOptions, info.command, {"run_dir": folder})
    recipe = there.recipe if options.recipe is None else options.recipe
    if isinstance(options.recipe, Mapping) and isinstance(there.recipe, Mapping):
        recipe = {**there.recipe, **options.recipe}
    return replace(
        options,
        space=there.space,
        recipe=recipe,
        resolution=info.identity["resolution"],
        seed=there.seed,
        test_fraction=there.test_fraction,
        skip_broken=there.skip_broken,
    )
