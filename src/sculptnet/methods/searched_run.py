"""A finished joint search, whose predictor another budget or device can use: what it decides of a request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sculptnet.errors import InvalidValue, RunError, collected
from sculptnet.runs import RunDirectory

OF_THE_SPACE = ("space.", "recipe.")  # settings that make the space, and so belong to the predictor
OF_THE_FINE_STAGE = ("search.finalists", "search.fine.")  # what is left to search with it


def searched_run(folder: Path) -> Mapping[str, Any]:
    """`run.json` of the run in `folder`.

    Raises:
        RunError: it is none, or has learned no predictor.
        InvalidValue: its predictor is of recipes for one network, for which no budget makes a difference.
    """
    run = RunDirectory(folder)
    info = run.info()
    if run.predictor.load() is None:
        method = info["command"].get("method", "none")
        raise RunError(
            f"{folder} has no predictor of accuracies (its method is {method}); `sculptnet fit DATA --latency-ms X "
            "--method fbnetv3` learns one, and a run that was interrupted goes on with `sculptnet fit RUN`"
        )
    if info["command"].get("recipe_only"):
        raise InvalidValue(
            f"{folder} searched recipes for {info['command']['recipe_only']}: its predictor knows no other network"
        )
    return info


def check_reuse(folder: Path, given: Mapping[str, object], settings: Sequence[str], others: Sequence[str]) -> None:
    """Whether a request leaves alone what the predictor in `folder` belongs to.

    Args:
        folder: of the run.
        given: `method`, `space`, `resolution` and `seed` of the request.
        settings: of the request.
        others: options that searches anew alone have.

    Raises:
        RunError, InvalidValue: as `searched_run`; or with everything that does not go with the predictor.
    """
    info = searched_run(folder)
    command, size = info["command"], info["identity"]["resolution"]
    problems = [f"{option}: the predictor belongs to the networks of {folder}; leave it out" for option in others]
    if given["method"] != command["method"]:
        problems.append(f"--method {given['method']} uses no predictor; give --method {command['method']}")
    if given["space"] not in (None, command["space"]):
        problems.append(f"--space {given['space']}: the predictor belongs to the space of {folder}; leave it out")
    if given["resolution"] not in (None, size):
        problems.append(f"--resolution {given['resolution']}: the predictor was learned at {size} pixels; leave it out")
    if given["seed"] not in (0, command["seed"]):
        problems.append(f"--seed {given['seed']}: {folder} has split the images with {command['seed']}; leave it out")
    for entry in settings:
        if entry.startswith(OF_THE_SPACE) and entry not in command["settings"]:
            problems.append(f"--set {entry}: space and recipes are those of {folder}; leave it out")
        if entry.startswith("search.") and not entry.startswith(OF_THE_FINE_STAGE):
            problems.append(f"--set {entry}: nothing is learned; search.finalists and search.fine can be set")
        if entry.replace(" ", "") == "search.finalists=0":
            problems.append(f"--set {entry}: what is shipped is one of them; give 1 at least")
    if problems:
        raise InvalidValue(collected(problems, f"--from-run {folder}"))


def decided_by(folder: Path, settings: Sequence[str]) -> dict[str, Any]:
    """The fields of a request that the predictor in `folder` belongs to; `settings`: of the request."""
    info = searched_run(folder)
    command = info["command"]
    kept = [entry for entry in command["settings"] if entry.startswith(OF_THE_SPACE)]
    return {
        "space": command["space"],
        "resolution": info["identity"]["resolution"],
        "seed": command["seed"],
        "settings": (*kept, *(entry for entry in settings if entry not in kept)),
        "test_fraction": command["test_fraction"],
        "skip_broken": command["skip_broken"],
    }
