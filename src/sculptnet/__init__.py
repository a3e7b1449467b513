"""SculptNet: measure a device, search a ConvNet that fits it, train it, ship it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sculptnet._version import __version__
from sculptnet.lazily import loaded_lazily

if TYPE_CHECKING:
    from sculptnet.api import detect, fit, resume, search_recipe, specialize, train
    from sculptnet.listening import Listener
    from sculptnet.result import FitResult
    from sculptnet.specialized import Specialized
    from sculptnet.tasks.detect_result import DetectionResult

_WHERE = {
    "DetectionResult": "sculptnet.tasks.detect_result",
    "FitResult": "sculptnet.result",
    "Listener": "sculptnet.listening",
    "Specialized": "sculptnet.specialized",
    "detect": "sculptnet.api",
    "fit": "sculptnet.api",
    "resume": "sculptnet.api",
    "search_recipe": "sculptnet.api",
    "specialize": "sculptnet.api",
    "train": "sculptnet.api",
}

__all__ = [
    "DetectionResult",
    "FitResult",
    "Listener",
    "Specialized",
    "__version__",
    "detect",
    "fit",
    "resume",
    "search_recipe",
    "specialize",
    "train",
]

__getattr__, __dir__ = loaded_lazily(__name__, _WHERE)
