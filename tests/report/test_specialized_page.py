"""One table and one figure for all devices and budgets of a supernet."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from tests.report.made_up import Outline

from sculptnet.report.specialized_page import DeviceFront, SpecializedNetwork, write_specialized

NETWORK = SpecializedNetwork(
    device="onnxruntime-1t",
    budget_ms=5.0,
    latency_ms=4.9,
    predicted_ms=4.8,
    test_top1=0.81,
    test_balanced=0.7,
    held_out_top1=0.82,
    predicted_top1=0.83,
    macs=20_000_000,
    parameters=900_000,
    network="64 px k3_e4 k5_e6",
    search_seconds=3.0,
    within_budget=True,
    folder=Path("run"),
)
FRONT = ((3.0, 0.7), (5.0, 0.83), (9.0, 0.86))


def test_devices_and_budgets_share_one_figure_and_one_table(tmp_path: Path) -> None:
    other = replace(NETWORK, device="openvino-2t", budget_ms=2.0, latency_ms=2.1, within_budget=False)
    tuned = replace(other, budget_ms=3.0, limits=(("macs", 2.5e7),), fine_tune_epochs=25, test_top1=0.84)
    devices = [DeviceFront(NETWORK.device, FRONT, (NETWORK,)), DeviceFront(other.device, FRONT, (other, tuned))]
    page = write_specialized("demo", devices, tmp_path).read_text(encoding="utf-8")
    assert re.findall(r'<svg [^>]*aria-labelledby="(\w+)-title', page) == ["specialized"]
    assert "3 networks for 2 devices, cut out of one supernet, some fine-tuned" in page
    rows = re.findall(r"<tr><th scope=\"row\">(.*?)</tr>", page)
    asked = ["5 ms", "2 ms", "3 ms, macs 2.5e+07, 25 epochs"]
    assert len(rows) == 3
    for row, network, text in zip(rows, (NETWORK, other, tuned), asked, strict=True):
        assert row.startswith(f'{network.device}</th><td class="number">{text}</td>')
        assert row.endswith(f"<code>{network.network}</code></td>")
        assert f"{100 * network.test_top1:.1f}\u202f%" in row
        assert f"{100 * network.predicted_top1:.1f}\u202f%" in row
        assert ("(over)" in row) != network.within_budget
        assert f"{network.device}, {text}: {100 * network.test_top1:.1f}\u202f% at" in page


def test_a_single_network_is_one(tmp_path: Path) -> None:
    page = write_specialized("demo", [DeviceFront(NETWORK.device, FRONT, (NETWORK,))], tmp_path).read_text()
    assert "1 network for 1 device, cut out of one supernet, without training" in page


def test_what_is_wrong_with_a_network_is_said_beside_the_table(tmp_path: Path) -> None:
    worse = replace(NETWORK, warnings=("model.int8.onnx is less accurate than model.onnx",))
    page = write_specialized("demo", [DeviceFront(NETWORK.device, FRONT, (NETWORK, worse))], tmp_path).read_text()
    assert page.count("Warning: 5 ms on onnxruntime-1t: model.int8.onnx is less accurate than model.onnx") == 1
    assert "70.0" in page


def test_a_device_without_a_front_and_hostile_names_are_shown(tmp_path: Path) -> None:
    nasty = replace(NETWORK, device="<i>&", network="<b>")
    page = write_specialized('"<u>', [DeviceFront("<i>&", (), (nasty,))], tmp_path).read_text(encoding="utf-8")
    outline = Outline(page)
    assert not {tag for tag, _ in outline.tags} & {"i", "b", "u"}
    assert "<code>&lt;b&gt;</code>" in page
    assert "front, predicted" not in page


def test_devices_of_very_different_speed_have_axes_of_their_own(tmp_path: Path) -> None:
    slow = replace(NETWORK, device="slow", budget_ms=500.0, latency_ms=480.0, predicted_ms=470.0)
    fronts = [DeviceFront("fast", FRONT, (NETWORK,)), DeviceFront("slow", ((30.0, 0.5), (470.0, 0.83)), (slow,))]
    page = write_specialized("demo", fronts, tmp_path).read_text(encoding="utf-8")
    assert "slow, 500 ms: 81.0" in page
    assert (tmp_path / "figures" / "specialized.png").exists()
