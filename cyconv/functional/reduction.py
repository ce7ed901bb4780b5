"""Reductions: sum, mean, maximum and minimum over dimensions, the place of the maximum, and the k largest.

Names, arguments and results are those of ``torch``. NaN counts as larger than all numbers; of equal elements the first comes first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cyconv.functional.common import record, reshape
from cyconv.graph import apply, traceable
from cyconv.ops.dtypes import ANY, BOOL, INT32, INT64, NUMBERS
from cyconv.shapes import normalise_dim


def _dims(function: str, dim, ndim: int) -> tuple[int, ...]:
    """The dimensions that ``dim`` names: all of them for None and for an empty sequence."""
    named = tuple(dim) if isinstance(dim, (list, tuple)) else () if dim is None else (dim,)
    dims = tuple(normalise_dim(d, ndim) for d in named)
    if len(set(dims)) < len(dims):
        raise ValueError(f"{function}: a dimension appears multiple times in the list of dims {named}")
    return () if ndim == 0 else dims or tuple(range(ndim))


@traceable("input", dtypes=ANY)
def sum(input: np.ndarray, dim: int | Sequence[int] | None = None, keepdim: bool = False) -> np.ndarray:
    """Sum over dimensions, compensated: its error does not grow with the number of elements.

    Parameters
    ----------
    input : ndarray, float32, int32, int64 or bool, any shape
    dim : int or sequence of int, optional
        All dimensions when left out or empty.
    keepdim : bool
        Keep them with size 1.

    Returns
    -------
    ndarray, float32, or int64 of integers and bools

    Raises
    ------
    ValueError
        When a dimension is out of range or named twice.
    """
    x = record("cast", [input], dtype=INT64) if input.dtype in (INT32, BOOL) else input
    return record("reduce_sum", [x], dims=_dims("sum", dim, x.ndim), keepdim=bool(keepdim))


@traceable("input")
def mean(input: np.ndarray, dim: int | Sequence[int] | None = None, keepdim: bool = False) -> np.ndarray:
    """Mean over dimensions; of no elements NaN.

    Parameters
    ----------
    input : ndarray, float32, any shape
    dim : int or sequence of int, optional
        All dimensions when left out or empty.
    keepdim : bool
        Keep them with size 1.

    Returns
    -------
    ndarray, float32

    Raises
    ------
    ValueError
        When a dimension is out of range or named twice.
    """
    return record("reduce_mean", [input], dims=_dims("mean", dim, input.ndim), keepdim=bool(keepdim))


def _extreme(function: str, op: str, x, dim, keepdim: bool):
    dims = _dims(function, dim, x.ndim)
    if any(x.shape[d] == 0 for d in dims):
        raise ValueError(f"{function}: expected reduction dims {dims} to have non-zero size, got an array of size {list(x.shape)}")
    return record(op, [x], dims=dims, keepdim=bool(keepdim))


@traceable("input", dtypes=ANY)
def amax(input: np.ndarray, dim: int | Sequence[int] = (), keepdim: bool = False) -> np.ndarray:
    """Maximum over dimensions.

    Parameters
    ----------
    input : ndarray, float32, int32, int64 or bool, any shape
    dim : int or sequence of int
        All dimensions when empty.
    keepdim : bool
        Keep them with size 1.

    Returns
    -------
    ndarray of the dtype of ``input``

    Raises
    ------
    ValueError
        When a dimension is out of range, named twice, or of size 0.
    """
    return _extreme("amax", "reduce_max", input, dim, keepdim)


@traceable("input", dtypes=ANY)
def amin(input: np.ndarray, dim: int | Sequence[int] = (), keepdim: bool = False) -> np.ndarray:
    """Minimum over dimensions.

    Parameters
    ----------
    input : ndarray, float32, int32, int64 or bool, any shape
    dim : int or sequence of int
        All dimensions when empty.
    keepdim : bool
        Keep them with size 1.

    Returns
    -------
    ndarray of the dtype of ``input``

    Raises
    ------
    ValueError
        When a dimension is out of range, named twice, or of size 0.
    """
    return _extreme("amin", "reduce_min", input, dim, keepdim)


@traceable("input", dtypes=NUMBERS)
def argmax(input: np.ndarray, dim: int | None = None, keepdim: bool = False) -> np.ndarray:
    """The place of the maximum, the first of several.

    Parameters
    ----------
    input : ndarray, float32, int32 or int64, any shape
    dim : int, optional
        Left out, the place counts in the flattened array.
    keepdim : bool
        Keep the dimension (all, when ``dim`` is left out) with size 1.

    Returns
    -------
    ndarray, int64

    Raises
    ------
    ValueError
        When the dimension is out of range or has size 0.
    """
    if dim is None or input.ndim == 0:
        axis = 0 if dim is None else normalise_dim(dim, input.ndim)
        found = record("argmax", [reshape(input, (math.prod(input.shape),))], dim=axis, keepdim=False)
        return reshape(found, (1,) * input.ndim) if keepdim else found
    return record("argmax", [input], dim=normalise_dim(dim, input.ndim), keepdim=bool(keepdim))


@traceable("input", dtypes=NUMBERS)
def topk(input: np.ndarray, k: int, dim: int | None = None, largest: bool = True, sorted: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """The ``k`` largest, or smallest, elements along a dimension, and their places.

    Parameters
    ----------
    input : ndarray, float32, int32 or int64, any shape
    k : int
    dim : int, optional
        The last when left out.
    largest : bool
        False asks for the smallest.
    sorted : bool
        Has no effect: the results are always in order, and equal elements in the order of their places.

    Returns
    -------
    values : ndarray of the dtype of ``input``
    indices : ndarray, int64

    Raises
    ------
    ValueError
        When the dimension is out of range or has fewer than ``k`` elements.
    """
    return _top(input, k, normalise_dim(-1 if dim is None else dim, input.ndim), bool(largest), bool(sorted))


def _top(x, k: int, dim: int, largest: bool, sorted: bool) -> Any:
    """Values and places; a scalar counts as one dimension."""
    rows = reshape(x, (1,)) if x.ndim == 0 else x
    values, places = apply("topk", [rows], {"k": k, "dim": dim, "largest": largest, "sorted": sorted})
    return (values, places) if x.ndim else (reshape(values, ()), reshape(places, ()))
