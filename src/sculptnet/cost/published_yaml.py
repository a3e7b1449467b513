"""Latency tables in the format of ProxylessNAS (Cai et al., ICLR 2019) and Once-for-All (Cai et al., ICLR 2020).

A YAML file with one entry per operator and shape, such as
`expanded_conv-input:56x56x24-output:28x28x40-expand:6-kernel:5-stride:2-idskip:0`, whose `mean` is in milliseconds;
sizes are height x width x channels. In ProxylessNAS `expand` is the ratio and the classifier's input the map before the
pooling, in Once-for-All the hidden width and one pixel.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from sculptnet.arch import Block, SearchSpace, TensorShape
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
from sculptnet.cost.published_tables import not_a_latency, table_of
from sculptnet.cost.table import PUBLISHED, LatencyTable
from sculptnet.errors import InvalidValue, collected

SQUEEZE_RATIO = 0.25  # of the hidden width, in every block of Once-for-All that has one

Keys: TypeAlias = Callable[[Block, TensorShape], Sequence[str] | None]  # None: the format cannot say such a block


def read_ofa_table(
    paths: Path | Sequence[Path], space: SearchSpace, *, device: str = "note10", partial: bool = False
) -> LatencyTable:
    """A table of Once-for-All's MobileNetV3 space, such as those of a Samsung Note 10, one file per resolution.

    Args:
        paths: the YAML file, or those of several resolutions. What does not depend on the resolution, such as the
            classifier, gets the mean over the files.
        space: whose entries are wanted; resolution and widths must be the files' (1.2 times those of MobileNetV3 in
            the published ones).
        device: what was measured.
        partial: keep what there is of a table that does not cover the space.

    Raises:
        InvalidValue: with everything that is wrong in a file.
        NotMeasured: the files lack blocks or shapes of the space; the message lists them.
    """
    several = [paths] if isinstance(paths, Path) else paths
    return _table(several, space, device, "Once-for-All", _ofa_keys, partial)


def read_proxyless_table(
    path: Path, space: SearchSpace, *, device: str = "pixel1", partial: bool = False
) -> LatencyTable:
    """A table of ProxylessNAS' space, such as that of a Pixel 1 at 224 px. It has no entry for the pooling: 0.

    Args:
        path: the YAML file.
        space: whose entries are wanted.
        device: what was measured.
        partial: keep what there is of a table that does not cover the space.

    Raises:
        InvalidValue: with everything that is wrong in the file.
        NotMeasured: the file lacks blocks or shapes of the space; the message lists them.
    """
    return _table([path], space, device, "ProxylessNAS", _proxyless_keys, partial)


def _table(
    paths: Sequence[Path], space: SearchSpace, device: str, source: str, keys: Keys, partial: bool
) -> LatencyTable:
    values: dict[str, list[float]] = {}
    for path in paths:
        for key, value in _means(path).items():
            values.setdefault(key, []).append(value)
    means = {key: sum(found) / len(found) for key, found in values.items()}

    def price(block: Block, shape: TensorShape) -> float | None:
        wanted = keys(block, shape)
        if wanted is None or any(key not in means for key in wanted):
            return None
        return sum(means[key] for key in wanted)

    files = ", ".join(path.name for path in paths)
    return table_of(device, space, price, {PUBLISHED: f"{source}'s {files}"}, partial=partial)


def _means(path: Path) -> dict[str, float]:
    """Milliseconds by key; classifiers see one pixel."""
    try:
        data: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError, OSError) as error:
        raise InvalidValue(f"{path} cannot be read as YAML: {error}") from error
    if not isinstance(data, Mapping) or not data:
        raise InvalidValue(f"{path}: expected operators with a mean each, got {data!r:.80}")
    means: dict[Any, Any] = {
        key: value.get("mean") if isinstance(value, Mapping) else None for key, value in data.items()
    }
    problems = [f"{key}.mean: {wrong}" for key, mean in means.items() if (wrong := not_a_latency(mean))]
    if problems:
        raise InvalidValue(collected(problems, f"latency table in {path}"))
    return {re.sub(r"^Logits-input:\d+x\d+x", "Logits-input:1x1x", str(key)): mean for key, mean in means.items()}


# ---------------------------------------------------------------------- from blocks to keys
def _ofa_keys(block: Block, shape: TensorShape) -> Sequence[str] | None:
    sides = f"-input:{_size(shape)}-output:{_size(block.out_shape(shape))}"
    if isinstance(block, MBPool):
        hidden = TensorShape(shape.channels * block.expansion, shape.height, shape.width)
        pooled = TensorShape(hidden.channels, 1, 1)
        return (
            f"Conv_1-input:{_size(shape)}-output:{_size(hidden)}",
            f"AvgPool2D-input:{_size(hidden)}-output:{_size(pooled)}",
            f"Conv_2-input:{_size(pooled)}-output:{_size(block.out_shape(shape))}",
        )
    if isinstance(block, InvertedResidual):
        swish = {Activation.RELU: 0, Activation.HARD_SWISH: 1}.get(block.activation)
        if swish is None or not (_is_plain(block, shape) and _is_ofa_squeeze(block.squeeze)):
            return None
        squeeze = f"-se:{int(block.squeeze is not None)}-hs:{swish}"
        return (f"expanded_conv{sides}{_inner(block, shape, block.hidden_channels(shape.channels))}{squeeze}",)
    return _ends(block, shape)


def _proxyless_keys(block: Block, shape: TensorShape) -> Sequence[str] | None:
    if isinstance(block, PooledConv):
        return (f"Conv_1-input:{_size(shape)}-output:{_size(TensorShape(block.out_channels, *shape[1:]))}",)
    if isinstance(block, InvertedResidual):
        if block.squeeze is not None or not _is_plain(block, shape):
            return None
        sides = f"-input:{_size(shape)}-output:{_size(block.out_shape(shape))}"
        return (f"expanded_conv{sides}{_inner(block, shape, block.expansion)}",)
    return _ends(block, shape)


def _ends(block: Block, shape: TensorShape) -> Sequence[str] | None:
    """The stem and the classifier."""
    if isinstance(block, Conv) and (block.kernel_size, block.groups) == (3, 1):
        return (f"Conv-input:{_size(shape)}-output:{_size(block.out_shape(shape))}",)
    if isinstance(block, Classifier):
        return (f"Logits-input:{_size(shape)}-output:{block.out_channels}",)
    return None


def _inner(block: InvertedResidual, shape: TensorShape, expand: float) -> str:
    residual = int(block.stride == 1 and shape.channels == block.out_channels)
    return f"-expand:{expand:g}-kernel:{block.kernel_size}-stride:{block.stride}-idskip:{residual}"


def _is_plain(block: InvertedResidual, shape: TensorShape) -> bool:
    """Whether nothing distinguishes the block that keys do not say: they drop the first 1x1 at expansion 1."""
    widened = block.hidden_channels(shape.channels) != shape.channels or not block.expand_at_1
    return widened and (block.groups, block.depthwise_layers) == (1, 1)


def _is_ofa_squeeze(squeeze: SqueezeExcite | None) -> bool:
    return squeeze is None or (squeeze.ratio, squeeze.of) == (SQUEEZE_RATIO, SqueezeBase.HIDDEN)


def _size(shape: TensorShape) -> str:
    return f"{shape.height}x{shape.width}x{shape.channels}"
