"""Data movement without arithmetic: pad, flatten and cat. Bit-exact."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from cyconv.functional.common import record, reshape
from cyconv.graph import traceable
from cyconv.shapes import integer, normalise_dim

MODES = ("constant", "reflect", "replicate", "circular")


@traceable("input")
def pad(input: np.ndarray, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> np.ndarray:
    """A border around the last dimensions.

    Parameters
    ----------
    input : ndarray, float32, any shape
    pad : sequence of int
        ``(before, after)`` of the last dimension, then of the one before it, and so on. Negative numbers crop, in mode
        "constant" only.
    mode : "constant", "reflect", "replicate" or "circular"
        The last three pad one dimension of a 2-D or 3-D input, two of a 3-D or 4-D input, or three of a 4-D or 5-D input,
        as in PyTorch.
    value : float, optional
        What "constant" fills with; 0 when left out.

    Returns
    -------
    ndarray, float32
        Each dimension has grown by its two numbers.

    Raises
    ------
    TypeError
        When the input is not a float32 NumPy array or ``pad`` does not hold ints.
    ValueError
        When ``pad`` has an odd length or is too long, the mode is unknown, or the input is too small for the mode.
    """
    if not isinstance(pad, (list, tuple)):
        raise TypeError(f"pad must be a list or tuple of ints, got {pad!r} ({type(pad).__name__})")
    if mode not in MODES:
        raise ValueError(f"pad: mode must be one of {', '.join(MODES)}, got {mode!r}")
    if len(pad) % 2:
        raise ValueError(f"pad: Padding length must be divisible by 2, got {len(pad)} numbers")
    if len(pad) > 2 * input.ndim:
        raise ValueError(
            "pad: Padding length should be less than or equal to two times the input dimension "
            f"but got padding length {len(pad)} and input of dimension {input.ndim}"
        )
    if mode != "constant":
        _check_border_mode(mode, input.ndim, len(pad) // 2, value)
    numbers = [integer(p, "pad") for p in pad]
    pairs = list(zip(numbers[0::2], numbers[1::2], strict=True))[::-1]
    border = ((0, 0),) * (input.ndim - len(pairs)) + tuple(pairs)
    return record("pad", [input], pad=border, mode=mode, value=0.0 if value is None else value)


def _check_border_mode(mode: str, ndim: int, padded: int, value: float | None) -> None:
    """Raise ValueError where PyTorch refuses a mode other than "constant"."""
    if value is not None and value != 0:
        raise ValueError(f'pad: Padding mode "{mode}" doesn\'t take in value argument, got value {value!r}')
    if not (1 <= padded <= 3 and ndim - padded in (1, 2)):
        raise ValueError(
            f"pad: mode {mode!r} pads the last 1, 2 or 3 dimensions of an input with 1 or 2 more dimensions, "
            f"got {2 * padded} numbers for {ndim} dimensions"
        )


@traceable("input")
def flatten(input: np.ndarray, start_dim: int = 0, end_dim: int = -1) -> np.ndarray:
    """The dimensions from ``start_dim`` to ``end_dim`` (both included) as one, in row-major order.

    Parameters
    ----------
    input : ndarray, float32, any shape
    start_dim, end_dim : int
        Negative numbers count from the end.

    Returns
    -------
    ndarray, float32
        A new array; a scalar gives one of shape [1].

    Raises
    ------
    TypeError
        When the input is not a float32 NumPy array or a dimension not an int.
    ValueError
        When a dimension is out of range or ``start_dim`` comes after ``end_dim``.
    """
    start = normalise_dim(start_dim, input.ndim, "start_dim")
    end = normalise_dim(end_dim, input.ndim, "end_dim")
    if start > end:
        raise ValueError(f"flatten() has invalid args: start_dim cannot come after end_dim, got {start_dim} and {end_dim}")
    shape = input.shape
    return reshape(input, (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]))


@traceable("tensors")
def cat(tensors: Sequence[np.ndarray], dim: int = 0) -> np.ndarray:
    """The arrays one after the other along ``dim``.

    Parameters
    ----------
    tensors : sequence of ndarray, float32
        Of one shape except along ``dim``; arrays of shape [0] are passed over, as in PyTorch.
    dim : int
        Negative numbers count from the end.

    Returns
    -------
    ndarray, float32

    Raises
    ------
    TypeError
        When one is not a float32 NumPy array, or ``dim`` not an int.
    ValueError
        When there are none, ``dim`` is out of range, or the shapes do not fit each other.
    """
    if len(tensors) == 0:
        raise ValueError("cat: expected a non-empty list of arrays")
    parts = [t for t in tensors if t.shape != (0,)] or tensors[:1]
    if any(t.ndim == 0 for t in parts):
        raise ValueError("cat: zero-dimensional arrays cannot be concatenated")
    return record("cat", list(parts), dim=normalise_dim(dim, parts[0].ndim))
