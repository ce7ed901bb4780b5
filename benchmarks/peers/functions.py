"""Single functions against PyTorch's: ``python -m benchmarks.peers.functions --output STEM`` writes STEM.md and STEM.json.

Every convolution of three networks by itself, ``cyconv.functional.conv2d`` and ``torch.nn.functional.conv2d`` in turns on the same NCHW
arrays, weights and threads. Nothing is prepared: what either does with the weights counts in each call. Called by ``__main__``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from math import exp, log
from pathlib import Path

import numpy as np
import torch

import cyconv
from benchmarks.layers import Conv
from benchmarks.peers.conv_table import conv_of
from benchmarks.peers.networks import traced_network
from benchmarks.peers.report import cpu_name
from cyconv import functional
from cyconv._kernels.cpu import isa
from cyconv.table import Table

FUNCTION_NETWORKS = ("googlenet", "resnet50", "mobilenet_v2")
COLUMNS = {"network": "network", "layer": "layer", "batch": "batch", "threads": "threads", "ratio": "ratio", "us": "cyconv µs"}
COLUMNS |= {"torch_us": "PyTorch µs"}
PAUSE = 0.002  # seconds between the two, in which the other's threads fall asleep


def convolutions(network: str) -> dict[Conv, str]:
    """The different convolutions of a network, each with the name of the first layer that has it."""
    found: dict[Conv, str] = {}
    for node in traced_network(network, 1).nodes:
        if node.op == "conv2d":
            conv = conv_of([node])
            if conv is not None:
                found.setdefault(conv, node.name)
    return found


def calls(conv: Conv) -> tuple[Callable[[], np.ndarray], Callable[[], np.ndarray]]:
    """The two functions on the same arrays, giving NumPy arrays."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((conv.n, conv.ci, conv.h, conv.w), np.float32)
    w = rng.standard_normal((conv.co, conv.ci // conv.g, conv.kh, conv.kw), np.float32)
    b = rng.standard_normal(conv.co, np.float32)
    where = (conv.sh, conv.sw), (conv.ph, conv.pw), (conv.dh, conv.dw), conv.g
    tx, tw, tb = torch.from_numpy(x), torch.from_numpy(w), torch.from_numpy(b)
    return lambda: functional.conv2d(x, w, b, *where), lambda: torch.nn.functional.conv2d(tx, tw, tb, *where).numpy()


def timed(call: Callable[[], np.ndarray], repeats: int) -> float:
    """Microseconds of the fastest of ``repeats`` calls, after one to wake up."""
    time.sleep(PAUSE)
    call()
    best = float("inf")
    for _ in range(repeats):
        begin = time.perf_counter()
        call()
        best = min(best, 1e6 * (time.perf_counter() - begin))
    return best


def compare(conv: Conv, seconds: float) -> dict:
    """Medians over turns of the fastest call of each turn, and their ratio."""
    ours, theirs = calls(conv)
    with torch.inference_mode():
        a, b = ours(), theirs()
        if not np.abs(a - b).max() <= 1e-4 * np.abs(b).max():
            raise RuntimeError(f"the answers for {conv} differ")
        times: list[tuple[float, float]] = []
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or len(times) < 3:
            times.append((timed(ours, 3), timed(theirs, 3)))
    us, torch_us = (statistics.median(column) for column in zip(*times, strict=True))
    return {"us": round(us, 1), "torch_us": round(torch_us, 1), "ratio": round(torch_us / us, 3)}


def summary(rows: list[dict]) -> list[str]:
    """For each network, batch and number of threads: the geometric mean of the ratios, and how many layers are faster."""
    lines = []
    for key in dict.fromkeys((row["network"], row["batch"], row["threads"]) for row in rows):
        ratios = [row["ratio"] for row in rows if (row["network"], row["batch"], row["threads"]) == key]
        mean = exp(statistics.fmean(map(log, ratios)))
        faster = sum(ratio > 1 for ratio in ratios)
        lines.append(f"{key[0]}, batch {key[1]}, {key[2]} thread(s): {mean:.2f} on average, {faster} of {len(ratios)} layers faster.")
    return lines


def main() -> None:
    """Write the table that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers.functions", description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=list(FUNCTION_NETWORKS), choices=FUNCTION_NETWORKS)
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--batch", nargs="+", type=int, default=[1, 8])
    parser.add_argument("--seconds", type=float, default=0.3, help="measured time for each row (0.3)")
    parser.add_argument("--output", type=Path, required=True, help="path of the files without their suffix")
    options = parser.parse_args()
    rows: list[dict] = []
    for network in options.networks:
        for batch in options.batch:
            for threads in options.threads:
                print(f"  {network}, batch {batch}, {threads} thread(s)", file=sys.stderr, flush=True)
                cyconv.set_num_threads(threads)
                torch.set_num_threads(threads)
                for conv, layer in convolutions(network).items():
                    row = {"network": network, "layer": layer, "batch": batch, "threads": threads}
                    rows.append(row | compare(conv._replace(n=batch), options.seconds))
    machine = f"{cpu_name()}, {isa()}, float32; PyTorch {torch.__version__}. Ratio: PyTorch's time ÷ cyconv's."
    notes = [machine, *summary(rows)]
    options.output.with_suffix(".md").write_text(Table(rows, COLUMNS, notes).to_markdown())
    options.output.with_suffix(".json").write_text(json.dumps({"notes": notes, "rows": rows}, indent=0, ensure_ascii=False) + "\n")
    print("\n".join(notes))


if __name__ == "__main__":
    main()
