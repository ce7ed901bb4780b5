"""What the function families share: recording one op, reshaping, and the batch axis that unbatched input lacks."""

from __future__ import annotations

from typing import Any

import numpy as np

from cyconv.graph import apply


def record(op: str, inputs: list, **attrs) -> Any:
    """The only output of ``op``; inputs that are None are left out."""
    return apply(op, [x for x in inputs if x is not None], attrs)[0]


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
