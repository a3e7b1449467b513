from __future__ import annotations

import json
from typing import Any

import pytest

from sculptnet import blocks
from sculptnet.arch import (
    AdamW,
    Architecture,
    Augmentation,
    Exponential,
    Recipe,
    RmsProp,
    Steps,
    architecture_from_json,
    between,
    choice,
    from_json,
    prefix,
    recipe_from_json,
    same,
    to_json,
)
from sculptnet.blocks import Activation, Classifier, Conv, InvertedResidual, PooledConv, Skip, SqueezeExcite
from sculptnet.errors import InvalidValue


def through_text(value: Any) -> Any:
    return json.loads(json.dumps(to_json(value)))


TEMPLATE = Architecture(
    resolution=between(32, 64, 16),
    stem=Conv(choice(8, 16), activation=choice(Activation.RELU, Activation.HARD_SWISH)),
    stages=(
        prefix((InvertedResidual(16, choice(3, 5), squeeze=choice(None, SqueezeExcite())), Skip(16)), 1, 2),
        (
            choice(InvertedResidual(24, expansion=between(0.75, 4.5, 0.75)), Skip(24)),
            Conv(24, same("stem.kernel_size")),
        ),
    ),
    head=PooledConv(32),
    classifier=Classifier(7),
)


def test_templates_come_back_from_json() -> None:
    assert architecture_from_json(through_text(TEMPLATE), blocks.ALL) == TEMPLATE


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(),
        Recipe(optimizer=RmsProp(), schedule=Exponential(warmup_epochs=5), augmentation=Augmentation(mixup=0.2)),
        Recipe(epochs=between(1, 9, 4), optimizer=AdamW(learning_rate=choice(1e-3, 1e-4)), schedule=Steps((1, 2.5))),
        Recipe(schedule=Steps(prefix((1, 2, 3), 1, 3))),
    ],
)
def test_recipes_come_back_from_json(recipe: Recipe) -> None:
    assert recipe_from_json(through_text(recipe)) == recipe


def test_a_class_is_written_as_its_name_under_kind() -> None:
    assert to_json(Skip(8, 2)) == {"kind": "Skip", "out_channels": 8, "stride": 2}


def test_missing_fields_take_their_defaults() -> None:
    assert from_json({"kind": "Skip", "out_channels": 8}, blocks.ALL) == Skip(8)


def test_only_listed_classes_are_made() -> None:
    with pytest.raises(InvalidValue, match="JSON: the document has the kind 'Skip'; known: AdamW, Architecture"):
        from_json(to_json(Skip(8)), ())


def changed(path: str, value: Any) -> Any:
    """The template's JSON with another value at `path`, or without it if `value` is `...`."""
    data = through_text(TEMPLATE)
    *parents, last = path.split(".")
    node = data
    for name in parents:
        node = node[int(name) if name.isdigit() else name]
    if value is ...:
        del node[last]
    else:
        node[int(last) if last.isdigit() else last] = value
    return data


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("stem.kind", "Convolution", "stem has the kind 'Convolution'; known: AdamW"),
        ("stem.kind", "conv", "stem has the kind 'conv'; did you mean Conv"),
        ("stem.kind", ..., "stem has no 'kind'; known"),
        ("stem.kernal_size", 3, "stem.kernal_size is no field of Conv; did you mean kernel_size?"),
        ("head.out_channels", ..., "head.out_channels is missing"),
        ("head.out_channels", "many", "head.out_channels must be int, got 'many'"),
        ("head.out_channels", True, "head.out_channels must be int, got True"),
        ("head.out_channels", 1.5, "head.out_channels must be int, got 1.5"),
        ("head.out_channels", [3], r"head.out_channels must be int, got \[3\]"),
        ("head.activation", "rellu", "head.activation is 'rellu'; did you mean relu or relu6"),
        ("head", 3, "head must be Block, got 3"),
        ("head", {"kind": "AdamW"}, "head must be Block, got 'AdamW'"),
        ("stages", 3, "stages must be tuple, got 3"),
        ("stages.1", 3, "stages.1 must be tuple, got 3"),
        ("stages.1.1", None, "stages.1.1 must be Block, got None"),
        ("stages.1.1.kernel_size", 4, r"stages.1.1: Conv: kernel_size must be odd and above 0, got 4"),
        ("stages.1.1.kernel_size", {"choice": [3, 4]}, "stages.1.1: Conv: kernel_size must be odd and above 0, got 4"),
        ("stages.1.1.kernel_size", {"choice": []}, r"kernel_size: 'choice' needs a list that is not empty, got \[\]"),
        ("stages.0.prefix", [], r"stages.0: 'prefix' needs a list that is not empty, got \[\]"),
        ("stages.0.lengths", ..., "stages.0.lengths must be a list of whole numbers, got None"),
        ("stages.0.lengths", [1, "x"], r"stages.0.lengths must be a list of whole numbers, got \[1, 'x'\]"),
        ("stages.0.lengths", [1, 5], r"stages.0: prefix: lengths must lie in 1\.\.2, the number of items"),
    ],
)
def test_what_is_wrong_is_said_with_the_path(path: str, value: Any, message: str) -> None:
    with pytest.raises(InvalidValue, match=f"JSON: {message}" if "kernel" not in message else message):
        from_json(changed(path, value), blocks.ALL)


def test_all_problems_are_said_at_once() -> None:
    data = changed("stem.kind", "Cov") | {"resolution": "big", "colour": 1}
    with pytest.raises(
        InvalidValue, match=r"JSON: 3 problems\n  - colour is no field(.|\n)*resolution must be int(.|\n)*stem has"
    ):
        from_json(data, blocks.ALL)


@pytest.mark.parametrize("data", [[], 3, "x", None, {"kind": "Skip", "out_channels": 8}])
def test_another_document_is_no_architecture(data: Any) -> None:
    with pytest.raises(InvalidValue, match="JSON: expected an object of kind Architecture, got"):
        architecture_from_json(data, blocks.ALL)


def test_another_kind_is_no_recipe() -> None:
    with pytest.raises(InvalidValue, match="JSON: expected an object of kind Recipe, got AdamW"):
        recipe_from_json(to_json(AdamW()))


def test_what_is_no_plain_value_cannot_be_written() -> None:
    with pytest.raises(InvalidValue, match="set cannot be written as JSON"):
        to_json({1, 2})
