"""The formulas of differentiable architecture search: temperature, sampled weights, the product loss.

Architecture parameters `theta` are a vector per decision, float64, on the CPU: a few hundred numbers, for which an
accelerator would only be slower.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from sculptnet.streams import stream

MICROSECONDS_PER_MS = 1000.0


@dataclass(frozen=True, eq=False)
class Sampled:
    """The weights of one step, a vector per decision, each of sum 1.

    Attributes:
        all: of every candidate; what the cost is expected over.
        run: of the candidates that the network runs; exactly 0 for the others.
    """

    all: Mapping[str, Tensor]
    run: Mapping[str, Tensor]


def temperature(epoch: int, tau: float, tau_decay: float) -> float:
    """The temperature of the Gumbel-softmax in `epoch`, counted from 0."""
    return tau * tau_decay**epoch


def cosine(step: int, total: int) -> float:
    """The factor on a learning rate at `step` of `total`: half a cosine from 1 to 0, without restarts."""
    return 0.5 * (1.0 + math.cos(math.pi * step / total))


def gumbel_noise(theta: Mapping[str, Tensor], seed: int, step: int) -> dict[str, Tensor]:
    """Independent Gumbel(0, 1) numbers in the shapes of `theta`, from `seed` and `step` alone."""
    counts = [len(vector) for vector in theta.values()]
    numbers = torch.from_numpy(stream(seed, "dnas/gumbel", step).gumbel(size=sum(counts)))
    return dict(zip(theta, torch.split(numbers, counts), strict=True))


def sampled(
    theta: Mapping[str, Tensor],
    noise: Mapping[str, Tensor],
    tau: float,
    branches: int | None,
    shared: Collection[str] = (),
) -> Sampled:
    """Gumbel-softmax weights m = softmax((theta + noise) / tau), and those of the candidates that run.

    With `branches`, the candidates of the `branches` largest theta + noise run: a draw without replacement from
    softmax(theta). Their weights are m over the sum of m among them, so all candidates give exactly m, and one gives
    exactly 1. None runs all. Decisions in `shared` always run all: their options are computed together.

    References: Wu et al., FBNet, section 3.3 (m); Kool et al., Stochastic Beams and Where to Find Them, ICML 2019 (the
    largest of perturbed logits are a draw without replacement).
    """
    every, run = {}, {}
    for path, vector in theta.items():
        perturbed = vector + noise[path]
        every[path] = run[path] = torch.softmax(perturbed / tau, 0)
        if branches is not None and branches < len(vector) and path not in shared:
            kept = torch.zeros(len(vector), dtype=torch.bool)
            kept[perturbed.detach().topk(branches).indices] = True
            run[path] = torch.softmax(perturbed.masked_fill(~kept, -math.inf) / tau, 0)
    return Sampled(every, run)


def cost_factor(cost: Tensor, alpha: float, beta: float) -> Tensor:
    """alpha * ln(cost) ** beta, what cross-entropy is multiplied by (FBNet, equation 2); `cost` is above 1."""
    return alpha * torch.log(cost) ** beta


def loss_unit(cost_name: str) -> float:
    """What a cost is multiplied by inside the logarithm: milliseconds become microseconds, all else stays."""
    return MICROSECONDS_PER_MS if cost_name.startswith("latency_ms") else 1.0


def probabilities(theta: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """softmax(theta), detached."""
    return {path: torch.softmax(vector.detach(), 0) for path, vector in theta.items()}


def mean_entropy(chances: Mapping[str, Tensor]) -> float:
    """The entropy of a decision, nats, averaged over the decisions."""
    entropies = [float(torch.special.entr(vector).sum()) for vector in chances.values()]
    return sum(entropies) / len(entropies)
