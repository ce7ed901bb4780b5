"""Convolutions as networks mean them (cross-correlation): conv2d, conv3d, and conv1d as a conv2d of height 1."""

from __future__ import annotations

import numpy as np

from cyconv.functional.common import add_batch_axis, drop_batch_axis, record, reshape
from cyconv.graph import traceable
from cyconv.ops.conv import KERNEL
from cyconv.shapes import conv_padding, integer, sizes

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


@traceable("input", "weight", "bias")
def conv2d(
    input: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    stride=1,
    padding=0,
    dilation=1,
    groups: int = 1,
    padding_mode: str = "zeros",
) -> np.ndarray:
    """2-D cross-correlation, ``y[n,o,p,q] = bias[o] + Σ weight[o,c,i,j] · x[n, c, p·sh + i·dh, q·sw + j·dw]``.

    Parameters
    ----------
    input : ndarray, float32, [N, C, H, W] or [C, H, W]
        N may be 0.
    weight : ndarray, float32, [O, C/groups, kh, kw]
    bias : ndarray, float32, [O], optional
    stride, dilation : int or (int, int)
        Vertical and horizontal.
    padding : int, (int, int), ((int, int), (int, int)), "same" or "valid"
        One number for all sides, (vertical, horizontal), or beyond PyTorch ((top, bottom), (left, right)).
        "same" needs stride 1; of an odd number of cells the greater half goes to the bottom and the right.
    groups : int
        Input and output channels are cut into so many groups that do not mix.
    padding_mode : "zeros", "reflect", "replicate" or "circular"
        What the padding holds, as in ``torch.nn.Conv2d``.

    Returns
    -------
    ndarray, float32, [N, O, OH, OW] or [O, OH, OW]
        ``OH = (H + top + bottom - dh·(kh-1) - 1) // sh + 1``, OW likewise.

    Raises
    ------
    TypeError
        When an array is not a float32 NumPy array, or an option is not of the listed types.
    ValueError
        When shapes do not fit each other, an option is out of range, or the kernel is larger than the padded input.
    """
    return _conv(2, input, weight, bias, stride, padding, dilation, groups, padding_mode)


@traceable("input", "weight", "bias")
def conv1d(
    input: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    stride=1,
    padding=0,
    dilation=1,
    groups: int = 1,
    padding_mode: str = "zeros",
) -> np.ndarray:
    """1-D cross-correlation: :func:`conv2d` along the last axis.

    Parameters
    ----------
    input : ndarray, float32, [N, C, L] or [C, L]
    weight : ndarray, float32, [O, C/groups, k]
    bias : ndarray, float32, [O], optional
    stride, dilation : int or (int,)
    padding : int, (int,), ((int, int),), "same" or "valid"
        The third form gives (left, right) apart.
    groups, padding_mode
        As for :func:`conv2d`.

    Returns
    -------
    ndarray, float32, [N, O, OL] or [O, OL]

    Raises
    ------
    TypeError, ValueError
        As for :func:`conv2d`.
    """
    x, unbatched = add_batch_axis("conv1d", input, 3)
    if weight.ndim != 3:
        raise ValueError(f"conv1d: expected 3D weight [O, C/groups, k], but got weight of size: {list(weight.shape)}")
    y = conv2d(
        reshape(x, (*x.shape[:2], 1, x.shape[2])),
        reshape(weight, (*weight.shape[:2], 1, weight.shape[2])),
        bias,
        (1, integer(only_entry(stride), "stride", 1)),
        along_width(padding),
        (1, integer(only_entry(dilation), "dilation", 1)),
        groups,
        padding_mode,
    )
    return drop_batch_axis(reshape(y, (*y.shape[:2], y.shape[3])), unbatched)


@traceable("input", "weight", "bias")
def conv3d(
    input: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    stride=1,
    padding=0,
    dilation=1,
    groups: int = 1,
    padding_mode: str = "zeros",
) -> np.ndarray:
    """3-D cross-correlation: :func:`conv2d` along three axes.

    Parameters
    ----------
    input : ndarray, float32, [N, C, D, H, W] or [C, D, H, W]
    weight : ndarray, float32, [O, C/groups, kd, kh, kw]
    bias : ndarray, float32, [O], optional
    stride, dilation : int or (int, int, int)
    padding : int, (int, int, int), three (int, int), "same" or "valid"
        The third form gives before and after of each axis.
    groups, padding_mode
        As for :func:`conv2d`. Slices of padding before and behind the volume are never read.

    Returns
    -------
    ndarray, float32, [N, O, OD, OH, OW] or [O, OD, OH, OW]

    Raises
    ------
    TypeError, ValueError
        As for :func:`conv2d`.
    """
    return _conv(3, input, weight, bias, stride, padding, dilation, groups, padding_mode)


def _conv(rank: int, input, weight, bias, stride, padding, dilation, groups, padding_mode: str):
    """Record a convolution of images or volumes; padding that is not of zeros becomes an op of its own."""
    op = f"conv{rank}d"
    x, unbatched = add_batch_axis(op, input, rank + 2)
    if weight.ndim != rank + 2:
        raise ValueError(f"{op}: expected {rank + 2}D weight [O, C/groups, {KERNEL[rank]}], but got weight of size: {list(weight.shape)}")
    stride, dilation = sizes(stride, rank, "stride", 1), sizes(dilation, rank, "dilation", 1)
    sides = conv_padding(padding, weight.shape[2:], stride, dilation)
    if padding_mode not in PADDING_MODES:
        raise ValueError(f"padding_mode must be one of {', '.join(PADDING_MODES)}, got {padding_mode!r}")
    if padding_mode != "zeros" and any(sides):
        x = record("pad", [x], pad=((0, 0), (0, 0), *zip(sides[::2], sides[1::2], strict=True)), mode=padding_mode, value=0.0)
        sides = (0,) * len(sides)
    groups = integer(groups, "groups", 1)
    y = record(op, [x, weight, bias], stride=stride, padding=sides, dilation=dilation, groups=groups)
    return drop_batch_axis(y, unbatched)


def only_entry(value):
    """The entry of a sequence of one, anything else as it is."""
    return value[0] if isinstance(value, (tuple, list)) and len(value) == 1 else value


def along_width(padding):
    """A ``padding`` of conv1d as one of conv2d for images of height 1."""
    if isinstance(padding, str):
        return padding
    sides = only_entry(padding)
    if sides is padding and isinstance(padding, (tuple, list)):
        raise ValueError(f"padding must be an int, (int,), ((int, int),), 'same' or 'valid', got {padding!r}")
    return ((0, 0), sides if isinstance(sides, (tuple, list)) else (sides, sides))
