"""Pooling over windows, fixed (max_pool, avg_pool, lp_pool) or adaptive to an output size, of images (…2d) and volumes (…3d).

An op family: :mod:`cyconv.functional` records it, the pooling kernels compute it. Sizes, padding, NaN and indices follow
PyTorch: padding counts as -inf for the maximum, the first maximum of a window in scan order wins, and a later NaN wins over all.
Beyond PyTorch, as ONNX has it: padding of any width, dilation of averages, indices into the whole tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product
from math import prod

import numpy as np

from cyconv.ops.base import Op, Shape, register
from cyconv.ops.common import all_sides, expect_images, expect_inputs, inner, pad_for_taps, real, taps
from cyconv.ops.dtypes import FLOAT32, INT64, floats_to
from cyconv.shapes import adaptive_windows, check_shape, effective_kernel, integer, pool_output_size, sizes

INDEX_BYTES = 8
# How the index of a maximum counts: in the flattened plane or volume (PyTorch); in the whole flattened tensor; the same with the
# axes of the plane or volume the other way round (ONNX's storage_order 0 and 1).
INDEX_ORDERS = ("plane", "row", "column")


def dilation_of(attrs: dict) -> tuple[int, ...]:
    """The dilation, which an average need not have."""
    return attrs.get("dilation", (1,) * len(attrs["kernel"]))


def index_strides(spatial: Sequence[int], order: str) -> tuple[int, ...]:
    """By how much an index grows from plane to plane, then along each axis of the plane or volume."""
    if order == "column":
        return prod(spatial), *(prod(spatial[:a]) for a in range(len(spatial)))
    return (0 if order == "plane" else prod(spatial)), *(prod(spatial[a + 1 :]) for a in range(len(spatial)))


def _infer_pool(op: str, rank: int, shapes: list[Shape], attrs: dict) -> Shape:
    """Output shape of a pooling with a fixed window."""
    expect_inputs(op, shapes, 1)
    x = shapes[0]
    expect_images(op, x, rank)
    kernel, stride = sizes(attrs["kernel"], rank, "kernel_size", 1), sizes(attrs["stride"], rank, "stride", 1)
    dilation = sizes(attrs.get("dilation", 1), rank, "dilation", 1)
    sides = all_sides(attrs["padding"], "padding", rank)
    axes = enumerate(zip(sides[::2], sides[1::2], strict=True))
    out = [pool_output_size(x[2 + a], kernel[a], stride[a], before, after, dilation[a], attrs["ceil_mode"]) for a, (before, after) in axes]
    return check_shape((x[0], x[1], *out), f"{op}: output", INDEX_BYTES)


def _infer_adaptive(op: str, rank: int, shapes: list[Shape], attrs: dict) -> Shape:
    """Output shape of an adaptive pooling."""
    expect_inputs(op, shapes, 1)
    expect_images(op, shapes[0], rank)
    return check_shape((*shapes[0][:2], *sizes(attrs["output_size"], rank, "output_size", 0)), f"{op}: output", INDEX_BYTES)


def _infer(window: Callable, op: str, rank: int, shapes: list[Shape], attrs: dict) -> list[Shape]:
    """[N, C, ...], of a maximum twice with ``return_indices``; ``window`` is one of the two above."""
    if attrs.get("divisor_override") is not None and integer(attrs["divisor_override"], "divisor_override") == 0:
        raise ValueError("divisor_override: divisor must be not zero")
    if "norm_type" in attrs and not 0 < real(attrs["norm_type"], "norm_type") < np.inf:
        raise ValueError(f"norm_type must be positive and finite, got {attrs['norm_type']!r}")
    if attrs.get("index_order", "plane") not in INDEX_ORDERS:
        raise ValueError(f"index_order must be one of {', '.join(INDEX_ORDERS)}, got {attrs['index_order']!r}")
    return [window(op, rank, shapes, attrs)] * (2 if "max" in op and attrs["return_indices"] else 1)


def _reach(out: Sequence[int], attrs: dict) -> list[int]:
    """How many cells of each axis the windows cover, counted from the first padded cell."""
    walk = zip(out, attrs["kernel"], attrs["stride"], dilation_of(attrs), strict=True)
    return [(o - 1) * s + effective_kernel(k, d) for o, k, s, d in walk]


def _position(out: Sequence[int], attrs: dict, axis: int, cell: int) -> np.ndarray:
    """Where a kernel cell of each window lies along one axis, shaped to broadcast over the output."""
    start = np.arange(out[axis]) * attrs["stride"][axis] - attrs["padding"][2 * axis]
    return (start + cell * dilation_of(attrs)[axis]).reshape((-1,) + (1,) * (len(out) - 1 - axis))


def _first_cell(out: Sequence[int], attrs: dict, axis: int) -> np.ndarray:
    """For each window, the first cell it meets along one axis that is not padding before the input."""
    start, step = _position(out, attrs, axis, 0), dilation_of(attrs)[axis]
    return np.where(start < 0, start + -(start // step) * step, start)


def _planes(shape: Shape) -> np.ndarray:
    """The number n·C + c of each plane or volume, shaped to broadcast over the output."""
    return np.arange(prod(shape[:2])).reshape(*shape[:2], *(1,) * (len(shape) - 2))


def max_pool(inputs: list[np.ndarray], attrs: dict) -> list[np.ndarray]:
    """y = maximum over the window, padding being -inf; index = where the winner stands (the first cell if all are -inf)."""
    x = inputs[0]
    rank = x.ndim - 2
    shape = _infer_pool("max_pool", rank, [x.shape], attrs)
    out = shape[2:]
    padded = pad_for_taps(x, attrs["padding"], -np.inf, _reach(out, attrs))
    plane, *strides = index_strides(x.shape[2:], attrs.get("index_order", "plane"))
    best = np.full(shape, -np.inf)
    index = _planes(shape) * plane + sum(_first_cell(out, attrs, a) * strides[a] for a in range(rank))
    index = np.broadcast_to(index, shape).astype(np.int64)
    for cell, view in taps(padded, attrs["kernel"], attrs["stride"], attrs["dilation"], out):
        here = _planes(shape) * plane + sum(_position(out, attrs, a, cell[a]) * strides[a] for a in range(rank))
        wins = (view > best) | np.isnan(view)
        best = np.where(wins, view, best)
        index = np.where(wins, here, index)
    return [best, index] if attrs["return_indices"] else [best]


def window_cells(size: int, out: int, window: tuple[int, int, int], pads: tuple[int, int]) -> tuple[list[int], list[int]]:
    """For each window (kernel, stride, dilation) along one axis, its cells within the padded input, and those within the input."""
    kernel, stride, dilation = window
    cells = [range(i * stride - pads[0], i * stride - pads[0] + kernel * dilation, dilation) for i in range(out)]
    return [sum(p < size + pads[1] for p in w) for w in cells], [sum(0 <= p < size for p in w) for w in cells]


def _divisors(x: Shape, out: Sequence[int], attrs: dict, which: int) -> np.ndarray:
    """The number of cells of each window: within the padded input (``which`` 0), or within the input (1)."""
    total = np.ones(())
    for a, windows in enumerate(zip(attrs["kernel"], attrs["stride"], dilation_of(attrs), strict=True)):
        total = np.multiply.outer(
            total, window_cells(x[2 + a], out[a], windows, (attrs["padding"][2 * a], attrs["padding"][2 * a + 1]))[which]
        )
    return total


def _window_sums(x: np.ndarray, shape: Shape, attrs: dict) -> np.ndarray:
    """The sum of each window, padding being 0."""
    padded = pad_for_taps(x, attrs["padding"], 0.0, _reach(shape[2:], attrs))
    total = np.zeros(shape)
    for _, view in taps(padded, attrs["kernel"], attrs["stride"], dilation_of(attrs), shape[2:]):
        total += view
    return total


@np.errstate(all="ignore")
def avg_pool(inputs: list[np.ndarray], attrs: dict) -> list[np.ndarray]:
    """y = sum over the window / divisor: ``divisor_override``, or its cells in the padded input, or only those in the input."""
    x = inputs[0]
    shape = _infer_pool("avg_pool", x.ndim - 2, [x.shape], attrs)
    divisor = attrs["divisor_override"] or _divisors(x.shape, shape[2:], attrs, 0 if attrs["count_include_pad"] else 1)
    return [_window_sums(x, shape, attrs) / divisor]


@np.errstate(all="ignore")
def lp_pool(inputs: list[np.ndarray], attrs: dict) -> list[np.ndarray]:
    """y = (Σ over the window of x^p)^(1/p), or of \\|x\\|^p with ``absolute``.

    With ``rescale`` the sum of a window that hangs over the padded input is scaled up to the kernel's number of cells, as PyTorch
    does in ceil mode; ONNX does not.
    """
    x, p = inputs[0], attrs["norm_type"]
    shape = _infer_pool("lp_pool", x.ndim - 2, [x.shape], attrs)
    total = _window_sums(np.power(np.abs(x) if attrs["absolute"] else x, p), shape, attrs)
    if attrs["rescale"]:
        total = total / _divisors(x.shape, shape[2:], attrs, 0) * prod(attrs["kernel"])
    return [np.power(total, 1 / p)]


def _adaptive_windows(x: np.ndarray, output_size: Sequence[int]) -> Iterator[tuple[tuple[int, ...], list[tuple[int, int]]]]:
    """For each output position, its place and the (start, end) of its window along each axis."""
    windows = [adaptive_windows(size, out) for size, out in zip(x.shape[2:], output_size, strict=True)]
    for place in product(*(range(out) for out in output_size)):
        yield place, [windows[a][i] for a, i in enumerate(place)]


@np.errstate(all="ignore")
def adaptive_avg_pool(inputs: list[np.ndarray], attrs: dict) -> list[np.ndarray]:
    """y = mean of the window from floor(p·size/out) to below ceil((p+1)·size/out), along every axis."""
    x = inputs[0]
    y = np.empty((*x.shape[:2], *attrs["output_size"]))
    for place, window in _adaptive_windows(x, attrs["output_size"]):
        cells = x[inner(slice(*w) for w in window)]
        y[inner(place)] = cells.reshape(*x.shape[:2], -1 if x.size else 1).mean(axis=2)
    return [y]


def adaptive_max_pool(inputs: list[np.ndarray], attrs: dict) -> list[np.ndarray]:
    """y = maximum of the same windows as :func:`adaptive_avg_pool`; index = where the winner stands in its plane or volume."""
    x = inputs[0]
    shape = (*x.shape[:2], *attrs["output_size"])
    _, *strides = index_strides(x.shape[2:], "plane")
    y, index = np.empty(shape), np.empty(shape, np.int64)
    for place, window in _adaptive_windows(x, attrs["output_size"]):
        extent = [end - start for start, end in window]
        cells = x[inner(slice(*w) for w in window)].reshape(*shape[:2], prod(extent))
        nan = np.isnan(cells)
        last_nan = cells.shape[2] - 1 - nan[:, :, ::-1].argmax(axis=2)
        winner = np.where(nan.any(axis=2), last_nan, cells.argmax(axis=2))
        y[inner(place)] = np.take_along_axis(cells, winner[:, :, None], axis=2)[:, :, 0]
        where = np.unravel_index(winner, extent)
        index[inner(place)] = sum((w + start) * stride for w, (start, _), stride in zip(where, window, strides, strict=True))
    return [y, index] if attrs["return_indices"] else [y]


for _rank in (2, 3):
    for _name, _window, _function, _dtypes in (
        ("max_pool", _infer_pool, max_pool, (FLOAT32, INT64)),
        ("avg_pool", _infer_pool, avg_pool, (FLOAT32,)),
        ("lp_pool", _infer_pool, lp_pool, (FLOAT32,)),
        ("adaptive_avg_pool", _infer_adaptive, adaptive_avg_pool, (FLOAT32,)),
        ("adaptive_max_pool", _infer_adaptive, adaptive_max_pool, (FLOAT32, INT64)),
    ):
        _op = f"{_name}{_rank}d"
        register(Op(_op, partial(_infer, _window, _op, _rank), _function, dtypes=floats_to(*_dtypes)))
