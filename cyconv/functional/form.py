"""The same elements under another shape or in another order: reshape, flatten, permute, the shuffles. Bit-exact."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from cyconv.functional import common
from cyconv.functional.common import record
from cyconv.graph import traceable
from cyconv.shapes import integer, normalise_dim


@traceable("input")
def reshape(input: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """The elements in row-major order under another shape.

    Parameters
    ----------
    input : ndarray, float32, any shape
    shape : sequence of int
        One entry may be -1: it follows from the others.

    Returns
    -------
    ndarray, float32
        A new array.

    Raises
    ------
    TypeError
        When the input is not a float32 NumPy array or the shape not a sequence of ints.
    ValueError
        When the shape has another number of elements, or -1 is ambiguous.
    """
    if not isinstance(shape, (list, tuple)):
        raise TypeError(f"shape must be a list or tuple of ints, got {shape!r} ({type(shape).__name__})")
    sizes = [integer(size, "shape", -1) for size in shape]
    if sizes.count(-1) > 1:
        raise ValueError(f"only one dimension can be inferred, got shape {list(shape)}")
    if -1 in sizes:
        known = math.prod(size for size in sizes if size != -1)
        elements = math.prod(input.shape)
        if known == 0:
            raise ValueError(
                f"cannot reshape array of {elements} elements into shape {list(shape)} because the unspecified size -1 can be any"
            )
        if elements % known:
            raise ValueError(f"shape '{list(shape)}' is invalid for input of size {elements}")
        sizes[sizes.index(-1)] = elements // known
    return common.reshape(input, tuple(sizes))


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
    return common.reshape(input, (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]))


@traceable("input")
def squeeze(input: np.ndarray, dim: int | Sequence[int] | None = None) -> np.ndarray:
    """Without dimensions of size 1.

    Parameters
    ----------
    input : ndarray, float32, any shape
    dim : int or sequence of int, optional
        Those to drop, where their size is 1; all such dimensions when left out. Negative numbers count from the end.

    Returns
    -------
    ndarray, float32
        A new array.

    Raises
    ------
    TypeError
        When the input is not a float32 NumPy array or a dimension not an int.
    ValueError
        When a dimension is out of range or named twice.
    """
    if dim is None:
        dims = list(range(input.ndim))
    else:
        dims = [normalise_dim(d, input.ndim) for d in (dim if isinstance(dim, (list, tuple)) else [dim])]
    if len(set(dims)) != len(dims):
        raise ValueError(f"squeeze: a dimension appears multiple times in the list of dims, got {dim}")
    return common.reshape(input, tuple(size for d, size in enumerate(input.shape) if d not in dims or size != 1))


@traceable("input")
def unsqueeze(input: np.ndarray, dim: int) -> np.ndarray:
    """With a dimension of size 1 put in.

    Parameters
    ----------
    input : ndarray, float32, any shape
    dim : int
        Its place in the result; negative numbers count from the end of the result's dimensions.

    Returns
    -------
    ndarray, float32
        A new array.

    Raises
    ------
    TypeError
        When the input is not a float32 NumPy array or ``dim`` not an int.
    ValueError
        When ``dim`` is out of range.
    """
    dim = normalise_dim(dim, input.ndim + 1)
    return common.reshape(input, (*input.shape[:dim], 1, *input.shape[dim:]))


@traceable("input")
def permute(input: np.ndarray, dims: Sequence[int]) -> np.ndarray:
    """The dimensions in another order.

    Parameters
    ----------
    input : ndarray, float32, any shape
    dims : sequence of int
        Dimension i of the result is dimension ``dims[i]`` of the input; negative numbers count from the end.

    Returns
    -------
    ndarray, float32
        A new array in C order.

    Raises
    ------
    TypeError
        When the input is not a float32 NumPy array or ``dims`` not a sequence of ints.
    ValueError
        When ``dims`` does not name each dimension once.
    """
    if not isinstance(dims, (list, tuple)):
        raise TypeError(f"dims must be a list or tuple of ints, got {dims!r} ({type(dims).__name__})")
    if len(dims) != input.ndim:
        raise ValueError(f"permute: number of dimensions in the input ({input.ndim}) does not match the length of dims, got {list(dims)}")
    return record("permute", [input], dims=tuple(normalise_dim(d, input.ndim, "dims") for d in dims))


@traceable("input")
def transpose(input: np.ndarray, dim0: int, dim1: int) -> np.ndarray:
    """Two dimensions swapped.

    Parameters
    ----------
    input : ndarray, float32, any shape
    dim0, dim1 : int
        Negative numbers count from the end.

    Returns
    -------
    ndarray, float32
        A new array in C order.

    Raises
    ------
    TypeError
        When the input is not a float32 NumPy array or a dimension not an int.
    ValueError
        When a dimension is out of range.
    """
    a, b = normalise_dim(dim0, input.ndim, "dim0"), normalise_dim(dim1, input.ndim, "dim1")
    dims = list(range(input.ndim))
    if dims:
        dims[a], dims[b] = b, a
    return record("permute", [input], dims=tuple(dims))


@traceable("input")
def channel_shuffle(input: np.ndarray, groups: int) -> np.ndarray:
    """The channels of several groups dealt out like cards: channel j of group i goes to place j·groups + i.

    Source: Zhang et al., "ShuffleNet", 2017.

    Parameters
    ----------
    input : ndarray, float32, [N, C, ...] with at least 3 dimensions
    groups : int
        Divides C.

    Returns
    -------
    ndarray, float32, the shape of ``input``

    Raises
    ------
    TypeError
        When the input is not a float32 NumPy array or ``groups`` not an int.
    ValueError
        When ``groups`` does not divide C or there are fewer than 3 dimensions.
    """
    groups = integer(groups, "groups", 1)
    if input.ndim < 3:
        raise ValueError(f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(input.shape)}")
    n, c, *rest = input.shape
    if c % groups:
        raise ValueError(f"channel_shuffle: number of channels must be divisible by groups, got {c} channels and {groups} groups")
    dealt = transpose(common.reshape(input, (n, groups, c // groups, *rest)), 1, 2)
    return common.reshape(dealt, input.shape)


@traceable("input")
def pixel_shuffle(input: np.ndarray, upscale_factor: int) -> np.ndarray:
    """[..., C·r², H, W] → [..., C, H·r, W·r]: channel c·r² + i·r + j gives the pixels (y·r + i, x·r + j) of channel c.

    Source: Shi et al., "Real-time single image and video super-resolution using an efficient sub-pixel convolutional neural
    network", 2016.

    Parameters
    ----------
    input : ndarray, float32, [..., C·r², H, W]
    upscale_factor : int
        r

    Returns
    -------
    ndarray, float32, [..., C, H·r, W·r]

    Raises
    ------
    TypeError
        When the input is not a float32 NumPy array or the factor not an int.
    ValueError
        When r² does not divide the channels or there are fewer than 3 dimensions.
    """
    r = integer(upscale_factor, "upscale_factor", 1)
    if input.ndim < 3:
        raise ValueError(f"pixel_shuffle expects input to have at least 3 dimensions, but got input with {input.ndim} dimension(s)")
    *batch, c, h, w = input.shape
    if c % (r * r):
        raise ValueError(
            f"pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, "
            f"but input.size(-3)={c} is not divisible by {r * r}"
        )
    n = math.prod(batch)
    split = common.reshape(input, (n, c // (r * r), r, r, h, w))
    return common.reshape(permute(split, (0, 1, 4, 2, 5, 3)), (*batch, c // (r * r), h * r, w * r))


@traceable("input")
def pixel_unshuffle(input: np.ndarray, downscale_factor: int) -> np.ndarray:
    """[..., C, H·r, W·r] → [..., C·r², H, W], the inverse of :func:`pixel_shuffle`.

    Parameters
    ----------
    input : ndarray, float32, [..., C, H·r, W·r]
    downscale_factor : int
        r

    Returns
    -------
    ndarray, float32, [..., C·r², H, W]

    Raises
    ------
    TypeError
        When the input is not a float32 NumPy array or the factor not an int.
    ValueError
        When r does not divide height and width or there are fewer than 3 dimensions.
    """
    r = integer(downscale_factor, "downscale_factor", 1)
    if input.ndim < 3:
        raise ValueError(f"pixel_unshuffle expects input to have at least 3 dimensions, but got input with {input.ndim} dimension(s)")
    *batch, c, h, w = input.shape
    if h % r or w % r:
        raise ValueError(
            f"pixel_unshuffle expects height and width to be divisible by downscale_factor, but {h} x {w} is not divisible by {r}"
        )
    n = math.prod(batch)
    split = common.reshape(input, (n, c, h // r, r, w // r, r))
    return common.reshape(permute(split, (0, 1, 3, 5, 2, 4)), (*batch, c * r * r, h // r, w // r))
