"""Every convolution of the networks: ``python -m benchmarks.peers.conv_table --output STEM`` writes STEM.md and STEM.json.

Times are those inside the network (a plan's profile, siblings that the plan merges as one line) and, beside them, those of the same
convolution alone with warm weights (``benchmarks.layer_shares``); shares are of the peak of multiply-adds, measured before and after.
Winograd's multiply-adds are counted as direct convolution's, so its share can exceed 100 %. Called by ``__main__``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path

from benchmarks.layer_shares import conv_steps
from benchmarks.layer_shares import measure as measure_alone
from benchmarks.layers import Conv
from benchmarks.peers.networks import NETWORKS, images, traced_network
from benchmarks.peers.report import cpu_name
from cyconv._kernels.cpu import isa, measure_peak
from cyconv.graph import Graph, Node
from cyconv.graph.compile import compile_graph
from cyconv.table import Table

COLUMNS = {"network": "network", "threads": "threads", "layer": "layer", "sizes": "sizes", "algorithm": "algorithm", "us": "µs"}
COLUMNS |= {"gflops": "GFLOP/s", "share": "% of peak", "alone": "% alone"}


def conv_of(nodes: list[Node]) -> Conv | None:
    """The sizes of a convolution, or of several siblings as one; None when its padding is uneven."""
    first = nodes[0]
    n, ci, h, w = first.inputs[0].shape
    kh, kw = first.inputs[1].shape[2:]
    top, bottom, left, right = first.attrs["padding"]
    if (top, left) != (bottom, right):
        return None
    co = sum(node.inputs[1].shape[0] for node in nodes)
    (sh, sw), (dh, dw) = first.attrs["stride"], first.attrs["dilation"]
    return Conv(n, ci, co, h, w, kh, kw, sh, sw, top, left, dh, dw, first.attrs["groups"])


def size_text(nodes: list[Node]) -> str:
    """``192→64+96+16 1×1 @28×28``, with stride and groups where there are any."""
    first = nodes[0]
    _, ci, h, w = first.inputs[0].shape
    kh, kw = first.inputs[1].shape[2:]
    text = f"{ci}→{'+'.join(str(node.inputs[1].shape[0]) for node in nodes)} {kh}×{kw}"
    stride, groups = first.attrs["stride"], first.attrs["groups"]
    return text + (f"/{stride[0]}" if stride != (1, 1) else "") + (f" g{groups}" if groups > 1 else "") + f" @{h}×{w}"


def profile(graph: Graph, threads: int, rounds: int) -> list[dict]:
    """Of each convolution step: name, algorithm, µs, GFLOP/s and share of peak, medians over profiled runs between two measured peaks."""
    plan, x = compile_graph(graph, threads), images(graph)
    found: dict[str, dict] = {}
    for _ in range(rounds):
        before = measure_peak(0.01)
        steps = conv_steps(plan.profile(x, repeats=5).records)
        peak = threads * max(before, measure_peak(0.01))
        for step in steps:
            kept = found.setdefault(step["name"], {**step, "times": [], "shares": []})
            kept["times"].append(step["ms"])
            kept["shares"].append(2e-6 * step["macs"] / step["ms"] / peak)
    return list(found.values())


def network_rows(name: str, threads: int, rounds: int, alone: dict[tuple, int]) -> list[dict]:
    """The lines of one network; ``alone`` keeps the shares of convolutions that were measured before."""
    graph = traced_network(name, 1)
    convs = {node.name: node for node in graph.nodes if node.op == "conv2d"}
    rows = []
    for step in profile(graph, threads, rounds):
        nodes = [convs[part] for part in step["name"].split(" + ") if part in convs]
        ms = statistics.median(step["times"])
        row = {"network": name, "threads": threads, "layer": step["name"], "sizes": "", "algorithm": step["algorithm"]}
        row |= {
            "us": round(1e3 * ms, 1),
            "gflops": round(2e-6 * step["macs"] / ms),
            "share": round(100 * statistics.median(step["shares"])),
        }
        row["alone"] = None
        conv = conv_of(nodes) if nodes else None
        if nodes:
            row["sizes"] = size_text(nodes)
        if conv is not None:
            if (conv, threads) not in alone:
                alone[conv, threads] = measure_alone(step["name"], conv, threads, rounds)["share"]
            row["alone"] = alone[conv, threads]
        rows.append(row)
    return rows


def main() -> None:
    """Write the table that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers.conv_table", description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, required=True, help="path of the files without their suffix")
    options = parser.parse_args()
    rows: list[dict] = []
    alone: dict[tuple, int] = {}
    for name in options.networks:
        for threads in options.threads:
            print(f"  {name}, {threads} thread(s)", file=sys.stderr, flush=True)
            rows += network_rows(name, threads, options.rounds, alone)
    machine = f"{cpu_name()}, {isa()}, batch 1, float32. Winograd counts the multiply-adds of direct convolution."
    machine += " % alone: the same convolution outside the network, with warm weights."
    options.output.with_suffix(".md").write_text(Table(rows, COLUMNS, [machine]).to_markdown())
    options.output.with_suffix(".json").write_text(json.dumps({"machine": machine, "rows": rows}, indent=0, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
