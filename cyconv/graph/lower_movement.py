"""Lowering of data movement: reshape, cat, slice, permute and pad, along any axes of dense arrays, or whole blocks of channels."""

from __future__ import annotations

from math import prod

import numpy as np

from cyconv._kernels.movement import Gather, Take
from cyconv.graph.ir import BOOL, INT64, Node, Value
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


@lowers("expand")
def lower_expand(low: Lowering, node: Node) -> None:
    """A copy with stride 0 along what is repeated."""
    shape = node.inputs[0].shape
    padded = (1,) * (len(node.outputs[0].shape) - len(shape)) + shape
    gather_strided(low, node, 0, tuple(0 if size == 1 else stride for size, stride in zip(padded, dense_strides(padded), strict=True)))


@lowers("tile")
def lower_tile(low: Lowering, node: Node) -> None:
    """One axis after the other, the last first: each row of it is copied so many times behind itself."""
    v, out = node.inputs[0], node.outputs[0]
    axes = [i for i, repeats in enumerate(node.attrs["repeats"]) if repeats != 1]
    for axis in reversed(axes):
        repeats = node.attrs["repeats"][axis]
        shape = (*v.shape[:axis], v.shape[axis] * repeats, *v.shape[axis + 1 :])
        target = out if axis == axes[0] else Value(shape, v.dtype, out.name)
        outer, inner = prod(v.shape[:axis]), prod(v.shape[axis:]) * words(v.dtype)
        strides = ((inner, 0, 1), (inner * repeats, inner, 1))
        low.strided_copy(low.dense(v), low.new_dense(target), (outer, repeats, inner), *strides, node.name)
        v = target


@lowers("gather")
def lower_gather(low: Lowering, node: Node) -> None:
    """Indices that are constants become a table; others are read, and checked, at run time."""
    v, places = node.inputs
    out, dim = node.outputs[0], node.attrs["dim"]
    outer, n, inner = prod(v.shape[:dim]), v.shape[dim], prod(v.shape[dim + 1 :]) * words(v.dtype)
    x, y = low.dense(v), low.new_dense(out)
    if low.is_constant(places):
        given = low.constant_array(places)
        if given.size and not -n <= given.min() <= given.max() < n:
            raise IndexError(f"{node.name}: indices from {given.min()} to {given.max()} for dimension {dim} of size {n}")
        index = (given + n * (given < 0)).ravel().tolist()
        low.emit_node(node, lambda: Take(x.operand(), y.operand(), outer, n, inner, index), [x], [y])
        return
    index_tensor, wide = low.dense(places), places.dtype == INT64
    make = lambda: Gather(x.operand(), index_tensor.operand(), y.operand(), (outer, n, inner), numel(places.shape), wide)  # noqa: E731
    low.emit_node(node, make, [x, index_tensor], [y])
