"""Lowering of reductions: joined axes of dense arrays, or, for images in blocks, a pool as large as the image."""

from __future__ import annotations

import numpy as np

from cyconv._kernels.reduce import ArgMax, Reduce, TopK
from cyconv.graph.ir import Node, Value
from cyconv.graph.layout import numel
from cyconv.graph.lower import DTYPES, Lowering, lowers
from cyconv.graph.lower_pool import Axis, emit_pool

REDUCE = {"reduce_sum": 0, "reduce_mean": 1, "reduce_max": 2, "reduce_min": 3}


def reduced_runs(shape: tuple[int, ...], dims: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """(outer, n, inner) of each step that reduces one run of neighbouring dimensions, the last run first; at least one step."""
    runs: list[list[int]] = []  # (size, whether it is reduced), neighbours of one kind joined
    for d, size in enumerate(shape):
        if size == 1:
            continue
        if runs and runs[-1][1] == (d in dims):
            runs[-1][0] *= size
        else:
            runs.append([size, d in dims])
    steps = []
    inner = 1
    for place in range(len(runs) - 1, -1, -1):
        size, is_reduced = runs[place]
        if is_reduced:
            steps.append((numel(tuple(s for s, _ in runs[:place])), size, inner))
        else:
            inner *= size
    return steps or [(1, 1, numel(shape))]


@lowers(*REDUCE)
def lower_reduce(low: Lowering, node: Node) -> None:
    """One step for each run of reduced dimensions; the mean of means is the mean, as all have equally many elements."""
    v, out = node.inputs[0], node.outputs[0]
    if low.reduces_blocks(node) and low.has_blocked(v):
        h, w = v.shape[2:]
        whole = (Axis([0], [h], 1, h), Axis([0], [w], 1, w))
        if node.op == "reduce_max":
            emit_pool(low, node, "max", whole)
        else:
            emit_pool(low, node, "avg", whole, np.array([h * w if node.op == "reduce_mean" else 1], np.float32))
        return
    function, dtype = REDUCE[node.op], DTYPES[v.dtype]
    runs = reduced_runs(v.shape, node.attrs["dims"])
    for step, sizes in enumerate(runs):
        target = out if step == len(runs) - 1 else Value((sizes[0], sizes[2]), v.dtype, out.name)
        x, y = low.dense(v), low.new_dense(target)
        make = lambda x=x, y=y, sizes=sizes: Reduce(x.operand(), y.operand(), sizes, function, dtype)  # noqa: E731
        low.emit_node(node, make, [x], [y], f"{sizes[0]} x {sizes[1]} x {sizes[2]}")
        v = target


def around(shape: tuple[int, ...], dim: int) -> tuple[int, int, int]:
    """(outer, n, inner) of an array about one of its dimensions."""
    return numel(shape[:dim]), shape[dim], numel(shape[dim + 1 :])


@lowers("argmax")
def lower_argmax(low: Lowering, node: Node) -> None:
    """On dense arrays."""
    v = node.inputs[0]
    sizes, dtype, last = around(v.shape, node.attrs["dim"]), DTYPES[v.dtype], bool(node.attrs.get("last"))
    x, y = low.dense(v), low.new_dense(node.outputs[0])
    low.emit_node(node, lambda: ArgMax(x.operand(), y.operand(), sizes, dtype, last), [x], [y], v.dtype)


@lowers("topk")
def lower_topk(low: Lowering, node: Node) -> None:
    """On dense arrays."""
    v, a = node.inputs[0], node.attrs
    sizes, dtype = around(v.shape, a["dim"]), DTYPES[v.dtype]
    x, y, places = low.dense(v), low.new_dense(node.outputs[0]), low.new_dense(node.outputs[1])
    make = lambda: TopK(x.operand(), y.operand(), places.operand(), sizes, dtype, a["k"], bool(a["largest"]))  # noqa: E731
    low.emit_node(node, make, [x], [y, places], v.dtype)
