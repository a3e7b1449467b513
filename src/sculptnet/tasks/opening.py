"""What runs of all tasks open: the device, and what torch trains on."""

from __future__ import annotations

import torch

from sculptnet.devices import Device, open_device
from sculptnet.errors import InvalidValue
from sculptnet.options import Accelerator, DeviceGroup


def device_of(target: DeviceGroup) -> Device:
    """The device of a target; opened where it is named.

    Raises:
        InvalidValue: threads were given beside a device that has its own.
        DeviceError: there is no such device.
    """
    if isinstance(target.device, str):
        return open_device(target.device, target.threads)
    if target.threads != 1:
        raise InvalidValue(f"threads {target.threads}: {target.device.name} has its own; leave threads out")
    return target.device


def chosen_accelerator(wanted: Accelerator) -> str:
    """`cpu` or `cuda`.

    Raises:
        InvalidValue: CUDA was asked for and is not there.
    """
    available = torch.cuda.is_available()
    if wanted is Accelerator.CUDA and not available:
        raise InvalidValue("accelerator cuda: torch sees no CUDA device here; use cpu")
    return "cuda" if available and wanted is not Accelerator.CPU else "cpu"
