from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from timm.layers.drop import DropPath
from torch import nn

from sculptnet.arch import Architecture, SearchSpace, choice
from sculptnet.blocks import Classifier, Conv, InvertedResidual, PooledConv, Skip
from sculptnet.blocks.layers import Residual
from sculptnet.errors import OpenValue
from sculptnet.nets import Network, initialise, set_dropout
from sculptnet.testing.elsewhere import run_elsewhere

FINGERPRINT = """
import hashlib
from sculptnet.nets import Network, initialise
from sculptnet.spaces import fbnet

space = fbnet(3, 16, channels=(8, 16), layers=(1, 3), strides=(1, 2), stem_channels=8, head_channels=24)
network = Network(space.decode([3, 5, 8, 1]).architecture)
initialise(network, 7)
digest = hashlib.sha256()
for name, tensor in network.state_dict().items():
    digest.update(name.encode() + tensor.numpy().tobytes())
print(digest.hexdigest())
"""


def test_the_modules_carry_the_paths_of_the_blocks(tiny_fbnet: SearchSpace) -> None:
    architecture = tiny_fbnet.decode([0, 1, 2, 3]).architecture
    network = Network(architecture)
    for path, block, shape in architecture.blocks():
        module = network.get_submodule(path)
        assert tuple(module.state_dict()) == tuple(block.build(shape.channels).state_dict())
    prefixes = tuple(path for path, _, _ in architecture.blocks())
    assert all(name.startswith(prefixes) for name in network.state_dict())


def test_blocks_run_one_after_the_other(tiny_fbnet: SearchSpace, rng: np.random.Generator) -> None:
    architecture = tiny_fbnet.decode(tiny_fbnet.sample(rng, 1)[0]).architecture
    network = Network(architecture).eval()
    initialise(network, 0)
    x = images = torch.randn(2, 3, 16, 16)
    for path, block, shape in architecture.blocks():
        assert tuple(x.shape[1:]) == shape
        x = network.get_submodule(path)(x)
        assert tuple(x.shape[1:]) == (block.out_shape(shape) if path != "classifier" else (3,))
    assert torch.equal(network(images), x)


def test_a_template_cannot_be_built() -> None:
    template = Architecture(8, Conv(8, choice(3, 5)), ((Skip(8),),), PooledConv(8), Classifier(2))
    with pytest.raises(OpenValue, match=r"Architecture\.stem\.kernel_size is choice\(3, 5\)"):
        Network(template)


def test_initialisation_depends_on_the_seed_alone(tiny_fbnet: SearchSpace) -> None:
    networks = [Network(tiny_fbnet.decode([3, 3, 3, 3]).architecture) for _ in range(3)]
    for network, seed in zip(networks, (0, 0, 1), strict=True):
        torch.manual_seed(int(torch.randint(1000, ())))
        initialise(network, seed)
    first, again, other = (nn.utils.parameters_to_vector(network.parameters()) for network in networks)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_initialisation_leaves_the_global_generator_alone(tiny_fbnet: SearchSpace) -> None:
    network = Network(tiny_fbnet.decode([0, 0, 0, 0]).architecture)
    before = torch.get_rng_state()
    initialise(network, 0)
    assert torch.equal(torch.get_rng_state(), before)


def test_initialisation_is_the_same_in_another_process(tiny_fbnet: SearchSpace) -> None:
    network = Network(tiny_fbnet.decode([3, 5, 8, 1]).architecture)
    initialise(network, 7)
    digest = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        digest.update(name.encode() + tensor.numpy().tobytes())
    other = run_elsewhere(FINGERPRINT)
    assert other.strip() == digest.hexdigest()


def test_initial_weights_have_the_spread_of_their_fan_out() -> None:
    conv, linear, norm = nn.Conv2d(64, 256, 3, groups=2), nn.Linear(500, 100), nn.BatchNorm2d(8)
    nn.init.constant_(norm.weight, 3.0)
    norm.running_mean = torch.ones(8)
    initialise(nn.ModuleList([conv, linear, norm]), 0)
    assert conv.weight.std().item() == pytest.approx((2 / (9 * 128)) ** 0.5, rel=0.02)
    assert linear.weight.std().item() == pytest.approx(0.01, rel=0.02)
    assert conv.bias is not None
    assert conv.bias.abs().max() == linear.bias.abs().max() == norm.running_mean.abs().max() == 0
    assert norm.weight.tolist() == [1.0] * 8


def residual_network(count: int) -> Network:
    stages = (tuple(InvertedResidual(8) for _ in range(count)), (InvertedResidual(16),))
    return Network(Architecture(8, Conv(8), stages, PooledConv(8), Classifier(2)))


def drop_rates(network: Network) -> list[float]:
    layers = [layer for layer in network.modules() if isinstance(layer, Residual) and layer.residual]
    return [layer.drop_path.drop_prob if isinstance(layer.drop_path, DropPath) else 0.0 for layer in layers]


def test_stochastic_depth_grows_linearly_to_the_last_residual_block() -> None:
    network = residual_network(4)
    set_dropout(network, 0.0, 0.2)
    assert drop_rates(network) == pytest.approx([0.05, 0.1, 0.15, 0.2])


def test_dropout_stands_before_the_classifier_and_can_be_switched_off() -> None:
    network = residual_network(2)
    set_dropout(network, 0.3, 0.2)
    assert [m.p for m in network.modules() if isinstance(m, nn.Dropout)] == [0.3]
    set_dropout(network, 0.0, 0.0)
    assert not [m for m in network.modules() if isinstance(m, (nn.Dropout, DropPath))]


def test_dropout_adds_no_weights_and_changes_nothing_in_eval_mode() -> None:
    network, images = residual_network(2).eval(), torch.randn(2, 3, 8, 8)
    before, names = network(images), list(network.state_dict())
    set_dropout(network, 0.5, 0.5)
    assert torch.equal(network.eval()(images), before)
    assert list(network.state_dict()) == names


def test_a_network_without_residual_blocks_has_nothing_to_drop() -> None:
    network = Network(Architecture(8, Conv(8), ((Skip(8),),), PooledConv(8), Classifier(2)))
    set_dropout(network, 0.0, 0.5)
    assert not [m for m in network.modules() if isinstance(m, DropPath)]
