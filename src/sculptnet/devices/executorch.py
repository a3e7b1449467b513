"""ExecuTorch, PyTorch's runtime for phones, on this machine's CPU with XNNPACK."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, final

import torch
from torch import nn

from sculptnet.devices.local import check_threads, cpu_name, measure_plan, own_cpu_clock
from sculptnet.devices.plan import Measurement, Model, Plan, check_answer, example_input, module_of
from sculptnet.devices.protocol import Run
from sculptnet.errors import DeviceError
from sculptnet.machine_limits import cores
from sculptnet.state import Progress, no_progress

with warnings.catch_warnings():
    # On import it warns that its Python interface is experimental, and trips over deprecations of its dependencies.
    warnings.simplefilter("ignore")
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import EdgeCompileConfig, to_edge_transform_and_lower
    from executorch.extension.pybindings import portable_lib


@final
@dataclass(frozen=True)
class ExecuTorch:
    """ExecuTorch with the XNNPACK backend and a fixed number of threads, in float32.

    Lowering takes seconds for a block and about 20 seconds for a network of 22 blocks, so a table takes minutes.
    The threads are one pool for the whole process, which keeps the number of the last measurement that began.

    Raises:
        InvalidValue: no threads.
        DeviceError: more threads than this process may use cores.
    """

    threads: int = 1
    # The reference network comes with every plan; lowered once, it is kept under its digest, the last one alone.
    _reference: dict[str, bytes] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_threads(self.threads)

    @property
    def name(self) -> str:
        """Runtime and threads."""
        return f"executorch-{self.threads}t"

    @property
    def precisions(self) -> frozenset[str]:
        """Float32 alone."""
        return frozenset({"fp32"})

    def describe(self) -> Mapping[str, Any]:
        """Runtime, version, threads, cpu, cores, backend."""
        return {
            "runtime": "executorch",
            "version": version("executorch"),
            "threads": self.threads,
            "cpu": cpu_name(),
            "cores": cores(),
            "backend": "xnnpack",
        }

    def measure(self, plan: Plan, progress: Progress = no_progress) -> Iterator[Measurement]:
        """Measures `plan`; see `local.measure_plan`."""
        if portable_lib._threadpool_get_thread_count() != self.threads:
            portable_lib._unsafe_reset_threadpool(self.threads)  # unsafe while a model runs; none does

        def opened(name: str, model: Model) -> Run:
            return self._open(name, model, keep=model is plan.reference)

        return measure_plan(self.name, plan, opened, progress, cpu_clock=own_cpu_clock(self.threads))

    def _open(self, name: str, model: Model, *, keep: bool) -> Run:
        """A call that runs `model` once on a prepared input, after its answer was checked."""
        image = torch.from_numpy(example_input(model.shape))
        digest = model.digest()
        module = module_of(self.name, name, model)
        try:
            program = self._reference.get(digest) or lowered(module, image)
            loaded = portable_lib._load_for_executorch_from_buffer(program)
            (answer,) = loaded.forward((image,))
        except Exception as error:  # exporter, partitioner and runtime share no narrower base class
            raise DeviceError(f"{self.name} cannot run {name}: {error}") from error
        check_answer(self.name, name, model, answer.numpy())
        if keep:
            self._reference.clear()
            self._reference[digest] = program
        held = (program, loaded, (image,))  # the runtime points into the program's bytes and does not keep them
        return lambda: held[1].forward(held[2])


def lowered(module: nn.Module, image: torch.Tensor) -> bytes:
    """The ExecuTorch program of `module` for inputs like `image`; what XNNPACK can compute is left to it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations between PyTorch's exporter and ExecuTorch
        exported = torch.export.export(copy.deepcopy(module).eval(), (image,))
        # Validity was a quarter of the time; `_open` compares the program's answer with PyTorch's instead.
        unchecked = EdgeCompileConfig(_check_ir_validity=False)
        edge = to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()], compile_config=unchecked)
        program = edge.to_executorch()
    data: bytes = program.buffer
    return data
