"""Arithmetic of two arrays: matrix products, and sum and product with broadcasting."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from numbers import Real

import numpy as np

from cyconv.functional.common import record
from cyconv.graph import traceable


def _with_numbers(function: Callable) -> Callable:
    """Let the two operands of ``function`` also be numbers, which become arrays without dimensions."""

    def operand(x):
        return np.asarray(x, np.float32) if isinstance(x, Real) and not isinstance(x, bool) else x

    @wraps(function)
    def call(input, other, **options):
        return function(operand(input), operand(other), **options)

    return call


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


@_with_numbers
@traceable("input", "other")
def add(input: np.ndarray | float, other: np.ndarray | float, *, alpha: float = 1) -> np.ndarray:
    """``input + alpha · other``, element by element, with NumPy's broadcasting.

    Parameters
    ----------
    input, other : ndarray, float32, or number
    alpha : number

    Returns
    -------
    ndarray, float32
        Of the shape that both broadcast to.

    Raises
    ------
    TypeError
        When an array is not a float32 NumPy array.
    ValueError
        When the shapes do not broadcast.
    """
    return record("add", [input, other if alpha == 1 else record("mul", [other, np.float32(alpha)])])


@_with_numbers
@traceable("input", "other")
def mul(input: np.ndarray | float, other: np.ndarray | float) -> np.ndarray:
    """``input · other``, element by element, with NumPy's broadcasting.

    Parameters
    ----------
    input, other : ndarray, float32, or number

    Returns
    -------
    ndarray, float32
        Of the shape that both broadcast to.

    Raises
    ------
    TypeError
        When an array is not a float32 NumPy array.
    ValueError
        When the shapes do not broadcast.
    """
    return record("mul", [input, other])
