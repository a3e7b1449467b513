"""SculptNet: measure a device, search a ConvNet that fits it, train it, ship it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sculptnet._fit import FitResult, fit, fit_network

__version__ = "0.1.0"

__all__ = ["FitResult", "__version__", "fit", "fit_network"]


def __getattr__(name: str) -> Any:
    """What loads torch is imported when it is first used."""
    if name in ("FitResult", "fit", "fit_network"):
        from sculptnet import _fit

        return getattr(_fit, name)
    raise AttributeError(f"module 'sculptnet' has no attribute {name!r}")
