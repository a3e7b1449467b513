"""The library of a trained network: smaller blocks in closed form, their scores, and networks put together of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor

from sculptnet.arch import Architecture, Block, OneOf, Prefix, Same, SearchSpace
from sculptnet.blocks.layers import Classify
from sculptnet.cost.factored_terms import values
from sculptnet.errors import InvalidSpace, InvalidValue, collected
from sculptnet.inherit.anatomy import places_of
from sculptnet.inherit.assembly import Orders, assembled
from sculptnet.inherit.derivable import why_not
from sculptnet.inherit.scores import Scores
from sculptnet.inherit.scoring import Options, scored
from sculptnet.inherit.settings import Refit
from sculptnet.inherit.space import kept_whole
from sculptnet.inherit.walk import applied, divergence, log_probabilities
from sculptnet.nets import Network
from sculptnet.state import Progress, no_progress

SHOWN = 5  # problems of one kind


@final
@dataclass(frozen=True, eq=False)
class Library:
    """All that can be made of a trained network without training. `Library.of` makes one.

    Attributes:
        network: trained, in evaluation mode; never changed.
        space: of options around it, the network's own architecture among them.
        images: `(n, 3, resolution, resolution)`: the first `refit.images` are for regressions, the others for scores.
        orders: of the channels of each block, by path; widths are nested.
        scores: replace-one divergence of every option, a cost over `space`.
        refit: how regressions are made.
    """

    network: Network
    space: SearchSpace
    images: Tensor
    orders: Orders
    scores: Scores
    refit: Refit

    @classmethod
    def of(
        cls,
        network: Network,
        space: SearchSpace,
        batches: Iterable[tuple[Tensor, Tensor]],
        *,
        images: int = 384,
        refit: Refit = Refit(),  # noqa: B008  # frozen
        progress: Progress = no_progress,
    ) -> Library:
        """The library of a trained network: orders of channels and the score of every option.

        Args:
            network: trained, in evaluation mode.
            space: its own architecture, and others whose blocks can be made of it; `carve_space` gives the whole of it.
            batches: images, float `(batch, 3, height, width)`, as in evaluation and at the network's resolution, in an
                order that mixes the classes, with labels that are not read. As many are taken as it needs.
            images: how many; `refit.images` for regressions, the others for scores.
            refit: how regressions are made.
            progress: called after every block.

        Raises:
            InvalidValue: the network is in training mode, images are missing or of another size.
            InvalidSpace: some option cannot be made of the network; all are named.
            NotInSpace: the space does not hold the network's own architecture.
        """
        _check(network, space, images, refit)
        taken = _taken(batches, images, network)
        scores, orders = scored(network, network, options_of_places(space), taken, refit, progress=progress)
        return cls(network, space, taken, orders, scores, refit)

    @property
    def kept(self) -> Mapping[str, str]:
        """Blocks that stay as they are, by path, and why."""
        return kept_whole(self.network.architecture)

    def assemble(self, architecture: Architecture) -> Network:
        """The network of `architecture`, without training, on the library's device, in evaluation mode.

        Everything before the first block that differs is the trained network's; from there on each block is fitted to
        the trained network's output at its place, on the inputs that the blocks before it give. The trained network's
        own architecture gives a copy of it, bit-equal. Any architecture will do whose blocks can be made of the
        trained ones, also one that the space does not hold.

        Raises:
            InvalidValue: with every block that cannot be made.
        """
        problems = _problems(self.network.architecture, architecture)
        if problems:
            raise InvalidValue(collected(problems, "Library.assemble"))
        return assembled(
            places_of(self.network), architecture, self.orders, self.images[: self.refit.images], self.refit
        )

    @torch.no_grad()
    def divergence(self, network: Network) -> float:
        """KL(trained network || `network`) in nats, mean over the images that are not for regressions."""
        images = self.images[self.refit.images :]
        given, found = (log_probabilities(applied(one, images)) for one in (self.network, network))
        return divergence(given, found)

    def rescored(self, base: Network, progress: Progress = no_progress) -> Library:
        """The same library with scores around `base`, a network that it assembled: what single blocks change there.

        Scores of the trained network add up as long as cuts are small. A second round around what looked best corrects
        them where it matters: `scores.constant` is the divergence of `base`, every entry the difference to it.
        """
        scores, _ = scored(
            self.network, base, options_of_places(self.space), self.images, self.refit, self.orders, progress
        )
        return replace(self, scores=scores)


def options_of_places(space: SearchSpace) -> Options:
    """Every decided block that may stand at each place of `space`, by path."""
    return {
        path: tuple(dict.fromkeys(block for _, block in values(space, slot, path, {})))
        for path, slot in space.architecture.named()
    }


def _check(network: Network, space: SearchSpace, images: int, refit: Refit) -> None:
    problems = []
    if network.training:
        problems.append("the network is in training mode; call eval() on it")
    if not isinstance(network.classifier, Classify):
        problems.append(f"the classifier must be a linear layer, got {type(network.classifier).__name__}")
    if images <= refit.images:
        problems.append(
            f"images must be above refit.images, got {images} and {refit.images}: scores need images of their own"
        )
    if problems:
        raise InvalidValue(collected(problems, "Library"))
    template = space.architecture
    if isinstance(template.resolution, (OneOf, Same)):
        problems.append("the resolution is open; make a library for each, at its own resolution")
    for index, stage in enumerate(template.stages):
        if isinstance(stage, Prefix):
            problems.append(f"stages.{index} has open depth; take choice(block, Skip(...)) for every layer instead")
    if not problems:
        space.encode(network.architecture)
        wholes = {path: (block, shape.channels) for path, block, shape in network.architecture.blocks()}
        for path, blocks in options_of_places(space).items():
            reasons = [(block, why_not(wholes[path][0], block, wholes[path][1])) for block in blocks]
            problems += [f"{path}: {block}: {reason}" for block, reason in reasons if reason is not None]
    if problems:
        more = [f"and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
        raise InvalidSpace(collected([*problems[:SHOWN], *more], "Library"))


def _problems(whole: Architecture, part: Architecture) -> list[str]:
    """Every block of `part` that cannot be made of the one at the same place of `whole`."""
    problems = []
    if part.resolution != whole.resolution:
        problems.append(f"resolution must be the trained network's {whole.resolution}, got {part.resolution}")
    found: dict[str, Block] = dict(part.named())
    for path, block, shape in whole.blocks():
        given = found.pop(path, None)
        reason = "is missing; put Skip in its place" if given is None else why_not(block, given, shape.channels)
        if path == "classifier" and given != block:
            reason = f"must be {block}"
        problems += [f"{path}: {given or ''}: {reason}"] if reason is not None else []
    return [*problems, *(f"{path}: the trained network has no such block" for path in found)]


def _taken(batches: Iterable[tuple[Tensor, Tensor]], count: int, network: Network) -> Tensor:
    """The first `count` images, on the network's device."""
    parts, seen = [], 0
    for images, _ in batches:
        parts.append(images[: count - seen])
        seen += len(parts[-1])
        if seen == count:
            break
    if seen < count:
        raise InvalidValue(
            f"Library: the batches hold {seen} images, {count} are asked for; give more, or lower images"
        )
    side = network.architecture.resolution
    if tuple(parts[0].shape[1:]) != (3, side, side):
        raise InvalidValue(f"Library: images must be 3x{side}x{side}, got {'x'.join(map(str, parts[0].shape[1:]))}")
    device = next(network.parameters()).device
    return torch.cat(parts).to(device).contiguous(memory_format=torch.channels_last)  # twice as fast on CPUs
