"""Published search spaces, one file each, and `BY_NAME`: what the command line offers."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from sculptnet.arch import SearchSpace
from sculptnet.spaces.fbnet_space import fbnet

BY_NAME: Mapping[str, Callable[..., SearchSpace]] = MappingProxyType({"fbnet": fbnet})

__all__ = ["BY_NAME", "fbnet"]
