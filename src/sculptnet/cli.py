"""The command line. It parses, calls the library, and prints; torch is imported by the verbs that need it.

Exit codes: 0 done, 1 something unforeseen, 2 the request cannot be served, 3 served but over budget, 130 interrupted.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from sculptnet import __version__
from sculptnet.cli_looking import list_devices, measure, predict, show, show_zoo
from sculptnet.cli_options import (
    AsJson,
    BeginningOptions,
    Budgets,
    Data,
    DetectorOptions,
    FineTuneEpochs,
    ImageOptions,
    JsonOption,
    Limits,
    NetworkOptions,
    OtherDevice,
    OtherPrecision,
    OtherThreads,
    RecipeOptions,
    SearchOptions,
    Table,
    names_of,
    refuse_beside_a_run,
    typed_in,
    values_of,
    with_options,
)
from sculptnet.console import INTERRUPTED, Console, print_anything
from sculptnet.errors import InvalidValue, SculptNetError, collected
from sculptnet.failures import failure_of
from sculptnet.files import AS_WRITTEN, at_home, reading

if TYPE_CHECKING:
    from sculptnet.flow.detection_run import DetectionResult
    from sculptnet.flow.network_request import NetworkRequest
    from sculptnet.flow.request import FitRequest
    from sculptnet.flow.result import FitResult

UNFORESEEN, BAD_REQUEST, OVER_BUDGET = 1, 2, 3

app = typer.Typer(
    name="sculptnet",
    help="Measure a device, search a ConvNet that fits it, train it, ship it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _flow_command(until: str) -> Callable[..., None]:
    """A verb that runs the flow up to the stage `until`; all of them share their options and the run directory."""

    def command(context: typer.Context, data: Data) -> None:
        _run_flow(_fit_request(context, data), until, context.params["as_json"])

    command.__doc__ = FLOW_HELP[until]
    return with_options(ImageOptions, SearchOptions, RecipeOptions, JsonOption)(command)


FLOW_HELP = {
    "search": "Measure the device and search; stops with trained finalists.",
    "export": "The flow up to the exported, measured model and its card.",
    "report": "From images, a device and a budget to a trained, exported, measured network and its report.",
}
for _verb, _until in (("fit", "report"), ("search", "search"), ("export", "export")):
    app.command(_verb)(_flow_command(_until))


@app.command()
@with_options(NetworkOptions, BeginningOptions, SearchOptions, JsonOption)
def train(
    context: typer.Context,
    targets: Annotated[
        list[str],
        typer.Argument(
            metavar="[NETWORK] DATA",
            help="NETWORK: a name of `sculptnet zoo`, an architecture file, or package.module:name.",
        ),
    ],
) -> None:
    """Train NETWORK on DATA, export and measure it; with DATA alone, the flow of `fit` up to the final training.

    A run directory in the place of DATA continues that run. With NETWORK nothing is searched: --method, --space,
    --table, --baselines, --limit, --start and --set of space and search do not apply, and --latency-ms is optional.
    """
    request = _network_request(context, targets)
    if request is None:
        _run_flow(_fit_request(context, targets[0]), "train", context.params["as_json"])
        return
    from sculptnet.flow.context import Voice
    from sculptnet.flow.network_run import run_network

    with Console(context.params["as_json"]) as console:
        _finish(console, run_network(request, Voice(console.say, console.progress, console.opened)))


def _fit_request(context: typer.Context, data: str) -> FitRequest:
    """The request of the options, or of the run directory that `data` is."""
    from sculptnet.flow.common_request import from_plain
    from sculptnet.flow.request import FitRequest, request_of_run

    typed, values = typed_in(context), values_of(context)
    data = at_home(data)
    apart = [option for option in typed if option in OF_NETWORKS]
    if apart:
        raise InvalidValue(f"{', '.join(apart)}: there is no NETWORK; `sculptnet train NETWORK DATA` takes it")
    if (Path(data) / "run.json").exists():
        refuse_beside_a_run(data, [option for option in typed if option not in ("--baselines", *ADDED)])
        added = {name: values[name] for option, name in ADDED.items() if option in typed}
        return request_of_run(Path(data), fresh=values["fresh"], baselines=values["baselines"], added=added)
    if values.get("from_run") is not None and "--method" not in typed:
        values["method"] = METHOD_OF_PREDICTORS
    if values.get("recipe_only") is not None and "--method" not in typed:
        values["method"] = METHOD_OF_RECIPES
    elif values["latency_ms"] is None and values.get("recipe_only") is None:
        named = "; a NETWORK to train stands before DATA (`sculptnet zoo` lists some)" if "pretrained" in values else ""
        raise InvalidValue(f"the budget is missing; give --latency-ms, the milliseconds one image may take{named}")
    return from_plain(FitRequest, {**values, "data": data})


def _network_request(context: typer.Context, targets: Sequence[str]) -> NetworkRequest | None:
    """The request to train one network, of the options or of a run directory; None where something is searched."""
    from sculptnet import zoo
    from sculptnet.flow.common_request import from_plain
    from sculptnet.flow.network_request import NetworkRequest, request_of_network_run

    typed, values = typed_in(context), values_of(context)
    targets = [at_home(target) for target in targets]
    if len(targets) == 1:
        if targets[0] in zoo.BY_NAME and not Path(targets[0]).exists():
            raise InvalidValue(f"{targets[0]} is a network; `sculptnet train {targets[0]} DATA` trains it on images")
        request = request_of_network_run(Path(targets[0]), fresh=values["fresh"])
        if request is not None:
            refuse_beside_a_run(targets[0], typed)
        return request
    problems = [f"{option} belongs to searches; leave it out" for option in typed if option in OF_SEARCHES]
    if len(targets) > 2:
        problems.append(f"expected NETWORK and DATA, got {len(targets)} arguments: {' '.join(targets)}")
    network, data = targets[:2]
    try:
        request = from_plain(NetworkRequest, {**values, "network": network, "data": data})
    except InvalidValue as error:
        raise InvalidValue("\n".join([*problems, str(error)])) from error
    if problems:
        raise InvalidValue(collected(problems, "train NETWORK DATA"))
    return request


METHOD_OF_RECIPES, METHOD_OF_PREDICTORS = "evolution", "fbnetv3"  # unless another is named
# what a run that was begun can be given: its network does not depend on it
ADDED = {"--workers": "workers", "--check-proxy": "check_proxy", "--proxy-networks": "proxy_networks"}
OF_SEARCHES, OF_NETWORKS = names_of(SearchOptions), names_of(BeginningOptions)


def _run_flow(request: FitRequest, until: str, as_json: bool) -> None:
    from sculptnet._fit import run_flow
    from sculptnet.flow.context import Voice
    from sculptnet.flow.stages import Stage

    with Console(as_json) as console:
        _finish(console, run_flow(request, Stage(until), Voice(console.say, console.progress, console.opened)))


def _tell(console: Console, result: FitResult | DetectionResult) -> None:
    """Prints the result; of a run that was finished before, it is what stands in its files."""
    with reading(f"model/card.json in {result.folder}", AS_WRITTEN):
        text, document = result.summary(), result.to_json()
    console.finish(text, document)


def _finish(console: Console, result: FitResult) -> None:
    _tell(console, result)
    if result.within_budget is False:
        raise typer.Exit(OVER_BUDGET)


@app.command(name="train-detector")
@with_options(DetectorOptions, BeginningOptions, JsonOption)
def train_detector(
    context: typer.Context,
    targets: Annotated[
        list[str],
        typer.Argument(
            metavar="[ARCH] DATA",
            help="ARCH: a name of `sculptnet zoo`, an architecture file, or a run that has shipped a model. DATA: a "
            "folder or .tar with VOC XML or COCO JSON; alone, a run directory to go on with.",
        ),
    ],
) -> None:
    """Train SSDLite with ARCH as its backbone on photographs with boxes, export and measure it.

    Weights beside an architecture are where training starts. --latency-ms is optional; exit code 3 if the detector,
    post-processing included, is over it.
    """
    from sculptnet.flow.common_request import from_plain
    from sculptnet.flow.context import Voice
    from sculptnet.flow.detection_request import DetectionRequest, request_of_detection_run
    from sculptnet.flow.detection_run import run_detection

    values = values_of(context)
    targets = [at_home(target) for target in targets]
    request = None if len(targets) > 1 else request_of_detection_run(Path(targets[0]), fresh=values["fresh"])
    if request is not None:
        refuse_beside_a_run(targets[0], typed_in(context))
    elif len(targets) != 2:
        raise InvalidValue(f"expected ARCH and DATA, or a detector's run directory, got {' '.join(targets)}")
    else:
        request = from_plain(DetectionRequest, {**values, "network": targets[0], "data": targets[1]})
    with Console(values["as_json"]) as console:
        result = run_detection(request, Voice(console.say, console.progress, console.opened))
        _tell(console, result)
    if result.within_budget is False:
        raise typer.Exit(OVER_BUDGET)


@app.command()
def specialize(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run that trained a supernet: fit --method ofa.")],
    latency_ms: Budgets = None,
    device: OtherDevice = None,
    threads: OtherThreads = None,
    precision: OtherPrecision = None,
    table: Table = None,
    limit: Limits = None,
    fine_tune_epochs: FineTuneEpochs = 0,
    as_json: AsJson = False,
) -> None:
    """Networks for other devices and budgets from a trained supernet, without training unless it is asked for.

    Measures the device once, finds a network for each budget in seconds, measures it whole, exports it into
    RUN/specialized/DEVICE/BUDGET/model/. Exit code 3 if one is over its budget.
    """
    from sculptnet.cost import Precision
    from sculptnet.flow.context import Voice
    from sculptnet.flow.specializing import SpecializeRequest, specialize_run

    chosen = None if precision is None else Precision(precision.value)
    limits = tuple(limit or ())
    wanted = (device, threads, chosen, table, limits, fine_tune_epochs)
    request = SpecializeRequest(at_home(run), tuple(latency_ms or ()), *wanted)
    with Console(as_json) as console:
        result = specialize_run(request, Voice(console.say, console.progress, console.opened))
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


def main() -> None:
    """The entry point: library errors become one message and exit code 2, all others one line and exit code 1."""
    signal.signal(signal.SIGINT, _interrupted)  # outside of long work, which saves first (`Console`)
    print_anything()
    app.rich_markup_mode = "rich" if sys.stderr.isatty() else None  # boxes of 80 columns are for people
    try:
        app()
    except (SculptNetError, OSError) as error:  # a full disk, for one
        _fail({"error": str(error), "kind": type(error).__name__}, f"Error: {error}", BAD_REQUEST)
    except SystemExit as stopped:
        _tell_misuse(stopped)
        raise
    except Exception as error:  # nobody foresaw it
        failure = failure_of(_command(), error)
        _fail(failure.document(), f"Error: {failure.line()}", UNFORESEEN)


def _interrupted(number: int, frame: FrameType | None) -> None:
    sys.exit(INTERRUPTED)


def _tell_misuse(stopped: SystemExit) -> None:
    """A command line that cannot be parsed is explained by Typer on standard error; here for machines."""
    explain = getattr(stopped.__context__, "format_message", None)
    if explain is not None and "--json" in sys.argv:
        print(json.dumps({"error": explain(), "kind": "UsageError"}))


def _command() -> str:
    """What was typed, without its arguments."""
    return " ".join(["sculptnet", *(word for word in sys.argv[1:] if not word.startswith("-"))][:2])


def _fail(document: Mapping[str, str | None], line: str, code: int) -> NoReturn:
    if "--json" in sys.argv:
        print(json.dumps(document))
    print(line, file=sys.stderr)
    sys.exit(code)
