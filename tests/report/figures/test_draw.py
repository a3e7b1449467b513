"""Every figure is drawn once, warnings being errors, from data at their limits; and what is drawn is what was given."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from tests.report.made_up import line_of

from sculptnet.cost.table import HeldOut
from sculptnet.report.facts import Course, Curve, Latency, Point
from sculptnet.report.figures import (
    accuracy_predictor,
    confusion,
    feasibility,
    front,
    held_out,
    latencies_around,
    phases,
    proxy,
    recall,
    recipes,
    reward,
    search,
    specialized,
    training,
)
from sculptnet.report.figures.phases import PhaseCourse
from sculptnet.report.figures.recall import Recall
from sculptnet.report.palette import ACCENT
from sculptnet.report.style import styled


def axes_of(figure: Figure) -> list[Axes]:
    """The axes that are seen, after the figure was laid out and drawn once."""
    figure.savefig(io.BytesIO(), format="svg")
    return [axes for axes in figure.axes if axes.get_visible()]


def texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def legend(axes: Axes) -> list[str]:
    found = axes.get_legend()
    return [] if found is None else [text.get_text() for text in found.get_texts()]


# ---------------------------------------------------------------------- accuracy over latency
FOUND = Point("found network", Latency(2.0, 1.9, 2.1), 0.8, 0.75, 0.85)


def trials(count: int, **changes: Any) -> list[Point]:
    return [
        Point(f"trial {index}", Latency(1 + index / count), 0.5 + index / count / 4, **changes)
        for index in range(count)
    ]


@pytest.mark.parametrize(
    ("points", "final", "others", "budget_ms", "names"),
    [
        ([], FOUND, [], None, ["found network"]),
        (trials(1), None, [], 1.0, ["trial, measured"]),
        (
            trials(3, measured=False),
            FOUND,
            [Point("b", Latency(1.0), 0.7)],
            3.0,
            ["trial, predicted", "front of the trials", "found network", "baseline"],
        ),
        (
            trials(250, shipped=True),
            FOUND,
            [],
            90.0,
            ["trial, measured", "chosen trial", "front of the trials", "found network"],
        ),
    ],
)
def test_the_main_figure_has_a_key_for_what_is_in_it(
    points: Sequence[Point], final: Point | None, others: Sequence[Point], budget_ms: float | None, names: list[str]
) -> None:
    with styled():
        (axes,) = axes_of(front.draw(points, final, others, budget_ms))
    assert legend(axes) == names
    assert any(text.startswith("budget") for text in texts(axes)) == (budget_ms is not None)
    assert sum(text.startswith("found network\n80.0") for text in texts(axes)) == (final is not None)


def test_a_budget_far_away_has_a_logarithmic_axis_and_stays_inside() -> None:
    with styled():
        (axes,) = axes_of(front.draw(trials(3), None, [], 90.0))
    assert axes.get_xscale() == "log"
    low, high = axes.get_xlim()
    assert low < 1.0
    assert high > 90.0


def test_accuracies_near_the_top_do_not_leave_the_scale() -> None:
    with styled():
        (axes,) = axes_of(front.draw([Point("t", Latency(1.0), 1.0)], None, [], None))
    assert axes.get_ylim()[1] <= 101


# ---------------------------------------------------------------------- predictions
@pytest.mark.parametrize("pairs", [((0.5, 0.5),), ((0.5, 0.5),) * 3, ((0.1, 0.2), (0.9, 0.8))])
def test_predicted_accuracies_lie_in_a_square_with_its_diagonal(pairs: Sequence[tuple[float, float]]) -> None:
    with styled():
        (axes,) = axes_of(accuracy_predictor.draw(pairs, "true", ["3 networks"]))
    points: Any = axes.collections[0].get_offsets()
    np.testing.assert_allclose(points, 100 * np.array(pairs))
    assert axes.get_xlim() == axes.get_ylim()
    assert texts(axes) == ["3 networks"]
    assert legend(axes) == ["predicted = true"]


@pytest.mark.parametrize(
    ("pairs", "finalists", "keys"),
    [
        (((1.0, 1.1), (2.0, 2.1)), [], ["held-out network", "predicted = measured"]),
        ((), [("a", 1.0, 1.0)], ["finalist of the search", "predicted = measured"]),
        (((1.0, 1.1),), [("a", 1.0, 1.0)], ["held-out network", "finalist of the search", "predicted = measured"]),
    ],
)
def test_the_table_s_check_shows_held_out_networks_and_finalists(
    pairs: tuple[tuple[float, float], ...], finalists: list[tuple[str, float, float]], keys: list[str]
) -> None:
    checked = HeldOut(2, 7.5, -1.25, math.nan, 0.7, pairs) if pairs else None
    with styled():
        (axes,) = axes_of(held_out.draw(checked, finalists))
    assert legend(axes) == keys
    assert axes.get_xlim()[0] >= 0
    told = texts(axes)
    assert bool(told) == bool(pairs)
    if told:
        assert told[0].split("\n")[1:] == [
            "mean error 7.5\u202f% (noise floor 0.70\u202f%)",
            "bias \u22121.2\u202f%",
            "rank correlation \u2014",
        ]


def test_short_and_longer_training_are_points_with_names() -> None:
    with styled():
        (axes,) = axes_of(proxy.draw([("trial 0", 0.5, 0.7), ("trial 3", 0.5, 0.7)], 1, 4))
    assert texts(axes) == ["trial 0", "trial 3"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("accuracy after 1 epoch (%)", "accuracy after 4 epochs (%)")


# ---------------------------------------------------------------------- classes
@pytest.mark.parametrize("size", [2, 13])
def test_the_matrix_has_a_number_where_half_a_percent_is_reached(size: int) -> None:
    matrix = 1000 * np.eye(size, dtype=int)
    matrix[0, 1], matrix[1, 0] = 4, 6  # 0.4 % and 0.6 %
    with styled():
        figure = confusion.draw(matrix.tolist(), [f"class {index}" for index in range(size)])
        axes, key = axes_of(figure)
    assert sorted(texts(axes)) == sorted(["1", *["100"] * (size - 2), "100", "99"])
    assert key.get_xlabel() == "share of the true class"
    assert axes.get_ylim() == (size, 0)


def test_a_class_without_images_has_an_empty_row() -> None:
    with styled():
        axes, _ = axes_of(confusion.draw([[3, 1], [0, 0]], ["a" * 40, "b"]))
    assert texts(axes) == ["75", "25"]
    assert axes.get_yticklabels()[0].get_text() == "a" * 17 + "\u2026"


def test_recalls_come_worst_first_and_only_so_many() -> None:
    found = [
        Recall(f"class {index}", index / 40, max(0, index / 40 - 0.1), min(1, index / 40 + 0.1), 40)
        for index in range(40)
    ]
    with styled():
        (axes,) = axes_of(recall.draw(found, 0.5))
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert len(names) == recall.MOST_ROWS
    assert names[0] == "class 0 (40)"
    assert texts(axes)[0] == "mean of all classes 50.0\u202f%"


def test_the_importance_of_settings_is_a_bar_each_also_below_zero() -> None:
    lost = {f"setting {index}": (index - 2) / 10 for index in range(30)}
    with styled():
        (axes,) = axes_of(recipes.draw(lost))
    assert len(axes.patches) == recipes.MOST_ROWS
    assert axes.get_yticklabels()[0].get_text() == "setting 29"
    assert texts(axes)[0] == "270.0\u202f%"
    with styled():
        (axes,) = axes_of(recipes.draw({"one": -0.05}))
    assert texts(axes) == ["\u22125.0\u202f%"]


# ---------------------------------------------------------------------- over epochs
def columns(**values: Sequence[float]) -> dict[str, Any]:
    return {name: np.array(row, dtype=np.float64) for name, row in values.items()}


def curve(name: str, kind: str, **values: Sequence[float]) -> Curve:
    found = columns(**values)
    return Curve(name, kind, np.arange(1.0, len(next(iter(found.values()))) + 1), found)


def test_trainings_are_panels_with_a_line_each_and_names_at_their_ends() -> None:
    curves = [
        curve("trial 0", "trial", loss=[2, 1], top1=[0.1, 0.2]),
        curve("trial 1", "trial", loss=[2, 1.5], top1=[0.1, 0.3]),
        curve("random", "baseline", loss=[2, math.nan]),
        curve("found network", "final", loss=[2, 0.5], top1=[math.nan, 0.6], learning_rate=[0.1, 0.0]),
    ]
    with styled():
        loss, accuracy, rate = axes_of(training.draw(curves))
    assert [len(axes.lines) for axes in (loss, accuracy, rate)] == [4, 3, 1]
    assert [axes.get_title(loc="left") for axes in (loss, accuracy, rate)] == [
        "training loss",
        "accuracy (%)",
        "learning rate",
    ]
    assert sorted(texts(accuracy)) == ["2 trials", "found network"]
    assert [axes.get_xlabel() for axes in (loss, accuracy, rate)] == ["", "epoch", "epoch"]
    assert loss.lines[3].get_color() == ACCENT


def test_a_training_of_one_quantity_has_one_panel() -> None:
    with styled():
        (axes,) = axes_of(training.draw([curve("fbnet_a", "final", loss=[2, 1])]))
    assert texts(axes) == ["fbnet_a"]


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        (
            {"expected_cost": [2, 1], "entropy": [1, 0.5], "loss": [2, 1]},
            ["expected latency (ms)", "entropy (nats a decision)", "loss of the weights"],
        ),
        ({"tau": [5, 4]}, ["temperature \u03c4"]),
        ({"theta_loss": [math.nan, math.nan]}, []),
    ],
)
def test_the_search_has_a_panel_for_what_was_logged(values: Mapping[str, Sequence[float]], shown: list[str]) -> None:
    course = Course(np.array([1.0, 2.0]), columns(**values), ("weights", "architecture"), "latency_ms@x", ({}, {}))
    with styled():
        found = axes_of(search.draw(course, 1.5, 1.1))
    assert [axes.get_title(loc="left") for axes in found] == shown
    named = [text for axes in found for text in texts(axes)]
    assert named == [text for text in ("budget 1.50", "uniform 1.10") if len(shown) > 1]
    assert all(len(axes.patches) == 1 for axes in found)  # the warm-up


def test_other_costs_keep_their_names() -> None:
    course = Course(np.array([1.0]), columns(expected_cost=[3.0]), ("architecture",), "macs", ({},))
    with styled():
        (axes,) = axes_of(search.draw(course, None, None))
    assert axes.get_title(loc="left") == "expected macs"
    assert not texts(axes)
    assert not axes.patches


def test_the_reward_has_its_best_and_its_baseline_where_they_are_known() -> None:
    known = columns(
        candidates=[6, 12, 18], reward=[0.1, math.nan, 0.3], best_reward=[0.2, 0.3, 0.4], entropy=[1.0, 0.9, 0.8]
    )
    with styled():
        rewards, entropies = axes_of(reward.draw(known, 1.1))
    assert legend(rewards) == ["mean of a batch", "best of a batch"]
    assert line_of(rewards.lines[0])[0] == [6, 18]
    assert texts(entropies) == ["uniform 1.10"]
    assert entropies.get_ylim()[0] == 0


def test_a_controller_of_which_nothing_is_known_has_an_empty_figure() -> None:
    with styled():
        assert axes_of(reward.draw(columns(candidates=[6], reward=[math.nan]), None)) == []


def test_the_bars_of_each_half_sum_to_all_of_its_candidates() -> None:
    costs = np.array([1.0, 1.1, 5.0, 90.0, 2.0, 2.1, 2.2])
    with styled():
        (axes,) = axes_of(latencies_around.draw(costs, 2.0, "latency (ms)"))
    steps: list[Any] = [patch.get_data() for patch in axes.patches]  # type: ignore[attr-defined]
    assert [float(step.values.sum()) for step in steps] == pytest.approx([100.0, 100.0])
    assert texts(axes) == ["target 2.00"]
    assert axes.get_xlabel() == "latency (ms)"


def test_candidates_of_equal_cost_are_drawn() -> None:
    with styled():
        (axes,) = axes_of(latencies_around.draw(np.full(4, 2.0), 2.0, "macs"))
    assert axes.get_xlim()[0] < 2.0 < axes.get_xlim()[1]


def test_phases_stand_one_after_the_other_with_the_accuracies_at_their_ends() -> None:
    first = PhaseCourse("full", 3, {1: 2.0, 2: 1.5, 3: math.nan}, {"largest": 0.7, "random 1": 0.6}, 3.0)
    second = PhaseCourse(
        "a phase with a long name", 2, {1: 1.0}, {"largest": 0.71, "smallest": 0.5, "random 1": 0.6}, 2.0
    )
    with styled():
        losses, accuracies = axes_of(phases.draw([first, second, PhaseCourse("open", 1, {}, {}, 0.0)]))
    assert texts(losses) == ["full", "a phase with\u2026", "open"]
    assert sorted(texts(accuracies)) == ["largest", "random networks", "smallest"]
    largest = next(line for line in accuracies.lines if line.get_color() == ACCENT)
    assert line_of(largest)[0] == [3, 5]
    assert line_of(largest)[1] == pytest.approx([70, 71])
    assert accuracies.get_xlim() == (0.5, 6.5)


# ---------------------------------------------------------------------- budgets
@pytest.mark.parametrize("at_most_ms", [0.1, 1.0, 2.5, 4.0, 40.0])
def test_a_budget_has_its_place_below_within_and_above_the_space(at_most_ms: float) -> None:
    with styled():
        (axes,) = axes_of(feasibility.draw(1.0, 2.0, 4.0, at_most_ms))
    shown = texts(axes)
    assert [text.split()[0] for text in shown] == ["fastest", "median", "slowest", "budget"]
    within = [line for line in axes.lines if line.get_color() == ACCENT]
    assert bool(within) == (at_most_ms > 1.0)
    if within:
        assert line_of(within[0])[0] == [1.0, min(at_most_ms, 4.0)]
    low, high = axes.get_xlim()
    assert all(low <= text.get_position()[0] <= high for text in axes.texts)


def test_devices_have_a_panel_each_with_lines_from_what_was_predicted() -> None:
    panels = [
        specialized.Panel("fast", ((1.0, 0.5), (2.0, 0.6)), [1.5], [(1.4, 0.6)], [(1.5, 0.58)], [(1.5, 0.57)]),
        specialized.Panel("slow", (), [10.0, 100.0], [(9.0, 0.6)], [(9.5, 0.5)], [(9.5, 0.5)]),
    ]
    with styled():
        fast, slow = axes_of(specialized.draw(panels))
    assert legend(fast) == [
        "front, predicted",
        "predicted",
        "measured, held-out training images",
        "measured, test images",
    ]
    assert legend(slow) == legend(fast)[1:]
    assert (fast.get_xscale(), slow.get_xscale()) == ("linear", "log")
    assert fast.get_title(loc="left") == "fast"
