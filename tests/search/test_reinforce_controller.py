"""The controller is a distribution over a space: enumerated, it sums to one, and PPO moves it as the formula says."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from sculptnet.arch import Architecture, IntMatrix, SearchSpace, choice, prefix, same
from sculptnet.blocks import Classifier, Conv, InvertedResidual, PooledConv, Skip
from sculptnet.errors import TrainingDiverged
from sculptnet.search.reinforcement.controller import Controller, Judged
from sculptnet.search.reinforcement.ppo import Learner, Ppo, clipped_objective
from sculptnet.search.reinforcement.sequence import Sequence

SLOT = choice(InvertedResidual(8, choice(3, 5), choice(1, 3, 6)), Skip(8))
LATE = prefix((Conv(8), InvertedResidual(8, kernel_size=choice(3, 5, 7))), 1, 2)
TIED = prefix((Conv(8), InvertedResidual(8, kernel_size=same("stages.1.1.kernel_size"))), 1, 2)
SPACE = SearchSpace(Architecture(8, Conv(choice(4, 8)), ((SLOT,), LATE, TIED), PooledConv(8), Classifier(2)))


def every_row(space: SearchSpace) -> IntMatrix:
    ranges = (range(count) for count in space.num_options)
    rows = space.canonical(np.array(list(itertools.product(*ranges)), dtype=np.int64))
    return np.unique(rows, axis=0)


def trained(seed: int = 3) -> Controller:
    """A controller in double precision that has left the uniform distribution."""
    controller = Controller(SPACE, 6, seed).double()
    rows = controller.draw(np.random.default_rng(seed).random((8, len(SPACE.decisions))))
    Learner(controller, Ppo(0.1, 8, 0.5, 0.0)).learn(rows, np.linspace(-1, 1, 8))
    return controller


def judged(controller: Controller, rows: IntMatrix) -> Judged:
    with torch.no_grad():
        return controller.judge(rows)


def test_a_decision_comes_after_those_that_switch_it_off() -> None:
    paths = list(SPACE.decisions)
    order = [paths[column] for column in Sequence(SPACE).columns]
    assert sorted(order) == sorted(paths)
    assert order != paths  # the tied kernel also lives under the depth of a later stage
    assert order.index("stages.1.1.kernel_size") > order.index("stages.2.depth") > order.index("stages.1.depth")


def test_rows_and_steps_are_each_other_s_inverse() -> None:
    rows, sequence = every_row(SPACE), Sequence(SPACE)
    np.testing.assert_array_equal(sequence.rows(sequence.steps(rows)), rows)


def test_a_decision_is_alive_where_its_option_changes_the_candidate() -> None:
    rows, sequence = every_row(SPACE), Sequence(SPACE)
    changes = np.zeros(rows.shape, dtype=bool)
    for column in range(rows.shape[1]):
        other = rows.copy()
        other[:, column] = np.where(rows[:, column] == 0, 1, 0)
        changes[:, column] = (SPACE.canonical(other) != rows).any(axis=1)
    np.testing.assert_array_equal(sequence.rows(sequence.all_alive(sequence.steps(rows)).astype(np.int64)), changes)


def test_the_probabilities_of_all_candidates_sum_to_one() -> None:
    rows = every_row(SPACE)
    assert len(rows) == SPACE.size()
    for controller in (Controller(SPACE, 6, 0).double(), trained()):
        chances = judged(controller, rows).log_probs.sum(1).exp()
        assert float(chances.sum()) == pytest.approx(1.0, abs=1e-12)
    assert float(chances.max()) > 3 / len(rows)


def test_the_entropy_of_decisions_is_that_of_the_enumerated_distribution() -> None:
    found = judged(trained(), every_row(SPACE))
    logs = found.log_probs.sum(1)
    expected = float((logs.exp() * found.entropies.sum(1)).sum())
    assert expected == pytest.approx(float(-(logs.exp() * logs).sum()), abs=1e-12)


def test_draws_are_canonical_and_as_frequent_as_they_are_likely() -> None:
    rows, controller = every_row(SPACE), trained()
    drawn = controller.draw(np.random.default_rng(0).random((20_000, len(SPACE.decisions))))
    np.testing.assert_array_equal(SPACE.canonical(drawn), drawn)
    found, counts = np.unique(drawn, axis=0, return_counts=True)
    frequencies = dict(zip(map(tuple, found.tolist()), counts / len(drawn), strict=True))
    chances = judged(controller, rows).log_probs.sum(1).exp().numpy()
    errors = [frequencies.get(tuple(row), 0.0) - chance for row, chance in zip(rows.tolist(), chances, strict=True)]
    assert np.abs(errors).max() < 5 * np.sqrt(chances.max() / len(drawn))


def test_the_greatest_numbers_draw_the_last_options() -> None:
    rows = Controller(SPACE, 6, 0).draw(np.full((1, len(SPACE.decisions)), np.nextafter(1.0, 0.0)))
    assert rows.tolist() == SPACE.canonical(SPACE.num_options[None] - 1).tolist()


def test_what_is_switched_off_has_no_gradient() -> None:
    controller = Controller(SPACE, 6, 0)
    row = np.zeros((1, len(SPACE.decisions)), dtype=np.int64)  # both depths are 1: no kernel
    step = Sequence(SPACE).columns.index(SPACE.column["stages.1.1.kernel_size"])
    found = controller.judge(row)
    torch.autograd.backward(found.log_probs.sum() + found.entropies.sum())
    assert controller.heads.grad is not None
    assert not controller.heads.grad[step].any()
    assert controller.heads.grad[: step - 1].any()
    assert found.entropies[0, step] == 0 == found.log_probs[0, step]


def test_at_first_ppo_follows_the_gradient_of_the_reward() -> None:
    controller, gains = trained(), torch.linspace(-1, 2, 5, dtype=torch.float64)
    rows = every_row(SPACE)[::20][:5]
    parameters = list(controller.parameters())
    found = controller.judge(rows).log_probs
    ppo = torch.autograd.grad(
        clipped_objective(found, found.detach(), gains, 0.2), parameters, retain_graph=True, allow_unused=True
    )
    reinforced = torch.autograd.grad((found.sum(1) * gains).mean(), parameters, allow_unused=True)
    for one, other in zip(ppo, reinforced, strict=True):
        assert one is not None
        assert other is not None
        torch.testing.assert_close(one, other)


def test_a_gain_is_clipped_and_a_loss_is_not() -> None:
    """Schulman et al., equation 7: r = 1.5 counts as 1.2 where A > 0, r = 0.5 as 0.8 where A < 0."""
    ratios = torch.tensor([[1.5], [0.5], [1.5], [0.5]], dtype=torch.float64)
    gains = torch.tensor([2.0, 2.0, -2.0, -2.0], dtype=torch.float64)
    value = clipped_objective(ratios.log(), torch.zeros_like(ratios), gains, 0.2)
    assert float(value) == pytest.approx((1.2 * 2 + 0.5 * 2 - 1.5 * 2 - 0.8 * 2) / 4)


def test_a_rewarded_candidate_becomes_likelier_and_the_entropy_bonus_holds_against_it() -> None:
    row, entropies = every_row(SPACE)[[40]], {}
    before = float(judged(Controller(SPACE, 6, 1), row).log_probs.sum())
    for gain, weight in ((1.0, 0.0), (-1.0, 0.0), (1.0, 10.0)):
        controller = Controller(SPACE, 6, 1)
        learner = Learner(controller, Ppo(0.01, 4, 0.2, weight))
        for _ in range(5):
            learner.learn(row, np.array([gain]))
        after = judged(controller, row)
        assert (float(after.log_probs.sum()) > before) == (gain > 0) or weight > 0
        entropies[gain, weight] = float(after.entropies.sum())
    assert entropies[1.0, 0.0] < entropies[1.0, 10.0]


def test_a_controller_that_diverges_says_which_rate_to_lower() -> None:
    learner = Learner(Controller(SPACE, 6, 0), Ppo(0.1, 3, 0.2, 0.0))
    with pytest.raises(TrainingDiverged, match=r"the controller's loss is -inf; lower learning_rate \(now 0\.1\)"):
        learner.learn(every_row(SPACE)[:1], np.array([np.inf]))
