"""The command line. It parses, calls the library, and prints; torch is imported by the verbs that need it.

Exit codes: 0 done, 2 the request cannot be served, 3 served but over budget, 130 interrupted.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from sculptnet import __version__
from sculptnet.console import INTERRUPTED, Console
from sculptnet.errors import InvalidValue, SculptNetError

if TYPE_CHECKING:
    from sculptnet.flow.request import FitRequest

BAD_REQUEST, OVER_BUDGET = 2, 3

app = typer.Typer(
    name="sculptnet",
    help="Measure a device, search a ConvNet that fits it, train it, ship it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class PrecisionName(StrEnum):
    """Which exported file the budget judges."""

    fp32 = "fp32"
    int8 = "int8"


Data: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="A folder with one folder per class, a data set's name, package.module:name, or a run directory.",
    ),
]
Latency: TypeAlias = Annotated[float | None, typer.Option("--latency-ms", help="The budget: milliseconds per image.")]
DeviceName: TypeAlias = Annotated[
    str, typer.Option("--device", help="What the network is measured on: a runtime, ssh://user@host, adb:SERIAL.")
]
Threads: TypeAlias = Annotated[int, typer.Option("--threads", help="The device's threads.")]
Precisions: TypeAlias = Annotated[PrecisionName, typer.Option("--precision", help="The file that the budget judges.")]
MethodName: TypeAlias = Annotated[
    str, typer.Option("--method", help="fbnet, random, evolution, or package.module:name.")
]
SpaceName: TypeAlias = Annotated[str, typer.Option("--space", help="fbnet, or package.module:name.")]
Resolution: TypeAlias = Annotated[int | None, typer.Option("--resolution", help="Pixels; by default from the data.")]
Minutes: TypeAlias = Annotated[float, typer.Option("--minutes", help="Bounds the whole; turned into a plan once.")]
Seed: TypeAlias = Annotated[int, typer.Option("--seed", help="Of everything.")]
Set: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="GROUP.NAME=VALUE",
        help="A setting of space, search or recipe; `sculptnet show settings` lists all.",
    ),
]
Table: TypeAlias = Annotated[Path | None, typer.Option("--table", help="A latency table measured before; re-checked.")]
Accelerator: TypeAlias = Annotated[str, typer.Option("--accelerator", help="What torch trains on: auto, cpu, cuda.")]
Root: TypeAlias = Annotated[Path | None, typer.Option("--root", help="Where the files of a named data set are.")]
RunDir: TypeAlias = Annotated[Path | None, typer.Option("--run-dir", help="Where the run is kept.")]
Runs: TypeAlias = Annotated[Path, typer.Option("--runs", help="The folder of runs without a name.")]
Fresh: TypeAlias = Annotated[bool, typer.Option("--fresh", help="Start anew; what an earlier run left is removed.")]
Baselines: TypeAlias = Annotated[bool, typer.Option("--baselines", help="Train comparisons at the same latency too.")]
SkipBroken: TypeAlias = Annotated[bool, typer.Option("--skip-broken", help="Leave out files that are no images.")]
TestFraction: TypeAlias = Annotated[float, typer.Option("--test-fraction", help="Where the data has no test part.")]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]


def _flow_command(until: str) -> Callable[..., None]:
    """A verb that runs the flow up to the stage `until`; all of them share their options and the run directory."""

    def command(
        data: Data,
        latency_ms: Latency = None,
        device: DeviceName = "onnxruntime",
        threads: Threads = 1,
        precision: Precisions = PrecisionName.fp32,
        method: MethodName = "fbnet",
        space: SpaceName = "fbnet",
        resolution: Resolution = None,
        minutes: Minutes = 60.0,
        seed: Seed = 0,
        set_: Set = None,
        table: Table = None,
        accelerator: Accelerator = "auto",
        root: Root = None,
        run_dir: RunDir = None,
        runs: Runs = Path("runs"),
        fresh: Fresh = False,
        baselines: Baselines = False,
        skip_broken: SkipBroken = False,
        test_fraction: TestFraction = 0.2,
        as_json: AsJson = False,
    ) -> None:
        options = {
            "latency_ms": latency_ms,
            "device": device,
            "threads": threads,
            "precision": precision.value,
            "method": method,
            "space": space,
            "resolution": resolution,
            "minutes": minutes,
            "seed": seed,
            "settings": tuple(set_ or ()),
            "table": table,
            "skip_broken": skip_broken,
            "test_fraction": test_fraction,
            "accelerator": accelerator,
            "root": root,
            "run_dir": run_dir,
            "runs": runs,
        }
        _run_flow(_request(data, options, baselines, fresh), until, as_json)

    command.__doc__ = FLOW_HELP[until]
    return command


FLOW_HELP = {
    "search": "Measure the device and search; stops with trained finalists.",
    "train": "The flow up to the final training of the best finalist.",
    "export": "The flow up to the exported, measured model and its card.",
    "report": "From images, a device and a budget to a trained, exported, measured network and its report.",
}


def _request(data: str, options: Mapping[str, Any], baselines: bool, fresh: bool) -> FitRequest:
    """The request of the options, or of the run directory that `data` is."""
    from sculptnet.cost import Precision
    from sculptnet.flow.request import FitRequest, options_beside_a_run, request_of_run

    if (Path(data) / "run.json").exists():
        extra = options_beside_a_run(options)
        if extra:
            raise InvalidValue(
                f"{data} is a run directory and has its options already; leave out {', '.join(extra)}, or name "
                "the data for another run"
            )
        return request_of_run(Path(data), fresh=fresh, baselines=baselines)
    if options["latency_ms"] is None:
        raise InvalidValue("the budget is missing; give --latency-ms, the milliseconds one image may take")
    precision = Precision(options["precision"])
    return FitRequest(**{**options, "data": data, "precision": precision, "baselines": baselines, "fresh": fresh})


def _run_flow(request: FitRequest, until: str, as_json: bool) -> None:
    from sculptnet._fit import run_flow
    from sculptnet.flow.context import Voice
    from sculptnet.flow.stages import Stage

    with Console(as_json) as console:
        result = run_flow(request, Stage(until), Voice(console.say, console.progress))
        console.finish(result.summary(), result.to_json())
    if result.within_budget is False:
        raise typer.Exit(OVER_BUDGET)


for _verb, _until in (("fit", "report"), ("search", "search"), ("train", "train"), ("export", "export")):
    app.command(_verb)(_flow_command(_until))


@app.command()
def measure(
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="A space, a zoo name, an architecture file or .onnx.")
    ],
    device: DeviceName = "onnxruntime",
    threads: Threads = 1,
    precision: Precisions = PrecisionName.fp32,
    resolution: Resolution = None,
    num_classes: Annotated[int, typer.Option("--num-classes", help="Logits of the space's networks.")] = 1000,
    set_: Set = None,
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option("--out", help="Where the table goes.")] = None,
    bundle: Annotated[
        Path | None, typer.Option("--bundle", help="Write a zip file that measures the table on another machine.")
    ] = None,
    from_bundle: Annotated[
        Path | None, typer.Option("--from-bundle", help="Read what a bundle measured; with the bundle's options.")
    ] = None,
    energy: Annotated[bool, typer.Option("--energy", help="Of one network: millijoules too, from RAPL.")] = False,
    as_json: AsJson = False,
) -> None:
    """Measure a latency table of a space, or one network."""
    from sculptnet.cost import Precision
    from sculptnet.flow.context import Voice
    from sculptnet.flow.measuring_alone import Elsewhere, measure_target

    with Console(as_json) as console:
        text, document = measure_target(
            target,
            device=device,
            threads=threads,
            precision=Precision(precision.value),
            resolution=resolution,
            num_classes=num_classes,
            settings=tuple(set_ or ()),
            seed=seed,
            out=out,
            voice=Voice(console.say, console.progress),
            elsewhere=Elsewhere(bundle, from_bundle) if bundle or from_bundle else None,
            energy=energy,
        )
        console.finish(text, document)


@app.command()
def show(
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="`settings`, a run directory, or a table or architecture file.")
    ],
    method: MethodName = "fbnet",
    space: SpaceName = "fbnet",
    as_json: AsJson = False,
) -> None:
    """Show all settings, a run, a latency table, or an architecture."""
    from sculptnet.flow.showing import show_settings, show_target

    with Console(as_json) as console:
        text, document = show_settings(method, space) if target == "settings" else show_target(Path(target))
        console.finish(text, document)


@app.command(name="devices")
def list_devices(as_json: AsJson = False) -> None:
    """List the devices that networks can be measured on here."""
    from sculptnet.flow.showing import describe_devices

    with Console(as_json) as console:
        console.finish(*describe_devices())


@app.command(name="zoo")
def show_zoo(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One network; without a name, all.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the published networks, or draw one layer by layer."""
    from sculptnet.flow.catalogue import list_zoo, show_published

    with Console(as_json) as console:
        console.finish(*(list_zoo(console.progress) if name is None else show_published(name)))


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="An exported .onnx file.")],
    photos: Annotated[list[Path], typer.Argument(metavar="PHOTO...", help="Image files.")],
    as_json: AsJson = False,
) -> None:
    """Classify photographs with an exported model."""
    from sculptnet.flow.showing import predict_photos

    with Console(as_json) as console:
        console.finish(*predict_photos(model, photos))


@app.callback(invoke_without_command=True)
def version(show_version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """Measure a device, search a ConvNet that fits it, train it, ship it."""
    if show_version:
        print(f"sculptnet {__version__}")
        raise typer.Exit


def main() -> None:
    """The entry point: library errors become one message and exit code 2."""
    signal.signal(signal.SIGINT, _interrupted)  # outside of long work, which saves first (`Console`)
    try:
        app()
    except (SculptNetError, OSError) as error:  # a full disk, for one
        _fail(error)


def _interrupted(number: int, frame: FrameType | None) -> None:
    sys.exit(INTERRUPTED)


def _fail(error: Exception) -> None:
    if "--json" in sys.argv:
        print(json.dumps({"error": str(error), "kind": type(error).__name__}))
    print(f"Error: {error}", file=sys.stderr)
    sys.exit(BAD_REQUEST)
