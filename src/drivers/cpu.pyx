"""The processor: which instruction set's micro-kernels are used, what a forked child may do, and the measured peak.

Layer: drivers. The choice is made once, at import; the environment variable CYCONV_ISA caps it. Only this module and `targets` name
the tables of the instruction sets.
"""

import os
import platform
import warnings

from libc.stdint cimport int64_t

cdef extern from "cpu_features.h" nogil:
    enum:
        CY_TABLES
    void cy_runnable(const cy_kernels **tables, bint with_tiles)

cdef extern from "parallel.h" nogil:
    int64_t cy_nanoseconds()

ISA_NAMES = ("baseline", "avx2", "avx512", "amx")  # each runs wherever a later one runs

cdef const cy_kernels *runnable[CY_TABLES]


def runnable_isas():
    """The instruction sets that were compiled and that this machine can run, best first."""
    return [runnable[i].isa.decode() for i in range(CY_TABLES) if runnable[i] != NULL]


def compiled_isas():
    """The instruction sets that were compiled into this build, best first."""
    return sorted(ISA_NAMES, key=ISA_NAMES.index, reverse=True) if platform.machine() in ("x86_64", "AMD64") else ["baseline"]


cdef const cy_kernels *table_of(str isa) except NULL:
    for i in range(CY_TABLES):
        if runnable[i] != NULL and runnable[i].isa.decode() == isa:
            return runnable[i]
    raise ValueError(f"instruction set {isa!r} cannot run here; these can: {', '.join(runnable_isas())}")


cdef const cy_kernels *choose() except NULL:
    """The best table that can run and that CYCONV_ISA allows. The system is asked for tile registers only where it allows them."""
    cap = os.environ.get("CYCONV_ISA", "") or "amx"
    if cap not in ISA_NAMES:
        raise ImportError(f"the environment variable CYCONV_ISA must be one of {', '.join(ISA_NAMES)}, got {cap!r}")
    cy_runnable(runnable, cap == "amx")
    for name in runnable_isas():
        if ISA_NAMES.index(name) <= ISA_NAMES.index(cap):
            return table_of(name)
    raise ImportError("no micro-kernels were compiled for this machine")


kernels = choose()


def isa():
    """The instruction set in use: "baseline", "avx2", "avx512" or "amx"."""
    return kernels.isa.decode()


def lanes():
    """Floats in a vector, and channels in a block of the layout nchw{lanes}c."""
    return kernels.lanes


def conv_pixels():
    """Pixels of the largest register tile: a tuple of (one row, two rows) for 1, 2 and 3 output blocks."""
    return tuple((kernels.conv_pixels[b][0], kernels.conv_pixels[b][1]) for b in range(CY_CONV_BLOCKS))


def lanewise_pixels():
    """Pixels of the largest lane-wise tile."""
    return kernels.lanewise_pixels


def has_tiles():
    """Whether products of three bfloat16 parts run on tile registers (drivers/bf16x3.pyx)."""
    return kernels.tiles != NULL


def measure_peak(double seconds=0.05):
    """GFLOP/s of independent multiply-adds on one thread: the best of runs of about a millisecond that last `seconds` together.

    Shorter runs would catch the clock's briefest peaks, which no layer of a network can hold.
    """
    cdef int64_t start, elapsed, total = 0, limit = <int64_t> (seconds * 1e9)
    cdef ptrdiff_t steps = 6000000 // kernels.fma_per_step
    cdef double best = 0.0, flops
    while total < limit:
        with nogil:
            start = cy_nanoseconds()
            kernels.fma_peak(steps)
            elapsed = cy_nanoseconds() - start
        flops = 2.0 * steps * kernels.fma_per_step * kernels.lanes
        best = max(best, flops / elapsed if elapsed > 0 else 0.0)
        total += max(elapsed, 1)
    return best


_team = {"started": False, "forked": False, "warned": False}


def _after_fork_in_child():
    _team["forked"] = _team["started"]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


def team_size(int wanted):
    """Threads that a call may start: `wanted`, or 1 in a child that was forked after the parent had started a team.

    GCC's OpenMP runtime waits for ever for the parent's threads in such a child.
    """
    if wanted > 1:
        if _team["forked"]:
            if not _team["warned"]:
                _team["warned"] = True
                warnings.warn("cyconv runs on one thread in this process: it was forked after its parent had used several; "
                              "start workers with the 'spawn' or 'forkserver' method to use more", RuntimeWarning, stacklevel=3)
            return 1
        _team["started"] = True
    return wanted
