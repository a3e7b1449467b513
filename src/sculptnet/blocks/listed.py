"""The blocks that JSON files may name."""

from sculptnet.blocks.bottleneck import Bottleneck, DeepStem
from sculptnet.blocks.conv import Conv
from sculptnet.blocks.head import Classifier, GlobalPool, MBPool, PooledConv
from sculptnet.blocks.inverted_residual import InvertedResidual
from sculptnet.blocks.mnasnet_layer import MnasNetLayer
from sculptnet.blocks.skip import Skip
from sculptnet.blocks.squeeze import SqueezeExcite

ALL: tuple[type, ...] = (
    *(Conv, DeepStem, InvertedResidual, MnasNetLayer, Bottleneck, Skip, SqueezeExcite),
    *(PooledConv, MBPool, GlobalPool, Classifier),
)
