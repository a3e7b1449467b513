"""SculptNet: measure a device, search a ConvNet that fits it, train it, ship it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sculptnet._version import __version__

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


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    """What loads torch is imported when it is first used."""
    if name not in _WHERE:
        raise AttributeError(f"module 'sculptnet' has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)
