"""What a user asks for who wants a detector: a network, photographs with boxes, and what training may take."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from sculptnet import blocks, settings, zoo
from sculptnet.arch import architecture_from_json
from sculptnet.devices import open_device
from sculptnet.errors import InvalidValue, SculptNetError, collected
from sculptnet.files import read_json
from sculptnet.named import find
from sculptnet.nets.ssdlite import size_problems, stride_problems
from sculptnet.runs import RunDirectory
from sculptnet.train.detection import DetectorRecipe
from sculptnet.zoo import Published

SETTING_GROUPS = ("recipe", "detector")
ARCHITECTURE, WEIGHTS = "architecture.json", "weights.safetensors"  # as runs ship them
PATHS = ("weights", "run_dir", "runs")
VERB = "train-detector"


@dataclass(frozen=True)
class DetectorSettings:
    """What `--set detector.NAME=VALUE` changes; see `SsdLite`. None: fitted to the training objects."""

    smallest: float | None = None
    largest: float | None = None
    score_threshold: float = 0.02
    overlap: float = 0.5
    most_boxes: int = 100


@dataclass(frozen=True)
class DetectionRequest:
    """A network, photographs with boxes, and everything else; a budget, if there is one, only judges the detector.

    Attributes:
        network: a name of `zoo.BY_NAME`, an architecture file (.json), the folder of a run or of a model as runs ship
            it, or `package.module:name` of a `Published`. Weights beside an architecture are taken.
        data: a folder or a .tar archive with VOC XML or COCO JSON.
        pretrained: start from the published weights of the network, see `zoo.load`.
        weights: start from those of a file.
        latency_ms: the most that one photograph may take on the device, post-processing included, milliseconds.
        size: height and width of the input, pixels, a multiple of 32.
        device, threads: what the detector is measured on.
        minutes: bounds the whole.
        seed: of everything.
        settings: `recipe.NAME=VALUE` and `detector.NAME=VALUE`.
        test_fraction: of the photographs, where the data has no splits.
        accelerator: what torch trains on: `cpu`, `cuda` or `auto`.
        run_dir: where everything is kept; by default a name under `runs` made from this request and the data.
        runs: the folder of unnamed runs.
        fresh: start anew.
    """

    network: str
    data: str
    pretrained: bool = False
    weights: Path | None = None
    latency_ms: float | None = None
    size: int = 320
    device: str = "onnxruntime"
    threads: int = 1
    minutes: float = 60.0
    seed: int = 0
    settings: tuple[str, ...] = ()
    test_fraction: float = 0.2
    accelerator: str = "auto"
    run_dir: Path | None = None
    runs: Path = Path("runs")
    fresh: bool = False

    def __post_init__(self) -> None:
        problems = [f"--size: {problem}" for problem in size_problems(self.size)]
        if self.latency_ms is not None and not (self.latency_ms > 0 and math.isfinite(self.latency_ms)):
            problems.append(f"the budget must be above 0 ms, got {self.latency_ms:g}; give --latency-ms")
        if not (self.minutes > 0 and math.isfinite(self.minutes)):
            problems.append(f"--minutes must be above 0, got {self.minutes:g}")
        if not 0 < self.test_fraction < 1:
            problems.append(f"--test-fraction must lie between 0 and 1, got {self.test_fraction:g}")
        if self.accelerator not in ("auto", "cpu", "cuda"):
            problems.append(f"--accelerator must be auto, cpu or cuda, got {self.accelerator!r}")
        for check in (self._check_device, self._check_network, self._check_weights, self.recipe, self.chosen):
            try:
                check()
            except SculptNetError as error:
                problems.append(str(error))
        if problems:
            raise InvalidValue(collected(problems, "The request"))

    def _check_device(self) -> None:
        open_device(self.device, self.threads)

    def _check_network(self) -> None:
        problems = stride_problems(self.published().architecture)
        if problems:
            raise InvalidValue(f"{self.network}: {problems[0]}")

    def _check_weights(self) -> None:
        if self.pretrained and self.weights is not None:
            raise InvalidValue(f"--pretrained and --weights {self.weights} are two beginnings; give one of them")
        if self.pretrained and self._file() is not None:
            raise InvalidValue(
                f"--pretrained: {self.network} is a file, and nobody publishes its weights; leave it out"
            )
        if self.weights is not None and not self.weights.is_file():
            raise InvalidValue(f"--weights {self.weights} does not exist; give a .safetensors or .pth file")

    def _file(self) -> Path | None:
        """The architecture file, where the network is none by name."""
        path = Path(self.network)
        if self.network in zoo.BY_NAME or (":" in self.network and not path.exists()):
            return None
        if path.is_dir():
            model = RunDirectory(path).model if RunDirectory(path).exists() else path
            return model / ARCHITECTURE
        return path if path.suffix == ".json" else None

    def published(self) -> Published:
        """The network, as it was published or as the file has it.

        Raises:
            InvalidValue: there is none; near misses are suggested.
        """
        file = self._file()
        if file is None:
            return find(self.network, zoo.BY_NAME, "network")
        if not file.is_file():
            raise InvalidValue(
                f"ARCH {self.network}: {file} does not exist; name a network of `sculptnet zoo`, an architecture file "
                "or a run that has shipped a model"
            )
        architecture = architecture_from_json(read_json(file), blocks.ALL)
        return Published(self.network, architecture, "an architecture file", None, None, "nothing is stated")

    def beginning(self) -> Path | bool:
        """The file of the first weights, True for published ones, False to draw them; as `zoo.load` takes it."""
        if self.weights is not None or self.pretrained:
            return self.weights or True
        file = self._file()
        beside = None if file is None else file.with_name(WEIGHTS)
        return beside if beside is not None and beside.is_file() else False

    def given(self) -> dict[str, dict[str, str]]:
        """The settings by group."""
        return settings.split(self.settings, SETTING_GROUPS)

    def recipe(self) -> DetectorRecipe:
        """The recipe, its epochs aside where the plan sets them."""
        return settings.apply(DetectorRecipe(), self.given()["recipe"], "recipe")

    def chosen(self) -> DetectorSettings:
        """The detector's settings."""
        return settings.apply(DetectorSettings(), self.given()["detector"], "detector")

    def fixed_epochs(self) -> int | None:
        """The epochs that the user fixed."""
        return self.recipe().epochs if "epochs" in self.given()["recipe"] else None

    def origin(self) -> dict[str, Any]:
        """Where the network comes from, as its card says."""
        begins = self.beginning()
        weights = "drawn" if begins is False else "published" if begins is True else Path(begins).name
        shown = self.network if self._file() is None else Path(self.network).resolve().name
        return {"network": shown, "starting_weights": weights}

    def command(self) -> dict[str, Any]:
        """The request as plain JSON, paths in full, so that a run directory alone can be continued from anywhere."""
        kept = [field.name for field in fields(self) if field.name not in ("fresh", "run_dir")]
        values = {name: getattr(self, name) for name in kept}
        plain = {name: str(value.resolve()) if isinstance(value, Path) else value for name, value in values.items()}
        found = {name: str(Path(plain[name]).resolve()) for name in ("data", "network") if Path(plain[name]).exists()}
        return {**plain, **found, "settings": list(self.settings), "verb": VERB}


def detection_request(values: Mapping[str, Any]) -> DetectionRequest:
    """A request of values as JSON and command lines have them. Values that are no fields of it are left out."""
    known = {field.name: values[field.name] for field in fields(DetectionRequest) if field.name in values}
    paths = {name: Path(known[name]) for name in PATHS if known.get(name) is not None}
    several: dict[str, Any] = {"settings": tuple(known.get("settings") or ())}
    typed: dict[str, Any] = {**known, **paths, **several}
    return DetectionRequest(**typed)


def request_of_detection_run(folder: Path, *, fresh: bool) -> DetectionRequest | None:
    """The request that made a run directory, or None where `folder` is none, or the run trains no detector."""
    if not RunDirectory(folder).exists():
        return None
    command = RunDirectory(folder).info()["command"]
    if command.get("verb") != VERB:
        return None
    return detection_request({**command, "run_dir": folder, "fresh": fresh})
