from __future__ import annotations

import re

import matplotlib as mpl
import numpy as np
import pytest

from sculptnet.report.style import (
    DARK,
    HEAT,
    PROBABILITY_STEPS,
    block_colours,
    css_variables,
    natural,
    new_figure,
    on_heat,
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
    assert len(re.findall(r"--ink:", css_variables())) == 2


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
