"""The ratio of a kernel's time to that of the frozen reference, which run alternately in one process.

What slows the machine down (its clock, other guests of the host) slows both, and cancels. Called by the bench_*.py files.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from itertools import pairwise
from statistics import median
from time import perf_counter

from benchmarks.reference import Reference, Work

SAMPLES = 10  # that a process hands to asv; each the median of a tenth of its pairs
# A pair lasts about twice this: long against a clock reading, short against the changes of a machine and a turn of the scheduler.
HALF_SECONDS = 0.0005
WARM_UP_SECONDS = 0.1
SECONDS = 0.4
FEW = 3
PATIENCE = 4  # times SECONDS, where most pairs are interrupted


def seconds() -> float:
    """How long one process measures; CYCONV_BENCH_SECONDS overrides it, for a quick look."""
    return float(os.environ.get("CYCONV_BENCH_SECONDS") or SECONDS)


def interruptions() -> int:
    """How often the system took the processor from one of this process's threads."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def calls_in(run: Callable[[int], None], duration: float) -> int:
    """How many calls last so long; at least one."""
    calls = 1
    while True:
        start = perf_counter()
        run(calls)
        elapsed = perf_counter() - start
        if elapsed >= duration / 2:
            return max(1, round(calls * duration / elapsed))
        calls *= 2


def pair_ratios(kernel: Callable[[int], None], reference: Callable[[int], None], duration: float) -> list[float]:
    """Kernel's time divided by the reference's, of each pair that ran without interruption.

    On a busy machine the scheduler's turns and the pairs can fall into step, and then it is always the same half that waits.
    Where fewer than ``FEW`` pairs ran without interruption, the others count as well.
    """
    calls = calls_in(kernel, HALF_SECONDS)
    warm = perf_counter() + min(WARM_UP_SECONDS, duration)
    while perf_counter() < warm:
        kernel(calls)
        reference(calls)
    clean, interrupted = [], []
    begin = perf_counter()
    while True:
        before = interruptions()
        start = perf_counter()
        kernel(calls)
        middle = perf_counter()
        reference(calls)
        end = perf_counter()
        (clean if interruptions() == before else interrupted).append((middle - start) / (end - middle))
        enough = len(clean) >= SAMPLES or end - begin > PATIENCE * duration
        if end - begin > duration and enough and len(clean) + len(interrupted) >= SAMPLES:
            return clean if len(clean) >= FEW else clean + interrupted


def as_samples(values: list[float]) -> dict:
    """What asv takes as samples of a track_ benchmark: the medians of ``SAMPLES`` groups of neighbours; fewer values are repeated."""
    values = sorted(values * -(-SAMPLES // len(values))) if len(values) < SAMPLES else values
    edges = [len(values) * i // SAMPLES for i in range(SAMPLES + 1)]
    return {"samples": [median(values[first:end]) for first, end in pairwise(edges)], "number": 1}


def measure(kernel: Callable[[int], None], reference: Reference, work: Work) -> dict:
    """Samples of the time of ``kernel(n)``, which does something n times, relative to the reference doing ``work`` n times."""
    return as_samples(pair_ratios(kernel, lambda n: reference.run(work, n), seconds()))
