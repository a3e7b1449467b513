"""Published networks as values, one file per paper, and `BY_NAME`: what the command line offers."""

from sculptnet.zoo.catalogue import BY_NAME
from sculptnet.zoo.mobilenets import mobilenet_v2
from sculptnet.zoo.published import Published
from sculptnet.zoo.weights import load

__all__ = ["BY_NAME", "Published", "load", "mobilenet_v2"]
