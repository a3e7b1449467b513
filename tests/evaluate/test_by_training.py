from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tests.process import state_of_the_process

from sculptnet.arch import Candidate, Cosine, Exponential, Recipe, SearchSpace, Sgd
from sculptnet.cost import macs, parameters
from sculptnet.data import EvaluationBatches, InMemory, Preprocessing
from sculptnet.errors import TrainingDiverged
from sculptnet.evaluate import ByTraining
from sculptnet.learn import accuracy_of
from sculptnet.nets import Network
from sculptnet.runs import FileCheckpoint
from sculptnet.search import Job

RECIPE = Recipe(epochs=4, batch_size=16, optimizer=Sgd(0.1), schedule=Cosine(warmup_epochs=1))
PREPROCESSING = Preprocessing(16, 16, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


def coloured(count: int, seed: int) -> InMemory:
    """Images whose brightest channel is their class."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=count)
    images = rng.integers(0, 150, size=(count, 3, 16, 16), dtype=np.uint8)
    images[np.arange(count), labels] += 100
    return InMemory(torch.from_numpy(images), labels.astype(np.int64))


@pytest.fixture(scope="module")
def evaluation() -> ByTraining:
    return ByTraining(coloured(80, 0), coloured(30, 1), PREPROCESSING, seed=3)


@pytest.fixture
def candidate(tiny_fbnet: SearchSpace) -> Candidate:
    first = tiny_fbnet.decode([1] * len(tiny_fbnet.decisions)).architecture
    return Candidate(first, RECIPE)


def test_the_metrics_are_those_of_the_network_it_leaves(
    evaluation: ByTraining, candidate: Candidate, tmp_path: Path
) -> None:
    curves: list[Any] = []
    metrics = evaluation(candidate, Job(trial=0, folder=tmp_path / "000000", keep_curve=curves.append))
    network = Network(candidate.architecture)
    network.load_state_dict(load_file(tmp_path / "000000/weights.safetensors"))
    accuracy = accuracy_of(network, EvaluationBatches(evaluation.held_out, PREPROCESSING, 7), 3)
    architecture = candidate.architecture
    counts = {"macs": macs(architecture), "parameters": parameters(architecture)}
    assert metrics == {"top1": accuracy.top1, "balanced": accuracy.balanced, **counts}
    assert metrics["top1"] > 0.5
    assert [entry["epoch"] for entry in curves[0]] == [1, 2, 3, 4]
    assert curves[0][-1]["top1"] == metrics["top1"]
    assert [path.name for path in (tmp_path / "000000").iterdir()] == ["weights.safetensors"]


def losses(evaluation: ByTraining, candidate: Candidate, job: Job) -> tuple[list[float], Mapping[str, float]]:
    events: list[Any] = []
    metrics = evaluation(candidate, replace(job, log=events.append))
    return [event.loss for event in events], metrics


def test_the_result_does_not_depend_on_the_trials_number_or_the_process(
    evaluation: ByTraining, candidate: Candidate
) -> None:
    before = state_of_the_process()
    first = losses(evaluation, candidate, Job(trial=0, epochs=1))
    assert state_of_the_process() == before
    assert losses(pickle.loads(pickle.dumps(evaluation)), candidate, Job(trial=9, epochs=1)) == first


def test_seed_and_replicate_change_it(evaluation: ByTraining, candidate: Candidate) -> None:
    first, _ = losses(evaluation, candidate, Job(trial=0, epochs=1))
    again, _ = losses(evaluation, candidate, Job(trial=0, epochs=1, replicate=1))
    other, _ = losses(replace(evaluation, seed=4), candidate, Job(trial=0, epochs=1))
    assert len({*first, *again, *other}) == 3


def test_the_jobs_length_rescales_the_recipe(evaluation: ByTraining, candidate: Candidate) -> None:
    events: list[Any] = []
    evaluation(candidate, Job(trial=0, epochs=2, log=events.append))
    assert [(event.epoch, event.epochs) for event in events] == [(1, 2), (2, 2)]
    # 5 steps an epoch: a quarter of 10 steps, rounded to 2, is warm-up; the last step is the 8th of 8 on the cosine
    assert events[-1].learning_rate == pytest.approx(0.1 * (1 + np.cos(np.pi * 7 / 8)) / 2)


def test_a_killed_trial_goes_on(evaluation: ByTraining, candidate: Candidate, tmp_path: Path) -> None:
    saving = replace(evaluation, checkpoint_in=FileCheckpoint)

    def kill(what: str, done: int, total: int) -> None:
        if done == 13:
            raise SystemExit

    with pytest.raises(SystemExit):
        saving(candidate, Job(trial=0, folder=tmp_path / "killed", progress=kill))
    done: list[int] = []
    job = Job(trial=0, folder=tmp_path / "killed", progress=lambda what, now, total: done.append(now))
    assert saving(candidate, job) == evaluation(candidate, Job(trial=0, folder=tmp_path / "whole"))
    assert done == list(range(11, 21))  # from the checkpoint after the second epoch of 5 steps
    weights = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("killed", "whole")]
    assert weights[0] == weights[1]
    assert not (tmp_path / "killed/checkpoint").exists()


def test_candidates_of_another_resolution_see_images_of_their_own(evaluation: ByTraining, candidate: Candidate) -> None:
    larger = replace(candidate, architecture=replace(candidate.architecture, resolution=24))
    assert evaluation(larger, Job(trial=0, epochs=1))["macs"] == macs(larger.architecture)


def test_a_diverged_training_names_the_trial(evaluation: ByTraining, candidate: Candidate) -> None:
    wild = replace(candidate, recipe=replace(RECIPE, optimizer=Sgd(1e30), schedule=Cosine()))
    with pytest.raises(TrainingDiverged, match=r"^trial 12: the loss is (nan|inf) in epoch 1 of 4, step "):
        evaluation(wild, Job(trial=12))


def test_a_training_whose_last_step_broke_the_weights_has_diverged_too(
    evaluation: ByTraining, candidate: Candidate
) -> None:
    overflowing = Recipe(batch_size=128, optimizer=Sgd(1e38, weight_decay=1e30), schedule=Exponential())
    with pytest.raises(TrainingDiverged, match=r"^trial 12: after the last step .+ is not finite; lower recipe\.opt"):
        evaluation(replace(candidate, recipe=overflowing), Job(trial=12, epochs=1))
