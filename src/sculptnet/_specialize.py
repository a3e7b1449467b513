"""Networks for other devices and budgets from a supernet that is trained already, in one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from sculptnet.cost import Precision
from sculptnet.files import at_home
from sculptnet.flow.context import Voice
from sculptnet.flow.specialized import Specialized
from sculptnet.flow.specializing import SpecializeRequest, specialize_run
from sculptnet.state import Progress, no_progress

__all__ = ["Specialized", "specialize"]


def specialize(
    run: str | Path,
    latency_ms: float | Sequence[float],
    *,
    device: str | None = None,
    threads: int | None = None,
    precision: Precision | None = None,
    table: Path | None = None,
    limits: Sequence[str] = (),
    fine_tune_epochs: int = 0,
    say: Callable[[str], None] = print,
    progress: Progress = no_progress,
) -> Specialized:
    """Cuts a network for each budget out of the supernet that `fit(..., method="ofa")` trained, without training.

    The device's table is measured once and kept in the run; a budget takes seconds of evolution, and its network is
    measured whole and exported; with `fine_tune_epochs` it is trained on before (25 and 75 in the paper). The same
    call again reads. See `SpecializeRequest` for the arguments.

    Raises:
        RunError: the run has no supernet, or its images have changed since.
        InvalidValue: with everything that is wrong with the arguments.
        Infeasible: budgets under the fastest network of the supernet on this device, or limits that nothing meets.
    """
    budgets = (latency_ms,) if isinstance(latency_ms, (int, float)) else tuple(latency_ms)
    wanted = (device, threads, precision, table, tuple(limits), fine_tune_epochs)
    request = SpecializeRequest(at_home(Path(run)), budgets, *wanted)
    return specialize_run(request, Voice(say, progress))
