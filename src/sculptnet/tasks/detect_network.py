"""The network that becomes a detector's backbone: by name, as a file, or what a run has shipped; its first weights."""

from __future__ import annotations

from pathlib import Path

from sculptnet import blocks, zoo
from sculptnet.arch import Architecture
from sculptnet.errors import InvalidValue
from sculptnet.files import read_json
from sculptnet.named import is_part
from sculptnet.nets.ssdlite import stride_problems
from sculptnet.networks import NetworkName, beginning_problems, name_of, published_of
from sculptnet.options import DetectOptions
from sculptnet.records.card import Origin
from sculptnet.rules import raised
from sculptnet.runs import RunDirectory
from sculptnet.zoo import Published

ARCHITECTURE, WEIGHTS = "architecture.json", "weights.safetensors"  # as runs ship them
DETECTOR = "detector.json"  # beside the architecture of one


def network_problems(options: DetectOptions) -> list[str]:
    """What is wrong with the network and its weights."""
    file = file_of(options.network)
    if file is not None and file.with_name(DETECTOR).is_file():
        return [
            f"{options.network} is a detector; name the network that it was made of, or go on with the detector's run: "
            "`sculptnet detect RUN`"
        ]
    problems = beginning_problems(options.network, options.pretrained, options.weights)
    strides = list[str]()
    problems += raised(lambda: strides.extend(stride_problems(backbone_of(options.network).architecture)))
    return problems + [f"{name_of(options.network)}: {problem}" for problem in strides[:1]]


def file_of(network: NetworkName) -> Path | None:
    """The architecture file, where the network is none by name."""
    if isinstance(network, (Architecture, Published)):
        return None
    path = Path(network)
    if str(network) in zoo.BY_NAME or is_part(str(network)):
        return None
    if path.is_dir():
        model = RunDirectory(path).model if RunDirectory(path).exists() else path
        return model / ARCHITECTURE
    return path if path.suffix == ".json" else None


def backbone_of(network: NetworkName) -> Published:
    """The network, as it was published or as the file has it.

    Raises:
        InvalidValue: there is none; near misses are suggested.
    """
    file = file_of(network)
    if file is None:
        return published_of(network)
    if not file.is_file():
        raise InvalidValue(
            f"{network}: {file} does not exist; name a network of `sculptnet zoo`, an architecture file or a run that "
            "has shipped a model"
        )
    architecture = blocks.read_architecture(read_json(file))
    return Published(str(network), architecture, "an architecture file", None, None, "nothing is stated")


def beginning_of(options: DetectOptions) -> Path | bool:
    """The file of the first weights, True for published ones, False to draw them; as `zoo.load` takes it."""
    if options.weights is not None or options.pretrained:
        return options.weights or True
    file = file_of(options.network)
    beside = None if file is None else file.with_name(WEIGHTS)
    return beside if beside is not None and beside.is_file() else False


def origin_of(options: DetectOptions) -> Origin:
    """Where the network comes from, as the card says."""
    begins = beginning_of(options)
    weights = "drawn" if begins is False else "published" if begins is True else Path(begins).name
    shown = name_of(options.network)
    if isinstance(options.network, (Path, str)) and file_of(options.network) is not None:
        shown = Path(options.network).resolve().name
    return Origin(network=shown, starting_weights=weights)
