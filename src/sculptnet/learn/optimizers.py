"""From the recipe's optimiser to torch's and timm's."""

from __future__ import annotations

import torch
from torch import nn

from sculptnet.arch import AdamW, RmsProp, Sgd


def optimizer_for(network: nn.Module, settings: Sgd | RmsProp | AdamW) -> torch.optim.Optimizer:
    """The optimiser of `network`'s parameters. Weight decay skips biases and batch norm (all vectors).

    With g the gradient, w the weight, d the weight decay and r the learning rate of the step:

    - `Sgd`: g += d w; m = momentum m + g; w -= r m, or, with Nesterov, w -= r (g + momentum m).
    - `RmsProp`: g += d w; s += (1 - decay) (g^2 - s); m = momentum m + r g / sqrt(s + epsilon); w -= m; s starts at 1.
    - `AdamW`: w -= r d w, then Adam with its bias corrections and epsilon 1e-8 (Loshchilov and Hutter 2019).
    """
    from timm.optim import create_optimizer_v2  # type: ignore[attr-defined]  # brings torchvision: seconds that not every process needs

    rate, decay = settings.learning_rate, settings.weight_decay
    # fused: one kernel for all weights, a fifth of the time of the plain loop on CPUs too
    if isinstance(settings, Sgd):
        nesterov = settings.nesterov and settings.momentum > 0  # without momentum the two are the same
        return create_optimizer_v2(network, "sgd", rate, decay, settings.momentum, nesterov=nesterov, fused=True)
    if isinstance(settings, AdamW):
        betas = (settings.beta1, settings.beta2)
        return create_optimizer_v2(network, "adamw", rate, decay, betas=betas, fused=True)
    return create_optimizer_v2(
        network, "rmsproptf", rate, decay, settings.momentum, alpha=settings.decay, eps=settings.epsilon
    )
