"""How many threads a plan uses when it is not told: the CPUs that this process may use."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from cyconv.shapes import integer

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")

_default: int | None = None


def quota_of(folder: Path) -> float | None:
    """CPUs that the quota of one cgroup pays for (version 2: cpu.max, version 1: cpu.cfs_*), None without one."""
    for names in (["cpu.max"], ["cpu.cfs_quota_us", "cpu.cfs_period_us"]):
        try:
            quota, period = " ".join((folder / name).read_text() for name in names).split()
            if int(quota) > 0 and int(period) > 0:
                return int(quota) / int(period)
        except (OSError, ValueError):  # not there, or "max"
            continue
    return None


@cache
def cgroup_cpus(root: Path, own: Path) -> int | None:
    """CPUs that the quotas of this process's cgroup and of those around it pay for; a part of a CPU counts as one.

    Read once: a quota belongs to how a process was started.
    """
    try:
        paths = [line.split(":", 2) for line in own.read_text().splitlines()]
    except OSError:
        paths = []
    folders = {root, root / "cpu"}
    for _, controllers, path in (p for p in paths if len(p) == 3):
        base = root / "cpu" if "cpu" in controllers.split(",") else root
        inner = base / path.lstrip("/")
        folders.update(f for f in (inner, *inner.parents) if f.is_relative_to(root))
    quotas = [quota for quota in map(quota_of, folders) if quota is not None]
    return max(1, -int(-min(quotas) // 1)) if quotas else None


def available_threads() -> int:
    """CPUs that this process may use: its affinity mask, the quota of its cgroup and OMP_NUM_THREADS, whichever is least."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cgroup_cpus(CGROUPS, OWN_CGROUP)
    if quota is not None:
        count = min(count, quota)
    requested = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if requested.isdigit() and int(requested) > 0:
        count = min(count, int(requested))
    return count


def check_num_threads(num_threads: int | None) -> int:
    """``num_threads``, or the default for None; TypeError or ValueError when it is no positive int."""
    if num_threads is None:
        return get_num_threads()
    threads = integer(num_threads, "num_threads")
    if not 1 <= threads <= 1024:
        raise ValueError(f"num_threads must be between 1 and 1024, got {threads}")
    return threads


def get_num_threads() -> int:
    """Threads that networks compiled from now on use.

    Returns
    -------
    int
        What :func:`set_num_threads` has set; else the CPUs in the affinity mask, at most the quota of the cgroup and
        ``OMP_NUM_THREADS``.
    """
    return _default if _default is not None else available_threads()


def set_num_threads(num_threads: int | None) -> None:
    """Set the number of threads that networks compiled from now on use; plans that exist keep theirs.

    Parameters
    ----------
    num_threads : int or None
        None goes back to the CPUs that this process may use.

    Raises
    ------
    TypeError, ValueError
        ``num_threads`` is no int, or not between 1 and 1024.
    """
    global _default
    _default = None if num_threads is None else check_num_threads(num_threads)
