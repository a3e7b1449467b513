"""Devices by name or address: a runtime of this machine, or a device elsewhere."""

from __future__ import annotations

from sculptnet.devices.plan import Device
from sculptnet.devices.remote import open_remote
from sculptnet.devices.runtimes import BY_NAME, open_runtime

__all__ = ["BY_NAME", "REMOTE", "open_device"]

REMOTE = ("ssh://", "adb:")  # how addresses of devices elsewhere begin


def open_device(name: str, threads: int = 1) -> Device:
    """The device of that name or address, or of the user's own `package.module:name`, with that many threads.

    Raises:
        InvalidValue: there is none; near misses are suggested.
        DeviceError: its runtime is not installed, or it cannot do what is asked, such as more threads than cores.
    """
    return open_remote(name, threads) if name.startswith(REMOTE) else open_runtime(name, threads)
