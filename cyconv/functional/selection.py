"""Selection by indices, and repetition: index_select, embedding, expand and tile. Bit-exact, for every dtype."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cyconv.functional.common import record, reshape
from cyconv.graph import traceable
from cyconv.ops.dtypes import ANY
from cyconv.shapes import integer, normalise_dim


@traceable("input", "index", dtypes=ANY)
def index_select(input: np.ndarray, dim: int, index: np.ndarray) -> np.ndarray:
    """The slices of ``input`` along ``dim`` that ``index`` names.

    Parameters
    ----------
    input : ndarray, float32, int32, int64 or bool, any shape
    dim : int
    index : ndarray, int32 or int64, [K] or a scalar
        Beyond PyTorch, negative indices count from the end.

    Returns
    -------
    ndarray
        As ``input``, with K along ``dim``.

    Raises
    ------
    ValueError
        When ``dim`` is out of range or ``index`` has more than one dimension.
    IndexError
        When an index is out of range.
    """
    if index.ndim > 1:
        raise ValueError(f"index_select(): Index is supposed to be a vector, got an array of size {list(index.shape)}")
    axis = normalise_dim(dim, input.ndim)
    x = reshape(input, (1,)) if input.ndim == 0 else input
    y = record("gather", [x, reshape(index, (1,)) if index.ndim == 0 else index], dim=axis)
    return reshape(y, ()) if input.ndim == 0 and y.shape == (1,) else y


@traceable("input", "weight", dtypes=ANY)
def embedding(input: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The rows of ``weight`` that ``input`` names.

    Parameters
    ----------
    input : ndarray, int32 or int64, any shape
        Beyond PyTorch, negative indices count from the end.
    weight : ndarray, float32, [V, D]

    Returns
    -------
    ndarray, float32, [..., D]

    Raises
    ------
    ValueError
        When ``weight`` has not two dimensions.
    IndexError
        When an index is out of range.
    """
    if weight.ndim != 2:
        raise ValueError(f"embedding: 'weight' must be 2-D, got an array of size {list(weight.shape)}")
    return record("gather", [weight, input], dim=0)


@traceable("input", dtypes=ANY)
def expand(input: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """``input`` repeated along new leading dimensions and those of size 1; what ``torch.Tensor.expand`` does, as a new array.

    Parameters
    ----------
    input : ndarray, float32, int32, int64 or bool, any shape
    size : sequence of int
        The shape; -1 keeps a dimension's size.

    Returns
    -------
    ndarray

    Raises
    ------
    ValueError
        When ``input`` does not broadcast to ``size``.
    """
    sizes = [integer(s, "expand: size", -1) for s in size]
    new = len(sizes) - input.ndim
    if any(s == -1 for s in sizes[: max(new, 0)]):
        raise ValueError(f"expand: the expanded size (-1) isn't allowed in a leading, non-existing dimension, got {tuple(size)}")
    return record("expand", [input], shape=tuple(input.shape[i - new] if s == -1 else s for i, s in enumerate(sizes)))


@traceable("input", dtypes=ANY)
def tile(input: np.ndarray, dims: Sequence[int]) -> np.ndarray:
    """The whole ``input`` again and again.

    Parameters
    ----------
    input : ndarray, float32, int32, int64 or bool, any shape
    dims : sequence of int
        How often along each dimension. When there are fewer than dimensions, ones are put before them; when there are more, the input
        gets leading dimensions of size 1.

    Returns
    -------
    ndarray

    Raises
    ------
    ValueError
        When an entry is negative.
    """
    repeats = (1,) * (input.ndim - len(dims)) + tuple(integer(d, "tile: dims", 0) for d in dims)
    x = reshape(input, (1,) * (len(repeats) - input.ndim) + input.shape)
    return record("tile", [x], repeats=repeats)
