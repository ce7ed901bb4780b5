"""Arithmetic of two arrays: matrix products, and element by element with NumPy's broadcasting.

Element by element both operands have one dtype, float32, int32 or int64; one of them may be a number. Integers wrap around.
"""

from __future__ import annotations

import numpy as np

from cyconv.functional.common import record, with_numbers
from cyconv.graph import traceable
from cyconv.ops.dtypes import FLOAT32, NUMBERS


@traceable("input", "weight", "bias")
def linear(input: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
    """``y = x · weightᵀ + bias`` along the last axis.

    Parameters
    ----------
    input : ndarray, float32, [..., K]
    weight : ndarray, float32, [M, K]
    bias : ndarray, float32, [M], optional

    Returns
    -------
    ndarray, float32, [..., M]

    Raises
    ------
    TypeError
        When an array is not a float32 NumPy array.
    ValueError
        When the shapes do not fit each other.
    """
    return record("linear", [input, weight, bias])


@traceable("input", "other")
def matmul(input: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The matrix product, ``y[..., i, j] = Σ input[..., i, k] · other[..., k, j]``; inside a network also ``input @ other``.

    Parameters
    ----------
    input, other : ndarray, float32
        Matrices [M, K] and [K, N], or batches of them, whose other dimensions broadcast. A vector on the left counts as a row, on the right
        as a column.

    Returns
    -------
    ndarray, float32, [..., M, N]
        Without the dimension of a vector; of two vectors a number.

    Raises
    ------
    TypeError
        When an array is not a float32 NumPy array.
    ValueError
        When an array has no dimension, or the shapes do not fit each other.
    """
    return record("matmul", [input, other])


def _scaled(other, alpha):
    """``alpha · other`` in the dtype of ``other``."""
    return record("mul", [other, np.asarray(alpha, other.dtype)])


def _divided(a, b, rounding_mode: str | None):
    """The quotient, of integers as :func:`div` says."""
    if rounding_mode not in (None, "trunc") or (rounding_mode == "trunc" and a.dtype == np.float32):
        raise ValueError(f"div: rounding_mode must be None, or 'trunc' for integers, got {rounding_mode!r} for {a.dtype}")
    if rounding_mode is None and a.dtype == b.dtype != np.float32:
        a, b = (record("cast", [x], dtype=FLOAT32) for x in (a, b))
    return record("div", [a, b])


@with_numbers
@traceable("input", "other", dtypes=NUMBERS)
def add(input: np.ndarray | float, other: np.ndarray | float, *, alpha: float = 1) -> np.ndarray:
    """``input + alpha · other``.

    Parameters
    ----------
    input, other : ndarray, float32, int32 or int64, or number
    alpha : number

    Returns
    -------
    ndarray
        Of the shape that both broadcast to.

    Raises
    ------
    TypeError
        When the dtypes are others or differ.
    ValueError
        When the shapes do not broadcast.
    """
    if alpha == 1:
        return record("add", [input, other])
    return record("add", [input, _scaled(other, alpha)])


@with_numbers
@traceable("input", "other", dtypes=NUMBERS)
def sub(input: np.ndarray | float, other: np.ndarray | float, *, alpha: float = 1) -> np.ndarray:
    """``input - alpha · other``.

    Parameters
    ----------
    input, other : ndarray, float32, int32 or int64, or number
    alpha : number

    Returns
    -------
    ndarray
        Of the shape that both broadcast to.

    Raises
    ------
    TypeError
        When the dtypes are others or differ.
    ValueError
        When the shapes do not broadcast.
    """
    if alpha == 1:
        return record("sub", [input, other])
    return record("sub", [input, _scaled(other, alpha)])


@with_numbers
@traceable("input", "other", dtypes=NUMBERS)
def mul(input: np.ndarray | float, other: np.ndarray | float) -> np.ndarray:
    """``input · other``.

    Parameters
    ----------
    input, other : ndarray, float32, int32 or int64, or number

    Returns
    -------
    ndarray
        Of the shape that both broadcast to.

    Raises
    ------
    TypeError
        When the dtypes are others or differ.
    ValueError
        When the shapes do not broadcast.
    """
    return record("mul", [input, other])


@with_numbers
@traceable("input", "other", dtypes=NUMBERS)
def div(input: np.ndarray | float, other: np.ndarray | float, *, rounding_mode: str | None = None) -> np.ndarray:
    """``input / other``.

    Parameters
    ----------
    input, other : ndarray, float32, int32 or int64, or number
    rounding_mode : None or "trunc"
        None gives float32, also of integers. "trunc" keeps the part before the point of a quotient of integers; a quotient by 0 is 0
        then, where PyTorch raises an error.

    Returns
    -------
    ndarray
        Of the shape that both broadcast to.

    Raises
    ------
    TypeError
        When the dtypes are others or differ.
    ValueError
        When the shapes do not broadcast, or ``rounding_mode`` is another.
    """
    return _divided(input, other, rounding_mode)


@with_numbers
@traceable("input", "exponent", dtypes=NUMBERS)
def pow(input: np.ndarray | float, exponent: np.ndarray | float) -> np.ndarray:
    """``input`` to the power of ``exponent``, within 0.501 units in the last place.

    Parameters
    ----------
    input, exponent : ndarray, float32, int32 or int64, or number
        A negative exponent of integers gives 1, -1 or 0.

    Returns
    -------
    ndarray
        Of the shape that both broadcast to.

    Raises
    ------
    TypeError
        When the dtypes are others or differ.
    ValueError
        When the shapes do not broadcast.
    """
    return record("pow", [input, exponent])


@with_numbers
@traceable("input", "other", dtypes=NUMBERS)
def minimum(input: np.ndarray | float, other: np.ndarray | float) -> np.ndarray:
    """The smaller of both; NaN where one of them is NaN.

    Parameters
    ----------
    input, other : ndarray, float32, int32 or int64, or number

    Returns
    -------
    ndarray
        Of the shape that both broadcast to.

    Raises
    ------
    TypeError
        When the dtypes are others or differ.
    ValueError
        When the shapes do not broadcast.
    """
    return record("minimum", [input, other])


@with_numbers
@traceable("input", "other", dtypes=NUMBERS)
def maximum(input: np.ndarray | float, other: np.ndarray | float) -> np.ndarray:
    """The larger of both; NaN where one of them is NaN.

    Parameters
    ----------
    input, other : ndarray, float32, int32 or int64, or number

    Returns
    -------
    ndarray
        Of the shape that both broadcast to.

    Raises
    ------
    TypeError
        When the dtypes are others or differ.
    ValueError
        When the shapes do not broadcast.
    """
    return record("maximum", [input, other])
