"""Networks of the zoo are loaded with weights of whatever origin."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn

from sculptnet.errors import InvalidValue
from sculptnet.testing.elsewhere import run_elsewhere
from sculptnet.zoo import BY_NAME, load

NAME = "mobilenet_v2"
IMAGES = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def logits(network: nn.Module) -> Tensor:
    with torch.no_grad():
        found: Tensor = network.eval()(IMAGES)
    return found


@pytest.fixture(scope="module")
def theirs() -> nn.Module:
    """timm's network with 7 classes, and statistics of batch norm that are not those of a new one."""
    torch.manual_seed(0)
    module = timm.create_model("mobilenetv2_100", pretrained=False, num_classes=7)
    with torch.no_grad():
        module.train()(IMAGES)
    return module.eval()


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
def test_timms_files_compute_what_timm_computes(theirs: nn.Module, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"weights{suffix}"
    write = save_file if suffix == ".safetensors" else torch.save
    write(theirs.state_dict(), path)
    network = load(NAME, pretrained=path)
    assert network.architecture.num_classes == 7
    assert not network.training
    torch.testing.assert_close(logits(network), logits(theirs))


def test_torchvisions_files_compute_what_torchvision_computes(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = torchvision.models.mobilenet_v2(num_classes=5)
    save_file(module.state_dict(), tmp_path / "weights.safetensors")
    torch.testing.assert_close(logits(load(NAME, pretrained=tmp_path / "weights.safetensors")), logits(module))


def test_our_files_come_back(tmp_path: Path) -> None:
    network = load(NAME, num_classes=3, seed=4)
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    again = load(NAME, pretrained=tmp_path / "weights.safetensors")
    assert again.architecture == network.architecture
    assert torch.equal(logits(again), logits(network))


def test_a_trainings_checkpoint_holds_them_one_level_down(theirs: nn.Module, tmp_path: Path) -> None:
    torch.save({"epoch": 3, "state_dict": theirs.state_dict()}, tmp_path / "last.pth")
    torch.testing.assert_close(logits(load(NAME, pretrained=tmp_path / "last.pth")), logits(theirs))


def test_fbnet_cs_published_weights_have_another_eps_than_timms_empty_network(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = timm.create_model("fbnetc_100", pretrained=False, num_classes=3, bn_eps=1e-3)
    with torch.no_grad():
        module.train()(IMAGES * 1e-2)
    torch.save(module.state_dict(), tmp_path / "fbnetc.pth")
    torch.testing.assert_close(logits(load("fbnet_c_k5", pretrained=tmp_path / "fbnetc.pth")), logits(module))


def test_another_number_of_classes_replaces_the_classifier_alone(theirs: nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(theirs.state_dict(), path)
    kept, changed = load(NAME, pretrained=path), load(NAME, pretrained=path, num_classes=4, seed=1)
    before, after = kept.state_dict(), changed.state_dict()
    assert [key for key in before if not torch.equal(before[key], after[key])] == [
        "classifier.weight",
        "classifier.bias",
    ]
    assert changed.architecture.num_classes == len(logits(changed)[0]) == 4
    twin, other = (load(NAME, pretrained=path, num_classes=4, seed=seed).classifier for seed in (1, 2))
    assert torch.equal(twin.get_parameter("weight"), after["classifier.weight"])
    assert not torch.equal(other.get_parameter("weight"), after["classifier.weight"])


def test_drawn_weights_depend_on_the_seed_alone() -> None:
    program = (
        "from sculptnet.zoo import load; import hashlib;"
        " weights = load('mobilenet_v2', num_classes=3, seed=5).state_dict().values();"
        " print(hashlib.sha256(b''.join(tensor.numpy().tobytes() for tensor in weights)).hexdigest())"
    )
    elsewhere = run_elsewhere(program)
    torch.manual_seed(99)
    here = b"".join(tensor.numpy().tobytes() for tensor in load(NAME, num_classes=3, seed=5).state_dict().values())
    assert hashlib.sha256(here).hexdigest() == elsewhere.strip()


def refusal(name: str, path: Path | bool) -> str:
    with pytest.raises(InvalidValue) as caught:
        load(name, pretrained=path)
    return str(caught.value)


def test_the_nearest_naming_and_its_first_difference_are_named(theirs: nn.Module, tmp_path: Path) -> None:
    weights = theirs.state_dict()
    del weights["blocks.1.1.conv_pw.weight"]
    torch.save(weights, tmp_path / "weights.pth")
    message = refusal(NAME, tmp_path / "weights.pth")
    assert message.startswith(
        f"{tmp_path / 'weights.pth'} does not hold mobilenet_v2 as named by any of: SculptNet, timm's mobilenetv2_100,"
        " torchvision's mobilenet_v2. Nearest is timm's mobilenetv2_100: blocks.1.1.conv_pw.weight is missing"
        " (1 missing, 0 too many)."
    )


def test_a_file_of_a_wider_network_is_refused(tmp_path: Path) -> None:
    wider = torchvision.models.mobilenet_v2(width_mult=1.4)
    torch.save(wider.state_dict(), tmp_path / "weights.pth")
    assert "the first to differ: stem.conv.weight is (32, 3, 3, 3), features.0.0.weight is (48, 3, 3, 3)" in refusal(
        NAME, tmp_path / "weights.pth"
    )


class Other:
    """Something that is no tensor."""


def test_files_that_hold_something_else_are_refused(tmp_path: Path) -> None:
    for name, content in (("code.pth", Other()), ("list.pth", [torch.ones(1)]), ("names.pth", {"a": "b"})):
        torch.save(content, tmp_path / name)
    (tmp_path / "empty.safetensors").write_bytes(b"")
    (tmp_path / "weights.onnx").write_bytes(b"")
    assert refusal(NAME, tmp_path / "gone.pth") == f"there is no file {tmp_path / 'gone.pth'}"
    assert "is not a whole file of weights and nothing else: " in refusal(NAME, tmp_path / "code.pth")
    assert refusal(NAME, tmp_path / "list.pth").endswith("must hold tensors by name, got list")
    assert refusal(NAME, tmp_path / "names.pth").endswith("must hold tensors by name, 'a' is str")
    assert "is not a whole safetensors file: " in refusal(NAME, tmp_path / "empty.safetensors")
    assert refusal(NAME, tmp_path / "weights.onnx").endswith("must end in .safetensors, .pth or .pt")


def test_the_checksum_in_a_files_name_is_compared(theirs: nn.Module, tmp_path: Path) -> None:
    torch.save(theirs.state_dict(), tmp_path / "weights.pth")
    digest = hashlib.sha256((tmp_path / "weights.pth").read_bytes()).hexdigest()[:8]
    good = (tmp_path / "weights.pth").rename(tmp_path / f"weights-{digest}.pth")
    load(NAME, pretrained=good)
    damaged = good.rename(tmp_path / "weights-01234567.pth")
    assert f"its SHA-256 begins with {digest}, its name says 01234567; download it again" in refusal(NAME, damaged)


def test_networks_without_published_weights_say_so() -> None:
    assert BY_NAME["fbnetv2_f1"].timm is None
    assert (
        refusal("fbnetv2_f1", True)
        == "fbnetv2_f1: timm has no weights of it; train it, or give a file: pretrained=Path(...)"
    )


def test_unknown_names_are_answered_with_near_ones() -> None:
    assert "did you mean fbnetv3_b" in refusal("fbnetv3b", False)


def test_without_the_hub_the_error_says_what_to_do(tmp_path: Path) -> None:
    program = "from sculptnet.zoo import load; load('fbnetv3_d', pretrained=True)"
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 1
    assert "InvalidValue: fbnetv3_d: timm could not fetch its weights of fbnetv3_d: " in done.stderr
    assert done.stderr.strip().endswith(
        "download model.safetensors of timm/fbnetv3_d.ra2_in1k, and give that file: pretrained=Path(...)"
    )
