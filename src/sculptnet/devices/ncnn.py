"""ncnn, a runtime for phones, on this machine's CPU. Its converter is pnnx."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import ncnn
import numpy as np
import pnnx

from sculptnet.devices.local import check_threads, cpu_name, measure_plan, own_cpu_clock
from sculptnet.devices.plan import Measurement, Model, Plan, check_answer, example_input
from sculptnet.devices.protocol import Run
from sculptnet.errors import DeviceError
from sculptnet.machine_limits import cores
from sculptnet.state import Progress, no_progress

INPUT, OUTPUT = "in0", "out0"  # pnnx's names
# Shorter numbers are what ncnn takes where the processor has them; float32 is measured in float32.
SHORTER = ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage")


@final
@dataclass(frozen=True)
class Ncnn:
    """ncnn on the CPU with a fixed number of threads, in float32; int8 needs tables of its own, which nobody makes.

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
        return f"ncnn-{self.threads}t"

    @property
    def precisions(self) -> frozenset[str]:
        """Float32 alone."""
        return frozenset({"fp32"})

    def describe(self) -> Mapping[str, Any]:
        """Runtime, versions, threads, cpu, cores."""
        return {
            "runtime": "ncnn",
            "version": ncnn.__version__,
            "pnnx": pnnx.__version__,
            "threads": self.threads,
            "cpu": cpu_name(),
            "cores": cores(),
        }

    def measure(self, plan: Plan, progress: Progress = no_progress) -> Iterator[Measurement]:
        """Measures `plan`; see `local.measure_plan`."""
        return measure_plan(self.name, plan, self._open, progress, cpu_clock=own_cpu_clock(self.threads))

    def _open(self, name: str, model: Model) -> Run:
        """A call that runs `model` once on a prepared input, after its answer was checked."""
        with tempfile.TemporaryDirectory(prefix="sculptnet-ncnn-") as folder:
            param, weights = self._converted(name, model, Path(folder))
            net = ncnn.Net()
            net.opt.num_threads = self.threads
            for option in SHORTER:
                setattr(net.opt, option, False)
            if net.load_param(str(param)) != 0 or net.load_model(str(weights)) != 0:
                raise DeviceError(f"{self.name} cannot run {name}: ncnn does not load what pnnx made of it")
        image = example_input(model.shape)[0]
        matrix = ncnn.Mat(image).clone()  # a copy: the matrix would only point into the array

        def run() -> Any:
            extractor = net.create_extractor()
            extractor.input(INPUT, matrix)
            return extractor.extract(OUTPUT)

        failed, answer = run()
        if failed:
            raise DeviceError(f"{self.name} cannot run {name}: ncnn gives no output")
        values = np.array(answer)
        if model.expected is not None and values.size == model.expected.size:
            values = values.reshape(model.expected.shape)  # ncnn knows no batch and may add axes of size 1
        check_answer(self.name, name, model, values)
        return run

    def _converted(self, name: str, model: Model, folder: Path) -> tuple[Path, Path]:
        """ncnn's two files of `model`."""
        (folder / "model.onnx").write_bytes(model.onnx)
        shape = ",".join(map(str, model.shape))
        command = [pnnx.EXEC_PATH, "model.onnx", f"inputshape=[{shape}]", "fp16=0"]
        found = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", check=False)
        files = folder / "model.ncnn.param", folder / "model.ncnn.bin"
        if found.returncode != 0 or not all(file.exists() for file in files):
            last = (found.stderr.strip() or found.stdout.strip() or "no message").splitlines()[-1]
            raise DeviceError(f"{self.name} cannot run {name}: pnnx does not convert it ({last})")
        return files
