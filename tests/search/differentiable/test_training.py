from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from tests.process import state_of_the_process
from torch import Tensor
from torch.nn.functional import cross_entropy

from sculptnet.arch import Architecture, Block, SearchSpace, TensorShape, choice
from sculptnet.blocks import Classifier, Conv, InvertedResidual, PooledConv, Skip
from sculptnet.cost import FactoredCost, Reduce
from sculptnet.errors import TrainingDiverged
from sculptnet.learn import open_machine
from sculptnet.learn.training import Position
from sculptnet.nets import MixedSupernet
from sculptnet.search.differentiable.loss import gumbel_noise, sampled
from sculptnet.search.differentiable.training import Alternating, Constants, SearchTraining

SLOT: Block = choice(InvertedResidual(8, 1, 2), InvertedResidual(8, 3, 2), Skip(8))
SPACE = SearchSpace(Architecture(8, Conv(8, 1), ((SLOT, SLOT),), PooledConv(16), Classifier(3)))
PRICES_MS = (1.0, 4.0, 0.1)  # of the candidates
CONSTANTS = Constants(
    seed=0,
    epochs=3,
    warmup_epochs=1,
    tau=5.0,
    tau_decay=0.5,
    alpha=0.2,
    beta=0.6,
    weight_learning_rate=0.1,
    weight_momentum=0.9,
    weight_decay=1e-4,
    theta_learning_rate=0.01,
    theta_betas=(0.9, 0.999),
    theta_weight_decay=5e-4,
    branches=None,
    label_smoothing=0.0,
)


@dataclass(frozen=True)
class Milliseconds:
    """`PRICES_MS` for the candidates, nothing for other blocks, 1 ms for each network."""

    name: str = "latency_ms@made-up"
    constant: float = 1.0
    reduce: Reduce = Reduce.SUM

    def block(self, path: str, block: Block, shape: TensorShape) -> float:
        if isinstance(block, InvertedResidual):
            return PRICES_MS[1] if block.kernel_size == 3 else PRICES_MS[0]
        return PRICES_MS[2] if isinstance(block, Skip) else 0.0


@dataclass(frozen=True)
class Noise:
    """Two steps an epoch."""

    steps_per_epoch: int = 2

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        yield from (batch() for _ in range(start_step, 2))


def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(8, 3, 8, 8, generator=generator), torch.randint(3, (8,), generator=generator)


def training(branches: int | None, *, factored: bool = True) -> SearchTraining:
    cost = FactoredCost(SPACE, Milliseconds()) if factored else None
    constants = replace(CONSTANTS, branches=branches)
    batches = Alternating(Noise(), Noise(), constants.warmup_epochs)
    state = SearchTraining(MixedSupernet(SPACE), cost, constants, batches, open_machine(), channels_last=False)
    state.network.train()
    return state


def loss_of(state: SearchTraining) -> float:
    """The loss of one step."""
    step = state.position.step
    state.step(*batch())
    return float(state.losses[step])


@pytest.mark.parametrize("step", [1, 3], ids=["weights", "theta"])
@pytest.mark.parametrize("branches", [None, 2])
def test_the_loss_is_the_published_product(step: int, branches: int | None) -> None:
    state, twin = training(branches), training(branches)
    state.position = Position(epoch=1, step=step)
    images, labels = batch()
    index = 1 * (2 + 2) + step  # of all steps: every step draws noise of its own
    theta = {path: vector.detach() for path, vector in twin.theta.items()}
    weights = sampled(theta, gumbel_noise(theta, 0, index), 5.0 * 0.5, branches)
    latency_us = 1000 * (1.0 + sum(float(vector @ torch.tensor(PRICES_MS).double()) for vector in weights.all.values()))
    entropy = cross_entropy(twin.supernet(images, weights.run), labels).item()
    assert loss_of(state) == pytest.approx(entropy * 0.2 * np.log(latency_us) ** 0.6, rel=1e-6)


def test_without_an_additive_limit_the_loss_is_the_cross_entropy() -> None:
    state, twin = training(1, factored=False), training(1, factored=False)
    images, labels = batch()
    theta = {path: vector.detach() for path, vector in twin.theta.items()}
    logits = twin.supernet(images, sampled(theta, gumbel_noise(theta, 0, 0), 5.0, 1).run)
    assert loss_of(state) == pytest.approx(cross_entropy(logits, labels).item(), rel=1e-6)


@pytest.mark.parametrize("branches", [None, 1, 2])
def test_each_phase_changes_its_own_half(branches: int | None) -> None:
    state = training(branches)
    for step, moved in ((0, False), (2, True)):
        state.position = Position(epoch=1, step=step)
        theta = {path: vector.detach().clone() for path, vector in state.theta.items()}
        weights = [parameter.detach().clone() for parameter in state.supernet.parameters()]
        state.step(*batch())
        assert all(torch.equal(theta[p], v) for p, v in state.theta.items()) is not moved
        same = [torch.equal(old, new) for old, new in zip(weights, state.supernet.parameters(), strict=True)]
        assert all(same) is moved


@pytest.mark.parametrize(("branches", "trained"), [(1, 1), (2, 2), (None, 3)])
def test_weights_of_candidates_that_did_not_run_stay_as_they_are(branches: int | None, trained: int) -> None:
    state = training(branches)
    before = {name: tensor.clone() for name, tensor in state.supernet.state_dict().items()}
    state.step(*batch())
    after = state.supernet.state_dict()
    changed = {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}
    for path, node in state.supernet.space.decisions.items():
        learns = [k for k in range(len(node.options)) if any(name.startswith(f"{path}.{k}.") for name in changed)]
        skips = 1 if trained > len(learns) else 0  # a skip has no weights
        assert len(learns) + skips == trained


def test_a_theta_step_compares_two_candidates_where_weights_train_one() -> None:
    state = training(1)
    ran: list[str] = []
    assert isinstance(state.supernet, MixedSupernet)
    for path, slot in state.supernet.slots():
        if path in state.theta:
            for block in slot.children():
                block.register_forward_hook(lambda *_, at=path: ran.append(at))
    state.position = Position(epoch=1, step=2)
    state.step(*batch())
    assert [ran.count(path) for path in state.theta] == [2, 2]


def test_batch_norm_hides_a_single_path_from_theta() -> None:
    """Why one path with a straight-through factor is no substitute for comparing two."""
    slot: Block = choice(Conv(8, 1), Conv(8, 3))
    space = SearchSpace(Architecture(8, Conv(8, 1), ((slot, Conv(8, 3)),), PooledConv(16), Classifier(3)))
    supernet, (images, labels) = MixedSupernet(space).double(), batch()
    theta = {path: torch.zeros(2, dtype=torch.float64, requires_grad=True) for path in space.decisions}
    both = sampled(theta, gumbel_noise(theta, 0, 0), 1.0, 2)
    single = {path: (m > 0.5).double() * (1 + m - m.detach()) for path, m in both.all.items()}
    sizes = []
    for weights in (single, both.run):
        loss = cross_entropy(supernet(images.double(), weights), labels)
        sizes.append(torch.autograd.grad(loss, list(theta.values()), retain_graph=True)[0].abs().max().item())
    assert sizes[0] < 1e-3 * sizes[1]


def test_the_learning_rate_of_the_weights_falls_to_0_over_all_epochs() -> None:
    state, rates = training(1), []
    for epoch, step in itertools.product(range(3), range(2)):
        state.position = Position(epoch=epoch, step=step)
        state.step(*batch())
        rates.append(state.weight_optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([0.1 * 0.5 * (1 + np.cos(np.pi * i / 6)) for i in range(6)])


def test_a_search_leaves_the_process_as_it_found_it() -> None:
    state = training(1)
    before = state_of_the_process()
    for step in (0, 2):
        state.position = Position(epoch=1, step=step)
        state.step(*batch())
    assert state_of_the_process() == before


def test_bfloat16_leaves_weights_and_theta_as_they_are() -> None:
    for step in (0, 2):
        exact, rounded = training(2), training(2)
        rounded.machine = open_machine("cpu", "bf16")
        exact.position, rounded.position = Position(epoch=1, step=step), Position(epoch=1, step=step)
        losses = loss_of(exact), loss_of(rounded)
        assert losses[0] == pytest.approx(losses[1], rel=0.02)
        assert losses[0] != losses[1]
        assert {parameter.dtype for parameter in rounded.supernet.parameters()} == {torch.float32}
        assert {vector.dtype for vector in rounded.theta.values()} == {torch.float64}


@pytest.mark.parametrize(("step", "what"), [(0, "weights"), (2, "theta")])
def test_what_the_last_step_broke_is_named(step: int, what: str) -> None:
    """Its own loss was finite, and no other step follows."""
    state = training(None)
    state.position = Position(epoch=2, step=step)
    state.step(*batch())
    broken = next(iter(state.theta.values())) if what == "theta" else next(state.supernet.parameters())
    with torch.no_grad():
        broken.fill_(torch.inf)
    with pytest.raises(TrainingDiverged, match=rf"after the last step \S+ is not finite; lower {what[:5]}\w*_learning"):
        state.end_epoch()
