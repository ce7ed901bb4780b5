"""The rarer forms of Resize as products with matrices: cubic, with antialiasing, without the border, of a cropped region.

Along each axis an output cell is a weighted sum of input cells; the weights are known while tracing, and a fully connected layer
applies them. Source: ONNX, Resize. Called by ops_resize.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor

import numpy as np

from cyconv.onnx.errors import Unsupported
from cyconv.onnx.registry import Call, Value
from cyconv.ops.resize import round_places, source_places

MAX_SIZE = 4096  # of an axis: the matrix has that squared


@dataclass(frozen=True)
class Rule:
    """How weights follow from coordinates: the attributes of Resize by these names."""

    mode: str
    coordinates: str
    rounding: str
    antialias: bool
    exclude_outside: bool
    cubic: float  # ONNX's cubic_coeff_a
    fill: float  # ONNX's extrapolation_value


def kernel(rule: Rule, t: float) -> float:
    """The weight of a cell at distance ``t``: a triangle, or Keys's cubic (1981)."""
    t = abs(t)
    if rule.mode == "linear":
        return max(1 - t, 0.0)
    a = rule.cubic
    if t <= 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1
    return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a if t < 2 else 0.0


def weights(rule: Rule, places: np.ndarray, size: int, scale: float) -> np.ndarray:
    """The matrix [out, size] that takes the input at ``places`` along an axis."""
    matrix = np.zeros((len(places), size))
    if rule.mode == "nearest":
        cells = np.clip(round_places(places, rule.rounding), 0, size - 1).astype(int)
        matrix[np.arange(len(places)), cells] = 1
        return matrix
    shrink = min(scale, 1.0) if rule.antialias else 1.0
    radius = (1 if rule.mode == "linear" else 2) / shrink
    for row, x in zip(matrix, places, strict=True):
        for cell in range(ceil(x - radius), floor(x + radius) + 1):
            if not rule.exclude_outside or 0 <= cell < size:
                row[min(max(cell, 0), size - 1)] += kernel(rule, (cell - x) * shrink)
        if rule.antialias or rule.exclude_outside:
            row /= row.sum()
    return matrix


def resample(call: Call, y: Value, rule: Rule, dims: list[int], extent: tuple[list, list], regions: list | None) -> Value:
    """``y`` resized along ``dims`` to sizes by scales; ``regions`` holds (start, end) of each, as parts of it, for tf_crop_and_resize."""
    outside = np.zeros((1,) * y.ndim, bool)
    for i, dim in enumerate(dims):
        size, out, scale = y.shape[dim], extent[0][i], extent[1][i]
        if max(size, out) > MAX_SIZE:
            raise Unsupported(f"resizing from {size} to {out} with such a rule; at most {MAX_SIZE}")
        if regions is None:
            places = source_places(size, out, scale, rule.coordinates)
        else:
            places = crop_places(size, out, *regions[i])
            beyond = (places < 0) | (places > size - 1)
            outside = outside | beyond.reshape([-1 if d == dim else 1 for d in range(y.ndim)])
        matrix = weights(rule, places, size, out / size if scale is None else scale)
        if regions is not None:
            matrix[beyond] = 0
        y = along(call, y, dim, matrix.astype(np.float32))
    if rule.fill and outside.any():
        y = call.emit("add", y, np.where(outside, np.float32(rule.fill), np.float32(0)))
    return y


def crop_places(size: int, out: int, start: float, end: float) -> np.ndarray:
    """Where the cells of a cropped region lie, of which start and end are fractions of the axis."""
    if out == 1:
        return np.array([0.5 * (start + end) * (size - 1)])
    return start * (size - 1) + np.arange(out) * (end - start) * (size - 1) / (out - 1)


def along(call: Call, x: Value, dim: int, matrix: np.ndarray) -> Value:
    """``x`` multiplied with ``matrix`` along one dimension."""
    last = x.ndim - 1
    dims = [*(d for d in range(x.ndim) if d != dim), dim]
    there = x if dim == last else call.emit("permute", x, dims=tuple(dims))
    y = call.emit("linear", there, matrix)
    return y if dim == last else call.emit("permute", y, dims=tuple(np.argsort(dims).tolist()))
