"""Devices: what a network takes where it will run. One file per runtime, listed in `BY_NAME`."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from sculptnet.devices.measure import measure_networks, measure_onnx, times
from sculptnet.devices.memo import FileMemo, Memo, NoMemo
from sculptnet.devices.onnxruntime import OnnxRuntime
from sculptnet.devices.plan import Device, Measurement, Model, Plan, Quality, check_answer, example_input
from sculptnet.devices.statistics import Timing
from sculptnet.devices.tables import Recheck, measure_table, recheck
from sculptnet.errors import InvalidValue, suggestion

BY_NAME: Mapping[str, Callable[[int], Device]] = MappingProxyType({"onnxruntime": OnnxRuntime})


def open_device(name: str, *, threads: int = 1) -> Device:
    """The device of that name.

    Raises:
        InvalidValue: there is none; near misses are suggested.
        DeviceError: it cannot do what is asked, such as more threads than cores.
    """
    if name not in BY_NAME:
        raise InvalidValue(f"there is no device {name!r}; {suggestion(name, BY_NAME)}")
    return BY_NAME[name](threads)


__all__ = [
    "BY_NAME",
    "Device",
    "FileMemo",
    "Measurement",
    "Memo",
    "Model",
    "NoMemo",
    "OnnxRuntime",
    "Plan",
    "Quality",
    "Recheck",
    "Timing",
    "check_answer",
    "example_input",
    "measure_networks",
    "measure_onnx",
    "measure_table",
    "open_device",
    "recheck",
    "times",
]
