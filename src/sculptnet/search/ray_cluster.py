"""Ray, joined or started so that nothing of it shows, and left as it was found."""

from __future__ import annotations

import importlib.util
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sculptnet.errors import DeviceError, MissingExtra

ADDRESS, LOCAL = "RAY_ADDRESS", "local"
CONNECT_S = 5.0
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": "^",  # its only way to keep notes on dead workers off our standard output
    "RAY_worker_niceness": "0",  # of a cluster started here; with Ray's own 15, trials starve on a busy machine
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else a warning that this will be so
}


def check_installed() -> None:
    """Raises `MissingExtra` where there is no Ray."""
    if importlib.util.find_spec("ray") is None:
        raise MissingExtra("Ray is not installed; pip install 'sculptnet[ray]', or give a number of local processes")


@contextmanager
def joined(address: str | None, cpus: int | None = None) -> Iterator[Any]:
    """The module `ray`, connected; at the end disconnected, and the cluster stopped if it was started here.

    Args:
        address: of a running cluster, `local` for a new one; None: that of RAY_ADDRESS, else what `ray start` started
            on this machine, else a new one.
        cpus: how many trials of one CPU a new cluster runs at once; None: one for each core.

    Raises:
        MissingExtra: Ray is not installed.
        DeviceError: the cluster cannot be reached, or none can be started.
    """
    check_installed()
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)  # read when Ray is imported, and by the processes that it starts
    import ray

    if ray.is_initialized():  # by whoever calls us, who will stop it
        yield ray
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        _connect(ray, address, cpus)
        _restore(before)
        yield ray
    finally:
        ray.shutdown()
        _restore(before)


def _connect(ray: Any, address: str | None, cpus: int | None) -> None:
    given = address or os.environ.get(ADDRESS) or "auto"
    found = _of_this_machine() if given == "auto" else given
    try:
        _check_answers(found)
        _init(ray, found, cpus if found == LOCAL else None)
    except Exception as error:  # ConnectionError, RuntimeError, ValueError, gRPC's own: by version and address
        raise DeviceError(
            f"no Ray cluster can be reached at {found} ({_first_line(error)}); start one with `ray start --head`, "
            f"correct the address ({ADDRESS} is {os.environ.get(ADDRESS, 'not set')}), or give `local` to start one "
            "for this run"
        ) from error


def _of_this_machine() -> str:
    """The address of the cluster that `ray start` started here, if it still runs; else `local`, which starts one."""
    by_system = os.environ.get("TMPDIR") if sys.platform.startswith("linux") else None
    noted = Path(os.environ.get("RAY_TMPDIR") or by_system or "/tmp") / "ray" / "ray_current_cluster"
    try:
        address = noted.read_text().strip()
        _check_answers(address)
    except (OSError, ValueError):  # ConnectionError is an OSError; what a crash left behind answers nobody
        return LOCAL
    return address


def _check_answers(address: str) -> None:
    """Raises where nobody listens: Ray itself would try for minutes, and say so on standard error."""
    if address == LOCAL:
        return
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if not (host and colon and port.isdigit()):
        raise ValueError("an address reads HOST:PORT or ray://HOST:PORT")
    with socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_S):
        pass


def _init(ray: Any, address: str, cpus: int | None) -> None:
    ray.init(address, num_cpus=cpus, include_dashboard=False, log_to_driver=False, logging_level=logging.CRITICAL)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _restore(handler: Any) -> None:
    """Ray replaces the handler of SIGTERM."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)
