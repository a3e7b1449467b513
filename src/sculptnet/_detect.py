"""A detector in one call: a network, photographs with boxes, and what training may take."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from sculptnet.flow.common_request import from_plain
from sculptnet.flow.context import Voice
from sculptnet.flow.detection_request import DetectionRequest
from sculptnet.flow.detection_run import DetectionResult, run_detection
from sculptnet.state import Progress, no_progress

__all__ = ["DetectionResult", "fit_detector"]


def fit_detector(
    network: str | Path,
    data: str | Path,
    *,
    pretrained: bool = False,
    weights: Path | None = None,
    latency_ms: float | None = None,
    size: int = 320,
    device: str = "onnxruntime",
    threads: int = 1,
    minutes: float = 60.0,
    seed: int = 0,
    settings: Sequence[str] = (),
    test_fraction: float = 0.2,
    accelerator: str = "auto",
    run_dir: Path | None = None,
    runs: Path = Path("runs"),
    fresh: bool = False,
    say: Callable[[str], None] = print,
    progress: Progress = no_progress,
) -> DetectionResult:
    """Trains SSDLite on any network, for photographs with boxes, and ships it with its post-processing.

    The same call again goes on where the last one stopped. See `DetectionRequest` for the arguments.

    Raises:
        InvalidValue: with everything that is wrong with the arguments, or the weights are those of another network.
        DataError: with everything that is wrong with the photographs and their boxes.
        MissingExtra: pycocotools is not installed.
    """
    request = from_plain(DetectionRequest, locals())
    return run_detection(request, Voice(say, progress))
