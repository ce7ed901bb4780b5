"""The frozen reference alone: whoever sees a ratio change looks here whether it was the machine."""

from __future__ import annotations

from time import perf_counter

from benchmarks import ratio
from benchmarks.reference import Reference, Work
from benchmarks.setting import reference, skip_where_pointless

MULTIPLY, READ = Work(macs=20_000_000), Work(bytes=4_000_000)


def rates(what: Reference, work: Work, amount: float) -> dict:
    """Samples of ``amount`` a nanosecond."""
    what.run(work)
    values = []
    begin = perf_counter()
    while len(values) < ratio.SAMPLES or perf_counter() - begin < ratio.seconds():
        start = perf_counter()
        what.run(work)
        values.append(1e-9 * amount / (perf_counter() - start))
    return ratio.as_samples(values)


class Machine:
    version = "1"

    def track_multiply(self):
        skip_where_pointless()
        return rates(reference(), MULTIPLY, 2 * MULTIPLY.macs)

    track_multiply.unit = "GFLOP/s"
    track_multiply.rounds = 3

    def track_read(self):
        skip_where_pointless()
        return rates(reference(), READ, READ.bytes)

    track_read.unit = "GB/s"
    track_read.rounds = 3
