"""Options in groups, each written once; `options` makes verbs of them. Nothing heavy is imported: help is quick."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sculptnet.files import printable
from sculptnet.listening import LOGGED, Listener
from sculptnet.option_fields import Options, above, at_least, inside, option, options
from sculptnet.precision import Precision

if TYPE_CHECKING:
    from sculptnet.arch import Architecture, Recipe, SearchSpace
    from sculptnet.data import ImageData
    from sculptnet.data.detection import BoxData
    from sculptnet.devices import Device
    from sculptnet.learn.detection import DetectorRecipe
    from sculptnet.method import Method, NamedMethod
    from sculptnet.nets.ssdlite import DetectorSettings
    from sculptnet.search import Limit
    from sculptnet.search.workers import Workers
    from sculptnet.spaces.named import SpaceSettings
    from sculptnet.zoo import Published


class TaskName(Enum):
    """What a network is to do."""

    CLASSIFY = "classify"
    DETECT = "detect"


class Accelerator(Enum):
    """What torch trains on; `AUTO` is CUDA where torch finds it."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


@options
class NetworkGroup(Options):
    """The network, where one is given."""

    network: Architecture | Published | Path | str = option(
        "NETWORK: a name of `sculptnet zoo`, an architecture file (.json), or package.module:name.", kw_only=False
    )


@options
class BeginningGroup(Options):
    """The first weights of a network that is given; without either, they are drawn from the seed."""

    pretrained: bool = option("Start from the network's published weights.", default=False, kind=bool)
    weights: Path | None = option(
        "Start from the network's weights in a .pth or .safetensors file.", default=None, kind=Path
    )


@options
class TeacherGroup(Options):
    """Who teaches, beside the labels."""

    teacher: Path | None = option(
        "Distil from the model of RUN, on the same classes: its soft labels count 0.8, or recipe.distillation.",
        default=None,
        kind=Path,
        metavar="RUN",
    )


@options
class SplitGroup(Options):
    """The test, where the data has none of its own."""

    test_fraction: float = option(
        "Part of the images kept for the test, where the data has none.", default=0.2, kind=float
    )

    def problems(self) -> list[str]:
        """The test's part."""
        return super().problems() + inside(self, 0, 1, "test_fraction")


@options
class DataGroup(SplitGroup):
    """Labelled images."""

    data: ImageData | Path | str = option(
        "A folder with one folder per class, a data set's name, package.module:name, or ImageData.",
        kw_only=False,
        metavar="DATA",
    )
    skip_broken: bool = option("Leave out files that are no images, instead of stopping.", default=False, kind=bool)
    root: Path | None = option("Where the files of a named data set are.", default=None, kind=Path)
    resolution: int | None = option(
        "Height and width of the network's input, pixels; by default those of small images, else 96 (224 with CUDA); "
        "of a given network its own, or those of small images if a network of the zoo starts from drawn weights, or, "
        "with a budget, the largest below that is measured to be within it.",
        default=None,
        kind=int,
    )

    def problems(self) -> list[str]:
        """The resolution."""
        return super().problems() + at_least(self, 8, "resolution")


@options
class BoxGroup(SplitGroup):
    """Photographs with boxes."""

    data: BoxData | Path | str = option(
        "A folder or .tar with VOC XML or COCO JSON, or BoxData.", kw_only=False, metavar="DATA"
    )


@options
class DetectorGroup(Options):
    """What a detector looks at, and for."""

    size: int = option("Height and width of a detector's input, pixels; a multiple of 32.", default=320, kind=int)
    detector: DetectorSettings | Mapping[str, object] | None = option(
        "What a detector looks for: a whole value, or what differs from the usual one.", default=None, kind=None
    )


@options
class DeviceGroup(Options):
    """The device."""

    device: Device | str = option(
        "What networks are measured on: a name of `sculptnet devices`, ssh://user@host, adb:SERIAL, or "
        "package.module:name.",
        default="onnxruntime",
    )
    threads: int = option("Threads that the device computes with.", default=1, kind=int)

    def problems(self) -> list[str]:
        """The threads."""
        return super().problems() + at_least(self, 1, "threads")


@options
class Target(DeviceGroup):
    """The budget, and the device that it is measured on."""

    latency_ms: float | None = option(
        "The budget: milliseconds for one image on the device. A search of networks needs it; it judges one that is "
        "given.",
        default=None,
        kw_only=False,
        kind=float,
    )

    def problems(self) -> list[str]:
        """The budget."""
        return super().problems() + above(self, 0, "latency_ms")


@options
class FileGroup(Options):
    """The exported file that a budget judges."""

    precision: Precision = option(
        "The exported file that the budget judges: fp32 or int8; both are shipped.",
        default=Precision.FP32,
        kind=Precision,
    )


@options
class AcceleratorGroup(Options):
    """What trains."""

    accelerator: Accelerator = option(
        "What torch trains on: auto, cpu, cuda.", default=Accelerator.AUTO, kind=Accelerator
    )


@options
class Effort(AcceleratorGroup):
    """How long it may take, and on what."""

    minutes: float = option(
        "How long the whole may take, about; what fits is planned once and printed, at most 400 epochs of a training.",
        default=60.0,
        kind=float,
    )

    def problems(self) -> list[str]:
        """The minutes."""
        return super().problems() + above(self, 0, "minutes")


@options
class ListenGroup(Options):
    """Whom the work talks to."""

    given: frozenset[str] = option("The names of the options that were given.", default=frozenset(), kind=None)
    listener: Listener = option(
        "Is told sentences and progress; by default the logger `sculptnet`, so that nothing prints.",
        default=LOGGED,
        kind=None,
    )


@options
class FreshGroup(Options):
    """What becomes of an earlier run."""

    fresh: bool = option("Start anew; what an earlier run left is removed.", default=False, kind=bool)


@options
class Place(FreshGroup, ListenGroup):
    """Where the run is kept, and its seed."""

    seed: int = option("Of everything that is drawn at random.", default=0, kind=int)
    run_dir: Path | None = option(
        "The folder of this run; by default one in `runs`, named after data and options.", default=None, kind=Path
    )
    runs: Path = option("Where runs without a folder of their own are kept.", default=Path("runs"), kind=Path)

    def problems(self) -> list[str]:
        """The place."""
        found, kept = super().problems(), str(self.run_dir or self.runs)
        if printable(kept) != kept:
            found.append(
                f"the run's folder {printable(kept)} is no UTF-8, and runtimes open no such files; give another "
                "`run_dir`"
            )
        return found


@options
class RunOptions(Place, Effort, Target):
    """Of every run: a budget, the time it may take, its place."""


@options
class WorkersGroup(Options):
    """Who trains trials."""

    workers: Workers | int | str = option(
        "Trials trained at once: local processes, or Ray. Results do not depend on it.",
        default=1,
        metavar="N|ray[:NAME=VALUE,...]",
    )


@options
class TrialGroup(WorkersGroup):
    """Trials: networks that a search trains briefly."""

    full_trials: int | None = option(
        "How many of the best are trained in full before one is chosen; 1 compares nothing again; by default the plan "
        "says.",
        default=None,
        kind=int,
        metavar="K",
    )

    def problems(self) -> list[str]:
        """The trials in full."""
        return super().problems() + at_least(self, 1, "full_trials")


@options
class LimitGroup(Options):
    """What else a network may cost, and a table that is there already."""

    limits: Sequence[Limit | str] = option(
        "The most of another cost: macs, parameters, conv_fc_weights, model_bytes, peak_activation_bytes, "
        "peak_memory_bytes or energy_mj; may be given several times.",
        default=(),
        metavar="NAME=VALUE",
        repeated=True,
        name="limit",
    )
    table: Path | None = option(
        "A latency table of this device and space, measured before; checked on 3 networks.", default=None, kind=Path
    )


PROXY_NETWORKS, FEWEST_COMPARED = 6, 4  # networks, of a rank correlation


@options
class ComparisonGroup(Options):
    """What else is trained, to compare with."""

    baselines: bool = option(
        "Also train MobileNetV2 and a random network of about the same latency.", default=False, kind=bool
    )
    check_proxy: bool = option("Compare trials with longer training: the ranks' correlation.", default=False, kind=bool)
    proxy_networks: int = option("How many networks `check_proxy` compares.", default=PROXY_NETWORKS, kind=int)

    def problems(self) -> list[str]:
        """The networks of the proxy check."""
        few = at_least(self, FEWEST_COMPARED, "proxy_networks")
        found = super().problems() + [f"{one}; fewer have no ranks to speak of" for one in few]
        if not self.check_proxy and self.proxy_networks != PROXY_NETWORKS:
            found.append(f"`proxy_networks` {self.proxy_networks} is for `check_proxy`; give both, or none")
        return found


@options
class FreeGroup(ComparisonGroup, WorkersGroup, AcceleratorGroup):
    """What a run that was begun can still be given: what it asks of the search and of its plan stays the same."""


@options
class SearchGroup(ComparisonGroup, LimitGroup):
    """How and where to search."""

    method: Method[Any] | type[Method[Any]] | NamedMethod | str | None = option(
        "How to search: fbnet, fbnetv2, fbnetv3, mnasnet, ofa, carve, random, evolution, nsga2, optuna, or "
        "package.module:name; by default fbnet.",
        default=None,
    )
    space: SearchSpace | Callable[..., SearchSpace] | SpaceSettings | str | None = option(
        "What is open: fbnet, fbnetv2, fbnetv3, mnasnet, ofa_mobilenet_v3, ofa_proxyless, ofa_resnet50, "
        "nas_bench_macro, or package.module:name; by default the method's.",
        default=None,
    )
    start: Path | str | None = option(
        "Of methods ofa and carve: the trained network that the space is opened around, of the zoo, or the folder "
        "RUN/model.",
        default=None,
        metavar="NAME|NAME=FILE|FOLDER",
    )
    from_run: Path | None = option(
        "Search for this budget and device with the predictor that RUN (method fbnetv3, here by default) has learned.",
        default=None,
        kind=Path,
        metavar="RUN",
    )


@options
class RecipeGroup(Options):
    """How networks are trained."""

    recipe: Recipe | DetectorRecipe | Mapping[str, object] | None = option(
        "How networks are trained: a whole recipe, epochs included; or what differs from the usual one, by dotted "
        "names, such as {'optimizer.learning_rate': 0.05}.",
        default=None,
        kind=None,
    )
