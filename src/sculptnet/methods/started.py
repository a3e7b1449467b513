"""Methods that take their network from one that is trained, and train no trials."""

from __future__ import annotations

from typing import Any, ClassVar, Generic

from sculptnet.data import Preprocessing
from sculptnet.listening import Listener
from sculptnet.methods.searching import P, Searching
from sculptnet.options import FitOptions
from sculptnet.spaces.named import SpaceSettings
from sculptnet.stages.unused import names_of
from sculptnet.zoo.starting import normalised_as, parse_start


class Started(Searching[P], Generic[P]):
    """A search that may begin with a trained network, around which it opens its space.

    Attributes:
        source: what the shipped network is taken from.
        lengths: what is trained, and the settings that say for how long.
    """

    source: ClassVar[str]
    lengths: ClassVar[str]

    def start_problems(self, options: FitOptions) -> list[str]:
        if options.start is None or options.space is None or isinstance(options.space, SpaceSettings):
            return []
        return [f"start {options.start} opens a space of its own; leave the space out"]

    def problems(self, options: FitOptions) -> list[str]:
        """What is for trials, and for networks that are trained from drawn weights."""
        found = super().problems(options)
        if options.baselines:
            found.append(
                "baselines: comparisons are trained for as long as the network that is shipped, and method "
                f"{self.name} takes that one from {self.source}; leave it out"
            )
        if options.check_proxy:
            found.append(f"check_proxy: method {self.name} trains no trials; leave it out")
        if options.full_trials is not None:
            found.append(f"full_trials: method {self.name} takes its network from {self.source}; leave it out")
        if "epochs" in names_of(options.recipe):
            found.append(f"recipe.epochs: method {self.name} trains {self.lengths}; set those")
        if options.workers not in (1, "1"):
            found.append(
                f"workers {options.workers}: method {self.name} trains no trials that could be shared; leave it out"
            )
        return found

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
