"""The supernet in which widths are masks on one set of weights, and resolutions pixels of one set of images."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import reduce

import torch
from torch import Tensor, nn

from sculptnet.arch import Architecture, SearchSpace
from sculptnet.errors import InvalidValue, collected
from sculptnet.nets.masked_blocks import features, widest_module
from sculptnet.nets.masked_maps import expanded, subsampled
from sculptnet.nets.masked_places import Place, places_of
from sculptnet.nets.masked_step import RESOLUTION, Step, masks_of
from sculptnet.nets.network import Network
from sculptnet.nets.relaxed import RelaxedSupernet


class MaskedSupernet(RelaxedSupernet):
    """All networks of a space of open blocks, widths, expansions and resolution, at the price of one width.

    **Widths.** A layer is computed once, at its widest. Its options are masks 1...10...0 on the channels, weighted and
    summed before they are multiplied with the features: one feature map and one multiplication, however many options
    there are. Wherever a width is open, its mask stands behind batch norm (and the activation, if there is one): in
    front of it, batch norm would divide the mask out, the weights would get next to no gradient, and channels that are
    not there would become constants instead of 0.

    **Hidden widths** follow from input width and expansion. Their mask is the sum over both, each pair with the product
    of its weights; it stands behind the depthwise convolution's activation, in front of squeeze-and-excitation, whose
    squeezed width is masked likewise. Squeeze-and-excitation sees the mixture: it runs once, not once per width.

    **Residuals** need equal widths. What is added is the input times the probability that both widths agree; a skip is
    the identity with that probability, and otherwise its 1x1 convolution.

    **Resolutions.** The images have the highest. For each other one, every layer runs on the nearest pixels of its
    input that the small map has; its output is put back to their places with zeros between, weighted, summed. So no
    pixel moves by more than rounding, kernels see neighbours of the small map, pooling averages over its pixels alone.

    Candidate blocks of a place have weights of their own, as in `MixedSupernet`. With one-hot weights, the result is
    that of `subnet(architecture)` on `subsampled(images, architecture.resolution)`: to rounding in eval mode, and in
    training mode, too, since no channel that is there sees one that is not. Batch norm's running statistics are of the
    mixture: train or recalibrate subnets before use.

    Names of parameters are those of `MixedSupernet`.

    Attributes:
        space: the space.
        shared: the decisions whose options cost nothing together: widths and expansions.

    Args:
        space: what is open are blocks (`choice` of blocks at a place), `out_channels`, `expansion` and `resolution`.
        residuals: demand that every inverted residual adds its input, apart from the first of a stage. Without, the
            residual is left out where widths differ, as in the published networks.
        resolutions_at_once: how many resolutions run in a step: those of the largest weights, which a Gumbel softmax
            makes a draw without replacement, weighted by their part of the sum; two at least where the weights carry a
            gradient. None runs all.

    Raises:
        InvalidSpace: something else is open, narrower blocks are no prefixes of the widest, a residual is demanded
            between different widths, or strides reduce a map below one pixel; the message names every place.

    References: Wan et al., FBNetV2, CVPR 2020, sections 3.1 and 3.2. Where the paper's masks stand relative to batch
    norm, and where resolutions enter, is unverified.
    """

    def __init__(self, space: SearchSpace, *, residuals: bool = False, resolutions_at_once: int | None = None) -> None:
        super().__init__()
        if resolutions_at_once is not None and resolutions_at_once < 1:
            raise InvalidValue(f"resolutions_at_once must be at least 1, or None for all, got {resolutions_at_once}")
        self.space, self.resolutions_at_once = space, resolutions_at_once
        self._places = places_of(space, residuals=residuals)
        slots = {place.path for place in self._places if place.chosen}
        self.shared: Collection[str] = tuple(path for path in space.decisions if path not in {RESOLUTION, *slots})
        modules = {place.path: _module(place) for place in self._places}
        self.stem = modules["stem"]
        self.stages = nn.ModuleList(
            nn.ModuleList(modules[f"stages.{i}.{j}"] for j in range(len(stage)))
            for i, stage in enumerate(space.architecture.stages)
        )
        self.head, self.classifier = modules["head"], modules["classifier"]
        every = (mask for place in self._places for candidate in place.candidates for mask in masks_of(candidate))
        self._masks = tuple(dict.fromkeys(every))  # what candidates share is made once

    # ------------------------------------------------------------------ forward
    def forward(self, images: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
        """Logits `(batch, classes)`.

        Args:
            images: float `(batch, 3, height, width)` of the highest resolution, normalised.
            weights: for every decision its path and a vector with a weight per option, of sum 1. Blocks and resolutions
                whose weight is exactly 0 are not run, and so give their weight no gradient. The vectors may lie on the
                CPU while the network does not: what is made of them is moved in one transfer.

        Raises:
            InvalidValue: a decision has no weights, the wrong number, or only zeros, or the images have another size.
        """
        self._check(images, weights)
        step = Step(self._places, self._masks, weights, self.resolutions_at_once, images)
        x = images if len(step.resolutions) > 1 else subsampled(images, self._resolutions[next(iter(step.resolutions))])
        for place, after in zip(self._places, (*self._places[1:], None), strict=True):
            x = self._mixed_sizes(place, after, x, step)
        return x

    @property
    def _resolutions(self) -> tuple[int, ...]:
        return self._places[0].map_sizes

    def _mixed_sizes(self, place: Place, after: Place | None, x: Tensor, step: Step) -> Tensor:
        """The sum over resolutions of what the place computes on their pixels, at their places in the whole map."""
        by_size: dict[int, list[int]] = {}
        for index in step.resolutions:
            by_size.setdefault(place.map_sizes[index], []).append(index)
        terms = []
        for size, indices in by_size.items():
            y = self._mixed(place, x if len(step.resolutions) == 1 else subsampled(x, size), step)
            if step.weighs_resolutions:
                y = y * reduce(torch.add, [step.resolutions[index] for index in indices])
            if after is not None and len(step.resolutions) > 1:
                y = expanded(y, max(after.map_sizes))
            terms.append(y)
        return reduce(torch.add, terms)

    def _mixed(self, place: Place, x: Tensor, step: Step) -> Tensor:
        """The weighted sum of the candidates of a place, masked, plus what is kept of the input."""
        module = self.get_submodule(place.path)
        terms, kept = list[Tensor](), list[Tensor | None]()
        for index, candidate in enumerate(place.candidates):
            value, weight = step.weight(place, index)
            if value == 0.0:
                continue
            part = module[index] if isinstance(module, Candidates) else module
            if not candidate.masked:
                terms.append(_times(part(x), weight))
                continue
            hidden, squeezed, mask = step.masks(candidate)
            if candidate.features.largest > 0:
                terms.append(_times(features(part, x, hidden, squeezed), _product(mask, weight)))
            if candidate.kept is not None:
                kept.append(_product(step.kept(candidate), weight))
        if kept:
            shares = [share for share in kept if share is not None]
            terms.append(_times(x, reduce(torch.add, shares) if shares else None))
        return reduce(torch.add, [_of_width(term, place.out_channels) for term in terms])

    def slots(self) -> Iterator[tuple[str, nn.Module]]:
        """Yields (path, module) in the order of computation; an open place's module is its candidates, in order."""
        yield from ((place.path, self.get_submodule(place.path)) for place in self._places)

    def _check(self, images: Tensor, weights: Mapping[str, Tensor]) -> None:
        decisions = self.space.decisions
        problems = [f"no weights for {path}" for path in decisions if path not in weights]
        problems += [f"{path} is no decision of this space" for path in weights if path not in decisions]
        for path, vector in weights.items():
            if path in decisions and vector.shape != (len(decisions[path].options),):
                count = len(decisions[path].options)
                problems.append(f"{path} has {count} options, its weights have shape {tuple(vector.shape)}")
            elif path in decisions and not vector.any():
                problems.append(f"all weights of {path} are 0; at least one option must have one")
        highest = max(self._resolutions)
        if images.shape[-2:] != (highest, highest):
            height, width = images.shape[-2:]
            problems.append(f"images are {height}x{width} pixels, the space's highest resolution is {highest}")
        if problems:
            raise InvalidValue(collected(problems, "MaskedSupernet, weights as one vector per decision"))

    # ------------------------------------------------------------------ networks
    @torch.no_grad()
    def subnet(self, architecture: Architecture) -> Network:
        """The static network of `architecture` with a copy of its weights, in the same mode and memory format.

        Batch-norm statistics are the supernet's, which saw other mixtures: train or recalibrate before use.

        Raises:
            NotInSpace: the architecture is none of this space.
        """
        row = dict(zip(self.space.decisions, self.space.encode(architecture), strict=True))
        with torch.device("meta"):
            network = Network(architecture)
        for place in self._places:
            whole = self.get_submodule(place.path)
            if isinstance(whole, Candidates):
                whole = whole[row[place.path]]
            part = network.get_submodule(place.path)
            tensors = whole.state_dict()
            part.load_state_dict(
                {name: _prefix(tensors[name], tensor.shape) for name, tensor in part.state_dict().items()}, assign=True
            )
        return network.train(self.training)


class Candidates(nn.ModuleList):
    """The candidate blocks of one open place."""


# ---------------------------------------------------------------------- parts
def _module(place: Place) -> nn.Module:
    made = [
        widest_module(one.block, one.in_channels, computes=one.features.largest > 0)
        if one.masked
        else one.block.build(one.in_channels)
        for one in place.candidates
    ]
    return Candidates(made) if place.chosen else made[0]


def _product(left: Tensor | None, right: Tensor | None) -> Tensor | None:
    if left is None or right is None:
        return right if left is None else left
    return left * right


def _times(x: Tensor, factor: Tensor | None) -> Tensor:
    return x if factor is None else x * factor


def _of_width(x: Tensor, width: int) -> Tensor:
    """The first `width` channels, or all with zeros behind them."""
    if x.shape[1] == width:
        return x
    return x[:, :width] if x.shape[1] >= width else nn.functional.pad(x, (0, 0, 0, 0, 0, width - x.shape[1]))


def _prefix(tensor: Tensor, shape: torch.Size) -> Tensor:
    """A copy of the first rows and columns of `tensor`, in its memory format."""
    part = tensor
    for dimension, size in enumerate(shape[:2]):
        part = part.narrow(dimension, 0, size)
    last = tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last)
    return part.clone(memory_format=torch.channels_last if last else torch.contiguous_format)
