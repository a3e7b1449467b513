from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from sculptnet.report.figures.ranges import Panel, Range, colour_of, draw, edges_of, in_order
from sculptnet.report.palette import HEAT, INK, SURFACE
from sculptnet.report.style import styled


def test_cells_meet_halfway_between_options() -> None:
    assert edges_of((8, 16, 32)) == [4, 12, 24, 40]
    assert edges_of((10,)) == [9, 11]
    assert edges_of((4, 20)) == [2, 12, 28]


def test_a_probability_has_the_colour_of_its_step() -> None:
    assert [colour_of(chance) for chance in (0.0, 0.019, 0.02, 0.9, 1.0)] == [
        HEAT[0],
        HEAT[0],
        HEAT[1],
        HEAT[8],
        HEAT[8],
    ]


def test_layers_stand_in_the_order_of_the_network() -> None:
    names = ["stem", "2.0", "10.0", "1.0", "1.10", "1.2", "2.0", "head.0"]
    assert in_order(names) == ["stem", "1.0", "1.2", "1.10", "2.0", "10.0", "head.0"]


def test_every_option_is_a_cell_and_what_is_shipped_is_marked() -> None:
    layers = (
        Range("0.0", (8, 16, 24), 16, (0.1, 0.6, 0.3)),
        Range("1.0", (16, 32), 32, (0.5, 0.5), skipped=True),
        Range("1.1", (16, 32), None, (0.5, 0.5)),
    )
    with styled():
        axes = draw([Panel("channels", layers)]).axes[0]
    cells = [patch for patch in axes.patches if isinstance(patch, Rectangle) and patch.get_fill()]
    assert [to_hex(cell.get_facecolor()) for cell in cells] == [
        colour_of(chance) for found in layers for chance in found.chances or ()
    ]
    assert [np.asarray(line.get_xydata()).tolist() for line in axes.lines] == [[[0, 16]], [[1, 32]]]
    assert [line.get_markerfacecolor() for line in axes.lines] == [INK, SURFACE]


@pytest.mark.parametrize(("highest", "scale"), [(48, "linear"), (216, "log")])
def test_widths_far_apart_are_on_a_logarithmic_axis(highest: int, scale: str) -> None:
    with styled():
        figure = draw([Panel("channels", (Range("0", (8, 16)), Range("1", (16, highest))))])
    assert figure.axes[0].get_yscale() == scale


def test_layers_stand_in_one_column_and_what_belongs_to_none_beside_them() -> None:
    panels = (Panel("channels", (Range("0", (8, 16)), Range("1", (8, 16)))), Panel("expansion", (Range("1", (2, 3)),)))
    with styled():
        figure = draw(panels, Panel("resolution (px)", (Range("resolution", (24, 28), 24),)))
    first, alone, second, _ = figure.axes
    assert [label.get_text() for label in second.get_xticklabels()] == ["0", "1"]
    assert {round(patch.get_x()) for patch in second.patches if isinstance(patch, Rectangle)} == {1}
    assert (first.get_ylabel(), alone.get_ylabel()) == ("channels", "resolution (px)")
