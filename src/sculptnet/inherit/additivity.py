"""Whether scores add up: their sums against what whole networks really do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr

from sculptnet.cost import FactoredCost
from sculptnet.inherit.library import Library
from sculptnet.state import Progress, no_progress
from sculptnet.streams import stream


@dataclass(frozen=True)
class Additivity:
    """Sums of scores against measured divergence, both in nats.

    Attributes:
        pairs: of random networks: sum of scores, divergence of the assembled network.
        spearman: rank correlation of the two.
    """

    pairs: tuple[tuple[float, float], ...]
    spearman: float


def measure_additivity(
    library: Library, *, networks: int = 20, seed: int = 0, progress: Progress = no_progress
) -> Additivity:
    """Assembles random networks of the library's space and compares sums of scores with what they do.

    Every place keeps the trained network's block with a chance of its own for each network, drawn uniformly: so small
    and large cuts are among them.

    Args:
        library: whose scores are judged.
        networks: how many, two at least.
        seed: of the networks.
        progress: called after each.
    """
    space, rng = library.space, stream(seed, "inherit: additivity")
    whole = np.array(space.encode(library.network.architecture))
    rows = space.sample(rng, networks)
    keep = rng.random(rows.shape) < rng.random((networks, 1))
    rows = space.canonical(np.where(keep, whole, rows))
    sums = FactoredCost(space, library.scores).of(rows)
    found = []
    for index, row in enumerate(rows):
        found.append(library.divergence(library.assemble(space.decode(row).architecture)))
        progress("additivity", index + 1, networks)
    return Additivity(tuple(zip(map(float, sums), found, strict=True)), float(spearmanr(sums, found).statistic))
