"""The predictor of a joint search: what it learns, and what it serves when it is loaded again."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.search.joint_toy import FEW, LAYERS, RECIPE, SPACE, TOP1, Kept, likeness, limited, quick

from sculptnet.arch import Architecture, SearchSpace, choice
from sculptnet.blocks import Classifier, Conv, PooledConv
from sculptnet.cost import FactoredCost, Macs
from sculptnet.errors import InvalidValue, TrainingDiverged
from sculptnet.search import Limit, Objective, Problem, RandomSearch, drive
from sculptnet.search.joint_search.fine_stage import FineStage, refine
from sculptnet.search.joint_search.learning import Learning
from sculptnet.search.joint_search.predictor import load_joint_predictor, parts_of, pretrain


# ---------------------------------------------------------------------- the predictor
def test_features_are_split_into_those_of_the_architecture_and_those_of_the_recipe() -> None:
    rows = SPACE.sample(np.random.default_rng(0), 5)
    architectures, recipes = parts_of(SPACE, rows)
    assert (architectures.shape, recipes.shape) == ((5, 24), (5, 4))
    np.testing.assert_array_equal(np.hstack([architectures, recipes]), SPACE.features(rows))


def test_statistics_that_cost_nothing_are_learned_before_anything_is_trained() -> None:
    predictor = pretrain(SPACE, TOP1[0], 0, Learning(samples=1000, encoder=(64, 32)))
    r2 = {statistic.name: statistic.r2 for statistic in predictor.statistics}
    assert r2["macs"] > 0.9
    rows = SPACE.sample(np.random.default_rng(1), 200)
    macs = FactoredCost(SPACE, Macs()).of(rows)
    assert np.corrcoef(predictor.statistics_of(rows)["macs"], macs)[0, 1] > 0.95
    with pytest.raises(InvalidValue, match="has learned statistics only"):
        predictor.of(rows)


def test_a_frozen_encoder_stays_as_it_is() -> None:
    rows, learning = SPACE.sample(np.random.default_rng(0), 30), Learning(samples=100, pretraining_epochs=1, epochs=0)
    before = pretrain(SPACE, TOP1[0], 0, learning)
    after = before.learned(rows, likeness(rows)["top1"], np.zeros(30, dtype=bool), 0, learning)
    old, new = before.layers.state_dict(), after.layers.state_dict()
    assert {name.split(".")[0] for name in old if not torch.equal(old[name], new[name])} == {"accuracy"}


def test_a_predictor_whose_loss_is_no_number_says_which_setting_to_lower() -> None:
    rows, learning = SPACE.sample(np.random.default_rng(0), 30), Learning(samples=100, pretraining_epochs=1)
    untaught, brief = pretrain(SPACE, TOP1[0], 0, learning), np.zeros(30, dtype=bool)
    with pytest.raises(TrainingDiverged, match=r"the predictor's loss is .*; lower Learning\.learning_rate"):
        untaught.learned(rows, likeness(rows)["top1"], brief, 0, Learning(learning_rate=1e20))


@pytest.mark.parametrize("options", [(1, 3), (1, 3, 5, 7)])
def test_of_a_few_architectures_one_is_learned_and_one_checked_at_least(options: tuple[int, ...]) -> None:
    space = SearchSpace(Architecture(8, Conv(4), ((Conv(4, choice(*options)),),), PooledConv(8), Classifier(2)))
    for held_out in (0.01, 0.2, 0.99):
        predictor = pretrain(space, TOP1[0], 0, Learning(samples=50, pretraining_epochs=2, held_out=held_out))
        assert {one.name for one in predictor.statistics} == {"macs", "parameters"}
        assert all(-100 < one.r2 <= 1 for one in predictor.statistics)  # of one network, the variance would be 0


# ---------------------------------------------------------------------- reuse
@pytest.fixture(scope="module")
def searched() -> Kept:
    kept = Kept()
    learning = Learning(samples=1000, encoder=(64, 32), frozen_epochs=30, epochs=30)
    drive(quick(limited(0.7), pool=2048, batch=24, learning=learning, checkpoint=kept), likeness)
    return kept


def test_it_finds_what_random_search_does_not(searched: Kept) -> None:
    """77 of 61,440 candidates."""
    found = load_joint_predictor(searched, SPACE).values
    drawn = drive(RandomSearch(batch=11).search(limited(0.7), 0), likeness, 7).column("top1")
    assert len(found) == len(drawn) == 77
    assert found.max() > drawn.max() + 0.04


def test_a_saved_predictor_says_the_same(searched: Kept) -> None:
    rows = SPACE.sample(np.random.default_rng(0), 50)
    predictor, again = load_joint_predictor(searched, SPACE), Kept()
    predictor.save(again)
    np.testing.assert_array_equal(load_joint_predictor(again, SPACE).of(rows), predictor.of(rows))
    assert len(predictor.rows) == len(predictor.values) == 77


def test_another_budget_reruns_the_fine_stage_alone(searched: Kept) -> None:
    predictor, tighter = load_joint_predictor(searched, SPACE), limited(0.1)
    found = refine(tighter, predictor, 0, number=5, fine=FEW)
    assert tighter.feasible(found.choices).all()
    np.testing.assert_allclose(
        found.predicted, np.sort(predictor.of(found.choices))[::-1], rtol=1e-6
    )  # in other batches
    drawn = tighter.sample(np.random.default_rng(0), 500)
    assert found.predicted[0] >= predictor.of(drawn).max()
    assert likeness(found.choices)["top1"].mean() > likeness(drawn)["top1"].mean() + 0.05


def test_a_budget_that_nothing_learned_from_keeps_is_searched_from_random_candidates(searched: Kept) -> None:
    predictor = load_joint_predictor(searched, SPACE)
    cheapest = FactoredCost(SPACE, Macs()).of(predictor.rows).min()
    below = Problem(SPACE, TOP1, (Limit(Macs(), float(cheapest) - 1),))
    found = refine(below, predictor, 0, number=5, fine=FEW)
    assert len(found.choices) == 5
    assert below.feasible(found.choices).all()


def test_the_fine_stage_ends_when_nothing_is_gained(searched: Kept) -> None:
    predictor = load_joint_predictor(searched, SPACE)
    fine = FineStage(best=8, random=8, kept=16, children=100, gain=1.0, patience=2)
    assert refine(Problem(SPACE, TOP1), predictor, 0, number=1, fine=fine).generations == 2
    bounded = FineStage(best=8, random=8, kept=16, children=100, gain=0.0, patience=99, generations=4)
    assert refine(Problem(SPACE, TOP1), predictor, 0, number=1, fine=bounded).generations == 4


def test_a_predictor_of_another_space_is_told(searched: Kept) -> None:
    other = SearchSpace(Architecture(16, Conv(4), (LAYERS,), PooledConv(8), Classifier(2)), RECIPE)
    with pytest.raises(InvalidValue, match=r"another space: .*resolution is 8 there and 16 here"):
        load_joint_predictor(searched, other)
    predictor = load_joint_predictor(searched, SPACE)
    with pytest.raises(InvalidValue, match="learned for another space than the problem's"):
        refine(Problem(other, TOP1), predictor, 0, fine=FineStage())
    with pytest.raises(InvalidValue, match=r"the problem has .*loss"):
        refine(Problem(SPACE, (Objective("loss"),)), predictor, 0)


def test_what_is_no_predictor_is_told() -> None:
    kept = Kept()
    with pytest.raises(InvalidValue, match="no joint predictor was saved there"):
        load_joint_predictor(kept, SPACE)
    kept.save({}, {"kind": "accuracy predictor"})
    with pytest.raises(InvalidValue, match="what was saved there is no joint predictor"):
        load_joint_predictor(kept, SPACE)


@pytest.mark.parametrize(
    "change", ["layers", "statistics", "objective", "values", "columns", "number", "finite", "proxy", "one"]
)
def test_a_damaged_predictor_is_told(searched: Kept, change: str) -> None:
    assert searched.saved is not None
    tensors, state = dict(searched.saved[0]), dict(searched.saved[1])
    state.pop(change, None)
    changed = {
        "values": {"values": tensors["values"][:-1]},
        "columns": {"rows": tensors["rows"][:, :-1]},
        "number": {"rows": tensors["rows"] + 9},
        "finite": {"encoder.0.bias": tensors["encoder.0.bias"] * torch.nan},
        "proxy": {"proxy.0.weight": tensors["proxy.0.weight"][:-1]},
        "one": {name: tensors[name].repeat_interleave(2, 0) for name in ("accuracy.2.weight", "accuracy.2.bias")},
    }
    damaged = Kept()
    damaged.save(tensors | changed.get(change, {}), state)
    with pytest.raises(InvalidValue, match=r"(?s)joint predictor that was saved there is damaged \(.*learns it again"):
        load_joint_predictor(damaged, SPACE)


def test_a_predictor_of_an_earlier_format_is_told(searched: Kept) -> None:
    assert searched.saved is not None
    tensors, state = searched.saved
    older = Kept()
    older.save(tensors, {name: value for name, value in state.items() if name not in ("format", "layers")})
    with pytest.raises(InvalidValue, match=r"saved in format 1, this version reads 2; `search\.Joint` learns it again"):
        load_joint_predictor(older, SPACE)


def test_where_hardly_any_child_is_within_the_limits_the_fine_stage_ends_with_what_it_has() -> None:
    """70 layers, of which one may be larger than the smallest: 1 mutant in 1,000 is within the limit."""
    layers = tuple(Conv(4, choice(1, 3, 5, 7)) for _ in range(70))
    space = SearchSpace(Architecture(8, Conv(4), (layers,), PooledConv(8), Classifier(2)))
    rows = np.concatenate([np.zeros((1, 70), dtype=np.int64), np.eye(70, dtype=np.int64)])
    problem = Problem(space, TOP1, (Limit(Macs(), float(FactoredCost(space, Macs()).of(rows).max())),))
    learning = Learning(samples=50, pretraining_epochs=1, encoder=(8,), head=(8,), frozen_epochs=2, epochs=2)
    untaught = pretrain(space, TOP1[0], 0, learning)
    predictor = untaught.learned(rows[:9], np.linspace(0.1, 0.9, 9), np.zeros(9, dtype=bool), 0, learning)
    found = refine(problem, predictor, 0, number=8, fine=FEW)
    assert len(found.choices) == 8
    assert problem.feasible(found.choices).all()
