"""What `--method` offers: a search, and what it needs around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sculptnet.search import Search, evolution, random_search
from sculptnet.search.dnas import dnas


@dataclass(frozen=True)
class Method:
    """A published system, or a baseline.

    Attributes:
        search: called with the problem and the seed; its keyword-only arguments are what `--set search.` changes.
        learns_weights: it trains a supernet and yields draws from what it learned, which are then measured and trained
            from scratch; else every proposal is measured and trained briefly, and the search learns from that.
    """

    search: Callable[..., Search]
    learns_weights: bool = False


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "fbnet": Method(dnas, learns_weights=True),
        "random": Method(random_search),
        "evolution": Method(evolution),
    }
)
