from __future__ import annotations

import numpy as np
import pytest

from sculptnet.arch import Architecture, Block, SearchSpace, TensorShape, between, choice, prefix, same
from sculptnet.blocks import Classifier, Conv, InvertedResidual, PooledConv, Skip
from sculptnet.cost import entries_of
from sculptnet.spaces import fbnet


def occurring(space: SearchSpace, rows: np.ndarray) -> set[tuple[Block, TensorShape]]:
    return {(block, shape) for row in rows for _, block, shape in space.decode(row).architecture.blocks()}


def all_rows(space: SearchSpace) -> np.ndarray:
    return np.unique(space.canonical(np.stack(list(np.ndindex(*space.num_options)))), axis=0)


def with_stages(*stages: tuple[Block, ...], resolution: int = 8, stem: Block | None = None) -> SearchSpace:
    return SearchSpace(Architecture(resolution, stem or Conv(8), stages, PooledConv(16), Classifier(3)))


ROW: tuple[Block, ...] = tuple(InvertedResidual(8, choice(3, 5), 2) for _ in range(3))
WIDTH = "stages.0.0.out_channels"
SPACES = {
    "candidates": with_stages((choice(Skip(8), InvertedResidual(8, 3, 2)), choice(Skip(16, 2), Conv(16, 3, 2)))),
    "open depth": with_stages(prefix(ROW, 1, 3), (Conv(16, choice(1, 3), 2),)),
    "open widths": with_stages((Conv(between(8, 16, 4)),), (Conv(choice(8, 16), 3, 2), Conv(8))),
    "open resolution": with_stages((Conv(8, choice(1, 3)),), resolution=between(8, 16, 4)),
    "tied widths": with_stages((Conv(between(8, 16, 4)), Conv(same(WIDTH))), (Conv(8, 3, 2), Conv(same(WIDTH), 1))),
    "tied depth": with_stages(prefix((Conv(choice(8, 16)), Conv(same(WIDTH), 1), Conv(same(WIDTH), 5)), 1, 2, 3)),
    "tied to a later one": with_stages((Conv(same("stages.1.0.out_channels")),), (Conv(choice(8, 16), 1),)),
    "tied across resolutions": with_stages((Conv(same("resolution")),), resolution=choice(8, 12)),
}


@pytest.mark.parametrize("name", SPACES)
def test_exactly_what_occurs_in_some_network_is_listed(name: str) -> None:
    found = entries_of(SPACES[name])
    assert len(found) == len(set(found))
    assert set(found) == occurring(SPACES[name], all_rows(SPACES[name]))


def test_fbnets_22_times_9_candidates_share_111_entries() -> None:
    """Layers 2 to 4 of a stage share theirs: 2 * 9 + 5 stages * 2 * 9, the stem, head and classifier."""
    found = entries_of(fbnet())
    assert len(found) == 12 * 9 + 3
    assert sum(block.is_identity(shape.channels) for block, shape in found) == 6


def test_entries_stand_in_the_order_of_the_network(rng: np.random.Generator) -> None:
    space = fbnet(3, 16, channels=(8, 16), layers=(1, 3), strides=(1, 2))
    rank = {entry: index for index, entry in enumerate(entries_of(space))}
    for row in space.sample(rng, 20):
        ranks = [rank[block, shape] for _, block, shape in space.decode(row).architecture.blocks()]
        assert ranks[0] == 0
        assert ranks[-1] == len(rank) - 1
        assert ranks[:2] == sorted(ranks[:2])
