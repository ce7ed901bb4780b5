"""Checks that several op families share, and the walk over a kernel's cells that their references share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from numbers import Real

import numpy as np

from cyconv.ops.base import Shape
from cyconv.shapes import Padding, check_shape, integer

Plane = tuple[int, int]


def expect_inputs(op: str, shapes: list[Shape], *counts: int) -> None:
    """Raise ValueError unless the number of inputs is one of ``counts``."""
    if len(shapes) not in counts:
        raise ValueError(f"{op} expects {' or '.join(map(str, counts))} inputs, got {len(shapes)}")


def expect_images(op: str, shape: Shape) -> None:
    """Raise ValueError unless ``shape`` is [N, C, H, W] with only N possibly 0."""
    if len(shape) != 4 or 0 in shape[1:]:
        raise ValueError(f"{op}: expected 4D input [N, C, H, W] with optional 0 dim batch size, but got input of size: {list(shape)}")


def real(value, name: str) -> float:
    """``value`` as float; TypeError when it is not a real number."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r} ({type(value).__name__})")
    return float(value)


def four_sides(value, name: str) -> Padding:
    """``(top, bottom, left, right)``, each at least 0."""
    if len(value) != 4:
        raise ValueError(f"{name} must be (top, bottom, left, right), got {value!r}")
    top, bottom, left, right = (integer(v, name, 0) for v in value)
    return top, bottom, left, right


def infer_same(op: str, check: Callable[[dict], object] | None = None) -> Callable[[list[Shape], dict], list[Shape]]:
    """Shape inference of an op with one input of any shape and an output of the same; ``check`` looks at the attributes."""

    def infer(shapes: list[Shape], attrs: dict) -> list[Shape]:
        expect_inputs(op, shapes, 1)
        if check is not None:
            check(attrs)
        return [check_shape(shapes[0], f"{op}: input")]

    return infer


def over_channels(vector: np.ndarray, ndim: int) -> np.ndarray:
    """``vector[C]`` as a view that broadcasts along dimension 1 of an array with ``ndim`` dimensions."""
    return vector.reshape((-1,) + (1,) * (ndim - 2))


def taps(x: np.ndarray, kernel: Plane, stride: Plane, dilation: Plane, out: Plane) -> Iterator[tuple[int, int, np.ndarray]]:
    """For each kernel cell (i, j), in scan order, what it meets: a view [N, C, OH, OW] of the padded ``x[N, C, H, W]``."""
    for i in range(kernel[0]):
        top = i * dilation[0]
        rows = x[:, :, top : top + (out[0] - 1) * stride[0] + 1 : stride[0]]
        for j in range(kernel[1]):
            left = j * dilation[1]
            yield i, j, rows[:, :, :, left : left + (out[1] - 1) * stride[1] + 1 : stride[1]]


def pad_for_taps(x: np.ndarray, padding: Padding, value: float, need: Plane) -> np.ndarray:
    """Surround the planes with ``value``; where windows hang over the end (ceil mode), as far as ``need`` (rows, columns)."""
    top, bottom, left, right = padding
    bottom = max(bottom, need[0] - x.shape[2] - top)
    right = max(right, need[1] - x.shape[3] - left)
    return np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=value)


def count(shape: Shape) -> int:
    """Number of elements."""
    return math.prod(shape)
