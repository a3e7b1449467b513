from __future__ import annotations

import hashlib

import numpy as np
import pytest

from sculptnet.devices import Model, Quality, example_input
from sculptnet.errors import InvalidValue
from sculptnet.testing.elsewhere import run_elsewhere


def test_quality_names_every_wrong_number_at_once() -> None:
    with pytest.raises(InvalidValue) as caught:
        Quality(rounds=1, chunk_ms=0, tries=0)
    text = str(caught.value)
    assert "3 problems" in text
    assert "rounds must be a whole number of at least 2, got 1" in text
    assert "tries must be a whole number of at least 1, got 0" in text
    assert "chunk_ms must be above 0, got 0" in text


def test_the_example_input_is_uniform_in_minus_one_to_one() -> None:
    values = example_input((1, 3, 64, 64))
    assert values.dtype == np.float32
    assert -1 <= values.min() < -0.99
    assert 0.99 < values.max() < 1
    assert abs(float(values.mean())) < 0.02
    assert float(values.std()) == pytest.approx(3**-0.5, rel=0.02)


def test_the_example_input_is_the_same_in_another_process() -> None:
    code = (
        "import hashlib; from sculptnet.devices.plan import example_input;"
        "print(hashlib.sha256(example_input((2, 3, 5, 5)).tobytes()).hexdigest())"
    )
    there = run_elsewhere(code).strip()
    assert there == hashlib.sha256(example_input((2, 3, 5, 5)).tobytes()).hexdigest()


def test_a_model_is_named_by_its_bytes_and_shape() -> None:
    model = Model(b"graph", (1, 3, 8, 8))
    assert model.digest() == Model(b"graph", (1, 3, 8, 8), np.zeros(3, np.float32)).digest()
    assert len({model.digest(), Model(b"other", (1, 3, 8, 8)).digest(), Model(b"graph", (1, 3, 9, 9)).digest()}) == 3
