"""Networks: the static one of an architecture, and supernets that hold the weights of many."""

from sculptnet.nets.network import Network, initialise, set_dropout

__all__ = ["Network", "initialise", "set_dropout"]
