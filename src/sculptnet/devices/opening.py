"""The devices by name, and how a name is opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from sculptnet.devices.onnxruntime import OnnxRuntime
from sculptnet.devices.plan import Device
from sculptnet.named import find

BY_NAME: Mapping[str, Callable[[int], Device]] = MappingProxyType({"onnxruntime": OnnxRuntime})


def open_device(name: str, threads: int = 1) -> Device:
    """The device of that name, or of the user's own `package.module:name`, with that many threads.

    Raises:
        InvalidValue: there is none; near misses are suggested.
        DeviceError: it cannot do what is asked, such as more threads than cores.
    """
    return find(name, BY_NAME, "device")(threads)
