from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sculptnet.arch import IntMatrix, SearchSpace, same
from sculptnet.errors import InvalidValue
from sculptnet.spaces import ofa_mobilenet_v3
from sculptnet.zoo.ofa import corner
from sculptnet.zoo.ofa_accuracy import SHAPES, read_ofa_accuracy

PUBLISHED = Path(__file__).parents[2].parent / "shared" / "data" / "tables" / "ofa-note10" / "acc_predictor.pth"
NAMES = [f"{layer}.{kind}" for layer in (0, 2, 4, 6) for kind in ("weight", "bias")]
SPACE = ofa_mobilenet_v3(width=1.2, resolutions=(160, 192, 224))
FOUR = (4,)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Weights of the published shapes."""
    generator = torch.Generator().manual_seed(0)
    path = tmp_path / "predictor.pth"
    weights = [torch.randn(shape, generator=generator) * shape[-1] ** -0.5 for shape in SHAPES]
    torch.save(dict(zip(NAMES, weights, strict=True)), path)
    return path


def published_features(space: SearchSpace, row: IntMatrix) -> torch.Tensor:
    """The 128 features of a candidate, written out from its blocks."""
    architecture = space.decode(row).architecture
    features = torch.zeros(128)
    for unit, stage in enumerate(architecture.stages[1:]):
        for layer, block in enumerate(stage):
            features[3 * (4 * unit + layer) + (3, 5, 7).index(block.kernel_size)] = 1  # type: ignore[attr-defined]
            features[60 + 3 * (4 * unit + layer) + (3, 4, 6).index(block.expansion)] = 1  # type: ignore[attr-defined]
    features[120 + (architecture.resolution - 112) // 16] = 1
    return features


@pytest.mark.parametrize(
    "space",
    [
        SPACE,
        ofa_mobilenet_v3(width=1.2),
        ofa_mobilenet_v3(width=1.2, kernel_sizes=(5, 3), expansions=(6,), depths=(3, 4)),
        ofa_mobilenet_v3(width=1.2, depths=(2, 3), resolutions=(224, 112)),
        ofa_mobilenet_v3(width=1.2, depths=FOUR, kernel_sizes=(7, 3)),
    ],
    ids=["open", "one size", "parts", "shallow", "deep"],
)
def test_the_features_are_the_published_ones(file: Path, space: SearchSpace) -> None:
    rows = space.sample(np.random.default_rng(0), 40)
    weights = torch.load(file, weights_only=True)
    values = torch.stack([published_features(space, row) for row in rows])
    for layer in (0, 2, 4, 6):
        values = torch.nn.functional.linear(values, weights[f"{layer}.weight"], weights[f"{layer}.bias"])
        values = values if layer == 6 else values.relu()
    np.testing.assert_allclose(read_ofa_accuracy(file, space).of(rows), values[:, 0].numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("space", "text"),
    [
        (ofa_mobilenet_v3(), r"stem\.out_channels is 16"),
        (ofa_mobilenet_v3(width=1.2, resolutions=(200, 224)), "resolution is 200"),
        (ofa_mobilenet_v3(width=1.2, kernel_sizes=(3, 9)), "kernel_size is 9"),
        (ofa_mobilenet_v3(width=1.2, depths=(1, 2)), r"stages\.1 is "),
        (ofa_mobilenet_v3(10, width=1.2), "classifier"),
    ],
)
def test_candidates_that_it_does_not_know_are_named(file: Path, space: SearchSpace, text: str) -> None:
    with pytest.raises(InvalidValue, match=rf"(?s)ofa_mobilenet_v3\(width=1\.2\) and resolutions 112.*{text}"):
        read_ofa_accuracy(file, space)


def test_tied_decisions_are_refused(file: Path) -> None:
    template = ofa_mobilenet_v3(width=1.2, depths=FOUR).architecture
    object.__setattr__(template.stages[1][1], "kernel_size", same("stages.1.0.kernel_size"))
    tied = SearchSpace(template)
    with pytest.raises(InvalidValue, match=r"not tied to each other by same\(\)"):
        read_ofa_accuracy(file, tied)


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    torch.save({"0.weight": torch.zeros(400, 120)}, path)
    with pytest.raises(
        InvalidValue, match=r"is not the published accuracy predictor: its shapes are \(\(400, 120\),\)"
    ):
        read_ofa_accuracy(path, SPACE)


@pytest.mark.shared
@pytest.mark.skipif(not PUBLISHED.is_file(), reason="the table collections beside the repository are absent")
def test_the_published_file_says_what_it_was_found_to_say() -> None:
    predictor = read_ofa_accuracy(PUBLISHED, space := ofa_mobilenet_v3(width=1.2))
    plain = ofa_mobilenet_v3(width=1.2, depths=FOUR, expansions=(3,), kernel_sizes=(3, 5))
    rows = [space.encode(architecture) for architecture in (corner(space, max), corner(plain, min))]
    np.testing.assert_allclose(predictor.of(rows), [0.836, 0.806], atol=0.0005)
