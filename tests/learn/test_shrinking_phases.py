from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from sculptnet import spaces
from sculptnet.arch import Architecture, Cosine, Recipe, SearchSpace, Sgd
from sculptnet.errors import InvalidValue
from sculptnet.learn import Phase, progressive, sandwich
from sculptnet.learn.shrinking_phases import Kind, Options, Rule, opened, widths_of
from sculptnet.nets import largest, smallest
from sculptnet.spaces.ofa_spaces import PAPER_RESOLUTIONS
from sculptnet.streams import stream


def paper_space() -> SearchSpace:
    return spaces.ofa_mobilenet_v3(resolutions=PAPER_RESOLUTIONS)


def values(space: SearchSpace, options: Options, path: str) -> list[Any]:
    return [space.decisions[path].options[index] for index in options[space.column[path]]]


def test_once_for_alls_phases_are_the_published_ones() -> None:
    """Epochs, learning rates of 2048 images, networks a step: table of the published code's stages."""
    space = paper_space()
    phases = progressive(space)
    shown = []
    for phase in phases:
        recipe = phase.recipe
        assert isinstance(recipe.schedule, Cosine)
        opens = [values(space, phase.options, f"stages.1.{name}") for name in ("0.kernel_size", "depth", "0.expansion")]
        plain = (phase.name, recipe.epochs, recipe.schedule.warmup_epochs, recipe.optimizer.learning_rate)
        shown.append((*plain, phase.subnets, phase.distillation, *opens))
        assert values(space, phase.options, "resolution") == list(PAPER_RESOLUTIONS)
    assert shown == [
        ("full", 180, 7.2, 2.6, 1, 0, [7], [4], [6]),
        ("kernel", 125, 5, 0.96, 1, 1, [3, 5, 7], [4], [6]),
        ("depth 1", 25, 0, 0.08, 2, 1, [3, 5, 7], [3, 4], [6]),
        ("depth 2", 125, 5, 0.24, 2, 1, [3, 5, 7], [2, 3, 4], [6]),
        ("width 1", 25, 0, 0.08, 4, 1, [3, 5, 7], [2, 3, 4], [4, 6]),
        ("width 2", 125, 5, 0.24, 4, 1, [3, 5, 7], [2, 3, 4], [3, 4, 6]),
    ]
    assert phases[0].recipe.optimizer == Sgd(2.6, 0.9, True, 3e-5)
    assert phases[0].recipe == Recipe(180, 2048, Sgd(2.6, 0.9, True, 3e-5), Cosine(7.2), dropout=0.1)
    assert [phase.supported is not None for phase in phases] == [False] * 4 + [True] * 2


def test_learning_rates_follow_the_batch() -> None:
    rates = [phase.recipe.optimizer.learning_rate for phase in progressive(paper_space(), batch_size=64)]
    assert rates[1:3] == pytest.approx([3e-2, 2.5e-3])  # of one accelerator, in the published code


def test_phases_that_open_nothing_are_left_out() -> None:
    assert [phase.name for phase in progressive(spaces.ofa_resnet50())] == [
        *("full", "depth 1", "depth 2", "width 1", "width 2")
    ]
    two = spaces.ofa_mobilenet_v3(depths=(2, 4), kernel_sizes=(3,), expansions=(3, 6))
    assert [phase.name for phase in progressive(two)] == ["full", "depth 2", "width 2"]
    assert [phase.name for phase in progressive(two, full_epochs=0)] == ["depth 2", "width 2"]


def test_what_a_phase_of_no_epochs_would_open_opens_later() -> None:
    space = paper_space()
    phases = progressive(space, kernel_epochs=0, width_epochs=(0, 125))
    assert [phase.name for phase in phases] == ["full", "depth 1", "depth 2", "width 2"]
    assert values(space, phases[1].options, "stages.1.0.kernel_size") == [3, 5, 7]
    supported = phases[-1].supported
    assert supported is not None
    assert values(space, supported, "stages.1.0.expansion") == [6]


def test_the_stems_convolution_is_depth() -> None:
    space = spaces.ofa_resnet50()
    phases = {phase.name: phase for phase in progressive(space)}
    assert values(space, phases["depth 1"].options, "stem.residual") == [True]
    assert values(space, phases["depth 2"].options, "stem.residual") == [False, True]


def test_the_sandwich_is_one_phase_with_everything_open() -> None:
    space = paper_space()
    (phase,) = sandwich(space, batch_size=256)
    assert phase.rule is Rule.SANDWICH
    assert phase.options == opened(space, {})
    assert [len(places) for places in phase.options] == [len(node.options) for node in space.decisions.values()]
    assert phase.recipe.optimizer == Sgd(0.1, 0.9, True, 1e-5)


def test_draws_are_networks_of_open_options() -> None:
    space = paper_space()
    phase = progressive(space)[4]
    drawn = phase.draw(space, stream(0, "test"), 200)
    layers = [layer for network in drawn for stage in network.stages[1:] for layer in stage]
    assert {layer.expansion for layer in layers} == {4, 6}  # type: ignore[attr-defined]
    assert {layer.kernel_size for layer in layers} == {3, 5, 7}  # type: ignore[attr-defined]
    assert {len(stage) for network in drawn for stage in network.stages[1:]} == {2, 3, 4}
    assert {network.resolution for network in drawn} <= set(PAPER_RESOLUTIONS)
    assert len({network.resolution for network in drawn}) > 20
    assert phase.draw(space, stream(0, "test"), 0) == []


def test_extremes() -> None:
    space = paper_space()
    phases = progressive(space)
    assert phases[-1].extreme(space, ()) == largest(space)
    assert phases[-1].extreme(space, tuple(Kind)) == smallest(space)
    assert phases[0].extreme(space, tuple(Kind)) == replace(largest(space), resolution=128)
    small_kernels = phases[1].extreme(space, (Kind.KERNEL,))
    assert {layer.kernel_size for stage in small_kernels.stages for layer in stage} == {3}  # type: ignore[attr-defined]


def test_widths_of_have_every_width_of_every_layer() -> None:
    def widths(space: SearchSpace, options: Options) -> list[Architecture]:
        found = widths_of(space, options)
        assert all(len(network.stages[1]) == 4 for network in found)
        return found

    space = paper_space()
    phases = progressive(space)
    assert phases[4].supported is not None
    assert widths(space, phases[4].supported) == [largest(space)]
    assert phases[5].supported is not None
    both = widths(space, phases[5].supported)
    assert [{layer.expansion for layer in network.stages[2]} for network in both] == [{4}, {6}]  # type: ignore[attr-defined]
    resnet = spaces.ofa_resnet50(extra_layers=(0,))
    firsts = [network.stages[1][0] for network in widths_of(resnet, opened(resnet, {}))]
    assert len(set(firsts)) == 9  # three widths, three ratios


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda phase: replace(phase, subnets=0), "Phase 'full': subnets must be at least 1, got 0"),
        (lambda phase: replace(phase, distillation=-1.0), "distillation must be at least 0, got -1"),
    ],
)
def test_wrong_phases_are_refused(make: Callable[[Phase], Phase], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        make(progressive(paper_space())[0])


def test_learning_rates_and_epochs_go_together() -> None:
    with pytest.raises(InvalidValue, match=r"width_epochs and width_learning_rates need as many.*\(1, 2, 3\)"):
        progressive(paper_space(), width_epochs=(1, 2, 3))
