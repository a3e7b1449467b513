"""Small trained-like networks of every family that has closed forms, made once."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from sculptnet import zoo
from sculptnet.arch import Architecture, Block
from sculptnet.blocks import (
    Activation,
    Bottleneck,
    Classifier,
    Conv,
    DeepStem,
    Gate,
    GlobalPool,
    InvertedResidual,
    MBPool,
    MnasNetLayer,
    Operation,
    Padding,
    PooledConv,
    Shortcut,
    SqueezeBase,
    SqueezeExcite,
)
from sculptnet.inherit import Library, Refit, carve_space
from sculptnet.nets import Network, calibrate, initialise

SIDE, CLASSES = 32, 5
REFIT = Refit(images=24, rows=1_500, kernel_rows=600, chunk=8)
SWISH = SqueezeExcite(0.25, SqueezeBase.HIDDEN, Gate.HARD_SIGMOID)
QUARTER = SqueezeExcite(0.25, SqueezeBase.INPUT, Gate.SIGMOID, divisor=1)


def _inverted(width: int, **fields: object) -> InvertedResidual:
    return InvertedResidual(width, **{"expansion": 4, "kernel_size": 5, **fields})  # type: ignore[arg-type]


def _architecture(*stages: tuple[Block, ...], stem: Block | None = None, head: Block | None = None) -> Architecture:
    return Architecture(SIDE, stem or Conv(8, 3, 2), stages, head or PooledConv(32), Classifier(CLASSES))


ARCHITECTURES: dict[str, Architecture] = {
    "mobilenet_v2": zoo.mobilenet_v2(CLASSES, SIDE, width=0.1),
    "kernels": _architecture(
        (_inverted(8, kernel_size=7), _inverted(8, padding=Padding.SAME, stride=2)), (_inverted(8),)
    ),
    "squeezed": _architecture(
        (_inverted(8, squeeze=SWISH, activation=Activation.HARD_SWISH), _inverted(8, squeeze=QUARTER)),
        (_inverted(16, stride=2, padding=Padding.SHORT, squeeze=SWISH),),
        head=MBPool(24, 2),
    ),
    "groups": _architecture((_inverted(8, groups=2), _inverted(8, groups=2, expansion=8, squeeze=SWISH))),
    "stacked": _architecture(
        (_inverted(8, depthwise_layers=2), _inverted(8, expansion=1), _inverted(8, expansion=1, expand_at_1=False))
    ),
    "mnasnet": _architecture(
        (
            MnasNetLayer(8, Operation.MBCONV6, 5, QUARTER),
            MnasNetLayer(8, Operation.SEPARABLE, 5, shortcut=Shortcut.POOLING),
            MnasNetLayer(8, Operation.MBCONV3, 3, shortcut=Shortcut.NONE),
            MnasNetLayer(8, Operation.CONV, 3),
        ),
    ),
    "bottlenecks": _architecture(
        (Bottleneck(32, 0.75), Bottleneck(32, 0.5)),
        (Bottleneck(48, 0.5, stride=2), Bottleneck(48, 0.5, kernel_size=5)),
        stem=DeepStem(16, 8),
        head=GlobalPool(48),
    ),
}


def images(count: int, seed: int = 0) -> Tensor:
    """Smooth noise: neighbouring pixels are alike, as in photographs."""
    coarse = torch.randn(count, 3, SIDE // 4, SIDE // 4, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, size=SIDE, mode="bilinear")


@cache
def network(name: str) -> Network:
    """Drawn weights, settled statistics, random batch norms, and answers that differ between images."""
    made = Network(ARCHITECTURES[name])
    initialise(made, 1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for layer in made.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.weight.uniform_(0.5, 1.5, generator=generator)
                layer.bias.normal_(0, 0.3, generator=generator)
        made.classifier.weight.mul_(60)  # type: ignore[operator]
    batches = [(images(32, seed), torch.zeros(32)) for seed in (3, 4)]
    return calibrate(made, batches, images=64)


@cache
def library(name: str) -> Library:
    """All of `carve_space`, in coarse steps, around `network(name)`."""
    made = network(name)
    space = carve_space(made.architecture, width_factors=(0.25, 0.5, 1.0), head_factors=(0.5, 1.0))
    return Library.of(made, space, [(images(20, seed), torch.zeros(20)) for seed in (5, 6)], images=40, refit=REFIT)
