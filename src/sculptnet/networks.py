"""A network that is given, not searched: by name or as a file, at the resolution and with the classes of some data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from sculptnet import blocks, zoo
from sculptnet.arch import Architecture, Recipe, SearchSpace
from sculptnet.arch.choice import require_decided
from sculptnet.errors import InvalidValue
from sculptnet.files import read_given
from sculptnet.named import find
from sculptnet.runs import RunDirectory
from sculptnet.spaces import fbnetv3_recipe, with_recipe
from sculptnet.zoo import Published

NetworkName: TypeAlias = Architecture | Published | Path | str
ARCHITECTURE_FILE = "an architecture file, such as RUN/model/architecture.json"
LARGE_BATCH, LARGE_BATCH_RESOLUTION, SMALL_BATCH = 128, 96, 32  # 128 images of 224 px need about 9 GB in MobileNetV2


def is_architecture_file(network: NetworkName) -> bool:
    """Whether the network is an architecture file, not a value or a name of the zoo."""
    if isinstance(network, (Architecture, Published)):
        return False
    return str(network) not in zoo.BY_NAME and Path(network).suffix == ".json"


def name_of(network: NetworkName) -> str:
    """The network as cards name it: files without their folders."""
    if isinstance(network, Architecture):
        return "an architecture"
    if isinstance(network, Published):
        return network.name
    return Path(network).name if is_architecture_file(network) else str(network)


def beginning_problems(network: NetworkName, pretrained: bool, weights: Path | None) -> list[str]:
    """Why the first weights of a network cannot be had."""
    problems = []
    if pretrained and weights is not None:
        problems.append(f"`pretrained` and `weights` {weights} are two beginnings; give one of them")
    if pretrained and (is_architecture_file(network) or isinstance(network, Architecture)):
        problems.append(f"`pretrained`: nobody publishes weights of {name_of(network)}; give `weights`, a file")
    if weights is not None and not weights.is_file():
        problems.append(f"`weights` {weights} does not exist; give a .safetensors or .pth file")
    return problems


def published_of(network: NetworkName) -> Published:
    """The network as it was published, or as the file or the user's code has it.

    Raises:
        InvalidValue: there is none (near misses are suggested), or it is no network, or one with open values.
    """
    found: object = network
    if isinstance(network, (Path, str)):
        found = _of_file(Path(network)) if is_architecture_file(network) else _named(str(network))
    if isinstance(found, Architecture):
        found = Published(name_of(network), found, "the user's own", None, None, "nothing is stated")
    if not isinstance(found, Published):
        raise InvalidValue(f"network {network!r} is of the class {type(found).__name__}; name an Architecture")
    require_decided(found.architecture, f"network {name_of(network)!r}")
    return found


def _named(name: str) -> object:
    path = Path(name)
    if name not in zoo.BY_NAME and path.is_dir():
        shipped = RunDirectory(path).model / "architecture.json"
        if shipped.is_file():
            raise InvalidValue(f"{path} is a run; the network that it shipped is {shipped}: name that")
        raise InvalidValue(f"{path} is a folder; the network comes first: `sculptnet train NETWORK DATA`")
    if name not in zoo.BY_NAME and path.is_file():
        raise InvalidValue(f"NETWORK {name} is a file whose name does not end in .json; name {ARCHITECTURE_FILE}")
    return find(name, zoo.BY_NAME, "network")


def _of_file(path: Path) -> Architecture:
    if not path.is_file():
        raise InvalidValue(f"NETWORK {path} does not exist; `sculptnet zoo` lists networks by name")
    data = read_given(path, ARCHITECTURE_FILE)
    try:
        return blocks.read_architecture(data)
    except InvalidValue as error:
        raise InvalidValue(f"{path} holds no architecture ({error}); name {ARCHITECTURE_FILE}") from error


def fitted(architecture: Architecture, resolution: int, num_classes: int) -> Architecture:
    """`architecture` at another resolution, for other classes."""
    classifier = replace(architecture.classifier, out_channels=num_classes)  # type: ignore[type-var]
    return replace(architecture, resolution=resolution, classifier=classifier)


def batch_size_at(resolution: int) -> int:
    """Images a step, unless the user says otherwise."""
    return LARGE_BATCH if resolution <= LARGE_BATCH_RESOLUTION else SMALL_BATCH


def recipes_at(resolution: int) -> Recipe:
    """FBNetV3's recipes for images of so many pixels, their learning rates in proportion to the batch."""
    batch_size = batch_size_at(resolution)
    return fbnetv3_recipe(batch_size=batch_size, learning_rate_factor=batch_size / 256)


def with_open_recipe(space: Callable[..., SearchSpace]) -> Callable[[int, int], SearchSpace]:
    """A function that makes the space with an open recipe, FBNetV3's unless it has one."""

    def maker(num_classes: int, resolution: int) -> SearchSpace:
        made = space(num_classes, resolution)
        if any(path.startswith("recipe.") for path in made.decisions):
            return made
        return with_recipe(made, recipes_at(resolution))

    return maker


def recipes_of(network: NetworkName) -> Callable[[int, int], SearchSpace]:
    """A space of recipes for the network: classes and resolution make it, as other spaces.

    The recipes are FBNetV3's (`recipes_at`).

    Raises:
        InvalidValue: there is no such network.
    """
    published = published_of(network)

    def maker(num_classes: int, resolution: int) -> SearchSpace:
        return with_recipe(fitted(published.architecture, resolution, num_classes), recipes_at(resolution))

    return maker
