"""cyconv against ONNX Runtime: ``python -m benchmarks.peers [--threads 1 2] [--batch 1] [--networks …] [--json FILE]``.

Each engine gets the same network, weights and image, in float32 and with all its default graph optimisations. They run
alternately, five calls each; the ratio of the medians is reported (above 1: cyconv is faster), and the answers must agree.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import onnxruntime

import cyconv
from benchmarks.peers.onnx_model import onnx_model
from cyconv import models
from cyconv._kernels.cpu import isa
from cyconv.graph.compile import compile_graph, trace_function
from cyconv.table import Table

NETWORKS: dict[str, Callable[[], cyconv.nn.Module]] = {
    "googlenet": models.googlenet,
    "googlenet, no LRN": lambda: models.googlenet(lrn=False),
    "googlenet_bn": models.googlenet_bn,
    "alexnet_two_tower": models.alexnet_two_tower,
    "alexnet": models.alexnet,
}
COLUMNS = {"network": "network", "batch": "batch", "threads": "threads", "ratio": "ratio", "cyconv_ms": "cyconv ms", "cyconv_min": "min"}
COLUMNS |= {"ort_ms": "ONNX Runtime ms", "ort_min": "min", "difference": "largest relative difference"}


def cpu_name() -> str:
    """The processor's own name, where the system tells it."""
    try:
        with open("/proc/cpuinfo") as f:
            return next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), "unknown CPU")
    except OSError:
        return "unknown CPU"


def runtime_session(graph, threads: int) -> onnxruntime.InferenceSession:
    """ONNX Runtime with its highest optimisation level, on ``threads`` threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    return onnxruntime.InferenceSession(onnx_model(graph).SerializeToString(), options, providers=["CPUExecutionProvider"])


def alternate(calls: list[Callable[[], object]], seconds: float) -> list[list[float]]:
    """Milliseconds of each call, taken in turn for about ``seconds``: a pause, one call to wake up, five that count.

    The pause lets the other engine's threads fall asleep; while they spin they would take a CPU from this one's.
    """
    times: list[list[float]] = [[] for _ in calls]
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times[0]) < 20:
        for call, row in zip(calls, times, strict=True):
            time.sleep(0.03)
            call()
            for _ in range(5):
                start = time.perf_counter()
                call()
                row.append(1e3 * (time.perf_counter() - start))
    return times


def compare(name: str, batch: int, threads: int, seconds: float) -> dict:
    """One row of the table."""
    cyconv.nn.init.manual_seed(0)
    graph, single = trace_function(NETWORKS[name](), [(batch, 3, 224, 224)], ["input"])
    x = np.random.default_rng(0).standard_normal((batch, 3, 224, 224)).astype(np.float32)
    plan, session = compile_graph(graph, threads, single), runtime_session(graph, threads)
    feed = {session.get_inputs()[0].name: x}
    ours, theirs = plan(x), session.run(None, feed)[0]
    difference = float(np.abs(ours - theirs).max() / np.abs(theirs).max())
    if not difference < 1e-4:
        raise SystemExit(f"{name}: the answers differ by {difference:.1e} of the largest")
    mine, peer = alternate([lambda: plan(x), lambda: session.run(None, feed)], seconds)
    row = {"network": name, "batch": batch, "threads": threads, "ratio": round(statistics.median(peer) / statistics.median(mine), 2)}
    row |= {"cyconv_ms": round(statistics.median(mine), 2), "cyconv_min": round(min(mine), 2)}
    return row | {"ort_ms": round(statistics.median(peer), 2), "ort_min": round(min(peer), 2), "difference": f"{difference:.1e}"}


def main() -> None:
    """Run the comparison that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--batch", nargs="+", type=int, default=[1])
    parser.add_argument("--seconds", type=float, default=4.0, help="measured time for each row")
    parser.add_argument("--json", help="also write the rows here")
    options = parser.parse_args()
    rows = []
    for name in options.networks:
        for batch in options.batch:
            for threads in options.threads:
                print(f"{name}, batch {batch}, {threads} thread(s)", file=sys.stderr)
                rows.append(compare(name, batch, threads, options.seconds))
    machine = (
        f"{cpu_name()}, {isa()}; cyconv {cyconv.__version__}, ONNX Runtime {onnxruntime.__version__}, float32, medians of alternate calls"
    )
    print(Table(rows, COLUMNS, [machine]).to_markdown())
    if options.json:
        with open(options.json, "w") as f:
            json.dump({"machine": machine, "rows": rows}, f, indent=2)


if __name__ == "__main__":
    main()
