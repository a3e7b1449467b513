"""Libraries of every family: what stays the same to the bit, what is a least-squares optimum, what scores mean."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.inherit.families import ARCHITECTURES, REFIT, images, library, network
from torch import nn

from sculptnet.arch import Architecture, choice, prefix
from sculptnet.arch.space import SearchSpace
from sculptnet.blocks import Conv, InvertedResidual, Skip
from sculptnet.cost import Bound, FactoredCost, Macs, cost_of, front
from sculptnet.errors import InvalidSpace, InvalidValue, NotInSpace, NotMeasured
from sculptnet.inherit import Library, Refit, carve_space, measure_additivity
from sculptnet.inherit.anatomy import places_of
from sculptnet.inherit.fitting import Fitting
from sculptnet.inherit.library import options_of_places
from sculptnet.inherit.walk import applied, divergence, log_probabilities
from sculptnet.nets import Network

NAMES = sorted(ARCHITECTURES)
BATCHES = [(images(20), torch.zeros(20)), (images(20, 1), torch.zeros(20))]


def same_state(left: nn.Module, right: nn.Module) -> bool:
    return all(map(torch.equal, left.state_dict().values(), right.state_dict().values()))


@pytest.mark.parametrize("name", NAMES)
def test_a_network_assembled_without_change_is_the_network(name: str) -> None:
    made, found = network(name), library(name).assemble(network(name).architecture)
    assert found is not made
    assert same_state(found, made)
    assert torch.equal(found(images(4)), made(images(4)))


@pytest.mark.parametrize("name", NAMES)
def test_everything_before_the_first_change_is_the_networks(name: str) -> None:
    made = network(name)
    whole = made.architecture
    last = [*whole.stages[-1][:-1], smallest(library(name).space).stages[-1][-1]]
    found = library(name).assemble(replace(whole, stages=(*whole.stages[:-1], tuple(last))))
    for path, _ in list(whole.named())[: -2 - 1]:
        assert same_state(found.get_submodule(path), made.get_submodule(path)), path


def smallest(space: SearchSpace) -> Architecture:
    macs = FactoredCost(space, Macs())
    return space.decode(macs.extremes()[0].choices).architecture


@pytest.mark.parametrize("name", NAMES)
def test_every_option_has_a_score_and_only_the_networks_own_blocks_score_zero(name: str) -> None:
    made = library(name)
    whole = dict(network(name).architecture.named())
    for path, blocks in options_of_places(made.space).items():
        for block in blocks:
            score = made.scores.block(path, block, None)  # type: ignore[arg-type]
            assert (score == 0.0) == (block == whole[path]), f"{path}: {block}: {score}"
            assert score >= 0.0
    assert cost_of(made.scores, network(name).architecture) == 0.0


@pytest.mark.parametrize("name", NAMES)
def test_random_networks_of_the_space_are_assembled(name: str) -> None:
    made = library(name)
    rows = made.space.sample(np.random.default_rng(0), 3)
    for row in rows:
        architecture = made.space.decode(row).architecture
        found = made.assemble(architecture)
        assert found.architecture == architecture
        assert not found.training
        assert 0 <= made.divergence(found) < 3.0


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_a_score_is_the_divergence_of_the_network_with_one_block_replaced(name: str) -> None:
    made, whole = library(name), network(name)
    places = places_of(whole)
    fit, score = made.images[: REFIT.images], made.images[REFIT.images :]
    for index, place in enumerate(places[1:-2], start=1):
        x = fit
        for before in places[:index]:
            x = before.module(x)
        for block in options_of_places(made.space)[place.path][:1]:
            modules = [one.module for one in places]
            modules[index] = Fitting(place, made.orders.get(place.path, {}), x, x, REFIT).module(block)
            given, found = (log_probabilities(one(score)) for one in (whole, nn.Sequential(*modules)))
            wanted = divergence(given, found)
            assert made.scores.entries[place.path, block] == pytest.approx(wanted, rel=1e-3, abs=1e-6)


def test_a_second_round_is_about_what_single_blocks_change_in_the_carved_network() -> None:
    made = library("kernels")
    base = smallest(made.space)
    carved = made.assemble(base)
    again = made.rescored(carved)
    assert again.scores.constant == pytest.approx(made.divergence(carved), rel=1e-5)
    assert cost_of(again.scores, carved.architecture) == again.scores.constant
    assert replaced(made, carved, 2) == pytest.approx(
        again.scores.entries["stages.0.1", made.network.architecture.stages[0][1]], rel=1e-3
    )
    assert same_state(again.assemble(carved.architecture), carved)
    fresh = made.rescored(made.network)
    assert fresh.scores.constant == 0.0
    assert dict(fresh.scores.entries) == pytest.approx(dict(made.scores.entries))


@torch.no_grad()
def replaced(made: Library, base: Network, index: int) -> float:
    """What the whole block at a place of a carved network changes."""
    wholes, parts = places_of(made.network), places_of(base)
    whole_x = x = made.images[: REFIT.images]
    for whole, part in zip(wholes[:index], parts[:index], strict=True):
        whole_x, x = whole.module(whole_x), part.module(x)
    place = wholes[index]
    modules = [part.module for part in parts]
    modules[index] = Fitting(place, made.orders[place.path], whole_x, x, REFIT).module(place.block)
    return made.divergence(nn.Sequential(*modules)) - made.divergence(base)  # type: ignore[arg-type]


def test_every_budget_at_once_from_one_table() -> None:
    made = library("mobilenet_v2")
    scores, macs = FactoredCost(made.space, made.scores), FactoredCost(made.space, Macs())
    answers = front(scores, [Bound(macs, float("inf"))])
    assert [a.costs[0] for a in answers] == sorted(a.costs[0] for a in answers)
    assert answers[-1].objective == 0.0
    assert made.space.decode(answers[-1].choices).architecture == network("mobilenet_v2").architecture
    assert answers[0].costs[0] == macs.extremes()[0].value


def test_additivity_is_measured_on_whole_networks_and_repeats() -> None:
    made = library("stacked")
    found = measure_additivity(made, networks=4, seed=1)
    assert found == measure_additivity(made, networks=4, seed=1)
    assert len(found.pairs) == 4
    assert found.spearman > 0


def test_nothing_outside_is_changed() -> None:
    whole = network("squeezed")
    before, state = {name: tensor.clone() for name, tensor in whole.state_dict().items()}, torch.get_rng_state()
    made = Library.of(whole, library("squeezed").space, BATCHES, images=40, refit=REFIT)
    made.assemble(smallest(made.space))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in whole.state_dict().items())
    assert all(parameter.grad is None for parameter in whole.parameters())


def test_the_same_images_give_the_same_library() -> None:
    first, second = (
        Library.of(network("groups"), library("groups").space, BATCHES, images=40, refit=REFIT) for _ in range(2)
    )
    assert dict(first.scores.entries) == dict(second.scores.entries)


def test_only_as_many_images_are_taken_as_asked_for() -> None:
    def endless() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for seed in range(3):
            yield images(20, seed), torch.zeros(20)
        raise AssertionError("read too far")

    made = Library.of(network("stacked"), library("stacked").space, endless(), images=50, refit=REFIT)
    assert len(made.images) == 50


# ---------------------------------------------------------------------- errors
def test_what_cannot_be_made_is_said_with_every_place() -> None:
    whole = network("kernels").architecture
    block = whole.stages[0][0]
    assert isinstance(block, InvertedResidual)
    wrong = replace(
        whole,
        stages=((replace(block, kernel_size=9), Skip(8, 2)), (replace(block, kernel_size=5, expansion=8),)),
        resolution=64,
    )
    with pytest.raises(InvalidValue) as caught:
        library("kernels").assemble(wrong)
    for part in ("stages.0.0", "stages.0.1", "stages.1.0", "resolution must be the trained network's 32, got 64"):
        assert part in str(caught.value)
    with pytest.raises(InvalidValue, match=r"stages\.1\.0: : is missing; put Skip"):
        library("kernels").assemble(replace(whole, stages=whole.stages[:1]))


def test_spaces_that_do_not_fit_the_network_are_refused() -> None:
    whole = network("kernels")
    first = whole.architecture.stages[0][0]
    open_kernel = replace(first, kernel_size=choice(3, 7, 9))  # type: ignore[type-var]
    stages = ((choice(open_kernel, Conv(8)), *whole.architecture.stages[0][1:]), *whole.architecture.stages[1:])
    with pytest.raises(InvalidSpace) as caught:
        Library.of(whole, SearchSpace(replace(whole.architecture, stages=stages)), BATCHES, images=40, refit=REFIT)
    assert "kernel 9" in str(caught.value)
    assert "Conv is not made of InvertedResidual" in str(caught.value)
    shallow = SearchSpace(replace(whole.architecture, stages=(prefix(whole.architecture.stages[1] * 2, 1, 2),)))
    with pytest.raises(InvalidSpace, match="open depth"):
        Library.of(whole, shallow, BATCHES, images=40, refit=REFIT)
    with pytest.raises(NotInSpace):
        Library.of(whole, library("groups").space, BATCHES, images=40, refit=REFIT)


def test_networks_in_training_and_missing_images_are_refused() -> None:
    training = Network(network("groups").architecture)
    strange = Network(replace(training.architecture, classifier=Conv(5, 1)))
    with pytest.raises(InvalidValue, match="the classifier must be a linear layer, got Sequential"):
        Library.of(strange.eval(), library("groups").space, BATCHES, images=40, refit=REFIT)
    with pytest.raises(InvalidValue, match=r"call eval\(\)") as caught:
        Library.of(training, library("groups").space, BATCHES, images=20, refit=REFIT)
    assert "images must be above refit.images, got 20 and 24" in str(caught.value)
    with pytest.raises(InvalidValue, match="hold 40 images, 41 are asked for"):
        Library.of(training.eval(), library("groups").space, BATCHES, images=41, refit=REFIT)
    small = [(torch.zeros(40, 3, 8, 8), torch.zeros(40))]
    with pytest.raises(InvalidValue, match="images must be 3x32x32, got 3x8x8"):
        Library.of(training.eval(), library("groups").space, small, images=40, refit=REFIT)
    with pytest.raises(NotMeasured, match="no score of Conv"):
        library("groups").scores.block("stages.0.0", Conv(8), None)  # type: ignore[arg-type]
    with pytest.raises(InvalidValue) as several:
        Refit(images=0, ridge=0.0)
    assert "images must be" in str(several.value)
    assert "ridge must be above 0" in str(several.value)


def test_applied_in_chunks_is_applied_at_once() -> None:
    module = network("groups").stem
    torch.testing.assert_close(applied(module, images(21), 8), module(images(21)))


def test_carve_space_is_the_default_of_the_page() -> None:
    assert carve_space(network("mobilenet_v2").architecture).size() > 10**6
