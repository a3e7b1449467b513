"""Methods that take their network from one that is trained, and train no trials."""

from __future__ import annotations

from typing import Any, ClassVar, Generic

from sculptnet.data import Preprocessing
from sculptnet.listening import Listener
from sculptnet.methods.searching import P, Searching
from sculptnet.options import FitOptions
from sculptnet.spaces.named import SpaceSettings
from sculptnet.zoo.starting import normalised_as, parse_start


class Started(Searching[P], Generic[P]):
    """A search that may begin with a trained network, around which it opens its space.

    Attributes:
        source: what the shipped network is taken from.
        lengths: what is trained, and the settings that say for how long.
    """

    serves: ClassVar[frozenset[str]] = frozenset({"start"})
    source: ClassVar[str]
    lengths: ClassVar[str]

    def unserved(self, option: str) -> str:
        from_there = f"takes its network from {self.source}"
        why = {
            "full_trials": f"{from_there}; leave it out",
            "baselines": f"{from_there}, and comparisons are trained as long as what is shipped; leave it out",
            "recipe.epochs": f"trains {self.lengths}; set those",
        }
        return why.get(option) or super().unserved(option)

    def start_problems(self, options: FitOptions) -> list[str]:
        if options.start is None or options.space is None or isinstance(options.space, SpaceSettings):
            return []
        return [f"`start` {options.start} opens a space of its own; leave `space` out"]

    def identity(self, options: FitOptions) -> dict[str, Any]:
        found = super().identity(options)
        return found if options.start is None else {**found, "start": str(options.start)}

    def preprocessing(self, options: FitOptions, plain: Preprocessing, listener: Listener) -> Preprocessing:
        """As for the weights that it starts with, where somebody states it."""
        if options.start is None:
            return plain
        start = parse_start(options.start)
        file = None if isinstance(start.weights, bool) else start.weights
        return normalised_as(plain, start.published.name, file, start.published, listener.say)
