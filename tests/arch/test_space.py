"""Rows and candidates are two names of the same thing, on hand-made and on random spaces."""

from __future__ import annotations

import itertools
import json
import math
import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sculptnet import blocks
from sculptnet.arch import (
    AdamW,
    Architecture,
    Block,
    Candidate,
    Recipe,
    SearchSpace,
    Sgd,
    between,
    choice,
    from_json,
    prefix,
    same,
    to_json,
)
from sculptnet.blocks import Classifier, Conv, InvertedResidual, PooledConv, Skip, SqueezeExcite
from sculptnet.errors import InvalidValue, NotInSpace
from sculptnet.spaces import fbnet


def space(*stages: Any, stem: Block = Conv(8), recipe: Recipe | None = None) -> SearchSpace:  # noqa: B008 (a value)
    return SearchSpace(Architecture(8, stem, stages, PooledConv(8), Classifier(2)), recipe or Recipe())


def every_row(made: SearchSpace) -> np.ndarray[Any, np.dtype[np.int64]]:
    """All rows, canonical or not."""
    return np.array(list(itertools.product(*(range(count) for count in made.num_options))), dtype=np.int64)


# ---------------------------------------------------------------------- random spaces
@st.composite
def _block(draw: Callable[..., Any], path: str, width: int, kernels: list[str]) -> Block:
    """A slot: a decided block, open fields, or a choice that may hold open fields; `kernels` collects open kernels."""

    def kernel(place: str) -> int:
        kind = draw(st.sampled_from(["decided", "open", "tied"]))
        if kind == "tied" and kernels:
            value: int = same(draw(st.sampled_from(kernels)))
            return value
        if kind != "decided":
            kernels.append(f"{place}.kernel_size")
            return choice(1, 3, 5)
        return 3

    def inverted(place: str, groups: int) -> InvertedResidual:
        expansion: float = draw(st.sampled_from([1, choice(1, 6), between(0.5, 1.5, 0.5)]))
        squeeze: SqueezeExcite | None = draw(st.sampled_from([None, choice(None, SqueezeExcite())]))
        return InvertedResidual(width, kernel(place), expansion, groups=groups, squeeze=squeeze)

    if draw(st.booleans()):
        return inverted(path, 1)
    options: list[Block] = [inverted(f"{path}[0]", 1), inverted(f"{path}[1]", 2)]
    if draw(st.booleans()):
        options.append(Skip(width))
    made: Block = choice(*options)
    return made


@st.composite
def spaces(draw: Callable[..., Any]) -> SearchSpace:
    kernels: list[str] = []
    stages = []
    for index in range(draw(st.integers(1, 2))):
        lengths = draw(st.sets(st.integers(1, 2), min_size=1))
        items = tuple(draw(_block(f"stages.{index}.{i}", 8, kernels)) for i in range(max(lengths)))
        stages.append(prefix(items, *lengths))
    stem = Conv(8, same(draw(st.sampled_from(kernels))) if kernels and draw(st.booleans()) else choice(1, 3))
    optimizers: list[Sgd | AdamW] = [Sgd(learning_rate=choice(0.1, 0.2)), AdamW()]
    recipe = Recipe(
        epochs=draw(st.sampled_from([3, between(1, 3, 1)])),
        optimizer=choice(*optimizers) if draw(st.booleans()) else AdamW(),
        ema=0.5,
    )
    resolution = draw(st.sampled_from([8, between(8, 16, 4)]))
    architecture = Architecture(resolution, stem, tuple(stages), PooledConv(8), Classifier(2))
    return SearchSpace(architecture, recipe)


def some_rows(made: SearchSpace, count: int = 40) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.random.default_rng(0).integers(made.num_options, size=(count, len(made.decisions)))


@given(spaces())
def test_encode_and_decode_are_inverse_on_canonical_rows(made: SearchSpace) -> None:
    for row in made.canonical(some_rows(made)):
        assert made.encode(made.decode(row)) == tuple(row)


@given(spaces())
def test_a_row_and_its_canonical_row_are_the_same_candidate(made: SearchSpace) -> None:
    rows = some_rows(made)
    for row, canonical in zip(rows, made.canonical(rows), strict=True):
        assert made.decode(row) == made.decode(canonical)
    np.testing.assert_array_equal(made.canonical(made.canonical(rows)), made.canonical(rows))


@given(spaces())
def test_equal_rows_are_equal_candidates_and_the_size_counts_them(made: SearchSpace) -> None:
    if math.prod(made.num_options) <= 3000:
        rows = np.unique(made.canonical(every_row(made)), axis=0)
        assert made.size() == len(rows) == len({made.decode(row) for row in rows})
    else:
        rows = np.unique(made.canonical(some_rows(made)), axis=0)
        assert len(rows) == len({made.decode(row) for row in rows})
        assert made.size() >= len(rows)


@given(spaces())
def test_features_differ_where_rows_differ(made: SearchSpace) -> None:
    rows = np.unique(made.canonical(some_rows(made)), axis=0)
    features = made.features(rows)
    assert len(np.unique(features, axis=0)) == len(rows)
    assert features.min() >= 0
    assert features.max() <= 1


@given(spaces())
def test_templates_and_candidates_come_back_from_json(made: SearchSpace) -> None:
    decided = made.decode(some_rows(made, 1)[0])
    for value in (made.architecture, made.recipe, decided.architecture, decided.recipe):
        assert from_json(json.loads(json.dumps(to_json(value))), blocks.ALL) == value


@given(spaces())
def test_what_is_drawn_is_canonical(made: SearchSpace) -> None:
    rng = np.random.default_rng(1)
    left, right = made.sample(rng, 8), made.sample(rng, 8)
    for rows in (left, made.mutate(left, rng, 0.5), made.crossover(left, right, rng)):
        np.testing.assert_array_equal(rows, made.canonical(rows))


# ---------------------------------------------------------------------- decisions, by name
def test_decisions_are_named_by_their_paths_in_order() -> None:
    made = space(
        prefix((choice(Skip(8), InvertedResidual(8, choice(3, 5))), Conv(8)), 1, 2),
        recipe=Recipe(epochs=choice(1, 2)),
    )
    assert list(made.decisions) == ["stages.0.depth", "stages.0.0", "stages.0.0[1].kernel_size", "recipe.epochs"]
    assert dict(made.column) == {path: index for index, path in enumerate(made.decisions)}
    assert made.num_options.tolist() == [2, 2, 2, 2]


def test_a_decision_under_an_option_that_is_not_taken_is_0() -> None:
    made = space((choice(Skip(8), InvertedResidual(8, choice(3, 5))),))
    assert made.canonical([[0, 1], [1, 1]]).tolist() == [[0, 0], [1, 1]]
    assert made.size() == 3


def test_a_decision_beyond_the_depth_is_0() -> None:
    made = space(prefix((Conv(8, choice(1, 3)), Conv(8, choice(1, 3, 5))), 1, 2))
    assert made.canonical([[0, 1, 2], [1, 1, 2]]).tolist() == [[0, 1, 0], [1, 1, 2]]
    assert made.size() == 2 + 2 * 3


def test_a_decision_lives_where_any_tied_place_lives() -> None:
    made = space(
        (choice(Skip(8), Conv(8, choice(1, 3, 5))),),
        (choice(Skip(8), InvertedResidual(8, same("stages.0.0[1].kernel_size"))),),
    )
    assert made.size() == 1 + 3 + 3 + 3
    assert made.canonical([[0, 2, 1]]).tolist() == [[0, 2, 1]]
    assert made.canonical([[0, 2, 0]]).tolist() == [[0, 0, 0]]
    tied = made.decode([0, 2, 1]).architecture.stages[1][0]
    assert tied == InvertedResidual(8, 5)


def test_nested_choices_are_decisions_of_their_own() -> None:
    nested = choice(choice(3, 5), 7)
    made = space((Conv(8, nested),))
    assert made.size() == 3
    kernels = [made.decode(row).architecture.stages[0][0] for row in ([0, 0], [0, 1], [1, 0], [1, 1])]
    assert kernels == [Conv(8, 3), Conv(8, 5), Conv(8, 7), Conv(8, 7)]


def test_a_tie_may_stand_before_the_decision_it_follows() -> None:
    made = space((Conv(8, choice(1, 3, 5)),), stem=Conv(8, same("stages.0.0.kernel_size")))
    decided = made.decode([2]).architecture
    assert (decided.stem, decided.stages) == (Conv(8, 5), ((Conv(8, 5),),))
    assert made.encode(decided) == (2,)
    with pytest.raises(NotInSpace):
        made.encode(replace(decided, stem=Conv(8, 3)))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[0]], r"choices need 2 columns, one per decision, got \(1, 1\)"),
        ([[[0, 0]]], r"choices need 2 columns"),
        ([[0, 0], [0, 2]], r"row 1: stages\.0\.0\[1\]\.kernel_size must lie in 0\.\.1, got 2"),
        ([[-1, 0]], r"row 0: stages\.0\.0 must lie in 0\.\.1, got -1"),
    ],
)
def test_wrong_rows_are_refused(rows: list[Any], message: str) -> None:
    made = space((choice(Skip(8), InvertedResidual(8, choice(3, 5))),))
    with pytest.raises(InvalidValue, match=message):
        made.canonical(rows)


def test_a_range_is_one_scaled_feature_and_a_category_one_hot() -> None:
    made = space((Conv(8, choice(1, 3, 5)),), recipe=Recipe(epochs=between(10, 30, 10)))
    assert made.features([[1, 2], [0, 1]]).tolist() == [[0, 1, 0, 1], [1, 0, 0, 0.5]]


def test_mutation_with_probability_0_changes_nothing_and_with_1_draws_anew(rng: np.random.Generator) -> None:
    made = fbnet()
    rows = made.sample(rng, 50)
    np.testing.assert_array_equal(made.mutate(rows, rng, 0.0), rows)
    assert 0.05 < (made.mutate(rows, rng, 1.0) == rows).mean() < 0.2  # one in nine stays by chance


def test_crossover_takes_every_decision_from_a_parent(rng: np.random.Generator) -> None:
    made = fbnet()
    left, right = made.sample(rng, 50), made.sample(rng, 50)
    child = made.crossover(left, right, rng)
    assert ((child == left) | (child == right)).all()
    assert 0.3 < (child == left).mean() < 0.8


def test_the_same_stream_draws_the_same_rows() -> None:
    made = fbnet()
    first, second = (made.sample(np.random.default_rng(5), 20) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_every_option_is_equally_likely(rng: np.random.Generator) -> None:
    rows = fbnet().sample(rng, 4000)
    shares = np.stack([(rows == option).mean(axis=0) for option in range(9)])
    np.testing.assert_allclose(shares, 1 / 9, atol=0.03)


def test_a_space_that_was_used_can_be_sent_to_another_process(rng: np.random.Generator) -> None:
    made = fbnet()
    rows = made.sample(rng, 5)
    again = pickle.loads(pickle.dumps(made))
    assert again == made
    np.testing.assert_array_equal(again.features(rows), made.features(rows))


# ---------------------------------------------------------------------- what is not in the space
def test_an_architecture_alone_takes_the_recipe_of_the_space() -> None:
    made = fbnet()
    row = made.sample(np.random.default_rng(0), 1)[0]
    assert made.encode(made.decode(row).architecture) == tuple(row)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"head": PooledConv(1504)}, r"head\.out_channels is 1504, the template there is 1984"),
        ({"resolution": 192}, r"resolution is 192, the template there is 224"),
        ({"stem": Skip(16, 2)}, r"stem is Skip\(out_channels=16, stride=2\), the template there is Conv\("),
        ({"stages": ((Skip(16),),)}, r"stages is \(\(Skip"),
    ],
)
def test_the_first_place_that_differs_is_named(change: dict[str, Any], message: str) -> None:
    made = fbnet()
    decided = made.decode([0] * 22).architecture
    with pytest.raises(NotInSpace, match=f"not in the space: {message}"):
        made.encode(replace(decided, **change))


def test_a_layer_that_is_no_candidate_is_named_with_the_candidates() -> None:
    made = fbnet()
    decided = made.decode([0] * 22).architecture
    stages = (*decided.stages[:3], (InvertedResidual(64, 7, 3, stride=2), *decided.stages[3][1:]), *decided.stages[4:])
    with pytest.raises(
        NotInSpace, match=r"stages\.3\.0 is InvertedResidual\(.*kernel_size=7.*template there is choice"
    ):
        made.encode(replace(decided, stages=stages))


def test_another_depth_is_named() -> None:
    made = space(prefix((Conv(8, choice(1, 3)), Conv(8), Conv(8)), 1, 3))
    decided = made.decode([1, 0]).architecture
    with pytest.raises(NotInSpace, match=r"stages\.0 is \(Conv.*the template there is prefix\(<3 items>, 1, 3\)"):
        made.encode(replace(decided, stages=(decided.stages[0][:2],)))


def test_another_recipe_is_named() -> None:
    made = fbnet()
    candidate = Candidate(made.decode([0] * 22).architecture, Recipe(epochs=7))
    with pytest.raises(NotInSpace, match=r"recipe\.epochs is 7, the template there is 30"):
        made.encode(candidate)
