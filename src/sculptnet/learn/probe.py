"""A linear probe: the classifier of a trained network fitted to new images by logistic regression."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sculptnet.blocks.layers import Classify
from sculptnet.errors import InvalidValue, TrainingDiverged, collected
from sculptnet.learn.machine import evaluating, open_machine
from sculptnet.nets import Network
from sculptnet.streams import stream

STRENGTHS = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003)  # the strongest first: each fit starts where the one before it ended
HELD_OUT = 5  # every fifth image of a class chooses among them
MOST_ITERATIONS, HISTORY = 500, 20
GRADIENT, CHOOSING_GRADIENT = 1e-6, 1e-4  # the largest entry at the optimum, and where strengths are only compared


@dataclass(frozen=True)
class Probe:
    """How a probe was fitted.

    Attributes:
        images: that it was fitted to.
        strength: of the L2 penalty, as `logistic_regression` has it.
        losses: mean cross-entropy on the images held out, by strength; empty where no class has two images.
    """

    images: int
    strength: float
    losses: Mapping[float, float]


def fit_probe(
    network: Network,
    batches: Iterable[tuple[Tensor, Tensor]],
    *,
    num_classes: int,
    seed: int,
    strengths: Sequence[float] = STRENGTHS,
    accelerator: str = "cpu",
) -> Probe:
    """Writes the classifier of `network`: multinomial logistic regression on the features before it, standardised.

    A fifth of the images of each class, at least one of two, is held out; the strength with the lowest cross-entropy
    there is taken, and fitted to all images. The result depends on the arguments and the number of torch's threads
    alone; nothing but the classifier's weights changes, global generators included.

    Args:
        network: in eval mode meanwhile; left on the accelerator.
        batches: images prepared as in evaluation, one view each, and int64 labels.
        num_classes: that the labels index.
        seed: of which images are held out.
        strengths: to choose among, in the order in which they are fitted.
        accelerator: of the features; the regression is done in float64 on the CPU.

    Raises:
        InvalidValue: the classifier is no linear layer for so many classes, a class has no image, or there is no
            strength above 0.
        TrainingDiverged: a feature is not finite.
    """
    classifier = _classifier(network, num_classes, strengths)
    features, labels = features_of(network, batches, accelerator)
    missing = sorted(set(range(num_classes)) - set(labels.tolist()))
    if missing:
        raise InvalidValue(f"fit_probe: no image is of class {', '.join(map(str, missing))}; every class needs one")
    if not features.isfinite().all():
        raise TrainingDiverged("fit_probe: features of the network are not finite; begin with other weights")
    rows, mean, spread = standardised(features)
    losses = _held_out_losses(rows, labels, num_classes, seed, strengths)
    strength = min(losses, key=lambda value: losses[value]) if losses else strengths[len(strengths) // 2]
    weight, bias = logistic_regression(rows, labels, num_classes, strength)
    with torch.no_grad():
        classifier.weight.copy_(weight / spread)
        classifier.bias.copy_(bias - (weight / spread) @ mean)
    return Probe(len(labels), strength, losses)


def _classifier(network: Network, num_classes: int, strengths: Sequence[float]) -> Classify:
    layer, problems = network.classifier, []
    if not isinstance(layer, Classify):
        problems.append(f"the classifier must be one linear layer (blocks.Classifier), got {type(layer).__name__}")
    elif layer.out_features != num_classes:
        problems.append(f"the classifier has {layer.out_features} outputs for {num_classes} classes")
    if not strengths or min(strengths) <= 0:
        problems.append(f"strengths must be numbers above 0, one at least, got {tuple(strengths)}")
    if problems or not isinstance(layer, Classify):
        raise InvalidValue(collected(problems, "fit_probe"))
    return layer


@torch.no_grad()
def features_of(
    network: Network, batches: Iterable[tuple[Tensor, Tensor]], accelerator: str = "cpu"
) -> tuple[Tensor, Tensor]:
    """What the classifier of `network` sees in eval mode, float64 `(images, features)`, and the labels `(images,)`."""
    machine = open_machine(accelerator, "fp32")
    network.to(machine.device)
    features, wanted = list[Tensor](), [torch.empty(0, dtype=torch.int64)]
    with evaluating(network), machine.reproducible():
        for images, labels in batches:
            placed, _ = machine.place(images, labels)
            features.append(network.features(placed).flatten(1).cpu().double())
            wanted.append(labels)
    return torch.cat(features or [torch.empty(0, 0, dtype=torch.float64)]), torch.cat(wanted)


def standardised(features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Rows with mean 0 in each column and variance 1 in the mean over columns; the means, and the one scale `()`.

    A scale for each column gives those that rarely differ from their mean weights tens of times larger (up to 40, not
    0.1, in EfficientNet-Lite0), no more accuracy, and fine-tuning from there diverges.
    """
    mean = features.mean(0)
    spread = (features - mean).square().mean().sqrt()
    spread = torch.where(spread > 0, spread, 1.0)
    return (features - mean) / spread, mean, spread


def logistic_regression(
    rows: Tensor,
    labels: Tensor,
    num_classes: int,
    strength: float,
    start: tuple[Tensor, Tensor] | None = None,
    gradient: float = GRADIENT,
) -> tuple[Tensor, Tensor]:
    """Weights `(classes, features)` and biases with the least mean cross-entropy plus `strength / 2` squared weights.

    Biases are free. Scikit-learn calls `1 / (strength * len(rows))` C. By L-BFGS, from 0 or from `start`, until no
    entry of the gradient is above `gradient`.
    """
    if start is None:
        start = rows.new_zeros(num_classes, rows.shape[1]), rows.new_zeros(num_classes)
    weight, bias = (tensor.clone().requires_grad_() for tensor in start)
    optimizer = torch.optim.LBFGS(
        [weight, bias],
        max_iter=MOST_ITERATIONS,
        history_size=HISTORY,
        tolerance_grad=gradient,
        tolerance_change=0.0,
        line_search_fn="strong_wolfe",
    )

    def objective() -> Tensor:
        optimizer.zero_grad()
        loss = cross_entropy(nn.functional.linear(rows, weight, bias), labels) + strength / 2 * weight.square().sum()
        torch.autograd.backward(loss)
        return loss

    optimizer.step(objective)  # type: ignore[no-untyped-call]
    return weight.detach(), bias.detach()


def _held_out_losses(
    rows: Tensor, labels: Tensor, num_classes: int, seed: int, strengths: Sequence[float]
) -> dict[float, float]:
    """The cross-entropy of the images held out, by strength."""
    held = _held_out(labels, num_classes, seed)
    losses: dict[float, float] = {}
    if not held.any() or len(strengths) == 1:
        return losses
    found = None
    for strength in strengths:
        found = logistic_regression(rows[~held], labels[~held], num_classes, strength, found, CHOOSING_GRADIENT)
        losses[strength] = cross_entropy(nn.functional.linear(rows[held], *found), labels[held]).item()
    return losses


def _held_out(labels: Tensor, num_classes: int, seed: int) -> Tensor:
    """Which images are held out, boolean: the second of each class in a drawn order, and every fifth after it."""
    order = torch.from_numpy(stream(seed, "fit_probe: held out").permutation(len(labels)))
    held = torch.zeros(len(labels), dtype=torch.bool)
    for label in range(num_classes):
        held[order[labels[order] == label][1::HELD_OUT]] = True
    return held
