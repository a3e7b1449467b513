"""PyTorch itself on this machine: eager or compiled on the CPU, eager with CUDA."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from sculptnet.devices.local import check_threads, cpu_name, measure_plan, own_cpu_clock
from sculptnet.devices.plan import Measurement, Model, Plan, check_answer, example_input, module_of
from sculptnet.devices.protocol import Run
from sculptnet.errors import DeviceError
from sculptnet.machine_limits import cores
from sculptnet.state import Progress, no_progress

FP32 = frozenset({"fp32"})
LAYOUT = torch.channels_last


@final
@dataclass(frozen=True)
class Torch:
    """PyTorch on the CPU with a fixed number of threads: modules in eval mode, channels-last, batch norm not folded.

    Compiled, only whole networks are timed: compiling takes from seconds to a minute for each, and what is compiled
    alone is not what is compiled within a network, so that a sum over blocks would mean little.

    Raises:
        InvalidValue: no threads.
        DeviceError: more threads than this process may use cores.
    """

    threads: int = 1
    compiled: bool = False

    def __post_init__(self) -> None:
        check_threads(self.threads)

    @property
    def name(self) -> str:
        """Runtime and threads."""
        return f"torch-compile-{self.threads}t" if self.compiled else f"torch-{self.threads}t"

    @property
    def precisions(self) -> frozenset[str]:
        """Float32 alone."""
        return FP32

    def describe(self) -> Mapping[str, Any]:
        """Runtime, version, threads, cpu, cores, and what changes times."""
        return {
            "runtime": "torch",
            "version": torch.__version__,
            "threads": self.threads,
            "cpu": cpu_name(),
            "cores": cores(),
            "layout": "channels-last",
            "compiled": self.compiled,
        }

    def measure(self, plan: Plan, progress: Progress = no_progress) -> Iterator[Measurement]:
        """Measures `plan`; see `local.measure_plan`. PyTorch's number of threads is changed for that time only."""
        if self.compiled and plan.alternate:
            raise DeviceError(
                f"{self.name} times whole networks, not the blocks of a latency table; make the table with "
                "`device='torch'`, or give an architecture to measure"
            )
        chunks = measure_plan(self.name, plan, self._open, progress, cpu_clock=own_cpu_clock(self.threads))
        return _stepwise(chunks, lambda: _with_threads(self.threads))

    def _open(self, name: str, model: Model) -> Run:
        module = copy.deepcopy(module_of(self.name, name, model))
        ready: Callable[[Tensor], Tensor] = module.to(memory_format=LAYOUT).eval()
        image = _image(model)
        return _checked_run(self.name, name, model, torch.compile(ready) if self.compiled else ready, image)


def compiled_torch(threads: int = 1) -> Torch:
    """`torch.compile` with its default settings."""
    return Torch(threads, compiled=True)


@final
@dataclass(frozen=True)
class TorchCuda:
    """PyTorch on the first CUDA device: modules in eval mode, channels-last, true float32 (no TF32), no graphs.

    Times are those between CUDA events around a run, so they contain the launching of kernels where the device waits
    for it, as it does with one image.

    Raises:
        DeviceError: there is no CUDA device, or threads were asked for.
    """

    threads: int = 1

    def __post_init__(self) -> None:
        if not torch.cuda.is_available():
            raise DeviceError("torch sees no CUDA device here; `device='torch'` measures on the CPU")
        if self.threads != 1:
            raise DeviceError(f"torch-cuda has no threads to choose, got {self.threads}; leave `threads` at 1")

    @property
    def name(self) -> str:
        """The runtime."""
        return "torch-cuda"

    @property
    def precisions(self) -> frozenset[str]:
        """Float32 alone."""
        return FP32

    def describe(self) -> Mapping[str, Any]:
        """Runtime, versions, the CUDA device, cpu, cores, and what changes times."""
        return {
            "runtime": "torch",
            "version": torch.__version__,
            "threads": self.threads,
            "cpu": cpu_name(),
            "cores": cores(),
            "cuda": torch.version.cuda,
            "gpu": torch.cuda.get_device_name(0),
            "layout": "channels-last",
            "tf32": False,
        }

    def measure(self, plan: Plan, progress: Progress = no_progress) -> Iterator[Measurement]:
        """Measures `plan`; see `local.measure_plan`."""
        chunks = measure_plan(self.name, plan, self._open, progress, clock=EventClock())
        return _stepwise(chunks, _true_float32)

    def _open(self, name: str, model: Model) -> Run:
        module = copy.deepcopy(module_of(self.name, name, model)).to("cuda")
        module = module.to(memory_format=LAYOUT).eval()
        return _checked_run(self.name, name, model, module, _image(model).to("cuda"))


@final
class EventClock:
    """Seconds on the CUDA device: every call records an event and waits for it."""

    def __init__(self) -> None:
        self._last = self._event()
        self._seconds = 0.0

    def __call__(self) -> float:
        """Seconds since the clock was made. Steps are added up here: an event's own sums are too coarse after hours."""
        event = self._event()
        self._seconds += self._last.elapsed_time(event) / 1e3
        self._last = event
        return self._seconds

    def _event(self) -> torch.cuda.Event:
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        event.synchronize()
        return event


def _image(model: Model) -> Tensor:
    image = torch.from_numpy(example_input(model.shape))
    return image.to(memory_format=LAYOUT) if image.ndim == 4 else image


def _checked_run(device: str, name: str, model: Model, module: Callable[[Tensor], Tensor], image: Tensor) -> Run:
    """A call that runs `module` once on `image`, after its answer was checked."""

    @torch.inference_mode()
    def run() -> Tensor:
        return module(image)

    try:
        answer = run().cpu().numpy()
    except Exception as error:  # compilers raise what they like
        raise DeviceError(f"{device} cannot run {name}: {error}") from error
    check_answer(device, name, model, answer)
    return run


def _stepwise(
    chunks: Iterator[Measurement], within: Callable[[], AbstractContextManager[None]]
) -> Iterator[Measurement]:
    """`chunks`, each made `within` settings that do not hold while somebody else goes on with it."""
    while True:
        with within():
            measurement = next(chunks, None)
        if measurement is None:
            return
        yield measurement


@contextmanager
def _with_threads(threads: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _true_float32() -> Iterator[None]:
    products = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = products
