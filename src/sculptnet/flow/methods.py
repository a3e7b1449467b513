"""What `--method` offers: a search, and what it needs around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sculptnet.arch import SearchSpace
from sculptnet.nets import MixedSupernet, RelaxedSupernet
from sculptnet.search import Search, dnas, evolution, random_search


@dataclass(frozen=True)
class Method:
    """A published system, or a baseline.

    Attributes:
        search: called with the problem and the seed; its keyword-only arguments are what `--set search.` changes.
        supernet: made of the space for a search that trains one and yields draws from what it learned, which are then
            measured and trained from scratch. None: every proposal is measured and trained briefly, and the search
            learns from that.
    """

    search: Callable[..., Search]
    supernet: Callable[[SearchSpace], RelaxedSupernet] | None = None


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "fbnet": Method(dnas, MixedSupernet),
        "random": Method(random_search),
        "evolution": Method(evolution),
    }
)
