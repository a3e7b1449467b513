"""The search that serves FBNet serves masked supernets as it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from tests.nets.masked_reference import CLASSES, masked_space
from torch import Tensor

from sculptnet.cost import Macs, macs
from sculptnet.nets import MaskedSupernet
from sculptnet.records import Event, of_kind
from sculptnet.records.search_events import SearchEpoch
from sculptnet.search import Dnas, Limit, Objective, Problem
from sculptnet.search.differentiable.loss import gumbel_noise, sampled
from sculptnet.streams import stream


@dataclass(frozen=True)
class Stripes:
    """Images whose class is the period of their stripes, with noise."""

    seed: int
    steps_per_epoch: int = 2

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        for step in range(start_step, self.steps_per_epoch):
            rng = stream(self.seed, "test/stripes", epoch * self.steps_per_epoch + step)
            labels = rng.integers(CLASSES, size=8)
            waves = np.cos(2 * np.pi * np.arange(16)[None] / (2 + labels[:, None]))
            images = waves[:, None, None, :] + rng.normal(0, 0.3, size=(8, 3, 16, 16))
            yield torch.from_numpy(images).float(), torch.from_numpy(labels)


@pytest.mark.parametrize("branches", [None, 1])
def test_a_search_on_a_masked_supernet_learns_every_decision_and_draws_within_the_budget(branches: int | None) -> None:
    space = masked_space()
    at_most, events = 60_000.0, list[Event]()
    problem = Problem(space, (Objective("top1"),), (Limit(Macs(), at_most),))
    search = Dnas(epochs=3, warmup_epochs=1, branches=branches, draws=8).search(
        problem,
        0,
        supernet=MaskedSupernet(space),
        weight_batches=Stripes(1),
        theta_batches=Stripes(2),
        log=events.append,
    )
    proposed = next(search).choices
    assert len(proposed) == 8
    assert all(macs(space.decode(row).architecture) <= at_most for row in proposed)
    epochs = of_kind(events, SearchEpoch)
    for path, chances in epochs[-1].probabilities.items():
        assert max(chances) > 1.001 / len(chances), path  # it has moved from where it started
    assert np.isfinite([event.loss for event in epochs]).all()


def test_sampled_branches_leave_all_widths_of_a_masked_supernet() -> None:
    space = masked_space()
    supernet = MaskedSupernet(space)
    theta = {path: torch.zeros(len(node.options), dtype=torch.float64) for path, node in space.decisions.items()}
    weights = sampled(theta, gumbel_noise(theta, 0, 0), 1.0, 1, supernet.shared)
    for path, vector in weights.run.items():
        assert int((vector > 0).sum()) == (len(vector) if path in supernet.shared else 1)
        assert path not in supernet.shared or torch.equal(vector, weights.all[path])
