"""Block families. `ALL` lists what JSON files may name; a block of your own is passed beside it."""

from sculptnet.blocks.bottleneck import Bottleneck, DeepStem
from sculptnet.blocks.checks import channel_problems, check, count_problems, kernel_problems
from sculptnet.blocks.conv import Conv
from sculptnet.blocks.files import read_architecture
from sculptnet.blocks.head import Classifier, GlobalPool, MBPool, PooledConv
from sculptnet.blocks.inverted_residual import InvertedResidual
from sculptnet.blocks.layers import Activation, Padding, Residual, conv_bn
from sculptnet.blocks.listed import ALL
from sculptnet.blocks.mnasnet_layer import MnasNetLayer, Operation, Shortcut
from sculptnet.blocks.skip import Skip
from sculptnet.blocks.squeeze import Gate, SqueezeBase, SqueezeExcite, round_channels

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
    "Residual",
    "Shortcut",
    "Skip",
    "SqueezeBase",
    "SqueezeExcite",
    "channel_problems",
    "check",
    "conv_bn",
    "count_problems",
    "kernel_problems",
    "read_architecture",
    "round_channels",
]
