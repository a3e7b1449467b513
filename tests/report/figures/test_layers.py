from __future__ import annotations

import io
from dataclasses import dataclass
from typing import final

import pytest
from matplotlib.colors import to_hex, to_rgba
from matplotlib.patches import Rectangle

from sculptnet.arch import Block, SearchSpace, TensorShape
from sculptnet.cost import Macs, Reduce, cost_of
from sculptnet.report.figures import diversity
from sculptnet.report.figures.layers import MACS, Layer, draw, layers_of
from sculptnet.report.palette import FIXED
from sculptnet.report.style import block_colours, styled
from sculptnet.report.text import count


@final
@dataclass(frozen=True)
class Work:
    """Input times output channels and pixels; identities are free."""

    name: str = "work"
    constant: float = 0.0
    reduce: Reduce = Reduce.SUM

    def block(self, path: str, block: Block, shape: TensorShape) -> float:
        free = block.is_identity(shape.channels)
        return 0.0 if free else float(shape.channels * block.out_channels * shape.height * shape.width)


def test_layers_sum_to_the_cost_of_the_network(tiny_fbnet: SearchSpace) -> None:
    architecture = tiny_fbnet.decode([2, 8, 7, 8]).architecture
    layers = layers_of(architecture, Work())
    assert sum(layer.cost for layer in layers) == cost_of(Work(), architecture)
    assert [layer.label for layer in layers] == ["conv3x3", "k3_e3", "skip", "k5_e6", "skip", "conv1x1+pool", "fc"]
    assert [layer.stage for layer in layers] == [-1, 0, 1, 1, 1, -1, -1]


def test_only_a_skip_of_equal_shapes_is_free(tiny_fbnet: SearchSpace) -> None:
    layers = layers_of(tiny_fbnet.decode([2, 8, 7, 8]).architecture, Work())
    skips = [(layer.identity, layer.cost > 0) for layer in layers if layer.label == "skip"]
    assert skips == [(False, True), (True, False)]


def test_bars_are_as_high_as_the_latency_and_coloured_by_kind(tiny_fbnet: SearchSpace) -> None:
    layers = layers_of(tiny_fbnet.decode([2, 8, 7, 8]).architecture, Work())
    with styled():
        (axes,) = draw(layers).axes
    drawn = [layer for layer in layers if not layer.identity]
    bars = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert [bar.get_height() for bar in bars] == pytest.approx([layer.cost for layer in drawn])
    colours = block_colours(layer.label for layer in layers if layer.stage >= 0)
    faces = [to_hex(bar.get_facecolor()) for bar in bars]
    assert (faces[0], faces[1], faces[3]) == (FIXED, colours["k3_e3"], colours["k5_e6"])
    assert to_rgba(bars[2].get_facecolor())[3] == 0  # the projecting skip is an outline


def test_without_a_table_the_axis_counts_multiply_adds(tiny_fbnet: SearchSpace) -> None:
    layers = layers_of(tiny_fbnet.decode([2, 8, 7, 8]).architecture, Macs())
    with styled():
        (axes,) = draw(layers, MACS).axes
    assert axes.get_ylabel() == "multiply-adds (millions)"
    assert count(max(layer.cost for layer in layers)) in {text.get_text() for text in axes.texts}


@pytest.mark.parametrize("num_kinds", [2, 4, 9])
def test_the_key_is_inside_narrow_and_wide_figures(num_kinds: int) -> None:
    shape = TensorShape(8, 4, 4)
    kinds = [f"k{3 + 2 * (index % 3)}_e{index}_se_hswish" for index in range(num_kinds)]
    layers = [Layer(f"stages.{index}.0", kind, index, shape, shape, False, 1.0) for index, kind in enumerate(kinds)]
    with styled():
        figure, both = draw(layers), diversity.draw({"found": layers, "repeated": layers})
        for drawn, legend in ((figure, figure.axes[0].get_legend()), (both, both.legends[0])):
            drawn.savefig(io.BytesIO())
            assert legend is not None
            box = legend.get_window_extent()
            assert 0 <= box.x0 < box.x1 <= drawn.bbox.x1
            assert 0 <= box.y0 < box.y1 <= drawn.bbox.y1
