"""How many threads a plan uses when it is not told: the CPUs that this process may use."""

from __future__ import annotations

from cyconv._kernels.cpu import available_threads

_default: int | None = None


def check_num_threads(num_threads: int | None) -> int:
    """``num_threads``, or the default for None; TypeError or ValueError when it is no positive int."""
    if num_threads is None:
        return get_num_threads()
    if isinstance(num_threads, bool) or not isinstance(num_threads, int):
        raise TypeError(f"num_threads must be an int or None, got {type(num_threads).__name__}")
    if not 1 <= num_threads <= 1024:
        raise ValueError(f"num_threads must be between 1 and 1024, got {num_threads}")
    return num_threads


def get_num_threads() -> int:
    """Threads that networks compiled from now on use.

    Returns
    -------
    int
        What :func:`set_num_threads` has set; else the CPUs in the affinity mask, at most the quota of the cgroup and
        ``OMP_NUM_THREADS``.
    """
    return _default if _default is not None else available_threads()


def set_num_threads(num_threads: int) -> None:
    """Set the number of threads that networks compiled from now on use; plans that exist keep theirs.

    Raises
    ------
    TypeError, ValueError
        ``num_threads`` is no int, or not between 1 and 1024.
    """
    global _default
    _default = check_num_threads(num_threads)
