"""Devices on other machines: by ssh, by adb, or by a file that somebody carries there."""

from sculptnet.devices.remote.address import open_remote
from sculptnet.devices.remote.device import RemoteDevice

__all__ = ["RemoteDevice", "open_remote"]
