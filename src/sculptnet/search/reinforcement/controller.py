"""The controller: an LSTM that decides one thing after the other, each knowing what was decided before.

MnasNet takes the controller of NASNet (Zoph et al., CVPR 2018, arXiv 1707.07012, appendix): one layer of 100 units,
weights drawn from U(-0.1, 0.1). What was decided last is fed as an embedding; every decision has its own softmax.
"""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from sculptnet.arch import IntMatrix, SearchSpace
from sculptnet.search.reinforcement.sequence import Sequence
from sculptnet.streams import stream

WEIGHT_RANGE = 0.1


class Judged(NamedTuple):
    """Of candidates, `(candidates, steps)` each; 0 where the decision does not matter.

    Attributes:
        log_probs: of what was decided, given what was decided before; a row sums to the candidate's own.
        entropies: of the decision, nats. In expectation over candidates a row sums to the controller's entropy.
        alive: whether the decision matters.
    """

    log_probs: Tensor
    entropies: Tensor
    alive: Tensor


@final
class Controller(nn.Module):
    """A distribution over the candidates of a space, any space.

    On the CPU, in single precision, which is twice as fast as double: about 200 candidates a second are drawn and
    learned from on one core. Another processor rounds otherwise and may, after many updates, draw another candidate.

    Args:
        space: whose candidates.
        hidden: units of the LSTM, and numbers in an embedding.
        seed: of the weights.
    """

    def __init__(self, space: SearchSpace, hidden: int, seed: int) -> None:
        super().__init__()
        self.sequence = Sequence(space)
        counts = self.sequence.num_options
        starts = np.cumsum([1, *counts])  # embedding 0 is what the first step is told
        self.lstm = nn.LSTM(hidden, hidden, batch_first=True)
        self.embeddings = nn.Embedding(int(starts[-1]), hidden)
        self.heads = nn.Parameter(torch.empty(len(counts), max(counts), hidden))
        self.biases = nn.Parameter(torch.empty(len(counts), max(counts)))
        self.starts = torch.from_numpy(starts[:-1])
        self.missing = torch.arange(max(counts)) >= torch.tensor(counts)[:, None]
        rng = stream(seed, "reinforce/weights")
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.from_numpy(rng.uniform(-WEIGHT_RANGE, WEIGHT_RANGE, tuple(parameter.shape))))

    def draw(self, uniform: npt.NDArray[np.float64]) -> IntMatrix:
        """Canonical rows, one for each row of `uniform`: numbers in [0, 1), `(candidates, decisions)`."""
        count, length = uniform.shape
        steps = np.zeros((count, length), dtype=np.int64)
        tokens, state = torch.zeros(count, dtype=torch.int64), None
        with torch.no_grad():
            for step in range(length):
                outputs, state = self.lstm(self.embeddings(tokens)[:, None], state)
                chances = self._log_chances(outputs, slice(step, step + 1))[:, 0].exp().double().numpy()
                below = chances.cumsum(axis=1) <= uniform[:, [step]]
                picks = np.minimum(below.sum(axis=1), self.sequence.num_options[step] - 1)
                steps[:, step] = np.where(self.sequence.alive(step, steps), picks, 0)
                tokens = self.starts[step] + torch.from_numpy(steps[:, step])
        return self.sequence.rows(steps)

    def judge(self, rows: IntMatrix) -> Judged:
        """What the controller thinks of canonical rows, `(candidates, decisions)`; gradients flow."""
        steps = self.sequence.steps(rows)
        alive = torch.from_numpy(self.sequence.all_alive(steps))
        picks = torch.from_numpy(steps)
        tokens = torch.cat([torch.zeros_like(picks[:, :1]), (self.starts + picks)[:, :-1]], dim=1)
        outputs, _ = self.lstm(self.embeddings(tokens))
        log_chances = self._log_chances(outputs, slice(None))
        log_probs = log_chances.gather(2, picks[:, :, None])[:, :, 0]
        entropies = -(log_chances.exp() * log_chances.masked_fill(self.missing, 0.0)).sum(2)
        return Judged(log_probs * alive, entropies * alive, alive)

    def _log_chances(self, outputs: Tensor, steps: slice) -> Tensor:
        """Log-probabilities of the options of `steps`, `(candidates, steps, options)`; -inf where there is none."""
        logits = torch.einsum("nsh,soh->nso", outputs, self.heads[steps]) + self.biases[steps]
        return logits.masked_fill(self.missing[steps], -torch.inf).log_softmax(2)
