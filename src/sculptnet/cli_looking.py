"""Verbs of the command line that look and measure, and change no run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sculptnet.cli_options import (
    AsJson,
    DeviceName,
    MethodName,
    PrecisionName,
    Seed,
    SpaceName,
    Threads,
)
from sculptnet.console import Console
from sculptnet.files import at_home


def measure(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="A space (`measure fbnet` makes a table), a name of `sculptnet zoo`, an architecture file (.json) or "
            "an .onnx file.",
        ),
    ],
    device: DeviceName = "onnxruntime",
    threads: Threads = 1,
    precision: Annotated[
        PrecisionName, typer.Option("--precision", help="Which kind of exported file is measured.")
    ] = PrecisionName.fp32,
    resolution: Annotated[
        int | None,
        typer.Option(
            "--resolution",
            help="Height and width of the input, pixels; by default 224 for a space, a network's own. Needed for an "
            ".onnx file that leaves them open.",
        ),
    ] = None,
    num_classes: Annotated[
        int, typer.Option("--num-classes", help="Classes of the space's networks; for `fit --table` those of the data.")
    ] = 1000,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="space.NAME=VALUE", help="A setting of the space; `sculptnet show settings` lists all."
        ),
    ] = None,
    seed: Seed = 0,
    out: Annotated[
        Path | None, typer.Option("--out", help="A file for the table, or for the time of one network; JSON.")
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option("--bundle", help="Write a zip file that measures the table on a machine out of reach."),
    ] = None,
    from_bundle: Annotated[
        Path | None,
        typer.Option("--from-bundle", help="Read what a bundle measured; the other options are those of the bundle."),
    ] = None,
    energy: Annotated[
        bool,
        typer.Option("--energy", help="Of one network: millijoules an inference too, where the processor counts them."),
    ] = False,
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
            voice=Voice(console.say, console.progress, console.opened),
            elsewhere=Elsewhere(*map(_home, (bundle, from_bundle))) if bundle or from_bundle else None,
            energy=energy,
        )
        console.finish(text, document)


def show(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="`settings`, `detector-settings`, a run directory, or a table or architecture file.",
        ),
    ],
    method: MethodName = "fbnet",
    space: SpaceName = None,
    as_json: AsJson = False,
) -> None:
    """Show all settings, a run, a latency table, or an architecture."""
    from sculptnet.flow.showing import show_detector_settings, show_settings, show_target

    with Console(as_json) as console:
        if target == "settings":
            console.finish(*show_settings(method, space))
        elif target == "detector-settings":
            console.finish(*show_detector_settings())
        else:
            console.finish(*show_target(Path(target)))


def list_devices(as_json: AsJson = False) -> None:
    """List the devices that networks can be measured on here."""
    from sculptnet.flow.showing import describe_devices

    with Console(as_json) as console:
        console.finish(*describe_devices())


def show_zoo(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One network; without a name, all.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the published networks, or draw one layer by layer."""
    from sculptnet.flow.catalogue import list_zoo, show_published

    with Console(as_json) as console:
        console.finish(*(list_zoo(console.progress) if name is None else show_published(name)))


def predict(
    model: Annotated[
        Path,
        typer.Argument(metavar="MODEL", help="An exported .onnx file, or the folder of a run that has shipped one."),
    ],
    photos: Annotated[list[Path], typer.Argument(metavar="PHOTO...", help="Image files.")],
    as_json: AsJson = False,
) -> None:
    """Classify photographs with an exported model, or find objects in them with a detector."""
    from sculptnet.flow.showing import predict_photos

    with Console(as_json) as console:
        console.finish(*predict_photos(model, photos))


def _home(path: Path | None) -> Path | None:
    return None if path is None else at_home(path)
