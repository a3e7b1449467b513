"""Times of models on a device: a plan, its chunks, their statistics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from torch import nn

from sculptnet.arch import Architecture
from sculptnet.blocks import Classifier, Conv, InvertedResidual, PooledConv
from sculptnet.cost import Precision
from sculptnet.devices.graphs import Graphs, Quantise, answer_of, reference_model
from sculptnet.devices.memo import Memo, NoMemo, memo_key
from sculptnet.devices.onnx_files import sized
from sculptnet.devices.plan import Device, Limited, Measurement, Model, Plan, Quality, example_input
from sculptnet.devices.statistics import Timing, timing_of
from sculptnet.errors import DeviceError
from sculptnet.state import Progress, no_progress


def times(
    models: Mapping[str, Model],
    device: Device,
    *,
    reference: Model | None = None,
    alternate: bool = False,
    quality: Quality | None = None,
    memo: Memo | None = None,
    progress: Progress = no_progress,
) -> dict[str, Timing]:
    """Measures `models` on `device`, all of them in turn, and returns a timing for each.

    Args:
        models: by the name that errors will use.
        device: where.
        reference: the network that runs before and after; by default a small fixed one. The more it resembles the
            models, the better it follows what other programs do to caches and memory.
        alternate: run it between any two runs of a model; see `protocol.measure`.
        quality: how carefully; by default `Quality()`.
        memo: keeps every chunk; with the same memo, a killed measurement goes on.
        progress: told after every chunk.

    Raises:
        DeviceError: a model does not run there or answers wrongly.
    """
    quality, memo = quality or Quality(), memo or NoMemo()
    reference = reference or reference_model()
    context = f"{device.name}/{'alternate' if alternate else 'in-a-row'}/{reference.digest()}"
    digests = {name: f"{context}/{model.digest()}" for name, model in models.items()}
    found: dict[str, list[Measurement]] = {name: [] for name in models}
    for name, digest in digests.items():
        kept = (memo.get(memo_key(digest, quality, index)) for index in range(quality.rounds))
        found[name] = [replace(measurement, model=name) for measurement in kept if measurement is not None]
    held = frozenset((name, measurement.round) for name, some in found.items() for measurement in some)
    if len(held) < len(models) * quality.rounds:
        for measurement in device.measure(Plan(models, reference, quality, held, alternate), progress):
            memo.put(memo_key(digests[measurement.model], quality, measurement.round), measurement)
            found[measurement.model].append(measurement)
    speeds = [measurement.reference_ms for some in found.values() for measurement in some]
    reference_ms = float(np.median(speeds)) if speeds else 0.0
    return {name: timing_of(some, reference_ms) for name, some in found.items()}


def measure_networks(
    architectures: Mapping[str, Architecture],
    device: Device,
    *,
    precision: Precision = Precision.FP32,
    reference: Model | None = None,
    alternate: bool = False,
    quality: Quality | None = None,
    memo: Memo | None = None,
    progress: Progress = no_progress,
) -> dict[str, Timing]:
    """Measures whole untrained networks on `device`; weights do not change the time. Arguments: see `times`."""
    check_precision(device, precision)
    graphs = graphs_of(precision)
    models = {name: graphs.network(architecture) for name, architecture in architectures.items()}
    return times(
        models,
        device,
        reference=reference,
        alternate=alternate,
        quality=quality,
        memo=memo,
        progress=progress,
    )


def measure_onnx(
    models: Mapping[str, bytes],
    device: Device,
    *,
    modules: Mapping[str, nn.Module] | None = None,
    resolution: int | None = None,
    reference: Model | None = None,
    alternate: bool = False,
    quality: Quality | None = None,
    memo: Memo | None = None,
    progress: Progress = no_progress,
) -> dict[str, Timing]:
    """Measures serialised ONNX models at batch 1, as they are: exported files, or networks from elsewhere.

    Args:
        models: by name.
        device: where.
        modules: by the same names, for devices that run PyTorch modules: the float32 networks, in eval mode, on the
            CPU, that the models were exported from. Their answers are what the device must answer.
        resolution: height and width of the input where models leave them open, pixels.
        reference, alternate, quality, memo, progress: see `times`.

    Raises:
        InvalidValue: a model does not take one image, or its height and width are open and no resolution is given.
        DeviceError: a model does not run there, answers wrongly, or has no module and needs one.
    """
    modules = modules or {}
    prepared = {name: onnx_model(name, data, modules.get(name), resolution=resolution) for name, data in models.items()}
    return times(
        prepared,
        device,
        reference=reference,
        alternate=alternate,
        quality=quality,
        memo=memo,
        progress=progress,
    )


def onnx_model(name: str, data: bytes, module: nn.Module | None = None, *, resolution: int | None = None) -> Model:
    """A serialised model as it is, at batch 1; see `measure_onnx`. Open height and width become `resolution`."""
    data, shape = sized(name, data, resolution)
    return Model(data, shape, None if module is None else answer_of(module, shape), module=module)


def precisions_of(device: Device) -> frozenset[Precision]:
    """What `device` can run."""
    return frozenset(map(Precision, device.precisions) if isinstance(device, Limited) else Precision)


def check_all_run(device: Device) -> None:
    """Tries every precision on a device that does not say which it runs, with a small network.

    A run ships files of all of them and times them last: what cannot be timed is to be known early.

    Raises:
        DeviceError: one does not run; the message says what to write into the device.
    """
    if isinstance(device, Limited):
        return
    able, why = [], ""
    for precision in Precision:
        graphs = graphs_of(precision)
        plan = Plan({f"a small {precision.value} network": graphs.network(_SMALL)}, graphs.network(_SMALL), _QUICK)
        try:
            list(device.measure(plan))
            able.append(precision.value)
        except DeviceError as error:
            why = str(error)
    if why:
        raise DeviceError(
            f"{device.name} does not run every file that a run ships, and does not say so: {why}. Give its class the "
            f"property `precisions`, here `frozenset({set(able) or '{}'})`: files in others are then not timed"
        )


_QUICK = Quality(rounds=2, chunk_ms=0.01, chunk_runs=1, warm_up_runs=0, tries=1)
_SMALL = Architecture(8, Conv(8, stride=2), ((InvertedResidual(8, expansion=2),),), PooledConv(16), Classifier(3))


def check_precision(device: Device, precision: Precision) -> None:
    """Raises `DeviceError` if `device` does not run `precision`."""
    able = sorted(one.value for one in precisions_of(device))
    if precision.value not in able:
        raise DeviceError(
            f"{device.name} runs {' and '.join(able)} only, not {precision.value}; give `precision={able[0]!r}` or "
            "another `device`"
        )


def graphs_of(precision: Precision) -> Graphs:
    """The maker of models at `precision`."""
    return Graphs(precision, _quantise() if precision is Precision.INT8 else None)


def _quantise() -> Quantise:
    from sculptnet.export.int8 import quantise  # onnxruntime's quantiser takes a second to import

    # Values do not change the time; ranges seen on the very input of the check keep its answer close to PyTorch's.
    return lambda model, shape: quantise(model, [example_input((1, *shape))])
