"""What options are called, and which decisions make a difference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sculptnet.arch import Sgd, between, choice
from sculptnet.blocks import InvertedResidual, Skip
from sculptnet.report.choices import matters, option_name
from sculptnet.spaces import mnasnet

BLOCK = InvertedResidual(8, kernel_size=3)


@pytest.mark.parametrize(
    ("option", "name"),
    [
        (3, "3"),
        (0.25, "0.25"),
        ("relu", "relu"),
        (Skip(8, 1), Skip(8, 1).label()),
        (BLOCK, BLOCK.label()),
        (replace(BLOCK, kernel_size=choice(3, 5)), "InvertedResidual"),
        (Sgd(0.1), "Sgd"),
        (Sgd(between(0.1, 0.5, 0.1)), "Sgd"),
    ],
)
def test_options_are_named_by_label_by_class_or_by_value(option: object, name: str) -> None:
    assert option_name(option) == name


def test_layers_beyond_the_depth_make_no_difference() -> None:
    space = mnasnet(10, 28, width=0.25, layers=(2, 2), filters=((16, 24), (24, 32)), strides=(1, 2, 2, 1))
    rows = space.sample(np.random.default_rng(0), 3)
    for row in rows:
        choices = tuple(row.tolist())
        for path in space.decisions:
            other = row.copy()
            other[space.column[path]] = 1 - min(1, row[space.column[path]])
            same = (space.canonical(other[None])[0] == row).all()
            assert matters(space, choices, path) == (not same)
