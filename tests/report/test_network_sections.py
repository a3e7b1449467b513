"""What the page says of the network's layers, and how diverse they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.report.made_up import text_of

from sculptnet.arch import Architecture
from sculptnet.blocks import MnasNetLayer
from sculptnet.cost import LatencyTable, Macs, cost_of
from sculptnet.report import Absent, Details, ReportData, Section, Table
from sculptnet.report.network_sections import repeating
from sculptnet.report.sections import layer_diversity, network
from sculptnet.spaces import mnasnet

SPACE = mnasnet(10, 28, width=0.25, layers=(2, 2), filters=((16, 24, 32), (24, 32, 40)), strides=(1, 2, 2, 1))


# ---------------------------------------------------------------------- layer by layer
def test_every_layer_is_a_row_and_the_shares_are_those_of_the_whole(full_run: ReportData) -> None:
    part = network(full_run)
    assert isinstance(part, Section)
    details = part.body[1]
    assert isinstance(details, Details)
    table = details.block
    assert isinstance(table, Table)
    assert full_run.architecture is not None
    assert full_run.table is not None
    blocks = list(full_run.architecture.blocks())
    assert [row[0] for row in table.rows] == [path for path, _, _ in blocks]
    assert [row[1] for row in table.rows] == [block.label() for _, block, _ in blocks]
    shares = [float(str(row[5]).removesuffix("\u202f%")) for row in table.rows]
    outside = 100 * full_run.table.constant / cost_of(full_run.table, full_run.architecture)
    assert sum(shares) == pytest.approx(100 - outside, abs=0.05 * len(shares))


def test_the_caption_adds_up_to_what_the_table_says_of_the_network(full_run: ReportData) -> None:
    part = network(full_run)
    text = text_of(part)
    assert full_run.table is not None
    assert full_run.architecture is not None
    total = cost_of(full_run.table, full_run.architecture)
    assert f"outside the layers {total:.2f}\u202fms" in text
    assert "A short line on the ground is a layer that was skipped" in text
    assert isinstance(part, Section)
    skipped = sum(block.is_identity(shape.channels) for _, block, shape in full_run.architecture.blocks())
    assert f"layers, {skipped} of them skipped; the slowest is" in part.drawings[0].description


def test_a_given_network_without_a_table_is_drawn_by_its_multiply_adds(full_run: ReportData) -> None:
    given = ReportData(architecture=full_run.architecture, given="fbnet_a")
    text = text_of(network(given))
    assert full_run.architecture is not None
    assert f"together {cost_of(Macs(), full_run.architecture) / 1e6:.2f}\u202fM" in text
    assert "latency" not in text.lower()


def test_without_a_network_a_table_or_an_entry_the_section_says_so(full_run: ReportData) -> None:
    for data, why in (
        (ReportData(), "no network was chosen yet"),
        (replace(full_run, table=None), "there is no latency table; `sculptnet measure` makes one"),
        (replace(full_run, table=LatencyTable("onnxruntime-1t", {}, 1.0, 0.0)), "onnxruntime-1t"),
    ):
        part = network(data)
        assert isinstance(part, Absent)
        assert why in part.why


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
    for one in (architecture, repeated):
        assert f"{cost_of(Macs(), one) / 1e6:.2f}\u202fM" in part.drawings[0].description
    kinds = len({block.label() for path, block, _ in architecture.blocks() if path.startswith("stages")})
    assert f"found: {kinds} kinds of layers" in part.drawings[0].description


def test_a_network_that_repeats_one_kind_already_is_its_own_repetition(full_run: ReportData) -> None:
    architecture = SPACE.decode(SPACE.canonical([[0] * len(SPACE.decisions)])[0]).architecture
    assert repeating(SPACE, architecture) == architecture


def test_a_space_that_decides_once_has_no_diversity() -> None:
    one = mnasnet(10, 28, width=0.25, layers=(1,), filters=((16, 24),), strides=(1, 2, 1))
    data = ReportData(space=one, architecture=one.decode([0] * len(one.decisions)).architecture)
    part = layer_diversity(data)
    assert isinstance(part, Absent)
    assert part.why == "the space decides the kind of a layer only once"
    assert isinstance(layer_diversity(replace(data, architecture=None)), Absent)


def test_layers_that_the_table_lacks_are_named(full_run: ReportData) -> None:
    part = layer_diversity(replace(full_run, table=LatencyTable("onnxruntime-1t", {}, 1.0, 0.0)))
    assert isinstance(part, Absent)
    assert "onnxruntime-1t" in part.why
