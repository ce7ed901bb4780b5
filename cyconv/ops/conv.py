"""conv2d: cross-correlation with stride, zero padding, dilation and groups, as convolutional networks use it.

An op family: :mod:`cyconv.functional` records it, the passes fold and fuse around it, the kernels compute it.
The reference adds one matrix product per kernel cell, so it is short, exact on integers and needs no im2col buffer.
"""

from __future__ import annotations

import numpy as np

from cyconv.ops.base import Op, Shape, register
from cyconv.ops.common import count, expect_images, expect_inputs, four_sides, over_channels, pad_for_taps, taps
from cyconv.shapes import check_shape, conv_output_size, integer, pair


def infer_conv2d(shapes: list[Shape], attrs: dict) -> list[Shape]:
    """Output shape [N, O, OH, OW] of x[N, C, H, W], weight[O, C/groups, kh, kw] and optional bias[O]."""
    expect_inputs("conv2d", shapes, 2, 3)
    x, weight = shapes[:2]
    expect_images("conv2d", x)
    _check_weight(x, weight, integer(attrs["groups"], "groups", 1))
    if len(shapes) == 3 and shapes[2] != weight[:1]:
        raise ValueError(
            f"Given weight of size {list(weight)}, expected bias to be 1-dimensional with {weight[0]} elements, "
            f"but got bias of size {list(shapes[2])} instead"
        )
    stride = pair(attrs["stride"], "stride", 1)
    dilation = pair(attrs["dilation"], "dilation", 1)
    top, bottom, left, right = four_sides(attrs["padding"], "padding")
    oh = conv_output_size(x[2], weight[2], stride[0], top, bottom, dilation[0])
    ow = conv_output_size(x[3], weight[3], stride[1], left, right, dilation[1])
    return [check_shape((x[0], weight[0], oh, ow), "conv2d: output")]


def _check_weight(x: Shape, weight: Shape, groups: int) -> None:
    """Raise ValueError unless ``weight`` suits ``x`` and ``groups``."""
    if len(weight) != 4:
        raise ValueError(f"conv2d: expected 4D weight [O, C/groups, kh, kw], but got weight of size: {list(weight)}")
    if weight[0] < groups:
        raise ValueError(
            f"Given groups={groups}, expected weight to be at least {groups} at dimension 0, but got weight of size {list(weight)} instead"
        )
    if weight[0] % groups:
        raise ValueError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, "
            f"but got weight of size {list(weight)} instead"
        )
    if x[1] != weight[1] * groups:
        raise ValueError(
            f"Given groups={groups}, weight of size {list(weight)}, expected input{list(x)} to have {weight[1] * groups} channels, "
            f"but got {x[1]} channels instead"
        )


@np.errstate(all="ignore")
def conv2d(inputs: list[np.ndarray], attrs: dict) -> list[np.ndarray]:
    """y[n,o,p,q] = bias[o] + Σ over c,i,j of weight[o,c,i,j] · padded[n, c, p·sh + i·dh, q·sw + j·dw], c within o's group."""
    x, weight = inputs[:2]
    n, o, oh, ow = infer_conv2d([a.shape for a in inputs], attrs)[0]
    groups, (kh, kw) = attrs["groups"], weight.shape[2:]
    padded = pad_for_taps(x, attrs["padding"], 0.0, (0, 0))
    c = x.shape[1] // groups
    by_group = weight.reshape(groups, o // groups, c, kh, kw)
    y = np.zeros((n, groups, o // groups, oh * ow))
    for i, j, view in taps(padded, (kh, kw), attrs["stride"], attrs["dilation"], (oh, ow)):
        y += by_group[:, :, :, i, j] @ view.reshape(n, groups, c, oh * ow)
    y = y.reshape(n, o, oh, ow)
    return [y + over_channels(inputs[2], 4) if len(inputs) == 3 else y]


def macs_conv2d(inputs: list[Shape], outputs: list[Shape], attrs: dict) -> int:
    """Products: every output element takes C/groups · kh · kw of them; the bias is not counted."""
    return count(outputs[0]) * count(inputs[1][1:])


register(Op("conv2d", infer_conv2d, conv2d, macs_conv2d))
