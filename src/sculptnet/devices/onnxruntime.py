"""ONNX Runtime on this machine's CPU."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import onnxruntime

from sculptnet.devices.local import check_threads, cpu_name, measure_plan, own_cpu_clock
from sculptnet.devices.plan import BOTH, Measurement, Model, Plan, check_answer, example_input
from sculptnet.devices.protocol import Run
from sculptnet.errors import DeviceError
from sculptnet.machine_limits import cores
from sculptnet.state import Progress, no_progress

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
        check_threads(self.threads)

    @property
    def name(self) -> str:
        """Runtime and threads."""
        return f"onnxruntime-{self.threads}t"

    @property
    def precisions(self) -> frozenset[str]:
        """Both."""
        return BOTH

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
        """Measures `plan`; see `local.measure_plan`."""
        return measure_plan(self.name, plan, self._open, progress, cpu_clock=own_cpu_clock(self.threads))

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
