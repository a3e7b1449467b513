"""Android devices by adb: its commands, run here by a program that stands for adb. No hardware is involved."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sculptnet.devices import OnnxRuntime, Plan, open_device
from sculptnet.devices.remote.adb import TERMUX_PYTHON
from sculptnet.errors import DeviceError

PHONE = f"adb:PHONE1?python={sys.executable}"


def test_every_chunk_arrives_and_nothing_stays_there(phone: Path, plan: Plan) -> None:
    device = open_device(PHONE)
    found = [(one.model, one.round) for one in device.measure(plan)]
    assert sorted(found) == [(name, index) for name in plan.models for index in range(plan.quality.rounds)]
    assert device.name == "onnxruntime-1t-on-PHONE1"
    assert list((phone / "sculptnet").iterdir()) == []


def test_it_is_described_by_what_is_there(phone: Path) -> None:
    described = dict(open_device(PHONE).describe())
    assert described.pop("opened_as") == PHONE
    assert {key: value for key, value in described.items() if key != "host"} == OnnxRuntime(1).describe()


def test_a_device_that_adb_does_not_list(phone: Path, plan: Plan) -> None:
    with pytest.raises(DeviceError, match=r"adb does not reach the device .*`adb devices` must list PHONE2 as device"):
        list(open_device("adb:PHONE2").measure(plan))


def test_a_phone_without_termux(phone: Path, plan: Plan) -> None:
    with pytest.raises(DeviceError, match=f"{TERMUX_PYTHON} cannot be run there"):
        list(open_device("adb:PHONE1/onnxruntime").measure(plan))


def test_a_phone_that_is_full(phone: Path, plan: Plan) -> None:
    (phone / "sculptnet").write_text("a file where the folder should be")
    with pytest.raises(DeviceError, match="cannot be written to /data/local/tmp/sculptnet/"):
        list(open_device(PHONE).measure(plan))


def test_no_adb_here(plan: Plan, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DeviceError, match="adb is not installed here"):
        list(open_device("adb:PHONE1").measure(plan))
