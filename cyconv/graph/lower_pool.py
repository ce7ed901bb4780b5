"""Lowering of pooling: windows become tables of rows and columns, clipped to the image, that one kernel walks over.

Fixed and adaptive, maximum and average pooling share a step; only maximum pooling with indices has its own, on dense arrays.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from cyconv._kernels.pool import MaxPoolIndices, Pool
from cyconv.graph.ir import Node
from cyconv.graph.layout import canonical
from cyconv.graph.lower import Lowering, lowers
from cyconv.shapes import adaptive_windows


def clip_windows(size: int, out: int, kernel: int, stride: int, pad: int, dilation: int) -> tuple[list[int], list[int]]:
    """First position of each window that lies inside the image, and how many do; a window may miss the image altogether."""
    firsts, counts = [], []
    for i in range(out):
        start = i * stride - pad
        first = start if start >= 0 else start % dilation
        firsts.append(first)
        counts.append(len(range(first, min(start + kernel * dilation, size), dilation)))
    return firsts, counts


def padded_counts(size: int, out: int, kernel: int, stride: int, pads: tuple[int, int]) -> list[int]:
    """Positions of each window that lie inside the padded image: what an average divides by when padding counts."""
    return [min(i * stride - pads[0] + kernel, size + pads[1]) - (i * stride - pads[0]) for i in range(out)]


def emit_pool(low: Lowering, node: Node, rows, columns, dilation: tuple[int, int], divisor) -> None:
    """Append a pooling step from its window tables: (first, count) lists for rows and columns."""
    kind: Literal["max", "avg"] = "max" if divisor is None else "avg"
    x = low.blocked(node.inputs[0])
    y = low.new_blocked(node.outputs[0])
    low.emit_node(
        node,
        lambda: Pool(x.operand(), y.operand(), kind, rows[0], rows[1], columns[0], columns[1], dilation[0], dilation[1], divisor),
        [x],
        [y],
    )


@lowers("max_pool2d")
def lower_max_pool2d(low: Lowering, node: Node) -> None:
    """Padding is never read: windows are clipped."""
    a = node.attrs
    _, _, h, w = node.inputs[0].shape
    _, _, oh, ow = node.outputs[0].shape
    top, _, left, _ = a["padding"]
    rows = clip_windows(h, oh, a["kernel"][0], a["stride"][0], top, a["dilation"][0])
    columns = clip_windows(w, ow, a["kernel"][1], a["stride"][1], left, a["dilation"][1])
    if a["return_indices"]:
        emit_pool_with_indices(low, node, rows, columns, a["dilation"])
    else:
        emit_pool(low, node, rows, columns, a["dilation"], None)


@lowers("avg_pool2d")
def lower_avg_pool2d(low: Lowering, node: Node) -> None:
    """The divisor of each output pixel is a table, too."""
    a = node.attrs
    _, _, h, w = node.inputs[0].shape
    _, _, oh, ow = node.outputs[0].shape
    (kh, kw), (sh, sw), (top, bottom, left, right) = a["kernel"], a["stride"], a["padding"]
    rows, columns = clip_windows(h, oh, kh, sh, top, 1), clip_windows(w, ow, kw, sw, left, 1)
    if a["divisor_override"] is not None:
        divisor = np.full((oh, ow), a["divisor_override"])
    elif a["count_include_pad"]:
        divisor = np.outer(padded_counts(h, oh, kh, sh, (top, bottom)), padded_counts(w, ow, kw, sw, (left, right)))
    else:
        divisor = np.outer(rows[1], columns[1])
    emit_pool(low, node, rows, columns, (1, 1), divisor.astype(np.float32).ravel())


def adaptive_tables(node: Node):
    """(first, count) lists of the windows along rows and along columns."""
    _, _, h, w = node.inputs[0].shape
    _, _, oh, ow = node.outputs[0].shape
    tables = [([a for a, _ in windows], [b - a for a, b in windows]) for windows in (adaptive_windows(h, oh), adaptive_windows(w, ow))]
    return tables[0], tables[1]


@lowers("adaptive_avg_pool2d")
def lower_adaptive_avg_pool2d(low: Lowering, node: Node) -> None:
    """Each window divides by its own size."""
    rows, columns = adaptive_tables(node)
    emit_pool(low, node, rows, columns, (1, 1), np.outer(rows[1], columns[1]).astype(np.float32).ravel())


@lowers("adaptive_max_pool2d")
def lower_adaptive_max_pool2d(low: Lowering, node: Node) -> None:
    """As max_pool2d, with other windows."""
    rows, columns = adaptive_tables(node)
    if node.attrs["return_indices"]:
        emit_pool_with_indices(low, node, rows, columns, (1, 1))
    else:
        emit_pool(low, node, rows, columns, (1, 1), None)


def emit_pool_with_indices(low: Lowering, node: Node, rows, columns, dilation: tuple[int, int]) -> None:
    """Append maximum pooling that also tells where each maximum stood."""
    x = low.dense(node.inputs[0])
    y, where = low.new_dense(node.outputs[0]), low.new_dense(node.outputs[1])
    assert canonical(node.outputs[0].shape) == y.dims
    low.emit_node(
        node,
        lambda: MaxPoolIndices(
            x.operand(), y.operand(), where.operand(), rows[0], rows[1], columns[0], columns[1], dilation[0], dilation[1]
        ),
        [x],
        [y, where],
    )
