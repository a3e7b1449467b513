"""The state of a training as named tensors, and back."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sculptnet.errors import RunError, collected


@torch.no_grad()
def tensors_of(
    network: nn.Module, optimizer: torch.optim.Optimizer, average: nn.Module | None, losses: Tensor
) -> dict[str, Tensor]:
    """Contiguous copies in main memory: `network.NAME`, `average.NAME`, `optimizer.NAME.KEY` and `losses`."""
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    if average is not None:
        tensors |= {f"average.{name}": tensor for name, tensor in average.state_dict().items()}
    for name, parameter in network.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{name}.{key}"] = value
    tensors["losses"] = losses
    return {name: _copied(tensor) for name, tensor in tensors.items()}


def _copied(tensor: Tensor) -> Tensor:
    return torch.empty(tensor.shape, dtype=tensor.dtype).copy_(tensor)


@torch.no_grad()
def restore(
    tensors: Mapping[str, Tensor],
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: nn.Module | None,
    losses: Tensor,
) -> None:
    """Puts what `tensors_of` gave back, in place; memory layouts stay what they are.

    Raises:
        RunError: the tensors are of another network.
    """
    here: dict[str, Tensor] = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    if average is not None:
        here |= {f"average.{name}": tensor for name, tensor in average.state_dict().items()}
    here["losses"] = losses
    _check(tensors, here)
    for name, tensor in here.items():
        tensor.copy_(tensors[name])
    _restore_optimizer(tensors, network, optimizer)


def _restore_optimizer(tensors: Mapping[str, Tensor], network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """The optimiser's tensors are laid out in memory as their parameters are."""
    parameters = dict(network.named_parameters())
    found: dict[str, dict[str, Tensor]] = {}
    for path, tensor in tensors.items():
        if path.startswith("optimizer."):
            name, _, key = path.removeprefix("optimizer.").rpartition(".")
            like = torch.empty_like(parameters[name]) if tensor.dim() else torch.empty_like(tensor)
            found.setdefault(name, {})[key] = like.copy_(tensor)
    names = {parameter: name for name, parameter in parameters.items()}
    order = [names[parameter] for group in optimizer.param_groups for parameter in group["params"]]
    state = {index: found[name] for index, name in enumerate(order) if name in found}
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _check(tensors: Mapping[str, Tensor], here: Mapping[str, Tensor]) -> None:
    problems = [
        f"{name} has the shape {tuple(tensors[name].shape)}, here {tuple(tensor.shape)}"
        if name in tensors
        else f"{name} is missing"
        for name, tensor in here.items()
        if name not in tensors or tensors[name].shape != tensor.shape
    ]
    problems += [
        f"{name} is unknown here" for name in tensors if name not in here and not name.startswith("optimizer.")
    ]
    if problems:
        shown = [*problems[:5], *([f"and {len(problems) - 5} more"] if len(problems) > 5 else [])]
        raise RunError(collected(shown, "the checkpoint belongs to another network; start anew (--fresh)"))
