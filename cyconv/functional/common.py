"""What the function families share: recording one op, reshaping, and the batch axis that unbatched input lacks."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from numbers import Real
from typing import Any

import numpy as np

from cyconv.graph import apply


def record(op: str, inputs: list, **attrs) -> Any:
    """The only output of ``op``; inputs that are None are left out."""
    return apply(op, [x for x in inputs if x is not None], attrs)[0]


def with_numbers(function: Callable) -> Callable:
    """Let the first two arguments of ``function`` also be numbers, which become arrays of the other's dtype without dimensions."""

    def is_number(x) -> bool:
        return isinstance(x, Real) and (not isinstance(x, bool)) and not isinstance(x, np.ndarray)

    def operand(x, other):
        if not is_number(x):
            return x
        dtype = getattr(other, "dtype", np.dtype(np.float32)) if not is_number(other) else np.dtype(np.float32)
        if dtype.kind in "iu" and not float(x).is_integer():
            raise TypeError(f"{function.__name__}: {x!r} is no integer, but stands beside an array of {dtype}; convert that to float32")
        return np.asarray(x, dtype)

    @wraps(function)
    def call(input, other, *args, **options):
        return function(operand(input, other), operand(other, input), *args, **options)

    return call


def reshape(x, shape: tuple[int, ...]) -> Any:
    """``x`` under another shape: recorded for a traced value, a view of an array that becomes a constant."""
    if x.shape == shape:
        return x
    return x.reshape(shape) if isinstance(x, np.ndarray) else record("reshape", [x], shape=shape)


def add_batch_axis(function: str, x, ndim: int) -> tuple[Any, bool]:
    """``x`` with ``ndim`` dimensions, and whether it came without its batch axis.

    Raises
    ------
    ValueError
        When ``x`` has neither ``ndim`` nor ``ndim - 1`` dimensions.
    """
    if x.ndim == ndim:
        return x, False
    if x.ndim != ndim - 1:
        raise ValueError(
            f"Expected {ndim - 1}D (unbatched) or {ndim}D (batched) input to {function}, but got input of size: {list(x.shape)}"
        )
    return reshape(x, (1, *x.shape)), True


def drop_batch_axis(y, unbatched: bool) -> Any:
    """``y`` without the batch axis that :func:`add_batch_axis` added."""
    return reshape(y, y.shape[1:]) if unbatched else y
