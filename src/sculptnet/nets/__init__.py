"""Networks: the static one of an architecture, and supernets that hold the weights of many."""

from sculptnet.nets.calibration import calibrate
from sculptnet.nets.elastic import ElasticSupernet
from sculptnet.nets.elastic_range import largest, smallest
from sculptnet.nets.elastic_sorting import sort_channels
from sculptnet.nets.masked import MaskedSupernet
from sculptnet.nets.masked_maps import subsampled
from sculptnet.nets.mixed import MixedSupernet, weights_of
from sculptnet.nets.network import Network, initialise, set_dropout
from sculptnet.nets.relaxed import RelaxedSupernet

__all__ = [
    "ElasticSupernet",
    "MaskedSupernet",
    "MixedSupernet",
    "Network",
    "RelaxedSupernet",
    "calibrate",
    "initialise",
    "largest",
    "set_dropout",
    "smallest",
    "sort_channels",
    "subsampled",
    "weights_of",
]
