"""What a device is asked to measure, and what comes back: plain values that travel to any machine.

A plan holds ONNX models: whoever measures needs Python and a runtime, nothing of ours. Runtimes that take PyTorch
modules find those beside them, on this machine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, final, runtime_checkable

import numpy as np
import numpy.typing as npt

from sculptnet.errors import DeviceError, InvalidValue, collected
from sculptnet.state import Progress, no_progress

if TYPE_CHECKING:
    from torch import nn


@final
@dataclass(frozen=True)
class Quality:
    """How carefully to measure. The defaults resolve about 1 % on an idle machine.

    Attributes:
        rounds: chunks of each model, spread over the whole time: every round visits every model once.
        chunk_ms: least time of the runs in one chunk, milliseconds.
        chunk_runs: least number of runs in one chunk.
        warm_up_runs: first runs of each model, once before its first chunk, which are dropped.
        drift_percent: a chunk is disturbed if the reference network before and after it differs by more.
        tries: how often a disturbed chunk is measured before the calmest try is taken.
    """

    rounds: int = 12
    chunk_ms: float = 4.0
    chunk_runs: int = 3
    warm_up_runs: int = 2
    drift_percent: float = 8.0
    tries: int = 4

    def __post_init__(self) -> None:
        least = {"rounds": 2, "chunk_runs": 1, "warm_up_runs": 0, "tries": 1}
        problems = [
            f"{name} must be a whole number of at least {low}, got {getattr(self, name)!r}"
            for name, low in least.items()
            if type(getattr(self, name)) is not int or getattr(self, name) < low
        ]
        problems += [
            f"{name} must be above 0, got {getattr(self, name)!r}"
            for name in ("chunk_ms", "drift_percent")
            if not getattr(self, name) > 0
        ]
        if problems:
            raise InvalidValue(collected(problems, "Quality"))


@final
@dataclass(frozen=True, eq=False)
class Model:
    """One ONNX model with one input and one output.

    Attributes:
        onnx: the serialised model.
        shape: of the input, batch included.
        expected: what it must answer to `example_input(shape)`, or None if nobody knows.
        tolerance: largest difference from `expected`, as a part of its largest absolute value.
        module: the same network in PyTorch, in eval mode, or None where there is none, as of int8 graphs; devices
            leave it as it is. It stays on this machine and has no part in the digest.
    """

    onnx: bytes
    shape: tuple[int, ...]
    expected: npt.NDArray[np.float32] | None = None
    tolerance: float = 1e-3
    module: nn.Module | None = None

    def digest(self) -> str:
        """A name for what is measured: the same graph, weights and input shape, the same name."""
        return hashlib.sha256(repr(self.shape).encode() + self.onnx).hexdigest()


@final
@dataclass(frozen=True, eq=False)
class Plan:
    """What to measure: models by name, the network they are compared with, and how.

    Attributes:
        held: (model, round) pairs that an earlier, interrupted measurement already has.
        alternate: run the reference between any two runs of a model (`protocol.measure`); what a table's blocks need.
    """

    models: Mapping[str, Model]
    reference: Model
    quality: Quality = field(default_factory=Quality)
    held: frozenset[tuple[str, int]] = frozenset()
    alternate: bool = False


@final
@dataclass(frozen=True)
class Measurement:
    """One chunk of runs of one model.

    Attributes:
        model, round: which.
        ratio: its median run over the median run of the reference, just before and after.
        reference_ms: that run of the reference, milliseconds.
        disturbed: no try was calm; this is the calmest.
    """

    model: str
    round: int
    ratio: float
    reference_ms: float
    disturbed: bool = False


class Device(Protocol):
    """Something that runs ONNX models and can be timed.

    A device that does not run all precisions has one more property, `precisions`: see `Limited`. Runs ship a file in
    fp32 and one in int8; what a device says that it does not run is not timed on it.

    Attributes:
        name: runtime and threads, such as `onnxruntime-1t`; a table carries it.
    """

    @property
    def name(self) -> str: ...

    def describe(self) -> Mapping[str, Any]:
        """What a reader of a figure must know: runtime, version, threads, cpu, cores."""
        ...

    def measure(self, plan: Plan, progress: Progress = no_progress) -> Iterator[Measurement]:
        """Measures round by round and yields each chunk as soon as it is known.

        `progress` is told what is done, how many chunks are done, and how many there are. `measure_plan` does all of it
        around a function that opens a model.

        Raises:
            DeviceError: a model does not run here or answers wrongly; the message names it.
        """
        ...


BOTH = frozenset({"fp32", "int8"})  # precisions: what most devices run


@runtime_checkable
class Limited(Protocol):
    """A device that says which precisions it runs; of one that does not, all are tried before a run trains anything.

    Attributes:
        precisions: values of `cost.Precision`: `fp32`, `int8`, or both.
    """

    @property
    def precisions(self) -> frozenset[str]: ...


def example_input(shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Values in [-1, 1) that look random and are the same on every machine and version."""
    counter = np.arange(int(np.prod(shape)), dtype=np.uint64)
    scrambled = (counter * np.uint64(2654435761) + np.uint64(40503)) % np.uint64(2**32)
    mixed = (scrambled ^ (scrambled >> np.uint64(15))) * np.uint64(2246822519) % np.uint64(2**32)
    return (mixed.astype(np.float64) / 2**31 - 1.0).astype(np.float32).reshape(shape)


def check_answer(device: str, name: str, model: Model, answer: np.ndarray[Any, Any]) -> None:
    """Compares what `device` answers to `example_input` with what the model must answer.

    Raises:
        DeviceError: the answer differs, so its times would describe another network; the message names the model.
    """
    if model.expected is None:
        return
    if answer.shape != model.expected.shape:
        raise DeviceError(f"{device} answers {name} with shape {answer.shape}, PyTorch with {model.expected.shape}")
    largest = max(float(np.abs(model.expected).max()), 1e-6)
    difference = float(np.abs(answer - model.expected).max()) / largest
    if not difference <= model.tolerance:
        raise DeviceError(
            f"{device} computes {name} differently from PyTorch: by {difference:.2g} of the largest output, "
            f"at most {model.tolerance:g} is allowed; its times would describe another network"
        )


def module_of(device: str, name: str, model: Model) -> nn.Module:
    """The module of `model`, for a device that runs modules.

    Raises:
        DeviceError: it has none; the message names the model.
    """
    if model.module is None:
        raise DeviceError(
            f"{device} cannot run {name}: it runs PyTorch modules in fp32, and this is an ONNX graph alone; measure "
            "the architecture instead of the .onnx file, in fp32, or choose another device"
        )
    return model.module
