"""Arithmetic of two arrays: linear (a matrix product) and the element-wise add, sub, mul, div, pow, minimum and maximum with broadcasting.

An op family: :mod:`cyconv.functional` records it; a pass fuses residual additions into the convolution before them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cyconv.ops.base import Op, Shape, register
from cyconv.ops.common import count, expect_inputs
from cyconv.ops.dtypes import NUMBERS_ALIKE, DtypeRule
from cyconv.shapes import check_shape


def infer_linear(shapes: list[Shape], attrs: dict) -> list[Shape]:
    """[..., M] of x[..., K], weight[M, K] and optional bias[M]."""
    expect_inputs("linear", shapes, 2, 3)
    x, weight = shapes[:2]
    if len(weight) != 2:
        raise ValueError(f"linear: expected 2D weight [M, K], but got weight of size: {list(weight)}")
    if not x or x[-1] != weight[1]:
        raise ValueError(
            f"linear: input and weight shapes cannot be multiplied: input of size {list(x)} needs {weight[1]} as its last dimension, "
            f"given weight of size {list(weight)}"
        )
    if len(shapes) == 3 and shapes[2] != weight[:1]:
        raise ValueError(
            f"linear: given weight of size {list(weight)}, expected bias to be 1-dimensional with {weight[0]} elements, "
            f"but got bias of size {list(shapes[2])} instead"
        )
    return [check_shape((*x[:-1], weight[0]), "linear: output")]


@np.errstate(all="ignore")
def linear(inputs: list[np.ndarray], attrs: dict) -> list[np.ndarray]:
    """y = x · weightᵀ + bias."""
    y = inputs[0] @ inputs[1].T
    return [y + inputs[2] if len(inputs) == 3 else y]


def macs_linear(inputs: list[Shape], outputs: list[Shape], attrs: dict) -> int:
    """Products: K for every output element; the bias is not counted."""
    return count(outputs[0]) * inputs[1][1]


def broadcast_shape(op: str, a: Shape, b: Shape) -> Shape:
    """The shape that ``a`` and ``b`` broadcast to, or ValueError in PyTorch's words."""
    ndim = max(len(a), len(b))
    long_a, long_b = ((1,) * (ndim - len(s)) + s for s in (a, b))
    for dim, (p, q) in enumerate(zip(long_a, long_b, strict=True)):
        if p != q and 1 not in (p, q):
            raise ValueError(
                f"{op}: The size of array a ({p}) must match the size of array b ({q}) at non-singleton dimension {dim}; "
                f"got shapes {list(a)} and {list(b)}"
            )
    return check_shape([q if p == 1 else p for p, q in zip(long_a, long_b, strict=True)], f"{op}: output")


def div(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a / b; of integers the part before the point, and 0 for a divisor of 0."""
    if a.dtype.kind == "f":
        return a / b
    quotient = np.floor_divide(a, b)
    return np.where(b == 0, 0, quotient + ((quotient * b != a) & ((a < 0) != (b < 0)))).astype(a.dtype)


def power(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a^b; of integers with a negative exponent what is left of the fraction: 1, -1 or 0."""
    if a.dtype.kind == "f":
        return np.power(a, b)
    whole = np.power(a, np.maximum(b, 0))
    return np.where(b >= 0, whole, np.where(a == 1, 1, np.where(a == -1, 1 - 2 * (b % 2), 0))).astype(a.dtype)


def register_broadcasting(name: str, function: Callable[[np.ndarray, np.ndarray], np.ndarray], dtypes: DtypeRule = NUMBERS_ALIKE) -> None:
    """Register ``y = function(a, b)`` with NumPy broadcasting."""

    def infer(shapes: list[Shape], attrs: dict) -> list[Shape]:
        expect_inputs(name, shapes, 2)
        return [broadcast_shape(name, *shapes)]

    @np.errstate(all="ignore")
    def reference(inputs: list[np.ndarray], attrs: dict) -> list[np.ndarray]:
        return [np.asarray(function(*inputs))]

    register(Op(name, infer, reference, dtypes=dtypes))


register(Op("linear", infer_linear, linear, macs_linear))
register_broadcasting("add", np.add)
register_broadcasting("sub", np.subtract)
register_broadcasting("mul", np.multiply)
register_broadcasting("div", div)
register_broadcasting("pow", power)
register_broadcasting("minimum", np.minimum)
register_broadcasting("maximum", np.maximum)
