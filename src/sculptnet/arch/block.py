"""The block: a value that says what one part of a network is, and makes its module."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

from sculptnet.arch.choice import require_decided

if TYPE_CHECKING:
    from torch import nn


class TensorShape(NamedTuple):
    """The shape of one image's feature map, without the batch."""

    channels: int
    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.channels}x{self.height}x{self.width}"


class Block(ABC):
    """What one part of a network is. Subclasses are frozen, final dataclasses.

    A subclass has the fields `out_channels` and, if it can reduce the size, `stride`; it writes `module`. Users call
    `build`, which checks first that nothing is open. Any field may hold an open value (`choice`, `between`, `same`),
    except `stride` and `padding`, which a search space must know.
    """

    out_channels: int
    stride: int = 1

    @abstractmethod
    def module(self, in_channels: int) -> nn.Module:
        """A new module for inputs `(batch, in_channels, height, width)`; called on decided blocks only."""

    def build(self, in_channels: int) -> nn.Module:
        """A new module for inputs `(batch, in_channels, height, width)`.

        Raises:
            OpenValue: a field is still open; the message names it.
        """
        require_decided(self, f"{type(self).__name__}.build")
        return self.module(in_channels)

    def out_shape(self, shape: TensorShape) -> TensorShape:
        """The output shape for an input of `shape`; strides round up, as padding `kernel // 2` does.

        Raises:
            OpenValue: a field is still open; the message names it.
        """
        require_decided(self, f"{type(self).__name__}.out_shape")
        return TensorShape(self.out_channels, -(-shape.height // self.stride), -(-shape.width // self.stride))

    def is_identity(self, in_channels: int) -> bool:
        """Whether the module returns its input unchanged; then it costs nothing."""
        return False

    def label(self) -> str:
        """A short name for drawings and tables, such as `k5_e6`."""
        return type(self).__name__.lower()
