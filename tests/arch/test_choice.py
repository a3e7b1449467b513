from __future__ import annotations

from typing import Any

import pytest

from sculptnet.arch import OneOf, Prefix, Same, between, choice, first_open, options_of, prefix, require_decided, same
from sculptnet.blocks import Conv, InvertedResidual
from sculptnet.errors import InvalidValue, OpenValue


def test_equal_options_are_merged_in_order() -> None:
    merged: Any = choice(5, 3, 5, 7, 3)
    assert merged == OneOf((5, 3, 7))


def test_a_single_option_is_no_decision() -> None:
    assert choice(3, 3) == 3


def test_a_choice_needs_an_option() -> None:
    with pytest.raises(InvalidValue, match=r"choice\(\) needs at least one option, got none"):
        choice()


def test_between_lists_the_range_with_both_ends() -> None:
    assert between(16, 28, 4) == OneOf((16, 20, 24, 28), ordered=True)


def test_between_keeps_whole_numbers_whole_and_steps_of_a_quarter_exact() -> None:
    assert [type(option) for option in between(1, 3, 1).options] == [int, int, int]
    assert between(0.75, 4.5, 0.75).options == (0.75, 1.5, 2.25, 3.0, 3.75, 4.5)
    assert between(0.1, 0.5, 0.1).options == (0.1, 0.2, 0.3, 0.4, 0.5)


def test_between_of_one_value_is_no_decision() -> None:
    assert between(8, 8, 2) == 8


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ((16, 28, 5), "the step must divide the range; 28 is not reached"),
        ((28, 16, 4), "needs low <= high and a step above 0"),
        ((16, 28, 0), "needs low <= high and a step above 0"),
    ],
)
def test_between_says_what_is_wrong(arguments: tuple[int, int, int], rule: str) -> None:
    low, high, step = arguments
    with pytest.raises(InvalidValue, match=rf"between\({low}, {high}, {step}\): {rule}"):
        between(low, high, step)


def test_prefix_keeps_what_its_longest_length_needs() -> None:
    opened: Any = prefix(("a", "b", "c", "d"), 3, 1, 3)
    assert opened == Prefix(("a", "b", "c"), OneOf((1, 3), ordered=True))


def test_prefix_of_one_length_is_a_tuple() -> None:
    assert prefix(("a", "b", "c"), 2) == ("a", "b")


@pytest.mark.parametrize("lengths", [(), (0, 1), (1, 4)])
def test_prefix_says_which_lengths_there_are(lengths: tuple[int, ...]) -> None:
    with pytest.raises(InvalidValue, match=r"lengths must lie in 1\.\.3, the number of items, got"):
        prefix(("a", "b", "c"), *lengths)


def test_options_of_looks_through_nested_choices_and_past_ties() -> None:
    assert options_of(choice(choice(1, 2), 3, same("x"))) == (1, 2, 3)
    assert options_of(4) == (4,)


def test_open_values_print_as_they_are_written() -> None:
    values: list[Any] = [choice(3, 5), same("stem.kernel_size"), prefix((1, 2, 3), 1, 3)]
    assert [repr(value) for value in values] == [
        "choice(3, 5)",
        "same('stem.kernel_size')",
        "prefix(<3 items>, 1, 3)",
    ]


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (Conv(8, kernel_size=choice(3, 5)), "kernel_size"),
        ((Conv(8), Conv(choice(8, 16))), "1.out_channels"),
        ((Conv(8), InvertedResidual(8, expansion=same("x"))), "1.expansion"),
    ],
)
def test_the_first_open_place_is_found(value: object, path: str) -> None:
    found = first_open(value)
    assert found is not None
    assert found[0] == path


def test_nothing_is_open_in_decided_values() -> None:
    assert first_open((Conv(8), 3, "text", None)) is None


def test_a_decided_value_is_required_by_name_and_place() -> None:
    with pytest.raises(
        OpenValue, match=r"counting needs decided values, but Conv\.kernel_size is choice\(3, 5\); decode a candidate"
    ):
        require_decided(Conv(8, kernel_size=choice(3, 5)), "counting")


def test_ties_are_values() -> None:
    assert same("a.b") == Same("a.b")
