"""Pooling over fixed windows of signals, images and volumes: maximum, average and p-norm.

NaN in a window gives NaN. Arrays come as [N, C, L], [N, C, H, W] or [N, C, D, H, W], or without N, which may be 0. A signal is an image
of one row. Pooling adaptive to an output size stands in :mod:`cyconv.functional.adaptive`.
"""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np

from cyconv.functional.common import add_batch_axis, drop_batch_axis, record, reshape
from cyconv.graph import apply, traceable
from cyconv.shapes import pool_padding, sizes


@traceable("input")
def max_pool2d(
    input: np.ndarray, kernel_size, stride=None, padding=0, dilation=1, ceil_mode: bool = False, return_indices: bool = False
) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    """Maximum over windows; padding counts as minus infinity.

    Parameters
    ----------
    input : ndarray, float32, [N, C, H, W] or [C, H, W]
    kernel_size : int or (int, int)
    stride : int or (int, int), optional
        ``kernel_size`` when left out.
    padding : int, (int, int) or ((int, int), (int, int))
        At most half of the kernel; the third form, beyond PyTorch, is ((top, bottom), (left, right)).
    dilation : int or (int, int)
    ceil_mode : bool
        Let a last window hang over the end, if it starts inside the input or the padding before it.
    return_indices : bool
        Give also where each maximum stands.

    Returns
    -------
    ndarray, float32, [N, C, OH, OW] or [C, OH, OW]
        With ``return_indices`` a pair with an int64 array of the same shape, indices into the flattened H·W plane;
        of equal maxima the first in reading order counts.

    Raises
    ------
    TypeError
        When the input is not a float32 NumPy array, or an option is not of the listed types.
    ValueError
        When an option is out of range, a size of the input other than N is 0, or no window fits.
    """
    return _max_pool(input, 2, kernel_size, stride, padding, dilation, (ceil_mode, return_indices))


@traceable("input")
def max_pool1d(
    input: np.ndarray, kernel_size, stride=None, padding=0, dilation=1, ceil_mode: bool = False, return_indices: bool = False
) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    """Maximum over windows of a signal, ``input`` [N, C, L] or [C, L]: :func:`max_pool2d` along one axis.

    Sizes are an int or (int,), ``padding`` may be ((before, after),). Indices count along L.
    """
    return _max_pool(input, 1, kernel_size, stride, padding, dilation, (ceil_mode, return_indices))


@traceable("input")
def max_pool3d(
    input: np.ndarray, kernel_size, stride=None, padding=0, dilation=1, ceil_mode: bool = False, return_indices: bool = False
) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    """Maximum over windows of a volume, ``input`` [N, C, D, H, W] or [C, D, H, W]: :func:`max_pool2d` along three axes.

    Sizes are an int or (int, int, int), ``padding`` may be three (before, after). Indices count in the flattened D·H·W volume.
    """
    return _max_pool(input, 3, kernel_size, stride, padding, dilation, (ceil_mode, return_indices))


@traceable("input")
def avg_pool2d(
    input: np.ndarray,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> np.ndarray:
    """Average over windows; padding counts as zero.

    Parameters
    ----------
    input : ndarray, float32, [N, C, H, W] or [C, H, W]
    kernel_size : int or (int, int)
    stride : int or (int, int), optional
        ``kernel_size`` when left out.
    padding : int, (int, int) or ((int, int), (int, int))
        At most half of the kernel; the third form, beyond PyTorch, is ((top, bottom), (left, right)).
    ceil_mode : bool
        Let a last window hang over the end; what hangs over the padded input is not counted.
    count_include_pad : bool
        Whether padding cells count in the divisor.
    divisor_override : int, optional
        The divisor of every window.

    Returns
    -------
    ndarray, float32, [N, C, OH, OW] or [C, OH, OW]

    Raises
    ------
    TypeError
        When the input is not a float32 NumPy array, or an option is not of the listed types.
    ValueError
        When an option is out of range, a size of the input other than N is 0, or no window fits.
    """
    return _avg_pool(input, 2, kernel_size, stride, padding, (ceil_mode, count_include_pad, divisor_override))


@traceable("input")
def avg_pool1d(
    input: np.ndarray, kernel_size, stride=None, padding=0, ceil_mode: bool = False, count_include_pad: bool = True
) -> np.ndarray:
    """Average over windows of a signal, ``input`` [N, C, L] or [C, L]: :func:`avg_pool2d` along one axis.

    Sizes are an int or (int,), ``padding`` may be ((before, after),).
    """
    return _avg_pool(input, 1, kernel_size, stride, padding, (ceil_mode, count_include_pad, None))


@traceable("input")
def avg_pool3d(
    input: np.ndarray,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> np.ndarray:
    """Average over windows of a volume, ``input`` [N, C, D, H, W] or [C, D, H, W]: :func:`avg_pool2d` along three axes.

    Sizes are an int or (int, int, int), ``padding`` may be three (before, after).
    """
    return _avg_pool(input, 3, kernel_size, stride, padding, (ceil_mode, count_include_pad, divisor_override))


@traceable("input")
def lp_pool2d(input: np.ndarray, norm_type, kernel_size, stride=None, ceil_mode: bool = False) -> np.ndarray:
    """The p-norm of windows as PyTorch has it, ``(Σ x^p)^(1/p)``.

    Parameters
    ----------
    input : ndarray, float32, [N, C, H, W] or [C, H, W]
    norm_type : number
        p, above 0. For an odd p signs are kept, and a negative sum gives NaN; p = 1 gives the sum itself, infinity the largest magnitude.
    kernel_size : int or (int, int)
    stride : int or (int, int), optional
        ``kernel_size`` when left out.
    ceil_mode : bool
        Let a last window hang over the end; its sum is scaled up to the kernel's number of cells.

    Returns
    -------
    ndarray, float32, [N, C, OH, OW] or [C, OH, OW]

    Raises
    ------
    TypeError
        When the input is not a float32 NumPy array, or an option is not of the listed types.
    ValueError
        When an option is out of range, a size of the input other than N is 0, or no window fits.
    """
    return _lp_pool(input, 2, norm_type, kernel_size, stride, ceil_mode)


@traceable("input")
def lp_pool1d(input: np.ndarray, norm_type, kernel_size, stride=None, ceil_mode: bool = False) -> np.ndarray:
    """The p-norm of windows of a signal, ``input`` [N, C, L] or [C, L]: :func:`lp_pool2d` along one axis."""
    return _lp_pool(input, 1, norm_type, kernel_size, stride, ceil_mode)


@traceable("input")
def lp_pool3d(input: np.ndarray, norm_type, kernel_size, stride=None, ceil_mode: bool = False) -> np.ndarray:
    """The p-norm of windows of a volume, ``input`` [N, C, D, H, W] or [C, D, H, W]: :func:`lp_pool2d` along three axes."""
    return _lp_pool(input, 3, norm_type, kernel_size, stride, ceil_mode)


def as_image(x, rank: int) -> Any:
    """A signal [N, C, L] as an image of one row; anything else as it is."""
    return reshape(x, (*x.shape[:2], 1, x.shape[2])) if rank == 1 else x


def results(outputs: list, rank: int, unbatched: bool):
    """The outputs of a pooling without the axes that were added: one array, or a pair with indices."""
    found = [drop_batch_axis(reshape(y, (*y.shape[:2], y.shape[3])) if rank == 1 else y, unbatched) for y in outputs]
    return found[0] if len(found) == 1 else tuple(found)


def _window(rank: int, kernel_size, stride, padding, dilation) -> dict:
    """The attributes that all poolings have."""
    kernel = sizes(kernel_size, rank, "kernel_size", 1)
    steps = kernel if stride is None else sizes(stride, rank, "stride", 1)
    attrs = {"kernel": kernel, "stride": steps, "padding": pool_padding(padding, kernel), "dilation": sizes(dilation, rank, "dilation", 1)}
    if rank == 1:
        attrs = {name: ((0, 0) if name == "padding" else (1,)) + value for name, value in attrs.items()}
    return attrs


def _max_pool(x, rank: int, kernel_size, stride, padding, dilation, flags: tuple):
    """Record a maximum pooling; ``flags`` are ceil_mode and return_indices."""
    attrs = _window(rank, kernel_size, stride, padding, dilation)
    x, unbatched = add_batch_axis(f"max_pool{rank}d", x, rank + 2)
    attrs |= {"ceil_mode": bool(flags[0]), "return_indices": bool(flags[1])}
    return results(apply(f"max_pool{max(rank, 2)}d", [as_image(x, rank)], attrs), rank, unbatched)


def _avg_pool(x, rank: int, kernel_size, stride, padding, flags: tuple):
    """Record an average pooling; ``flags`` are ceil_mode, count_include_pad and divisor_override."""
    attrs = _window(rank, kernel_size, stride, padding, 1)
    x, unbatched = add_batch_axis(f"avg_pool{rank}d", x, rank + 2)
    attrs |= {"ceil_mode": bool(flags[0]), "count_include_pad": bool(flags[1]), "divisor_override": flags[2]}
    return results([record(f"avg_pool{max(rank, 2)}d", [as_image(x, rank)], **attrs)], rank, unbatched)


def _lp_pool(x, rank: int, norm_type, kernel_size, stride, ceil_mode):
    """Record a p-norm pooling with PyTorch's meaning."""
    attrs = _window(rank, kernel_size, stride, 0, 1)
    x, unbatched = add_batch_axis(f"lp_pool{rank}d", x, rank + 2)
    if norm_type == inf:
        return _max_pool(drop_batch_axis(record("abs", [x]), unbatched), rank, kernel_size, stride, 0, 1, (ceil_mode, False))
    attrs |= {"norm_type": norm_type, "ceil_mode": bool(ceil_mode), "absolute": False, "rescale": True}
    return results([record(f"lp_pool{max(rank, 2)}d", [as_image(x, rank)], **attrs)], rank, unbatched)
