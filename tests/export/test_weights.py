from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import final

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sculptnet.arch import Architecture, Block
from sculptnet.blocks import ALL, Classifier, Conv, PooledConv
from sculptnet.errors import InvalidValue
from sculptnet.export import load_network, save_network
from sculptnet.export.session import Images
from sculptnet.nets import Network


@final
@dataclass(frozen=True)
class Mirror(Block):
    """A block of somebody else's."""

    out_channels: int

    def module(self, in_channels: int) -> nn.Module:
        return nn.Conv2d(in_channels, self.out_channels, 1)


@pytest.fixture
def folder(network: Network, tmp_path: Path) -> Path:
    save_network(network, tmp_path / "model")
    return tmp_path / "model"


def test_what_is_saved_is_loaded(network: Network, folder: Path, images: Images) -> None:
    loaded = load_network(folder)
    assert loaded.architecture == network.architecture
    assert not loaded.training
    with torch.no_grad():
        assert torch.equal(loaded(torch.from_numpy(images)), network(torch.from_numpy(images)))
    assert sorted(path.name for path in folder.iterdir()) == ["architecture.json", "weights.safetensors"]


def test_the_same_network_gives_the_same_bytes(network: Network, folder: Path, tmp_path: Path) -> None:
    save_network(network.to(memory_format=torch.channels_last), tmp_path / "again")
    for path in folder.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()


def test_tensors_are_called_after_their_blocks(network: Network, folder: Path) -> None:
    assert load_file(folder / "weights.safetensors").keys() == network.state_dict().keys()
    assert "stages.1.0.body.expand.conv.weight" in load_file(folder / "weights.safetensors")


def test_blocks_of_your_own_are_passed_beside_ours(tmp_path: Path) -> None:
    network = Network(Architecture(8, Conv(4), ((Mirror(4),),), PooledConv(6), Classifier(3)))
    save_network(network, tmp_path)
    assert load_network(tmp_path, blocks=(*ALL, Mirror)).architecture == network.architecture
    with pytest.raises(
        InvalidValue, match=r"architecture\.json makes no network; .*stages\.0\.0 has the kind 'Mirror'"
    ):
        load_network(tmp_path)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue) as caught:
        load_network(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path} has no architecture.json and no weights.safetensors; "
        "name the `model` folder of a run, or export the network again"
    )


@pytest.mark.parametrize("text", ["{", '{"kind": "Recipe"}', '{"kind": "Architecture"}', "\ufffd"])
def test_a_broken_architecture_is_named(folder: Path, text: str) -> None:
    (folder / "architecture.json").write_text(text, encoding="utf-8")
    with pytest.raises(InvalidValue, match=r"architecture\.json makes no network; name the `model` folder .*: ."):
        load_network(folder)


def test_a_torn_file_of_weights_is_named(folder: Path) -> None:
    weights = folder / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(InvalidValue, match=r"weights\.safetensors is not a whole safetensors file \("):
        load_network(folder)


@pytest.mark.parametrize(
    ("name", "replacement", "message"),
    [
        ("stages.1.0.body.expand.conv.weight", None, "stages.1.0.body.expand.conv.weight is missing"),
        (
            "stem.conv.weight",
            torch.zeros(9, 3, 3, 3),
            "stem.conv.weight has the shape (9, 3, 3, 3), the architecture needs (8, 3, 3, 3)",
        ),
        ("neck.weight", torch.zeros(2), "neck.weight belongs to no block of the architecture"),
    ],
)
def test_weights_of_another_architecture_name_the_first_tensor_that_differs(
    folder: Path, name: str, replacement: Tensor | None, message: str
) -> None:
    tensors = load_file(folder / "weights.safetensors")
    tensors.pop(name, None)
    save_file(tensors if replacement is None else tensors | {name: replacement}, folder / "weights.safetensors")
    with pytest.raises(InvalidValue) as caught:
        load_network(folder)
    assert str(caught.value) == (
        f"{folder / 'weights.safetensors'} does not fit architecture.json: {message}; "
        "name the `model` folder of a run, or export the network again"
    )


def test_an_error_while_writing_leaves_the_old_file(network: Network, folder: Path) -> None:
    before = (folder / "weights.safetensors").read_bytes()
    (folder / ".weights.safetensors.tmp").mkdir()  # nothing can be written there
    nn.init.zeros_(network.get_parameter("classifier.bias"))
    with pytest.raises(OSError, match="directory"):
        save_network(network, folder)
    assert (folder / "weights.safetensors").read_bytes() == before
    assert json.loads((folder / "architecture.json").read_text())["kind"] == "Architecture"
