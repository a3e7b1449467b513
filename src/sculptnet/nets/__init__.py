"""Networks: the static one of an architecture, and supernets that hold the weights of many."""

from sculptnet.nets.mixed import MixedSupernet, weights_of
from sculptnet.nets.network import Network, initialise, set_dropout
from sculptnet.nets.relaxed import RelaxedSupernet

__all__ = ["MixedSupernet", "Network", "RelaxedSupernet", "initialise", "set_dropout", "weights_of"]
