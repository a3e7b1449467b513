"""What a network costs: counted, measured, and over whole search spaces at once."""

from sculptnet.cost.count import (
    ConvFcWeights,
    Counts,
    Macs,
    Parameters,
    PeakActivation,
    conv_fc_weights,
    count,
    macs,
    parameters,
)
from sculptnet.cost.model import CostModel, Reduce, cost_of

__all__ = [
    "ConvFcWeights",
    "CostModel",
    "Counts",
    "Macs",
    "Parameters",
    "PeakActivation",
    "Reduce",
    "conv_fc_weights",
    "cost_of",
    "count",
    "macs",
    "parameters",
]
