"""Transposed convolutions, which upsample by their stride: conv_transpose2d and 3d, and conv_transpose1d as an image of one row."""

from __future__ import annotations

import numpy as np

from cyconv.functional.common import add_batch_axis, drop_batch_axis, record, reshape
from cyconv.graph import traceable
from cyconv.ops.conv import KERNEL
from cyconv.shapes import conv_padding, integer, sizes


@traceable("input", "weight", "bias")
def conv_transpose2d(
    input: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    stride=1,
    padding=0,
    output_padding=0,
    groups: int = 1,
    dilation=1,
) -> np.ndarray:
    """2-D transposed convolution: input pixel p adds ``weight[c, o, i] · x[n, c, p]`` to output pixel p·stride + i·dilation - padding.

    Parameters
    ----------
    input : ndarray, float32, [N, C, H, W] or [C, H, W]
        N may be 0.
    weight : ndarray, float32, [C, O/groups, kh, kw]
    bias : ndarray, float32, [O], optional
    stride, dilation : int or (int, int)
        Vertical and horizontal.
    padding : int, (int, int) or ((int, int), (int, int))
        How many cells the output loses on each side; the third form, beyond PyTorch, is ((top, bottom), (left, right)).
    output_padding : int or (int, int)
        How many cells it gains at the bottom and on the right; less than the stride or the dilation.
    groups : int
        Input and output channels are cut into so many groups that do not mix.

    Returns
    -------
    ndarray, float32, [N, O, OH, OW] or [O, OH, OW]
        ``OH = (H - 1)·sh - top - bottom + dh·(kh - 1) + output_padding + 1``, OW likewise.

    Raises
    ------
    TypeError
        When an array is not a float32 NumPy array, or an option is not of the listed types.
    ValueError
        When shapes do not fit each other, an option is out of range, or nothing is left of the output.
    """
    return _conv_transpose(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


@traceable("input", "weight", "bias")
def conv_transpose1d(
    input: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    stride=1,
    padding=0,
    output_padding=0,
    groups: int = 1,
    dilation=1,
) -> np.ndarray:
    """1-D transposed convolution of ``input`` [N, C, L] or [C, L] with ``weight`` [C, O/groups, k]: as :func:`conv_transpose2d`."""
    return _conv_transpose(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


@traceable("input", "weight", "bias")
def conv_transpose3d(
    input: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    stride=1,
    padding=0,
    output_padding=0,
    groups: int = 1,
    dilation=1,
) -> np.ndarray:
    """3-D transposed convolution of ``input`` [N, C, D, H, W] or [C, D, H, W] with ``weight`` [C, O/groups, kd, kh, kw].

    As :func:`conv_transpose2d`, with three numbers for each option.
    """
    return _conv_transpose(3, input, weight, bias, stride, padding, output_padding, groups, dilation)


def _conv_transpose(rank: int, input, weight, bias, stride, padding, output_padding, groups, dilation):
    """Record a transposed convolution; a signal is an image of one row."""
    name = f"conv_transpose{rank}d"
    x, unbatched = add_batch_axis(name, input, rank + 2)
    if weight.ndim != rank + 2:
        cells = KERNEL.get(rank, "k")
        raise ValueError(f"{name}: expected {rank + 2}D weight [C, O/groups, {cells}], but got weight of size: {list(weight.shape)}")
    stride, dilation = sizes(stride, rank, "stride", 1), sizes(dilation, rank, "dilation", 1)
    extra = sizes(output_padding, rank, "output_padding", 0)
    if isinstance(padding, str):
        raise TypeError(f"padding must be an int or one or two for each axis, got {padding!r}")
    sides = conv_padding(padding, weight.shape[2:])
    if any(e >= max(s, d) for e, s, d in zip(extra, stride, dilation, strict=True)):
        raise ValueError(
            f"output padding must be smaller than either stride or dilation, but got output_padding {extra}, "
            f"stride {stride} and dilation {dilation}"
        )
    if rank == 1:
        x, weight = (reshape(a, (*a.shape[:2], 1, a.shape[2])) for a in (x, weight))
        stride, dilation, extra, sides = (1, *stride), (1, *dilation), (0, *extra), (0, 0, *sides)
    attrs = {"stride": stride, "padding": sides, "dilation": dilation, "output_padding": extra, "groups": integer(groups, "groups", 1)}
    y = record(f"conv_transpose{max(rank, 2)}d", [x, weight, bias], **attrs)
    return drop_batch_axis(reshape(y, (*y.shape[:2], y.shape[3])) if rank == 1 else y, unbatched)
