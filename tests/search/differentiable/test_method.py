from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from sculptnet.arch import Architecture, Block, SearchSpace, TensorShape, choice
from sculptnet.blocks import Classifier, Conv, InvertedResidual, PooledConv, Skip
from sculptnet.cost import Reduce
from sculptnet.errors import DeviceError, Infeasible, InvalidValue, RunError, TrainingDiverged
from sculptnet.nets import MixedSupernet
from sculptnet.search import Limit, Objective, Problem, Search, drive
from sculptnet.search.differentiable.method import dnas
from sculptnet.state import Checkpoint, NoCheckpoint, Progress, no_progress
from sculptnet.streams import stream

TOP1 = (Objective("top1"),)
CLASSES = 3
NOWHERE = NoCheckpoint()


# ---------------------------------------------------------------------- a toy problem
def toy_space() -> SearchSpace:
    """The stem sees single pixels, so a candidate with a 3x3 kernel is needed to tell stripes apart."""

    def slot() -> Block:
        return choice(InvertedResidual(8, 1, 2), InvertedResidual(8, 3, 2), Skip(8))

    return SearchSpace(Architecture(8, Conv(8, 1), ((slot(), slot()),), PooledConv(16), Classifier(CLASSES)))


@dataclass(frozen=True)
class Stripes:
    """Images of horizontal, vertical or chequered stripes, in random phase and noise."""

    seed: int
    steps_per_epoch: int = 4
    batch_size: int = 16

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        for step in range(start_step, self.steps_per_epoch):
            rng = stream(self.seed, "test/stripes", epoch * self.steps_per_epoch + step)
            labels = rng.integers(CLASSES, size=self.batch_size)
            rows, columns = np.mgrid[:8, :8]
            patterns = np.stack([rows % 2, columns % 2, (rows + columns) % 2]) * 2.0 - 1.0
            sign = rng.choice([-1.0, 1.0], size=(self.batch_size, 1, 1, 1))
            images = sign * patterns[labels][:, None] + rng.normal(0, 0.5, size=(self.batch_size, 3, 8, 8))
            yield torch.from_numpy(images).float(), torch.from_numpy(labels)


@dataclass(frozen=True)
class MadeUp:
    """A cost of the candidates (1x1 block, 3x3 block, skip); nothing for other blocks."""

    prices: tuple[float, float, float] = (1.0, 4.0, 0.1)
    name: str = "latency_ms@made-up"
    constant: float = 1.0
    reduce: Reduce = Reduce.SUM

    def block(self, path: str, block: Block, shape: TensorShape) -> float:
        if isinstance(block, InvertedResidual):
            return self.prices[block.kernel_size == 3]
        return self.prices[2] if isinstance(block, Skip) else 0.0


def problem(at_most: float | None = None) -> Problem:
    return Problem(toy_space(), TOP1, () if at_most is None else (Limit(MadeUp(), at_most),))


@dataclass
class InMemoryCheckpoint:
    """The last state, as a file would keep it: copied, and through JSON."""

    saved: tuple[dict[str, Tensor], str] | None = None

    def save(self, tensors: Mapping[str, Tensor], state: Any) -> None:
        self.saved = ({name: tensor.clone() for name, tensor in tensors.items()}, json.dumps(state))

    def load(self) -> tuple[dict[str, Tensor], Any] | None:
        return None if self.saved is None else (dict(self.saved[0]), json.loads(self.saved[1]))


@dataclass(frozen=True)
class FileCheckpoint:
    """Tensors and state in one file, written and then renamed."""

    path: Path

    def save(self, tensors: Mapping[str, Tensor], state: Any) -> None:
        written = self.path.with_suffix(".tmp")
        save_file(dict(tensors), written, {"state": json.dumps(state)})
        written.replace(self.path)

    def load(self) -> tuple[dict[str, Tensor], Any] | None:
        if not self.path.exists():
            return None
        with self.path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        return load_file(self.path), json.loads(header["__metadata__"]["state"])


@dataclass
class Outcome:
    """Everything that a search makes known, times aside."""

    supernet: MixedSupernet = field(default_factory=lambda: MixedSupernet(toy_space()))
    events: list[dict[str, Any]] = field(default_factory=list)
    proposals: list[list[int]] = field(default_factory=list)

    def log(self, event: Mapping[str, Any]) -> None:
        self.events.append({name: value for name, value in event.items() if name != "seconds"})

    def digest(self) -> str:
        """Of the last epoch, the draws, the proposals and every weight."""
        found = hashlib.sha256(json.dumps([self.events[-2:], self.proposals]).encode())
        for name, tensor in self.supernet.state_dict().items():
            found.update(name.encode() + tensor.contiguous().numpy().tobytes())
        return found.hexdigest()


def short_search(
    outcome: Outcome,
    *,
    branches: int | None = 2,
    checkpoint: Checkpoint = NOWHERE,
    progress: Progress = no_progress,
    seed: int = 0,
    **settings: Any,
) -> Search:
    """Three epochs of 2 + 2 steps, the first for warm-up; time is a counter, saving at every step or when told."""
    return dnas(
        problem(8.0),
        seed,
        supernet=outcome.supernet,
        weight_batches=Stripes(1, 2, 8),
        theta_batches=Stripes(2, 2, 8),
        **{"epochs": 3, "warmup_epochs": 1, "draws": 2, "theta_learning_rate": 0.1} | settings,
        branches=branches,
        checkpoint=checkpoint,
        clock=map(float, itertools.count()).__next__,
        log=outcome.log,
        progress=progress,
    )


def finished(outcome: Outcome, search: Search) -> Outcome:
    outcome.proposals = next(search).choices.tolist()
    return outcome


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


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
    events: list[Mapping[str, Any]] = []
    found = problem(at_most)
    search = dnas(
        found,
        0,
        supernet=MixedSupernet(found.space),
        weight_batches=Stripes(1),
        theta_batches=Stripes(2),
        **{"epochs": 16, "warmup_epochs": 6, "theta_learning_rate": 0.1} | settings,
        branches=branches,
        log=events.append,
    )
    next(search)
    probabilities = [event["probabilities"] for event in events if event["event"] == "search_epoch"][-1]
    assert isinstance(probabilities, dict)
    return probabilities


@pytest.mark.parametrize("branches", [None, 1])
def test_accuracy_alone_moves_the_mass_to_useful_blocks(branches: int | None) -> None:
    without_any = np.prod([1 - vector[1] for vector in learned(None, branches).values()])
    assert without_any < 0.3  # of seeing no neighbours at all; 0.44 at first


@pytest.mark.parametrize("branches", [None, 1])
def test_a_heavy_latency_moves_the_mass_to_cheap_blocks(branches: int | None) -> None:
    found = learned(8.0, branches, alpha=1e-6, beta=8.0)
    assert all(vector[2] == max(vector) and vector[1] == min(vector) for vector in found.values())


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


# ---------------------------------------------------------------------- same seed, same result
class Stop(Exception):
    """What stands for a kill."""


def stop_after(steps: int) -> Progress:
    def progress(what: str, done: int, total: int) -> None:
        if done == steps:
            raise Stop

    return progress


@pytest.mark.parametrize(("branches", "stops"), [(None, (4, 9)), (1, (3, 8)), (2, range(1, 11))])
@pytest.mark.parametrize("seconds", [2.0, 1e9], ids=["saved at every other step", "saved after epochs"])
def test_resumed_equals_uninterrupted(branches: int | None, stops: Sequence[int], seconds: float) -> None:
    whole = finished(seen := Outcome(), short_search(seen, branches=branches)).digest()
    for stop in stops if seconds < 10 else stops[::3]:
        checkpoint, again = InMemoryCheckpoint(), Outcome()
        stopped = stop_after(stop)
        with pytest.raises(Stop):
            next(
                short_search(
                    Outcome(), branches=branches, checkpoint=checkpoint, progress=stopped, checkpoint_seconds=seconds
                )
            )
        assert finished(again, short_search(again, branches=branches, checkpoint=checkpoint)).digest() == whole


def test_a_finished_search_proposes_the_same_again_without_training() -> None:
    checkpoint, first, second = InMemoryCheckpoint(), Outcome(), Outcome()
    finished(first, short_search(first, checkpoint=checkpoint))
    finished(second, short_search(second, checkpoint=checkpoint, progress=stop_after(1)))
    assert second.proposals == first.proposals
    assert [event["event"] for event in second.events] == ["search_draws"]


def test_another_seed_is_another_search() -> None:
    outcomes = [Outcome(), Outcome()]
    digests = {finished(seen, short_search(seen, seed=seed)).digest() for seed, seen in enumerate(outcomes)}
    assert len(digests) == 2


def test_a_killed_process_is_continued_by_another_to_the_same_result(tmp_path: Path) -> None:
    whole = finished(seen := Outcome(), short_search(seen)).digest()
    command = [sys.executable, __file__, str(tmp_path / "state.safetensors")]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    killed = subprocess.run([*command, "7"], env=environment, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    resumed = subprocess.run([*command, "0"], env=environment, capture_output=True, text=True, check=False)
    assert resumed.stdout.strip() == whole, resumed.stderr


def main(path: str, kill_after: str) -> None:
    """What the two processes of the test above do."""

    def progress(what: str, done: int, total: int) -> None:
        if done == int(kill_after):
            os.kill(os.getpid(), signal.SIGKILL)

    torch.set_num_threads(1)
    outcome = Outcome()
    checkpoint = FileCheckpoint(Path(path))
    finished(outcome, short_search(outcome, checkpoint=checkpoint, progress=progress, checkpoint_seconds=0.0))
    print(outcome.digest())


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
        "accelerator": "tpu",
    }
    with pytest.raises(InvalidValue, match=f"dnas: {len(wrong) + 1} problems") as caught:
        short_search(Outcome(), branches=0, **wrong)
    for name, value in {**wrong, "branches": 0}.items():
        assert re.search(rf"- {name} must be .*, got {re.escape(repr(value))}", str(caught.value)), name


def test_a_supernet_of_another_space_is_refused() -> None:
    other = SearchSpace(Architecture(8, Conv(4), ((choice(Conv(4), Skip(4)),),), PooledConv(8), Classifier(CLASSES)))
    with pytest.raises(InvalidValue, match=r"supernet is of another space.*make it of problem\.space"):
        short_search(Outcome(MixedSupernet(other)))


def test_batches_without_a_step_are_refused() -> None:
    found = problem()
    with pytest.raises(InvalidValue, match="theta_batches must have at least one step per epoch, got 0; give more"):
        dnas(
            found,
            0,
            supernet=MixedSupernet(found.space),
            weight_batches=Stripes(1),
            theta_batches=Stripes(2, steps_per_epoch=0),
        )


def test_a_budget_below_the_cheapest_is_refused_before_anything_is_trained() -> None:
    found = problem(1.1)
    with pytest.raises(Infeasible, match=r"latency_ms@made-up <= 1\.1 cannot be met, the least in the space is 1\.2"):
        dnas(found, 0, supernet=MixedSupernet(found.space), weight_batches=Stripes(1), theta_batches=Stripes(2))


def test_a_cost_of_at_most_one_unit_has_no_logarithm_to_take() -> None:
    found = Problem(toy_space(), TOP1, (Limit(MadeUp(name="tonnes", constant=0.0), 8.0),))
    with pytest.raises(InvalidValue, match=r"ln\(tonnes\).*must be above 1; the least is 0\.2"):
        dnas(found, 0, supernet=MixedSupernet(found.space), weight_batches=Stripes(1), theta_batches=Stripes(2))


def test_limits_that_nothing_meets_together_are_infeasible() -> None:
    few_skips = Limit(MadeUp((0.0, 0.0, 1.0), "skips", 2.0), 2.5)
    only_skips = Limit(MadeUp((1.0, 1.0, 0.0), "blocks", 0.0, Reduce.MAX), 0.5)
    found = Problem(toy_space(), TOP1, (few_skips, only_skips))
    search = dnas(
        found,
        0,
        supernet=MixedSupernet(found.space),
        weight_batches=Stripes(1, 1),
        theta_batches=Stripes(2, 1),
        epochs=1,
        warmup_epochs=0,
        branches=1,
    )
    with pytest.raises(Infeasible, match=r"no draw met skips <= 2\.5 and blocks <= 0\.5"):
        next(search)


def test_a_loss_that_is_no_number_stops_with_place_and_remedy() -> None:
    with pytest.raises(
        TrainingDiverged,
        match=r"nan in epoch 1 of 3, step 2 of 2 on weights; lower weight_learning_rate \(now 1e\+30\)",
    ):
        next(short_search(Outcome(), weight_learning_rate=1e30))


def test_a_checkpoint_of_another_search_is_refused_with_what_differs() -> None:
    checkpoint, seen = InMemoryCheckpoint(), Outcome()
    finished(seen, short_search(seen, checkpoint=checkpoint))
    with pytest.raises(RunError, match="another search: 3 problems") as caught:
        next(short_search(Outcome(), checkpoint=checkpoint, seed=1, tau=4.0))
    assert "seed is 0 there and 1 here" in str(caught.value)
    assert "tau is 5.0 there and 4.0 here" in str(caught.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA accelerator here")
def test_a_missing_accelerator_is_said_to_be_missing() -> None:
    with pytest.raises(DeviceError, match="no CUDA accelerator here; use 'cpu'"):
        short_search(Outcome(), accelerator="cuda")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA accelerator here")
def test_it_runs_on_cuda() -> None:
    outcome = finished(seen := Outcome(), short_search(seen, accelerator="cuda"))
    assert len(outcome.proposals) == 2


if __name__ == "__main__":
    main(*sys.argv[1:])
