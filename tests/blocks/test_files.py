"""Architecture files are read with the blocks that everybody has; of others the error says how they are read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from examples.extending.my_block import FusedInvertedResidual

from sculptnet import blocks
from sculptnet.arch import Architecture, Recipe, architecture_from_json, to_json
from sculptnet.blocks import Classifier, Conv, PooledConv, read_architecture
from sculptnet.errors import InvalidValue

OURS = Architecture(16, Conv(8), ((Conv(8),),), PooledConv(16), Classifier(3))
OWN = replace(OURS, stages=((FusedInvertedResidual(8),),))


def test_blocks_of_ones_own_are_read_in_a_module_of_ones_own() -> None:
    assert read_architecture(to_json(OURS)) == OURS
    with pytest.raises(
        InvalidValue, match=r"'FusedInvertedResidual'; .* \(Blocks of your own .* `package\.module:name`"
    ):
        read_architecture(to_json(OWN))
    assert architecture_from_json(to_json(OWN), [*blocks.ALL, FusedInvertedResidual]) == OWN, "as the error says"


def test_what_has_no_blocks_of_ones_own_is_told_nothing_of_them() -> None:
    broken = {**to_json(OURS), "resolution": "large"}
    given: tuple[Any, ...] = (to_json(Recipe()), broken, [], {"kind": 3})
    for data in given:
        with pytest.raises(InvalidValue) as caught:
            read_architecture(data)
        assert ("Blocks of your own" in str(caught.value)) == (data == {"kind": 3})
