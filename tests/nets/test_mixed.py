from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from sculptnet import spaces
from sculptnet.arch import Architecture, SearchSpace, between, choice, prefix
from sculptnet.blocks import Classifier, Conv, InvertedResidual, PooledConv, Skip
from sculptnet.errors import InvalidSpace, InvalidValue, NotInSpace
from sculptnet.nets import MixedSupernet, Network, initialise, weights_of
from sculptnet.nets.mixed import Candidates
from sculptnet.streams import stream

IMAGES = torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def small_space() -> SearchSpace:
    def slot(width: int, stride: int = 1) -> Conv:
        return choice(InvertedResidual(width, 3, 2, stride), InvertedResidual(width, 5, 1, stride), Skip(width, stride))  # type: ignore[return-value]

    stages = ((slot(8), slot(8)), (InvertedResidual(16, 3, 2, 2), slot(16)))
    return SearchSpace(Architecture(8, Conv(8, 3, 2), stages, PooledConv(24), Classifier(5)))


def supernet_of(space: SearchSpace) -> MixedSupernet:
    supernet = MixedSupernet(space)
    initialise(supernet, 0)
    with torch.no_grad():
        for _ in range(3):  # batch-norm statistics that are not the initial ones
            supernet(torch.randn(8, 3, 8, 8), soft_weights(space, 3))
    return supernet


def soft_weights(space: SearchSpace, seed: int) -> dict[str, Tensor]:
    rng = stream(seed, "test/weights")
    return {
        path: torch.tensor(rng.dirichlet([1.0] * len(node.options)), dtype=torch.float32)
        for path, node in space.decisions.items()
    }


def architectures(space: SearchSpace, count: int) -> list[Architecture]:
    return [space.decode(row).architecture for row in space.sample(stream(0, "test/rows"), count)]


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_one_hot_weights_compute_bit_for_bit_what_the_subnet_computes(memory_format: torch.memory_format) -> None:
    space = small_space()
    supernet = supernet_of(space).to(memory_format=memory_format).eval()
    images = IMAGES.to(memory_format=memory_format)
    for architecture in architectures(space, 8):
        assert torch.equal(supernet(images, weights_of(space, architecture)), supernet.subnet(architecture)(images))


def test_fbnet_one_hot_is_bit_equal_to_its_subnet() -> None:
    space = spaces.fbnet(10, 32, width=0.35)
    supernet = MixedSupernet(space).eval()
    images = torch.randn(2, 3, 32, 32)
    for architecture in architectures(space, 2):
        assert torch.equal(supernet(images, weights_of(space, architecture)), supernet.subnet(architecture)(images))


def test_a_one_that_carries_a_gradient_is_multiplied_without_changing_a_bit() -> None:
    space = small_space()
    supernet, (architecture,) = supernet_of(space).eval(), architectures(space, 1)
    weights = {path: vector.requires_grad_() for path, vector in weights_of(space, architecture).items()}
    assert torch.equal(supernet(IMAGES, weights), supernet.subnet(architecture)(IMAGES))


def test_a_slot_is_the_weighted_sum_of_its_candidates() -> None:
    space = small_space()
    supernet, weights = supernet_of(space).eval(), soft_weights(space, 7)
    x = supernet.stem(IMAGES)
    for path, module in list(supernet.slots())[1:-2]:
        if isinstance(module, Candidates):
            x = torch.stack([w * block(x) for w, block in zip(weights[path], module, strict=True)]).sum(0)
        else:
            x = module(x)
    assert torch.allclose(supernet(IMAGES, weights), supernet.classifier(supernet.head(x)), rtol=1e-6, atol=1e-7)


def test_candidates_of_weight_zero_are_not_run() -> None:
    space = small_space()
    supernet, (architecture,) = MixedSupernet(space), architectures(space, 1)
    ran: list[str] = []
    for path, slot in supernet.slots():
        for index, block in enumerate(slot if isinstance(slot, Candidates) else ()):
            block.register_forward_hook(lambda *_, name=f"{path}.{index}": ran.append(name))
    supernet(IMAGES, weights_of(space, architecture))
    row = space.encode(architecture)
    assert ran == [f"{path}.{index}" for path, index in zip(space.decisions, row, strict=True)]


def test_the_gradient_of_a_weight_is_the_inner_product_with_the_candidates_output() -> None:
    space = small_space()
    supernet = supernet_of(space).eval().double()
    weights = {path: vector.double().requires_grad_() for path, vector in soft_weights(space, 2).items()}
    value = supernet(IMAGES.double(), weights).square().sum()
    value.backward()
    path, step = "stages.1.1", 1e-6
    gradient = weights[path].grad
    assert gradient is not None
    for k in range(3):
        sides = []
        for sign in (-1, 1):
            moved = {p: v.detach().clone() for p, v in weights.items()}
            moved[path][k] += sign * step
            sides.append(supernet(IMAGES.double(), moved).square().sum().item())
        assert float(gradient[k]) == pytest.approx((sides[1] - sides[0]) / (2 * step), rel=1e-5)


def test_an_identity_skip_hands_its_input_on_without_a_copy() -> None:
    space = small_space()
    slot = dict(MixedSupernet(space).slots())["stages.0.0"]
    assert isinstance(slot, Candidates)
    x = torch.randn(2, 8, 4, 4)
    assert slot.mixed(x, torch.tensor([0.0, 0.0, 1.0]), [0.0, 0.0, 1.0]) is x


def test_names_are_paths_then_candidate_numbers() -> None:
    space = small_space()
    names = {name for name, _ in MixedSupernet(space).named_modules()}
    assert {f"stages.0.1.{k}" for k in range(3)} <= names
    assert "stages.1.0.body" in names  # not open: a plain block


def test_a_subnet_is_a_copy_and_has_the_networks_own_structure() -> None:
    space = small_space()
    supernet, (architecture,) = supernet_of(space), architectures(space, 1)
    subnet = supernet.subnet(architecture)
    assert list(subnet.state_dict()) == list(Network(architecture).state_dict())
    assert {p.data_ptr() for p in subnet.parameters()}.isdisjoint({p.data_ptr() for p in supernet.parameters()})
    assert subnet.training
    assert all(not parameter.is_meta for parameter in subnet.parameters())


def test_a_subnet_draws_nothing_from_the_global_generator() -> None:
    space = small_space()
    supernet, (architecture,) = MixedSupernet(space), architectures(space, 1)
    before = torch.get_rng_state()
    supernet.subnet(architecture)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_weights_of_an_architecture_are_one_hot_at_its_choices() -> None:
    space = small_space()
    for row in space.sample(stream(0, "test/rows"), 5):
        weights = weights_of(space, space.decode(row).architecture)
        assert list(weights) == list(space.decisions)
        assert [int(vector.argmax()) for vector in weights.values()] == row.tolist()
        assert all(sorted(vector.tolist()) == [0.0, 0.0, 1.0] for vector in weights.values())


# ---------------------------------------------------------------------- errors
def test_other_open_decisions_are_refused_and_all_named() -> None:
    open_depth = prefix((InvertedResidual(8, choice(3, 5)), InvertedResidual(8)), 1, 2)
    template = Architecture(between(8, 16, 8), Conv(8), (open_depth,), PooledConv(8), Classifier(3))
    with pytest.raises(InvalidSpace, match=r"resolution, stages\.0\.depth, stages\.0\.0\.kernel_size.*choice\(block"):
        MixedSupernet(SearchSpace(template))


def test_candidates_of_different_widths_are_refused() -> None:
    template = Architecture(
        8, Conv(8), ((choice(Conv(8), Conv(12)), choice(Conv(4), Conv(6))),), PooledConv(8), Classifier(3)
    )
    with pytest.raises(
        InvalidSpace, match=r"2 problems\n.*stages\.0\.0 give 8x8x8 or 12x8x8;.*\n.*stages\.0\.1 give 4x"
    ):
        MixedSupernet(SearchSpace(template))


def test_wrong_weights_are_refused_and_all_named() -> None:
    space = small_space()
    weights = soft_weights(space, 0)
    del weights["stages.0.1"]
    weights |= {"stages.0.0": torch.ones(2), "stages.9.9": torch.ones(3)}
    with pytest.raises(InvalidValue, match=r"3 problems") as caught:
        MixedSupernet(space)(IMAGES, weights)
    for part in ("no weights for stages.0.1", "stages.9.9 is no decision", "stages.0.0 has 3 candidates", "shape (2,)"):
        assert part in str(caught.value)


def test_a_slot_without_any_weight_is_refused() -> None:
    space = small_space()
    weights = soft_weights(space, 0) | {"stages.0.1": torch.zeros(3)}
    with pytest.raises(InvalidValue, match=r"stages\.0\.1.*are 0; at least one candidate must run"):
        MixedSupernet(space)(IMAGES, weights)


def test_an_architecture_of_another_space_is_refused() -> None:
    space = small_space()
    other = replace(architectures(space, 1)[0], stem=Conv(8, 5, 2))
    with pytest.raises(NotInSpace, match="stem"):
        MixedSupernet(space).subnet(other)
