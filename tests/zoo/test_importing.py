"""Imported weights compute what they compute at home: timm's and torchvision's networks, with random weights."""

from __future__ import annotations

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from sculptnet.errors import InvalidValue
from sculptnet.nets import Network
from sculptnet.zoo import BY_NAME, mobilenet_v2
from sculptnet.zoo.importing import import_weights

RESOLUTION = 72  # pixels; halved 5 times: 36, 18, 9, 5, 3, so that strided layers meet even and odd sizes
TIMM = {  # timm's name, ours
    "fbnetc_100": "fbnet_c_k5",
    "fbnetv3_b": "fbnetv3_b_half",
    "fbnetv3_d": "fbnetv3_d",
    "fbnetv3_g": "fbnetv3_g",
    "mobilenetv2_100": "mobilenet_v2",
    "mobilenetv3_large_100": "mobilenet_v3_large",
    "mobilenetv3_small_100": "mobilenet_v3_small",
    "mnasnet_100": "mnasnet_b1",
    "mnasnet_small": "mnasnet_small_residual",
    "semnasnet_100": "mnasnet_a1",
    **{f"semnasnet_{width}": f"mnasnet_a1_{width}" for width in ("050", "075", "140")},
    **{f"tf_efficientnet_lite{number}": f"efficientnet_lite{number}" for number in range(5)},
}
QUICK = {
    "fbnetc_100",
    "fbnetv3_b",
    "mobilenetv2_100",
    "mnasnet_small",
    "mobilenetv3_large_100",
    "tf_efficientnet_lite0",
}
TORCHVISION = {
    "mnasnet1_0": "mnasnet_b1",
    "mobilenet_v2": "mobilenet_v2",
    "mobilenet_v3_large": "mobilenet_v3_large",
    "mobilenet_v3_small": "mobilenet_v3_small",
}


@torch.no_grad()
def scrambled(module: nn.Module, seed: int = 0) -> nn.Module:
    """The module in eval mode, with random weights and statistics that keep activations near 1."""
    generator = torch.Generator().manual_seed(seed)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.running_mean is not None
            assert layer.running_var is not None
            layer.weight.uniform_(0.5, 1.5, generator=generator)
            layer.bias.normal_(0, 0.3, generator=generator)
            layer.running_mean.normal_(0, 0.3, generator=generator)
            layer.running_var.uniform_(0.5, 2.0, generator=generator)
        elif isinstance(layer, (nn.Conv2d, nn.Linear)):
            layer.weight.normal_(0, (2 / layer.weight[0].numel()) ** 0.5, generator=generator)
            if layer.bias is not None:
                layer.bias.normal_(0, 0.3, generator=generator)
    return module.eval()


@torch.no_grad()
def assert_same(theirs: nn.Module, name: str, eps: float = 1e-5) -> None:
    network = Network(BY_NAME[name].architecture).eval()
    import_weights(network, theirs.state_dict(), eps=eps)
    images = torch.randn(2, 3, RESOLUTION, RESOLUTION, generator=torch.Generator().manual_seed(1))
    ours, expected = network(images), theirs(images)
    assert bool((expected - expected.mean()).abs().max() > 1e-3)
    assert float((ours - expected).abs().max() / expected.abs().max()) < 1e-5


def eps_of(module: nn.Module) -> float:
    return next(layer.eps for layer in module.modules() if isinstance(layer, nn.BatchNorm2d))


@pytest.mark.parametrize(
    "theirs", [pytest.param(name, marks=[pytest.mark.slow] * (name not in QUICK)) for name in TIMM]
)
def test_timms_weights_compute_the_same_here(theirs: str) -> None:
    module = scrambled(timm.create_model(theirs, pretrained=False))
    assert_same(module, TIMM[theirs], eps=eps_of(module))


@pytest.mark.parametrize("theirs", TORCHVISION)
def test_torchvisions_weights_compute_the_same_here(theirs: str) -> None:
    module = scrambled(torchvision.models.get_model(theirs, weights=None))
    assert_same(module, TORCHVISION[theirs], eps=eps_of(module))


def test_the_zoo_names_the_counterparts_that_are_compared_here() -> None:
    assert {entry.timm: entry.name for entry in BY_NAME.values() if entry.timm is not None} == TIMM
    assert {entry.torchvision: entry.name for entry in BY_NAME.values() if entry.torchvision is not None} == TORCHVISION


def test_another_eps_of_batch_norm_is_kept_in_the_variances() -> None:
    module = scrambled(timm.create_model("fbnetc_100", pretrained=False, bn_eps=0.1))
    assert_same(module, "fbnet_c_k5", eps=0.1)
    with pytest.raises(AssertionError):
        assert_same(module, "fbnet_c_k5")


@pytest.fixture(scope="module")
def weights() -> dict[str, Tensor]:
    return scrambled(torchvision.models.mobilenet_v2(width_mult=0.35)).state_dict()


def refusal(weights: dict[str, Tensor]) -> list[str]:
    network = Network(mobilenet_v2(width=0.35))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(InvalidValue) as caught:
        import_weights(network, weights)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    return str(caught.value).splitlines()


def test_another_width_is_refused_with_the_first_pair_that_differs() -> None:
    wider = torchvision.models.mobilenet_v2(width_mult=0.5).state_dict()
    assert refusal(wider) == [
        "the weights are those of another network or damaged: the first to differ:"
        " stages.1.0.body.project.conv.weight is (8, 48, 1, 1), features.2.conv.2.weight is (16, 48, 1, 1)"
    ]


def test_a_missing_layer_is_refused_with_the_first_pair_that_differs(weights: dict[str, Tensor]) -> None:
    shorter = {name: tensor for name, tensor in weights.items() if not name.startswith("features.3.")}
    assert refusal(shorter) == [
        "the weights are those of another network or damaged: 2 problems",
        "  - the network has 262 tensors, the weights have 247",
        "  - the first to differ: stages.1.1.body.project.conv.weight is (8, 48, 1, 1),"
        " features.4.conv.2.weight is (16, 48, 1, 1)",
    ]


def test_weights_without_counters_of_batches_are_whole(weights: dict[str, Tensor]) -> None:
    old = {name: tensor for name, tensor in weights.items() if "num_batches" not in name}
    network = Network(mobilenet_v2(width=0.35))
    import_weights(network, old)
    assert torch.equal(network.state_dict()["classifier.bias"], weights["classifier.1.bias"])


def test_damaged_numbers_are_named(weights: dict[str, Tensor]) -> None:
    damaged = dict(weights)
    damaged["classifier.1.bias"] = torch.full_like(weights["classifier.1.bias"], torch.nan)
    assert refusal(damaged) == [
        "the weights are those of another network or damaged: classifier.1.bias holds infinities or NaN"
    ]
