from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

from sculptnet.arch import Architecture, Candidate, Recipe, SearchSpace, choice, prefix
from sculptnet.blocks import Classifier, Conv, InvertedResidual, PooledConv
from sculptnet.data import EvaluationBatches, InMemory, Preprocessing
from sculptnet.errors import InvalidValue, NotInSpace
from sculptnet.evaluate import FromSupernet
from sculptnet.learn import accuracy_of
from sculptnet.nets import ElasticSupernet, calibrate, initialise, smallest
from sculptnet.search import Job
from sculptnet.streams import stream
from sculptnet.testing.elsewhere import run_elsewhere

PREPROCESSING = Preprocessing(16, 16, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


def tiny_space() -> SearchSpace:
    stage = prefix(tuple(InvertedResidual(8, choice(3, 5), choice(1.5, 3)) for _ in range(2)), 1, 2)
    return SearchSpace(Architecture(choice(8, 16), Conv(8), (stage,), PooledConv(12), Classifier(3)))


def sorted_by_class(per_class: int, seed: int) -> InMemory:
    """Images whose brightest channel is their class, class by class."""
    rng, labels = np.random.default_rng(seed), np.repeat(np.arange(3), per_class)
    images = rng.integers(0, 150, size=(len(labels), 3, 16, 16), dtype=np.uint8)
    images[np.arange(len(labels)), labels] += 100
    return InMemory(torch.from_numpy(images), labels.astype(np.int64))


def evaluation(calibration_images: int = 30, batch_size: int = 10) -> FromSupernet:
    supernet = ElasticSupernet(tiny_space())
    initialise(supernet, 0)
    parts = sorted_by_class(14, 0), sorted_by_class(10, 1)
    return FromSupernet(supernet, *parts, PREPROCESSING, 3, calibration_images, batch_size)


def test_the_accuracy_is_that_of_the_recalibrated_subnet() -> None:
    judge = evaluation()
    architecture = judge.supernet.full
    order = stream(3, "evaluate.from_supernet: calibration").permutation(42)[:30]
    network = calibrate(
        judge.supernet.subnet(architecture),
        EvaluationBatches(judge.train.take(order), PREPROCESSING, 10),
        images=30,
    )
    accuracy = accuracy_of(network, EvaluationBatches(judge.held_out, PREPROCESSING, 7), 3)
    metrics = judge(Candidate(architecture, Recipe()), Job(trial=0))
    assert (metrics["top1"], metrics["balanced"]) == (accuracy.top1, accuracy.balanced)
    assert metrics["parameters"] == sum(parameter.numel() for parameter in network.parameters())
    for name, tensor in judge.network(architecture).state_dict().items():
        assert torch.equal(tensor, network.state_dict()[name]), name


def test_the_supernet_stays_as_it_is_and_pickled_it_says_the_same() -> None:
    judge = evaluation()
    candidate = Candidate(smallest(judge.supernet.space), Recipe())
    before = {name: tensor.clone() for name, tensor in judge.supernet.state_dict().items()}
    metrics = judge(candidate, Job(trial=0))
    assert all(torch.equal(tensor, before[name]) for name, tensor in judge.supernet.state_dict().items())
    assert pickle.loads(pickle.dumps(judge))(candidate, Job(trial=1)) == metrics


def test_a_smaller_resolution_sees_smaller_images() -> None:
    judge = evaluation()
    small = smallest(judge.supernet.space)
    assert small.resolution == 8
    assert 0 <= judge(Candidate(small, Recipe()), Job(trial=0))["top1"] <= 1


def test_a_last_batch_of_one_image_is_left_out() -> None:
    with_one, without = evaluation(31), evaluation(30)
    architecture = with_one.supernet.full
    kept = without.network(architecture).state_dict()
    assert all(torch.equal(tensor, kept[name]) for name, tensor in with_one.network(architecture).state_dict().items())


def test_too_few_images_to_recalibrate_are_an_error() -> None:
    with pytest.raises(InvalidValue) as caught:
        evaluation(2000, 1)
    assert "batch_size must be at least 2, got 1" in str(caught.value)
    assert (
        "calibration_images must be at most the 42 images there are, got 2000; lower it "
        "(`search.calibration_images=42`)"
    ) in str(caught.value)


def test_an_architecture_of_another_space_is_an_error() -> None:
    other = Architecture(16, Conv(8), ((InvertedResidual(8, 7, 3),),), PooledConv(12), Classifier(3))
    text = r"not in the space: stages\.0\.0\.kernel_size is 7, the template there is choice\(3, 5\); take what"
    with pytest.raises(NotInSpace, match=text):
        evaluation()(Candidate(other, Recipe()), Job(trial=0))


@pytest.mark.slow
def test_another_process_finds_the_same_accuracy() -> None:
    code = (
        "from tests.evaluate.test_from_supernet import *;"
        "judge = evaluation(); print(judge(Candidate(judge.supernet.full, Recipe()), Job(trial=0))['top1'])"
    )
    done = run_elsewhere(code)
    judge = evaluation()
    assert float(done) == judge(Candidate(judge.supernet.full, Recipe()), Job(trial=0))["top1"]
