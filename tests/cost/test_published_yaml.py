from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sculptnet.arch import Architecture, SearchSpace, TensorShape, choice
from sculptnet.blocks import (
    Activation,
    Classifier,
    Conv,
    InvertedResidual,
    MBPool,
    PooledConv,
    SqueezeBase,
    SqueezeExcite,
)
from sculptnet.cost import FactoredCost, check_covers, cost_of, read_ofa_table, read_proxyless_table
from sculptnet.errors import InvalidValue, NotMeasured
from sculptnet.spaces import ofa_mobilenet_v3, ofa_proxyless

TABLES = Path(__file__).parents[2].parent / "shared" / "data" / "tables"
shared = [
    pytest.mark.shared,
    pytest.mark.skipif(not TABLES.is_dir(), reason="the table collections beside the repository are absent"),
]

OFA = {
    "Conv-input:8x8x3-output:4x4x8": 0.5,
    "expanded_conv-input:4x4x8-output:4x4x8-expand:8-kernel:3-stride:1-idskip:1-se:0-hs:0": 1.0,
    "expanded_conv-input:4x4x8-output:2x2x16-expand:24-kernel:5-stride:2-idskip:0-se:0-hs:1": 2.0,
    "expanded_conv-input:4x4x8-output:2x2x16-expand:48-kernel:5-stride:2-idskip:0-se:1-hs:1": 4.0,
    "Conv_1-input:2x2x16-output:2x2x96": 8.0,
    "AvgPool2D-input:2x2x96-output:1x1x96": 16.0,
    "Conv_2-input:1x1x96-output:1x1x32": 32.0,
    "Logits-input:1x1x32-output:3": 64.0,
}
PROXYLESS = {
    "Conv-input:8x8x3-output:4x4x8": 0.5,
    "expanded_conv-input:4x4x8-output:4x4x8-expand:1-kernel:3-stride:1-idskip:1": 1.0,
    "expanded_conv-input:4x4x8-output:2x2x16-expand:3-kernel:5-stride:2-idskip:0": 2.0,
    "expanded_conv-input:4x4x8-output:2x2x16-expand:6-kernel:5-stride:2-idskip:0": 4.0,
    "Conv_1-input:2x2x16-output:2x2x32": 8.0,
    "Logits-input:2x2x32-output:3": 64.0,
}
FIRST = InvertedResidual(8, 3, 1, expand_at_1=False)
SWISH = Activation.HARD_SWISH
SMALL = InvertedResidual(16, 5, 3, 2, activation=SWISH)
SQUEEZED = InvertedResidual(16, 5, 6, 2, activation=SWISH, squeeze=SqueezeExcite())


def written(path: Path, means: dict[str, float]) -> Path:
    path.write_text("".join(f"{key}:\n  count: 5\n  mean: {mean}\n  std: 0.1\n" for key, mean in means.items()))
    return path


def ofa_space(*blocks: InvertedResidual) -> SearchSpace:
    return SearchSpace(Architecture(8, Conv(8, 3, 2), ((FIRST,), (choice(*blocks),)), MBPool(32), Classifier(3)))


def test_a_network_of_once_for_all_costs_the_sum_of_its_keys(tmp_path: Path) -> None:
    space = ofa_space(SMALL, SQUEEZED)
    table = read_ofa_table(written(tmp_path / "t.yaml", OFA), space)
    assert table.name == "latency_ms@note10"
    assert table.entries_ms[MBPool(32), TensorShape(16, 2, 2)] == 8.0 + 16.0 + 32.0
    assert FactoredCost(space, table).of([[0], [1]]).tolist() == [123.5, 125.5]


def test_files_of_several_resolutions_make_one_table(tmp_path: Path) -> None:
    larger = {key.replace("8x8x3-output:4x4", "9x9x3-output:5x5"): 2 * mean for key, mean in OFA.items()}
    paths = [written(tmp_path / "a.yaml", OFA), written(tmp_path / "b.yaml", larger)]
    table = read_ofa_table(paths, ofa_space(SMALL, SQUEEZED))
    assert table.entries_ms[Conv(8, 3, 2), TensorShape(3, 8, 8)] == 0.5
    assert table.entries_ms[Classifier(3), TensorShape(32, 1, 1)] == 96.0


def test_proxylessnas_names_ratios_and_classifies_what_it_did_not_pool(tmp_path: Path) -> None:
    options = choice(InvertedResidual(16, 5, 3, 2), InvertedResidual(16, 5, 6, 2))
    space = SearchSpace(Architecture(8, Conv(8, 3, 2), ((FIRST,), (options,)), PooledConv(32), Classifier(3)))
    table = read_proxyless_table(written(tmp_path / "t.yaml", PROXYLESS), space)
    assert table.name == "latency_ms@pixel1"
    assert [cost_of(table, space.decode([row]).architecture) for row in (0, 1)] == [75.5, 77.5]


@pytest.mark.parametrize(
    "block",
    [
        InvertedResidual(16, 5, 3, 2),
        InvertedResidual(16, 5, 3, 2, activation=Activation.SWISH),
        InvertedResidual(16, 3, 3, 2, activation=SWISH),
        InvertedResidual(16, 5, 3, 2, groups=2, activation=SWISH),
        InvertedResidual(16, 5, 3, 2, activation=SWISH, depthwise_layers=2),
        InvertedResidual(16, 5, 6, 2, activation=SWISH, squeeze=SqueezeExcite(of=SqueezeBase.INPUT)),
        InvertedResidual(16, 5, 6, 2, activation=SWISH, squeeze=SqueezeExcite(0.5)),
    ],
    ids=str,
)
def test_a_block_that_differs_from_the_keys_is_missing(tmp_path: Path, block: InvertedResidual) -> None:
    path = written(tmp_path / "t.yaml", OFA)
    with pytest.raises(NotMeasured, match="note10 does not cover the space") as caught:
        read_ofa_table(path, ofa_space(SMALL, block))
    assert str(block) in str(caught.value)
    assert "it comes from Once-for-All's t.yaml" in str(caught.value)
    partial = read_ofa_table(path, ofa_space(SMALL, block), partial=True)
    assert (SMALL, TensorShape(8, 4, 4)) in partial.entries_ms
    assert (block, TensorShape(8, 4, 4)) not in partial.entries_ms


def test_everything_that_is_wrong_in_a_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text("a: {mean: fast}\nb: {count: 3}\nc: 3\nd: {mean: -1.0}\ne: {mean: .nan}\nf: {mean: 1.5}\n")
    with pytest.raises(InvalidValue, match=r"latency table in .*t\.yaml: 5 problems") as caught:
        read_ofa_table(path, ofa_space(SMALL, SQUEEZED))
    assert "a.mean: a latency must be a finite number, at least 0, got 'fast'" in str(caught.value)
    assert "b.mean: a latency must be a finite number, at least 0, got None" in str(caught.value)
    for content, text in (
        ("a: [", "cannot be read as YAML"),
        ("- 1", "expected operators"),
        ("", "expected operators"),
    ):
        path.write_text(content)
        with pytest.raises(InvalidValue, match=text):
            read_proxyless_table(path, ofa_space(SMALL, SQUEEZED))
    with pytest.raises(InvalidValue, match=r"absent\.yaml cannot be read as YAML"):
        read_ofa_table(tmp_path / "absent.yaml", ofa_space(SMALL, SQUEEZED))


# ---------------------------------------------------------------------- the published files
class TestPublishedFiles:
    pytestmark = shared

    @pytest.mark.parametrize("resolution", [160, 176, 192, 208, 224])
    def test_each_file_of_the_note_10_covers_the_wide_space_at_its_resolution(self, resolution: int) -> None:
        path = TABLES / "ofa-note10" / f"{resolution}_lookup_table.yaml"
        check_covers(table := read_ofa_table(path, space := ofa_mobilenet_v3(resolution=resolution, width=1.2)), space)
        assert len(table.entries_ms) == 94  # the file's 96, three of which are the head

    def test_all_files_together_cover_open_resolutions(self) -> None:
        sizes = (160, 176, 192, 208, 224)
        space = ofa_mobilenet_v3(width=1.2, resolutions=sizes)
        table = read_ofa_table([TABLES / "ofa-note10" / f"{size}_lookup_table.yaml" for size in sizes], space)
        fastest, slowest = FactoredCost(space, table).extremes()
        assert space.decode(np.array(fastest.choices)).architecture.resolution == 160
        assert space.decode(np.array(slowest.choices)).architecture.resolution == 224

    def test_another_width_lists_what_is_missing(self) -> None:
        with pytest.raises(NotMeasured, match="note10 does not cover the space"):
            read_ofa_table(TABLES / "ofa-note10" / "224_lookup_table.yaml", ofa_mobilenet_v3())

    def test_the_pixel_1_covers_the_space_of_proxylessnas(self) -> None:
        space = ofa_proxyless(width=1.0, expansions=(3, 6))
        table = read_proxyless_table(TABLES / "proxylessnas_pixel1_lut.yaml", space)
        assert len(table.entries_ms) == 70  # of the file's 72: the first block is searched there, with three kernels
