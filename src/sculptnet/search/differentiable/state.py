"""What a differentiable architecture search is made of: constants, what it learns, and how far it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, final

import torch
from torch import Tensor

from sculptnet.errors import RunError, collected
from sculptnet.nets import RelaxedSupernet


@final
@dataclass(frozen=True)
class Constants:
    """The numbers of a search; `dnas` documents them."""

    seed: int
    epochs: int
    warmup_epochs: int
    tau: float
    tau_decay: float
    alpha: float
    beta: float
    weight_learning_rate: float
    weight_momentum: float
    weight_decay: float
    theta_learning_rate: float
    theta_betas: tuple[float, float]
    theta_weight_decay: float
    branches: int | None
    label_smoothing: float


@final
@dataclass(frozen=True)
class Tally:
    """Sums over the images of one phase of an epoch so far."""

    images: int = 0
    loss: float = 0.0
    correct: int = 0

    def plus(self, images: int, loss: float, correct: int) -> Tally:
        return Tally(self.images + images, self.loss + loss * images, self.correct + correct)

    def means(self, prefix: str) -> dict[str, float]:
        """The mean loss and the accuracy, under names that begin with `prefix`."""
        return {f"{prefix}loss": self.loss / self.images, f"{prefix}accuracy": self.correct / self.images}


@final
@dataclass(frozen=True)
class Position:
    """How far a search is: `step` steps of `phase` ("weights", then "theta") of `epoch`, counted from 0, are done."""

    epoch: int = 0
    phase: str = "weights"
    step: int = 0
    weights: Tally = Tally()
    theta: Tally = Tally()
    seconds: float = 0.0  # of this epoch so far

    def stepped(self, images: int, loss: float, correct: int, seconds: float) -> Position:
        """One step further in the same phase."""
        grown = {self.phase: getattr(self, self.phase).plus(images, loss, correct)}
        return replace(self, step=self.step + 1, seconds=self.seconds + seconds, **grown)


def position_from_json(value: Mapping[str, Any]) -> Position:
    """The inverse of `dataclasses.asdict`."""
    return Position(**{**value, "weights": Tally(**value["weights"]), "theta": Tally(**value["theta"])})


@final
class Learned:
    """A supernet, theta, and their optimisers.

    Attributes:
        supernet: trained in place.
        theta: the architecture parameters, a vector per decision, float64, on the CPU; 0 at first. The paper does not
            say where they start; any constant gives the same probabilities, weight decay alone prefers 0.
    """

    def __init__(self, supernet: RelaxedSupernet, constants: Constants) -> None:
        self.supernet = supernet
        self.theta = {
            path: torch.zeros(len(node.options), dtype=torch.float64, requires_grad=True)
            for path, node in supernet.space.decisions.items()
        }
        self.weight_optimizer = torch.optim.SGD(
            supernet.parameters(),
            constants.weight_learning_rate,
            momentum=constants.weight_momentum,
            weight_decay=constants.weight_decay,
        )
        self.theta_optimizer = torch.optim.Adam(
            self.theta.values(),
            constants.theta_learning_rate,
            betas=constants.theta_betas,
            weight_decay=constants.theta_weight_decay,
        )

    def tensors(self) -> dict[str, Tensor]:
        """All of it by name, on the CPU and contiguous; some share memory with it, so write them before going on."""
        found = {f"supernet.{name}": tensor for name, tensor in self.supernet.state_dict().items()}
        found |= {f"theta.{path}": vector for path, vector in self.theta.items()}
        for name, optimizer in self._optimizers().items():
            for index, values in optimizer.state_dict()["state"].items():
                found |= {f"{name}.{index}.{key}": value for key, value in values.items()}
        return {name: tensor.detach().cpu().contiguous() for name, tensor in found.items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes over what `tensors` returned."""
        self.supernet.load_state_dict(_below("supernet.", tensors))
        with torch.no_grad():
            for path, vector in self.theta.items():
                vector.copy_(tensors[f"theta.{path}"])
        for name, optimizer in self._optimizers().items():
            _load_optimizer(optimizer, _below(f"{name}.", tensors))

    def _optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"weight_optimizer": self.weight_optimizer, "theta_optimizer": self.theta_optimizer}


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, _, key = name.partition(".")
        like = parameters[int(index)]
        if tensor.shape == like.shape:  # in the parameter's memory format, so that sums round as they did
            tensor = torch.empty_like(like, requires_grad=False).copy_(tensor)
        state.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def require_same(saved: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """Raises `RunError` with everything in which a saved search differs from the one that is asked for."""
    problems = [
        f"{name} is {saved.get(name)!r} there and {asked.get(name)!r} here"
        for name in dict.fromkeys([*asked, *saved])
        if saved.get(name) != asked.get(name)
    ]
    if problems:
        problems.append("give the same settings, or start anew in another place")
        raise RunError(collected(problems, "the checkpoint belongs to another search"))
