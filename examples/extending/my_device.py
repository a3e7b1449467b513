"""A device of your own: anything that runs an ONNX model. Nothing else has to change.

This one is ONNX's reference implementation, in numpy: slow and everywhere. For another runtime, change `_open`; for a
machine elsewhere, let `measure` send the plan there and yield what comes back.

    PYTHONPATH=examples/extending sculptnet fit PHOTOS --latency-ms 500 --device my_device:Reference
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from sculptnet.devices import Measurement, Model, Plan, check_answer, cpu_name, example_input, measure_plan
from sculptnet.errors import DeviceError
from sculptnet.state import Progress, no_progress


@final
@dataclass(frozen=True)
class Reference:
    """ONNX's reference implementation on this machine, one thread."""

    threads: int = 1

    def __post_init__(self) -> None:
        if self.threads != 1:
            raise DeviceError(f"the reference implementation has one thread, got {self.threads}; leave `threads` at 1")

    @property
    def name(self) -> str:
        """Stands in tables and metrics: `latency_ms@reference-1t`."""
        return "reference-1t"

    @property
    def precisions(self) -> frozenset[str]:
        """Runs ship a file in fp32 and one in int8; what does not stand here is not timed on the device.

        ONNX's reference implementation lacks the quantised operators of the files. Who runs both says so, too.
        """
        return frozenset({"fp32"})

    def describe(self) -> Mapping[str, Any]:
        """What a reader of a time must know."""
        return {"runtime": "onnx.reference", "version": onnx.__version__, "threads": 1, "cpu": cpu_name()}

    def measure(self, plan: Plan, progress: Progress = no_progress) -> Iterator[Measurement]:
        """The library's protocol around plain calls: rounds, and runs of a reference network between all chunks."""
        return measure_plan(self.name, plan, self._open, progress)

    def _open(self, name: str, model: Model) -> Callable[[], object]:
        """A call that runs `model` once, after its answer was compared with PyTorch's."""
        try:
            evaluator = ReferenceEvaluator(onnx.load_model_from_string(model.onnx))
            feed = {evaluator.input_names[0]: example_input(model.shape)}
            (answer,) = evaluator.run(None, feed)
        except Exception as error:  # whatever a runtime raises, the user is told which model it was
            raise DeviceError(f"{self.name} cannot run {name}: {error}") from error
        check_answer(self.name, name, model, np.asarray(answer))
        return lambda: evaluator.run(None, feed)
