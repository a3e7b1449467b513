"""SculptNet: measure a device, search a ConvNet that fits it, train it, ship it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sculptnet._detect import DetectionResult, fit_detector
    from sculptnet._fit import FitResult, fit, fit_network, fit_recipe
    from sculptnet._specialize import Specialized, specialize

__version__ = "0.1.0"

__all__ = [
    "DetectionResult",
    "FitResult",
    "Specialized",
    "__version__",
    "fit",
    "fit_detector",
    "fit_network",
    "fit_recipe",
    "specialize",
]


def __getattr__(name: str) -> Any:
    """What loads torch is imported when it is first used."""
    if name in ("FitResult", "fit", "fit_network", "fit_recipe"):
        from sculptnet import _fit

        return getattr(_fit, name)
    if name in ("Specialized", "specialize"):
        from sculptnet import _specialize

        return getattr(_specialize, name)
    if name in ("DetectionResult", "fit_detector"):
        from sculptnet import _detect

        return getattr(_detect, name)
    raise AttributeError(f"module 'sculptnet' has no attribute {name!r}")
