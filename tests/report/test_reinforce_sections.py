"""What the page says of a controller's search, and of the layers of a found network."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sculptnet.arch import Architecture
from sculptnet.blocks import MnasNetLayer
from sculptnet.cost import Macs, cost_of
from sculptnet.report import ReportData
from sculptnet.report.figures import latencies_around, reward
from sculptnet.report.figures.latencies_around import Around
from sculptnet.report.parts import Absent, Section
from sculptnet.report.reinforce_sections import batches_of, layer_diversity, repeating, search_over_batches
from sculptnet.report.search_sections import search_over_epochs
from sculptnet.report.style import styled
from sculptnet.search import Limit, Objective, Problem, Reinforce, drive
from sculptnet.search.protocol import Columns
from sculptnet.spaces import mnasnet
from sculptnet.state import Event

SPACE = mnasnet(10, 28, width=0.25, layers=(2, 2), filters=((16, 24, 32), (24, 32, 40)), strides=(1, 2, 2, 1))


@pytest.fixture(scope="module")
def events() -> list[Event]:
    """A search over multiply-adds, of which the page then speaks as it would of milliseconds."""
    found: list[Event] = []
    problem = Problem(SPACE, (Objective("top1"),), (Limit(Macs(), 8e6),))

    def score(rows: np.ndarray[tuple[int, int], np.dtype[np.int64]]) -> Columns:
        return {"top1": 0.5 + 0.1 * (rows == 0).mean(axis=1)}

    drive(Reinforce(hidden=8, batch=6, learning_rate=0.05).search(problem, 0, log=found.append), score, 5)
    return found


def test_a_batch_that_was_logged_twice_counts_once(events: list[Event]) -> None:
    twice = [{**events[0], "reward": 0.1}, *events]
    found = batches_of(ReportData(events=twice))
    assert found is not None
    batches, ordered = found
    assert list(ordered) == events
    assert batches.columns["reward"][0] == events[0]["reward"]
    assert math.isnan(batches.columns["baseline"][0])
    assert batches.candidates.tolist() == [6, 12, 18, 24]


def test_the_search_s_section_has_its_curves_and_the_latencies_around_the_target(events: list[Event]) -> None:
    part = search_over_epochs(ReportData(events=events, space=SPACE))
    assert isinstance(part, Section)
    assert [drawing.name for drawing in part.drawings] == ["reward", "latencies_around"]
    curves, latencies = part.drawings
    assert "over 4 batches: mean reward from 0." in curves.description
    costs = np.array([cost for event in events for cost in event["costs"]])
    shares = [100 * (half <= 8e6).mean() for half in (costs[:12], costs[12:])]
    assert f"Of the first half {shares[0]:.0f}\u202f% are within the target of 8,000,000" in latencies.description
    assert f"of the second half {shares[1]:.0f}\u202f% and" in latencies.description


def test_without_a_limit_there_is_no_target_and_without_batches_no_section(events: list[Event]) -> None:
    bare = [{key: value for key, value in event.items() if key not in ("costs", "within", "cost")} for event in events]
    part = search_over_batches(ReportData(events=bare))
    assert isinstance(part, Section)
    assert [drawing.name for drawing in part.drawings] == ["reward"]
    assert isinstance(search_over_batches(ReportData()), Absent)


def test_the_panels_show_what_was_logged(events: list[Event]) -> None:
    found = batches_of(ReportData(events=events))
    assert found is not None
    with styled():
        axes = reward.draw(found[0], 1.1).axes
    lines = [axes[index].lines[0] for index in range(3)]
    for line, name, factor in zip(lines, ("reward", "within", "entropy"), (1, 100, 1), strict=True):
        np.testing.assert_allclose(np.asarray(line.get_ydata()), [factor * float(event[name]) for event in events])
    assert [line.get_label() for line in axes[0].lines] == ["mean of a batch", "best of a batch", "baseline"]


def test_the_bars_of_each_half_sum_to_all_of_its_candidates() -> None:
    around = Around(np.array([1.0, 1.1, 5.0, 90.0, 2.0, 2.1, 2.2]), 2.0, "latency (ms)")
    with styled():
        (axes,) = latencies_around.draw(around).axes
    steps: list[Any] = [patch.get_data() for patch in axes.patches]  # type: ignore[attr-defined]
    assert [float(step.values.sum()) for step in steps] == pytest.approx([100.0, 100.0])


# ---------------------------------------------------------------------- diversity


def test_the_repeated_network_has_the_commonest_decisions_everywhere_and_the_same_widths() -> None:
    space = mnasnet(10, 64, width=0.25)
    rng = np.random.default_rng(4)
    for row in space.sample(rng, 5):
        found = space.decode(row).architecture
        repeated = repeating(space, found)
        assert repeated is not None
        assert {one.operation for one in _open_layers(repeated)} == {_commonest(space, row, "operation")}
        shapes = [[(path, block.out_channels) for path, block, _ in one.blocks()] for one in (found, repeated)]
        assert shapes[0] == shapes[1]


def _open_layers(architecture: Architecture) -> list[MnasNetLayer]:
    blocks = [(path, block) for path, block, _ in architecture.blocks()]
    return [b for path, b in blocks if isinstance(b, MnasNetLayer) and path.split(".")[1] in "12345"]


def _commonest(space: Any, row: Any, name: str) -> Any:
    paths = [path for path in space.decisions if path.endswith(f".{name}")]
    picks = [int(row[space.column[path]]) for path in paths]
    return space.decisions[paths[0]].options[max(dict.fromkeys(picks), key=picks.count)]


def test_the_section_counts_kinds_and_states_what_both_networks_cost() -> None:
    row = SPACE.canonical([[0] * len(SPACE.decisions)])
    row[0, SPACE.column["stages.1.0.operation"]] = 3
    architecture = SPACE.decode(row[0]).architecture
    part = layer_diversity(ReportData(space=SPACE, architecture=architecture))
    assert isinstance(part, Section)
    repeated = repeating(SPACE, architecture)
    assert repeated is not None
    for network in (architecture, repeated):
        assert f"{cost_of(Macs(), network) / 1e6:.2f}\u202fM" in part.drawings[0].description
    kinds = len({block.label() for path, block, _ in architecture.blocks() if path.startswith("stages")})
    assert f"found: {kinds} kinds of layers" in part.drawings[0].description


def test_a_space_that_decides_once_has_no_diversity() -> None:
    one = mnasnet(10, 28, width=0.25, layers=(1,), filters=((16, 24),), strides=(1, 2, 1))
    data = ReportData(space=one, architecture=one.decode([0] * len(one.decisions)).architecture)
    part = layer_diversity(data)
    assert isinstance(part, Absent)
    assert part.why == "the space decides the kind of a layer only once"
    assert isinstance(layer_diversity(replace(data, architecture=None)), Absent)
