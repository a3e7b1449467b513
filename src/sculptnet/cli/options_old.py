"""The options of the command line, each once: verbs that share an option share its name, its type and its help."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeAlias, get_type_hints

import typer

from sculptnet.errors import InvalidValue


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
Latency: TypeAlias = Annotated[
    float | None, typer.Option("--latency-ms", help="The budget: milliseconds for one image on the device.")
]
DeviceName: TypeAlias = Annotated[
    str,
    typer.Option(
        "--device",
        help="What networks are measured on: a name of `sculptnet devices`, ssh://user@host, adb:SERIAL, or "
        "package.module:name.",
    ),
]
Threads: TypeAlias = Annotated[int, typer.Option("--threads", help="Threads that the device computes with.")]
Precisions: TypeAlias = Annotated[
    PrecisionName, typer.Option("--precision", help="The exported file that the budget judges.")
]
MethodName: TypeAlias = Annotated[
    str,
    typer.Option(
        "--method",
        help="How to search: fbnet, fbnetv2, fbnetv3, mnasnet, ofa, random, evolution, optuna, or package.module:name.",
    ),
]
SpaceName: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--space",
        help="What is open: fbnet, fbnetv2, fbnetv3, mnasnet, ofa_mobilenet_v3, ofa_proxyless, ofa_resnet50, "
        "nas_bench_macro, or package.module:name; by default the method's.",
    ),
]
Resolution: TypeAlias = Annotated[
    int | None,
    typer.Option("--resolution", help="Height and width of the network's input, pixels; by default from the data."),
]
NetworkResolution: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--resolution",
        help="Pixels; by default the network's own, or those of small images if a network of the zoo starts from "
        "drawn weights.",
    ),
]
Pretrained: TypeAlias = Annotated[
    bool, typer.Option("--pretrained", help="Start from the network's published weights.")
]
Weights: TypeAlias = Annotated[
    Path | None, typer.Option("--weights", help="Start from the network's weights in a .pth or .safetensors file.")
]
Minutes: TypeAlias = Annotated[
    float, typer.Option("--minutes", help="How long the whole may take, about; what fits is planned once and printed.")
]
Seed: TypeAlias = Annotated[int, typer.Option("--seed", help="Of everything that is drawn at random.")]
Set: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="GROUP.NAME=VALUE",
        help="A setting of space, search or recipe; `sculptnet show settings` lists all.",
    ),
]
SetDetector: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="GROUP.NAME=VALUE",
        help="A setting of recipe or detector; `sculptnet show detector-settings` lists all.",
    ),
]
DetectorSize: TypeAlias = Annotated[
    int, typer.Option("--size", help="Height and width of the detector's input, pixels; a multiple of 32.")
]
Table: TypeAlias = Annotated[
    Path | None,
    typer.Option("--table", help="A latency table of this device and space, measured before; checked on 3 networks."),
]
Accelerator: TypeAlias = Annotated[str, typer.Option("--accelerator", help="What torch trains on: auto, cpu, cuda.")]
Root: TypeAlias = Annotated[Path | None, typer.Option("--root", help="Where the files of a named data set are.")]
RunDir: TypeAlias = Annotated[
    Path | None,
    typer.Option("--run-dir", help="The folder of this run; by default one in --runs, named after data and options."),
]
Runs: TypeAlias = Annotated[Path, typer.Option("--runs", help="Where runs without --run-dir are kept.")]
Fresh: TypeAlias = Annotated[bool, typer.Option("--fresh", help="Start anew; what an earlier run left is removed.")]
Baselines: TypeAlias = Annotated[
    bool, typer.Option("--baselines", help="Also train MobileNetV2 and a random network of about the same latency.")
]
Limits: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--limit",
        metavar="NAME=VALUE",
        help="The most of another cost: macs, parameters, conv_fc_weights, model_bytes, peak_activation_bytes, "
        "peak_memory_bytes or energy_mj; may be given several times.",
    ),
]
Start: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--start",
        metavar="NAME|NAME=FILE|FOLDER",
        help="Only with --method ofa: the trained network that the space is opened around, of the zoo, or the folder "
        "RUN/model.",
    ),
]
Workers: TypeAlias = Annotated[
    str,
    typer.Option(
        "--workers", metavar="N|ray[:NAME=VALUE,...]", help="Trials trained at once: local processes, or Ray."
    ),
]
CheckProxy: TypeAlias = Annotated[
    bool, typer.Option("--check-proxy", help="Compare trials with longer training: the ranks' correlation.")
]
ProxyNetworks: TypeAlias = Annotated[
    int, typer.Option("--proxy-networks", help="How many networks --check-proxy compares.")
]
FullTrials: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--full-trials",
        metavar="K",
        help="How many of the best are trained in full before one is chosen; by default the plan says.",
    ),
]
RecipeOnly: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--recipe-only",
        metavar="NETWORK",
        help="Search only how NETWORK (as `train` takes it) is trained; needs no budget. --method is evolution by "
        "default then.",
    ),
]
FromRun: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--from-run",
        metavar="RUN",
        help="Search for this budget and device with the predictor that RUN (--method fbnetv3, here by default) has "
        "learned.",
    ),
]
SkipBroken: TypeAlias = Annotated[bool, typer.Option("--skip-broken", help="Leave out files that are no images.")]
TestFraction: TypeAlias = Annotated[
    float, typer.Option("--test-fraction", help="Part of the images kept for the test, where the data has none.")
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="One JSON document on standard output, of errors too.")]
Budgets: TypeAlias = Annotated[
    list[float] | None,
    typer.Option("--latency-ms", help="A budget, milliseconds per image; may be given several times."),
]
OtherDevice: TypeAlias = Annotated[
    str | None,
    typer.Option("--device", help="A runtime, ssh://user@host, adb:SERIAL; by default the device of RUN."),
]
OtherThreads: TypeAlias = Annotated[
    int | None, typer.Option("--threads", help="Threads that the device computes with; by default those of RUN.")
]
OtherPrecision: TypeAlias = Annotated[
    PrecisionName | None,
    typer.Option("--precision", help="The exported file that the budget judges; by default that of RUN."),
]


FineTuneEpochs: TypeAlias = Annotated[
    int, typer.Option("--fine-tune-epochs", help="Epochs that each network is trained on before it is exported.")
]


# What a verb takes: the attributes of these classes, in this order, with their defaults.
class RunOptions:
    """Of every run."""

    latency_ms: Latency = None
    device: DeviceName = "onnxruntime"
    threads: Threads = 1
    minutes: Minutes = 60.0
    seed: Seed = 0
    set_: Set = None
    test_fraction: TestFraction = 0.2
    accelerator: Accelerator = "auto"
    run_dir: RunDir = None
    runs: Runs = Path("runs")
    fresh: Fresh = False


class ImageOptions(RunOptions):
    """Of runs that classify images."""

    resolution: Resolution = None
    precision: Precisions = PrecisionName.fp32
    skip_broken: SkipBroken = False
    root: Root = None


class SearchOptions:
    """Of searches."""

    method: MethodName = "fbnet"
    space: SpaceName = None
    limit: Limits = None
    table: Table = None
    start: Start = None
    baselines: Baselines = False
    workers: Workers = "1"
    full_trials: FullTrials = None
    from_run: FromRun = None
    check_proxy: CheckProxy = False
    proxy_networks: ProxyNetworks = 6


class RecipeOptions:
    """Of searches that may search recipes alone."""

    recipe_only: RecipeOnly = None


class BeginningOptions:
    """Of networks that are given."""

    pretrained: Pretrained = False
    weights: Weights = None


class NetworkOptions(ImageOptions):
    """Of one network on images."""

    resolution: NetworkResolution = None


class DetectorOptions(RunOptions):
    """Of a detector."""

    size: DetectorSize = 320
    set_: SetDetector = None


class JsonOption:
    """Of every verb."""

    as_json: AsJson = False


def with_options(*groups: type) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a verb the options of `groups` beside its own arguments; it reads them with `values_of`.

    Typer knows options by a function's signature, which this writes.
    """

    def decorate(verb: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(verb, eval_str=True).parameters
        options = {
            name: inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=getattr(group, name), annotation=kind)
            for group in groups
            for name, kind in get_type_hints(group, include_extras=True).items()
        }

        @functools.wraps(verb)
        def command(**values: Any) -> None:
            verb(**{name: values[name] for name in own})

        command.__signature__ = inspect.Signature([*own.values(), *options.values()])  # type: ignore[attr-defined]
        return command

    return decorate


def names_of(group: type) -> list[str]:
    """The options of a group as they are typed."""
    return [f"--{name.replace('_', '-')}" for name in get_type_hints(group)]


def values_of(context: typer.Job) -> dict[str, Any]:
    """The options by the names that requests have for them."""
    params = context.params
    return {**params, "settings": params["set_"] or (), "limits": params.get("limit") or ()}


def typed_in(context: typer.Job) -> list[str]:
    """The options that were typed, even if with their defaults."""
    options = [parameter for parameter in context.command.params if parameter.param_type_name == "option"]
    sources = {option.opts[0]: context.get_parameter_source(option.name or "") for option in options}
    return [name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"]


def refuse_beside_a_run(folder: str, typed: Sequence[str]) -> None:
    """A run directory has its options already.

    Raises:
        InvalidValue: options were typed beside it.
    """
    extra = [option for option in typed if option not in ("--fresh", "--json")]
    if extra:
        raise InvalidValue(
            f"{folder} is a run directory and has its options already; leave out {', '.join(extra)}, or name the data "
            "for another run"
        )
