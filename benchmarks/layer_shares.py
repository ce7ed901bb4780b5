"""Each convolution of a network alone, GFLOP/s and share of peak: ``python -m benchmarks.layer_shares [PREFIX …] [--winograd off]``.

A layer's input arrives in blocks, as inside a network, and its weights are packed. Timings of the layer and of the peak of independent
multiply-adds alternate; the median of the shares is reported.
"""

from __future__ import annotations

import argparse
import statistics

import numpy as np

from benchmarks.layers import CONVS, Conv
from cyconv._kernels.cpu import isa, measure_peak
from cyconv.graph import Plan, apply, compile_function
from cyconv.table import Table

COLUMNS = {"layer": "layer", "algorithm": "algorithm", "us": "µs", "gflops": "GFLOP/s", "share": "% of peak", "best": "best %"}


def layer_plan(conv: Conv, threads: int, winograd: str = "auto") -> Plan:
    """A plan of a ReLU (which leaves its input in blocks, unless the layer reads NCHW) and the convolution."""
    weight = np.random.default_rng(0).standard_normal((conv.co, conv.ci // conv.g, conv.kh, conv.kw)).astype(np.float32)
    attrs: dict = {"stride": (conv.sh, conv.sw), "padding": (conv.ph, conv.ph, conv.pw, conv.pw)}
    attrs |= {"dilation": (conv.dh, conv.dw), "groups": conv.g}
    pool = {"kernel": (1, 1), "stride": (1, 1), "padding": (0, 0, 0, 0), "dilation": (1, 1), "ceil_mode": False, "return_indices": False}

    def layer(x):
        blocked = apply("max_pool2d", [x], pool)[0] if conv.ci > 4 else x
        return apply("conv2d", [blocked, weight], attrs)[0]

    return compile_function(layer, [(conv.n, conv.ci, conv.h, conv.w)], ["input"], threads, winograd)


def conv_steps(records: list[dict]) -> list[dict]:
    """The convolutions of a profile, each with the sum of its steps (Winograd's transforms and products are steps of their own)."""
    found: dict[str, dict] = {}
    for record in records:
        if record["op"] == "conv2d":
            name = record["name"] or "conv2d"  # a transform outside any layer has no name, its product has that of the op
            step = found.setdefault(name, {"name": name, "algorithm": "", "ms": 0.0, "macs": 0})
            step["ms"] += record["ms"]
            step["macs"] += record["macs"]
            if record["macs"]:
                step["algorithm"] = record["algorithm"]
    return list(found.values())


def measure(name: str, conv: Conv, threads: int, rounds: int, winograd: str = "auto") -> dict:
    """One row: rounds of five profiled runs between two measurements of the peak."""
    plan = layer_plan(conv, threads, winograd)
    x = np.random.default_rng(1).standard_normal((conv.n, conv.ci, conv.h, conv.w)).astype(np.float32)
    shares, times = [], []
    for _ in range(rounds):
        before = measure_peak(0.005)
        (step,) = conv_steps(plan.profile(x, repeats=5).records)
        peak = threads * max(before, measure_peak(0.005))
        shares.append(2e-6 * conv.macs / step["ms"] / peak)
        times.append(step["ms"])
    ms = statistics.median(times)
    row = {"layer": name, "algorithm": step["algorithm"], "us": round(1e3 * ms, 1), "gflops": round(2e-6 * conv.macs / ms, 1)}
    return row | {"share": round(100 * statistics.median(shares)), "best": round(100 * max(shares))}


def main() -> None:
    """Print the table that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.layer_shares", description=__doc__.splitlines()[0])
    parser.add_argument("prefixes", nargs="*", default=["googlenet/"], help="layers whose names begin so; default googlenet/")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--winograd", default="auto", help="as in cyconv.compile; off: direct convolution only")
    options = parser.parse_args()
    chosen = {name: conv for name, conv in CONVS.items() if name.startswith(tuple(options.prefixes))}
    rows = [measure(name, conv, options.threads, options.rounds, options.winograd) for name, conv in chosen.items()]
    print(Table(rows, COLUMNS, [f"{isa()}, {options.threads} thread(s)"]).to_markdown())


if __name__ == "__main__":
    main()
