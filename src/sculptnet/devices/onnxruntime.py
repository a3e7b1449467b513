"""ONNX Runtime on this machine's CPU."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, final

import numpy as np
import onnxruntime

from sculptnet.devices.plan import Measurement, Model, Plan, check_answer, example_input
from sculptnet.devices.protocol import Run, measure
from sculptnet.errors import DeviceError, InvalidValue
from sculptnet.state import Progress, no_progress

AT_ONCE = 256  # models that are open at the same time; each holds its weights and activations
ERRORS_ONLY = 3  # log severity


@final
@dataclass(frozen=True)
class OnnxRuntime:
    """ONNX Runtime's CPU provider with a fixed number of threads.

    Raises:
        InvalidValue: no threads.
        DeviceError: more threads than this process may use cores.
    """

    threads: int = 1

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise InvalidValue(f"threads must be at least 1, got {self.threads}")
        if self.threads > cores():
            raise DeviceError(
                f"{self.threads} threads were asked for, but this process may use {cores()} cores; "
                f"threads must lie in 1..{cores()}"
            )

    @property
    def name(self) -> str:
        """Runtime and threads."""
        return f"onnxruntime-{self.threads}t"

    def describe(self) -> Mapping[str, Any]:
        """Runtime, version, threads, cpu, cores."""
        return {
            "runtime": "onnxruntime",
            "version": onnxruntime.__version__,
            "threads": self.threads,
            "cpu": cpu_name(),
            "cores": cores(),
        }

    def measure(self, plan: Plan, progress: Progress = no_progress) -> Iterator[Measurement]:
        """Measures `plan` in groups of models that are open at the same time; see `protocol.measure`."""
        reference = self._open("reference network", plan.reference)
        names = iter(plan.models)
        total = len(plan.models) * plan.quality.rounds
        done = len(plan.held)
        progress(f"measuring on {self.name}", done, total)
        while group := tuple(islice(names, AT_ONCE)):
            waiting = [name for name in group if any((name, i) not in plan.held for i in range(plan.quality.rounds))]
            runs = {name: self._open(name, plan.models[name]) for name in waiting}
            # With one thread ONNX Runtime computes in the calling thread; with more, its CPU time says little.
            cpu_clock = time.thread_time if self.threads == 1 else None
            chunks = measure(
                runs, reference, plan.quality, alternate=plan.alternate, held=plan.held, cpu_clock=cpu_clock
            )
            for measurement in chunks:
                done += 1
                progress(f"measuring on {self.name}", done, total)
                yield measurement

    def _open(self, name: str, model: Model) -> Run:
        """A call that runs `model` once on a prepared input into a prepared output, after its answer was checked."""
        try:
            session = onnxruntime.InferenceSession(model.onnx, self._options(), providers=["CPUExecutionProvider"])
            image = example_input(model.shape)
            binding = session.io_binding()
            binding.bind_ortvalue_input(session.get_inputs()[0].name, onnxruntime.OrtValue.ortvalue_from_numpy(image))
            answer = session.run(None, {session.get_inputs()[0].name: image})[0]
            output = onnxruntime.OrtValue.ortvalue_from_numpy(answer)
            binding.bind_ortvalue_output(session.get_outputs()[0].name, output)
        except Exception as error:  # ONNX Runtime's exceptions share no narrower base class
            raise DeviceError(f"{self.name} cannot run {name}: {error}") from error
        check_answer(self.name, name, model, np.asarray(answer))
        return lambda: session.run_with_iobinding(binding)

    def _options(self) -> onnxruntime.SessionOptions:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = ERRORS_ONLY
        if self.threads > 1:
            # Each open session has its own threads; spinning while they wait, those of a hundred fight for the cores.
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        return options


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_name() -> str:
    """What the processor calls itself."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
