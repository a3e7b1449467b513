from __future__ import annotations

import pytest

from sculptnet.devices.remote import RemoteDevice, open_remote
from sculptnet.devices.remote.adb import AdbMachine
from sculptnet.devices.remote.ssh import SshMachine
from sculptnet.errors import InvalidValue


@pytest.mark.parametrize(
    ("address", "machine"),
    [
        ("ssh://pi", ("pi", None, None, "python3", None)),
        ("ssh://me@pi:2222/onnxruntime", ("pi", "me", 2222, "python3", None)),
        ("ssh://Board?python=/opt/py/bin/python&config=c", ("Board", None, None, "/opt/py/bin/python", "c")),
        ("ssh://me@[fe80::1]:22/?python=~/v%20env/python", ("fe80::1", "me", 22, "./v env/python", None)),
    ],
)
def test_addresses_of_ssh(address: str, machine: tuple[object, ...]) -> None:
    device = open_remote(address, 2)
    assert isinstance(device.machine, SshMachine)
    found = device.machine
    assert (found.host, found.user, found.port, found.python, found.config) == machine
    assert (device.runtime, device.threads) == ("onnxruntime", 2)
    assert open_remote("ssh://pi/openvino", 1).runtime == "openvino"


def test_addresses_of_adb() -> None:
    assert open_remote("adb:R58M/openvino?python=/p", 1) == RemoteDevice(
        AdbMachine("adb:R58M/openvino?python=/p", "R58M", "/p"), "openvino", 1
    )
    assert open_remote("adb:192.168.1.2:5555", 1).name == "onnxruntime-1t-on-192.168.1.2-5555"


def test_names_are_words() -> None:
    assert open_remote("ssh://me@[fe80::1]", 4).name == "onnxruntime-4t-on-fe80--1"
    assert open_remote("ssh://localhost:8022/openvino", 1).name == "openvino-1t-on-localhost-8022"


def test_ssh_is_never_asked_to_ask_and_takes_no_option_from_an_address() -> None:
    words = open_remote("ssh://me@pi:2222?config=c", 1).machine.command("true")
    assert words[-3:] == ["--", "me@pi", "true"]
    assert [word for word in words if word.endswith("=yes")] == ["BatchMode=yes", "StrictHostKeyChecking=yes"]
    assert words[words.index("-F") + 1] == "c"
    assert words[words.index("-p") + 1] == "2222"


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(InvalidValue) as caught:
        open_remote("ssh://-oProxyCommand=x@-h:70000/onxruntime?pyton=a&config=", 0)
    text = str(caught.value)
    for part in (
        "threads must be at least 1, got 0",
        "?pyton is no setting of an address; did you mean python?",
        "?config must not be empty",
        "'onxruntime' cannot be measured on other machines; did you mean onnxruntime",
        "the user must not begin with '-'",
        "the host must not begin with '-'",
        "the port must lie in 1..65535, got 70000",
    ):
        assert part in text


@pytest.mark.parametrize("address", ["ssh://", "ssh://a b/c/d", "ssh://host:port", "adb:", "adb:/onnxruntime"])
def test_what_is_no_address_is_told_the_form(address: str) -> None:
    with pytest.raises(InvalidValue, match="an address has the form"):
        open_remote(address, 1)


def test_a_runtime_that_needs_pytorch_cannot_be_sent() -> None:
    with pytest.raises(
        InvalidValue, match="'torch' cannot be measured on other machines; known: onnxruntime, openvino"
    ):
        open_remote("ssh://pi/torch", 1)
