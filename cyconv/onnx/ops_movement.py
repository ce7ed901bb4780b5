"""Data movement: shapes, slices, concatenations, padding. Handlers of the importer; the table is in registry.py."""

from __future__ import annotations

from math import prod

import numpy as np

from cyconv.onnx.errors import Unsupported
from cyconv.onnx.ops_reduce import axes_of
from cyconv.onnx.registry import Call, Value, operator

_SHAPES = (21, 23, 24, 25)  # opsets that added dtypes to all operators that only move data
_PAD_MODES = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}


def dim_of(x: Value, axis: int) -> int:
    """One axis of ``x``, counted from the front."""
    return axes_of(x, [axis])[0]


@operator("Concat", 4, 11, 13)
def concat(call: Call) -> Value:
    """The inputs one after the other."""
    return call.emit("cat", *call.inputs, dim=dim_of(call.input(0), call["axis"]))


@operator("Split", 2, 11)
def split_2(call: Call) -> list[Value]:
    """The sizes are an attribute."""
    return _split(call, call.get("split"))


@operator("Split", 13, 18, known=(1,))
def split(call: Call) -> list[Value]:
    """The sizes are an input."""
    return _split(call, call.ints(1, "sizes"))


def _split(call: Call, sizes: list[int] | None) -> list[Value]:
    x, parts = call.input(0), call.n_outputs
    dim = dim_of(x, call["axis"])
    if not sizes:
        if call.get("num_outputs", parts) != parts:
            raise ValueError(f"num_outputs = {call['num_outputs']}, but there are {parts} outputs")
        each = -(-x.shape[dim] // parts)
        sizes = [each] * (parts - 1) + [x.shape[dim] - each * (parts - 1)]
    if len(sizes) != parts or sum(sizes) != x.shape[dim] or min(sizes) < 0:
        raise ValueError(f"{parts} parts of sizes {sizes} do not make up {x.shape[dim]} at dimension {dim}")
    ends = np.cumsum(sizes).tolist()
    return [_range(call, x, dim, end - size, end) for size, end in zip(sizes, ends, strict=True)]


def _range(call: Call, x: Value, dim: int, start: int, stop: int) -> Value:
    """x[start:stop] along one dimension."""
    starts, stops = [0] * x.ndim, list(x.shape)
    starts[dim], stops[dim] = start, stop
    return call.emit("slice", x, starts=tuple(starts), stops=tuple(stops), steps=(1,) * x.ndim)


@operator("Slice", 1)
def slice_1(call: Call) -> Value:
    """Places are attributes."""
    return _slice(call, call["starts"], call["ends"], call.get("axes"), None)


@operator("Slice", 10, 11, 13, known=(1, 2, 3, 4))
def slice_10(call: Call) -> Value:
    """Places are inputs."""
    starts, ends = call.ints(1, "starts"), call.ints(2, "ends")
    return _slice(call, starts or [], ends or [], call.ints(3, "axes"), call.ints(4, "steps"))


def _slice(call: Call, starts: list[int], ends: list[int], axes: list[int] | None, steps: list[int] | None) -> Value:
    x = call.input(0)
    axes = list(range(len(starts))) if axes is None else [dim_of(x, axis) for axis in axes]
    steps = [1] * len(starts) if steps is None else steps
    if not len(starts) == len(ends) == len(axes) == len(steps) == len(set(axes)) <= x.ndim:
        raise ValueError(f"starts {starts}, ends {ends}, axes {axes} and steps {steps} do not fit {x.ndim} dimensions")
    begin, end, walk = [0] * x.ndim, list(x.shape), [1] * x.ndim
    for dim, start, stop, step in zip(axes, starts, ends, steps, strict=True):
        if step == 0:
            raise ValueError("a step is 0")
        if step < 0 and start < -x.shape[dim]:
            start = 0  # ONNX begins at the first element then, Python before it
        start, stop, step = slice(start, stop, step).indices(x.shape[dim])
        if len(range(start, stop, step)) == 0:
            start, stop, step = 0, 0, 1
        begin[dim], end[dim], walk[dim] = start, stop, step
    return call.emit("slice", x, starts=tuple(begin), stops=tuple(end), steps=tuple(walk))


@operator("Gather", 1, 11, 13)
def gather(call: Call) -> Value:
    """Entries along an axis; the shape of the indices takes the axis's place."""
    x, index = call.input(0), call.input(1)
    dim = dim_of(x, call["axis"])
    if not isinstance(index, np.ndarray):
        return call.emit("gather", x, index, dim=dim)
    size = x.shape[dim]
    if index.dtype.kind != "i" or ((index < -size) | (index >= size)).any():
        raise ValueError(f"indices must be whole numbers from {-size} to {size - 1}")
    index = np.where(index < 0, index + size, index).astype(np.int64)
    shape = (*x.shape[:dim], *index.shape, *x.shape[dim + 1 :])
    if index.size == 1:
        place = int(index.reshape(-1)[0])
        return call.emit("reshape", _range(call, x, dim, place, place + 1), shape=shape)
    return call.emit("gather", x, index, dim=dim)


@operator("Reshape", 5, 13, 14, 19, *_SHAPES, known=(1,))
def reshape(call: Call) -> Value:
    """Another shape, in which 0 keeps a size (unless allowzero) and -1 takes what is left."""
    x, wanted = call.input(0), call.ints(1, "shape") or []
    shape = list(wanted)
    if not call.get("allowzero", 0):
        for i, size in enumerate(shape):
            if size == 0:
                if i >= x.ndim:
                    raise ValueError(f"shape {wanted} keeps dimension {i}, the input has {x.ndim}")
                shape[i] = x.shape[i]
    if shape.count(-1) > 1 or min(shape, default=0) < -1:
        raise ValueError(f"shape {wanted} cannot be meant")
    if -1 in shape:
        rest = prod(size for size in shape if size != -1)
        if rest == 0 or prod(x.shape) % rest:
            raise ValueError(f"shape {wanted} does not fit an input of shape {list(x.shape)}")
        shape[shape.index(-1)] = prod(x.shape) // rest
    if prod(shape) != prod(x.shape):
        raise ValueError(f"shape {wanted} does not fit an input of shape {list(x.shape)}")
    return call.emit("reshape", x, shape=tuple(shape))


@operator("Flatten", 1, 9, 11, 13, *_SHAPES)
def flatten(call: Call) -> Value:
    """A matrix: the dimensions before ``axis``, and the others."""
    x, axis = call.input(0), call["axis"]
    if not -x.ndim <= axis <= x.ndim:
        raise ValueError(f"axis {axis} is out of range for {x.ndim} dimensions")
    axis += x.ndim if axis < 0 else 0
    return call.emit("reshape", x, shape=(prod(x.shape[:axis]), prod(x.shape[axis:])))


@operator("Squeeze", 1, 11)
def squeeze_1(call: Call) -> Value:
    """The axes are an attribute."""
    return _squeeze(call, call.get("axes"))


@operator("Squeeze", 13, *_SHAPES, known=(1,))
def squeeze(call: Call) -> Value:
    """The axes are an input."""
    return _squeeze(call, call.ints(1, "axes"))


def _squeeze(call: Call, axes: list[int] | None) -> Value:
    x = call.input(0)
    dims = [i for i, size in enumerate(x.shape) if size == 1] if axes is None else axes_of(x, axes)
    if any(x.shape[dim] != 1 for dim in dims):
        raise ValueError(f"dimensions {list(dims)} of {list(x.shape)} are not all 1")
    return call.emit("reshape", x, shape=tuple(size for i, size in enumerate(x.shape) if i not in dims))


@operator("Unsqueeze", 1, 11)
def unsqueeze_1(call: Call) -> Value:
    """The axes are an attribute."""
    return _unsqueeze(call, call["axes"])


@operator("Unsqueeze", 13, *_SHAPES, known=(1,))
def unsqueeze(call: Call) -> Value:
    """The axes are an input."""
    return _unsqueeze(call, call.ints(1, "axes") or [])


def _unsqueeze(call: Call, axes: list[int]) -> Value:
    x = call.input(0)
    ndim = x.ndim + len(axes)
    places = {axis % ndim for axis in axes if -ndim <= axis < ndim}
    if len(places) != len(axes):
        raise ValueError(f"axes {axes} are out of range or named twice for {ndim} dimensions")
    sizes = iter(x.shape)
    return call.emit("reshape", x, shape=tuple(1 if i in places else next(sizes) for i in range(ndim)))


@operator("Transpose", 1, 13, *_SHAPES)
def transpose(call: Call) -> Value:
    """The dimensions in another order; a reshape where only dimensions of 1 change places."""
    x = call.input(0)
    dims = tuple(call.get("perm") or reversed(range(x.ndim)))
    if sorted(dims) != list(range(x.ndim)):
        raise ValueError(f"perm {list(dims)} does not fit {x.ndim} dimensions")
    long = [dim for dim in dims if x.shape[dim] != 1]
    if long == sorted(long):
        return call.emit("reshape", x, shape=tuple(x.shape[dim] for dim in dims))
    return call.emit("permute", x, dims=dims)


@operator("Expand", 8, 13, known=(1,))
def expand(call: Call) -> Value:
    """The input as often as its dimensions of 1 have to be repeated."""
    x, wanted = call.input(0), call.ints(1, "shape") or []
    try:
        shape = np.broadcast_shapes(x.shape, tuple(wanted))
    except ValueError:
        raise ValueError(f"an input of shape {list(x.shape)} does not broadcast to {wanted}") from None
    return x if shape == x.shape else call.emit("expand", x, shape=shape)


@operator("Tile", 6, 13, known=(1,))
def tile(call: Call) -> Value:
    """The input several times along each dimension."""
    x, repeats = call.input(0), call.ints(1, "repeats") or []
    if len(repeats) != x.ndim or min(repeats, default=0) < 0:
        raise ValueError(f"repeats {repeats} do not fit {x.ndim} dimensions")
    return call.emit("tile", x, repeats=tuple(repeats))


@operator("Pad", 2)
def pad_2(call: Call) -> Value:
    """Widths and value are attributes."""
    return _pad(call, call["pads"], call["value"], None)


@operator("Pad", 11, 13, 18, 19, *_SHAPES, known=(1, 2, 3))
def pad(call: Call) -> Value:
    """Widths, value and axes are inputs."""
    return _pad(call, call.ints(1, "pads") or [], call.number(2, "value") or 0.0, call.ints(3, "axes"))


def _pad(call: Call, pads: list[int], value: float, axes: list[int] | None) -> Value:
    x, mode = call.input(0), _PAD_MODES.get(call["mode"])
    if mode is None:
        raise Unsupported(f"mode = {call['mode']!r}")
    dims = list(range(x.ndim)) if axes is None else [dim_of(x, axis) for axis in axes]
    if len(pads) != 2 * len(dims) or len(set(dims)) != len(dims):
        raise ValueError(f"pads {pads} do not fit {len(dims)} dimensions")
    border = [(0, 0)] * x.ndim
    for dim, before, after in zip(dims, pads[: len(dims)], pads[len(dims) :], strict=True):
        border[dim] = (before, after)
    return call.emit("pad", x, pad=tuple(border), mode=mode, value=float(value) if mode == "constant" else 0.0)


@operator("DepthToSpace", 1, 11, 13, 28)
def depth_to_space(call: Call) -> Value:
    """Channels become blocks of pixels; mode says which part of a channel's number is the block's."""
    x, b = call.input(0), call["blocksize"]
    n, c, h, w = _image(x)
    if b < 1 or c % (b * b):
        raise ValueError(f"blocks of {b} by {b} do not divide {c} channels")
    if call.get("mode", "DCR") == "DCR":
        parts, dims = (n, b, b, c // (b * b), h, w), (0, 3, 4, 1, 5, 2)
    else:
        parts, dims = (n, c // (b * b), b, b, h, w), (0, 1, 4, 2, 5, 3)
    y = call.emit("permute", call.emit("reshape", x, shape=parts), dims=dims)
    return call.emit("reshape", y, shape=(n, c // (b * b), h * b, w * b))


@operator("SpaceToDepth", 1, 13, 28)
def space_to_depth(call: Call) -> Value:
    """Blocks of pixels become channels."""
    x, b = call.input(0), call["blocksize"]
    n, c, h, w = _image(x)
    if b < 1 or h % b or w % b:
        raise ValueError(f"blocks of {b} by {b} do not divide an image of {h} by {w}")
    dims = (0, 3, 5, 1, 2, 4) if call.get("mode", "DCR") == "DCR" else (0, 1, 3, 5, 2, 4)
    y = call.emit("permute", call.emit("reshape", x, shape=(n, c, h // b, b, w // b, b)), dims=dims)
    return call.emit("reshape", y, shape=(n, c * b * b, h // b, w // b))


def _image(x: Value) -> tuple[int, ...]:
    if x.ndim != 4:
        raise ValueError(f"it takes images of 4 dimensions, got {x.ndim}")
    return x.shape
