from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from tests.kills import KillError, killed_at
from tests.search.differentiable.toy import (
    CLASSES,
    TOP1,
    InMemoryCheckpoint,
    MadeUp,
    Outcome,
    Stripes,
    finished,
    problem,
    short_search,
    toy_space,
)
from torch import Tensor

from sculptnet.arch import Architecture, SearchSpace, choice
from sculptnet.blocks import Classifier, Conv, PooledConv, Skip
from sculptnet.cost import Reduce
from sculptnet.errors import Infeasible, InvalidValue, TrainingDiverged
from sculptnet.nets import MixedSupernet
from sculptnet.records import Event, of_kind
from sculptnet.records.search_events import SearchEpoch
from sculptnet.search import Limit, Problem, drive
from sculptnet.search.differentiable.method import Dnas


# ---------------------------------------------------------------------- events
def test_every_epoch_is_logged_with_what_was_learned() -> None:
    outcome = finished(seen := Outcome(), short_search(seen))
    epochs, last = outcome.events[:3], outcome.events[3]
    assert [event["event"] for event in outcome.events] == [*["search_epoch"] * 3, "search_draws"]
    assert [(event["epoch"], event["epochs"], event["phase"]) for event in epochs] == [
        (1, 3, "weights"),
        (2, 3, "architecture"),
        (3, 3, "architecture"),
    ]
    warmup, second, final = epochs
    assert "theta_loss" not in warmup
    assert "theta_accuracy" not in warmup
    assert warmup["probabilities"] == {path: pytest.approx([1 / 3] * 3) for path in toy_space().decisions}
    assert warmup["entropy"] == pytest.approx(np.log(3))
    assert warmup["expected_cost"] == pytest.approx(1 + 2 * (1 + 4 + 0.1) / 3)
    assert final["entropy"] < second["entropy"] < warmup["entropy"]
    assert [event["tau"] for event in epochs] == pytest.approx([5.0 * np.exp(-0.045 * i) for i in range(3)])
    assert {event["cost"] for event in outcome.events} == {"latency_ms@made-up"}
    assert last["at_most"] == 8.0
    assert 0 < last["pass_rate"] < 1
    assert all(0 <= event["accuracy"] <= 1 and event["loss"] > 0 for event in epochs)


def test_progress_counts_every_step() -> None:
    ticks: list[tuple[str, int, int]] = []
    finished(seen := Outcome(), short_search(seen, progress=lambda *tick: ticks.append(tick)))
    assert ticks == [("search", done, 10) for done in range(1, 11)]  # 3 epochs of 2, and 2 of them of 2 more


# ---------------------------------------------------------------------- what it learns
def learned(at_most: float | None, branches: int | None, **settings: Any) -> dict[str, list[float]]:
    events: list[Event] = []
    found = problem(at_most)
    search = Dnas(
        **{"epochs": 16, "warmup_epochs": 6, "theta_learning_rate": 0.1} | settings, branches=branches
    ).search(
        found,
        0,
        supernet=MixedSupernet(found.space),
        weight_batches=Stripes(1),
        theta_batches=Stripes(2),
        log=events.append,
    )
    next(search)
    return {path: list(chances) for path, chances in of_kind(events, SearchEpoch)[-1].probabilities.items()}


@pytest.mark.parametrize("branches", [None, 1])
def test_accuracy_alone_moves_the_mass_to_useful_blocks(branches: int | None) -> None:
    without_any = np.prod([1 - vector[1] for vector in learned(None, branches).values()])
    assert without_any < 0.3  # of seeing no neighbours at all; 0.44 at first


@pytest.mark.parametrize("branches", [None, 1])
def test_a_heavy_latency_moves_the_mass_to_cheap_blocks(branches: int | None) -> None:
    found = learned(8.0, branches, alpha=1e-6, beta=8.0, epochs=24)
    assert all(vector[2] > 0.6 and vector[1] < 0.3 for vector in found.values())  # 1/3 each at first


# ---------------------------------------------------------------------- draws
def test_proposals_are_within_the_budget_distinct_and_end_with_the_space() -> None:
    outcome = Outcome()
    rows: list[tuple[int, ...]] = []
    search = short_search(outcome, draws=4)
    sizes = []
    for proposals in search:
        rows += [tuple(row) for row in proposals.choices.tolist()]
        sizes.append(len(proposals.choices))
    costs = {row: 1.0 + sum((1.0, 4.0, 0.1)[index] for index in row) for row in itertools.product(range(3), repeat=2)}
    assert sorted(rows) == sorted(row for row, cost in costs.items() if cost <= 8.0)
    assert sizes == [4, 4]  # 8 of 9: two 3x3 blocks are over


def test_results_sent_back_are_accepted_and_change_nothing() -> None:
    outcome, other = Outcome(), Outcome()
    seen: list[list[int]] = []

    def score(choices: np.ndarray[Any, np.dtype[np.int64]]) -> dict[str, np.ndarray[Any, np.dtype[np.float64]]]:
        seen.extend(choices.tolist())
        return {"top1": np.zeros(len(choices))}

    drive(short_search(outcome), score, 3)
    expected = list(itertools.islice((p.choices.tolist() for p in short_search(other)), 3))
    assert seen == [row for rows in expected for row in rows]


# ---------------------------------------------------------------------- errors
def test_every_wrong_argument_is_named_at_once() -> None:
    wrong: dict[str, Any] = {
        "epochs": 0,
        "warmup_epochs": -1,
        "tau": 0.0,
        "tau_decay": 1.5,
        "alpha": 0.0,
        "beta": -1.0,
        "weight_learning_rate": 0.0,
        "weight_momentum": 1.0,
        "weight_decay": -1.0,
        "theta_learning_rate": -0.1,
        "theta_betas": (0.9, 1.0),
        "theta_weight_decay": -1.0,
        "label_smoothing": 1.0,
        "draws": 0,
        "branches": 0,
    }
    with pytest.raises(InvalidValue, match=f"Dnas: {len(wrong)} problems") as caught:
        Dnas(**wrong)
    assert_all_named(wrong, caught.value)
    machine: dict[str, Any] = {"accelerator": "tpu", "precision": "fp16"}
    with pytest.raises(InvalidValue, match="Dnas: 2 problems") as caught:
        short_search(Outcome(), **machine)
    assert_all_named(machine, caught.value)


def assert_all_named(wrong: Mapping[str, Any], error: InvalidValue) -> None:
    for name, value in wrong.items():
        assert re.search(rf"- {name} must be .*, got {re.escape(repr(value))}", str(error)), name


def test_a_supernet_of_another_space_is_refused() -> None:
    other = SearchSpace(Architecture(8, Conv(4), ((choice(Conv(4), Skip(4)),),), PooledConv(8), Classifier(CLASSES)))
    with pytest.raises(InvalidValue, match=r"supernet is of another space.*make it of problem\.space"):
        short_search(Outcome(MixedSupernet(other)))


def test_batches_without_a_step_are_refused() -> None:
    found = problem()
    with pytest.raises(InvalidValue, match="theta_batches must have at least one step per epoch, got 0; give more"):
        Dnas().search(
            found,
            0,
            supernet=MixedSupernet(found.space),
            weight_batches=Stripes(1),
            theta_batches=Stripes(2, steps_per_epoch=0),
        )


@pytest.mark.parametrize("half", ["weight_batches", "theta_batches"])
def test_batches_that_end_early_are_named(half: str) -> None:
    class Short(Stripes):
        def epoch(self, epoch: int, start_step: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
            return itertools.islice(super().epoch(epoch, start_step), 1)

    found = problem()
    batches = {"weight_batches": Stripes(1, 2, 8), "theta_batches": Stripes(2, 2, 8), half: Short(3, 2, 8)}
    search = Dnas(epochs=1, warmup_epochs=0).search(found, 0, supernet=MixedSupernet(found.space), **batches)  # type: ignore[arg-type]
    with pytest.raises(InvalidValue, match=rf"{half}\.epoch\(0\) ended after 1 batches; .*says 2"):
        next(search)


def test_a_budget_below_the_cheapest_is_refused_before_anything_is_trained() -> None:
    found = problem(1.1)
    with pytest.raises(Infeasible, match=r"latency_ms@made-up <= 1\.1 cannot be met, the least in the space is 1\.2"):
        Dnas().search(
            found, 0, supernet=MixedSupernet(found.space), weight_batches=Stripes(1), theta_batches=Stripes(2)
        )


def test_a_cost_of_at_most_one_unit_has_no_logarithm_to_take() -> None:
    found = Problem(toy_space(), TOP1, (Limit(MadeUp(name="tonnes", constant=0.0), 8.0),))
    with pytest.raises(InvalidValue, match=r"ln\(tonnes\).*must be above 1; the least is 0\.2"):
        Dnas().search(
            found, 0, supernet=MixedSupernet(found.space), weight_batches=Stripes(1), theta_batches=Stripes(2)
        )


def test_limits_that_nothing_meets_together_are_infeasible() -> None:
    few_skips = Limit(MadeUp((0.0, 0.0, 1.0), "skips", 2.0), 2.5)
    only_skips = Limit(MadeUp((1.0, 1.0, 0.0), "blocks", 0.0, Reduce.MAX), 0.5)
    found = Problem(toy_space(), TOP1, (few_skips, only_skips))
    search = Dnas(epochs=1, warmup_epochs=0, branches=1).search(
        found, 0, supernet=MixedSupernet(found.space), weight_batches=Stripes(1, 1), theta_batches=Stripes(2, 1)
    )
    with pytest.raises(Infeasible, match=r"no draw met skips <= 2\.5 and blocks <= 0\.5"):
        next(search)


def test_a_loss_that_is_no_number_stops_with_place_and_remedy() -> None:
    with pytest.raises(
        TrainingDiverged,
        match=r"nan in epoch 1 of 3, step 2 of 2 on weights; lower weight_learning_rate \(now 1e\+30\)",
    ):
        next(short_search(Outcome(), weight_learning_rate=1e30))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA accelerator here")
def test_a_missing_accelerator_is_said_to_be_missing() -> None:
    with pytest.raises(InvalidValue, match="torch finds no CUDA device here; use 'cpu'"):
        short_search(Outcome(), accelerator="cuda")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA accelerator here")
@pytest.mark.parametrize("precision", ["auto", "fp32"])
def test_it_runs_on_cuda_and_resumes_to_the_same_bits(precision: str) -> None:
    def searched(**options: Any) -> Outcome:
        return finished(seen := Outcome(), short_search(seen, accelerator="cuda", precision=precision, **options))

    checkpoint = InMemoryCheckpoint()
    with pytest.raises(KillError):
        searched(checkpoint=checkpoint, checkpoint_seconds=0.0, progress=killed_at(7))
    resumed, whole = searched(checkpoint=checkpoint), searched()
    assert resumed.proposals == whole.proposals
    for outcome in (resumed, whole):
        outcome.supernet.cpu()
    assert resumed.digest() == whole.digest()
