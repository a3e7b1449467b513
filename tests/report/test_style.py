from __future__ import annotations

import re

import matplotlib as mpl
import numpy as np
import pytest

from sculptnet.report.palette import BLOCKS, DARK, HEAT, INK
from sculptnet.report.style import (
    PROBABILITY_STEPS,
    SHARE_STEPS,
    bare,
    block_colours,
    diagonal,
    finite,
    heat_key,
    heat_level,
    logarithmic,
    marker,
    names_at_right,
    natural,
    new_figure,
    note,
    on_heat,
    panels,
    patch_columns,
    reference,
    rows,
    spread,
    styled,
)


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    bright, dim = sorted((luminance(first), luminance(second)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["ink", "muted", "accent", "alert"])
def test_text_has_enough_contrast_in_both_schemes(scheme: str, name: str) -> None:
    palette = {known: (light if scheme == "light" else dark) for light, (known, dark) in DARK.items()}
    assert contrast(palette[name], palette["surface"]) >= 4.5


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_numbers_on_heat_maps_have_enough_contrast_in_both_schemes(scheme: str) -> None:
    shown = {light: (light if scheme == "light" else dark) for light, (_, dark) in DARK.items()}
    for step, colour in zip(PROBABILITY_STEPS, HEAT, strict=False):
        assert contrast(shown[on_heat(step, PROBABILITY_STEPS)], shown[colour]) >= 4.5


def test_every_colour_of_the_palette_has_its_own_variable() -> None:
    names = [name for name, _ in DARK.values()]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"#[0-9a-f]{6}", colour) for light, (_, dark) in DARK.items() for colour in (light, dark))


@pytest.mark.parametrize("ramp", [HEAT, *BLOCKS])
def test_ramps_go_one_way_in_both_schemes(ramp: tuple[str, ...]) -> None:
    light, dark = [luminance(colour) for colour in ramp], [luminance(DARK[colour][1]) for colour in ramp]
    assert light == sorted(light, reverse=True)
    assert dark == sorted(dark)


def test_settings_of_the_user_come_back() -> None:
    with mpl.rc_context({"font.size": 31.0, "axes.grid": True, "text.usetex": True}):
        before = dict(mpl.rcParams)
        with styled():
            assert mpl.rcParams["font.size"] != 31.0
            assert mpl.rcParams["text.usetex"] is False
            new_figure(100, 50)
        assert dict(mpl.rcParams) == before


def test_figures_measure_in_pixels_of_the_page() -> None:
    assert (new_figure(480, 96).get_size_inches() == [5, 1]).all()


def test_fbnet_blocks_have_a_hue_per_kernel_and_a_depth_per_expansion() -> None:
    labels = [f"k{kernel}_{rest}" for kernel in (3, 5) for rest in ("e1", "e1_g2", "e3", "e6")]
    colours = block_colours([*labels, "skip"])
    assert len({colours[label] for label in labels}) == 8
    assert "skip" not in colours
    depths = [luminance(colours[label]) for label in labels[:4]]
    assert depths == sorted(depths, reverse=True)


def test_every_kind_of_a_kernel_has_a_colour_of_its_own() -> None:
    labels = [f"k5_e{expansion}{gate}" for expansion in range(1, 7) for gate in ("", "_se")]
    assert len(set(block_colours(labels).values())) == len(labels)


def test_colours_depend_on_the_kinds_alone() -> None:
    assert block_colours(["k5_e6", "k3_e1", "k3_e1"]) == block_colours(["k3_e1", "k5_e6"])


def test_names_sort_by_the_numbers_in_them() -> None:
    assert sorted(["k11_e3", "k3_e6", "k3_e12", "k5_e1"], key=natural) == ["k3_e6", "k3_e12", "k5_e1", "k11_e3"]


def test_labels_that_fit_stay_where_they_are() -> None:
    assert spread([0.9, 0.1, 0.5], 0.2, 0, 1).tolist() == pytest.approx([0.9, 0.1, 0.5])


def test_crowded_labels_are_moved_apart_and_keep_their_order() -> None:
    placed = spread([0.5, 0.52, 0.51], 0.2, 0, 1)
    assert placed.tolist() == pytest.approx([0.31, 0.71, 0.51])


def test_labels_stay_inside() -> None:
    placed = spread([0.95, 1.2, 0.99], 0.2, 0, 1)
    assert placed.max() <= 1.0
    assert np.diff(np.sort(placed)).min() == pytest.approx(0.2)
    assert spread([], 0.2, 0, 1).size == 0
    assert spread([0.5] * 9, 0.2, 0, 1).tolist() == pytest.approx(np.linspace(0, 1, 9).tolist())


# ---------------------------------------------------------------------- parts that figures share
@pytest.mark.parametrize(("value", "level"), [(0.0, 0), (0.019, 0), (0.02, 1), (0.5, 6), (0.95, 8), (1.0, 8)])
def test_the_steps_of_a_heat_map_hold_their_lower_ends(value: float, level: int) -> None:
    assert heat_level(value, PROBABILITY_STEPS) == level


@pytest.mark.parametrize(("count", "columns", "shape"), [(1, 2, 1), (3, 2, 4), (4, 2, 4), (0, 1, 1), (2, 1, 2)])
def test_small_charts_fill_rows_and_the_last_ones_say_what_they_are_over(count: int, columns: int, shape: int) -> None:
    with styled():
        cells = panels(new_figure(400, 300), count, columns, "epoch")
    assert len(cells) == shape
    assert sum(axes.get_visible() for axes in cells) == count
    below = [axes.get_xlabel() for axes in cells if axes.get_visible()]
    assert below.count("epoch") == min(columns, count)
    assert below[len(below) - below.count("epoch") :] == ["epoch"] * below.count("epoch")


def test_a_column_is_known_where_one_of_its_numbers_is() -> None:
    columns = {"a": np.array([np.nan, 1.0]), "b": np.array([np.nan]), "c": np.array([])}
    assert [finite(columns, name) for name in "abcd"] == [True, False, False, False]


def test_few_points_are_dots() -> None:
    assert (marker([1.0] * 11), marker([1.0] * 12), marker([1.0] * 12 + [np.nan], 13)) == ("o", "", "o")


@pytest.mark.parametrize(("latencies", "wide"), [((1.0, 5.0), False), ((1.0, 7.0), True), ((0.0, 7.0), False)])
def test_latencies_that_differ_by_much_have_a_logarithmic_axis(latencies: tuple[float, ...], wide: bool) -> None:
    with styled():
        axes = new_figure(200, 200).subplots()
        assert logarithmic(axes, latencies) == wide
    assert (axes.get_xscale() == "log") == wide
    if wide:
        assert axes.xaxis.get_major_formatter()(10.0) == "10"
        assert [axes.xaxis.get_minor_formatter()(value) for value in (2.0, 3.0, 50.0)] == ["2", "", "50"]


@pytest.mark.parametrize(
    ("values", "least", "limits"),
    [((1.0, 2.0), 0.0, (0.93, 2.07)), ((0.01, 1.0), 0.0, (0.0, 1.0693)), ((3.0, 3.0), 0.0, (2.7, 3.3))],
)
def test_the_plane_of_a_prediction_is_square(
    values: tuple[float, ...], least: float, limits: tuple[float, float]
) -> None:
    with styled():
        axes = new_figure(200, 200).subplots()
        diagonal(axes, values, least, "predicted = true")
    assert axes.get_xlim() == pytest.approx(limits)
    assert axes.get_ylim() == axes.get_xlim()
    assert axes.get_aspect() == 1


def test_names_stand_beside_the_ends_of_their_lines_and_never_on_each_other() -> None:
    with styled():
        axes = new_figure(200, 200).subplots()
        axes.set_ylim(0, 10)
        names_at_right(axes, [("a", 5.0, INK), ("b", 5.1, INK), ("c" * 30, 9.0, INK)], 0.2)
    places = {str(text.get_text()): float(text.xy[1]) for text in axes.texts}  # type: ignore[attr-defined]
    assert places["c" * 17 + "\u2026"] == pytest.approx(0.9)
    assert places["b"] - places["a"] == pytest.approx(0.2)


def test_a_reference_makes_room_for_its_name() -> None:
    with styled():
        axes = new_figure(200, 200).subplots()
        axes.set_ylim(0, 10)
        reference(axes, 12.0, "budget", INK)
        assert list(axes.get_ylim()) == pytest.approx([0, 13.5])
        reference(axes, -1.0, "floor", INK)
        assert axes.get_ylim()[0] == pytest.approx(-1 - 0.08 * 13.5)
    assert [text.get_text() for text in axes.texts] == ["budget 12.0", "floor \u22121.00"]


def test_rows_run_from_the_top_down_with_their_values_beside_them() -> None:
    with styled():
        axes = new_figure(200, 200).subplots()
        rows(axes, ["first", "second"], ["1 %", "2 %"])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["first", "second"]
    assert [text.get_text() for text in axes.texts] == ["1 %", "2 %"]
    low, high = axes.get_ylim()
    assert low > high


def test_the_key_of_a_heat_map_names_every_step() -> None:
    with styled():
        figure = new_figure(400, 400)
        axes = figure.subplots()
        heat_key(figure, [axes], SHARE_STEPS, "share")
        key = figure.axes[1]
        labels = [label.get_text() for label in key.get_xticklabels()]
    assert labels == [f"{step}\u202f%" for step in ("0", "0.2", "1", "2", "5", "10", "20", "50", "80", "100")]
    assert key.get_xlabel() == "share"


def test_a_note_has_a_line_for_each_number() -> None:
    with styled():
        axes = new_figure(200, 200).subplots()
        note(axes, ["a", "b"])
    assert [text.get_text() for text in axes.texts] == ["a\nb"]


def test_legends_have_as_many_columns_as_fit() -> None:
    with styled():
        assert patch_columns(["k3_e1"] * 9, 2000) == 5
        assert patch_columns(["k3_e1"] * 9, 200) in (2, 3)
        assert patch_columns(["a very long label of a block"], 10) == 1


def test_bare_sides_keep_their_labels() -> None:
    with styled():
        axes = new_figure(200, 200).subplots()
        axes.set_xticks([0, 1], ["a", "b"])
        bare(axes, "bottom")
    assert not axes.spines["bottom"].get_visible()
    assert axes.spines["left"].get_visible()
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "b"]
