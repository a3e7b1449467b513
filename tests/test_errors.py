from __future__ import annotations

import inspect

import pytest

from sculptnet import errors
from sculptnet.errors import SculptNetError, collected, suggestion

OURS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Exception)]


def test_one_base_catches_all() -> None:
    assert all(issubclass(kind, SculptNetError) for kind in OURS)


def test_values_that_break_rules_are_value_errors_too() -> None:
    assert issubclass(errors.InvalidValue, ValueError)
    assert issubclass(errors.OpenValue, errors.InvalidValue)


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_the_tree_in_the_docstring_is_complete(kind: type) -> None:
    assert kind.__name__ in (errors.__doc__ or "")


def test_one_problem_is_one_line_and_several_are_a_list() -> None:
    assert collected(["a is 1"], "Thing") == "Thing: a is 1"
    assert collected(["a is 1", "b is 2"], "Thing") == "Thing: 2 problems\n  - a is 1\n  - b is 2"


def test_near_misses_are_suggested_and_else_all_names_listed() -> None:
    assert suggestion("fbnt", ["fbnet", "ofa"]) == "did you mean fbnet?"
    assert suggestion("xyz", ["ofa", "fbnet"]) == "known: fbnet, ofa"
