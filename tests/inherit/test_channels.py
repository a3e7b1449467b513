"""Which channels stay: nested, all of them in order, in groups from the right pair of groups."""

from __future__ import annotations

import itertools

import pytest
import torch

from sculptnet.errors import InvalidValue
from sculptnet.inherit.channels import before_shuffle, chosen_channels, fits_groups, grown_channels

ORDER = torch.randperm(32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_widths_are_nested_and_all_channels_are_all_in_order(groups: int) -> None:
    assert chosen_channels(ORDER, 32, groups).tolist() == list(range(32))
    step = groups * groups
    sets = [set(chosen_channels(ORDER, count, groups).tolist()) for count in range(step, 33, step)]
    assert [len(found) for found in sets] == list(range(step, 33, step))
    assert all(small < large for small, large in itertools.pairwise(sets))


def test_without_groups_the_first_of_the_order_stay() -> None:
    assert set(chosen_channels(ORDER, 8).tolist()) == set(ORDER[:8].tolist())


@pytest.mark.parametrize("groups", [2, 4])
def test_in_groups_every_channel_keeps_its_two_groups(groups: int) -> None:
    chosen = chosen_channels(ORDER, 16, groups)
    places = torch.arange(16)
    assert (chosen % groups == places % groups).all()
    assert (chosen * groups // 32 == places * groups // 16).all()


def test_shuffled_places_are_those_of_the_channel_shuffle() -> None:
    x = torch.arange(12).reshape(1, 3, 4).transpose(1, 2).flatten()
    assert before_shuffle(torch.arange(12), 12, 3).tolist() == x.tolist()


def test_widths_that_groups_do_not_admit_are_refused() -> None:
    assert fits_groups(32, 16, 4)
    assert not fits_groups(32, 18, 4)
    assert not fits_groups(12, 12 - 4, 4) or chosen_channels(torch.arange(12), 8, 4).numel() == 8
    with pytest.raises(InvalidValue, match="take a multiple of 16"):
        chosen_channels(torch.arange(32), 36, 4)
    with pytest.raises(InvalidValue, match="cannot grow"):
        grown_channels(32, 16, 4)


@pytest.mark.parametrize("groups", [1, 2])
def test_grown_channels_hold_each_once_and_copies_beside(groups: int) -> None:
    source, again = grown_channels(8, 20 if groups == 1 else 16, groups)
    assert sorted(source[~again].tolist()) == list(range(8))
    assert set(source[again].tolist()) <= set(range(8))
