from __future__ import annotations

from typing import Any

import pytest

from sculptnet.arch import Architecture, TensorShape, choice, prefix
from sculptnet.blocks import Classifier, Conv, InvertedResidual, PooledConv, Skip
from sculptnet.errors import InvalidValue, OpenValue


def network(**changes: Any) -> Architecture:
    parts: dict[str, Any] = {
        "resolution": 33,
        "stem": Conv(8, stride=2),
        "stages": ((InvertedResidual(8), Skip(8)), (InvertedResidual(16, stride=2),)),
        "head": PooledConv(32),
        "classifier": Classifier(5),
    }
    return Architecture(**(parts | changes))


def test_blocks_come_in_order_with_paths_and_input_shapes() -> None:
    assert [(path, shape) for path, _, shape in network().blocks()] == [
        ("stem", TensorShape(3, 33, 33)),
        ("stages.0.0", TensorShape(8, 17, 17)),
        ("stages.0.1", TensorShape(8, 17, 17)),
        ("stages.1.0", TensorShape(8, 17, 17)),
        ("head", TensorShape(16, 9, 9)),
        ("classifier", TensorShape(32, 1, 1)),
    ]


def test_the_classifier_says_how_many_classes() -> None:
    assert network().num_classes == 5


def test_named_counts_open_depth_in_full() -> None:
    stage = prefix((Conv(8), Conv(8), Conv(8)), 1, 3)
    assert [path for path, _ in network(stages=(stage,)).named()] == [
        "stem",
        "stages.0.0",
        "stages.0.1",
        "stages.0.2",
        "head",
        "classifier",
    ]


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"resolution": choice(32, 64)}, r"Architecture\.resolution is choice\(32, 64\)"),
        ({"stem": Conv(choice(8, 16))}, r"Architecture\.stem\.out_channels is choice\(8, 16\)"),
        ({"stages": ((Skip(8), choice(Skip(8), Conv(8))),)}, r"Architecture\.stages\.0\.1 is choice\(Skip"),
        ({"stages": (prefix((Skip(8), Skip(8)), 1, 2),)}, r"Architecture\.stages\.0 is prefix\(<2 items>, 1, 2\)"),
    ],
)
def test_shapes_of_a_template_are_refused_and_the_place_is_named(changes: dict[str, Any], place: str) -> None:
    with pytest.raises(OpenValue, match=rf"Architecture\.blocks needs decided values, but {place}.*decode a candidate"):
        list(network(**changes).blocks())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"resolution": 0}, "resolution must be a whole number of pixels above 0, got 0"),
        ({"resolution": choice(32, 32.5)}, "resolution must be a whole number of pixels above 0, got 32.5"),
        ({"stages": ()}, "stages must hold at least one stage, got none"),
        ({"stages": ((Skip(8),), ())}, "stages.1 has no blocks; a stage has at least one"),
        ({"stages": (Skip(8),)}, r"stages.0 must be a tuple of blocks or prefix\(...\), got Skip"),
        ({"stages": [(Skip(8),)]}, r"stages must be a tuple of stages, got \[\(Skip"),
    ],
)
def test_every_rule_has_its_message(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValue, match=f"Architecture: {message}"):
        network(**changes)


def test_all_problems_are_said_at_once() -> None:
    with pytest.raises(InvalidValue, match=r"Architecture: 2 problems\n  - resolution .*\n  - stages\.0 has no blocks"):
        network(resolution=-1, stages=((),))


def test_architectures_are_values() -> None:
    assert network() == network()
    assert hash(network()) == hash(network())
    assert network() != network(resolution=32)
