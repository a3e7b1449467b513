from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sculptnet import spaces
from sculptnet.arch import Architecture, SearchSpace, choice, prefix
from sculptnet.blocks import Bottleneck, Classifier, Conv, InvertedResidual, PooledConv, Skip, SqueezeExcite
from sculptnet.errors import InvalidSpace, InvalidValue, NotInSpace
from sculptnet.nets import ElasticSupernet, Network, initialise, largest, set_dropout, smallest
from sculptnet.streams import stream

SIZES = (12, 16)


def mobilenet() -> SearchSpace:
    return spaces.ofa_mobilenet_v3(5, 16, width=0.25, resolutions=SIZES, depths=(1, 2), expansions=(2, 3, 4))


def proxyless() -> SearchSpace:
    return spaces.ofa_proxyless(5, 16, width=0.25, resolutions=SIZES, depths=(1, 2), expansions=(2, 3, 4))


def resnet() -> SearchSpace:
    return spaces.ofa_resnet50(5, 16, width=0.125, resolutions=SIZES, widths=(0.6, 1.0), extra_layers=(0, 1))


def opened() -> SearchSpace:
    """A network of one's own with open fields: sizes 3, 5 and 7, 1 to 2 layers, two depthwise layers, a bottleneck."""
    squeeze = SqueezeExcite()
    layers = tuple(
        InvertedResidual(8, choice(7, 3), choice(3, 1.5), squeeze=squeeze, depthwise_layers=2) for _ in range(2)
    )
    stages = (prefix(layers, 1, 2), (Bottleneck(16, choice(0.5, 1.0), choice(1, 3), 2),))
    return SearchSpace(Architecture(choice(*SIZES), Conv(8, 3, 2), stages, PooledConv(24), Classifier(5)))


SPACES = {make.__name__: make for make in (mobilenet, proxyless, resnet, opened)}


def supernet_of(space: SearchSpace) -> ElasticSupernet:
    """A supernet whose batch-norm statistics and kernel transforms are not the initial ones."""
    supernet = ElasticSupernet(space)
    initialise(supernet, 0)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in supernet.named_parameters():
            if ".transforms." in name:
                parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.1)
        for architecture in (supernet.full, smallest(space)):
            supernet(images_for(architecture, 6), architecture)
    return supernet


def images_for(architecture: Architecture, count: int = 2) -> Tensor:
    size = architecture.resolution
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(size))


@cache
def shared(name: str) -> ElasticSupernet:
    """One for all tests that change nothing in it, in eval mode."""
    return supernet_of(SPACES[name]()).eval()


def architectures(space: SearchSpace, seed: int, count: int) -> list[Architecture]:
    return [space.decode(row).architecture for row in space.sample(stream(seed, "test/rows"), count)]


def assert_computes_its_subnet(
    supernet: ElasticSupernet, architecture: Architecture, layout: torch.memory_format
) -> None:
    images = images_for(architecture).to(memory_format=layout)
    with torch.no_grad():
        assert torch.equal(supernet(images, architecture), supernet.subnet(architecture)(images))


# ---------------------------------------------------------------------- the same bits
@pytest.mark.parametrize("name", SPACES)
@settings(max_examples=12)
@given(seed=st.integers(0, 2**31))
def test_a_network_computes_bit_for_bit_what_its_copy_computes(name: str, seed: int) -> None:
    supernet = shared(name)
    (architecture,) = architectures(supernet.space, seed, 1)
    assert_computes_its_subnet(supernet, architecture, torch.contiguous_format)


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("resolution", SIZES)
def test_corners_compute_bit_for_bit_what_their_copies_compute(name: str, resolution: int) -> None:
    supernet = deepcopy(shared(name)).to(memory_format=torch.channels_last)
    for corner in (supernet.full, smallest(supernet.space)):
        assert_computes_its_subnet(supernet, replace(corner, resolution=resolution), torch.channels_last)
    for architecture in architectures(supernet.space, 3, 3):
        assert_computes_its_subnet(supernet, architecture, torch.channels_last)


@pytest.mark.parametrize("name", SPACES)
def test_a_training_step_writes_the_statistics_that_its_copy_would_have(name: str) -> None:
    supernet = deepcopy(shared(name)).train()
    architecture = smallest(supernet.space)
    network = supernet.subnet(architecture)
    assert network.training
    network(images_for(architecture, 6))
    supernet(images_for(architecture, 6), architecture)
    state = supernet.tensors(architecture)
    assert list(state) == list(network.state_dict())
    for key, tensor in network.state_dict().items():
        assert torch.equal(state[key], tensor), key


def test_the_full_architecture_runs_the_plain_blocks_and_the_plain_network_loads() -> None:
    supernet = ElasticSupernet(mobilenet())
    network = Network(replace(supernet.full, resolution=SIZES[0]))
    initialise(network, 5)
    supernet.load_full(network)
    architecture = network.architecture
    with torch.no_grad():
        logits = supernet.eval()(images_for(architecture), architecture)
        assert torch.equal(logits, network.eval()(images_for(architecture)))


# ---------------------------------------------------------------------- which weights
def test_gradients_land_in_the_slices_that_were_used_and_nowhere_else() -> None:
    supernet = deepcopy(shared("mobilenet"))
    architecture = smallest(supernet.space)
    supernet(images_for(architecture), architecture).square().sum().backward()
    network = supernet.subnet(architecture)
    network(images_for(architecture)).square().sum().backward()
    small = dict(network.named_parameters())
    for name, parameter in supernet.named_parameters():
        if ".transforms." in name:
            used = name.rpartition(".transforms.")[0] + ".weight" in small
            assert (parameter.grad is not None) == used
        elif name not in small:
            assert parameter.grad is None, name  # layers behind the depth
        else:
            gradient, wanted = parameter.grad, small[name].grad
            assert gradient is not None
            assert wanted is not None
            corner = [slice(size) for size in wanted.shape]
            if gradient.shape[2:] != wanted.shape[2:]:  # the centre, which the transforms carry gradients to
                corner[2:] = [slice(1, 6), slice(1, 6)]
                assert gradient[tuple(corner)].any()
            else:
                torch.testing.assert_close(gradient[tuple(corner)], wanted, rtol=1e-5, atol=1e-6)
            gradient[tuple(corner)] = 0
            assert not gradient.any(), name


def test_hidden_channels_are_the_first_ones_and_squeezing_follows_them() -> None:
    supernet = shared("mobilenet")
    architecture = smallest(supernet.space)
    path = "stages.2.0.body"  # 8 channels in: hidden 32 -> 16, squeezed 8 -> 8
    whole, part = dict(supernet.named_parameters()), supernet.subnet(architecture).state_dict()
    for name in ("expand.conv.weight", "expand.bn.bias", "squeeze.excite.weight", "squeeze.excite.bias"):
        assert torch.equal(part[f"{path}.{name}"], whole[f"{path}.{name}"][:16])
    for name in ("project.conv.weight", "squeeze.squeeze.weight"):
        assert torch.equal(part[f"{path}.{name}"], whole[f"{path}.{name}"][:, :16])


def test_the_squeezed_width_follows_the_hidden_width() -> None:
    space = spaces.ofa_mobilenet_v3(5, 16, depths=(1,), kernel_sizes=(3,))
    state = ElasticSupernet(space).tensors(smallest(space))
    path = "stages.2.0.body.squeeze"  # 24 channels in, hidden 72 of 144, a quarter of 72 rounded to a multiple of 8: 24
    assert tuple(state[f"{path}.squeeze.weight"].shape) == (24, 72, 1, 1)
    assert tuple(ElasticSupernet(space).state_dict()[f"{path}.squeeze.weight"].shape) == (40, 144, 1, 1)


def test_depth_keeps_the_first_layers() -> None:
    supernet = shared("mobilenet")
    shallow = smallest(supernet.space)
    assert [len(stage) for stage in shallow.stages] == [1] * 6
    assert not [name for name in supernet.tensors(shallow) if name.startswith("stages.1.1")]


def test_used_names_the_parameters_that_get_gradients() -> None:
    supernet = deepcopy(shared("opened"))
    for architecture in (supernet.full, *architectures(supernet.space, 4, 6)):
        supernet.zero_grad()
        supernet(images_for(architecture), architecture).square().sum().backward()
        assert supernet.used(architecture) == [n for n, p in supernet.named_parameters() if p.grad is not None]


def test_names_are_those_of_the_largest_network_and_the_transforms() -> None:
    supernet = shared("mobilenet")
    names, largest_names = list(supernet.state_dict()), list(Network(supernet.full).state_dict())
    assert [name for name in names if ".transforms." not in name] == largest_names
    path = "stages.1.0.body.depthwise.conv.transforms"
    assert [name for name in names if name.startswith("stages.1.0") and ".transforms." in name] == [
        f"{path}.to_5",
        f"{path}.to_3",
    ]


def test_the_published_supernet_has_the_published_weights() -> None:
    with torch.device("meta"):
        supernet = ElasticSupernet(spaces.ofa_mobilenet_v3())
    transforms = sum(p.numel() for name, p in supernet.named_parameters() if ".transforms." in name)
    assert transforms == 20 * (625 + 81) == 14_120
    assert sum(p.numel() for p in supernet.parameters()) == 7_664_760 + transforms  # 7.7 M (section 3.1)


def test_a_subnet_is_a_copy_that_can_be_trained_and_draws_nothing() -> None:
    supernet = shared("opened")
    before = torch.get_rng_state()
    network = supernet.subnet(smallest(supernet.space))
    assert torch.equal(torch.get_rng_state(), before)
    assert list(network.state_dict()) == list(Network(network.architecture).state_dict())
    assert {p.data_ptr() for p in network.parameters()}.isdisjoint({p.data_ptr() for p in supernet.parameters()})
    assert all(parameter.requires_grad and parameter.is_leaf for parameter in network.parameters())


def test_a_deep_copy_is_a_supernet_of_its_own() -> None:
    supernet = shared("opened")
    architecture, copy = smallest(supernet.space), deepcopy(supernet)
    with torch.no_grad():
        for parameter in copy.parameters():
            parameter.zero_()
    assert not torch.equal(
        supernet(images_for(architecture), architecture), copy(images_for(architecture), architecture)
    )


# ---------------------------------------------------------------------- modes
def test_dropout_of_the_supernet_reaches_its_networks() -> None:
    supernet = deepcopy(shared("resnet"))
    architecture = smallest(supernet.space)

    def logits() -> Tensor:
        with torch.no_grad():
            values: Tensor = supernet.train()(images_for(architecture), architecture)
        return values

    set_dropout(supernet, 0.5, 0.5)
    assert not torch.equal(logits(), logits())
    set_dropout(supernet, 0.0, 0.0)
    assert torch.equal(logits(), logits())


def test_initialise_makes_transforms_identities() -> None:
    supernet = deepcopy(shared("mobilenet"))
    initialise(supernet, 3)
    matrices = [p for name, p in supernet.named_parameters() if ".transforms." in name]
    assert all(torch.equal(matrix, torch.eye(len(matrix))) for matrix in matrices)


# ---------------------------------------------------------------------- errors
def test_whole_blocks_are_refused_and_named() -> None:
    slots = (choice(InvertedResidual(8), Skip(8)), InvertedResidual(8, squeeze=choice(None, SqueezeExcite())))
    template = Architecture(8, Conv(8), (slots,), PooledConv(8), Classifier(3))
    with pytest.raises(InvalidSpace, match=r"MixedSupernet.*2 problems\n.*stages\.0\.0 has.*\n.*stages\.0\.1\.squeeze"):
        ElasticSupernet(SearchSpace(template))


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (InvertedResidual(8, 3, choice(2, 4), groups=2), r"stages\.0\.0: .*in 2 groups.*need groups=1"),
        (InvertedResidual(8, 3, choice(1, 4), expand_at_1=False), r"stages\.0\.0: .*first conv.*set expand_at_1=True"),
        (Conv(choice(4, 8), groups=choice(1, 2)), r"stages\.0\.0: .*groups"),
        (
            Bottleneck(choice(4, 8), 0.5, hidden_divisor=1),
            r"stages\.0\.0: .*has residual\.shortcut.*largest block lacks",
        ),
    ],
)
def test_blocks_that_are_no_parts_of_the_largest_are_refused(
    block: InvertedResidual | Conv | Bottleneck, message: str
) -> None:
    template = Architecture(8, Conv(8), ((block,),), PooledConv(8), Classifier(3))
    with pytest.raises(InvalidSpace, match=message):
        ElasticSupernet(SearchSpace(template))


@pytest.mark.parametrize("ask", [lambda net, arch: net(images_for(arch), arch), lambda net, arch: net.subnet(arch)])
def test_an_architecture_outside_the_space_is_refused(ask: Callable[[ElasticSupernet, Architecture], object]) -> None:
    supernet = shared("mobilenet")
    with pytest.raises(NotInSpace, match=r"not in the space: stem\.kernel_size is 5"):
        ask(supernet, replace(supernet.full, stem=Conv(8, 5, 2)))


def test_images_of_another_size_are_refused() -> None:
    supernet = shared("mobilenet")
    with pytest.raises(InvalidValue, match="images are 8x8 pixels, the architecture's resolution is 16; resize"):
        supernet(torch.zeros(1, 3, 8, 8), supernet.full)


def test_weights_of_another_network_are_refused() -> None:
    supernet = deepcopy(shared("mobilenet"))
    with pytest.raises(InvalidValue, match=r"differs at stages\.1\.0, stages\.1\.1, stages\.2\.0"):
        supernet.load_full(Network(smallest(supernet.space)))


def test_largest_and_smallest_are_the_extremes_of_every_decision() -> None:
    space = opened()
    assert space.encode(largest(space)) == (1, 1, 0, 0, 0, 0, 1, 1)
    assert space.encode(smallest(space)) == (0, 0, 1, 1, 0, 0, 0, 0)
