"""The numbers that networks compute with."""

from __future__ import annotations

from enum import Enum

__all__ = [
    "Precision",
]


class Precision(Enum):
    """The numbers that a network computes with on the device."""

    FP32 = "fp32"
    INT8 = "int8"
