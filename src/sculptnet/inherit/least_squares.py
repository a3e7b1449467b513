"""Linear least squares from sums of products: regressions with a pull to given weights, and orders of their inputs.

Rows are never kept: a regression of n inputs needs n x n numbers, whatever the number of images. Sums are in float64.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

TINY = 1e-12  # added where inputs never vary, so that every system has one solution
COMPACTED = 64  # channels eliminated before the matrix is copied without them


@dataclass(frozen=True, eq=False)
class Moments:
    """What a regression must know of rows of inputs and targets.

    Attributes:
        rows: how many.
        inputs_mean, targets_mean: `(inputs,)` and `(targets,)`.
        inputs: centred products of inputs with inputs, `(inputs, inputs)`: their Gram matrix.
        crossed: of inputs with targets, `(inputs, targets)`.
    """

    rows: int
    inputs_mean: Tensor
    targets_mean: Tensor
    inputs: Tensor
    crossed: Tensor

    def take(self, inputs: Tensor, targets: Tensor) -> Moments:
        """The same of some inputs and targets, by their indices."""
        return Moments(
            self.rows,
            self.inputs_mean[inputs],
            self.targets_mean[targets],
            self.inputs[inputs][:, inputs],
            self.crossed[inputs][:, targets],
        )


class Sums:
    """Adds up rows batch by batch."""

    def __init__(self) -> None:
        self._rows = 0
        self._parts: tuple[Tensor, ...] = ()

    def add(self, inputs: Tensor, targets: Tensor) -> None:
        """Rows of inputs, `(rows, inputs)`, and of targets, `(rows, targets)`."""
        left, right = inputs.double(), targets.double()
        parts = (left.sum(0), right.sum(0), left.T @ left, left.T @ right)
        self._rows += len(inputs)
        self._parts = tuple(map(torch.add, self._parts, parts)) if self._parts else parts

    def moments(self) -> Moments:
        """Of all rows so far."""
        left, right, inputs, crossed = self._parts
        left, right = left / self._rows, right / self._rows
        return Moments(
            self._rows,
            left,
            right,
            inputs - self._rows * torch.outer(left, left),
            crossed - self._rows * torch.outer(left, right),
        )


def ridge(moments: Moments, strength: float, prior: Tensor) -> tuple[Tensor, Tensor]:
    """Weights `(targets, inputs)` and biases `(targets,)`, float64, of least squared error plus a pull to `prior`.

    Minimises `|inputs @ weights.T + biases - targets|^2 + pull * |weights - prior|^2`, summed over rows, where the pull
    is `strength` times the mean of the Gram matrix's diagonal. Biases are free.
    """
    pulled, pull = _pulled(moments.inputs, strength)
    weights = torch.linalg.solve(pulled, moments.crossed + pull * prior.double().T).T
    return weights, moments.targets_mean - weights @ moments.inputs_mean


def _pulled(products: Tensor, strength: float) -> tuple[Tensor, Tensor]:
    pull = strength * products.diagonal().mean() + TINY
    return products + pull * torch.eye(len(products), dtype=products.dtype, device=products.device), pull


def elimination_order(products: Tensor, weights: Tensor, strength: float, least: int = 1) -> Tensor:
    """Inputs of a linear layer, the most important first, by backward elimination.

    Starting from all, the input goes whose removal costs the least squared error at the layer's outputs when the
    weights of those that stay are fitted anew: exact at every step, as the optimal brain surgeon is for one weight
    (Hassibi and Stork, NeurIPS 1992), for all outputs together. The first n inputs are nested by construction.

    Args:
        products: the Gram matrix of the inputs, `(inputs, inputs)`.
        weights: of the layer, `(outputs, inputs)`.
        strength: of the pull to `weights`, see `ridge`.
        least: inputs that no use goes below; they come first, in their own order.
    """
    inverse = torch.linalg.inv(_pulled(products, strength)[0])
    fitted = weights.double().T.clone()
    names = torch.arange(len(products), device=products.device)
    alive = torch.ones(len(products), dtype=torch.bool, device=products.device)
    gone: list[Tensor] = []
    for _ in range(len(products) - least):
        harm = fitted.square().sum(1) / inverse.diagonal()
        worst = int(torch.where(alive, harm, torch.inf).argmin())
        gone.append(names[worst].clone())
        column = inverse[:, worst] / inverse[worst, worst]
        fitted.addr_(column, fitted[worst].clone(), alpha=-1)
        inverse.addr_(column, inverse[worst].clone(), alpha=-1)
        alive[worst] = False
        inverse[worst, worst] = 1.0
        if len(gone) % COMPACTED == 0:
            names, fitted, inverse = names[alive], fitted[alive], inverse[alive][:, alive].contiguous()
            alive = alive[alive]
    return torch.cat([names[alive], *(index[None] for index in reversed(gone))])
