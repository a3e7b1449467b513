"""A suite is worth something only if it notices what is wrong."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sculptnet.arch import Block, TensorShape
from sculptnet.devices import Device, Measurement, Plan
from sculptnet.search import Problem, Proposals, Search
from sculptnet.state import Progress, no_progress
from sculptnet.testing import BlockSuite, DeviceSuite, FakeDevice, SearchSuite, elsewhere
from sculptnet.testing.elsewhere import run_elsewhere


@dataclass(frozen=True)
class Lying(Block):
    """Says that it keeps the size and does not."""

    out_channels: int

    def module(self, in_channels: int) -> nn.Module:
        return nn.Conv2d(in_channels, self.out_channels, 3, stride=2, padding=1)


class Noisy(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + torch.rand_like(x)


@dataclass(frozen=True)
class Random(Block):
    """Adds noise in eval mode."""

    out_channels: int

    def module(self, in_channels: int) -> nn.Module:
        return Noisy()


@dataclass(frozen=True)
class Eager(Block):
    """Overrides `build` and so skips its check."""

    out_channels: int

    def module(self, in_channels: int) -> nn.Module:
        return nn.Identity()

    def build(self, in_channels: int) -> nn.Module:
        return nn.Identity()


def suite_of(*blocks: Block) -> BlockSuite:
    class Suite(BlockSuite):
        examples = blocks
        shapes = (TensorShape(8, 4, 4),)

    return Suite()


def test_a_wrong_shape_is_noticed() -> None:
    with pytest.raises(AssertionError, match=r"Lying\(out_channels=8\) at 8x4x4 gives \(8, 2, 2\)"):
        suite_of(Lying(8)).test_out_shape_is_the_shape_of_the_modules_output()


def test_noise_in_eval_mode_is_noticed() -> None:
    with pytest.raises(AssertionError, match="answers differently the second time"):
        suite_of(Random(8)).test_eval_mode_is_deterministic_and_sees_images_one_by_one()


def test_a_block_that_builds_while_open_is_noticed() -> None:
    with pytest.raises(AssertionError, match="no OpenValue was raised"):
        suite_of(Eager(8)).test_every_field_may_be_open_and_an_open_block_is_not_built()


class Careless(SearchSuite):
    """Proposes whatever the space holds."""

    def search(self, problem: Problem, seed: int) -> Search:
        rng = np.random.default_rng(seed)
        while True:
            yield Proposals(problem.space.sample(rng, 4))


class Unseeded(SearchSuite):
    """Draws from a generator that nobody seeded."""

    def search(self, problem: Problem, seed: int) -> Search:
        rng = np.random.default_rng()
        while True:
            yield Proposals(problem.sample(rng, 4))


class Fragile(SearchSuite):
    """Takes every evaluation to succeed."""

    def search(self, problem: Problem, seed: int) -> Search:
        rng = np.random.default_rng(seed)
        while True:
            results = yield Proposals(problem.sample(rng, 4))
            assert not np.isnan(results.column("top1")).any()


def test_proposals_over_the_budget_are_noticed() -> None:
    with pytest.raises(AssertionError, match="proposed although over the limits"):
        Careless().test_every_proposal_is_a_feasible_row()


def test_unseeded_draws_are_noticed() -> None:
    with pytest.raises(AssertionError):
        Unseeded().test_the_same_seed_proposes_the_same()
    with pytest.raises(AssertionError, match="differs when resumed"):
        Unseeded().test_resuming_from_any_trial_gives_what_an_uninterrupted_run_gives()


def test_a_search_that_dies_of_a_failed_trial_is_noticed() -> None:
    with pytest.raises(AssertionError):
        Fragile().test_failed_trials_do_not_end_the_search()


@dataclass(frozen=True)
class Trusting:
    """Times models without running them and measures what is held again."""

    name: str = "trusting device"

    def describe(self) -> dict[str, str]:
        return {"runtime": "none"}

    def measure(self, plan: Plan, progress: Progress = no_progress) -> Iterator[Measurement]:
        for name in plan.models:
            for index in range(plan.quality.rounds):
                yield Measurement(name, index, 1.0, 1.0)


class TrustingSuite(DeviceSuite):
    def device(self) -> Device:
        return Trusting()


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ("test_the_name_is_one_word_and_always_the_same", "must not contain spaces"),
        ("test_it_says_what_a_reader_of_its_times_must_know", r"lacks \['cpu', 'threads', 'version'\]"),
        ("test_what_is_held_is_not_measured_again", "measured again although held"),
        ("test_a_wrong_answer_is_an_error_that_names_the_model", "no DeviceError was raised"),
    ],
)
def test_a_careless_device_is_noticed(test: str, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        getattr(TrustingSuite(), test)()


@pytest.fixture
def questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A file with a class whose answers tell processes apart."""
    path = tmp_path / "questions.py"
    path.write_text(
        "import os\n"
        "class Questions:\n"
        "    def process(self): return os.getpid()\n"
        "    def hash_seed(self): return os.environ.get('PYTHONHASHSEED')\n"
        "    def trouble(self): raise KeyError('no answer')\n"
    )
    spec = importlib.util.spec_from_file_location("questions", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "questions", module)
    spec.loader.exec_module(module)
    return module


def test_elsewhere_is_another_process_with_another_hash_seed(questions: ModuleType) -> None:
    assert elsewhere(questions.Questions(), "process") != questions.Questions().process()
    assert elsewhere(questions.Questions(), "hash_seed") == "4711"


def test_what_fails_in_another_process_is_shown(questions: ModuleType) -> None:
    with pytest.raises(AssertionError, match=r"Questions\.trouble failed in another process:(.|\n)*no answer"):
        elsewhere(questions.Questions(), "trouble")


def test_the_fake_device_is_a_device() -> None:
    device: Device = FakeDevice()
    assert device.name == "fake"


def test_programs_elsewhere_see_nothing_of_each_other() -> None:
    assert run_elsewhere("import builtins, sys; builtins.left = 1; print(sys.argv[1:])", "a", "b") == "['a', 'b']\n"
    with pytest.raises(AssertionError, match="NameError: name 'left' is not defined"):
        run_elsewhere("print(left)")
    with pytest.raises(AssertionError, match=r"^no good\n$"):
        run_elsewhere("import sys; sys.exit('no good')")
