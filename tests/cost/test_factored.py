"""The factored cost equals the cost of every single candidate, its expectation the sum over all of them."""

from __future__ import annotations

import contextlib
import io
import itertools
import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from sculptnet.arch import (
    Architecture,
    Block,
    IntMatrix,
    Recipe,
    SearchSpace,
    TensorShape,
    between,
    choice,
    prefix,
    same,
)
from sculptnet.blocks import Classifier, Conv, InvertedResidual, PooledConv, Skip, SqueezeExcite
from sculptnet.cost import FactoredCost, Macs, Parameters, PeakActivation, Reduce, cost_of, entries_of
from sculptnet.errors import Infeasible, InvalidSpace, InvalidValue, NotMeasured
from sculptnet.spaces import fbnet
from sculptnet.testing.elsewhere import run_elsewhere

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Arbitrary:
    """A number above 0 for every block and shape, unlike any other, and cheap to get."""

    name: str = "arbitrary_ms@test"
    constant: float = 0.3
    reduce: Reduce = Reduce.SUM

    def block(self, path: str, block: Block, shape: TensorShape) -> float:
        return 0.0 if block.is_identity(shape.channels) else 0.1 + zlib.crc32(repr((block, shape)).encode()) / 2**32


ADDED, LARGEST = Arbitrary(), Arbitrary("arbitrary_bytes", 2.0, Reduce.MAX)


def space(*stages: Any, stem: Any = Conv(8), resolution: Any = 8, recipe: Recipe | None = None) -> SearchSpace:  # noqa: B008 (a value)
    return SearchSpace(Architecture(resolution, stem, stages, PooledConv(8), Classifier(2)), recipe or Recipe())


def inverted(width: int, **fields: Any) -> InvertedResidual:
    return InvertedResidual(width, **{"expansion": 2, **fields})


SPACES = {
    "blocks": space(
        tuple(choice(inverted(8), inverted(8, kernel_size=5), Skip(8)) for _ in range(2)),
        (choice(inverted(16, stride=2), Skip(16, 2)),),
    ),
    "widths": space(
        (
            Conv(between(8, 16, 4)),
            choice(inverted(between(8, 16, 8)), Skip(same("stages.0.1[0].out_channels"))),
            inverted(8),
        ),
        stem=Conv(choice(4, 8)),
    ),
    "width by block": space((choice(inverted(8), Conv(12)), Conv(8), Conv(8, choice(1, 3)))),
    "depth": space(
        prefix(tuple(inverted(8, kernel_size=choice(3, 5)) for _ in range(3)), 1, 2, 3), (Conv(choice(8, 12), 3, 2),)
    ),
    "depth of open width": space(
        prefix(
            (
                inverted(between(8, 16, 8), stride=2),
                choice(inverted(same("stages.0.0.out_channels")), Skip(same("stages.0.0.out_channels"))),
                inverted(same("stages.0.0.out_channels"), expansion=choice(1, 3)),
            ),
            1,
            3,
        ),
        (Conv(8, choice(1, 3)),),
    ),
    "ties": space(
        (inverted(8, kernel_size=choice(3, 5)), inverted(8, kernel_size=same("stages.0.0.kernel_size"))),
        (inverted(8, kernel_size=same("stages.0.0.kernel_size"), expansion=choice(1, 2)),),
        (inverted(8, expansion=same("stages.1.0.expansion")), Conv(8, same("stages.0.0.kernel_size"))),
    ),
    "nested": space(
        (
            choice(
                Conv(8, choice(1, 3)),
                inverted(
                    8,
                    kernel_size=choice(3, 5),
                    squeeze=choice(None, SqueezeExcite(ratio=choice(0.25, 0.5), divisor=2)),
                ),
                choice(Skip(8), inverted(8, depthwise_layers=2)),
            ),
        ),
        recipe=Recipe(epochs=choice(1, 2)),
    ),
    "recipe": space((Conv(8),), recipe=Recipe(epochs=choice(1, 2, 3))),
    "resolution": space(
        prefix((Conv(8, 3, 2), Conv(8, choice(1, 3))), 1, 2), resolution=between(8, 16, 4), stem=Conv(8, 3, 2)
    ),
}


@st.composite
def spaces(draw: Callable[..., Any]) -> SearchSpace:
    """Two or three stages of everything that may be open, kernels and widths tied at random."""
    kernels: list[str] = []

    def kernel(path: str) -> int:
        kind = draw(st.sampled_from(["decided", "open", "tied"]))
        if kind == "tied" and kernels:
            value: int = same(draw(st.sampled_from(kernels)))
            return value
        if kind == "open":
            kernels.append(f"{path}.kernel_size")
            return choice(1, 3)
        return 3

    def slot(path: str, width: Any, stride: int) -> Any:
        main = InvertedResidual(width, kernel(f"{path}[0]"), draw(st.sampled_from([1, choice(1, 2)])), stride)
        width = same(f"{path}[0].out_channels") if width == between(4, 8, 4) else width
        return choice(main, Conv(width, kernel(f"{path}[1]"), stride) if draw(st.booleans()) else Skip(width, stride))

    stages = []
    for index in range(draw(st.integers(1, 3))):
        stride, width = draw(st.integers(1, 2)), draw(st.sampled_from([4, 8, between(4, 8, 4)]))
        first = slot(f"stages.{index}.0", width, stride)
        width = same(f"stages.{index}.0[0].out_channels") if width == between(4, 8, 4) else width
        more = [slot(f"stages.{index}.{position}", width, 1) for position in range(1, draw(st.integers(1, 3)))]
        items = (first, *more)
        stages.append(prefix(items, len(items), *draw(st.sets(st.integers(1, len(items))))))
    return space(
        *stages, resolution=draw(st.sampled_from([8, choice(8, 12)])), stem=Conv(draw(st.sampled_from([4, 8])))
    )


def every_row(made: SearchSpace) -> IntMatrix:
    """All rows, canonical or not."""
    return np.array(list(itertools.product(*(range(count) for count in made.num_options))), dtype=np.int64)


def one_by_one(made: SearchSpace, cost: Any, rows: IntMatrix) -> FloatArray:
    return np.array([cost_of(cost, made.decode(row).architecture) for row in rows])


def some_chances(made: SearchSpace, seed: int = 0) -> dict[str, FloatArray]:
    rng = np.random.default_rng(seed)
    return {path: rng.dirichlet(np.ones(len(node.options))) for path, node in made.decisions.items()}


def row_chances(made: SearchSpace, chances: dict[str, FloatArray], rows: IntMatrix) -> FloatArray:
    columns = np.stack([chances[path][rows[:, index]] for index, path in enumerate(made.decisions)])
    product: FloatArray = columns.prod(axis=0)
    return product


def tensors(chances: dict[str, FloatArray]) -> dict[str, Tensor]:
    return {path: torch.from_numpy(values) for path, values in chances.items()}


@pytest.fixture(params=SPACES, scope="module")
def made(request: pytest.FixtureRequest) -> SearchSpace:
    return SPACES[request.param]


# ---------------------------------------------------------------------- exact identities
@pytest.mark.parametrize("cost", [ADDED, LARGEST, Macs(), Parameters(), PeakActivation()], ids=lambda cost: cost.name)
def test_of_equals_the_cost_of_every_candidate(made: SearchSpace, cost: Any) -> None:
    rows = every_row(made)
    np.testing.assert_allclose(FactoredCost(made, cost).of(rows), one_by_one(made, cost, rows), rtol=1e-12)


@given(spaces())
def test_of_equals_the_cost_of_candidates_of_random_spaces(made: SearchSpace) -> None:
    rows = np.random.default_rng(0).integers(made.num_options, size=(20, len(made.decisions)))
    for cost in (ADDED, LARGEST):
        np.testing.assert_allclose(FactoredCost(made, cost).of(rows), one_by_one(made, cost, rows), rtol=1e-12)


def test_of_equals_the_cost_in_fbnets_space() -> None:
    made = fbnet()
    rows = made.sample(np.random.default_rng(0), 50)
    np.testing.assert_array_equal(FactoredCost(made, Macs()).of(rows), one_by_one(made, Macs(), rows))


@given(spaces())
def test_what_is_priced_is_what_a_table_of_the_space_holds(made: SearchSpace) -> None:
    asked: list[tuple[Block, TensorShape]] = []

    class Asked(Arbitrary):
        def block(self, path: str, block: Block, shape: TensorShape) -> float:
            asked.append((block, shape))
            return 1.0

    FactoredCost(made, Asked())
    assert len(asked) == len(set(asked))
    assert set(asked) == set(entries_of(made))


def test_a_position_of_fbnets_space_depends_on_its_own_decision_alone() -> None:
    terms = FactoredCost(fbnet(10, 32), ADDED).terms
    assert [term.decisions for term in terms] == [(path,) for path in fbnet(10, 32).decisions]


def test_nested_decisions_of_different_options_do_not_multiply() -> None:
    sizes = [term.table.size for term in FactoredCost(SPACES["nested"], ADDED).terms]
    assert max(sizes) <= 3 * 2 * 2 * 2  # the block, its kernel, squeeze or not, the ratio


def test_decisions_of_the_recipe_cost_nothing(made: SearchSpace) -> None:
    assert not [path for path in FactoredCost(made, ADDED).decisions if path.startswith("recipe")]


def test_a_list_of_rows_and_one_row_are_priced() -> None:
    cost = FactoredCost(SPACES["blocks"], ADDED)
    rows = every_row(SPACES["blocks"])
    np.testing.assert_array_equal(cost.of(rows.tolist()), cost.of(rows))
    np.testing.assert_array_equal(cost.of(rows[3]), cost.of(rows)[3:4])
    assert cost.of(rows[:0]).shape == (0,)


# ---------------------------------------------------------------------- expectation
def test_the_expectation_is_the_sum_over_all_candidates(made: SearchSpace) -> None:
    rows, chances = every_row(made), some_chances(made)
    expected = row_chances(made, chances, rows) @ one_by_one(made, ADDED, rows)
    assert FactoredCost(made, ADDED).expected(tensors(chances)).item() == pytest.approx(expected, rel=1e-12)


@given(spaces())
def test_the_expectation_of_one_hot_weights_is_the_cost(made: SearchSpace) -> None:
    cost = FactoredCost(made, ADDED)
    rows = np.random.default_rng(0).integers(made.num_options, size=(3, len(made.decisions)))
    for row, value in zip(rows, cost.of(rows), strict=True):
        weights = {
            path: nn.functional.one_hot(torch.tensor(index), len(node.options)).double()
            for index, (path, node) in zip(row, made.decisions.items(), strict=True)
        }
        assert cost.expected(weights).item() == pytest.approx(value, rel=1e-12)


def test_the_gradient_of_the_expectation_is_exact(made: SearchSpace) -> None:
    cost = FactoredCost(made, ADDED)
    names = list(made.decisions)
    weights = [torch.from_numpy(values).requires_grad_() for values in some_chances(made).values()]
    assert torch.autograd.gradcheck(lambda *values: cost.expected(dict(zip(names, values, strict=True))), weights)


def test_the_expectation_has_the_type_of_the_weights() -> None:
    made = SPACES["blocks"]
    cost = FactoredCost(made, ADDED)
    weights = tensors(some_chances(made))
    exact = cost.expected(weights)
    assert exact.dtype is torch.float64
    for given_type, result in ((torch.float32, torch.float32), (torch.bfloat16, torch.float32)):
        rounded = cost.expected({path: weight.to(given_type) for path, weight in weights.items()})
        assert rounded.dtype is result
        assert rounded.item() == pytest.approx(exact.item(), rel=1e-2)


# ---------------------------------------------------------------------- extremes
@pytest.mark.parametrize("cost", [ADDED, LARGEST], ids=lambda cost: cost.name)
def test_extremes_are_the_cheapest_and_the_dearest_candidate(made: SearchSpace, cost: Any) -> None:
    factored = FactoredCost(made, cost)
    values = one_by_one(made, cost, every_row(made))
    lowest, highest = factored.extremes()
    assert (lowest.value, highest.value) == pytest.approx((values.min(), values.max()), rel=1e-12)
    for extreme in (lowest, highest):
        assert cost_of(cost, made.decode(extreme.choices).architecture) == pytest.approx(extreme.value, rel=1e-12)
        assert made.canonical(extreme.choices)[0].tolist() == list(extreme.choices)


# ---------------------------------------------------------------------- draws
def conditional(
    made: SearchSpace, cost: FactoredCost, chances: dict[str, FloatArray], at_most: float
) -> dict[tuple[int, ...], float]:
    """The exact probability of every canonical row, given the budget, and the pass rate under the key ()."""
    rows = every_row(made)
    weights = row_chances(made, chances, rows) * (cost.of(rows) <= at_most)
    result: dict[tuple[int, ...], float] = {(): weights.sum()}
    for row, weight in zip(made.canonical(rows).tolist(), weights / weights.sum(), strict=True):
        result[tuple(row)] = result.get(tuple(row), 0.0) + weight
    return result


@pytest.mark.parametrize("quantile", [0.0, 0.02, 0.3, 1.0])
@pytest.mark.parametrize("model", [ADDED, LARGEST], ids=lambda cost: cost.name)
def test_draws_follow_the_distribution_conditioned_on_the_budget(
    made: SearchSpace, model: Any, quantile: float
) -> None:
    cost, chances, count = FactoredCost(made, model), some_chances(made, 1), 4000
    at_most = float(np.quantile(cost.of(every_row(made)), quantile, method="inverted_cdf"))
    exact = conditional(made, cost, chances, at_most)
    draws = cost.draw_within(chances, at_most, np.random.default_rng(2), count)

    assert draws.choices.shape == (count, len(made.decisions))
    assert cost.of(draws.choices).max() <= at_most
    assert draws.pass_rate == pytest.approx(exact.pop(()), rel=0.1)
    rows, counts = np.unique(draws.choices, axis=0, return_counts=True)
    found = dict(zip(map(tuple, rows.tolist()), counts.tolist(), strict=True))
    assert all(exact[row] > 0 for row in found)
    statistic, freedom = _chi_square(found, exact, count)
    assert statistic <= freedom + 4 * math.sqrt(2 * freedom) + 4  # four standard deviations of a chi-square


def _chi_square(found: dict[Any, int], exact: dict[Any, float], count: int) -> tuple[float, int]:
    """Over the rows that are expected five times or more; the others count as one."""
    often = [row for row, chance in exact.items() if chance * count >= 5]
    expected = np.array([exact[row] * count for row in often])
    seen = np.array([found.get(row, 0) for row in often], dtype=float)
    rest, rest_seen = count - expected.sum(), count - seen.sum()
    statistic = float(((seen - expected) ** 2 / expected).sum())
    return statistic + ((rest_seen - rest) ** 2 / rest if rest > 1 else 0.0), len(often)


def test_a_budget_that_only_the_cheapest_meets_draws_only_that() -> None:
    made = fbnet(10, 32)
    cost = FactoredCost(made, ADDED)
    cheapest, _ = cost.extremes()
    uniform = {path: np.full(9, 1 / 9) for path in made.decisions}
    draws = cost.draw_within(uniform, cheapest.value, np.random.default_rng(0), 5)
    assert {cost.of(row)[0] for row in draws.choices} == {cheapest.value}
    assert draws.pass_rate <= 9.0**-10


def test_a_distribution_that_nearly_always_breaks_the_budget_is_drawn_from_exactly() -> None:
    made = fbnet(10, 32)
    cost = FactoredCost(made, ADDED)
    dearest = cost.extremes()[1]
    chances = {path: np.full(9, 1e-12) for path in made.decisions}
    for path, index in zip(made.decisions, dearest.choices, strict=True):
        chances[path][index] = 1 - 8e-12
    draws = cost.draw_within(chances, dearest.value - 0.01, np.random.default_rng(0), 200)
    changed = (draws.choices != np.array(dearest.choices)).sum(axis=1)
    assert set(changed.tolist()) == {1}  # one change is 1e12 times as likely as two
    assert cost.of(draws.choices).max() <= dearest.value - 0.01
    assert 0 < draws.pass_rate < 1e-9


def test_probabilities_of_zero_are_never_drawn() -> None:
    made = SPACES["blocks"]
    chances = {path: np.eye(len(node.options))[0] for path, node in made.decisions.items()}
    chances["stages.0.0"] = np.array([0.0, 0.5, 0.5])
    draws = FactoredCost(made, ADDED).draw_within(chances, 1e9, np.random.default_rng(0), 50)
    assert set(map(tuple, draws.choices.tolist())) == {(1, 0, 0), (2, 0, 0)}
    assert draws.pass_rate == pytest.approx(1)


def test_the_same_seed_draws_the_same_in_another_process() -> None:
    program = """
import numpy as np
from sculptnet.cost import FactoredCost, Macs
from sculptnet.arch import Architecture, SearchSpace, choice
from sculptnet.blocks import Classifier, Conv, PooledConv
slots = tuple(choice(*(Conv(8, kernel) for kernel in (1, 3, 5))) for _ in range(5))
made = SearchSpace(Architecture(8, Conv(8), (slots,), PooledConv(8), Classifier(2)))
cost = FactoredCost(made, Macs())
uniform = {path: np.full(3, 1 / 3) for path in made.decisions}
print(cost.draw_within(uniform, sum(extreme.value for extreme in cost.extremes()) / 3, np.random.default_rng(7), 4))
"""
    here = io.StringIO()
    with contextlib.redirect_stdout(here):
        exec(program, {})
    there = run_elsewhere(program)
    assert there == here.getvalue()


# ---------------------------------------------------------------------- errors
@dataclass(frozen=True)
class Unmeasured(Arbitrary):
    def block(self, path: str, block: Block, shape: TensorShape) -> float:
        if isinstance(block, Skip):
            raise NotMeasured(f"test has no latency of {block.label()} at {shape}")
        return super().block(path, block, shape)


@dataclass(frozen=True)
class Halving(Block):
    """Breaks a rule: its output is smaller than its stride says."""

    out_channels: int

    def module(self, in_channels: int) -> nn.Module:
        return nn.Sequential(nn.Conv2d(in_channels, self.out_channels, 1), nn.AvgPool2d(2))

    def out_shape(self, shape: TensorShape) -> TensorShape:
        return TensorShape(self.out_channels, shape.height // 2, shape.width // 2)


def test_what_was_not_measured_is_an_error_that_lists_it() -> None:
    with pytest.raises(NotMeasured) as caught:
        FactoredCost(SPACES["blocks"], Unmeasured())
    assert "2 of 8 combinations of block and input shape cannot be priced" in str(caught.value)
    assert "test has no latency of skip at 8x8x8" in str(caught.value)


def test_blocks_of_different_output_sizes_are_no_local_cost() -> None:
    with pytest.raises(InvalidSpace, match=r"stages\.0\.0 leave the sizes \[\(4, 4\), \(8, 8\)\]"):
        FactoredCost(space((choice(Halving(8), Conv(8)),)), ADDED)


def test_the_expectation_of_a_maximum_is_refused() -> None:
    with pytest.raises(InvalidValue, match="arbitrary_bytes is a maximum over blocks, its expectation is not a sum"):
        FactoredCost(SPACES["blocks"], LARGEST).expected({})


def test_an_impossible_budget_names_the_lowest_cost() -> None:
    cost = FactoredCost(SPACES["blocks"], ADDED)
    lowest = cost.extremes()[0].value
    with pytest.raises(Infeasible) as caught:
        cost.draw_within(some_chances(SPACES["blocks"]), lowest * 0.99, np.random.default_rng(0), 1)
    assert f"no candidate has arbitrary_ms@test <= {lowest * 0.99:g}: the lowest is {lowest:g}" in str(caught.value)


def test_all_problems_of_probabilities_are_told_at_once() -> None:
    chances: dict[str, Any] = {"stages.0.0": [0.5, 0.5], "stages.0.1": [0.2, 0.3, 0.5], "stages.1.1": [1.0]}
    with pytest.raises(InvalidValue) as caught:
        FactoredCost(SPACES["blocks"], ADDED).draw_within(chances, 9.0, np.random.default_rng(0), 1)
    message = str(caught.value)
    assert "stages.1.1 is no decision; did you mean" in message
    assert "stages.1.0 is missing" in message
    assert "stages.0.0 has the shape (2,), but 3 options" in message
    chances = some_chances(SPACES["blocks"]) | {"stages.0.0": np.array([0.5, 0.6, -0.1])}
    with pytest.raises(InvalidValue, match=r"stages\.0\.0 must be at least 0 and sum to 1"):
        FactoredCost(SPACES["blocks"], ADDED).draw_within(chances, 9.0, np.random.default_rng(0), 1)


def test_choices_out_of_range_name_the_decision() -> None:
    cost = FactoredCost(SPACES["blocks"], ADDED)
    with pytest.raises(InvalidValue, match=r"row 1: stages\.0\.1 must lie in 0\.\.2, got 3"):
        cost.of([[0, 0, 0], [0, 3, 0]])
    with pytest.raises(InvalidValue, match="must lie in"):
        cost.of([[-1, 0, 0]])
    with pytest.raises(InvalidValue, match=r"3 columns, one per decision, got int64 \(1, 2\)"):
        cost.of([[0, 0]])
    with pytest.raises(InvalidValue, match="whole numbers"):
        cost.of([[0.0, 0.0, 0.0]])


def test_too_many_joint_choices_of_one_block_are_refused() -> None:
    wide = between(1, 5000, 1)
    with pytest.raises(InvalidValue, match=r"stages\.0\.1 depends on 25,000,000 joint choices"):
        FactoredCost(space((Conv(wide), Conv(wide))), ADDED)
