from __future__ import annotations

import importlib.util
import sys

import numpy as np
import pytest

from sculptnet.data import Files, load
from sculptnet.errors import MissingExtra

INSTALLED = importlib.util.find_spec("elpv_dataset") is not None


@pytest.mark.skipif(not INSTALLED, reason="the package elpv-dataset is not installed")
def test_the_certain_photographs() -> None:
    data = load("elpv", test_fraction=0.25, seed=1)
    labels = np.concatenate([data.train.labels, data.test.labels])
    assert np.bincount(labels).tolist() == [1508, 715]  # 67.8 % of 2,223 are sound
    assert len(data.test) == 377 + 179
    assert data.classes == ("sound", "defective")
    assert isinstance(data.train, Files)
    assert (data.train.sizes == 300).all()
    assert data.grey
    assert data.notes[0] == "2,223 of 2,624 photographs: those with a defect probability of 0 or 1"
    assert data.notes[-1] == "licence: CC BY-NC-SA 4.0, no commercial use"


def test_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "elpv_dataset", raising=False)
    monkeypatch.setattr(sys, "path", [])  # nothing can be found any more
    with pytest.raises(MissingExtra) as caught:
        load("elpv")
    assert str(caught.value) == (
        "the data set elpv comes with the package elpv-dataset, which is not installed; "
        "run `pip install sculptnet[elpv]`"
    )
