"""Devices: what a network takes where it will run. One file per runtime, listed in `BY_NAME`."""

from sculptnet.devices.energy import measure_power, open_rapl
from sculptnet.devices.local import cpu_name, measure_plan
from sculptnet.devices.measure import measure_networks, measure_onnx, times
from sculptnet.devices.memo import FileMemo, Memo, NoMemo
from sculptnet.devices.onnxruntime import OnnxRuntime
from sculptnet.devices.opening import BY_NAME, open_device
from sculptnet.devices.plan import Device, Limited, Measurement, Model, Plan, Quality, check_answer, example_input
from sculptnet.devices.statistics import Timing
from sculptnet.devices.tables import Recheck, measure_table, recheck

__all__ = [
    "BY_NAME",
    "Device",
    "FileMemo",
    "Limited",
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
    "cpu_name",
    "example_input",
    "measure_networks",
    "measure_onnx",
    "measure_plan",
    "measure_power",
    "measure_table",
    "open_device",
    "open_rapl",
    "recheck",
    "times",
]
