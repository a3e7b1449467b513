from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from sculptnet.arch import SearchSpace
from sculptnet.errors import InvalidValue
from sculptnet.learn import AccuracyPredictor, fit_accuracy_predictor, load_accuracy_predictor
from sculptnet.learn.accuracy_predictor import error_of
from sculptnet.runs import FileCheckpoint
from sculptnet.spaces import ofa_mobilenet_v3
from sculptnet.state import NoCheckpoint
from sculptnet.testing.elsewhere import run_elsewhere

SPACE = ofa_mobilenet_v3(10, 64, resolutions=(48, 64))
SETTINGS: dict[str, Any] = {"source": "supernet 1", "seed": 0, "hidden": (32, 32), "epochs": 5}
ROWS = SPACE.sample(np.random.default_rng(0), 300)


def truth(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Deeper, wider and larger is better, and depth helps more at a high resolution."""
    depth = np.array([path.endswith(".depth") for path in SPACE.decisions])
    return np.asarray(0.6 + rows.sum(axis=1) / 500 + rows[:, 0] * rows[:, depth].sum(axis=1) / 100)


@pytest.fixture(scope="module")
def predictor() -> AccuracyPredictor:
    return fit_accuracy_predictor(SPACE, ROWS, truth(ROWS), **SETTINGS)


def test_it_says_what_it_did_not_learn(predictor: AccuracyPredictor) -> None:
    others = SPACE.sample(np.random.default_rng(1), 500)
    error = error_of(predictor.of(others), truth(others))
    assert error.spearman > 0.95
    assert predictor.error.learned == 240
    assert predictor.error.held_out == 60
    assert len(predictor.error.pairs) == 60
    assert predictor.error.rmse_points == pytest.approx(error.rmse_points, rel=0.5)
    assert "points RMSE, Kendall" in str(predictor.error)


def test_a_row_is_predicted_as_its_canonical_row_and_alone_as_among_others(predictor: AccuracyPredictor) -> None:
    raw = np.random.default_rng(2).integers(SPACE.num_options, size=(50, len(SPACE.decisions)))
    np.testing.assert_array_equal(predictor.of(raw), predictor.of(SPACE.canonical(raw)))
    np.testing.assert_allclose([predictor.of(row)[0] for row in raw], predictor.of(raw), rtol=1e-5)


def test_errors_are_in_points_and_ranks() -> None:
    accuracies = np.array([0.5, 0.6, 0.7, 0.8])
    error = error_of(accuracies + 0.01 * np.array([1, -1, 1, -1]), accuracies, learned=9)
    assert error.rmse_points == pytest.approx(1.0)
    assert (error.kendall, error.spearman) == (1.0, 1.0)
    assert error_of(-accuracies, accuracies).kendall == -1.0
    assert math.isnan(error_of(np.full(4, 0.6), accuracies).spearman)


def test_it_comes_back_as_it_was(predictor: AccuracyPredictor, tmp_path: Path) -> None:
    predictor.save(FileCheckpoint(tmp_path))
    again = load_accuracy_predictor(FileCheckpoint(tmp_path), SPACE, "supernet 1")
    assert again.error == predictor.error
    np.testing.assert_array_equal(again.of(ROWS), predictor.of(ROWS))
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".safetensors"]


def test_ranks_that_nobody_knows_come_back(tmp_path: Path) -> None:
    constant = fit_accuracy_predictor(SPACE, ROWS, np.full(len(ROWS), 0.5), **SETTINGS)
    constant.save(FileCheckpoint(tmp_path))
    assert math.isnan(load_accuracy_predictor(FileCheckpoint(tmp_path), SPACE, "supernet 1").error.kendall)


OTHER_PROCESS = """
import sys
import numpy as np, torch
torch.set_num_threads(1)
from sculptnet.learn import fit_accuracy_predictor
from sculptnet.spaces import ofa_mobilenet_v3
space = ofa_mobilenet_v3(10, 64, resolutions=(48, 64))
rows = space.sample(np.random.default_rng(0), 300)
depth = np.array([path.endswith(".depth") for path in space.decisions])
accuracies = 0.6 + rows.sum(axis=1) / 500 + rows[:, 0] * rows[:, depth].sum(axis=1) / 100
predictor = fit_accuracy_predictor(space, rows, accuracies, source="supernet 1", seed=0, hidden=(32, 32), epochs=5)
print(predictor.of(rows).tobytes().hex())
"""


def test_another_process_learns_the_same_and_another_seed_something_else(predictor: AccuracyPredictor) -> None:
    done = run_elsewhere(OTHER_PROCESS)
    assert bytes.fromhex(done.strip()) == predictor.of(ROWS).tobytes()
    other = fit_accuracy_predictor(SPACE, ROWS, truth(ROWS), **{**SETTINGS, "seed": 1})
    assert not np.array_equal(other.of(ROWS), predictor.of(ROWS))


def test_the_global_generator_plays_no_part(predictor: AccuracyPredictor) -> None:
    torch.manual_seed(123)
    again = fit_accuracy_predictor(SPACE, ROWS, truth(ROWS), **SETTINGS)
    np.testing.assert_array_equal(again.of(ROWS), predictor.of(ROWS))


def test_a_candidate_that_was_sampled_twice_counts_once_with_its_mean() -> None:
    twice = np.concatenate([ROWS, ROWS])
    noise = np.where(np.arange(len(twice)) < len(ROWS), 0.01, -0.01)
    once = fit_accuracy_predictor(SPACE, ROWS, truth(ROWS), **SETTINGS)
    both = fit_accuracy_predictor(SPACE, twice, truth(twice) + noise, **SETTINGS)
    assert both.error.learned == once.error.learned
    np.testing.assert_allclose(both.of(ROWS), once.of(ROWS), atol=1e-4)


# ---------------------------------------------------------------------- errors
def test_samples_that_cannot_be_learned_are_told_at_once() -> None:
    with pytest.raises(InvalidValue) as caught:
        fit_accuracy_predictor(SPACE, ROWS[:10], 100 * truth(ROWS[:10]), held_out=1.0, **SETTINGS)
    for text in (
        "10 different candidates are too few, at least 20 are needed",
        "accuracies must be fractions from 0 to 1, got ",
        "held_out must lie between 0 and 1, got 1.0",
    ):
        assert text in str(caught.value)
    with pytest.raises(InvalidValue, match=r"one number for each of 300 rows, got shape \(3,\)"):
        fit_accuracy_predictor(SPACE, ROWS, np.zeros(3), **SETTINGS)
    with pytest.raises(InvalidValue, match=r"got nan \(1 are none\)"):
        fit_accuracy_predictor(SPACE, ROWS, np.where(np.arange(300) == 7, np.nan, 0.5), **SETTINGS)


def test_rows_of_another_space_are_refused(predictor: AccuracyPredictor) -> None:
    small = ofa_mobilenet_v3(10, 64)
    with pytest.raises(InvalidValue, match="choices need 46 columns"):
        predictor.of(small.sample(np.random.default_rng(0), 3))
    with pytest.raises(InvalidValue, match="choices need 45 columns"):
        fit_accuracy_predictor(small, ROWS, truth(ROWS), **SETTINGS)


def other_spaces() -> list[tuple[SearchSpace, str]]:
    return [
        (ofa_mobilenet_v3(10, 64, resolutions=(32, 64)), "architecture.resolution.choice.0 is 48 there and 32 here"),
        (ofa_mobilenet_v3(7, 64, resolutions=(48, 64)), "architecture.classifier.out_channels is 10 there and 7 here"),
    ]


@pytest.mark.parametrize(("space", "text"), other_spaces())
def test_a_predictor_of_another_space_or_supernet_is_refused(
    predictor: AccuracyPredictor, space: SearchSpace, text: str, tmp_path: Path
) -> None:
    predictor.save(FileCheckpoint(tmp_path))
    with pytest.raises(InvalidValue) as caught:
        load_accuracy_predictor(FileCheckpoint(tmp_path), space, "supernet 2")
    assert f"it was learned for another space: {text}" in str(caught.value)
    assert "it was learned from 'supernet 1', wanted is 'supernet 2'" in str(caught.value)
    assert "fit one with samples of this space and source" in str(caught.value)


def test_what_is_no_predictor_is_refused(predictor: AccuracyPredictor, tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="no accuracy predictor was saved there; fit_accuracy_predictor makes one"):
        load_accuracy_predictor(NoCheckpoint(), SPACE, "supernet 1")
    FileCheckpoint(tmp_path).save(predictor.network.state_dict(), {"step": 3})
    with pytest.raises(InvalidValue, match="what was saved there is no accuracy predictor"):
        load_accuracy_predictor(FileCheckpoint(tmp_path), SPACE, "supernet 1")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"format": 1}, "saved in format 1, this version reads 2; fit_accuracy_predictor makes it again"),
        ({"widths": [45, 32]}, r"is damaged, or not for the \d+ features of the space \(.*makes it again"),
        ({"widths": None}, r"is damaged, .* makes it again"),
    ],
)
def test_what_was_saved_otherwise_or_damaged_is_refused(
    predictor: AccuracyPredictor, change: dict[str, Any], text: str, tmp_path: Path
) -> None:
    predictor.save(FileCheckpoint(tmp_path))
    tensors, state = FileCheckpoint(tmp_path).load() or ({}, {})
    FileCheckpoint(tmp_path).save(tensors, state | change)
    with pytest.raises(InvalidValue, match=f"(?s){text}"):
        load_accuracy_predictor(FileCheckpoint(tmp_path), SPACE, "supernet 1")
