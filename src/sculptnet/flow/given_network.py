"""A network that is given, not searched: by name or as a file, at the resolution and with the classes of some data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sculptnet import blocks, zoo
from sculptnet.arch import Architecture, Recipe, SearchSpace, architecture_from_json
from sculptnet.arch.choice import require_decided
from sculptnet.errors import InvalidValue
from sculptnet.files import read_given
from sculptnet.named import find
from sculptnet.spaces import fbnetv3_recipe, with_recipe
from sculptnet.zoo import Published

ARCHITECTURE_FILE = "an architecture file, such as RUN/model/architecture.json"
LARGE_BATCH, LARGE_BATCH_RESOLUTION, SMALL_BATCH = 128, 96, 32  # 128 images of 224 px need about 9 GB in MobileNetV2


def is_architecture_file(network: str) -> bool:
    """Whether the network is an architecture file, not a name of the zoo."""
    return network not in zoo.BY_NAME and Path(network).suffix == ".json"


def name_of(network: str) -> str:
    """The network as cards name it: files without their folders."""
    return Path(network).name if is_architecture_file(network) else network


def published_of(network: str) -> Published:
    """The network as it was published, or as the file or the user's code has it.

    Raises:
        InvalidValue: there is none (near misses are suggested), or it is no network, or one with open values.
    """
    if is_architecture_file(network):
        found: object = _of_file(Path(network))
    elif network not in zoo.BY_NAME and Path(network).is_file():
        raise InvalidValue(f"NETWORK {network} is a file whose name does not end in .json; name {ARCHITECTURE_FILE}")
    else:
        found = find(network, zoo.BY_NAME, "network")
    if isinstance(found, Architecture):
        found = Published(network, found, "the user's own", None, None, "nothing is stated")
    if not isinstance(found, Published):
        raise InvalidValue(f"network {network!r} is of the class {type(found).__name__}; name an Architecture")
    require_decided(found.architecture, f"network {network!r}")
    return found


def _of_file(path: Path) -> Architecture:
    if not path.is_file():
        raise InvalidValue(f"NETWORK {path} does not exist; `sculptnet zoo` lists networks by name")
    data = read_given(path, ARCHITECTURE_FILE)
    try:
        return architecture_from_json(data, blocks.ALL)
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


def opened(space: Callable[..., SearchSpace], arguments: Mapping[str, Any]) -> Callable[[int, int], SearchSpace]:
    """The space with these `arguments` and an open recipe, FBNetV3's unless it has one.

    `open_recipe=False` among the arguments leaves its recipe as it is.
    """

    def maker(num_classes: int, resolution: int) -> SearchSpace:
        made = space(num_classes, resolution, **arguments)
        if arguments.get("open_recipe") is False or any(path.startswith("recipe.") for path in made.decisions):
            return made
        return with_recipe(made, recipes_at(resolution))

    return maker


def recipes_of(network: str) -> Callable[[int, int], SearchSpace]:
    """A space of recipes for the network: classes and resolution make it, as other spaces.

    The recipes are FBNetV3's (`recipes_at`).

    Raises:
        InvalidValue: there is no such network.
    """
    published = published_of(network)

    def maker(num_classes: int, resolution: int) -> SearchSpace:
        return with_recipe(fitted(published.architecture, resolution, num_classes), recipes_at(resolution))

    return maker
