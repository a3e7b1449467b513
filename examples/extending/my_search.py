"""A search of your own: a generator that yields proposals and receives results. Nothing else has to change.

Simulated annealing: a walk that accepts worse candidates while it is hot. There is nothing to save and nothing to load:
to resume, the generator runs again from the start and finds its proposals answered.

    PYTHONPATH=examples/extending sculptnet fit PHOTOS --latency-ms 5 --method my_search:Annealing

`--set search.walkers=4` changes a setting, `method=Annealing(walkers=4)` in Python: the fields are the schema.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import ClassVar

import numpy as np

from sculptnet.errors import InvalidValue
from sculptnet.methods import Trials
from sculptnet.search import Problem, Proposals, Search
from sculptnet.streams import stream


@dataclass(frozen=True, kw_only=True)
class Annealing(Trials):
    """Walks from random candidates; every round each walker looks at one neighbour and may go there.

    Attributes:
        walkers: walks side by side; their proposals can be evaluated in parallel.
        temperature: a loss of this much in the objective is accepted with probability 1/e in the first round.
        cooling: the temperature's factor from round to round.
        step: the probability of each decision to be drawn anew.

    Raises:
        InvalidValue: no walkers.
    """

    name: ClassVar[str] = "annealing"

    walkers: int = 8
    temperature: float = 0.05
    cooling: float = 0.9
    step: float = 0.1

    def __post_init__(self) -> None:
        if self.walkers < 1:
            raise InvalidValue(f"Annealing: walkers must be at least 1, got {self.walkers}")

    def search(self, problem: Problem, seed: int) -> Search:
        """The walks; the first objective of `problem` is followed, `seed` is that of all draws.

        Raises:
            Infeasible: no candidate meets the limits.
        """
        objective = problem.objectives[0]
        sign = 1.0 if objective.maximize else -1.0
        places = problem.sample(stream(seed, "annealing.start"), self.walkers)
        results = yield Proposals(places)
        heights = sign * results.column(objective.metric)
        for index in count():
            rng = stream(seed, "annealing", index)
            neighbours = np.concatenate([_neighbour(problem, place[None], rng, self.step) for place in places])
            results = yield Proposals(neighbours)
            found = sign * results.column(objective.metric)
            heat = self.temperature * self.cooling**index
            chance = np.exp(np.minimum((found - np.nan_to_num(heights, nan=-np.inf)) / heat, 0.0))
            goes = rng.random(self.walkers) < chance  # a failed neighbour is not a number: nobody goes there
            places, heights = np.where(goes[:, None], neighbours, places), np.where(goes, found, heights)


def _neighbour(
    problem: Problem, place: np.ndarray[tuple[int, int], np.dtype[np.int64]], rng: np.random.Generator, step: float
) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """A feasible mutant of one candidate."""
    return problem.draw(lambda number: problem.space.mutate(np.repeat(place, number, axis=0), rng, step), 1)
