"""Pooling over windows of an image: maximum and average, with a fixed window or adaptive to an output size.

NaN in a window gives NaN. Images come as [N, C, H, W] or [C, H, W]; N may be 0.
"""

from __future__ import annotations

import numpy as np

from cyconv.functional.common import add_batch_axis, drop_batch_axis, record
from cyconv.graph import apply, traceable
from cyconv.shapes import pair, pool_padding


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
    x, unbatched = add_batch_axis("max_pool2d", input, 4)
    kernel, stride, padding = _window(kernel_size, stride, padding)
    attrs = {
        "kernel": kernel,
        "stride": stride,
        "padding": padding,
        "dilation": pair(dilation, "dilation", 1),
        "ceil_mode": bool(ceil_mode),
        "return_indices": bool(return_indices),
    }
    return _one_or_pair(apply("max_pool2d", [x], attrs), unbatched)


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
    x, unbatched = add_batch_axis("avg_pool2d", input, 4)
    kernel, stride, padding = _window(kernel_size, stride, padding)
    y = record(
        "avg_pool2d",
        [x],
        kernel=kernel,
        stride=stride,
        padding=padding,
        ceil_mode=bool(ceil_mode),
        count_include_pad=bool(count_include_pad),
        divisor_override=divisor_override,
    )
    return drop_batch_axis(y, unbatched)


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
    x, unbatched = add_batch_axis("adaptive_avg_pool2d", input, 4)
    return drop_batch_axis(record("adaptive_avg_pool2d", [x], output_size=_output_size(output_size, x.shape)), unbatched)


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
    x, unbatched = add_batch_axis("adaptive_max_pool2d", input, 4)
    attrs = {"output_size": _output_size(output_size, x.shape), "return_indices": bool(return_indices)}
    return _one_or_pair(apply("adaptive_max_pool2d", [x], attrs), unbatched)


def _window(kernel_size, stride, padding):
    """Kernel, stride and four-sided padding of a pooling."""
    kernel = pair(kernel_size, "kernel_size", 1)
    return kernel, kernel if stride is None else pair(stride, "stride", 1), pool_padding(padding, kernel)


def _output_size(value, shape: tuple[int, ...]) -> tuple[int, int]:
    """``output_size`` with the input's own sizes in place of None."""
    if isinstance(value, (tuple, list)) and len(value) == 2:
        value = tuple(shape[2 + i] if v is None else v for i, v in enumerate(value))
    return pair(value, "output_size", 0)


def _one_or_pair(outputs: list, unbatched: bool):
    """The maxima alone, or with their indices."""
    results = tuple(drop_batch_axis(y, unbatched) for y in outputs)
    return results if len(results) == 2 else results[0]
