"""A call leaves the process as it found it: generators, threads, filters of warnings."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from tests.learn.supernets import plan, tell_apart, tiny_supernet
from tests.process import state_of_the_process
from torch import nn

from sculptnet.arch import Recipe
from sculptnet.learn import open_machine, process_as_found, seeded_generators, shrink, train_network
from sculptnet.learn.by_recipe import RecipeTraining
from sculptnet.learn.objective import Objective

CPU = torch.device("cpu")


@pytest.fixture(params=["plain", "everything"])
def some_recipe(request: pytest.FixtureRequest, recipes: Any) -> Recipe:
    recipe: Recipe = recipes[request.param]
    return recipe


def test_a_training_leaves_the_process_as_it_found_it(
    some_recipe: Recipe, new_network: Callable[[int], nn.Module], colours: Any
) -> None:
    network, teacher = new_network(0), new_network(1)
    before = state_of_the_process()
    train_network(network, some_recipe, colours, num_classes=3, seed=7, teacher=teacher)
    assert state_of_the_process() == before


def test_a_single_step_does_too(some_recipe: Recipe, new_network: Callable[[int], nn.Module], colours: Any) -> None:
    training = RecipeTraining(new_network(0), some_recipe, Objective(3, mixup=0.4), 4, 7, open_machine())
    before = state_of_the_process()
    training.step(*next(colours.epoch(0)))
    assert state_of_the_process() == before


def test_so_does_the_training_of_a_supernet(colours: Any) -> None:
    supernet = tiny_supernet()
    phases, before = plan("sandwich", supernet.space), state_of_the_process()
    shrink(supernet, phases, colours, evaluate=tell_apart, seed=7, random_networks=1, calibration_images=12)
    assert state_of_the_process() == before


def test_an_evaluation_that_draws_draws_the_same_and_disturbs_nobody(
    new_network: Callable[[int], nn.Module], colours: Any
) -> None:
    def trained(network: nn.Module) -> list[float]:
        curve = train_network(
            network,
            Recipe(epochs=2, batch_size=12),
            colours,
            num_classes=3,
            seed=7,
            evaluate=lambda network: {"drawn": float(torch.rand(())) + random.random() + float(np.random.rand())},
        ).curve
        return [entry["drawn"] for entry in curve]

    first, second = new_network(0), new_network(0)
    before = state_of_the_process()
    drawn = trained(first)
    assert state_of_the_process() == before
    torch.rand(5)
    assert trained(second) == drawn
    assert drawn[0] != drawn[1]


def disturb() -> None:
    random.random()
    np.random.rand()
    torch.rand(1)
    torch.set_num_threads(3)


@pytest.mark.parametrize("fails", [False, True])
def test_a_run_may_do_what_it_likes_with_threads_and_generators(fails: bool) -> None:
    before = state_of_the_process()

    def run() -> None:
        with process_as_found():
            disturb()
            assert state_of_the_process() != before
            if fails:
                raise KeyError

    with pytest.raises(KeyError) if fails else nullcontext():
        run()
    assert state_of_the_process() == before


def test_a_seed_lasts_as_long_as_its_context() -> None:
    before = state_of_the_process()
    with seeded_generators(3, CPU):
        first = torch.rand(2)
    with seeded_generators(3, CPU):
        assert torch.equal(torch.rand(2), first)
    assert state_of_the_process() == before
