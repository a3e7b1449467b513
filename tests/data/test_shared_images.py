"""Photographs that lie beside the repository, where they do."""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

from sculptnet.arch import Augmentation
from sculptnet.data import EvaluationBatches, TrainingBatches, decoded, default_preprocessing, folder, inspect

ARCHIVE = Path(__file__).parents[2].parent / "shared" / "data" / "images" / "sign-language-digits.tar"

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not ARCHIVE.is_file(), reason="the image collections beside the repository are absent"),
]


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("digits")
    with tarfile.open(ARCHIVE) as archive:
        wanted = [file for file in archive if file.name.split("/")[2:3] in (["0"], ["7"])]
        archive.extractall(path, wanted, filter="data")
    return path / "sign-language-digits" / "Dataset"


def test_real_photographs_from_folder_to_batches(digits: Path) -> None:
    data = folder(digits, test_fraction=0.2, seed=0)
    findings = inspect(data)
    assert np.add(findings.train_counts, findings.test_counts).tolist() == [205, 206]
    assert findings.largest == (3024, 3024)
    assert (findings.identical, findings.near_duplicates) == (0, 0)
    chosen = default_preprocessing(data, 48)
    kept = decoded(data, chosen)
    for streamed, remembered in zip(
        EvaluationBatches(data.test, chosen, 64), EvaluationBatches(kept.test, chosen, 64), strict=True
    ):
        assert all(torch.equal(a, b) for a, b in zip(streamed, remembered, strict=True))
    images, _ = next(iter(TrainingBatches(kept.train, chosen, Augmentation(), 256, seed=0).epoch(0)))
    assert abs(float(images.mean())) < 0.3
    assert 0.7 < float(images.std()) < 1.3
