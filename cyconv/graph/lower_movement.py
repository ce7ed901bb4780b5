"""Lowering of data movement: reshape, cat, slice, permute and pad, along any axes of dense arrays, or whole blocks of channels."""

from __future__ import annotations

from math import prod

import numpy as np

from cyconv._kernels.movement import Take
from cyconv.graph.ir import BOOL, Node, Value
from cyconv.graph.layout import Tensor, numel
from cyconv.graph.lower import Lowering, lowers
from cyconv.ops.dtypes import words


@lowers("reshape")
def lower_reshape(low: Lowering, node: Node) -> None:
    """Another name for the same floats, unless blocks keep (n, c, h, w)."""
    x, out = node.inputs[0], node.outputs[0]
    if low.root(out) is not low.root(x):
        low.alias_dense(out, low.dense(x))


@lowers("cat")
def lower_cat(low: Lowering, node: Node) -> None:
    """In blocks along the channels, inputs were written where they belong, or are copied there whole block by whole block."""
    out, dim = node.outputs[0], node.attrs["dim"]
    first = 0
    if low.will_be_blocked(out):
        whole = low.new_blocked(out)
        for v in node.inputs:
            t = low.blocked(v)
            if not low.at_home(v, out, first):
                low.relayout(t, whole.channels(first, v.shape[1]), v)
            first += v.shape[1]
        return
    y = low.new_dense(out)
    inner = numel(out.shape[dim + 1 :]) * words(out.dtype)  # in floats
    for v in node.inputs:
        x = low.dense(v)
        dims = (numel(v.shape[:dim]), v.shape[dim] * inner)
        target = Tensor(y.buffer, 1, (1, 1, 1, 1), 0, 0, 0, y.offset + first * inner)
        low.strided_copy(x, target, dims, (dims[1], 1), (out.shape[dim] * inner, 1), node.name)
        first += v.shape[dim]


def dense_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides of an array of this shape in C order, in elements."""
    return tuple(prod(shape[i + 1 :]) for i in range(len(shape)))


def gather_strided(low: Lowering, node: Node, begin: int, strides: tuple[int, ...]) -> None:
    """y in C order, whose neighbours along axis i lie ``strides[i]`` elements apart in the dense x, the first at ``begin``."""
    out = node.outputs[0]
    size = words(out.dtype)  # the floats of an element are the last axis
    x, y = low.dense(node.inputs[0]), low.new_dense(out)
    source = Tensor(x.buffer, 1, (1, 1, 1, 1), 0, 0, 0, x.offset + begin * size)
    x_strides, y_strides = (*(s * size for s in strides), 1), (*(s * size for s in dense_strides(out.shape)), 1)
    low.strided_copy(source, y, (*out.shape, size), x_strides, y_strides, node.name)


@lowers("slice")
def lower_slice(low: Lowering, node: Node) -> None:
    """A copy with the strides of the steps."""
    a, strides = node.attrs, dense_strides(node.inputs[0].shape)
    begin = sum(max(start, 0) * stride for start, stride in zip(a["starts"], strides, strict=True))
    gather_strided(low, node, begin, tuple(step * stride for step, stride in zip(a["steps"], strides, strict=True)))


@lowers("permute")
def lower_permute(low: Lowering, node: Node) -> None:
    """A copy with the strides in another order."""
    strides = dense_strides(node.inputs[0].shape)
    gather_strided(low, node, 0, tuple(strides[dim] for dim in node.attrs["dims"]))


def pad_index(size: int, before: int, after: int, mode: str) -> list[int]:
    """For each place along a padded axis, the place that it takes its value from, −1 for the constant."""
    places = range(-before, size + after)
    if mode == "constant":
        return [p if 0 <= p < size else -1 for p in places]
    if mode == "replicate":
        return [min(max(p, 0), size - 1) for p in places]
    if mode == "circular":
        return [p % size for p in places]
    return [size - 1 - abs(size - 1 - abs(p)) for p in places]  # reflect, at most size − 1 deep


@lowers("pad")
def lower_pad(low: Lowering, node: Node) -> None:
    """One axis after the other, the outermost first."""
    a = node.attrs
    value, shape = node.inputs[0], list(node.inputs[0].shape)
    axes = [i for i, side in enumerate(a["pad"]) if side != (0, 0)]
    for axis in axes:
        before, after = a["pad"][axis]
        index = pad_index(shape[axis], before, after, a["mode"])
        shape[axis] = len(index)
        out = node.outputs[0] if axis == axes[-1] else Value(tuple(shape), value.dtype, node.outputs[0].name)
        emit_take(low, Node("pad", [value], [out], a, node.name), axis, index)
        value = out


def emit_take(low: Lowering, node: Node, axis: int, index: list[int]) -> None:
    """Append a step that pads one axis."""
    shape = node.inputs[0].shape
    x, y = low.dense(node.inputs[0]), low.new_dense(node.outputs[0])
    dtype = node.outputs[0].dtype
    outer, n_in, inner = prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :]) * words(dtype)
    fill = np.array([node.attrs.get("value") or 0]).astype(np.int32 if dtype == BOOL else dtype).view(np.int32).tolist()
    low.emit_node(node, lambda: Take(x.operand(), y.operand(), outer, n_in, inner, index, fill), [x], [y], node.attrs["mode"])
