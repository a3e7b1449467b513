"""The classifier fitted by logistic regression: an exact optimum, folded back, and nothing else touched."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear

from sculptnet.errors import InvalidValue, TrainingDiverged
from sculptnet.learn import Probe, fit_probe
from sculptnet.learn.probe import features_of, logistic_regression, standardised
from sculptnet.nets import Network

CLASSES, STRENGTH = 3, 0.05
NewNetwork: TypeAlias = Callable[[int], Network]


@dataclass(frozen=True)
class Rows:
    """Features and labels that overlap, so that no weights are infinite."""

    rows: Tensor
    labels: Tensor


@pytest.fixture
def overlapping() -> Rows:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(120) % CLASSES
    rows = torch.randn(120, 7, generator=generator, dtype=torch.float64)
    rows[:, :CLASSES] += nn.functional.one_hot(labels, CLASSES)
    return Rows(rows, labels)


@dataclass(frozen=True)
class Once:
    """The batches of one epoch, to be read several times."""

    batches: tuple[tuple[Tensor, Tensor], ...]

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return iter(self.batches)


@pytest.fixture
def images(colours: Any) -> Once:
    return Once(tuple(colours.epoch(0)))


def fitted(network: Network, images: Once, **settings: Any) -> Probe:
    return fit_probe(network, images, num_classes=CLASSES, seed=0, **settings)


def test_the_gradient_at_the_optimum_is_zero(overlapping: Rows) -> None:
    found = logistic_regression(overlapping.rows, overlapping.labels, CLASSES, STRENGTH)
    weight, bias = (tensor.requires_grad_() for tensor in found)
    loss = cross_entropy(linear(overlapping.rows, weight, bias), overlapping.labels)
    gradients = torch.autograd.grad(loss + STRENGTH / 2 * weight.square().sum(), (weight, bias))
    assert max(gradient.abs().max().item() for gradient in gradients) < 1e-5


@pytest.mark.parametrize("strength", [0.5, 0.05, 0.005])
def test_agrees_with_scikit_learn(overlapping: Rows, strength: float) -> None:
    weight, bias = logistic_regression(overlapping.rows, overlapping.labels, CLASSES, strength)
    theirs = LogisticRegression(C=1 / (strength * len(overlapping.rows)), tol=1e-10, max_iter=10_000)
    theirs.fit(overlapping.rows.numpy(), overlapping.labels.numpy())
    assert weight.numpy() == pytest.approx(theirs.coef_, abs=1e-4)
    assert (bias - bias.mean()).numpy() == pytest.approx(theirs.intercept_ - theirs.intercept_.mean(), abs=1e-4)


def test_where_it_starts_does_not_matter(overlapping: Rows) -> None:
    straight = logistic_regression(overlapping.rows, overlapping.labels, CLASSES, STRENGTH)
    strong = logistic_regression(overlapping.rows, overlapping.labels, CLASSES, 1.0)
    onwards = logistic_regression(overlapping.rows, overlapping.labels, CLASSES, STRENGTH, strong)
    for one, other in zip(straight, onwards, strict=True):
        assert one.numpy() == pytest.approx(other.numpy(), abs=1e-4)


def test_the_folded_classifier_computes_what_the_standardised_one_does(new_network: NewNetwork, images: Once) -> None:
    network = new_network(0)
    features, labels = features_of(network, images)
    rows, mean, spread = standardised(features)
    assert rows.mean(0).numpy() == pytest.approx(0, abs=1e-9)
    assert (rows * spread + mean).numpy() == pytest.approx(features.numpy(), abs=1e-9)
    found = fitted(network, images)
    weight, bias = logistic_regression(rows, labels, CLASSES, found.strength)
    with torch.no_grad():
        logits = torch.cat([network.eval()(batch) for batch, _ in images])
    assert logits.numpy() == pytest.approx(linear(rows, weight, bias).numpy(), abs=1e-3)


def test_one_scale_for_all_features_leaves_rare_ones_small() -> None:
    features = torch.zeros(100, 3, dtype=torch.float64)
    features[:, 0] = torch.arange(100) % 2 * 2.0
    features[0, 1], features[:, 2] = 1e-3, 5.0
    rows, mean, spread = standardised(features)
    assert spread.shape == ()
    assert rows.square().mean().item() == pytest.approx(1.0)
    assert rows[:, 1].abs().max() < 1e-2
    assert rows[:, 2].abs().max() == 0.0
    assert mean.tolist() == pytest.approx([1.0, 1e-5, 5.0])


def test_features_that_are_all_constant_are_divided_by_one() -> None:
    rows, _, spread = standardised(torch.full((4, 2), 3.0, dtype=torch.float64))
    assert (rows.abs().max().item(), spread.item()) == (0.0, 1.0)


def test_it_tells_classes_apart_and_changes_the_classifier_alone(new_network: NewNetwork, images: Once) -> None:
    network, before = new_network(0).train(), new_network(0).state_dict()
    found = fitted(network, images)
    changed = {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {"classifier.weight", "classifier.bias"}
    assert all(module.training for module in network.modules())
    features, labels = features_of(network, images)
    hits = network.classifier(features.float()[:, :, None, None]).argmax(1) == labels
    assert hits.double().mean() > 0.9
    assert found.images == len(labels) == 48
    assert found.strength == min(found.losses, key=lambda strength: found.losses[strength])


def test_equal_bits_again_and_generators_as_they_were(new_network: NewNetwork, images: Once) -> None:
    networks = [new_network(0), new_network(0)]
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()  # type: ignore[index]
    found = [fitted(network, images) for network in networks]
    assert random.getstate() == states[0]
    assert np.random.get_state()[1].tolist() == states[1]  # type: ignore[index]
    assert torch.equal(torch.get_rng_state(), states[2])
    assert found[0] == found[1]
    one, other = (network.state_dict() for network in networks)
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_single_images_choose_no_strength(new_network: NewNetwork, images: Once) -> None:
    batch, labels = images.batches[0]
    first = torch.tensor([labels.tolist().index(label) for label in range(CLASSES)])
    found = fitted(new_network(0), Once(((batch[first], labels[first]),)), strengths=(1.0, 0.1, 0.01))
    assert found == Probe(CLASSES, 0.1, {})


def test_what_cannot_be_fitted_is_named(new_network: NewNetwork, images: Once) -> None:
    one = Once(tuple((batch[labels == 0], labels[labels == 0]) for batch, labels in images))
    with pytest.raises(InvalidValue, match="no image is of class 1, 2; every class needs one"):
        fitted(new_network(0), one)
    with pytest.raises(InvalidValue, match="no image is of class 0, 1, 2"):
        fitted(new_network(0), Once(()))
    network = new_network(0)
    with pytest.raises(InvalidValue, match=r"3 outputs for 4 classes(.|\n)*strengths must be numbers above 0"):
        fit_probe(network, images, num_classes=4, seed=0, strengths=(0.0,))
    network.classifier = nn.Sequential(nn.Flatten(), nn.Linear(16, CLASSES))
    with pytest.raises(InvalidValue, match=r"the classifier must be one linear layer .*, got Sequential"):
        fitted(network, images)


def test_features_that_are_not_finite_are_told(new_network: NewNetwork, images: Once) -> None:
    network = new_network(0)
    with torch.no_grad():
        next(network.parameters()).fill_(float("nan"))
    with pytest.raises(TrainingDiverged, match="features of the network are not finite"):
        fitted(network, images)
