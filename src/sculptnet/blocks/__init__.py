"""Block families. `ALL` lists what JSON files may name; a block of your own is passed beside it."""

from sculptnet.blocks.conv import Conv
from sculptnet.blocks.head import Classifier, MBPool, PooledConv
from sculptnet.blocks.inverted_residual import InvertedResidual
from sculptnet.blocks.layers import Activation, Padding
from sculptnet.blocks.skip import Skip
from sculptnet.blocks.squeeze import Gate, SqueezeBase, SqueezeExcite, round_channels

ALL: tuple[type, ...] = (Conv, InvertedResidual, Skip, PooledConv, MBPool, Classifier, SqueezeExcite)

__all__ = [
    "ALL",
    "Activation",
    "Classifier",
    "Conv",
    "Gate",
    "InvertedResidual",
    "MBPool",
    "Padding",
    "PooledConv",
    "Skip",
    "SqueezeBase",
    "SqueezeExcite",
    "round_channels",
]
