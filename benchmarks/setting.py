"""In what setting a benchmark runs: instruction set and threads, which asv.conf.json sets as environment variables for each environment.

``CYCONV_ISA`` caps the instruction set, ``OMP_NUM_THREADS`` is the number of threads of all plans. Used by the bench_*.py files.
"""

from __future__ import annotations

import os
from functools import cache

from asv_runner.benchmarks.mark import SkipNotImplemented

from benchmarks.reference import Reference
from cyconv._kernels.cpu import isa, runnable_isas


def threads() -> int:
    """Threads of plans; 1 when the environment does not say."""
    return int(os.environ.get("OMP_NUM_THREADS") or 1)


@cache
def reference() -> Reference:
    """The reference on this setting's instruction set and threads."""
    return Reference(isa(), threads())


def reason_to_skip(one_thread: bool = False, best_isa: bool = False) -> str | None:
    """Why a benchmark has nothing to say in this setting, or None.

    ``one_thread``: it never uses more. ``best_isa``: its time is not that of kernels, so one instruction set tells it all.
    """
    asked = os.environ.get("CYCONV_ISA")
    if asked and asked != isa():
        return f"{asked} cannot run here"
    if one_thread and threads() > 1:
        return "runs on one thread only"
    if best_isa and isa() != runnable_isas()[0]:
        return "does not depend on the instruction set"
    return None


def skip_where_pointless(one_thread: bool = False, best_isa: bool = False) -> None:
    """Leave a benchmark out, as :func:`reason_to_skip` says. Not for setup_cache, where asv would call it a failure."""
    reason = reason_to_skip(one_thread, best_isa)
    if reason:
        raise SkipNotImplemented(reason)
