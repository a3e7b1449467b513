from __future__ import annotations

import pickle

import numpy as np
import pytest

from sculptnet.arch import SearchSpace
from sculptnet.cost import FactoredCost, Macs
from sculptnet.errors import NotInSpace
from sculptnet.evaluate import FromPredictor
from sculptnet.learn import fit_accuracy_predictor
from sculptnet.search import Evolution, Job, Limit, Objective, Problem, best, drive, run
from sculptnet.spaces import fbnet


@pytest.fixture
def evaluation(tiny_fbnet: SearchSpace) -> FromPredictor:
    """Learned how alike 200 samples and a hidden candidate are."""
    rows = tiny_fbnet.sample(np.random.default_rng(0), 200)
    accuracies = 0.5 + (rows == rows[0]).mean(axis=1) / 2
    return FromPredictor(
        fit_accuracy_predictor(tiny_fbnet, rows, accuracies, source="made up", seed=0, hidden=(16,), epochs=3)
    )


def test_a_candidate_gets_what_its_row_gets(evaluation: FromPredictor, tiny_fbnet: SearchSpace) -> None:
    rows = tiny_fbnet.sample(np.random.default_rng(1), 5)
    column = evaluation.score(rows)["predicted_top1"]
    for row, value in zip(rows, column, strict=True):
        metrics = evaluation(tiny_fbnet.decode(row), Job(trial=0))
        assert metrics == {"predicted_top1": pytest.approx(value, rel=1e-5)}


def test_it_can_be_sent_to_another_process(evaluation: FromPredictor, tiny_fbnet: SearchSpace) -> None:
    rows = tiny_fbnet.sample(np.random.default_rng(1), 5)
    again = pickle.loads(pickle.dumps(evaluation))
    np.testing.assert_array_equal(again.score(rows)["predicted_top1"], evaluation.score(rows)["predicted_top1"])


def test_a_candidate_of_another_space_is_refused(evaluation: FromPredictor) -> None:
    other = fbnet(3, 16, channels=(8, 32), layers=(1, 3), strides=(1, 2), stem_channels=8, head_channels=24)
    with pytest.raises(NotInSpace, match=r"stages\.1\.0 is InvertedResidual\(out_channels=32"):
        evaluation(other.decode([0] * len(other.decisions)), Job(trial=0))


def test_evolution_finds_the_same_by_run_and_by_drive(evaluation: FromPredictor, tiny_fbnet: SearchSpace) -> None:
    median = float(np.median(FactoredCost(tiny_fbnet, Macs()).of(tiny_fbnet.sample(np.random.default_rng(2), 99))))
    objective = Objective("predicted_top1")
    problem = Problem(tiny_fbnet, (objective,), (Limit(Macs(), median),))
    driven = drive(Evolution(population=8, generations=4).search(problem, 0), evaluation.score)
    records = run(Evolution(population=8, generations=4).search(problem, 0), problem, evaluation, 1000)
    np.testing.assert_array_equal([record.choices for record in records], driven.choices)
    found = driven.choices[driven.column("predicted_top1").argmax()]
    assert best(records, objective, problem.limits).choices == tuple(found)
