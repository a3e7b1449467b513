from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from sculptnet import machine_limits
from sculptnet.machine_limits import UNLIMITED, System

GB = 1 << 30


def _system(folder: Path, files: Mapping[str, str]) -> System:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return System(folder / "proc", folder / "cgroup", folder)


OWN_TREE = {"proc/self/cgroup": "0::/\n"}  # version 2, in a container
NESTED = {"proc/self/cgroup": "0::/user.slice/job\n"}
VERSION_1 = {"proc/self/cgroup": "5:memory:/docker/0123\n4:cpu,cpuacct:/docker/0123\n0::/\n"}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 16),
        (OWN_TREE | {"cgroup/cpu.max": "max 100000\n"}, 16),
        (OWN_TREE | {"cgroup/cpu.max": "150000 100000\n"}, 1),
        (OWN_TREE | {"cgroup/cpu.max": "50000 100000\n"}, 1),
        (OWN_TREE | {"cgroup/cpu.max": "3200000 100000\n"}, 16),
        (NESTED | {"cgroup/user.slice/cpu.max": "400000 100000", "cgroup/user.slice/job/cpu.max": "max 100000"}, 4),
        (VERSION_1 | {"cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1", "cgroup/cpu,cpuacct/cpu.cfs_period_us": "1000"}, 16),
        (VERSION_1 | {"cgroup/cpu,cpuacct/cpu.cfs_quota_us": "250000"}, 16),
        (
            VERSION_1
            | {"cgroup/cpu,cpuacct/cpu.cfs_quota_us": "250000", "cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000"},
            2,
        ),
        (
            VERSION_1
            | {
                "cgroup/cpu/docker/0123/cpu.cfs_quota_us": "300000",
                "cgroup/cpu/docker/0123/cpu.cfs_period_us": "100000",
            },
            3,
        ),
    ],
)
def test_cores_are_those_of_the_affinity_and_of_every_quota(
    tmp_path: Path, files: Mapping[str, str], expected: int
) -> None:
    assert machine_limits.cores(_system(tmp_path, files), allowed=16) == expected
    assert machine_limits.cores(_system(tmp_path, files), allowed=1) == 1


def test_memory_is_that_of_the_machine_and_of_every_group(tmp_path: Path) -> None:
    machine = {"proc/meminfo": f"MemTotal: {64 << 20} kB\nMemFree: 1 kB\nMemAvailable: {32 << 20} kB\n"}
    assert machine_limits.memory_limit(_system(tmp_path / "bare", machine)) == 64 * GB
    assert machine_limits.free_memory(_system(tmp_path / "bare", machine)) == 32 * GB
    group = {"memory.max": str(2 * GB), "memory.current": str(GB), "memory.stat": f"anon 5\ninactive_file {GB // 2}\n"}
    second = _system(tmp_path / "2", machine | OWN_TREE | {f"cgroup/{name}": text for name, text in group.items()})
    assert machine_limits.memory_limit(second) == 2 * GB
    assert machine_limits.free_memory(second) == 1.5 * GB
    assert machine_limits.memory_budget(GB, second) == GB // 2
    assert machine_limits.memory_budget(100, second) == 100
    limited = {"limit_in_bytes": str(GB), "usage_in_bytes": str(GB + 5), "stat": "cache 3\ntotal_inactive_file 10\n"}
    files = machine | VERSION_1 | {f"cgroup/memory/memory.{name}": text for name, text in limited.items()}
    first = _system(tmp_path / "1", files)
    assert machine_limits.memory_limit(first) == GB
    assert machine_limits.free_memory(first) == 5


def test_a_system_that_tells_nothing_limits_nothing(tmp_path: Path) -> None:
    nothing = System(tmp_path / "proc", tmp_path / "cgroup", tmp_path / "shm")
    assert machine_limits.memory_limit(nothing) == machine_limits.free_memory(nothing) == UNLIMITED
    assert machine_limits.free_shared_memory(nothing) == UNLIMITED
    unlimited = _system(tmp_path, OWN_TREE | {"cgroup/memory.max": "max\n", "cgroup/memory.current": "5\n"})
    assert machine_limits.memory_limit(unlimited) == machine_limits.free_memory(unlimited) == UNLIMITED


def test_shared_memory_counts_as_memory(tmp_path: Path) -> None:
    full = {"cgroup/memory.max": "1000000", "cgroup/memory.current": "999000"}
    assert machine_limits.free_shared_memory(_system(tmp_path, OWN_TREE | full)) == 1000
