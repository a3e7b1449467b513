"""Block families. `ALL` lists what JSON files may name; a block of your own is passed beside it."""

from sculptnet.blocks.bottleneck import Bottleneck, DeepStem
from sculptnet.blocks.conv import Conv
from sculptnet.blocks.head import Classifier, GlobalPool, MBPool, PooledConv
from sculptnet.blocks.inverted_residual import InvertedResidual
from sculptnet.blocks.layers import Activation, Padding
from sculptnet.blocks.mnasnet_layer import MnasNetLayer, Operation, Shortcut
from sculptnet.blocks.skip import Skip
from sculptnet.blocks.squeeze import Gate, SqueezeBase, SqueezeExcite, round_channels

ALL: tuple[type, ...] = (
    *(Conv, DeepStem, InvertedResidual, MnasNetLayer, Bottleneck, Skip, SqueezeExcite),
    *(PooledConv, MBPool, GlobalPool, Classifier),
)

__all__ = [
    "ALL",
    "Activation",
    "Bottleneck",
    "Classifier",
    "Conv",
    "DeepStem",
    "Gate",
    "GlobalPool",
    "InvertedResidual",
    "MBPool",
    "MnasNetLayer",
    "Operation",
    "Padding",
    "PooledConv",
    "Shortcut",
    "Skip",
    "SqueezeBase",
    "SqueezeExcite",
    "round_channels",
]
