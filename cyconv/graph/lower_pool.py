"""Lowering of pooling: windows become tables of slices, rows and columns, clipped to the volume, that one kernel walks over.

Fixed and adaptive, maximum, average and p-norm pooling of images and volumes share a step; only maximum pooling with indices has
its own, on dense arrays. Images are volumes of one slice.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Literal, NamedTuple

import numpy as np

from cyconv._kernels.pool import MaxPoolIndices, Pool
from cyconv.graph.ir import Node
from cyconv.graph.layout import slices
from cyconv.graph.lower import Lowering, lowers
from cyconv.ops.pool import dilation_of, index_strides
from cyconv.shapes import adaptive_windows


class Axis(NamedTuple):
    """Windows along one axis: where each begins inside the input, how many of its positions lie inside, the dilation, the input's size."""

    starts: list[int]
    counts: list[int]
    step: int
    size: int


ONE_SLICE = Axis([0], [1], 1, 1)


def clip_windows(size: int, out: int, kernel: int, stride: int, pad: int, dilation: int) -> Axis:
    """First position of each window that lies inside the input, and how many do; a window may miss the input altogether."""
    firsts, counts = [], []
    for i in range(out):
        start = i * stride - pad
        first = start if start >= 0 else start % dilation
        firsts.append(first)
        counts.append(len(range(first, min(start + kernel * dilation, size), dilation)))
    return Axis(firsts, counts, dilation, size)


def padded_counts(size: int, out: int, kernel: int, stride: int, pads: Sequence[int], dilation: int) -> list[int]:
    """Positions of each window that lie inside the padded input: what an average divides by when padding counts."""
    return [len(range(i * stride - pads[0], min(i * stride - pads[0] + kernel * dilation, size + pads[1]), dilation)) for i in range(out)]


def window_axes(node: Node) -> tuple[Axis, ...]:
    """The windows of a fixed pooling along each axis."""
    a, size, out = node.attrs, node.inputs[0].shape[2:], node.outputs[0].shape[2:]
    return tuple(map(clip_windows, size, out, a["kernel"], a["stride"], a["padding"][::2], dilation_of(a)))


def adaptive_axes(node: Node) -> tuple[Axis, ...]:
    """The windows of an adaptive pooling along each axis."""
    both = zip(node.inputs[0].shape[2:], node.outputs[0].shape[2:], strict=True)
    tables = [(adaptive_windows(size, out), size) for size, out in both]
    return tuple(Axis([a for a, _ in windows], [b - a for a, b in windows], 1, size) for windows, size in tables)


def outer(counts: Sequence[Sequence[int]]) -> np.ndarray:
    """The product of the counts of each output position, as float32."""
    total = np.ones((), np.float64)
    for one in counts:
        total = np.multiply.outer(total, one)
    return total.astype(np.float32).ravel()


def divisors_with_padding(node: Node) -> np.ndarray:
    """For each output position, the cells of its window that lie inside the padded input."""
    a, size, out = node.attrs, node.inputs[0].shape[2:], node.outputs[0].shape[2:]
    pads = zip(a["padding"][::2], a["padding"][1::2], strict=True)
    return outer(list(map(padded_counts, size, out, a["kernel"], a["stride"], pads, dilation_of(a))))


def emit_pool(
    low: Lowering, node: Node, kind: Literal["max", "avg", "lp"], axes: tuple[Axis, ...], divisor: np.ndarray | None = None
) -> None:
    """Append a pooling step from its window tables."""
    x, y = low.blocked(node.inputs[0]), low.new_blocked(node.outputs[0])
    three = (ONE_SLICE, *axes)[-3:]
    power, absolute = float(node.attrs.get("norm_type", 1.0)), bool(node.attrs.get("absolute"))
    low.emit_node(node, lambda: Pool(x.operand(), y.operand(), kind, three, divisor, power, absolute), [x], [y])


def emit_max_pool(low: Lowering, node: Node, axes: tuple[Axis, ...]) -> None:
    """Append maximum pooling, on dense arrays when it also tells where each maximum stood."""
    if not node.attrs["return_indices"]:
        emit_pool(low, node, "max", axes)
        return
    size, out = node.inputs[0].shape, node.outputs[0].shape
    x, y = slices(low.dense(node.inputs[0]), size), slices(low.new_dense(node.outputs[0]), out)
    where = low.new_dense(node.outputs[1])
    three = (ONE_SLICE, *axes)[-3:]
    plane, *strides = index_strides(size[2:], node.attrs.get("index_order", "plane"))
    four = (plane, *(0,) * (3 - len(strides)), *strides)
    low.emit_node(node, lambda: MaxPoolIndices(x.operand(), y.operand(), where.operand(), three, four), [x], [y, where])


@lowers("max_pool2d", "max_pool3d")
def lower_max_pool(low: Lowering, node: Node) -> None:
    """Padding is never read: windows are clipped."""
    emit_max_pool(low, node, window_axes(node))


@lowers("avg_pool2d", "avg_pool3d")
def lower_avg_pool(low: Lowering, node: Node) -> None:
    """The divisor of each output pixel is a table, too."""
    axes = window_axes(node)
    if node.attrs["divisor_override"] is not None:
        divisor = np.full(prod(node.outputs[0].shape[2:]), node.attrs["divisor_override"], np.float32)
    elif node.attrs["count_include_pad"]:
        divisor = divisors_with_padding(node)
    else:
        divisor = outer([axis.counts for axis in axes])
    emit_pool(low, node, "avg", axes, divisor)


@lowers("lp_pool2d", "lp_pool3d")
def lower_lp_pool(low: Lowering, node: Node) -> None:
    """The divisor scales up the sums of windows that hang over the end, where that is asked for."""
    divisor: np.ndarray = np.ones(prod(node.outputs[0].shape[2:]), np.float32)
    if node.attrs["rescale"]:
        divisor = divisors_with_padding(node) / np.float32(prod(node.attrs["kernel"]))
    emit_pool(low, node, "lp", window_axes(node), divisor)


@lowers("adaptive_avg_pool2d", "adaptive_avg_pool3d")
def lower_adaptive_avg_pool(low: Lowering, node: Node) -> None:
    """Each window divides by its own size."""
    axes = adaptive_axes(node)
    emit_pool(low, node, "avg", axes, outer([axis.counts for axis in axes]))


@lowers("adaptive_max_pool2d", "adaptive_max_pool3d")
def lower_adaptive_max_pool(low: Lowering, node: Node) -> None:
    """As max_pool, with other windows."""
    emit_max_pool(low, node, adaptive_axes(node))
