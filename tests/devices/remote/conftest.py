"""Other machines for tests: a real OpenSSH server on this one, and an `adb` that runs its commands here."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sculptnet.devices import Plan, Quality
from sculptnet.devices.graphs import Graphs

QUICK = Quality(rounds=2, chunk_ms=0.01, chunk_runs=1, warm_up_runs=0, tries=1)


@pytest.fixture(scope="session")
def plan() -> Plan:
    """Two small models."""
    graphs = Graphs()
    model = graphs.empty()
    return Plan({"first model": model, "second model": model}, model, QUICK)


@dataclass(frozen=True)
class Server:
    """An OpenSSH server; commands run in `home`."""

    folder: Path
    home: Path
    port: int

    def address(self, query: str = "", *, port: int | None = None, config: str = "config") -> str:
        python = "" if "python=" in query else f"&python={sys.executable}"
        return f"ssh://127.0.0.1:{port or self.port}/onnxruntime?config={self.folder / config}{python}{query}"

    def configure(self, name: str, **changed: Path) -> str:
        """A client's configuration file."""
        files = {"UserKnownHostsFile": self.folder / "known_hosts", "IdentityFile": self.folder / "key", **changed}
        lines = ["Host *", f"  User {getpass.getuser()}", "  IdentitiesOnly yes", "  GlobalKnownHostsFile /dev/null"]
        (self.folder / name).write_text("\n".join([*lines, *(f"  {key} {value}" for key, value in files.items()), ""]))
        return name


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    sshd = shutil.which("sshd", path=path)
    if sshd is None or shutil.which("ssh") is None:
        pytest.skip("no OpenSSH server and client here; install openssh-server and openssh-client to run these")
    folder = tmp_path_factory.mktemp("sshd")
    home = folder / "home"
    home.mkdir()
    for name in ("host_key", "key", "other_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    (folder / "authorized_keys").write_text((folder / "key.pub").read_text())
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    port = free_port()
    settings = {
        "ListenAddress": f"127.0.0.1:{port}",
        "HostKey": folder / "host_key",
        "PidFile": "none",
        "AuthorizedKeysFile": folder / "authorized_keys",
        "PermitRootLogin": "prohibit-password",
        "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no",
        "StrictModes": "no",
        "UsePAM": "no",
        "ForceCommand": f'cd {home} && echo "Welcome to a test" && sh -c "$SSH_ORIGINAL_COMMAND"',
    }
    (folder / "sshd_config").write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
    process = subprocess.Popen([sshd, "-D", "-e", "-f", folder / "sshd_config"], stderr=subprocess.DEVNULL)
    try:
        wait_for(port)
        made = Server(folder, home, port)
        key = (folder / "host_key.pub").read_text().split()[:2]
        (folder / "known_hosts").write_text(f"* {' '.join(key)}\n")
        made.configure("config")
        yield made
    finally:
        process.terminate()
        process.wait()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def wait_for(port: int) -> None:
    for _ in range(200):
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the server did not start")


@dataclass
class Wire:
    """A way to `port` that breaks once: the connection number `broken` ends after so many bytes from the server."""

    port: int
    broken: int
    after_bytes: int
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    connections: int = 0
    cuts: int = 0

    def serve(self) -> None:
        threads = []
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:  # shut down
                break
            self.connections += 1
            left = self.after_bytes if self.connections == self.broken else 1 << 40
            threads.append(threading.Thread(target=self._connect, args=(client, left)))
            threads[-1].start()
        for thread in threads:
            thread.join()

    def stop(self) -> None:
        with suppress(OSError):  # stopped already
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _connect(self, client: socket.socket, left: int) -> None:
        with client, socket.create_connection(("127.0.0.1", self.port)) as server:
            upwards = threading.Thread(target=self._carry, args=(client, server, 1 << 40))
            upwards.start()
            self._carry(server, client, left)
            upwards.join()

    def _carry(self, source: socket.socket, target: socket.socket, left: int) -> None:
        with suppress(OSError):  # the other side is gone
            while left > 0 and (data := source.recv(4096)):
                target.sendall(data)
                left -= len(data)
        self.cuts += left <= 0
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def wire(server: Server) -> Iterator[Callable[[int, int], Wire]]:
    made: list[tuple[Wire, threading.Thread]] = []

    def make(broken: int, after_bytes: int) -> Wire:
        one = Wire(server.port, broken, after_bytes)
        made.append((one, threading.Thread(target=one.serve)))
        made[-1][1].start()
        return one

    yield make
    for one, thread in made:
        one.stop()
        thread.join()


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str, str], Path]:
    """Writes a program."""

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    return write


@pytest.fixture
def phone(tmp_path: Path, script: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """An `adb` whose one device, PHONE1, is a folder here."""
    root = tmp_path / "phone"
    root.mkdir()
    script(
        "adb",
        f"""#!/bin/sh
[ "$1" = -s ] && [ "$2" = PHONE1 ] || {{ echo "adb: device '$2' not found" >&2; exit 1; }}
shift 2
here() {{ printf %s "$1" | sed 's#/data/local/tmp#{root}#g'; }}
case "$1" in
shell) exec sh -c "$(here "$2")" ;;
push) cp "$2" "$(here "$3")" ;;
esac
""",
    )
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return root
