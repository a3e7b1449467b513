"""Same seed, same result, however often a search was stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.kills import KillError, killed_at
from tests.search.differentiable.toy import InMemoryCheckpoint, Outcome, finished, short_search

from sculptnet.errors import RunError

PROGRAM = Path(__file__).with_name("toy.py")


@pytest.mark.parametrize(("branches", "stops"), [(None, (4, 9)), (1, (3, 8)), (2, range(1, 11))])
@pytest.mark.parametrize("seconds", [2.0, 1e9], ids=["saved at every other step", "saved after epochs"])
def test_resumed_equals_uninterrupted(branches: int | None, stops: Sequence[int], seconds: float) -> None:
    whole = finished(seen := Outcome(), short_search(seen, branches=branches)).digest()
    for stop in stops if seconds < 10 else stops[::3]:
        checkpoint, again = InMemoryCheckpoint(), Outcome()
        stopped = killed_at(stop)
        with pytest.raises(KillError):
            next(
                short_search(
                    Outcome(), branches=branches, checkpoint=checkpoint, progress=stopped, checkpoint_seconds=seconds
                )
            )
        assert finished(again, short_search(again, branches=branches, checkpoint=checkpoint)).digest() == whole


def test_a_finished_search_proposes_the_same_again_without_training() -> None:
    checkpoint, first, second = InMemoryCheckpoint(), Outcome(), Outcome()
    finished(first, short_search(first, checkpoint=checkpoint))
    finished(second, short_search(second, checkpoint=checkpoint, progress=killed_at(1)))
    assert second.proposals == first.proposals
    assert [event["event"] for event in second.events] == ["search_draws"]


def test_another_seed_is_another_search() -> None:
    outcomes = [Outcome(), Outcome()]
    digests = {finished(seen, short_search(seen, seed=seed)).digest() for seed, seen in enumerate(outcomes)}
    assert len(digests) == 2


def test_a_killed_process_is_continued_by_another_to_the_same_result(tmp_path: Path) -> None:
    whole = finished(seen := Outcome(), short_search(seen)).digest()
    command = [sys.executable, str(PROGRAM), str(tmp_path / "state.safetensors")]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    killed = subprocess.run([*command, "7"], env=environment, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    resumed = subprocess.run([*command, "0"], env=environment, capture_output=True, text=True, check=False)
    assert resumed.stdout.strip() == whole, resumed.stderr


@pytest.mark.slow
def test_two_processes_with_the_same_images_search_as_one_killed_or_not(tmp_path: Path) -> None:
    """Means of equal gradients are these gradients, so every bit is the same."""
    whole = finished(seen := Outcome(), short_search(seen)).digest()
    together = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [sys.executable, *together, str(PROGRAM), str(tmp_path / "state.safetensors")]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    killed = subprocess.run([*command, "7"], env=environment, capture_output=True, text=True, check=False)
    assert killed.returncode != 0
    assert (tmp_path / "state.safetensors").exists()
    resumed = subprocess.run([*command, "0"], env=environment, capture_output=True, text=True, check=False)
    assert resumed.stdout.split() == [whole], resumed.stderr


def test_a_checkpoint_of_another_search_is_refused_with_what_differs() -> None:
    checkpoint, seen = InMemoryCheckpoint(), Outcome()
    finished(seen, short_search(seen, checkpoint=checkpoint))
    with pytest.raises(RunError, match=r"another search; .*: 2 problems") as caught:
        next(short_search(Outcome(), checkpoint=checkpoint, seed=1, tau=4.0))
    assert "seed is 0, here 1" in str(caught.value)
    assert "tau is 5.0, here 4.0" in str(caught.value)


def test_a_checkpoint_of_another_version_is_refused() -> None:
    checkpoint, seen = InMemoryCheckpoint(), Outcome()
    finished(seen, short_search(seen, checkpoint=checkpoint))
    assert checkpoint.saved is not None
    state = json.loads(checkpoint.saved[1])
    checkpoint.save(checkpoint.saved[0], {"search": state["training"], "position": {"epoch": 1, "phase": "weights"}})
    with pytest.raises(RunError, match="another search, or was saved by another version; start anew"):
        next(short_search(Outcome(), checkpoint=checkpoint))
