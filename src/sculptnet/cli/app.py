"""The command line. It parses, calls the library, and prints; torch is imported by the verbs that need it.

Exit codes: 0 done, 1 something that nobody foresaw, 2 the request cannot be served, 3 served but over budget, 130
interrupted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sculptnet._version import __version__
from sculptnet.cli.console import Console
from sculptnet.cli.looking import list_devices, measure, predict, show, show_zoo
from sculptnet.cli.typed import refuse_beside_a_run, typed_fields, typed_in, values_of, with_options
from sculptnet.errors import InvalidValue
from sculptnet.files import AS_WRITTEN, at_home, reading
from sculptnet.listening import Listener
from sculptnet.options import DetectOptions, FitOptions, RecipeOptions, SpecializeOptions, TrainOptions

if TYPE_CHECKING:
    from sculptnet.result import FitResult
    from sculptnet.tasks.detect_result import DetectionResult

OVER_BUDGET = 3

app = typer.Typer(
    name="sculptnet",
    help="Measure a device, search a ConvNet that fits it, train it, ship it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="A folder with one folder per class, a data set's name, package.module:name, or a run directory; with "
        "--task detect a folder or .tar with VOC XML or COCO JSON.",
    ),
]
NetworkAndData = Annotated[
    list[str],
    typer.Argument(
        metavar="[NETWORK] DATA",
        help="NETWORK: a name of `sculptnet zoo`, an architecture file, or package.module:name. DATA: a folder with "
        "one folder per class, a data set's name, or package.module:name; photographs with boxes for `detect`. A run "
        "directory alone: goes on with it.",
    ),
]


def _listening(console: Console) -> Listener:
    return Listener(console.say, console.progress, console.opened)


def _finish(console: Console, result: FitResult | DetectionResult) -> None:
    """Prints the result; of a run that was finished before, it is what stands in its files."""
    with reading(f"model/card.json in {result.folder}", AS_WRITTEN):
        text, document = result.summary(), result.to_json()
    console.finish(text, document)
    if result.within_budget is False:
        raise typer.Exit(OVER_BUDGET)


def _go_on(
    context: typer.Context, folder: str, verbs: tuple[str, ...], until: str, added: tuple[str, ...] = ()
) -> None:
    """Goes on with a run directory, with what it can still be given."""
    from sculptnet.job import Stage
    from sculptnet.verbs import go_on, refuse_other_verb

    refuse_other_verb(Path(folder), verbs)
    refuse_beside_a_run(folder, context, added)
    given = {name: context.params[name] for name in added if name in typed_in(context)}
    with Console(context.params["as_json"]) as console:
        _finish(console, go_on(Path(folder), {**given, "listener": _listening(console)}, Stage(until)))


def _flow_command(until: str, text: str) -> Callable[..., None]:
    """A verb that runs the flow up to the stage `until`; all of them share their options and the run directory."""

    def command(context: typer.Context, data: Data) -> None:
        from sculptnet.job import Stage
        from sculptnet.verbs import check, is_run, run_fit

        data = at_home(data)
        if is_run(data):
            _go_on(context, data, ("fit", "search-recipe"), until, added_to(context))
            return
        values, problems = values_of(FitOptions, context)
        with Console(context.params["as_json"]) as console:
            options = FitOptions(**values, data=data, listener=_listening(console))
            if problems:
                check(options, problems)
            _finish(console, run_fit(options, Stage(until)))

    command.__doc__ = text
    return with_options(FitOptions)(command)


FLOW_HELP: Mapping[str, tuple[str, str]] = {
    "fit": (
        "report",
        "Search a network, train it, export it.\n\nFrom images, a device and a budget to a trained, exported, measured "
        "network (with --task detect: a detector) and its report. --latency-ms is needed, unless DATA is a run "
        "directory.",
    ),
    "search": (
        "search",
        "Measure the device, and search.\n\nStops with trained finalists; `sculptnet fit RUN` goes on. --latency-ms is "
        "needed, unless DATA is a run directory.",
    ),
    "export": (
        "export",
        "The flow of fit without its report.\n\nStops with the exported, measured model and its card; `sculptnet fit "
        "RUN` goes on. --latency-ms is needed, unless DATA is a run directory.",
    ),
}
for _verb, (_until, _text) in FLOW_HELP.items():
    app.command(_verb)(_flow_command(_until, _text))


@app.command()
@with_options(TrainOptions)
def train(context: typer.Context, targets: NetworkAndData) -> None:
    """Train NETWORK on DATA, export and measure it.

    --latency-ms is optional: a budget judges the network, and with it the resolution is chosen.
    A run directory alone goes on with that run, up to its final training where it searches.
    """
    from sculptnet.verbs import run_train

    network, data = _two(context, targets, "train", ("fit", "train", "search-recipe"))
    if data is not None:
        _train_with(context, TrainOptions, network, data, run_train)


@app.command("search-recipe")
@with_options(RecipeOptions)
def search_recipe(context: typer.Context, targets: NetworkAndData) -> None:
    """Search how NETWORK is trained, and do so.

    Optimiser, rates and regularisation are searched; the network is trained so, exported and measured.
    """
    from sculptnet.verbs import run_recipe

    network, data = _two(context, targets, "report", ("search-recipe",))
    if data is not None:
        _train_with(context, RecipeOptions, network, data, run_recipe)


@app.command()
@with_options(DetectOptions)
def detect(context: typer.Context, targets: NetworkAndData) -> None:
    """Train a detector with NETWORK inside.

    SSDLite, with NETWORK as its backbone, is trained on photographs with boxes, exported and measured.
    DATA is a folder or .tar with VOC XML or COCO JSON. NETWORK may be a run that has shipped a model; weights beside an
    architecture are where training starts. --latency-ms is optional; exit code 3 if the detector, post-processing
    included, is over it.
    """
    from sculptnet.verbs import run_detect

    network, data = _two(context, targets, "report", ("detect",))
    if data is not None:
        _train_with(context, DetectOptions, network, data, run_detect)


def _two(
    context: typer.Context, targets: list[str], until: str, verbs: tuple[str, ...]
) -> tuple[str, str] | tuple[str, None]:
    """NETWORK and DATA; with one argument, goes on with the run in it, and returns no data."""
    from sculptnet import zoo
    from sculptnet.verbs import is_run

    targets = [at_home(target) for target in targets]
    if len(targets) == 1 and is_run(targets[0]):
        until = until if verbs == ("fit", "train", "search-recipe") else "report"
        _go_on(context, targets[0], verbs, _until_of(targets[0], until), added_to(context))
        return targets[0], None
    if len(targets) == 2:
        return targets[0], targets[1]
    known = targets[0] in zoo.BY_NAME
    remedy = f"; `sculptnet {context.info_name} {targets[0]} DATA` trains it on images" if known else ""
    if context.info_name == "train" and not known:
        remedy = "; `sculptnet fit DATA` searches a network for it"
    raise InvalidValue(f"expected NETWORK and DATA, or a run directory, got {' '.join(targets)}{remedy}")


def added_to(context: typer.Context) -> tuple[str, ...]:
    """What runs of this verb can still be given."""
    from sculptnet.options import ResumeOptions

    return tuple(field.name for field in typed_fields(ResumeOptions) if field.name in context.params)


def _until_of(folder: str, until: str) -> str:
    """How far `train RUN` goes: a search to its final training, a network that was given to its end."""
    from sculptnet.runs import RunDirectory

    return until if RunDirectory(Path(folder)).info().verb == "fit" else "report"


def _train_with(
    context: typer.Context,
    kind: Callable[..., Any],
    network: str,
    data: str,
    run: Callable[[Any], FitResult | DetectionResult],
) -> None:
    from sculptnet.verbs import check

    values, problems = values_of(kind, context)  # type: ignore[arg-type]
    with Console(context.params["as_json"]) as console:
        options = kind(**values, network=network, data=data, listener=_listening(console))
        if problems:
            check(options, problems)
        _finish(console, run(options))


@app.command()
@with_options(SpecializeOptions)
def specialize(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run that trained a supernet: fit --method ofa.")],
) -> None:
    """Cut networks for other devices from RUN.

    Without training unless it is asked for. Measures the device once, finds a network for each budget in seconds,
    measures it whole, exports it into RUN/specialized/DEVICE/BUDGET/model/. Exit code 3 if one is over its budget.
    """
    from sculptnet.verbs import run_specialize

    values, _ = values_of(SpecializeOptions, context)  # it has no settings
    with Console(context.params["as_json"]) as console:
        result = run_specialize(SpecializeOptions(**values, run=run, listener=_listening(console)))
        console.finish(result.summary(), result.to_json())
    if not result.within_budget:
        raise typer.Exit(OVER_BUDGET)


app.command()(measure)
app.command()(show)
app.command(name="devices")(list_devices)
app.command(name="zoo")(show_zoo)
app.command()(predict)


@app.callback(invoke_without_command=True)
def version(show_version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """Measure a device, search a ConvNet that fits it, train it, ship it."""
    if show_version:
        print(f"sculptnet {__version__}")
        raise typer.Exit
