"""Addresses of devices elsewhere: `ssh://user@host:port/RUNTIME?python=PATH` and `adb:SERIAL/RUNTIME?python=PATH`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypeAlias
from urllib.parse import parse_qsl

from sculptnet.devices.remote.adb import AdbMachine
from sculptnet.devices.remote.device import RemoteDevice
from sculptnet.devices.remote.packing import checked_runtime
from sculptnet.devices.remote.ssh import SshMachine
from sculptnet.errors import InvalidValue, SculptNetError, collected, suggestion

DEFAULT_RUNTIME = "onnxruntime"
SSH = re.compile(
    r"ssh://((?P<user>[^@/?]+)@)?(\[(?P<literal>[0-9A-Fa-f:.%]+)\]|(?P<host>[^@:/?\[\]]+))(:(?P<port>\d+))?"
    r"(/(?P<runtime>[^/?]*))?(\?(?P<query>.*))?"
)
ADB = re.compile(r"adb:(?P<serial>[^/?]+)(/(?P<runtime>[^/?]*))?(\?(?P<query>.*))?")
Query: TypeAlias = dict[str, str]


def open_remote(address: str, threads: int) -> RemoteDevice:
    """The device at `address`; nothing is sent there yet.

    Raises:
        InvalidValue: with everything that is wrong with the address.
    """
    ssh = address.startswith("ssh://")
    match = (SSH if ssh else ADB).fullmatch(address)
    if match is None:
        form = "ssh://user@host:port/RUNTIME?python=PATH" if ssh else "adb:SERIAL/RUNTIME?python=PATH"
        raise InvalidValue(f"`device` {address}: an address has the form {form}; only the name is needed")
    found, problems = match.groupdict(), [] if threads >= 1 else [f"threads must be at least 1, got {threads}"]
    query = _query(found["query"], ("python", "config") if ssh else ("python",), problems)
    runtime = found["runtime"] or DEFAULT_RUNTIME
    try:
        checked_runtime(runtime)
    except SculptNetError as error:
        problems.append(str(error))
    problems += [
        f"the {name} must not begin with '-', got {found[name]!r}"
        for name in ("user", "host", "serial")  # ssh and adb would take it for an option
        if (found.get(name) or "").startswith("-")
    ]
    if ssh and found["port"] and not 0 < int(found["port"]) < 1 << 16:
        problems.append(f"the port must lie in 1..65535, got {found['port']}")
    if problems:
        raise InvalidValue(collected(problems, f"`device` {address}"))
    if not ssh:
        return RemoteDevice(AdbMachine(address, found["serial"], **query), runtime, threads)
    if query.get("python", "").startswith("~/"):
        query["python"] = query["python"].replace("~", ".", 1)  # commands begin in the home folder there
    if "config" in query:
        query["config"] = str(Path(query["config"]).expanduser())
    host, port = found["literal"] or found["host"], int(found["port"]) if found["port"] else None
    return RemoteDevice(SshMachine(address, host, found["user"], port, **query), runtime, threads)


def _query(text: str | None, known: tuple[str, ...], problems: list[str]) -> Query:
    query = dict(parse_qsl(text or "", keep_blank_values=True))
    problems += [f"?{key} is no setting of an address; {suggestion(key, known)}" for key in query if key not in known]
    problems += [f"?{key} must not be empty" for key, value in query.items() if key in known and not value]
    return {key: value for key, value in query.items() if key in known}
