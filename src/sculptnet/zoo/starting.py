"""Where a supernet's weights come from when somebody has trained its largest network already."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from sculptnet import blocks, settings
from sculptnet.arch import Architecture, SearchSpace
from sculptnet.data import Preprocessing
from sculptnet.data.preprocessing import preprocessing_from_json
from sculptnet.errors import InvalidValue
from sculptnet.files import at_home, read_json, reading
from sculptnet.named import find
from sculptnet.nets import Network
from sculptnet.spaces import around
from sculptnet.zoo.catalogue import BY_NAME
from sculptnet.zoo.published import Published
from sculptnet.zoo.weights import load_published

Channels: TypeAlias = tuple[float, float, float]
ARCHITECTURE, WEIGHTS = "architecture.json", "weights.safetensors"  # of a folder that a run ships


@dataclass(frozen=True)
class Start:
    """A network and its weights.

    Attributes:
        published: the network.
        weights: True for those that were published, or their file.
    """

    published: Published
    weights: bool | Path

    def fitted(self, resolution: int, num_classes: int) -> Architecture:
        """The network at another resolution, for other classes."""
        architecture = self.published.architecture
        classifier = replace(architecture.classifier, out_channels=num_classes)  # type: ignore[type-var]
        return replace(architecture, resolution=resolution, classifier=classifier)

    def network(self, architecture: Architecture, seed: int) -> Network:
        """`architecture`, which is fitted, with the weights; its classifier is drawn anew where classes differ.

        Raises:
            InvalidValue: there are no such weights, or they are those of another network.
        """
        published = replace(self.published, architecture=architecture)
        return load_published(published, pretrained=self.weights, num_classes=architecture.num_classes, seed=seed)


def parse_start(given: Path | str) -> Start:
    """`NAME` of a network of the zoo with its published weights, `NAME=FILE` with those of a file, or a model's folder.

    Raises:
        InvalidValue: there is no such network or file; near misses are suggested.
    """
    text, folder = str(given), Path(given)
    if folder.is_dir():
        missing = [name for name in (ARCHITECTURE, WEIGHTS) if not (folder / name).is_file()]
        if missing:
            raise InvalidValue(f"start {folder} has no {' and no '.join(missing)}; give a folder as RUN/model is")
        architecture = blocks.read_architecture(read_json(folder / ARCHITECTURE))
        named = Published(str(folder), architecture, "an architecture file", None, None, "nothing is stated")
        return Start(named, folder / WEIGHTS)
    name, equals, file = text.partition("=")
    file = at_home(file)
    published = find(name, BY_NAME, "network")
    if equals and not Path(file).is_file():
        raise InvalidValue(f"start {text}: {file} does not exist; give NAME=FILE, a .safetensors or .pth file")
    return Start(published, Path(file) if equals else True)


def space_around(
    start: Start, given: Mapping[str, str], opened: Callable[..., SearchSpace] = around
) -> Callable[[int, int], SearchSpace]:
    """A function of classes and resolution, as the published spaces are, with the settings that are `given`.

    Args:
        start: the network.
        given: settings of `opened`, as they are typed.
        opened: makes a space of an architecture.

    Raises:
        InvalidValue: with every unknown setting of `opened` and every value that does not parse.
    """
    arguments: dict[str, Any] = settings.bind(opened, given, "space")

    def make(num_classes: int, resolution: int) -> SearchSpace:
        return opened(start.fitted(resolution, num_classes), **arguments)

    return make


def normalisation_of(weights: Path | None, published: Published) -> tuple[Channels, Channels, str] | None:
    """Mean, standard deviation and who states them: a card beside the file of weights, or timm; None if nobody."""
    card = None if weights is None else weights.with_name("card.json")
    if card is not None and card.is_file():
        with reading(card, "the card of a run's model, or move it away"):
            stated = preprocessing_from_json(read_json(card)["preprocessing"])
        return stated.mean, stated.std, str(card)
    if published.timm is None:
        return None
    import timm  # seconds that nobody else should wait

    config = timm.get_pretrained_cfg(published.timm)
    if config is None:
        return None
    (red, green, blue), (red_std, green_std, blue_std) = config.mean, config.std
    return (red, green, blue), (red_std, green_std, blue_std), f"timm's {published.timm}"


def normalised_as(
    preprocessing: Preprocessing, name: str, weights: Path | None, published: Published, say: Callable[[str], None]
) -> Preprocessing:
    """`preprocessing` with the mean and the standard deviation that the weights of `name` were trained with.

    Resizing stays ours: Pillow's bilinear filter, whatever the weights' authors used.
    """
    found = normalisation_of(weights, published)
    if found is None:
        say(
            f"Note: how images were normalised for the weights of {name} is not recorded; the mean and standard "
            "deviation of these images are used"
        )
        return preprocessing
    mean, std, source = found
    shown = ", ".join(f"{value:.3g}" for value in (*mean, *std))
    say(f"Images are normalised as for the weights ({source}; mean and standard deviation {shown})")
    return replace(preprocessing, mean=mean, std=std)
