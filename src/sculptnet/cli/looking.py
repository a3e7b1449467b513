"""Verbs of the command line that look and measure, and change no run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sculptnet.cli.console import Console
from sculptnet.cli.measure_options import MeasureOptions
from sculptnet.cli.typed import AsJson, values_of, with_options
from sculptnet.listening import Listener


@with_options(MeasureOptions)
def measure(
    context: typer.Context,
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="A space (`measure fbnet` makes a table) or package.module:name of one, a name of `sculptnet zoo`, an "
            "architecture file (.json) or an .onnx file.",
        ),
    ],
) -> None:
    """Measure a latency table of a space, or one network."""
    from sculptnet.cli.measuring_alone import measure_target

    values, problems = values_of(MeasureOptions, context)
    with Console(context.params["as_json"]) as console:
        options = MeasureOptions(**values)
        listener = Listener(console.say, console.progress, console.opened)
        console.finish(*measure_target(target, options, listener, problems=problems))


def show(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="`settings`, `detector-settings`, a run directory, or a table or architecture file.",
        ),
    ],
    method: Annotated[str | None, typer.Option("--method", help="Whose settings; by default fbnet's.")] = None,
    space: Annotated[str | None, typer.Option("--space", help="Whose settings; by default the method's.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show settings, a run, a table, an architecture."""
    from sculptnet.cli.showing import show_detector_settings, show_settings, show_target

    with Console(as_json) as console:
        if target == "settings":
            console.finish(*show_settings(method, space))
        elif target == "detector-settings":
            console.finish(*show_detector_settings())
        else:
            console.finish(*show_target(Path(target)))


def list_devices(as_json: AsJson = False) -> None:
    """List the devices that networks can be measured on here."""
    from sculptnet.cli.showing import describe_devices

    with Console(as_json) as console:
        console.finish(*describe_devices())


def show_zoo(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One network; without a name, all.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the published networks, or draw one layer by layer."""
    from sculptnet.cli.catalogue import list_zoo, show_published

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
    """Classify photographs with a model.

    A detector finds objects in them.
    """
    from sculptnet.cli.showing import predict_photos

    with Console(as_json) as console:
        console.finish(*predict_photos(model, photos))
