"""Checks that several op families share, and the walk over a kernel's cells that their references share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from numbers import Real
from typing import Any

import numpy as np

from cyconv.ops.base import Shape
from cyconv.shapes import Padding, check_shape, integer

AXES = {2: "H, W", 3: "D, H, W"}  # of an image and of a volume
SIDES = {2: "top, bottom, left, right", 3: "front, back, top, bottom, left, right"}


def expect_inputs(op: str, shapes: list[Shape], *counts: int) -> None:
    """Raise ValueError unless the number of inputs is one of ``counts``."""
    if len(shapes) not in counts:
        raise ValueError(f"{op} expects {' or '.join(map(str, counts))} inputs, got {len(shapes)}")


def expect_images(op: str, shape: Shape, rank: int = 2) -> None:
    """Raise ValueError unless ``shape`` is [N, C, H, W] (or [N, C, D, H, W] for rank 3) with only N possibly 0."""
    if len(shape) != rank + 2 or 0 in shape[1:]:
        raise ValueError(
            f"{op}: expected {rank + 2}D input [N, C, {AXES[rank]}] with optional 0 dim batch size, but got input of size: {list(shape)}"
        )


def real(value, name: str) -> float:
    """``value`` as float; TypeError when it is not a real number."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r} ({type(value).__name__})")
    return float(value)


def all_sides(value, name: str, rank: int = 2) -> Padding:
    """(before, after) of each axis in turn, each at least 0."""
    if len(value) != 2 * rank:
        raise ValueError(f"{name} must be ({SIDES[rank]}), got {value!r}")
    return tuple(integer(v, name, 0) for v in value)


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


def inner(index: Iterable[int | slice]) -> Any:
    """An index of the last axes of an array."""
    return (..., *index)


def taps(
    x: np.ndarray, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int], out: Sequence[int]
) -> Iterator[tuple[tuple[int, ...], np.ndarray]]:
    """For each kernel cell, in scan order, what it meets: a view [N, C, *out] of the padded ``x[N, C, ...]``."""
    for cell in np.ndindex(*kernel):
        walk = zip(cell, stride, dilation, out, strict=True)
        yield cell, x[inner(slice(i * d, i * d + (o - 1) * s + 1, s) for i, s, d, o in walk)]


def pad_for_taps(x: np.ndarray, padding: Padding, value: float, need: Sequence[int]) -> np.ndarray:
    """Surround x[N, C, ...] with ``value``; where windows hang over the end (ceil mode), as far as ``need`` cells of each axis."""
    widths = [(0, 0), (0, 0)]
    for axis, cells in enumerate(need):
        before, after = padding[2 * axis : 2 * axis + 2]
        widths.append((before, max(after, cells - x.shape[2 + axis] - before)))
    return np.pad(x, widths, constant_values=value)


def count(shape: Shape) -> int:
    """Number of elements."""
    return math.prod(shape)
