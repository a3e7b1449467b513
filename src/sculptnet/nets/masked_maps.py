"""Small maps inside large ones: every pixel of the small one has its place, nearest to where it belongs."""

from __future__ import annotations

import torch
from torch import Tensor


def places(size: int, full: int) -> Tensor:
    """Where the rows (or columns) of a map of `size` lie in one of `full`: `floor(i * full / size)`."""
    return torch.arange(size) * full // size


def subsampled(x: Tensor, size: int) -> Tensor:
    """The nearest `size` x `size` pixels of `x`, `(batch, channels, full, full)`.

    What a network of a low resolution sees of the images that a masked supernet gets; nothing is averaged.
    """
    full = x.shape[-1]
    if size == full:
        return x
    index = places(size, full).to(x.device)
    return x.index_select(2, index).index_select(3, index)


def expanded(x: Tensor, full: int) -> Tensor:
    """`x`, `(batch, channels, size, size)`, at its places in a map of `full` x `full`, zeros between.

    `subsampled` of it is `x` again. Neighbours in the small map are not neighbours here: a layer must see the small
    one, or a 3x3 kernel would cover the zeros between and fewer pixels of the image.
    """
    size = x.shape[-1]
    if size == full:
        return x
    index = places(size, full).to(x.device)
    batch, channels = x.shape[:2]
    rows = x.new_zeros(batch, channels, full, size).index_copy(2, index, x)
    return x.new_zeros(batch, channels, full, full).index_copy(3, index, rows)
