"""All published networks by name: what the command line offers."""

from collections.abc import Mapping
from types import MappingProxyType

from sculptnet.zoo import efficientnet_lite, fbnet, fbnetv2, fbnetv3, mnasnet, mobilenets, ofa
from sculptnet.zoo.published import Published

_PAPERS = (fbnet, fbnetv2, fbnetv3, mnasnet, ofa, mobilenets, efficientnet_lite)
BY_NAME: Mapping[str, Published] = MappingProxyType({entry.name: entry for paper in _PAPERS for entry in paper.ENTRIES})
