"""Whole networks at batch 1: their time, their ratio to the frozen reference, and the memory of a process that compiles and calls one.

The reference does the multiply-adds of all convolutions and reads the weights of all linear layers.
"""

from __future__ import annotations

from functools import cache

import numpy as np

import cyconv
from benchmarks import ratio
from benchmarks.cases import Case, load, prepare
from benchmarks.network_cases import kind_of, network, shape_of
from benchmarks.setting import reason_to_skip, reference, skip_where_pointless, threads

NETWORKS = ["googlenet", "alexnet", "resnet50", "squeezenet1_1", "mobilenet_v2"]


@cache
def case(name: str) -> Case:
    """The case of a network, made at the first call."""
    return load(name, kind_of)


class Network:
    version = "1"
    params = NETWORKS
    param_names = ("network",)
    rounds, repeat, sample_time, warmup_time = 2, 10, 0.01, 0.2

    def setup_cache(self):
        if not reason_to_skip():
            prepare(NETWORKS, kind_of)

    def time_run(self, name):
        skip_where_pointless()
        case(name).run(1)

    def track_ratio(self, name):
        skip_where_pointless()
        return ratio.measure(case(name).run, reference(), case(name).work)

    track_ratio.unit = "of the reference"
    track_ratio.rounds = 3


class Memory:
    version = "1"
    params = NETWORKS
    param_names = ("network",)

    def peakmem_compile_and_run(self, name):
        skip_where_pointless()
        shape = shape_of(name)
        cyconv.compile(network(name), shape, num_threads=threads())(np.ones(shape, np.float32))
