"""The public calls. Their arguments are the fields of `sculptnet.options`, each written there once."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable
from dataclasses import MISSING, fields, replace
from enum import Enum
from pathlib import Path
from typing import ParamSpec, TypeVar

from sculptnet.listening import Listener
from sculptnet.option_fields import typed_of
from sculptnet.option_groups import ListenGroup
from sculptnet.options import DetectOptions, FitOptions, RecipeOptions, ResumeOptions, SpecializeOptions, TrainOptions
from sculptnet.verbs import run_detect, run_fit, run_recipe, run_resume, run_specialize, run_train

__all__ = ["detect", "fit", "resume", "search_recipe", "specialize", "train"]

P = ParamSpec("P")
O = TypeVar("O", bound=ListenGroup)  # noqa: E741
R = TypeVar("R")
WIDTH = 116


def _call(name: str, options: Callable[P, O], run: Callable[[O], R], text: str) -> Callable[P, R]:
    """A public call that takes the fields of `options` as arguments; its signature and its help are made of them."""

    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        made = options(*args, **kwargs)
        given = inspect.signature(options).bind(*args, **kwargs).arguments
        return run(replace(made, given=frozenset(given)))

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"{inspect.cleandoc(text)}\n\n{_arguments(options)}"
    signature = inspect.signature(options)
    shown = [one for one in signature.parameters.values() if one.name != "given"]
    returned = inspect.signature(run).return_annotation
    call.__signature__ = signature.replace(parameters=shown, return_annotation=returned)  # type: ignore[attr-defined]
    return call


def _arguments(options: Callable[..., ListenGroup]) -> str:
    """The section `Args` of a call: what each option means, and its default."""
    assert isinstance(options, type)
    by_name = {field.name: field for field in fields(options)}
    lines = ["Args:"]
    for name in inspect.signature(options).parameters:
        field = by_name[name]
        if name == "given":
            continue
        default = field.default.value if isinstance(field.default, Enum) else field.default
        default = str(default) if isinstance(default, Path) else default
        suffix = "" if field.default is MISSING or default is None else f" Default: {default!r}."
        suffix = "" if isinstance(default, Listener) else suffix
        text = f"{name}: {typed_of(field).help}{suffix}"
        lines += textwrap.wrap(text, WIDTH, initial_indent="    ", subsequent_indent="        ")
    return "\n".join(lines)


fit = _call(
    "fit",
    FitOptions,
    run_fit,
    """Searches, trains and exports a ConvNet whose latency, measured on a device, is within a budget.

    The same call again goes on where the last one stopped; `resume` goes on with a run directory. Nothing prints
    unless a listener is given or the logger `sculptnet` is heard. With task `detect` the data are photographs with
    boxes, and the ConvNet becomes the backbone of a detector, which the budget is for.

    Returns:
        A `FitResult`: the network, its card, its page, the trials that no other one beats; of task `detect` a
        `DetectionResult` with the same.

    Raises:
        InvalidValue: with everything that is wrong with the arguments.
        DataError: the images cannot be used as they are.
        MissingExtra: of task `detect`, pycocotools is not installed.
        Infeasible: the budget is under the fastest network of the space on this device.
    """,
)
train = _call(
    "train",
    TrainOptions,
    run_train,
    """Trains or fine-tunes one network, and ships it as `fit` ships what it finds.

    The same call again goes on where the last one stopped.

    Returns:
        A `FitResult`.

    Raises:
        InvalidValue: with everything that is wrong with the arguments, or the weights are those of another network.
        DataError: the images cannot be used as they are.
    """,
)
search_recipe = _call(
    "search_recipe",
    RecipeOptions,
    run_recipe,
    """Searches how one network is trained (optimiser, rates, regularisation), trains it so and ships it.

    The recipes are those of `spaces.fbnetv3_recipe`; what `recipe` decides is no longer searched. The same call again
    goes on where the last one stopped.

    Returns:
        A `FitResult`.

    Raises:
        InvalidValue: with everything that is wrong with the arguments.
        DataError: the images cannot be used as they are.
        Infeasible: no training came out.
    """,
)
detect = _call(
    "detect",
    DetectOptions,
    run_detect,
    """Trains SSDLite on any network, for photographs with boxes, and ships it with its post-processing.

    Weights beside an architecture are where training starts. The same call again goes on where the last one stopped.

    Returns:
        A `DetectionResult`.

    Raises:
        InvalidValue: with everything that is wrong with the arguments, or the weights are those of another network.
        DataError: with everything that is wrong with the photographs and their boxes.
        MissingExtra: pycocotools is not installed.
    """,
)
specialize = _call(
    "specialize",
    SpecializeOptions,
    run_specialize,
    """Cuts a network for each budget out of the supernet that a run trained, without training.

    The device's table is measured once and kept in the run; a budget takes seconds of evolution, and its network is
    measured whole and exported. The same call again reads.

    Returns:
        A `Specialized`: networks by budget, and the page of all devices so far.

    Raises:
        RunError: the run has no supernet, or its images have changed since.
        InvalidValue: with everything that is wrong with the arguments.
        Infeasible: budgets under the fastest network of the supernet on this device, or limits that nothing meets.
    """,
)


resume = _call(
    "resume",
    ResumeOptions,
    run_resume,
    """Goes on with a run directory, whichever call began it; a finished run is read.

    What it was asked for it knows, and what is found stays the same. It can still be given what does not change that,
    and once more the values that no file brings back: images, a device, a space. A finished run is read without those,
    unless its method was a class of a program, or its network has blocks that only its space knows.

    Returns:
        A `FitResult`, or a `DetectionResult` for a run of `detect`.

    Raises:
        RunError: it is no run, was begun with values that were not given again, or with others.
        InvalidValue: it was given what such a run has no use for.
    """,
)
