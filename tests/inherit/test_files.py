"""Libraries on disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tests.inherit.families import images, library
from tests.inherit.test_library import same_state, smallest

from sculptnet.blocks import ALL, Conv
from sculptnet.errors import InvalidValue
from sculptnet.inherit import load_library, save_library


@pytest.mark.parametrize("name", ["squeezed", "bottlenecks", "mnasnet"])
def test_what_is_read_is_what_was_written_and_assembles_the_same(name: str, tmp_path: Path) -> None:
    made = library(name)
    save_library(made, tmp_path)
    found = load_library(tmp_path, ALL)
    assert found.space == made.space
    assert dict(found.scores.entries) == dict(made.scores.entries)
    assert found.scores.constant == made.scores.constant
    assert found.refit == made.refit
    assert torch.equal(found.images, made.images)
    assert same_state(found.network, made.network)
    small = smallest(made.space)
    first, second = (one.assemble(small) for one in (made, found))
    assert same_state(first, second)
    assert torch.equal(first(images(3)), second(images(3)))


def test_what_is_no_library_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="does not exist"):
        load_library(tmp_path, ALL)
    save_library(library("stacked"), tmp_path)
    values = tmp_path / "library.json"
    data = json.loads(values.read_text())
    values.write_text(json.dumps({**data, "schema": 9}))
    with pytest.raises(InvalidValue, match="no library of schema 1"):
        load_library(tmp_path, ALL)
    values.write_text(json.dumps(data))
    with pytest.raises(InvalidValue, match="holds no whole library"):
        load_library(tmp_path, (Conv,))
    (tmp_path / "library.safetensors").write_bytes(b"cut off")
    with pytest.raises(InvalidValue, match="holds no whole library"):
        load_library(tmp_path, ALL)
