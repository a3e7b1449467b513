from __future__ import annotations

import copy
import itertools
from typing import Any

import pytest
import torch
from tests.nets.masked_reference import CLASSES, masked_space, naive_forward, soft_weights, supernet_of
from torch import Tensor, nn

from sculptnet.arch import Architecture, SearchSpace, between, choice, prefix, same
from sculptnet.blocks import Bottleneck, Classifier, Conv, InvertedResidual, MBPool, PooledConv, Skip
from sculptnet.errors import InvalidSpace, InvalidValue, NotInSpace
from sculptnet.nets import MaskedSupernet, Network, initialise, subsampled, weights_of
from sculptnet.nets.masked_maps import expanded, places
from sculptnet.streams import stream

HEADS = (PooledConv(12), MBPool(12, 2))


def images_of(size: int = 16, batch: int = 3) -> Tensor:
    return torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(1))


def architectures(space: SearchSpace, count: int) -> list[Architecture]:
    return [space.decode(row).architecture for row in space.sample(stream(0, "test/rows"), count)]


def difference(left: Tensor, right: Tensor) -> float:
    """The largest difference, relative to the largest number."""
    return float(((left - right).abs().max() / right.abs().max()).detach())


def plain(stage: Any, stem: Any = None, resolution: Any = 8) -> SearchSpace:
    return SearchSpace(Architecture(resolution, stem or Conv(8, 3, 2), stage, PooledConv(8), Classifier(CLASSES)))


# ---------------------------------------------------------------------- the subnet
@pytest.mark.parametrize("head", HEADS, ids=["pooled", "mbpool"])
@pytest.mark.parametrize("training", [False, True])
def test_one_hot_weights_compute_what_the_subnet_computes(head: Any, training: bool) -> None:
    space = masked_space(head=head)
    supernet, images = supernet_of(space).train(training), images_of()
    for architecture in architectures(space, 8):
        subnet = supernet.subnet(architecture)
        expected = subnet(subsampled(images, architecture.resolution))
        assert difference(supernet(images, weights_of(space, architecture)), expected) < 1e-5


def test_a_subnet_is_a_copy_in_the_networks_own_structure() -> None:
    space = masked_space()
    supernet, (architecture,) = supernet_of(space).to(memory_format=torch.channels_last), architectures(space, 1)
    before = torch.get_rng_state()
    subnet = supernet.subnet(architecture)
    assert torch.equal(torch.get_rng_state(), before)
    state, expected = subnet.state_dict(), Network(architecture).state_dict()
    assert [(name, tensor.shape) for name, tensor in state.items()] == [(n, t.shape) for n, t in expected.items()]
    assert {p.data_ptr() for p in subnet.parameters()}.isdisjoint({p.data_ptr() for p in supernet.parameters()})
    assert subnet.stem[0].weight.is_contiguous(memory_format=torch.channels_last)  # type: ignore[index]


def test_a_copy_of_a_supernet_computes_the_same() -> None:
    space = masked_space(resolution=8)
    supernet, weights = supernet_of(space), soft_weights(space, 4)
    assert torch.equal(copy.deepcopy(supernet)(images_of(8), weights), supernet(images_of(8), weights))


# ---------------------------------------------------------------------- one branch per choice
@pytest.mark.parametrize("head", HEADS, ids=["pooled", "mbpool"])
@pytest.mark.parametrize("training", [False, True])
def test_values_and_gradients_are_those_of_one_branch_per_choice(head: Any, training: bool) -> None:
    space = masked_space(head=head)
    supernet = supernet_of(space).double().train(training)
    images, found = images_of().double(), []
    for forward in (supernet, lambda *given: naive_forward(copy.deepcopy(supernet), *given)):
        weights = {path: vector.requires_grad_() for path, vector in soft_weights(space, 5).items()}
        logits = forward(images, weights)
        (logits * torch.arange(CLASSES)).square().sum().backward()
        found.append((logits, {path: vector.grad for path, vector in weights.items()}))
    (ours, our_gradients), (naive, naive_gradients) = found
    assert difference(ours, naive) < 1e-12
    for path, gradient in naive_gradients.items():
        assert gradient is not None
        own = our_gradients[path]
        assert own is not None
        assert difference(own, gradient) < 1e-9, path


def test_gradients_of_the_networks_weights_are_those_of_one_branch_per_choice() -> None:
    space = masked_space(resolution=8)
    supernet, weights, images = supernet_of(space).double().train(), soft_weights(space, 6), images_of(8).double()
    twin = copy.deepcopy(supernet)
    supernet(images, weights).square().sum().backward()
    naive_forward(twin, images, weights).square().sum().backward()  # type: ignore[no-untyped-call]
    for (name, ours), theirs in zip(supernet.named_parameters(), twin.parameters(), strict=True):
        assert ours.grad is not None
        assert theirs.grad is not None
        assert float((ours.grad - theirs.grad).abs().max()) < 1e-9 * max(1.0, float(theirs.grad.abs().max())), name


def test_a_layer_is_computed_once_however_many_widths_there_are() -> None:
    counts = []
    for step in (8, 1):
        space = plain(((InvertedResidual(between(8, 16, step), 3, between(1, 2, 1 / step)),),))
        supernet, ran = supernet_of(space), list[nn.Module]()
        for layer in supernet.modules():
            if isinstance(layer, nn.Conv2d):
                layer.register_forward_hook(lambda layer, _, y, ran=ran: ran.append(layer))
        supernet(images_of(8), soft_weights(space, 0))
        counts.append(len(ran))
    assert counts == [5, 5]  # stem, three of the block, head


# ---------------------------------------------------------------------- masks and batch norm
def test_a_mask_in_front_of_batch_norm_gets_no_gradient_and_ours_does() -> None:
    space = plain(((Conv(8),),), stem=Conv(between(4, 16, 4), 3, 2))
    images, gradients = 10 * images_of(8, 16).double(), []
    for in_front in (True, False):
        supernet = supernet_of(space).double().train()
        weights = {path: vector.requires_grad_() for path, vector in soft_weights(space, 3).items()}
        used = weights
        if in_front:  # the same mask, moved, and all ones where ours stands
            ((sizes, width),) = supernet._masks
            mask = sizes.mask(weights, width)[:, None, None]
            supernet.stem.get_submodule("bn").register_forward_pre_hook(lambda _, x, mask=mask: (x[0] * mask,))
            used = {path: torch.eye(len(vector), dtype=torch.float64)[-1] for path, vector in weights.items()}
        supernet(images, used).square().sum().backward()
        (gradient,) = [vector.grad for vector in weights.values()]
        assert gradient is not None
        gradients.append(float((gradient - gradient.mean()).norm()))
    assert gradients[1] > 0
    assert gradients[0] < 1e-2 * gradients[1]


def test_channels_that_are_not_there_are_zero_behind_the_mask() -> None:
    space = plain(((InvertedResidual(between(4, 12, 4), 3, 2),),))
    supernet = supernet_of(space)
    with torch.no_grad():
        for layer in supernet.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.bias.fill_(1.0)  # in front of it, zeros would become this
    seen: list[Tensor] = []
    supernet.head.register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    (path,) = space.decisions
    supernet(images_of(8), {path: torch.tensor([0.0, 1.0, 0.0])})
    assert (seen[0][:, :8] != 0).any(dim=(0, 2, 3)).all()
    assert (seen[0][:, 8:] == 0).all()


# ---------------------------------------------------------------------- residuals
def test_the_input_is_kept_with_the_probability_that_widths_agree() -> None:
    layers = (
        InvertedResidual(between(4, 12, 4), 3, 1, 1),
        choice(Skip(between(8, 16, 4)), Conv(same("stages.0.1[0].out_channels"))),
    )
    space = plain((layers,), stem=Conv(4, 3, 2))
    supernet = supernet_of(space).double()
    before, after = torch.tensor([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]], dtype=torch.float64)
    weights = dict(zip(space.decisions, (before, torch.tensor([1.0, 0.0]), after), strict=True))
    assert [*weights] == ["stages.0.0.out_channels", "stages.0.1", "stages.0.1[0].out_channels"]
    seen: dict[str, Tensor] = {}
    skip = supernet.get_submodule("stages.0.1.0")
    skip.register_forward_hook(lambda _, x, y: seen.update(x=x[0], y=y))
    supernet.head.register_forward_pre_hook(lambda _, x: seen.update(out=x[0]))
    supernet(images_of(8).double(), weights)
    agree = 0.3 * 0.6 + 0.5 * 0.3
    kept = torch.cat([seen["x"] * agree, torch.zeros_like(seen["x"][:, :4])], dim=1)
    projected = torch.tensor([0.6 * 0.7 + 0.3 * 0.5 + 0.1] * 8 + [0.3 * 0.5 + 0.1] * 4 + [0.1] * 4, dtype=torch.float64)
    assert torch.allclose(seen["out"], kept + seen["y"] * projected[:, None, None], rtol=1e-12)


def test_layers_of_one_shared_width_always_add_their_input() -> None:
    tied = InvertedResidual(same("stages.0.0.out_channels"), 3, 2)
    space = plain(((InvertedResidual(between(4, 8, 4), 3, 2), tied),))
    supernet = supernet_of(space, residuals=True)
    assert supernet._places[2].candidates[0].kept is not None
    assert supernet._places[2].candidates[0].kept.table.tolist() == 1
    assert (
        difference(*(f(images_of(8), soft_weights(space, 1)) for f in (supernet, lambda *g: _naive(supernet, *g)))) < 1
    )


def _naive(supernet: MaskedSupernet, images: Tensor, weights: dict[str, Tensor]) -> Tensor:
    return naive_forward(supernet, images, weights)


# ---------------------------------------------------------------------- resolutions
def test_pixels_go_back_to_where_they_came_from() -> None:
    for size, full in ((4, 8), (6, 8), (5, 7), (8, 8)):
        x = torch.rand(2, 3, size, size) + 1
        assert torch.equal(subsampled(expanded(x, full), size), x)
        assert int((expanded(x, full) != 0).sum()) == x.numel()
    assert places(6, 8).tolist() == [0, 1, 2, 4, 5, 6]


def test_pixels_stay_aligned_through_strides() -> None:
    for low, high in ((128, 288), (160, 288), (224, 288), (24, 32)):
        small, full = low, high
        while full > 9 and full % 2 == 0 and small % 2 == 0:
            halved = places(small // 2, full // 2)
            moved = (places(small, full)[::2].double() / 2 - halved).abs().max()
            assert moved <= 0.5  # of a pixel: rounding alone
            small, full = small // 2, full // 2


def test_a_low_resolution_sees_its_own_neighbours_and_no_other_pixel() -> None:
    space = plain(((InvertedResidual(8, 3, 2),),), stem=Conv(4, 3), resolution=between(8, 16, 8))
    supernet, images = supernet_of(space), images_of(16)
    low = {"resolution": torch.tensor([1.0, 0.0])}
    others = images.clone() + 100
    others[:, :, ::2, ::2] = images[:, :, ::2, ::2]
    assert torch.equal(supernet(images, low), supernet(others, low))


def test_resolutions_at_once_run_the_largest_weights_by_their_share() -> None:
    space = masked_space()
    all_at_once = supernet_of(space)
    weights, ran = soft_weights(space, 2) | {"resolution": torch.tensor([0.5, 0.2, 0.3]).double()}, list[int]()
    for count, expected in ((1, [1.0, 0.0, 0.0]), (2, [0.625, 0.0, 0.375]), (3, [0.5, 0.2, 0.3])):
        supernet = MaskedSupernet(space, resolutions_at_once=count).eval()
        supernet.load_state_dict(all_at_once.state_dict())
        hook = supernet.stem.register_forward_hook(lambda _, x, y: ran.append(x[0].shape[-1]))
        given = weights | {"resolution": torch.tensor(expected).double()}
        assert difference(supernet(images_of(), weights), all_at_once(images_of(), given)) < 1e-6
        hook.remove()
    assert ran == [8, 8, 16, 8, 12, 16]


def test_two_resolutions_run_where_their_weights_learn() -> None:
    space = masked_space()
    supernet = supernet_of(space, resolutions_at_once=1)
    weights = soft_weights(space, 2) | {"resolution": torch.tensor([0.5, 0.2, 0.3], requires_grad=True)}
    supernet(images_of(), weights).square().sum().backward()
    gradient = weights["resolution"].grad
    assert gradient is not None
    assert [bool(value != 0) for value in gradient] == [True, False, True]


# ---------------------------------------------------------------------- candidates
def test_candidates_of_weight_zero_are_not_run() -> None:
    space = masked_space(resolution=8)
    supernet, weights, ran = supernet_of(space), soft_weights(space, 0), list[str]()
    for position, index in itertools.product(range(3), repeat=2):
        name = f"stages.1.{position}.{index}"
        supernet.get_submodule(name).register_forward_hook(lambda *_, name=name: ran.append(name))
    for layer in ("project", "expand"):
        for index in range(2):
            module = supernet.get_submodule(f"stages.1.0.{index}.body.{layer}")
            module.register_forward_hook(lambda *_, name=f"{layer} {index}": ran.append(name))
    supernet(images_of(8), weights | {"stages.1.0": torch.tensor([0.0, 1.0, 0.0])})
    assert [name for name in ran if " " in name] == ["expand 1", "project 1"]
    assert "stages.1.0.2" not in ran
    assert "stages.1.1.2" in ran


def test_shared_decisions_are_widths_and_expansions() -> None:
    space = masked_space()
    shared = MaskedSupernet(space).shared
    assert "stem.out_channels" in shared
    assert "stages.1.0[0].expansion" in shared
    assert set(space.decisions) - set(shared) == {"resolution", "stages.1.0", "stages.1.1", "stages.1.2"}


def test_names_are_paths_then_candidate_numbers() -> None:
    names = {name for name, _ in MaskedSupernet(masked_space()).named_parameters()}
    assert {"stem.conv.weight", "stages.0.0.body.project.conv.weight", "stages.1.1.1.body.expand.bn.bias"} <= names


def test_candidates_may_have_widths_of_their_own() -> None:
    layers = (choice(Conv(4), InvertedResidual(between(4, 8, 2), 3, 2)), InvertedResidual(8, 3, 2))
    space = plain((layers,))
    supernet, images = supernet_of(space), images_of(8)
    for row in itertools.product(range(2), range(3)):
        architecture = space.decode(space.canonical([row])[0]).architecture
        expected = supernet.subnet(architecture)(images)
        assert difference(supernet(images, weights_of(space, architecture)), expected) < 1e-5


# ---------------------------------------------------------------------- errors
@pytest.mark.parametrize(
    ("stage", "message"),
    [
        (
            (InvertedResidual(between(12, 24, 6), 3, 2, groups=4),),
            r"stages\.0\.0: output widths 18 are no multiples of its 4 groups",
        ),
        (
            (InvertedResidual(between(8, 16, 8), 3, 2, groups=4),),
            r"stages\.0\.0: open widths need groups=1, got 4; the first channels are no prefix of each group",
        ),
        (
            (InvertedResidual(8, choice(3, 5), 2),),
            r"stages\.0\.0: kernel_size open; masks make widths alone .*choice\(block, block",
        ),
        (
            prefix((InvertedResidual(8), InvertedResidual(8)), 1, 2),
            r"stages\.0 has open depth; let layers be skipped",
        ),
        (
            (InvertedResidual(8, 3, between(1, 2, 1), expand_at_1=False),),
            r"stages\.0\.0: some widths leave out the first convolution, others do not; set expand_at_1=True",
        ),
        (
            (Conv(between(8, 16, 8)), Bottleneck(16)),
            r"stages\.0\.1: Bottleneck for 8, 16 channels; those that can be masked: Conv, InvertedResidual, Skip",
        ),
        ((choice(choice(Conv(8), Conv(8, 5)), Conv(8, 1)),), r"stages\.0\.0\[0\] is a choice within a choice"),
    ],
)
def test_what_cannot_be_masked_is_said_with_its_place(stage: Any, message: str) -> None:
    with pytest.raises(InvalidSpace, match=message):
        MaskedSupernet(plain((stage,)))


def test_a_residual_demanded_between_different_widths_is_refused() -> None:
    layers = (InvertedResidual(between(8, 16, 8), 3, 2), InvertedResidual(between(8, 16, 8), 5, 2))
    space = plain((layers,))
    MaskedSupernet(space)
    with pytest.raises(InvalidSpace, match=r"stages\.0\.1 must add its input, but the widths .*same\("):
        MaskedSupernet(space, residuals=True)


def test_resolutions_that_vanish_are_refused() -> None:
    layers = tuple(InvertedResidual(8, 3, 2, 2) for _ in range(3))
    space = plain((layers,), resolution=between(4, 16, 4))
    with pytest.raises(InvalidSpace, match=r"3 problems") as caught:
        MaskedSupernet(space)
    for part in (
        "stages.0.1: stride 2 reduces a map of 1x1 below one pixel at resolution 4",
        "stages.0.2: stride 2 reduces a map of 1x1 below one pixel at resolution 4",
        "stages.0.2: stride 2 reduces a map of 1x1 below one pixel at resolution 8",
    ):
        assert part in str(caught.value)


def test_wrong_weights_are_refused_and_all_named() -> None:
    space = masked_space()
    weights = soft_weights(space, 0)
    del weights["stem.out_channels"]
    weights |= {"stages.1.0": torch.ones(2), "elsewhere": torch.ones(3), "resolution": torch.zeros(3)}
    with pytest.raises(InvalidValue, match=r"5 problems") as caught:
        MaskedSupernet(space)(images_of(12), weights)
    for part in (
        "no weights for stem.out_channels",
        "elsewhere is no decision",
        "stages.1.0 has 3 options, its weights have shape (2,)",
        "all weights of resolution are 0",
        "images are 12x12 pixels, the space's highest resolution is 16",
    ):
        assert part in str(caught.value)


def test_a_number_of_resolutions_below_one_is_refused() -> None:
    with pytest.raises(InvalidValue, match="resolutions_at_once must be at least 1, or None for all, got 0"):
        MaskedSupernet(masked_space(), resolutions_at_once=0)


def test_an_architecture_of_another_space_is_refused() -> None:
    space = masked_space()
    other = Architecture(8, Conv(5), ((Conv(8),),), PooledConv(8), Classifier(CLASSES))
    with pytest.raises(NotInSpace):
        supernet_of(space).subnet(other)


def test_initialisation_depends_on_the_seed_alone() -> None:
    first, second = (MaskedSupernet(masked_space()) for _ in range(2))
    for supernet in (first, second):
        initialise(supernet, 3)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
