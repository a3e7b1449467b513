from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sculptnet.arch import Architecture, Block, TensorShape
from sculptnet.blocks import Classifier, Conv, PooledConv
from sculptnet.errors import DeviceError
from sculptnet.export import OnnxModel, compare, parity, quantise, to_onnx
from sculptnet.export.session import Images
from sculptnet.nets import Network, initialise


class TwoFaced(nn.Module):
    """Computes something else while it is traced: stands for a runtime that computes one operation wrongly."""

    def forward(self, x: Tensor) -> Tensor:
        return x + 1.0 if torch.onnx.is_in_onnx_export() else x + 2.0


@final
@dataclass(frozen=True)
class Deceitful(Block):
    out_channels: int

    def module(self, in_channels: int) -> nn.Module:
        return TwoFaced()


def opened(network: nn.Module, folder: Path, *, int8: Images | None = None) -> OnnxModel:
    model = to_onnx(network, TensorShape(3, 16, 16), dynamic_batch=True)
    path = folder / "model.onnx"
    path.write_bytes((model if int8 is None else quantise(model, [int8])).SerializeToString())
    return OnnxModel(path)


def test_an_export_agrees_with_its_network(network: Network, images: Images, tmp_path: Path) -> None:
    model = opened(network, tmp_path)
    with torch.no_grad():
        expected = network(torch.from_numpy(images)).numpy()
    assert parity(model, network, images) == pytest.approx(np.abs(model.logits(images) - expected).max())
    assert parity(model, network.train(), images) < 1e-5  # measured in eval mode,
    assert network.training  # and left as it was
    agreement = compare(model, network, images)
    assert agreement.max_difference == parity(model, network, images)
    assert agreement.largest_logit == pytest.approx(np.abs(expected).max())
    assert (agreement.same_class, agreement.num_images) == (1.0, 6)


def test_int8_differs_and_says_by_how_much(network: Network, images: Images, tmp_path: Path) -> None:
    agreement = compare(opened(network, tmp_path, int8=images), network, images)
    assert 1e-4 < agreement.max_difference < 0.2 * agreement.largest_logit


def test_another_network_is_found_out(network: Network, images: Images, tmp_path: Path) -> None:
    model = opened(network, tmp_path)
    with torch.no_grad():
        network.get_parameter("classifier.bias")[2] += 0.5
    with pytest.raises(DeviceError) as caught:
        parity(model, network, images)
    message = str(caught.value)
    assert message.startswith("model.onnx: ONNX Runtime ")
    assert " differ by 0.5 at image " in message
    assert ", logit 2 (" in message
    assert message.endswith("Every block agrees on its own: the file is not an export of this network; export it again")


def test_the_first_block_that_differs_is_named(images: Images, tmp_path: Path) -> None:
    stages = ((Conv(4), Conv(4)), (Deceitful(4), Deceitful(4)))
    network = Network(Architecture(16, Conv(4, stride=2), stages, PooledConv(6), Classifier(3)))
    initialise(network, 0)
    nn.init.ones_(network.get_parameter("classifier.weight"))
    with pytest.raises(DeviceError, match=r"stages\.1\.0 is the first block that differs on its own"):
        parity(opened(network, tmp_path), network, images)


def test_a_network_that_diverged_is_found_out(network: Network, images: Images, tmp_path: Path) -> None:
    nn.init.constant_(network.get_parameter("classifier.bias"), torch.nan)
    with pytest.raises(DeviceError, match="differ by nan at image 0, logit 0"):
        parity(opened(network, tmp_path), network, images)


def test_the_tolerance_is_an_argument(network: Network, images: Images, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="at most 0 is allowed"):
        parity(opened(network, tmp_path), network, images, tolerance=0.0)
