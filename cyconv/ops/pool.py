"""Pooling: maximum and average over windows, fixed (max_pool2d, avg_pool2d) or adaptive to an output size.

An op family: :mod:`cyconv.functional` records it, the pooling kernels compute it. Sizes, padding, NaN and indices follow
PyTorch: padding counts as -inf for the maximum, the first maximum of a window in scan order wins, and a later NaN wins over all.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cyconv.ops.base import Op, Shape, register
from cyconv.ops.common import expect_images, expect_inputs, four_sides, pad_for_taps, taps
from cyconv.ops.dtypes import FLOAT32, INT64, floats_to
from cyconv.shapes import adaptive_windows, check_pool_padding, check_shape, effective_kernel, integer, pair, pool_output_size

INDEX_BYTES = 8


def _infer_pool(op: str, shapes: list[Shape], attrs: dict) -> Shape:
    """Output shape of a pooling with a fixed window."""
    expect_inputs(op, shapes, 1)
    x = shapes[0]
    expect_images(op, x)
    kernel = pair(attrs["kernel"], "kernel_size", 1)
    stride = pair(attrs["stride"], "stride", 1)
    dilation = pair(attrs.get("dilation", 1), "dilation", 1)
    top, bottom, left, right = four_sides(attrs["padding"], "padding")
    check_pool_padding((top, bottom, left, right), kernel)
    oh = pool_output_size(x[2], kernel[0], stride[0], top, bottom, dilation[0], attrs["ceil_mode"])
    ow = pool_output_size(x[3], kernel[1], stride[1], left, right, dilation[1], attrs["ceil_mode"])
    return check_shape((x[0], x[1], oh, ow), f"{op}: output", INDEX_BYTES)


def _infer_adaptive(op: str, shapes: list[Shape], attrs: dict) -> Shape:
    """Output shape of an adaptive pooling."""
    expect_inputs(op, shapes, 1)
    expect_images(op, shapes[0])
    return check_shape((*shapes[0][:2], *pair(attrs["output_size"], "output_size", 0)), f"{op}: output", INDEX_BYTES)


def infer_max_pool2d(shapes: list[Shape], attrs: dict) -> list[Shape]:
    """[N, C, OH, OW], twice with ``return_indices``."""
    return [_infer_pool("max_pool2d", shapes, attrs)] * (2 if attrs["return_indices"] else 1)


def infer_avg_pool2d(shapes: list[Shape], attrs: dict) -> list[Shape]:
    """[N, C, OH, OW]."""
    if attrs["divisor_override"] is not None and integer(attrs["divisor_override"], "divisor_override") == 0:
        raise ValueError("divisor_override: divisor must be not zero")
    return [_infer_pool("avg_pool2d", shapes, attrs)]


def infer_adaptive_avg_pool2d(shapes: list[Shape], attrs: dict) -> list[Shape]:
    """[N, C, oh, ow] with output_size = (oh, ow)."""
    return [_infer_adaptive("adaptive_avg_pool2d", shapes, attrs)]


def infer_adaptive_max_pool2d(shapes: list[Shape], attrs: dict) -> list[Shape]:
    """[N, C, oh, ow] with output_size = (oh, ow), twice with ``return_indices``."""
    return [_infer_adaptive("adaptive_max_pool2d", shapes, attrs)] * (2 if attrs["return_indices"] else 1)


def _reach(out: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns that the windows cover, counted from the first padded cell."""
    rows, columns = ((out[a] - 1) * stride[a] + effective_kernel(kernel[a], dilation[a]) for a in (0, 1))
    return rows, columns


def _first_cell(out: int, stride: int, pad: int, dilation: int) -> np.ndarray:
    """For each window along one axis, the first cell it meets that is not padding before the input."""
    start = np.arange(out) * stride - pad
    return np.where(start < 0, start + -(start // dilation) * dilation, start)


def max_pool2d(inputs: list[np.ndarray], attrs: dict) -> list[np.ndarray]:
    """y = maximum over the window, padding being -inf; index = h·W + w of the winner (of the first cell if all are -inf)."""
    x = inputs[0]
    kernel, stride, dilation, padding = attrs["kernel"], attrs["stride"], attrs["dilation"], attrs["padding"]
    shape = infer_max_pool2d([x.shape], attrs)[0]
    (oh, ow), width = shape[2:], x.shape[3]
    padded = pad_for_taps(x, padding, -np.inf, _reach((oh, ow), kernel, stride, dilation))
    best = np.full(shape, -np.inf)
    first_row = _first_cell(oh, stride[0], padding[0], dilation[0])
    first_column = _first_cell(ow, stride[1], padding[2], dilation[1])
    index = np.broadcast_to(first_row[:, None] * width + first_column, shape).copy()
    for i, j, view in taps(padded, kernel, stride, dilation, (oh, ow)):
        row = np.arange(oh) * stride[0] - padding[0] + i * dilation[0]
        column = np.arange(ow) * stride[1] - padding[2] + j * dilation[1]
        wins = (view > best) | np.isnan(view)
        best = np.where(wins, view, best)
        index = np.where(wins, row[:, None] * width + column, index)
    return [best, index] if attrs["return_indices"] else [best]


def _window_lengths(size: int, out: int, kernel: int, stride: int, before: int, after: int) -> tuple[np.ndarray, np.ndarray]:
    """For each window along one axis, how many cells lie in the padded input, and how many in the input (at least 1)."""
    start = np.arange(out) * stride - before
    end = np.minimum(start + kernel, size + after)
    return end - start, np.minimum(end, size) - np.maximum(start, 0)


@np.errstate(all="ignore")
def avg_pool2d(inputs: list[np.ndarray], attrs: dict) -> list[np.ndarray]:
    """y = sum over the window / divisor: ``divisor_override``, or its cells in the padded input, or only those in the input."""
    x = inputs[0]
    kernel, stride, padding = attrs["kernel"], attrs["stride"], attrs["padding"]
    shape = infer_avg_pool2d([x.shape], attrs)[0]
    oh, ow = shape[2:]
    top, bottom, left, right = padding
    padded = pad_for_taps(x, padding, 0.0, _reach((oh, ow), kernel, stride, (1, 1)))
    rows = _window_lengths(x.shape[2], oh, kernel[0], stride[0], top, bottom)
    columns = _window_lengths(x.shape[3], ow, kernel[1], stride[1], left, right)
    which = 0 if attrs["count_include_pad"] else 1
    divisor = attrs["divisor_override"] or rows[which][:, None] * columns[which]
    total = np.zeros(shape)
    for _, _, view in taps(padded, kernel, stride, (1, 1), (oh, ow)):
        total += view
    return [total / divisor]


def _adaptive_blocks(x: np.ndarray, output_size: tuple[int, int]) -> Iterator[tuple[int, int, int, int, np.ndarray]]:
    """For each output position (p, q): p, q, the top and left of its window, and that window of ``x``."""
    rows, columns = adaptive_windows(x.shape[2], output_size[0]), adaptive_windows(x.shape[3], output_size[1])
    for p, (top, bottom) in enumerate(rows):
        for q, (left, right) in enumerate(columns):
            yield p, q, top, left, x[:, :, top:bottom, left:right]


@np.errstate(all="ignore")
def adaptive_avg_pool2d(inputs: list[np.ndarray], attrs: dict) -> list[np.ndarray]:
    """y = mean of the window [floor(p·H/oh), ceil((p+1)·H/oh)) × the same for columns."""
    y = np.empty(infer_adaptive_avg_pool2d([inputs[0].shape], attrs)[0])
    for p, q, _, _, window in _adaptive_blocks(inputs[0], attrs["output_size"]):
        y[:, :, p, q] = window.mean(axis=(2, 3))
    return [y]


def adaptive_max_pool2d(inputs: list[np.ndarray], attrs: dict) -> list[np.ndarray]:
    """y = maximum of the same windows as :func:`adaptive_avg_pool2d`; index = h·W + w of the winner."""
    x = inputs[0]
    shape = infer_adaptive_max_pool2d([x.shape], attrs)[0]
    y, index = np.empty(shape), np.empty(shape, np.int64)
    for p, q, top, left, window in _adaptive_blocks(x, attrs["output_size"]):
        cells = window.reshape(*shape[:2], window.shape[2] * window.shape[3])
        nan = np.isnan(cells)
        last_nan = cells.shape[2] - 1 - nan[:, :, ::-1].argmax(axis=2)
        winner = np.where(nan.any(axis=2), last_nan, cells.argmax(axis=2))
        y[:, :, p, q] = np.take_along_axis(cells, winner[:, :, None], axis=2)[:, :, 0]
        index[:, :, p, q] = (top + winner // window.shape[3]) * x.shape[3] + left + winner % window.shape[3]
    return [y, index] if attrs["return_indices"] else [y]


register(Op("max_pool2d", infer_max_pool2d, max_pool2d, dtypes=floats_to(FLOAT32, INT64)))
register(Op("avg_pool2d", infer_avg_pool2d, avg_pool2d))
register(Op("adaptive_avg_pool2d", infer_adaptive_avg_pool2d, adaptive_avg_pool2d))
register(Op("adaptive_max_pool2d", infer_adaptive_max_pool2d, adaptive_max_pool2d, dtypes=floats_to(FLOAT32, INT64)))
