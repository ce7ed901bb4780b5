"""Arrays cut, joined and bordered: pad, cat, stack, split and chunk. Bit-exact."""

from __future__ import annotations

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


@traceable("tensors")
def stack(tensors: Sequence[np.ndarray], dim: int = 0) -> np.ndarray:
    """The arrays one after the other along a new dimension ``dim``.

    Parameters
    ----------
    tensors : sequence of ndarray, float32
        Of one shape.
    dim : int
        Place of the new dimension; negative numbers count from the end of the result's.

    Returns
    -------
    ndarray, float32

    Raises
    ------
    TypeError
        When one is not a float32 NumPy array, or ``dim`` not an int.
    ValueError
        When there are none, ``dim`` is out of range, or the shapes differ.
    """
    if len(tensors) == 0:
        raise ValueError("stack expects a non-empty sequence of arrays")
    first = tensors[0].shape
    for i, t in enumerate(tensors):
        if t.shape != first:
            raise ValueError(
                f"stack expects each array to be equal size, but got {list(first)} at entry 0 and {list(t.shape)} at entry {i}"
            )
    dim = normalise_dim(dim, len(first) + 1)
    shape = (*first[:dim], 1, *first[dim:])
    return record("cat", [reshape(t, shape) for t in tensors], dim=dim)


@traceable("tensor")
def split(tensor: np.ndarray, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[np.ndarray, ...]:
    """The array in pieces along ``dim``.

    Parameters
    ----------
    tensor : ndarray, float32, any shape but []
    split_size_or_sections : int or sequence of int
        The size of each piece (the last may be smaller), or the size of each.
    dim : int
        Negative numbers count from the end.

    Returns
    -------
    tuple of ndarray, float32

    Raises
    ------
    TypeError
        When the array is not a float32 NumPy array, or a size or ``dim`` not an int.
    ValueError
        When ``dim`` is out of range, a size negative, or the sizes do not add up to the dimension.
    """
    if tensor.ndim == 0:
        raise ValueError("split expects at least a 1-dimensional array")
    dim = normalise_dim(dim, tensor.ndim)
    size = tensor.shape[dim]
    if isinstance(split_size_or_sections, (list, tuple)):
        sections = [integer(n, "split_size_or_sections", 0) for n in split_size_or_sections]
        if sum(sections) != size:
            raise ValueError(
                f"split_with_sizes expects split_sizes to sum exactly to {size} (input array's size at dimension {dim}), but got {sections}"
            )
    else:
        piece = integer(split_size_or_sections, "split_size_or_sections", 0)
        if piece == 0 and size != 0:
            raise ValueError(f"split expects split_size to be positive when the dimension has a size, got 0 for {size}")
        sections = [min(piece, size - first) for first in range(0, size, piece or 1)] or [0]
    return _pieces(tensor, sections, dim)


@traceable("input")
def chunk(input: np.ndarray, chunks: int, dim: int = 0) -> tuple[np.ndarray, ...]:
    """The array in at most ``chunks`` pieces of one size along ``dim``; the last may be smaller, and there may be fewer.

    Parameters
    ----------
    input : ndarray, float32, any shape but []
    chunks : int
    dim : int
        Negative numbers count from the end.

    Returns
    -------
    tuple of ndarray, float32

    Raises
    ------
    TypeError
        When the input is not a float32 NumPy array, or a number not an int.
    ValueError
        When ``dim`` is out of range or ``chunks`` below 1.
    """
    if input.ndim == 0:
        raise ValueError("chunk expects at least a 1-dimensional array")
    chunks = integer(chunks, "chunks", 1)
    dim = normalise_dim(dim, input.ndim)
    size = input.shape[dim]
    piece = -(-size // chunks)
    sections = [min(piece, size - first) for first in range(0, size, piece)] if piece else [0] * chunks
    return _pieces(input, sections, dim)


def _pieces(x, sections: Sequence[int], dim: int) -> tuple:
    """Slices of these sizes along ``dim``, one after the other."""
    pieces, first = [], 0
    for size in sections:
        starts, stops = [0] * x.ndim, list(x.shape)
        starts[dim], stops[dim] = first, first + size
        pieces.append(record("slice", [x], starts=tuple(starts), stops=tuple(stops), steps=(1,) * x.ndim))
        first += size
    return tuple(pieces)
