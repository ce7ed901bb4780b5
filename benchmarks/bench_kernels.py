"""Single micro-kernels on data in cache: their time, and their ratio to the frozen reference.

The reference does the same multiply-adds; for kernels without products, one for each float that they read or write. One thread.
"""

from __future__ import annotations

from functools import cache

from benchmarks import ratio
from benchmarks.cases import Case, load, prepare
from benchmarks.kernel_cases import kind_of
from benchmarks.setting import reason_to_skip, reference, skip_where_pointless

KERNELS = [
    "conv/googlenet/conv1",
    "conv/googlenet/3a/3x3",
    "conv/googlenet/4e/1x1",
    "lanewise/mobilenet_v2/features.3.conv.1.0",
    "winograd_input/googlenet/3a/3x3",
    "winograd_output/googlenet/3a/3x3",
    "max_pool/googlenet/3a/pool_proj",
    "avg_pool/googlenet/3a/pool_proj",
    "relu/googlenet/3a/3x3",
    "sigmoid/googlenet/3a/3x3",
]


@cache
def case(name: str) -> Case:
    """The case of a kernel, made at the first call."""
    return load(name, kind_of)


class Kernel:
    version = "1"
    params = KERNELS
    param_names = ("kernel",)
    rounds, repeat, sample_time, warmup_time = 2, 10, 0.01, 0.1
    calls = 100  # at once, so that a call from Python costs little beside them

    def setup_cache(self):
        if not reason_to_skip(one_thread=True):
            prepare(KERNELS, kind_of)

    def time_100_calls(self, name):
        skip_where_pointless(one_thread=True)
        case(name).run(self.calls)

    def track_ratio(self, name):
        skip_where_pointless(one_thread=True)
        return ratio.measure(case(name).run, reference(), case(name).work)

    track_ratio.unit = "of the reference"
    track_ratio.rounds = 3
