"""How regressions are made: on how many images, rows and pixels, with how much pull to the weights that are there."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sculptnet.errors import InvalidValue, collected
from sculptnet.streams import stream_seed


@dataclass(frozen=True)
class Refit:
    """Settings of every regression.

    Attributes:
        images: that regressions are made on; others are for scores.
        rows: at most that many pixels of all images together for a projection.
        kernel_rows: the same for kernels, which have at most 49 unknowns a channel.
        ridge: pull to the weights that are there, over the mean of the Gram matrix's diagonal.
        image_ridge: the same where every image is one row: squeeze-and-excitation and the classifier.
        chunk: images at once.
        seed: of the choice of pixels.
    """

    images: int = 192
    rows: int = 20_000
    kernel_rows: int = 4_096
    ridge: float = 0.03
    image_ridge: float = 1.0
    chunk: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        counts = ("images", "rows", "kernel_rows", "chunk")
        problems = [
            f"{name} must be a whole number of at least 1, got {getattr(self, name)!r}"
            for name in counts
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 1
        ]
        problems += [
            f"{name} must be above 0: without a pull there may be many solutions, got {getattr(self, name)!r}"
            for name in ("ridge", "image_ridge")
            if not getattr(self, name) > 0
        ]
        if problems:
            raise InvalidValue(collected(problems, "Refit"))

    def pixels(self, maps: Tensor, rows: int) -> Tensor:
        """Pixels of `maps` `(images, channels, height, width)`: `(images, n)`, about `rows` in all, drawn by `seed`."""
        images, total = len(maps), maps.shape[2] * maps.shape[3]
        count = min(total, -(-rows // images))
        if count == total:
            return torch.arange(total, device=maps.device).expand(images, -1)
        generator = torch.Generator().manual_seed(stream_seed(self.seed, "inherit: pixels"))
        return torch.rand(images, total, generator=generator).argsort(1)[:, :count].to(maps.device)
