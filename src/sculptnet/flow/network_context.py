"""What training one given network works with: its resolution, its first weights, how its images are normalised."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sculptnet import settings, zoo
from sculptnet.arch import Architecture, to_json
from sculptnet.data import ImageData, decoded, default_preprocessing
from sculptnet.devices import Model, open_device
from sculptnet.devices.measure import graphs_of
from sculptnet.devices.tables import REFERENCE_RESOLUTION
from sculptnet.flow.context import (
    LARGEST_NATIVE,
    RunContext,
    Voice,
    choose_accelerator,
    digest,
    identity_of,
    limit_threads,
    load_for,
    open_run,
    run_directory,
)
from sculptnet.flow.given_network import fitted
from sculptnet.flow.network_request import NetworkRequest
from sculptnet.flow.request import SETTING_GROUPS
from sculptnet.flow.starting import normalised_as
from sculptnet.flow.unused import unused_crops
from sculptnet.nets import Network
from sculptnet.streams import stream_seed
from sculptnet.zoo import Published

SMALLEST_FEATURES = 3  # pixels a side; with fewer, most of a 3x3 or 5x5 kernel sees padding alone


@dataclass(frozen=True, eq=False)
class NetworkContext(RunContext):
    """A run that trains one network, at the resolution and with the classes that it will have."""

    request: NetworkRequest
    published: Published

    @property
    def architecture(self) -> Architecture:
        """Of the network."""
        return self.published.architecture

    def reference(self) -> Model:
        """The network itself, untrained; at a lower resolution where its own is high, as tables have theirs."""
        resolution = min(self.architecture.resolution, REFERENCE_RESOLUTION)
        return graphs_of(self.request.precision).network(replace(self.architecture, resolution=resolution))


def open_network_context(request: NetworkRequest, voice: Voice, clock: Callable[[], float]) -> NetworkContext:
    """Loads the data, chooses resolution and normalisation, opens the run directory."""
    started = clock()
    limit_threads()
    data = load_for(request, voice)
    published = request.published()
    resolution = request.resolution or own_resolution(request, published, data)
    published = replace(published, architecture=fitted(published.architecture, resolution, len(data.classes)))
    identity = identity_of(request, data, resolution) | trained(request, published)
    if request.fresh or not run_directory(request, data.name, identity).exists():
        first_network(request, published)  # weights of another network: an error before there is a run
    run = open_run(request, data, identity, voice)
    preprocessing = default_preprocessing(data, resolution)
    if request.fine_tunes:
        preprocessing = normalised_as(preprocessing, request.network, request.weights, published, voice.say)
    for note in unused_crops(preprocessing, settings.split(request.settings, SETTING_GROUPS)["recipe"]):
        voice.say(note)
    warn_of_small_features(published.architecture, voice)
    return NetworkContext(
        request=request,
        run=run,
        loaded=data,
        data=decoded(data, preprocessing, progress=voice.progress),
        preprocessing=preprocessing,
        device=open_device(request.device, request.threads),
        accelerator=choose_accelerator(request.accelerator),
        voice=voice,
        clock=clock,
        started=started,
        published=published,
    )


def first_network(request: NetworkRequest, published: Published) -> Network:
    """The network as its training starts.

    Raises:
        InvalidValue: there are no such weights, or they are those of another network.
    """
    beginning = request.pretrained if request.weights is None else request.weights
    classes, seed = published.architecture.num_classes, stream_seed(request.seed, "weights/final")
    return zoo.load_published(published, pretrained=beginning, num_classes=classes, seed=seed)


def own_resolution(request: NetworkRequest, published: Published, data: ImageData) -> int:
    """The network's own; the images' where they are small, no weights know another, and no file says so."""
    size = int(np.median(data.train.sizes.min(axis=1)))
    small = size <= LARGEST_NATIVE and not request.fine_tunes and not request.is_file
    return size if small else published.architecture.resolution


def trained(request: NetworkRequest, published: Published) -> dict[str, Any]:
    """What makes such a run this one, besides what all have."""
    weights = request.weights
    begins = request.pretrained if weights is None else hashlib.sha256(weights.read_bytes()).hexdigest()[:16]
    return {"network": digest(to_json(published.architecture)), "starting_weights": begins}


def warn_of_small_features(architecture: Architecture, voice: Voice) -> None:
    """Says when a network made for photographs sees images that are too small for its strides."""
    size = next(shape.height for path, _, shape in architecture.blocks() if path == "head")
    if size < SMALLEST_FEATURES:
        resolution = architecture.resolution
        voice.say(
            f"Warning: images of {resolution} px are {size}x{size} pixels where this network ends: its strides, "
            f"{round(resolution / size)} in all, are made for photographs. --resolution {resolution * 4} enlarges "
            "images; an architecture file may have smaller strides; `sculptnet fit` searches one that has"
        )
