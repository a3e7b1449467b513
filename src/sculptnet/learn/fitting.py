"""Small networks fitted to rows of numbers that lie in memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from sculptnet.errors import InvalidValue, TrainingDiverged, collected
from sculptnet.nets.perceptron import LinearAndPerceptron
from sculptnet.streams import stream, stream_seed

RIDGE = 1.0  # penalty on the weights of the straight part, beside sums over samples of features between 0 and 1
FIRST_OUTPUT = 0.1  # of the perceptron's last layer, so that the straight part is not disturbed

_Vector: TypeAlias = npt.NDArray[np.float64]


def fit(
    parameters: Iterable[Tensor],
    loss_of: Callable[[Tensor], Tensor],
    orders: Sequence[Tensor],
    *,
    batch_size: int,
    learning_rate: float,
    weight_decay: float,
    subject: str,
    setting: str = "learning_rate",
) -> None:
    """AdamW on batches of rows, at a rate that falls to 0 along half a cosine.

    Args:
        parameters: what learns, in place.
        loss_of: the loss of the rows with these indices.
        orders: of the rows, one for each epoch; see `orders_of`.
        batch_size: rows in a step.
        learning_rate: at the start.
        weight_decay: of AdamW.
        subject, setting: what an error calls the loss and the learning rate.

    Raises:
        TrainingDiverged: the loss is no longer finite.
    """
    optimizer = torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=weight_decay)
    steps = sum(math.ceil(len(order) / batch_size) for order in orders)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, steps))
    for epoch, order in enumerate(orders, start=1):
        for batch in torch.split(order, batch_size):
            loss = loss_of(batch)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
        if not math.isfinite(value := loss.item()):
            raise TrainingDiverged(f"{subject} is {value} in epoch {epoch}; lower {setting} ({learning_rate:g})")


def orders_of(rows: int, seed: int, purpose: str, epochs: range) -> list[Tensor]:
    """An order of so many rows for each of `epochs`, from the stream of that seed and purpose."""
    return [torch.from_numpy(stream(seed, purpose, epoch).permutation(rows)) for epoch in epochs]


def single(values: npt.NDArray[np.floating]) -> Tensor:
    """The numbers in single precision."""
    return torch.from_numpy(np.asarray(values, dtype=np.float32))


def fit_perceptron(
    features: npt.NDArray[np.floating],
    targets: npt.NDArray[np.float64],
    *,
    seed: int,
    hidden: Sequence[int],
    epochs: int,
    batch_size: int,
    learning_rate: float,
    weight_decay: float,
) -> LinearAndPerceptron:
    """Ridge regression, then a perceptron that learns what remains.

    The straight part keeps what few samples teach well: how features add up. The result depends on the arguments and
    the number of torch's threads alone; settings do not depend on the unit of the targets, which are scaled.

    Args:
        features: `(n, inputs)`.
        targets: `(n,)`.
        seed: of the first weights and of the order of rows.
        hidden: widths of the layers between features and output.
        epochs: how often every row is seen.
        batch_size, learning_rate, weight_decay: see `fit`.

    Raises:
        InvalidValue: a setting is out of range.
        TrainingDiverged: the loss is no longer finite.
    """
    _check(hidden, epochs, batch_size, learning_rate, weight_decay)
    direct, constant = _ridge(np.asarray(features, dtype=np.float64), targets)
    rest = targets - (features @ direct + constant)
    scale = float(rest.std())
    rows, wanted = single(features), single(rest / (scale or 1.0))
    generator = torch.Generator().manual_seed(stream_seed(seed, "fit_perceptron: weights"))
    network = LinearAndPerceptron([rows.shape[1], *hidden], generator)
    last = network.perceptron[-1]
    assert isinstance(last, nn.Linear)
    with torch.no_grad():
        last.weight.mul_(FIRST_OUTPUT)
    fit(
        network.perceptron.parameters(),
        lambda batch: mse_loss(network.perceptron(rows[batch])[:, 0], wanted[batch]),
        orders_of(len(rows), seed, "fit_perceptron: order", range(epochs)),
        batch_size=batch_size,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        subject="fit_perceptron: the loss",
    )
    with torch.no_grad():
        last.weight.mul_(scale)
        last.bias.mul_(scale)
        network.linear.weight.copy_(single(direct))
        network.linear.bias.fill_(constant)
    return network


def _ridge(features: _Vector, targets: _Vector) -> tuple[_Vector, float]:
    """Weights and constant that minimise squared error plus `RIDGE` times the squared weights."""
    mean, center = features.mean(axis=0), float(targets.mean())
    inputs = features - mean
    weights: _Vector = np.linalg.solve(
        inputs.T @ inputs + RIDGE * np.eye(inputs.shape[1]), inputs.T @ (targets - center)
    )
    return weights, center - float(mean @ weights)


def _check(hidden: Sequence[int], epochs: int, batch_size: int, learning_rate: float, weight_decay: float) -> None:
    whole = (("epochs", epochs), ("batch_size", batch_size), *((f"hidden[{i}]", n) for i, n in enumerate(hidden)))
    problems = [f"{name} must be at least 1, got {value}" for name, value in whole if value < 1]
    if not (math.isfinite(learning_rate) and learning_rate > 0):
        problems.append(f"learning_rate must be a number above 0, got {learning_rate}")
    if not (math.isfinite(weight_decay) and weight_decay >= 0):
        problems.append(f"weight_decay must be a number, at least 0, got {weight_decay}")
    if problems:
        raise InvalidValue(collected(problems, "fit_perceptron"))
