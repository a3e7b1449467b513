from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from sculptnet.search.differentiable.loss import (
    cosine,
    cost_factor,
    gumbel_noise,
    loss_unit,
    mean_entropy,
    probabilities,
    sampled,
    temperature,
)

PATH = "stages.0.0"


def theta_of(*values: float) -> dict[str, Tensor]:
    return {PATH: torch.tensor(values, dtype=torch.float64, requires_grad=True)}


# ---------------------------------------------------------------------- published numbers
def test_the_temperature_falls_from_5_to_0_087_in_90_epochs() -> None:
    assert temperature(0, 5.0, math.exp(-0.045)) == 5.0
    assert temperature(90, 5.0, math.exp(-0.045)) == pytest.approx(0.087, abs=5e-4)


def test_the_loss_at_20_milliseconds_is_cross_entropy_times_0_79() -> None:
    latency_us = torch.tensor(20.0 * loss_unit("latency_ms@phone"), dtype=torch.float64)
    assert float(latency_us.log()) == pytest.approx(9.90349, abs=1e-5)  # natural logarithm of 20,000
    assert float(cost_factor(latency_us, 0.2, 0.6)) == pytest.approx(0.2 * 9.90349**0.6, rel=1e-6)
    assert float(cost_factor(latency_us, 0.2, 0.6)) == pytest.approx(0.7916, abs=1e-4)


def test_only_latencies_in_milliseconds_are_converted() -> None:
    assert [loss_unit(name) for name in ("latency_ms", "latency_ms@x", "macs", "parameters")] == [1e3, 1e3, 1.0, 1.0]


# ---------------------------------------------------------------------- formulas
def test_the_learning_rate_follows_half_a_cosine() -> None:
    assert [cosine(step, 4) for step in range(5)] == pytest.approx([1.0, 0.5 + 2**-1.5, 0.5, 0.5 - 2**-1.5, 0.0])


def test_all_candidates_get_the_gumbel_softmax() -> None:
    theta, tau = theta_of(0.3, -1.0, 2.0), 1.7
    noise = gumbel_noise(theta, 0, 0)
    expected = torch.softmax((theta[PATH] + noise[PATH]) / tau, 0)
    for branches in (None, 3, 7):
        both = sampled(theta, noise, tau, branches)
        assert torch.equal(both.all[PATH], expected)
        assert torch.equal(both.run[PATH], expected)


def test_branches_are_the_largest_weights_renormalised() -> None:
    theta, tau = theta_of(0.3, -1.0, 2.0, 0.1, 0.0), 0.8
    both = sampled(theta, gumbel_noise(theta, 3, 1), tau, 2)
    every, run = both.all[PATH].detach(), both.run[PATH].detach()
    kept = every.topk(2).indices
    assert run[kept].tolist() == pytest.approx((every[kept] / every[kept].sum()).tolist(), rel=1e-12)
    assert int((run == 0).sum()) == 3


def test_one_branch_has_weight_exactly_1_at_any_temperature() -> None:
    for step, tau in itertools.product(range(20), (5.0, 0.087, 1e-3)):
        theta = theta_of(0.3, -1.0, 2.0)
        assert sorted(sampled(theta, gumbel_noise(theta, 0, step), tau, 1).run[PATH].tolist()) == [0.0, 0.0, 1.0]


def test_one_branch_gives_theta_no_gradient_and_two_do() -> None:
    for branches, informed in ((1, False), (2, True)):
        theta = theta_of(0.3, -1.0, 2.0)
        run = sampled(theta, gumbel_noise(theta, 0, 0), 1.0, branches).run[PATH]
        (gradient,) = torch.autograd.grad(
            run @ torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64), list(theta.values())
        )
        assert bool(gradient.abs().max() > 0) is informed


def test_the_first_branch_is_a_draw_from_the_probabilities() -> None:
    theta = theta_of(1.0, 0.0, -0.5)
    first = [int(sampled(theta, gumbel_noise(theta, 5, step), 5.0, 1).run[PATH].argmax()) for step in range(1000)]
    share = np.bincount(first, minlength=3) / 1000
    assert share == pytest.approx(probabilities(theta)[PATH].numpy(), abs=0.05)  # three standard errors


def test_gumbel_noise_depends_on_seed_and_step_alone() -> None:
    theta = theta_of(*[0.0] * 4000)
    noise = gumbel_noise(theta, 1, 2)[PATH]
    assert torch.equal(noise, gumbel_noise(theta, 1, 2)[PATH])
    assert not torch.equal(noise, gumbel_noise(theta, 1, 3)[PATH])
    assert not torch.equal(noise, gumbel_noise(theta, 2, 2)[PATH])
    assert float(noise.mean()) == pytest.approx(0.5772, abs=0.06)  # Euler's constant
    assert float(noise.var()) == pytest.approx(math.pi**2 / 6, abs=0.15)


def test_the_latency_gradient_of_theta_is_the_closed_form() -> None:
    theta, tau, alpha, beta = theta_of(0.4, -0.2, 1.1), 1.3, 0.2, 0.6
    costs = torch.tensor([900.0, 4000.0, 100.0], dtype=torch.float64)
    m = sampled(theta, gumbel_noise(theta, 0, 0), tau, 1).all[PATH]
    latency = m @ costs + 700.0
    (gradient,) = torch.autograd.grad(cost_factor(latency, alpha, beta), list(theta.values()))
    outer = alpha * beta * torch.log(latency) ** (beta - 1) / latency
    assert gradient.tolist() == pytest.approx((outer * m * (costs - m @ costs) / tau).tolist(), rel=1e-12)


@pytest.mark.parametrize(("candidates", "branches"), [(9, 2), (9, 3), (3, 2)])
def test_at_uniform_probabilities_branches_scale_the_gradient_as_documented(candidates: int, branches: int) -> None:
    effects = torch.linspace(-1.0, 2.0, candidates, dtype=torch.float64) ** 3  # of each candidate on the loss
    tau = 1e6  # so flat that the noise only chooses who runs

    def gradient(noise: Tensor, k: int | None) -> Tensor:
        theta = theta_of(*[0.0] * candidates)
        found: Tensor = torch.autograd.grad(sampled(theta, {PATH: noise}, tau, k).run[PATH] @ effects, theta[PATH])[0]
        return found * tau

    subsets = list(itertools.combinations(range(candidates), branches))
    noises = [torch.zeros(candidates, dtype=torch.float64).index_fill(0, torch.tensor(s), 1.0) for s in subsets]
    mean = torch.stack([gradient(noise, branches) for noise in noises]).mean(0)
    factor = (branches - 1) / branches * candidates / (candidates - 1)
    whole = gradient(torch.zeros(candidates, dtype=torch.float64), None)
    assert mean.tolist() == pytest.approx((factor * whole).tolist(), rel=1e-4, abs=1e-6)


def test_entropy_is_in_nats_and_averaged() -> None:
    chances = {"a": torch.tensor([0.5, 0.5]), "b": torch.tensor([1.0, 0.0, 0.0])}
    assert mean_entropy(chances) == pytest.approx(math.log(2) / 2)
