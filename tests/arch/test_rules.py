"""Every rule that keeps costs local has its message, with the place."""

from __future__ import annotations

from typing import Any

import pytest

from sculptnet.arch import Architecture, Block, Recipe, SearchSpace, Sgd, Steps, choice, prefix, same
from sculptnet.blocks import Classifier, Conv, InvertedResidual, PooledConv, Skip
from sculptnet.errors import InvalidSpace


def space(*stages: tuple[Block, ...], stem: Block | None = None, recipe: Recipe | None = None) -> SearchSpace:
    template = Architecture(8, stem or Conv(8, choice(1, 3)), stages, PooledConv(8), Classifier(2))
    return SearchSpace(template, recipe or Recipe())


def slot(*options: Any) -> Block:
    block: Block = choice(*options)
    return block


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        (
            (Conv(8, stride=choice(1, 2)),),
            r"stages\.0\.0\.stride is open; strides and padding must be decided, sizes depend on the resolution alone",
        ),
        (
            (slot(Skip(8), Conv(8, stride=same("stem.kernel_size"))),),
            r"stages\.0\.0\[1\]\.stride is open",
        ),
        (
            (slot(Skip(8, 2), Conv(8)),),
            r"the options at stages\.0\.0 have the strides \[1, 2\]; all options of a place need the same",
        ),
        (
            (slot(Skip(8), 7),),
            r"stages\.0\.0\[1\] is 7, not a block",
        ),
        (
            prefix((Skip(8), Conv(8, stride=2)), 1, 2),
            r"stages\.0\.1 may be left out and has stride 2; it needs stride 1",
        ),
        (
            prefix((Conv(8), Conv(16), Conv(16)), 1, 3),
            r"stages\.0 has open depth and the widths 16, 8; layers under open depth share one width "
            r"\(same\('stages\.0\.0\.out_channels'\)\)",
        ),
        (
            prefix((Conv(choice(8, 16)), Conv(choice(8, 16))), 1, 2),
            r"the widths stages\.0\.0\.out_channels, stages\.0\.1\.out_channels; layers under open depth share",
        ),
        (
            (Conv(8, same("stages.0.1.kernel_size")),),
            r"stages\.0\.0\.kernel_size is same\('stages\.0\.1\.kernel_size'\), but no decision has that path; paths: "
            r"stem\.kernel_size",
        ),
        (
            (slot(InvertedResidual(8, kernel_size=choice(3, 5)), Skip(8)), same("stages.0.0")),
            r"stages\.0\.1 is same\('stages\.0\.0'\), whose options are open themselves; tie decided options",
        ),
        (
            (slot(Conv(8), Skip(8)), same("stages.0.0")),
            r"stages\.0\.1 is same\('stages\.0\.0'\), not a block; tie fields of blocks, such as kernel_size, one",
        ),
        (
            (slot(InvertedResidual(8, expansion=choice(3, 6)), InvertedResidual(8, expansion=3)),),
            r"options 0 and 1 at stages\.0\.0 can become the same value; make them one with open fields",
        ),
        (
            (slot(Conv(8, same("stem.kernel_size")), Conv(8, 5)),),
            r"options 0 and 1 at stages\.0\.0 can become the same value",
        ),
    ],
)
def test_every_rule_has_its_message(stage: tuple[Block, ...], message: str) -> None:
    with pytest.raises(InvalidSpace, match=f"SearchSpace: (.|\n)*{message}"):
        space(stage)


def test_something_must_be_open() -> None:
    with pytest.raises(InvalidSpace, match=r"nothing is open in the templates; put choice\(\.\.\.\)"):
        space((Conv(8),), stem=Conv(8))


def test_overlapping_tuples_are_found() -> None:
    schedules: tuple[float, ...] = choice((choice(1, 2), 3), (1, 3))
    with pytest.raises(InvalidSpace, match=r"options 0 and 1 at recipe\.schedule\.milestones can become the same"):
        space((Conv(8),), recipe=Recipe(schedule=Steps(schedules)))


def test_two_open_options_that_overlap_are_reported_once() -> None:
    optimizer = choice(Sgd(learning_rate=choice(0.1, 0.2)), Sgd(momentum=choice(0.8, 0.9), learning_rate=0.1))
    with pytest.raises(InvalidSpace) as caught:
        space((Conv(8),), recipe=Recipe(optimizer=optimizer))
    assert str(caught.value).count("can become the same value") == 1


def test_all_places_are_named_at_once() -> None:
    with pytest.raises(
        InvalidSpace, match=r"SearchSpace: 3 problems(.|\n)*- stages\.0\.1(.|\n)*at stem(.|\n)*- stages\.0\.0"
    ):
        space(
            (Conv(8, stride=choice(1, 2)), Conv(8, same("stages.7"))),
            stem=slot(Conv(8), Conv(8, stride=2)),
        )


def test_what_keeps_costs_local_is_allowed() -> None:
    width = choice(8, 16)
    first: Block = slot(InvertedResidual(width, expansion=choice(1, 6)), InvertedResidual(width, groups=2))
    tied = [Conv(same("stages.0.0.out_channels"), choice(3, 5)) for _ in range(2)]
    made = space(prefix((Conv(width, stride=2), *tied), 1, 2, 3), (first, Skip(8)))
    assert made.decisions["stages.0.depth"].options == (1, 2, 3)
