"""Regressions agree with numpy's; orders with backward elimination by brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from sculptnet.inherit.least_squares import Sums, elimination_order, ridge


def rows(count: int, width: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixed = torch.randn(count, width, generator=generator, dtype=torch.float64)
    return mixed @ torch.randn(width, width, generator=generator, dtype=torch.float64) + 1.5


def moments_of(inputs: Tensor, targets: Tensor, parts: int = 3):  # type: ignore[no-untyped-def]
    sums = Sums()
    for left, right in zip(inputs.chunk(parts), targets.chunk(parts), strict=True):
        sums.add(left, right)
    return sums.moments()


@pytest.mark.parametrize("strength", [1e-12, 1e-2, 10.0])
def test_ridge_is_the_least_squares_solution_of_numpy(strength: float) -> None:
    inputs, targets, prior = rows(60, 6), rows(60, 3, 1), rows(3, 6, 2)
    weights, biases = ridge(moments_of(inputs, targets), strength, prior)
    centred = inputs - inputs.mean(0)
    pull = np.sqrt(strength * float(centred.square().sum(0).mean()))
    left = np.concatenate([np.c_[inputs.numpy(), np.ones(60)], np.c_[pull * np.eye(6), np.zeros(6)]])
    right = np.concatenate([targets.numpy(), pull * prior.numpy().T])
    found = np.linalg.lstsq(left, right, rcond=None)[0]
    np.testing.assert_allclose(weights.numpy(), found[:-1].T, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(biases.numpy(), found[-1], rtol=1e-6, atol=1e-8)


def test_inputs_that_never_vary_keep_their_weights() -> None:
    inputs = rows(50, 4)
    inputs[:, 2] = 3.0
    weights, _ = ridge(moments_of(inputs, rows(50, 2, 1)), 1e-3, torch.full((2, 4), 0.5))
    np.testing.assert_allclose(weights[:, 2].numpy(), 0.5, atol=1e-6)


def test_a_part_of_the_moments_is_the_moments_of_the_part() -> None:
    inputs, targets = rows(30, 5), rows(30, 4, 1)
    some, few = torch.tensor([4, 1]), torch.tensor([0, 3])
    part, whole = moments_of(inputs[:, some], targets[:, few]), moments_of(inputs, targets).take(some, few)
    for name in ("inputs_mean", "targets_mean", "inputs", "crossed"):
        torch.testing.assert_close(getattr(part, name), getattr(whole, name))


def error_without(inputs: Tensor, weights: Tensor, kept: tuple[int, ...]) -> float:
    """Least squared error of the layer's centred outputs from the inputs `kept`, refitted."""
    centred = (inputs - inputs.mean(0)).numpy()
    wanted = centred @ weights.numpy().T
    found = centred[:, kept] @ np.linalg.lstsq(centred[:, kept], wanted, rcond=None)[0]
    return float(((wanted - found) ** 2).sum())


def test_each_elimination_is_the_one_that_costs_least() -> None:
    for seed in range(5):
        inputs, weights = rows(80, 7, seed), rows(3, 7, seed + 100)
        order = elimination_order(moments_of(inputs, weights.new_zeros(80, 0)).inputs, weights, 1e-10).tolist()
        assert sorted(order) == list(range(7))
        for count in range(1, 7):
            before = order[: count + 1]
            errors = {kept: error_without(inputs, weights, kept) for kept in itertools.combinations(before, count)}
            assert set(min(errors, key=lambda kept: errors[tuple(kept)])) == set(order[:count])


def test_elimination_of_many_is_that_of_compacted_steps() -> None:
    inputs, weights = rows(400, 150), rows(9, 150, 1)
    products = moments_of(inputs, weights.new_zeros(400, 0)).inputs
    order = elimination_order(products, weights, 1e-6)
    assert order.sort().values.tolist() == list(range(150))
    first = order[:20]
    assert error_without(inputs, weights, tuple(first.tolist())) < error_without(inputs, weights, tuple(range(20)))
    early = elimination_order(products, weights, 1e-6, least=40)
    assert early[40:].tolist() == order[40:].tolist()
    assert early[:40].tolist() == sorted(order[:40].tolist())
