"""Proximal policy optimisation (Schulman et al., 2017, arXiv 1707.06347) of a controller from rewarded candidates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sculptnet.arch import IntMatrix
from sculptnet.errors import TrainingDiverged
from sculptnet.search.reinforcement.controller import Controller


@final
@dataclass(frozen=True)
class Ppo:
    """The numbers of the method; `reinforce` documents them."""

    learning_rate: float
    epochs: int
    clip: float
    entropy_weight: float


def clipped_objective(log_probs: Tensor, old: Tensor, advantages: Tensor, clip: float) -> Tensor:
    """What PPO maximises: the mean over candidates of the sum over decisions of min(r A, clip(r, 1 - c, 1 + c) A).

    r is a decision's probability now over what it was when it was drawn: each decision is an action of its own, and
    all of a candidate have the candidate's advantage.

    Args:
        log_probs, old: of each decision now and then, `(candidates, decisions)`.
        advantages: of each candidate.
        clip: c.
    """
    ratios = (log_probs - old).exp()
    gains = advantages[:, None]
    return torch.minimum(ratios * gains, ratios.clamp(1 - clip, 1 + clip) * gains).sum(1).mean()


@final
class Learner:
    """A controller and its optimiser."""

    def __init__(self, controller: Controller, ppo: Ppo) -> None:
        self.controller, self.ppo = controller, ppo
        self.optimizer = torch.optim.Adam(controller.parameters(), ppo.learning_rate)

    def learn(self, rows: IntMatrix, advantages: npt.NDArray[np.float64]) -> None:
        """A few steps, each on all candidates, whose advantages are what they are better than expected.

        Raises:
            TrainingDiverged: the loss stopped being a number.
        """
        with torch.no_grad():
            old = self.controller.judge(rows).log_probs
        gains = torch.from_numpy(advantages).to(old)
        for _ in range(self.ppo.epochs):
            with torch.enable_grad():
                now = self.controller.judge(rows)
                objective = clipped_objective(now.log_probs, old, gains, self.ppo.clip)
                loss = -objective - self.ppo.entropy_weight * now.entropies.sum(1).mean()
                if not torch.isfinite(loss):
                    raise TrainingDiverged(
                        f"reinforce: the controller's loss is {loss.item()}; lower learning_rate (now "
                        f"{self.ppo.learning_rate:g})"
                    )
                self.optimizer.zero_grad()
                torch.autograd.backward(loss)
                self.optimizer.step()
