"""The state of a training as named tensors, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from sculptnet.errors import RunError, collected

SHOWN = 5  # differences that an error lists

Optimized: TypeAlias = tuple[torch.optim.Optimizer, Mapping[str, Tensor]]


@dataclass(frozen=True, eq=False)
class State:
    """All tensors that a training changes, by name.

    Attributes:
        modules: named `MODULE.TENSOR`.
        optimizers: each with its parameters by name; its own tensors are named `OPTIMIZER.PARAMETER.KEY`.
        tensors: all others, named as they are here.
    """

    modules: Mapping[str, nn.Module]
    optimizers: Mapping[str, Optimized]
    tensors: Mapping[str, Tensor] = field(default_factory=dict)

    @torch.no_grad()
    def copied(self) -> dict[str, Tensor]:
        """Contiguous copies in main memory."""
        tensors = dict(self._fixed())
        for prefix, (optimizer, parameters) in self.optimizers.items():
            for name, parameter in parameters.items():
                for key, value in optimizer.state.get(parameter, {}).items():
                    if isinstance(value, Tensor):
                        tensors[f"{prefix}.{name}.{key}"] = value
        return copied(tensors)

    @torch.no_grad()
    def restore(self, saved: Mapping[str, Tensor]) -> None:
        """Puts what `copied` gave back, in place; memory layouts stay what they are.

        Raises:
            RunError: the tensors are of another network.
        """
        here = dict(self._fixed())
        self._check(saved, here)
        for name, tensor in here.items():
            tensor.copy_(saved[name])
        for prefix, (optimizer, parameters) in self.optimizers.items():
            _restore_optimizer(optimizer, parameters, _below(f"{prefix}.", saved))

    def not_finite(self) -> Iterator[str]:
        """The names of tensors of modules and of parameters that hold a number that is not finite."""
        learned = dict(self._of_modules())
        for _, parameters in self.optimizers.values():
            learned |= parameters
        for name, tensor in learned.items():
            if tensor.is_floating_point() and not tensor.isfinite().all():
                yield name

    def _fixed(self) -> Iterator[tuple[str, Tensor]]:
        """The tensors that are there from the start."""
        for prefix, module in self.modules.items():
            yield from ((f"{prefix}.{name}", tensor) for name, tensor in module.state_dict().items())
        yield from self.tensors.items()

    def _of_modules(self) -> Iterator[tuple[str, Tensor]]:
        for module in self.modules.values():
            yield from module.state_dict().items()

    def _check(self, saved: Mapping[str, Tensor], here: Mapping[str, Tensor]) -> None:
        problems = [
            f"{name} has the shape {tuple(saved[name].shape)}, here {tuple(tensor.shape)}"
            if name in saved
            else f"{name} is missing"
            for name, tensor in here.items()
            if name not in saved or saved[name].shape != tensor.shape
        ]
        of_optimizers = tuple(f"{prefix}." for prefix in self.optimizers)
        problems += [
            f"{name} is unknown here" for name in saved if name not in here and not name.startswith(of_optimizers)
        ]
        if problems:
            rule = "the checkpoint belongs to another network; start anew (`fresh=True`)"
            raise RunError(collected(first_of(problems), rule))


def copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous copies in main memory."""
    return {name: torch.empty(tensor.shape, dtype=tensor.dtype).copy_(tensor) for name, tensor in tensors.items()}


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _restore_optimizer(
    optimizer: torch.optim.Optimizer, parameters: Mapping[str, Tensor], saved: Mapping[str, Tensor]
) -> None:
    """The optimiser's tensors are laid out in memory as their parameters are, so that sums round as they did."""
    found: dict[str, dict[str, Tensor]] = {}
    for path, tensor in saved.items():
        name, _, key = path.rpartition(".")
        like = parameters[name].detach()
        like = like if like.shape == tensor.shape else tensor
        found.setdefault(name, {})[key] = torch.empty_like(like).copy_(tensor)
    names = {parameter: name for name, parameter in parameters.items()}
    order = [names[parameter] for group in optimizer.param_groups for parameter in group["params"]]
    state = {index: found[name] for index, name in enumerate(order) if name in found}
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """A line for each key in which what was saved differs from what is asked for."""
    return [
        f"{name} is {there.get(name, 'absent')}, here {here.get(name, 'absent')}"
        for name in dict.fromkeys([*here, *there])
        if there.get(name) != here.get(name)
    ]


def first_of(problems: list[str]) -> list[str]:
    """The first few problems, and how many more there are."""
    more = len(problems) - SHOWN
    return [*problems[:SHOWN], *([f"and {more} more"] if more > 0 else [])]
