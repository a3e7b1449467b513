"""Published networks as values, one file per paper, and `BY_NAME`: what the command line offers."""

from collections.abc import Mapping
from types import MappingProxyType

from sculptnet.zoo import fbnet as _fbnet
from sculptnet.zoo import mobilenet_v2 as _mobilenet_v2
from sculptnet.zoo.mobilenet_v2 import mobilenet_v2
from sculptnet.zoo.published import Published

BY_NAME: Mapping[str, Published] = MappingProxyType(
    {entry.name: entry for entry in (*_fbnet.ENTRIES, *_mobilenet_v2.ENTRIES)}
)

__all__ = ["BY_NAME", "Published", "mobilenet_v2"]
