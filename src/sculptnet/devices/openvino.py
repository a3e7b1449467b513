"""OpenVINO on this machine's CPU."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import openvino

from sculptnet.devices.local import check_threads, cpu_name, measure_plan, own_cpu_clock
from sculptnet.devices.plan import BOTH, Measurement, Model, Plan, check_answer, example_input
from sculptnet.devices.protocol import Run
from sculptnet.errors import DeviceError
from sculptnet.machine_limits import cores
from sculptnet.state import Progress, no_progress

MOST_INSTRUCTIONS = "ONEDNN_MAX_CPU_ISA"  # read by OpenVINO's kernels when they are loaded


@final
@dataclass(frozen=True)
class OpenVino:
    """OpenVINO's CPU plugin, set up for latency: one stream, a fixed number of threads, float32 where not quantised.

    int8 models are the QDQ graphs that are shipped. Threads are not pinned to cores: the operating system places them,
    as it does for the other runtimes. The batch of a file is fixed at the input's before it is compiled.

    Where the processor has AMX, OpenVINO 2026.4 computes some grouped int8 convolutions wrongly (92 channels a group).
    Answers are checked, so that is an error here; `ONEDNN_MAX_CPU_ISA=AVX512_CORE_VNNI` in the environment helps.

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
        return f"openvino-{self.threads}t"

    @property
    def precisions(self) -> frozenset[str]:
        """Both."""
        return BOTH

    def describe(self) -> Mapping[str, Any]:
        """Runtime, version, threads, cpu, cores, and the settings that change times."""
        return {
            "runtime": "openvino",
            "version": openvino.__version__,
            "threads": self.threads,
            "cpu": cpu_name(),
            "cores": cores(),
            "hint": "latency",
            "streams": 1,
            "pinned": False,
            "most_instructions": os.environ.get(MOST_INSTRUCTIONS, "all"),
        }

    def measure(self, plan: Plan, progress: Progress = no_progress) -> Iterator[Measurement]:
        """Measures `plan`; see `local.measure_plan`."""
        core = openvino.Core()

        def opened(name: str, model: Model) -> Run:
            return self._open(core, name, model)

        return measure_plan(self.name, plan, opened, progress, cpu_clock=own_cpu_clock(self.threads))

    def _open(self, core: openvino.Core, name: str, model: Model) -> Run:
        """A call that runs `model` once on a prepared input, after its answer was checked."""
        try:
            network = core.read_model(model.onnx)
            network.reshape(model.shape)
            request = core.compile_model(network, "CPU", self._settings()).create_infer_request()
            request.set_input_tensor(openvino.Tensor(example_input(model.shape)))
            request.infer(share_outputs=True)
            answer = np.array(request.get_output_tensor().data)
        except RuntimeError as error:
            raise DeviceError(f"{self.name} cannot run {name}: {error}") from error
        check_answer(self.name, name, model, answer)
        return lambda: request.infer(share_outputs=True)  # copies no output

    def _settings(self) -> dict[str, object]:
        return {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            "INFERENCE_NUM_THREADS": self.threads,
            "ENABLE_CPU_PINNING": False,
            "INFERENCE_PRECISION_HINT": "f32",  # processors with bfloat16 units would else compute in it
        }
