"""What this process may use of its machine: cores, memory, shared memory; in a container often far less than there is.

A container limits by control groups: files below `/sys/fs/cgroup`, one tree for all resources (version 2) or one for
each (version 1). A limit of any group above counts as well. Where such a file is missing, nothing is limited.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import final

UNLIMITED = 1 << 62  # bytes; version 1 writes a number near 2**63 where nothing is limited
MEMORY_SHARE = 4  # of the memory there is, one part of so many may hold images


@final
@dataclass(frozen=True)
class System:
    """Where a system tells its limits.

    Attributes:
        proc: the files of processes.
        cgroups: where the control groups are mounted.
        shared: the file system in which processes share memory.
    """

    proc: Path = Path("/proc")
    cgroups: Path = Path("/sys/fs/cgroup")
    shared: Path = Path("/dev/shm")


HERE = System()


def cores(system: System = HERE, allowed: int | None = None) -> int:
    """The whole cores that this process may use, one at least: by its affinity and by the quotas of its groups.

    A part of a core counts for nothing (`docker --cpus 1.5` is one): two threads would wait for each other.

    Args:
        system: where the quotas are told.
        allowed: the cores of its affinity; None asks.
    """
    count = float(_allowed() if allowed is None else allowed)
    for group in _groups(system, "cpu"):
        quota, period = _numbers(group / "cpu.max", 2) or (None, None)  # "max 100000" where nothing is limited
        if quota is None:
            quota, period = _number(group / "cpu.cfs_quota_us"), _number(group / "cpu.cfs_period_us")
        if quota and period and quota > 0:  # version 1: -1 where nothing is limited
            count = min(count, quota / period)
    return max(1, int(count))


def memory_limit(system: System = HERE) -> int:
    """The bytes of memory that this process and what shares its groups may use in all; the same at any time."""
    limits = [_memory(system, "MemTotal")]
    for group in _groups(system, "memory"):
        limits += [_number(group / name) for name in ("memory.max", "memory.limit_in_bytes")]
    return min([limit for limit in limits if limit is not None], default=UNLIMITED)


def free_memory(system: System = HERE) -> int:
    """The bytes of memory that are free now; what only caches files counts as free."""
    free = [_memory(system, "MemAvailable")]
    for group in _groups(system, "memory"):
        for limit, usage, cached in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            most, used = _number(group / limit), _number(group / usage)
            if most is not None and used is not None:
                free.append(max(0, most - used + _entry(group / "memory.stat", cached)))
    return min([number for number in free if number is not None], default=UNLIMITED)


def free_shared_memory(system: System = HERE) -> int:
    """The bytes that processes can still share: 64 MB in a Docker container that was given no `--shm-size`."""
    try:
        found = os.statvfs(system.shared)
    except (OSError, AttributeError):  # macOS and Windows share memory elsewhere
        return UNLIMITED
    return min(found.f_bavail * found.f_frsize, free_memory(system))  # its pages count as memory


def memory_budget(most: int, system: System = HERE) -> int:
    """`most` bytes for images in memory; a quarter of `memory_limit` where that is less."""
    return min(most, memory_limit(system) // MEMORY_SHARE)


def _allowed() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _groups(system: System, controller: str) -> Iterator[Path]:
    """The folders of this process's group and of all groups above it.

    In a container the process may be told the path on the host, of which it sees the last part only, as the root.
    """
    own = _text(system.proc / "self" / "cgroup") or ""
    for line in own.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        for root in dict.fromkeys((controllers, controller if controllers else "unified", "")):
            tree = system.cgroups / root
            inside = tree / path.lstrip("/")
            yield from (group for group in (inside, *inside.parents) if group.is_relative_to(tree) and group.is_dir())
            if root and tree.is_dir():
                break


def _memory(system: System, name: str) -> int | None:
    """Bytes of a line of `meminfo`."""
    for line in (_text(system.proc / "meminfo") or "").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return None


def _entry(path: Path, name: str) -> int:
    for line in (_text(path) or "").splitlines():
        if line.startswith(f"{name} "):
            return int(line.split()[1])
    return 0


def _number(path: Path) -> int | None:
    numbers = _numbers(path, 1)
    return numbers[0] if numbers else None


def _numbers(path: Path, count: int) -> tuple[int, ...] | None:
    """The whole numbers that a file starts with; None for other words, such as `max`, or without the file."""
    words = (_text(path) or "").split()[:count]
    try:
        return tuple(map(int, words)) if len(words) == count else None
    except ValueError:
        return None


def _text(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None
