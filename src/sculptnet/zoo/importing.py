"""Weights that another library trained, copied into our network of the same architecture.

Both are walked in the order of computation, pair by pair, and every pair must agree in kind and shape. So no table of
names can go out of date, and a network that differs in a single width or layer is refused. Strides, paddings and
activations leave no trace in weights: they are the architecture's, and tests compare what both networks compute.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest

import torch
from torch import Tensor, nn

from sculptnet.errors import InvalidValue, collected
from sculptnet.nets import Network

COUNTER = "num_batches_tracked"  # of batch norm; old files lack it, and nothing here reads it
EPS = nn.BatchNorm2d(1).eps


@torch.no_grad()
def import_weights(network: Network, weights: Mapping[str, Tensor], *, eps: float = EPS) -> None:
    """Copies `weights` into `network`, in place.

    Args:
        network: of the same architecture.
        weights: of another library's module, in the order of computation, as its `state_dict()` has them. A linear
            layer on one pixel may stand where we have a 1x1 convolution.
        eps: of the batch norm that the weights were trained with. Where it is not ours, variances are shifted by the
            difference, so that in eval mode both networks compute the same; in training, channels whose variance is
            far below `eps` get a larger scale here than at home.

    Raises:
        InvalidValue: the first tensor that differs in kind or shape, the number of tensors, and every tensor that holds
            something else than finite numbers. `network` is unchanged then.
    """
    ours = {name: tensor for name, tensor in network.state_dict().items() if _kind(name) != COUNTER}
    theirs = {name: tensor for name, tensor in weights.items() if _kind(name) != COUNTER}
    if problems := [*_differences(ours, theirs), *_not_finite(theirs)]:
        raise InvalidValue(collected(problems, "the weights are those of another network or damaged"))
    modules = dict(network.named_modules())
    for (name, ours_now), given in zip(ours.items(), theirs.values(), strict=True):
        shift = 0.0
        if _kind(name) == "running_var":
            norm = modules[name.rpartition(".")[0]]
            assert isinstance(norm, nn.BatchNorm2d)
            shift = eps - norm.eps
        ours_now.copy_(given.reshape(ours_now.shape) + shift)


def _differences(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> list[str]:
    """The first pair that differs: after it, all others would."""
    problems = []
    if len(ours) != len(theirs):
        problems.append(f"the network has {len(ours)} tensors, the weights have {len(theirs)}")
    for our, their in zip_longest(ours, theirs):
        if our is None or their is None:
            return [*problems, f"{our or their} has no counterpart"]
        shapes = tuple(ours[our].shape), tuple(theirs[their].shape)
        if _kind(our) != _kind(their) or _stripped(shapes[0]) != _stripped(shapes[1]):
            return [*problems, f"the first to differ: {our} is {shapes[0]}, {their} is {shapes[1]}"]
    return problems


def _not_finite(weights: Mapping[str, Tensor]) -> list[str]:
    return [f"{name} holds infinities or NaN" for name, tensor in weights.items() if not bool(tensor.isfinite().all())]


def _kind(name: str) -> str:
    """`weight`, `bias`, `running_mean`, `running_var` or `num_batches_tracked`."""
    return name.rpartition(".")[2]


def _stripped(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape without sizes of 1 at its end."""
    while shape and shape[-1] == 1:
        shape = shape[:-1]
    return shape
