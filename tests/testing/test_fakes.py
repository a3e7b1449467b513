from __future__ import annotations

import numpy as np
import pytest
import torch

from sculptnet.arch import TensorShape
from sculptnet.cost import Precision, cost_of, macs
from sculptnet.devices import Quality, measure_networks, measure_table
from sculptnet.devices.measure import graphs_of
from sculptnet.errors import InvalidValue
from sculptnet.export.graph import to_onnx
from sculptnet.nets import Network, initialise
from sculptnet.spaces import fbnet
from sculptnet.testing import FakeDevice, tiny_images
from sculptnet.testing.fakes import onnx_macs
from sculptnet.zoo import mobilenet_v2

QUICK = Quality(rounds=4)


def test_multiply_adds_of_a_graph_are_those_of_the_network() -> None:
    architecture = mobilenet_v2(10, 32, width=0.35)
    for dynamic_batch in (False, True):
        model = to_onnx(Network(architecture), TensorShape(3, 32, 32), dynamic_batch=dynamic_batch)
        assert onnx_macs(model) == macs(architecture)


def test_multiply_adds_of_a_quantised_graph_are_the_same() -> None:
    architecture = mobilenet_v2(10, 16, width=0.1)
    models = [graphs_of(precision).network(architecture).onnx for precision in (Precision.FP32, Precision.INT8)]
    import onnx

    counts = [onnx_macs(onnx.load_model_from_string(model)) for model in models]
    assert counts == [macs(architecture)] * 2


def test_the_same_seed_gives_the_same_times_and_noise_spreads_as_stated() -> None:
    network = {"a": mobilenet_v2(10, 16, width=0.1)}
    first, again, other = (measure_networks(network, FakeDevice(seed=s), quality=QUICK)["a"] for s in (0, 0, 1))
    assert first == again != other
    exact = measure_networks(network, FakeDevice(noise_percent=0), quality=QUICK)["a"]
    assert exact.low_ms == exact.high_ms == pytest.approx(first.median_ms, rel=0.03)


def test_a_table_of_a_device_without_noise_is_exact_up_to_the_fit() -> None:
    space = fbnet(4, 16, channels=(8, 16), layers=(1, 2), strides=(1, 2), stem_channels=8, head_channels=16)
    device = FakeDevice(noise_percent=0)
    table = measure_table(space, device, seed=0, quality=QUICK, num_calibration=5, num_held_out=10)
    assert table.held_out is not None
    assert table.held_out.mape_percent < 0.5
    architecture = space.decode(space.sample(np.random.default_rng(1), 1)[0]).architecture
    measured = measure_networks({"x": architecture}, device, quality=QUICK)["x"].median_ms
    assert cost_of(table, architecture) == pytest.approx(measured, rel=0.02)


def test_tiny_images_depend_on_the_seed_alone() -> None:
    assert tiny_images().fingerprint == tiny_images().fingerprint != tiny_images(seed=1).fingerprint


def test_tiny_images_are_balanced_and_have_the_stated_size() -> None:
    data = tiny_images(4, per_class=8, resolution=12, grey=True)
    assert np.bincount(data.train.labels).tolist() == [8] * 4
    assert np.bincount(data.test.labels).tolist() == [2] * 4
    assert data.train.sizes.tolist() == [[12, 12]] * 32
    assert data.grey


def test_tiny_images_can_be_learned() -> None:
    """A linear layer on local contrasts tells the directions apart."""
    data = tiny_images(3, per_class=60)
    torch.manual_seed(0)
    features = torch.nn.Sequential(
        torch.nn.Conv2d(3, 32, 5, bias=False), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1)
    )
    initialise(features, 0)
    with torch.no_grad():
        train, test = (
            features(
                torch.stack([torch.from_numpy(np.array(split.image(i))) for i in range(len(split))])
                .permute(0, 3, 1, 2)
                .float()
                / 255
                - 0.5
            ).flatten(1)
            for split in (data.train, data.test)
        )
    targets = torch.nn.functional.one_hot(torch.from_numpy(data.train.labels), 3).float()
    ones = [torch.cat([x, torch.ones(len(x), 1)], 1) for x in (train, test)]
    weights = torch.linalg.lstsq(ones[0], targets, driver="gelsd").solution
    accuracy = ((ones[1] @ weights).argmax(1).numpy() == data.test.labels).mean()
    assert accuracy > 0.7


def test_what_makes_no_data_set_is_refused() -> None:
    with pytest.raises(InvalidValue, match="needs 2 classes of 4 images or more, got 1 of 24"):
        tiny_images(1)
