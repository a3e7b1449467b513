"""Android devices that adb reaches. Commands run as adb's shell user, which must be allowed to run the Python."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import final

from sculptnet.devices.remote.machine import Ended, ended
from sculptnet.state import Progress

TERMUX_PYTHON = "/data/data/com.termux/files/usr/bin/python3"
LOST = re.compile("device '.*' not found|no devices|device offline|unauthorized|^error: closed|cannot connect", re.M)


@final
@dataclass(frozen=True)
class AdbMachine:
    """A device of adb.

    Attributes:
        address: how the user named it.
        serial: as `adb devices` lists it.
        python: the Python there; by default Termux's.
        folder: where work folders are made.
    """

    address: str
    serial: str
    python: str = TERMUX_PYTHON
    folder: str = "/data/local/tmp/sculptnet"

    @property
    def label(self) -> str:
        """The serial."""
        return self.serial

    def command(self, words: str) -> list[str]:
        """adb, the device and `words`."""
        return ["adb", "-s", self.serial, "shell", words]

    def send(self, content: bytes, path: str, progress: Progress) -> Ended:
        """Writes a file by `adb push`; it gets its name when all of it arrived."""
        progress(f"sending to {self.serial} (KiB)", 0, len(content) // 1024)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "agent.zip"
            file.write_bytes(content)
            pushed = ended(["adb", "-s", self.serial, "push", str(file), f"{path}.part"])
        progress(f"sending to {self.serial} (KiB)", len(content) // 1024, len(content) // 1024)
        return pushed if pushed.code else ended(self.command(f"mv {path}.part {path}"))

    def why_lost(self, how: Ended) -> str | None:
        """What adb itself says."""
        if how.code == 0 or not LOST.search(how.text):
            return None
        return f"adb does not reach the device ({how.text}); `adb devices` must list {self.serial} as device"
