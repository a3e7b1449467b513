"""Which hidden channels of a block stay: orders of importance, and the first of an order at every width.

Convolutions in groups tie places: behind the shuffle, channel m of n comes from group `m % groups` of the expansion and
goes to group `m * groups // n` of the projection. A smaller block takes for each of its places channels of the same two
groups, its cell.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sculptnet.errors import InvalidValue


def chosen_channels(order: Tensor, count: int, groups: int = 1) -> Tensor:
    """The `count` channels that stay, for each place in the smaller block, in the order of their places in the larger.

    Args:
        order: all channels, the most important first.
        count: of channels that stay; all of them give 0, 1, 2, ...
        groups: of the two 1x1 convolutions.

    Raises:
        InvalidValue: some cell has fewer channels than the smaller block needs of it.
    """
    total = len(order)
    wanted, given = _cells(count, groups), _cells(total, groups)[order.cpu()]
    chosen = torch.empty(count, dtype=torch.long)
    for cell in sorted(set(wanted.tolist())):
        places, candidates = torch.nonzero(wanted == cell)[:, 0], order.cpu()[given == cell]
        if len(candidates) < len(places):
            raise InvalidValue(
                f"{count} of {total} hidden channels in {groups} groups: {len(places)} must come from one pair of "
                f"groups that has {len(candidates)}; take a multiple of {groups * groups}"
            )
        chosen[places] = candidates[: len(places)].sort().values
    return chosen.to(order.device)


def fits_groups(total: int, count: int, groups: int) -> bool:
    """Whether `chosen_channels` can choose `count` of `total`."""
    if count % groups or total % groups:
        return False
    wanted = _cells(count, groups).bincount(minlength=groups * groups)
    return bool((wanted <= _cells(total, groups).bincount(minlength=groups * groups)).all())


def grown_channels(total: int, count: int, groups: int = 1) -> tuple[Tensor, Tensor]:
    """For each place of a larger block the channel that it copies, and whether it is a second copy of that channel.

    Raises:
        InvalidValue: the cells of the larger block cannot hold those of the smaller.
    """
    wanted, given = _cells(count, groups), _cells(total, groups)
    source, again = torch.empty(count, dtype=torch.long), torch.zeros(count, dtype=torch.bool)
    for cell in sorted(set(wanted.tolist())):
        places, own = torch.nonzero(wanted == cell)[:, 0], torch.nonzero(given == cell)[:, 0]
        if not 0 < len(own) <= len(places):
            raise InvalidValue(
                f"{total} hidden channels in {groups} groups cannot grow to {count}: one pair of groups would have "
                f"{len(places)} in place of {len(own)}; take a multiple of {groups * groups}"
            )
        source[places] = own[torch.arange(len(places)) % len(own)]
        again[places[len(own) :]] = True
    return source, again


def _cells(count: int, groups: int) -> Tensor:
    places = torch.arange(count)
    return places % groups * groups + places * groups // count


def before_shuffle(places: Tensor, count: int, groups: int) -> Tensor:
    """Where channels at `places` of `count` behind the shuffle stand in front of it."""
    return places % groups * (count // groups) + places // groups
