"""Machines that the OpenSSH client reaches: keys, agents, aliases and jump hosts of the user's configuration apply."""

from __future__ import annotations

import re
from dataclasses import dataclass
from shlex import quote
from typing import final

from sculptnet.devices.remote.machine import Ended, ended
from sculptnet.state import Progress

CONNECTION = 255  # exit code of ssh itself
OPTIONS = {
    "BatchMode": "yes",  # never ask: there may be nobody to answer
    "StrictHostKeyChecking": "yes",
    "ConnectTimeout": "15",
    "ServerAliveInterval": "15",
    "ServerAliveCountMax": "4",
}


@final
@dataclass(frozen=True)
class SshMachine:
    """A host of ssh.

    Attributes:
        address: how the user named it.
        host: a name, an address, or an alias of the user's ssh configuration.
        user, port: None for what the configuration says.
        python: the Python there.
        config: an ssh configuration file instead of the user's.
        folder: where work folders are made, below the home folder there.
    """

    address: str
    host: str
    user: str | None = None
    port: int | None = None
    python: str = "python3"
    config: str | None = None
    folder: str = ".cache/sculptnet"

    @property
    def label(self) -> str:
        """The host, and the port where it is named: behind one host's ports there may be several machines."""
        return self.host if self.port is None else f"{self.host}-{self.port}"

    def command(self, words: str) -> list[str]:
        """ssh, its options, the destination and `words`."""
        options = [part for name, value in OPTIONS.items() for part in ("-o", f"{name}={value}")]
        options += ["-F", self.config] if self.config else []
        options += ["-p", str(self.port)] if self.port else []
        return ["ssh", "-T", *options, "--", self._destination(), words]

    def send(self, content: bytes, path: str, progress: Progress) -> Ended:
        """Writes a file through the input of a command; it gets its name when all of it arrived."""
        part = quote(f"{path}.part")
        words = f"cat > {part} && test $(wc -c < {part}) -eq {len(content)} && mv {part} {quote(path)}"
        return ended(self.command(words), content, progress, f"sending to {self.host} (KiB)")

    def why_lost(self, how: Ended) -> str | None:
        """What ssh itself says, and what to do about it."""
        if how.code != CONNECTION:
            return None
        by_hand = " ".join(["ssh", *(["-p", str(self.port)] if self.port else []), self._destination()])
        if re.search("Host key for .* has changed", how.text):
            return f"the host key is another than the known one ({how.text}); ask whoever runs the machine why"
        if re.search("host key is known|Host key verification failed", how.text):
            return f"the host key is not known; connect once by hand, `{by_hand}`, and compare its fingerprint"
        if re.search("Permission denied|Too many authentication failures", how.text):
            return f"permission denied ({how.text}); `{by_hand}` must work without a password: use a key and ssh-agent"
        if re.search("resolve|refused|timed out|No route|unreachable", how.text):
            return f"cannot be reached ({how.text}); check the host, the port and the network with `{by_hand}`"
        return f"the connection broke ({how.text or 'ssh says nothing'})"

    def _destination(self) -> str:
        return f"{self.user}@{self.host}" if self.user else self.host
