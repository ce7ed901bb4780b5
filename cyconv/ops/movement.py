"""Data movement: pad, reshape, cat, slice and permute. No arithmetic, so kernels must be bit-exact.

An op family: :mod:`cyconv.functional` records it; reshapes and most concatenations cost nothing in a plan.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from cyconv.ops.base import Op, Shape, register
from cyconv.ops.common import count, expect_inputs, real
from cyconv.ops.dtypes import ALIKE, ANY, INTEGERS, expect
from cyconv.shapes import check_shape, integer

# PyTorch's names of the modes that copy a border from the input, and NumPy's.
BORDER_MODES: dict[str, Literal["reflect", "edge", "wrap"]] = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def infer_pad(shapes: list[Shape], attrs: dict) -> list[Shape]:
    """Each dimension grows by its ``(before, after)`` of attrs["pad"]; in constant mode negative entries crop."""
    expect_inputs("pad", shapes, 1)
    x, pad, mode = shapes[0], attrs["pad"], attrs["mode"]
    if mode != "constant" and mode not in BORDER_MODES:
        raise ValueError(f"pad: mode must be one of constant, {', '.join(BORDER_MODES)}, got {mode!r}")
    if len(pad) != len(x):
        raise ValueError(f"pad: expected a (before, after) pair for each of {len(x)} dimensions, got {len(pad)} pairs")
    real(attrs["value"], "value")
    shape = []
    for dim, (size, (before, after)) in enumerate(zip(x, pad, strict=True)):
        before, after = integer(before, "pad"), integer(after, "pad")
        where = f"padding {(before, after)} at dimension {dim} of input {list(x)}"
        if mode == "constant":
            if size + min(before, 0) + min(after, 0) < 0:
                raise ValueError(f"pad: the negative padding crops more than there is: {where}")
        else:
            _check_border(mode, size, before, after, where)
        shape.append(size + before + after)
    return [check_shape(shape, "pad: output")]


def _check_border(mode: str, size: int, before: int, after: int, where: str) -> None:
    """Raise ValueError when ``size`` cells cannot supply the border that ``mode`` asks for."""
    if min(before, after) < 0:
        raise ValueError(f"pad: negative padding needs mode 'constant', got mode {mode!r} with {where}")
    if mode == "reflect" and max(before, after) >= size and (before, after) != (0, 0):
        raise ValueError(f"pad: Padding size should be less than the corresponding input dimension, but got: {where}")
    if mode == "circular" and max(before, after) > size:
        raise ValueError(f"pad: Padding value causes wrapping around more than once: {where}")
    if mode == "replicate" and size == 0 and max(before, after) > 0:
        raise ValueError(f"pad: an empty dimension has no border to replicate: {where}")


def pad(inputs: list[np.ndarray], attrs: dict) -> list[np.ndarray]:
    """The input inside a border; the crop that negative entries ask for comes first."""
    x, mode = inputs[0], attrs["mode"]
    kept = tuple(slice(max(-before, 0), size - max(-after, 0)) for size, (before, after) in zip(x.shape, attrs["pad"], strict=True))
    border = [(max(before, 0), max(after, 0)) for before, after in attrs["pad"]]
    if x.ndim == 0:
        return [x.copy()]
    if mode == "constant":
        return [np.pad(x[kept], border, constant_values=attrs["value"])]
    return [np.pad(x, border, mode=BORDER_MODES[mode])]


def infer_reshape(shapes: list[Shape], attrs: dict) -> list[Shape]:
    """attrs["shape"], which has as many elements as the input."""
    expect_inputs("reshape", shapes, 1)
    shape = check_shape(attrs["shape"], "reshape: shape")
    if count(shape) != count(shapes[0]):
        raise ValueError(f"shape '{list(shape)}' is invalid for input of size {count(shapes[0])} (shape {list(shapes[0])})")
    return [shape]


def reshape(inputs: list[np.ndarray], attrs: dict) -> list[np.ndarray]:
    """The same elements in row-major order under another shape."""
    return [inputs[0].reshape(attrs["shape"])]


def infer_cat(shapes: list[Shape], attrs: dict) -> list[Shape]:
    """Sizes add up along ``dim`` and agree elsewhere."""
    if not shapes:
        raise ValueError("cat: expected a non-empty list of arrays")
    first, dim = shapes[0], integer(attrs["dim"], "dim", 0)
    if dim >= len(first):
        raise ValueError(f"cat: dim must be in [0, {len(first)}) for arrays of size {list(first)}, got {dim}")
    for i, shape in enumerate(shapes):
        if len(shape) != len(first):
            raise ValueError(f"cat: arrays must have same number of dimensions: got {len(first)} and {len(shape)} (array number {i})")
        for d, (expected, size) in enumerate(zip(first, shape, strict=True)):
            if d != dim and size != expected:
                raise ValueError(
                    f"cat: Sizes of arrays must match except in dimension {dim}. "
                    f"Expected size {expected} but got size {size} for array number {i} in the list."
                )
    total = sum(shape[dim] for shape in shapes)
    return [check_shape((*first[:dim], total, *first[dim + 1 :]), "cat: output")]


def cat(inputs: list[np.ndarray], attrs: dict) -> list[np.ndarray]:
    """The inputs one after the other along ``dim``."""
    return [np.concatenate(inputs, axis=attrs["dim"])]


def infer_slice(shapes: list[Shape], attrs: dict) -> list[Shape]:
    """len(range(start, stop, step)) per dimension; a negative step walks back, and -1 then stands for the place before the first."""
    expect_inputs("slice", shapes, 1)
    x = shapes[0]
    for name in ("starts", "stops", "steps"):
        if len(attrs[name]) != len(x):
            raise ValueError(f"slice: {name} must have one entry for each of {len(x)} dimensions, got {len(attrs[name])}")
    shape = []
    for dim, size in enumerate(x):
        step = integer(attrs["steps"][dim], f"slice: step of dimension {dim}")
        if step == 0:
            raise ValueError(f"slice: step of dimension {dim} must not be 0")
        least = 0 if step > 0 else -1
        start = integer(attrs["starts"][dim], f"slice: start of dimension {dim}", least)
        stop = integer(attrs["stops"][dim], f"slice: stop of dimension {dim}", start if step > 0 else least)
        if step > 0 and stop > size:
            raise ValueError(f"slice: stop of dimension {dim} must be at most its size {size}, got {stop}")
        if step < 0 and not stop <= start < size:
            raise ValueError(f"slice: start of dimension {dim} must be between its stop {stop} and its size {size}, got {start}")
        shape.append(len(range(start, stop, step)))
    return [check_shape(shape, "slice: output")]


def slice_(inputs: list[np.ndarray], attrs: dict) -> list[np.ndarray]:
    """x[start:stop:step] in every dimension."""
    y = np.array(inputs[0])
    for dim, places in enumerate(zip(attrs["starts"], attrs["stops"], attrs["steps"], strict=True)):
        y = np.take(y, np.arange(*places), axis=dim)
    return [y]


def infer_permute(shapes: list[Shape], attrs: dict) -> list[Shape]:
    """Dimension i of the output is dimension dims[i] of the input."""
    expect_inputs("permute", shapes, 1)
    dims = [integer(dim, "permute: dims") for dim in attrs["dims"]]
    if sorted(dims) != list(range(len(shapes[0]))):
        raise ValueError(f"permute: dims must name each of the {len(shapes[0])} dimensions of {list(shapes[0])} once, got {tuple(dims)}")
    return [check_shape([shapes[0][dim] for dim in dims], "permute: output")]


def permute(inputs: list[np.ndarray], attrs: dict) -> list[np.ndarray]:
    """y[i0, i1, …] = x with index i_k along dimension dims[k]."""
    return [np.array(inputs[0].transpose(attrs["dims"]), order="C")]


def infer_expand(shapes: list[Shape], attrs: dict) -> list[Shape]:
    """attrs["shape"], to which the input broadcasts."""
    expect_inputs("expand", shapes, 1)
    x, shape = shapes[0], check_shape(attrs["shape"], "expand: shape")
    padded = (1,) * (len(shape) - len(x)) + x
    if len(x) > len(shape) or any(size not in (1, wanted) for size, wanted in zip(padded, shape, strict=True)):
        raise ValueError(f"expand: an array of shape {list(x)} does not broadcast to {list(shape)}")
    return [shape]


def expand(inputs: list[np.ndarray], attrs: dict) -> list[np.ndarray]:
    """The input repeated along new dimensions and those of size 1."""
    return [np.array(np.broadcast_to(inputs[0], attrs["shape"]))]


def infer_tile(shapes: list[Shape], attrs: dict) -> list[Shape]:
    """Each dimension times its entry of attrs["repeats"]."""
    expect_inputs("tile", shapes, 1)
    x, repeats = shapes[0], [integer(r, "tile: repeats", 0) for r in attrs["repeats"]]
    if len(repeats) != len(x):
        raise ValueError(f"tile: repeats must have one entry for each of {len(x)} dimensions, got {len(repeats)}")
    return [check_shape([size * r for size, r in zip(x, repeats, strict=True)], "tile: output")]


def tile(inputs: list[np.ndarray], attrs: dict) -> list[np.ndarray]:
    """The whole input again and again along each dimension."""
    return [np.tile(inputs[0], attrs["repeats"])]


def infer_gather(shapes: list[Shape], attrs: dict) -> list[Shape]:
    """Dimension ``dim`` of x gives way to the dimensions of the indices."""
    expect_inputs("gather", shapes, 2)
    (x, index), dim = shapes, integer(attrs["dim"], "dim", 0)
    if dim >= len(x):
        raise ValueError(f"gather: dim must be in [0, {len(x)}) for an array of size {list(x)}, got {dim}")
    return [check_shape((*x[:dim], *index, *x[dim + 1 :]), "gather: output")]


def gather_dtypes(op: str, dtypes: list[str], attrs: dict) -> list[str]:
    """Any first input, integers as indices."""
    expect(op, dtypes[0], ANY)
    expect(op, dtypes[1], INTEGERS, "indices of ")
    return dtypes[:1]


def gather(inputs: list[np.ndarray], attrs: dict) -> list[np.ndarray]:
    """x[:, …, index, …, :]; negative indices count from the end, and IndexError comes of one that is out of range."""
    return [np.take(inputs[0], inputs[1], axis=attrs["dim"])]


register(Op("pad", infer_pad, pad, dtypes=ALIKE))
register(Op("reshape", infer_reshape, reshape, dtypes=ALIKE))
register(Op("cat", infer_cat, cat, dtypes=ALIKE))
register(Op("slice", infer_slice, slice_, dtypes=ALIKE))
register(Op("permute", infer_permute, permute, dtypes=ALIKE))
register(Op("expand", infer_expand, expand, dtypes=ALIKE))
register(Op("tile", infer_tile, tile, dtypes=ALIKE))
register(Op("gather", infer_gather, gather, dtypes=gather_dtypes))
