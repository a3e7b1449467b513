"""What the soft weights of one step make: masks and weights, on the device of the images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from sculptnet.nets.masked_blocks import widths_of
from sculptnet.nets.masked_places import MaskedBlock, Place
from sculptnet.nets.masked_sizes import Sizes
from sculptnet.nets.relaxed import LEAST_COMPARED

RESOLUTION = "resolution"
EXPECTED = 0  # asked for in place of a mask's width: the expected number


class Step:
    """What the weights of one step make: masks and weights on the device of the images, and plain numbers.

    Attributes:
        numbers: masks `(width,)` by what they are of; of width `EXPECTED` the expected number, `(1,)`.
        resolutions: the weight of each resolution that runs, by its index.
        weighs_resolutions: whether these weights are more than a constant 1.
    """

    def __init__(
        self,
        places: tuple[Place, ...],
        masks: Sequence[tuple[Sizes, int]],
        weights: Mapping[str, Tensor],
        at_once: int | None,
        images: Tensor,
    ) -> None:
        slots = {place.path: weights[place.path] for place in places if place.chosen}
        resolution = _largest(weights[RESOLUTION], at_once) if RESOLUTION in weights else torch.ones(1)
        vectors = [sizes.mask(weights, width) if width != EXPECTED else sizes.mean(weights) for sizes, width in masks]
        vectors += [vector.double() for vector in (*slots.values(), resolution)]
        together = torch.cat([vector.to(vectors[0].device) for vector in vectors]).to(images)
        parts = torch.split(together, [len(vector) for vector in vectors])
        self._slots = dict(zip(slots, parts[len(masks) : -1], strict=True))
        self._values = {path: vector.tolist() for path, vector in slots.items()}
        self.numbers = dict(zip(masks, parts, strict=False))
        values = resolution.tolist()
        self.resolutions = {index: parts[-1][index] for index, value in enumerate(values) if value != 0.0}
        self.weighs_resolutions = resolution.requires_grad or values.count(1.0) != 1 or len(self.resolutions) > 1

    def weight(self, place: Place, index: int) -> tuple[float, Tensor | None]:
        """The weight of a candidate; as a tensor None where it is a constant 1."""
        if not place.chosen:
            return 1.0, None
        value, vector = self._values[place.path][index], self._slots[place.path]
        return value, None if value == 1.0 and not vector.requires_grad else vector[index]

    def kept(self, candidate: MaskedBlock) -> Tensor | None:
        """The probability that the input is kept; None where it always is."""
        assert candidate.kept is not None
        return self.numbers[candidate.kept, EXPECTED] if candidate.kept.decisions else None

    def masks(self, candidate: MaskedBlock) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """The masks of hidden and squeezed width and of the features, `(width, 1, 1)`; None where all are there."""
        widest = widths_of(candidate.block, candidate.in_channels)
        hidden, squeezed, features_ = (
            None if sizes is None else self.numbers[sizes, width][:, None, None]
            for sizes, width in (
                (candidate.hidden, widest.hidden),
                (candidate.squeezed, widest.squeezed),
                (candidate.features if candidate.features.decisions else None, candidate.block.out_channels),
            )
        )
        return hidden, squeezed, features_


def masks_of(candidate: MaskedBlock) -> Iterator[tuple[Sizes, int]]:
    """What must be computed of the weights for a candidate."""
    if not candidate.masked:
        return
    widest = widths_of(candidate.block, candidate.in_channels)
    if candidate.features.decisions:
        yield candidate.features, candidate.block.out_channels
    if candidate.hidden is not None:
        yield candidate.hidden, widest.hidden
    if candidate.squeezed is not None:
        yield candidate.squeezed, widest.squeezed
    if candidate.kept is not None and candidate.kept.decisions:
        yield candidate.kept, EXPECTED


def _largest(weights: Tensor, count: int | None) -> Tensor:
    """`weights` with all but the `count` largest set to 0, and those over their sum."""
    if count is None:
        return weights
    count = min(max(count, LEAST_COMPARED) if weights.requires_grad else count, len(weights))
    kept = torch.zeros_like(weights).index_fill(0, weights.detach().topk(count).indices, 1.0)
    return weights * kept / (weights * kept).sum()
