"""`cyconv compare`: a network in cyconv and in ONNX Runtime, whether they agree and which is faster. Part of the command line."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import cyconv
from cyconv.cli.network import ONNX, Network, open_network, random_inputs, shown_shape
from cyconv.cli.show import note, show
from cyconv.table import Table

OURS, OTHER = "cyconv", "ONNX Runtime"
# A turn of an engine: a pause in which the other's threads fall asleep, which would otherwise spin on this one's CPUs, a call to wake up,
# and calls that count.
PAUSE = 0.03
CALLS = 5

Call = Callable[[], list[np.ndarray]]


def compare_command(arguments: argparse.Namespace) -> None:
    """`cyconv compare`."""
    runtime = _onnxruntime()
    note(f"loading and compiling {arguments.net}")
    network = open_network(arguments.net)
    shapes = network.shapes(arguments.input_shape, arguments.batch)
    threads = arguments.threads or cyconv.get_num_threads()
    plan = cyconv.compile(network.module, shapes, threads)
    inputs = random_inputs(network, shapes)
    session = _session(runtime, arguments.net, network, shapes, threads)
    feeds = {i.name: x for i, x in zip(network.inputs, inputs, strict=True)}
    calls = {OURS: lambda: _as_list(plan(*inputs)), OTHER: lambda: session.run(None, feeds)}
    names = [output.name for output in session.get_outputs()]
    outputs = [_agreement(*found) for found in zip(names, calls[OURS](), calls[OTHER](), strict=True)]
    note(f"running both {arguments.repeats * (CALLS + 1)} times")
    times = alternate(calls, arguments.repeats)
    medians = {engine: statistics.median(row) for engine, row in times.items()}
    versions = {OURS: cyconv.__version__, OTHER: runtime.__version__}
    records = [{"engine": e, "version": versions[e], "median_ms": medians[e], "min_ms": min(times[e])} for e in times]
    ratio = medians[OTHER] / medians[OURS]
    notes = [
        f"On {threads} thread{'s' if threads > 1 else ''} the median of {OTHER} is {ratio:.2f} times that of {OURS}.",
        *(f"{o['output']} {list(o['shape'])}: the largest difference is {o['difference']:.1e} of the largest number." for o in outputs),
    ]
    columns = {"engine": "engine", "version": "version", "median_ms": "median ms", "min_ms": "fastest ms"}
    figures = {"num_threads": threads, "ratio": ratio, "outputs": outputs}
    show(Table(records, columns, notes), arguments.form, net=arguments.net, input_shape=shown_shape(shapes), **figures)


def _onnxruntime():
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError(f"compare needs ONNX Runtime: pip install onnxruntime ({error})") from None
    return onnxruntime


def _session(runtime: Any, name: str, network: Network, shapes: list[tuple[int, ...]], threads: int):
    """ONNX Runtime with all its optimisations, ready to run the .onnx file of that name, or what a network of the package gives as one."""
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3  # errors only, which come as exceptions too
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_ALL
    with TemporaryDirectory() as folder:
        path = name
        if not name.lower().endswith(ONNX):
            path = f"{folder}/{name}{ONNX}"
            cyconv.export_onnx(network.module, path, shapes)
        try:
            return runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its exceptions have no common class
            raise RuntimeError(f"ONNX Runtime cannot run {name}: {error}") from error


def _as_list(answer) -> list[np.ndarray]:
    return list(answer) if isinstance(answer, tuple) else [answer]


def _agreement(name: str, ours: np.ndarray, theirs: np.ndarray) -> dict:
    """The largest difference of one output, relative to its largest number; infinite when shapes or the places of NaN differ."""
    record = {"output": name, "shape": ours.shape}
    if ours.shape != theirs.shape or not np.array_equal(np.isnan(ours), np.isnan(theirs)):
        return {**record, "difference": float("inf")}
    a, b = (np.nan_to_num(x.astype(np.float64)) for x in (ours, theirs))
    largest = float(np.abs(b).max(initial=0))
    return {**record, "difference": float(np.abs(a - b).max(initial=0)) / (largest or 1.0)}


def alternate(calls: dict[str, Call], repeats: int) -> dict[str, list[float]]:
    """Milliseconds of the calls, which take turns; the order changes from turn to turn."""
    times: dict[str, list[float]] = {engine: [] for engine in calls}
    order = list(calls)
    for _ in range(repeats):
        for engine in order:
            time.sleep(PAUSE)
            calls[engine]()
            for _ in range(CALLS):
                begin = time.perf_counter()
                calls[engine]()
                times[engine].append(1e3 * (time.perf_counter() - begin))
        order.reverse()
    return times
