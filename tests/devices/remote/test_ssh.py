"""Devices by ssh, against a real OpenSSH server on this machine."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.devices.remote.conftest import Server, Wire, free_port

from sculptnet.devices import OnnxRuntime, Plan, open_device
from sculptnet.devices.remote import RemoteDevice, open_remote
from sculptnet.errors import DeviceError
from sculptnet.testing import DeviceSuite

WITHOUT = """#!/bin/sh
exec {python} -c '
import runpy, sys
{change}
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")' "$@"
"""


def chunks_of(plan: Plan) -> list[tuple[str, int]]:
    return sorted((name, index) for name in plan.models for index in range(plan.quality.rounds))


def test_every_chunk_arrives_and_nothing_stays_there(server: Server, plan: Plan) -> None:
    told: list[tuple[str, int, int]] = []
    device = open_device(server.address())
    found = list(device.measure(plan, lambda *what: told.append(what)))
    assert sorted((one.model, one.round) for one in found) == chunks_of(plan)
    assert all(one.ratio > 0 and one.reference_ms > 0 for one in found)
    assert (f"preparing models on {device.name}", 2, 2) in told
    assert told[-1] == (f"measuring on {device.name}", 4, 4)
    assert device.name == f"onnxruntime-1t-on-127.0.0.1-{server.port}"
    assert list((server.home / ".cache/sculptnet").iterdir()) == []


def test_it_is_described_by_what_is_there(server: Server) -> None:
    device = open_device(server.address())
    described = dict(device.describe())
    assert described.pop("opened_as") == server.address()
    assert isinstance(described.pop("host"), str)
    assert described == OnnxRuntime(1).describe()
    assert list((server.home / ".cache/sculptnet").iterdir()) == []


def test_a_broken_connection_is_made_again_and_no_chunk_is_lost(
    server: Server, plan: Plan, wire: Callable[[int, int], Wire]
) -> None:
    waits: list[float] = []
    way = wire(3, 12_000)  # the third connection is the one that measures
    device = open_remote(server.address(port=way.listener.getsockname()[1]), 1)
    long = replace(plan, quality=replace(plan.quality, rounds=60))
    found = list(replace(device, wait=waits.append).measure(long))
    assert way.cuts == 1
    assert [round(wait) for wait in waits] == [1]
    assert sorted((one.model, one.round) for one in found) == chunks_of(long)
    assert list((server.home / ".cache/sculptnet").iterdir()) == []


def test_a_machine_that_stays_away_is_given_up(server: Server, plan: Plan, wire: Callable[[int, int], Wire]) -> None:
    way, waits = wire(3, 12_000), list[float]()
    device = open_remote(server.address(port=way.listener.getsockname()[1]), 1)

    def wait(seconds: float) -> None:
        waits.append(seconds)
        way.stop()

    long = replace(plan, quality=replace(plan.quality, rounds=60))
    with pytest.raises(DeviceError) as caught:
        list(replace(device, wait=wait).measure(long))
    assert waits == [1, 2, 4, 8, 16]
    assert "gave up after 5 connections that brought nothing" in str(caught.value)
    assert "of 120 chunks are known; the same command measures the others" in str(caught.value)
    shutil.rmtree(server.home / ".cache")  # nobody could reach it any more


def test_what_a_killed_process_left_there_is_used(server: Server, plan: Plan) -> None:
    device = open_device(server.address())
    first = device.measure(plan)
    next(first)
    (folder,) = (server.home / ".cache/sculptnet").iterdir()
    kept = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".turn"}
    first.close()  # type: ignore[attr-defined]  # a generator
    folder.mkdir()
    for name, content in kept.items():
        (folder / name).write_bytes(content)
    lines = kept["results.jsonl"].decode().count("\n") - 1
    assert lines >= 1
    results = list(device.measure(plan))
    assert sorted((one.model, one.round) for one in results) == chunks_of(plan)


@pytest.mark.slow
class TestSshDevice(DeviceSuite):
    """The suite of all devices, over the wire."""

    @pytest.fixture(autouse=True)
    def _server(self, server: Server) -> None:
        self.address = server.address()

    def device(self) -> RemoteDevice:
        return open_remote(self.address, 1)


# ---------------------------------------------------------------------- errors
def refusal(address: str, plan: Plan, threads: int = 1) -> str:
    with pytest.raises(DeviceError) as caught:
        list(open_device(address, threads).measure(plan))
    return str(caught.value)


def test_an_unreachable_host(server: Server, plan: Plan) -> None:
    port = free_port()
    text = refusal(server.address(port=port), plan)
    assert "cannot be reached" in text
    assert "Connection refused" in text
    assert f"`ssh -p {port} 127.0.0.1`" in text


def test_an_unknown_host_key(server: Server, plan: Plan, tmp_path: Path) -> None:
    config = server.configure("unknown", UserKnownHostsFile=tmp_path / "none")
    text = refusal(server.address(config=config), plan)
    assert "the host key is not known; connect once by hand" in text
    assert not (tmp_path / "none").exists()


def test_another_host_key_than_the_known_one(server: Server, plan: Plan, tmp_path: Path) -> None:
    key = (server.folder / "other_key.pub").read_text().split()[:2]
    (tmp_path / "changed").write_text(f"* {' '.join(key)}\n")
    config = server.configure("changed", UserKnownHostsFile=tmp_path / "changed")
    assert "the host key is another than the known one" in refusal(server.address(config=config), plan)


def test_a_key_that_is_not_allowed(server: Server, plan: Plan) -> None:
    config = server.configure("denied", IdentityFile=server.folder / "other_key")
    text = refusal(server.address(config=config), plan)
    assert "permission denied" in text
    assert "must work without a password" in text


def test_more_threads_than_cores_there(server: Server, plan: Plan) -> None:
    text = refusal(server.address(), plan, threads=10_000)
    assert server.address() in text
    assert "10000 threads were asked for, but this process may use" in text


def test_a_python_that_is_not_there(server: Server, plan: Plan) -> None:
    text = refusal(server.address("&python=/no/such/python"), plan)
    assert "/no/such/python cannot be run there" in text
    assert "?python=PATH" in text


def test_a_python_that_is_too_old(server: Server, plan: Plan, script: Callable[[str, str], Path]) -> None:
    old = script("old", WITHOUT.format(python=sys.executable, change="sys.version_info = (3, 8, 10)"))
    assert "Python 3.11 or newer is needed" in refusal(server.address(f"&python={old}"), plan)


def test_a_runtime_that_is_not_there(server: Server, plan: Plan, script: Callable[[str, str], Path]) -> None:
    bare = script("bare", WITHOUT.format(python=sys.executable, change='sys.modules["onnxruntime"] = None'))
    text = refusal(server.address(f"&python={bare}"), plan)
    assert f"onnxruntime with {sys.executable}" in text
    assert "pip install onnxruntime" in text


def test_numpy_that_is_not_there(server: Server, plan: Plan, script: Callable[[str, str], Path]) -> None:
    bare = script("bare", WITHOUT.format(python=sys.executable, change='sys.modules["numpy"] = None'))
    assert "pip install numpy`" in refusal(server.address(f"&python={bare}"), plan)


def test_an_agent_that_crashes(server: Server, plan: Plan, script: Callable[[str, str], Path]) -> None:
    dying = script("dying", "#!/bin/sh\necho out of memory >&2\nkill -9 $$\n")
    text = refusal(server.address(f"&python={dying}"), plan)
    assert "the agent crashed with exit status 137" in text
    assert "out of memory" in text


def test_a_model_that_does_not_run_there_is_named(server: Server, plan: Plan) -> None:
    broken = replace(plan, models={"bad model": replace(plan.reference, onnx=b"nothing")})
    assert "cannot run bad model" in refusal(server.address(), broken)


def test_no_ssh_here(plan: Plan, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "ssh is not installed here" in refusal("ssh://somewhere", plan)


def test_a_plan_that_is_held_needs_no_machine(plan: Plan) -> None:
    held = replace(plan, held=frozenset(chunks_of(plan)))
    assert list(open_device("ssh://no-such-host.invalid").measure(held)) == []
