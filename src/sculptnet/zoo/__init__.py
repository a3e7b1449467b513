"""Published networks as values, one file per paper, and `BY_NAME`: what the command line offers."""

from sculptnet.zoo.catalogue import BY_NAME
from sculptnet.zoo.efficientnet_lite import efficientnet_lite0
from sculptnet.zoo.mnasnet import mnasnet_a1, mnasnet_b1, mnasnet_small
from sculptnet.zoo.mobilenets import mobilenet_v2, mobilenet_v3_large, mobilenet_v3_small
from sculptnet.zoo.ofa_accuracy import OfaAccuracy, read_ofa_accuracy
from sculptnet.zoo.published import Published
from sculptnet.zoo.weights import load, load_published

__all__ = [
    "BY_NAME",
    "OfaAccuracy",
    "Published",
    "efficientnet_lite0",
    "load",
    "load_published",
    "mnasnet_a1",
    "mnasnet_b1",
    "mnasnet_small",
    "mobilenet_v2",
    "mobilenet_v3_large",
    "mobilenet_v3_small",
    "read_ofa_accuracy",
]
