"""Slices of one weight: where the tensors of a smaller block lie in those of the largest, and how it computes there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import linear

from sculptnet.arch import Block
from sculptnet.blocks.layers import Classify, Residual
from sculptnet.nets.elastic_range import on_meta

TRANSFORMS = "transforms"  # the name of `KernelTransforms` in the convolution that they belong to
TO = "to_"  # the name of a transform: this and the size of the kernels that it makes


class KernelTransforms(nn.Module):
    """Learned ways from a large kernel to smaller ones: for each step, the centre crop times a matrix.

    A 3x3 kernel is made of the 5x5 one, which is made of the 7x7 one: training 5x5 moves 3x3. All channels of a layer
    share the matrices, which start as identities: 625 + 81 weights a layer.

    Attributes:
        sizes: of the kernels, the largest first.

    Reference: Cai et al., Once-for-All, ICLR 2020, section 3.3; per layer as in the published code.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        self.sizes = tuple(sizes)
        for size in self.sizes[1:]:
            self.register_parameter(f"{TO}{size}", nn.Parameter(torch.empty(size * size, size * size)))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Identities: a smaller kernel is the centre of the larger one."""
        for matrix in self.parameters():
            matrix.copy_(torch.eye(len(matrix)))

    def forward(self, weight: Tensor, size: int) -> Tensor:
        """The kernels `(channels, in, size, size)` made of `weight`, whose kernels have the largest size."""
        for smaller in self.sizes[1:]:
            if smaller >= size:
                first = (weight.shape[-1] - smaller) // 2
                crop = weight[:, :, first : first + smaller, first : first + smaller]
                values = linear(crop.reshape(-1, smaller * smaller), self.get_parameter(f"{TO}{smaller}"))
                weight = values.view(crop.shape)
        return weight


@dataclass(frozen=True, eq=False)
class Slice:
    """One tensor of a smaller block.

    Attributes:
        name: in the smaller block.
        owner, attribute: where the largest block keeps the tensor that it is a part of.
        shape: of the part: its first rows and columns.
    """

    name: str
    owner: nn.Module
    attribute: str
    shape: torch.Size

    def tensor(self) -> Tensor:
        """A view of the largest block's tensor, or what its transforms make of it; all of it is the tensor itself."""
        whole: Tensor = getattr(self.owner, self.attribute)
        if whole.shape == self.shape:
            return whole
        part = whole
        for dimension, size in enumerate(self.shape[:2]):
            if size < part.shape[dimension]:
                part = part.narrow(dimension, 0, size)
        if part.dim() == 4 and part.shape[-1] != self.shape[-1]:
            transforms = self.owner.get_submodule(TRANSFORMS)
            part = transforms(part, self.shape[-1])
        if part.dim() == 2:
            part = part.contiguous()  # a matrix product may add in another order where rows lie apart
        return part


class Smaller:
    """A smaller block that computes with the largest block's weights, and shares its mode and its dropout.

    Attributes:
        slices: all its tensors, batch-norm statistics included; training writes these in place.
    """

    def __init__(self, whole: nn.Module, block: Block, in_channels: int) -> None:
        self._whole, self._module = whole, on_meta(block, in_channels)
        self.slices = tuple(
            Slice(name, whole.get_submodule(name.rpartition(".")[0]), name.rpartition(".")[2], tensor.shape)
            for name, tensor in self._module.state_dict().items()
        )
        self._drops = [
            (module, whole.get_submodule(name), "drop_path" if isinstance(module, Residual) else "dropout")
            for name, module in self._module.named_modules()
            if isinstance(module, (Residual, Classify))
        ]

    def __call__(self, x: Tensor) -> Tensor:
        """What the block computes of `x`, `(batch, in_channels, height, width)`."""
        if self._module.training != self._whole.training:
            self._module.train(self._whole.training)
        for module, original, name in self._drops:
            setattr(module, name, getattr(original, name))
        tensors = {piece.name: piece.tensor() for piece in self.slices}
        y: Tensor = functional_call(self._module, tensors, (x,), tie_weights=False)
        return y
