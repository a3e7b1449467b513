from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sculptnet.arch import Architecture, Block, SearchSpace, choice
from sculptnet.blocks import Classifier, Conv, PooledConv, Skip
from sculptnet.cost import Macs, cost_of
from sculptnet.records import Event, no_log, of_kind
from sculptnet.records.search_events import SearchDraws
from sculptnet.search import Limit, Objective, Problem
from sculptnet.search.differentiable.draws import proposals

SLOT: Block = choice(Conv(8, 3), Conv(8, 1), Skip(8))
SPACE = SearchSpace(Architecture(8, Conv(8), ((SLOT, SLOT, SLOT),), PooledConv(8), Classifier(2)))
ALL = list(itertools.product(range(3), repeat=3))
MACS = {row: cost_of(Macs(), SPACE.decode(row).architecture) for row in ALL}
BUDGET = float(np.median(list(MACS.values())))


def theta_of(*values: float) -> dict[str, Tensor]:
    return {path: torch.tensor(values, dtype=torch.float64) for path in SPACE.decisions}


def drawn(theta: Mapping[str, Tensor], at_most: float | None, *, count: int = 6, seed: int = 0) -> list[list[Any]]:
    limits = () if at_most is None else (Limit(Macs(), at_most),)
    problem = Problem(SPACE, (Objective("top1"),), limits)
    condition = (problem.factored[0], problem.limits[0]) if limits else None
    found = proposals(problem, theta, condition, seed, count, no_log)
    return [[tuple(row) for row in batch.choices.tolist()] for batch in found]


@pytest.mark.parametrize("at_most", [None, BUDGET])
def test_everything_within_the_budget_is_proposed_once_and_then_it_ends(at_most: float | None) -> None:
    batches = drawn(theta_of(0.5, 0.0, -0.5), at_most, count=4)
    rows = [row for batch in batches for row in batch]
    within = [row for row in ALL if at_most is None or MACS[row] <= at_most]
    assert sorted(rows) == within
    assert [len(batch) for batch in batches[:-1]] == [4] * (len(batches) - 1)


def test_a_nearly_certain_distribution_still_gives_all_and_its_mode_first() -> None:
    rows = [row for batch in drawn(theta_of(60.0, 0.0, 0.0), None) for row in batch]
    assert rows[0] == (0, 0, 0)
    assert sorted(rows) == ALL


def test_first_proposals_follow_the_conditional_distribution() -> None:
    theta = theta_of(1.0, 0.0, 0.5)
    p = torch.softmax(theta["stages.0.0"], 0).tolist()
    weight = {row: math.prod(p[i] for i in row) for row in ALL if MACS[row] <= BUDGET}
    limit = Limit(Macs(), BUDGET)
    problem = Problem(SPACE, (Objective("top1"),), (limit,))
    condition = (problem.factored[0], limit)
    runs = 150
    first = Counter(
        tuple(next(proposals(problem, theta, condition, seed, 1, no_log)).choices[0].tolist()) for seed in range(runs)
    )
    for row, share in ((row, value / sum(weight.values())) for row, value in weight.items()):
        assert first[row] / runs == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / runs))


def test_the_logged_pass_rate_is_that_of_unconditioned_draws() -> None:
    events: list[Event] = []
    limit = Limit(Macs(), BUDGET)
    problem = Problem(SPACE, (Objective("top1"),), (limit,))
    next(proposals(problem, theta_of(0.0, 0.0, 0.0), (problem.factored[0], limit), 0, 1, events.append))
    share = sum(cost <= BUDGET for cost in MACS.values()) / len(ALL)
    (drawn,) = of_kind(events, SearchDraws)
    assert drawn.pass_rate == pytest.approx(share)
    assert (drawn.cost, drawn.at_most) == ("macs", BUDGET)


def test_the_seed_decides_the_draws() -> None:
    theta = theta_of(0.1, 0.0, 0.0)
    assert drawn(theta, BUDGET) == drawn(theta, BUDGET)
    assert drawn(theta, BUDGET)[0] != drawn(theta, BUDGET, seed=1)[0]
