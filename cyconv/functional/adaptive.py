"""Pooling over windows that cut a signal, an image or a volume into a given number of parts: average and maximum."""

from __future__ import annotations

import numpy as np

from cyconv.functional.common import add_batch_axis, record
from cyconv.functional.pool import as_image, results
from cyconv.graph import apply, traceable
from cyconv.shapes import sizes


@traceable("input")
def adaptive_avg_pool2d(input: np.ndarray, output_size) -> np.ndarray:
    """Average over windows that cut the image into ``output_size`` parts; they overlap where sizes do not divide.

    Parameters
    ----------
    input : ndarray, float32, [N, C, H, W] or [C, H, W]
    output_size : int or (int or None, int or None)
        Output height and width; None keeps the input's.

    Returns
    -------
    ndarray, float32, [N, C, oh, ow] or [C, oh, ow]
        Window p covers the rows from ``floor(p·H/oh)`` to below ``ceil((p+1)·H/oh)``, columns likewise.

    Raises
    ------
    TypeError
        When the input is not a float32 NumPy array, or ``output_size`` is not of the listed types.
    ValueError
        When ``output_size`` is negative or a size of the input other than N is 0.
    """
    return _adaptive_avg_pool(input, 2, output_size)


@traceable("input")
def adaptive_avg_pool1d(input: np.ndarray, output_size) -> np.ndarray:
    """Average over windows of a signal, ``input`` [N, C, L] or [C, L]: :func:`adaptive_avg_pool2d` along one axis."""
    return _adaptive_avg_pool(input, 1, output_size)


@traceable("input")
def adaptive_avg_pool3d(input: np.ndarray, output_size) -> np.ndarray:
    """Average over windows of a volume, ``input`` [N, C, D, H, W] or [C, D, H, W]: :func:`adaptive_avg_pool2d` along three axes."""
    return _adaptive_avg_pool(input, 3, output_size)


@traceable("input")
def adaptive_max_pool2d(input: np.ndarray, output_size, return_indices: bool = False) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    """Maximum over the windows of :func:`adaptive_avg_pool2d`.

    Parameters
    ----------
    input : ndarray, float32, [N, C, H, W] or [C, H, W]
    output_size : int or (int or None, int or None)
        Output height and width; None keeps the input's.
    return_indices : bool
        Give also where each maximum stands, as :func:`max_pool2d` does.

    Returns
    -------
    ndarray, float32, [N, C, oh, ow] or [C, oh, ow]
        With ``return_indices`` a pair with an int64 array of the same shape.

    Raises
    ------
    TypeError, ValueError
        As for :func:`adaptive_avg_pool2d`.
    """
    return _adaptive_max_pool(input, 2, output_size, return_indices)


@traceable("input")
def adaptive_max_pool1d(input: np.ndarray, output_size, return_indices: bool = False) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    """Maximum over windows of a signal, ``input`` [N, C, L] or [C, L]: :func:`adaptive_max_pool2d` along one axis."""
    return _adaptive_max_pool(input, 1, output_size, return_indices)


@traceable("input")
def adaptive_max_pool3d(input: np.ndarray, output_size, return_indices: bool = False) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    """Maximum over windows of a volume, ``input`` [N, C, D, H, W] or [C, D, H, W]: :func:`adaptive_max_pool2d` along three axes."""
    return _adaptive_max_pool(input, 3, output_size, return_indices)


def _output_size(value, rank: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """``output_size`` with the input's own sizes in place of None; a signal's has one row."""
    if rank > 1 and isinstance(value, (tuple, list)) and len(value) == rank:
        value = tuple(size if v is None else v for v, size in zip(value, shape[-rank:], strict=True))
    out = sizes(value, rank, "output_size", 0)
    return (1, *out) if rank == 1 else out


def _adaptive_avg_pool(x, rank: int, output_size):
    x, unbatched = add_batch_axis(f"adaptive_avg_pool{rank}d", x, rank + 2)
    size = _output_size(output_size, rank, x.shape)
    return results([record(f"adaptive_avg_pool{max(rank, 2)}d", [as_image(x, rank)], output_size=size)], rank, unbatched)


def _adaptive_max_pool(x, rank: int, output_size, return_indices: bool):
    x, unbatched = add_batch_axis(f"adaptive_max_pool{rank}d", x, rank + 2)
    attrs = {"output_size": _output_size(output_size, rank, x.shape), "return_indices": bool(return_indices)}
    return results(apply(f"adaptive_max_pool{max(rank, 2)}d", [as_image(x, rank)], attrs), rank, unbatched)
