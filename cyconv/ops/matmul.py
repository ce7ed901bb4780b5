"""matmul: the matrix product of two arrays, batched with broadcasting, as NumPy and PyTorch define it.

An op family: :mod:`cyconv.functional` and the ONNX importer record it; with a constant matrix on the right it becomes ``linear``.
"""

from __future__ import annotations

import numpy as np

from cyconv.ops.arithmetic import broadcast_shape
from cyconv.ops.base import Op, Shape, register
from cyconv.ops.common import count, expect_inputs
from cyconv.shapes import check_shape


def as_matrices(a: Shape, b: Shape) -> tuple[Shape, Shape]:
    """The shapes with vectors as matrices: a row on the left, a column on the right."""
    return (1, *a) if len(a) == 1 else a, (*b, 1) if len(b) == 1 else b


def infer_matmul(shapes: list[Shape], attrs: dict) -> list[Shape]:
    """[..., M, N] of a[..., M, K] and b[..., K, N]; a vector on either side loses its dimension."""
    expect_inputs("matmul", shapes, 2)
    a, b = shapes
    if not a or not b:
        raise ValueError(f"matmul: both arguments to matmul need to be at least 1D, but they are {len(a)}D and {len(b)}D")
    left, right = as_matrices(a, b)
    if left[-1] != right[-2]:
        raise ValueError(f"matmul: shapes cannot be multiplied: {list(a)} has {left[-1]} columns, {list(b)} has {right[-2]} rows")
    batch = broadcast_shape("matmul", left[:-2], right[:-2])
    return [check_shape((*batch, *left[-2:-1][: len(a) - 1], *right[-1:][: len(b) - 1]), "matmul: output")]


@np.errstate(all="ignore")
def matmul(inputs: list[np.ndarray], attrs: dict) -> list[np.ndarray]:
    """y[..., i, j] = Σ over k of a[..., i, k] · b[..., k, j]."""
    return [np.asarray(np.matmul(*inputs))]


def macs_matmul(inputs: list[Shape], outputs: list[Shape], attrs: dict) -> int:
    """Products: K for every output element."""
    return count(outputs[0]) * inputs[0][-1]


register(Op("matmul", infer_matmul, matmul, macs_matmul))
