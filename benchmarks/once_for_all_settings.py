"""What `once_for_all.py` runs on each data set: the space, the baselines, the recipe, how many images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from sculptnet import spaces, zoo
from sculptnet.arch import Architecture, Augmentation, Cosine, Recipe, SearchSpace, Sgd, choice, prefix
from sculptnet.blocks import Classifier, Conv, InvertedResidual, PooledConv
from sculptnet.zoo.starting import parse_start

START = parse_start("efficientnet_lite0")


@dataclass(frozen=True)
class Setting:
    """One data set's run.

    Attributes:
        space: of a number of classes.
        baselines: networks to compare with, of a number of classes; those whose name begins with EfficientNet have
            the published weights where the run starts from them.
        recipe: of every training, its length apart.
        images: that a training sees.
        samples: networks that the accuracy predictor learns from.
        start: whether the supernet starts from published weights.
        between: budgets beside the baselines' latencies, as parts of the way from the fastest network to the slowest.
        most_images: that are trained on.
        classes: of the images.
    """

    space: Callable[[int], SearchSpace]
    baselines: Callable[[int], Mapping[str, Architecture]]
    recipe: Recipe
    images: int
    samples: int = 60
    start: bool = False
    between: tuple[float, ...] = (0.15, 0.4, 0.7)
    most_images: int = 10**9
    classes: int = 10


def small_space(
    classes: int,
    *,
    channels: tuple[int, ...],
    first_stride: int,
    kernels: tuple[int, ...],
    resolutions: tuple[int, ...],
) -> SearchSpace:
    """Three units of 1 to 3 inverted residuals: depth, kernels, expansions 2, 3 and 4, and resolution are open."""
    first = InvertedResidual(16, 3, 1, first_stride, expand_at_1=False)
    units = []
    for width, stride in zip(channels, (2, 2, 1), strict=True):
        layers = tuple(
            InvertedResidual(width, choice(*kernels), choice(2, 3, 4), stride if index == 0 else 1, expand_at_1=False)
            for index in range(3)
        )
        units.append(prefix(layers, 1, 2, 3))
    architecture = Architecture(
        choice(*resolutions), Conv(16, 3, 2), ((first,), *units), PooledConv(256), Classifier(classes)
    )
    return SearchSpace(architecture)


def narrow_mobilenets(classes: int, *, sizes: tuple[int, ...], strides: tuple[int, ...]) -> dict[str, Architecture]:
    """MobileNetV2 x0.10 with a stem of stride 2; wider ones are slower than the whole space."""
    made = {size: zoo.mobilenet_v2(classes, size, width=0.1, stem_stride=2, strides=strides) for size in sizes}
    return {f"MobileNetV2 x0.10, {size} px": architecture for size, architecture in made.items()}


def around_lite0(classes: int, *, resolutions: tuple[int, ...]) -> SearchSpace:
    return spaces.around(START.fitted(max(resolutions), classes), resolutions=resolutions)


def published_sizes(classes: int, *, sizes: tuple[int, ...], largest: int, width: float) -> dict[str, Architecture]:
    """EfficientNet-Lite0 at several sizes, and MobileNetV2 at `largest` with the strides of large images.

    At `largest`, EfficientNet-Lite0 is the space's largest network, which is trained alone in any case.
    """
    mobilenet = replace(zoo.mobilenet_v2(classes, 224, width=width), resolution=largest)
    lite0 = {f"EfficientNet-Lite0, {size} px": START.fitted(size, classes) for size in sizes}
    return {**lite0, f"MobileNetV2 x{width:.2f}, {largest} px": mobilenet}


def recipe_of(batch_size: int, rate: float, augmentation: Augmentation) -> Recipe:
    return Recipe(1, batch_size, Sgd(rate), Cosine(0.05), augmentation, label_smoothing=0.0)


SETTINGS: Mapping[str, Setting] = {
    "fashion_mnist": Setting(
        partial(small_space, channels=(24, 40, 80), first_stride=1, kernels=(3, 5), resolutions=(28,)),
        partial(narrow_mobilenets, sizes=(28,), strides=(1, 2, 2, 1, 1, 1, 1)),
        recipe_of(96, 0.1, Augmentation(crop_padding=0.0)),
        images=80_000,
        most_images=40_000,
    ),
    "imagenette": Setting(
        partial(small_space, channels=(24, 48, 96), first_stride=2, kernels=(3, 5, 7), resolutions=(48, 56, 64)),
        partial(narrow_mobilenets, sizes=(64,), strides=(1, 2, 2, 2, 1, 1, 1)),
        recipe_of(64, 0.1, Augmentation(crop_scale=0.5)),
        images=75_000,
    ),
    "sign_language": Setting(
        partial(around_lite0, resolutions=(48, 56, 64)),
        partial(published_sizes, sizes=(48,), largest=64, width=0.35),
        recipe_of(16, 0.02, Augmentation(crop_scale=0.6)),
        images=3_840,
        samples=40,
        start=True,
        between=(0.25, 0.6, 1.0),
    ),
    "elpv": Setting(
        partial(around_lite0, resolutions=(64, 72, 80)),
        partial(published_sizes, sizes=(64,), largest=80, width=0.35),
        recipe_of(16, 0.02, Augmentation(crop_scale=0.6)),
        images=2_560,
        classes=2,
        samples=40,
        start=True,
        between=(0.25, 0.6, 1.0),
    ),
}
