"""One layer, NCHW in and out: its time, and its ratio to the frozen reference doing the same multiply-adds.

A ratio below 1 is Winograd's algorithm, which needs fewer. Linear layers are compared with reading as many bytes.
"""

from __future__ import annotations

from functools import cache

from benchmarks import ratio
from benchmarks.cases import Case, load, prepare
from benchmarks.layer_cases import kind_of
from benchmarks.setting import reason_to_skip, reference, skip_where_pointless

# First layers, products, Winograd, stride 2, depthwise, wide and narrow, and a matrix-vector product.
LAYERS = [
    "googlenet/conv1",
    "googlenet/conv3",
    "googlenet/3a/3x3",
    "googlenet/3b/5x5",
    "googlenet/4e/1x1",
    "googlenet/4b/5x5_reduce",
    "googlenet/5b/3x3",
    "alexnet/conv2",
    "alexnet/fc7",
    "resnet50/layer1.0.conv3",
    "resnet50/layer2.0.conv2",
    "mobilenet_v2/features.3.conv.1.0",
    "mobilenet_v2/features.18.0",
]


@cache
def case(name: str) -> Case:
    """The case of a layer, made at the first call."""
    return load(name, kind_of)


class Layer:
    version = "1"
    params = LAYERS
    param_names = ("layer",)
    rounds, repeat, sample_time, warmup_time = 2, 10, 0.01, 0.2

    def setup_cache(self):
        if not reason_to_skip():
            prepare(LAYERS, kind_of)

    def time_run(self, name):
        skip_where_pointless()
        case(name).run(1)

    def track_ratio(self, name):
        skip_where_pointless()
        return ratio.measure(case(name).run, reference(), case(name).work)

    track_ratio.unit = "of the reference"
    track_ratio.rounds = 3
