"""All published networks by name: what the command line offers."""

from collections.abc import Mapping
from types import MappingProxyType

from sculptnet.zoo import fbnet, fbnetv2, fbnetv3, mobilenets
from sculptnet.zoo.published import Published

BY_NAME: Mapping[str, Published] = MappingProxyType(
    {entry.name: entry for entry in (*fbnet.ENTRIES, *fbnetv2.ENTRIES, *fbnetv3.ENTRIES, *mobilenets.ENTRIES)}
)
