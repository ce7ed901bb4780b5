"""What is not computing: the fixed cost of a call, and compiling a network. Each with its time and its ratio to the reference.

The reference does a fixed amount of multiply-adds, which last about as long as what it is compared with.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import numpy as np

import cyconv
from benchmarks import ratio
from benchmarks.cases import WrongAnswer, prepare
from benchmarks.network_cases import kind_of, network, shape_of
from benchmarks.reference import Work
from benchmarks.setting import reason_to_skip, reference, skip_where_pointless, threads
from cyconv import functional, nn

CALL_WORK = Work(macs=500_000)
COMPILE_WORK = {"digits": Work(macs=200_000_000), "googlenet": Work(macs=8_000_000_000), "mobilenet_v2": Work(macs=4_000_000_000)}
ONE = np.full(1, 2, np.float32)  # 2 is its own maximum with 0


@cache
def call(name: str) -> Callable[[], np.ndarray]:
    """A call that computes next to nothing."""
    if name == "plan":
        return partial(cyconv.compile(nn.ReLU(), ONE.shape, num_threads=threads()), ONE)
    return partial(functional.relu, ONE) if name == "function" else partial(nn.ReLU(), ONE)


def often(function: Callable[[], object], times: int) -> None:
    """Call it so often."""
    for _ in range(times):
        function()


@cache
def built(name: str) -> nn.Module:
    """A network, built once."""
    return network(name)


def compiled(name: str) -> None:
    """Compile a network."""
    cyconv.compile(built(name), shape_of(name), num_threads=threads())


class Call:
    version = "1"
    params = ("plan", "module", "function")
    param_names = ("what",)
    rounds, repeat, sample_time, warmup_time = 2, 10, 0.01, 0.1

    def setup_cache(self):
        for name in self.params:
            if call(name)().tolist() != [2.0]:
                raise WrongAnswer(f"{name} of 2 gave {call(name)()}")

    def time_call(self, name):
        skip_where_pointless(best_isa=True)
        call(name)()

    def track_ratio(self, name):
        skip_where_pointless(best_isa=True)
        return ratio.measure(partial(often, call(name)), reference(), CALL_WORK)

    track_ratio.unit = "of the reference"
    track_ratio.rounds = 3


class Compile:
    version = "1"
    params = tuple(COMPILE_WORK)
    param_names = ("network",)
    rounds, repeat, sample_time, warmup_time = 2, 5, 0.01, 0.1

    def setup_cache(self):
        if not reason_to_skip(best_isa=True):
            prepare(COMPILE_WORK, kind_of)

    def time_compile(self, name):
        skip_where_pointless(best_isa=True)
        compiled(name)

    def track_ratio(self, name):
        skip_where_pointless(best_isa=True)
        return ratio.measure(partial(often, partial(compiled, name)), reference(), COMPILE_WORK[name])

    track_ratio.unit = "of the reference"
    track_ratio.rounds = 2
