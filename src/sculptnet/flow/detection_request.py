"""What a user asks for who wants a detector: a network, photographs with boxes, and what training may take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any

from sculptnet import blocks, settings, zoo
from sculptnet.arch import architecture_from_json
from sculptnet.errors import InvalidValue
from sculptnet.files import AS_WRITTEN, read_json, reading
from sculptnet.flow.common_request import CommonRequest, check_beginning, from_plain
from sculptnet.named import find, is_part
from sculptnet.nets.ssdlite import size_problems, stride_problems
from sculptnet.runs import RunDirectory
from sculptnet.train.detection import DetectorRecipe
from sculptnet.zoo import Published

SETTING_GROUPS = ("recipe", "detector")
ARCHITECTURE, WEIGHTS = "architecture.json", "weights.safetensors"  # as runs ship them
DETECTOR = "detector.json"  # beside the architecture of one
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
class DetectionRequest(CommonRequest):
    """A network, photographs with boxes, and everything else; a budget, if there is one, only judges the detector.

    Attributes:
        data: a folder or a .tar archive with VOC XML or COCO JSON.
        latency_ms: the most that one photograph may take on the device, post-processing included, milliseconds.
        network: a name of `zoo.BY_NAME`, an architecture file (.json), the folder of a run or of a model as runs ship
            it, or `package.module:name` of a `Published`. Weights beside an architecture are taken.
        pretrained: start from the published weights of the network, see `zoo.load`.
        weights: start from those of a file.
        size: height and width of the input, pixels, a multiple of 32.

    The groups of settings are recipe and detector.
    """

    latency_ms: float | None = None
    _: KW_ONLY
    network: str
    pretrained: bool = False
    weights: Path | None = None
    size: int = 320

    def checks(self) -> tuple[Callable[[], object], ...]:
        """The size, the network, its weights, the settings."""
        own = (self._check_size, self._check_network, self._check_weights, self.recipe, self.chosen)
        return *super().checks(), *own

    def _check_size(self) -> None:
        problems = [f"--size: {problem}" for problem in size_problems(self.size)]
        if problems:
            raise InvalidValue("; ".join(problems))

    def _check_network(self) -> None:
        file = self._file()
        if file is not None and file.with_name(DETECTOR).is_file():
            raise InvalidValue(
                f"ARCH {self.network} is a detector; name the network that it was made of, or go on with "
                f"the detector's run: `sculptnet {VERB} RUN`"
            )
        problems = stride_problems(self.published().architecture)
        if problems:
            raise InvalidValue(f"{self.network}: {problems[0]}")

    def _check_weights(self) -> None:
        check_beginning(self.network, self._file() is not None, self.pretrained, self.weights)

    def _file(self) -> Path | None:
        """The architecture file, where the network is none by name."""
        path = Path(self.network)
        if self.network in zoo.BY_NAME or is_part(self.network):
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
        """The request as plain JSON, which says what the run trains."""
        return {**super().command(), "verb": VERB}


def request_of_detection_run(folder: Path, *, fresh: bool) -> DetectionRequest | None:
    """The request that made a run directory, or None where `folder` is none, or the run trains no detector."""
    if not RunDirectory(folder).exists():
        return None
    command = RunDirectory(folder).info()["command"]
    if command.get("verb") != VERB:
        return None
    with reading(folder / "run.json", AS_WRITTEN):
        return from_plain(DetectionRequest, {**command, "run_dir": folder, "fresh": fresh})
