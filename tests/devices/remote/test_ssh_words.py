"""What ssh is called with, and what is made of what it says when a connection ends; no server is needed."""

from __future__ import annotations

import pytest

from sculptnet.devices.remote.machine import Ended
from sculptnet.devices.remote.ssh import CONNECTION, OPTIONS, SshMachine


def test_ssh_is_called_without_a_terminal_and_with_all_that_was_named() -> None:
    plain = SshMachine("ssh://board", "board").command("uname -a")
    assert plain[:2] == ["ssh", "-T"]
    assert plain[-3:] == ["--", "board", "uname -a"]
    assert {f"{name}={value}" for name, value in OPTIONS.items()} == set(plain[3:-3:2])
    full = SshMachine("ssh://board", "board", user="pi", port=2222, config="own").command("true")
    assert full[-7:] == ["-F", "own", "-p", "2222", "--", "pi@board", "true"]


def test_machines_behind_one_hosts_ports_are_told_apart() -> None:
    one, other = (SshMachine("ssh://board", "board", port=port) for port in (None, 2222))
    assert (one.label, other.label) == ("board", "board-2222")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Host key for board has changed", "the host key is another than the known one (Host key for board has ch"),
        ("No ED25519 host key is known for board", "is not known; connect once by hand, `ssh -p 22 pi@board`, and"),
        ("Host key verification failed.", "the host key is not known; connect once by hand"),
        ("pi@board: Permission denied (publickey)", "must work without a password: use a key and ssh-agent"),
        ("Too many authentication failures", "permission denied (Too many authentication failures); `ssh -p 22 pi@b"),
        ("Could not resolve hostname board", "cannot be reached (Could not resolve hostname board); check the host"),
        ("Connection refused", "cannot be reached (Connection refused); "),
        ("Broken pipe", "the connection broke (Broken pipe)"),
        ("", "the connection broke (ssh says nothing)"),
    ],
)
def test_a_lost_connection_is_told_with_its_remedy(said: str, expected: str) -> None:
    why = SshMachine("ssh://board", "board", user="pi", port=22).why_lost(Ended(CONNECTION, said))
    assert why is not None
    assert expected in why


def test_a_command_that_failed_by_itself_is_no_lost_connection() -> None:
    assert SshMachine("ssh://board", "board").why_lost(Ended(1, "Connection refused")) is None
