"""The options of `measure`, which begins no run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sculptnet.option_fields import option, options
from sculptnet.option_groups import DeviceGroup
from sculptnet.precision import Precision

if TYPE_CHECKING:
    from sculptnet.spaces.named import SpaceSettings


@options
class MeasureOptions(DeviceGroup):
    """Of `measure`: a table of a space, or the time of one network."""

    resolution: int | None = option(
        "Height and width of the input, pixels; by default 224 for a space, a network's own. Needed for an .onnx file "
        "that leaves them open.",
        default=None,
        kind=int,
    )
    precision: Precision = option(
        "What is measured: networks in fp32, or quantised to int8.", default=Precision.FP32, kind=Precision
    )
    num_classes: int = option(
        "Classes of the space's networks; for `fit --table` those of the data.", default=1000, kind=int
    )
    space: SpaceSettings | None = option("Settings of the space, as they are typed.", default=None, kind=None)
    seed: int = option("Of everything that is drawn at random.", default=0, kind=int)
    out: Path | None = option("A file for the table, or for the time of one network; JSON.", default=None, kind=Path)
    bundle: Path | None = option(
        "Write a zip file that measures the table on a machine out of reach.", default=None, kind=Path
    )
    from_bundle: Path | None = option(
        "Read what a bundle measured; the other options are those of the bundle.", default=None, kind=Path
    )
    energy: bool = option(
        "Of one network: millijoules an inference too, where the processor counts them.", default=False, kind=bool
    )
