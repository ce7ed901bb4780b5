"""conv2d and conv3d: cross-correlation with stride, zero padding, dilation and groups, as convolutional networks use it.

An op family: :mod:`cyconv.functional` records it, the passes fold and fuse around it, the kernels compute it.
The reference adds one matrix product per kernel cell, so it is short, exact on integers and needs no im2col buffer.
"""

from __future__ import annotations

from math import prod

import numpy as np

from cyconv.ops.base import Op, Shape, register
from cyconv.ops.common import AXES, all_sides, count, expect_images, expect_inputs, inner, over_channels, pad_for_taps, taps
from cyconv.shapes import check_shape, conv_output_size, integer, sizes

KERNEL = {2: "kh, kw", 3: "kd, kh, kw"}


def check_bias(weight: Shape, bias: Shape, channels: int) -> None:
    """Raise ValueError unless ``bias`` has one number for each output channel."""
    if bias != (channels,):
        raise ValueError(
            f"Given weight of size {list(weight)}, expected bias to be 1-dimensional with {channels} elements, "
            f"but got bias of size {list(bias)} instead"
        )


def _check_weight(op: str, x: Shape, weight: Shape, groups: int) -> None:
    """Raise ValueError unless ``weight`` suits ``x`` and ``groups``."""
    rank = len(x) - 2
    if len(weight) != len(x):
        raise ValueError(f"{op}: expected {len(x)}D weight [O, C/groups, {KERNEL[rank]}], but got weight of size: {list(weight)}")
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


def macs_conv(inputs: list[Shape], outputs: list[Shape], attrs: dict) -> int:
    """Products: every output element takes C/groups times the kernel's cells of them; the bias is not counted."""
    return count(outputs[0]) * count(inputs[1][1:])


def _register_conv(op: str, rank: int) -> None:
    """Register the convolution over ``rank`` axes."""

    def infer(shapes: list[Shape], attrs: dict) -> list[Shape]:
        expect_inputs(op, shapes, 2, 3)
        x, weight = shapes[:2]
        expect_images(op, x, rank)
        _check_weight(op, x, weight, integer(attrs["groups"], "groups", 1))
        if len(shapes) == 3:
            check_bias(weight, shapes[2], weight[0])
        stride, dilation = sizes(attrs["stride"], rank, "stride", 1), sizes(attrs["dilation"], rank, "dilation", 1)
        sides = all_sides(attrs["padding"], "padding", rank)
        axes = zip(sides[::2], sides[1::2], strict=True)
        out = [conv_output_size(x[2 + a], weight[2 + a], stride[a], *ends, dilation[a]) for a, ends in enumerate(axes)]
        return [check_shape((x[0], weight[0], *out), f"{op}: output")]

    @np.errstate(all="ignore")
    def reference(inputs: list[np.ndarray], attrs: dict) -> list[np.ndarray]:
        x, weight = inputs[:2]
        n, o, *out = infer([a.shape for a in inputs], attrs)[0]
        groups, kernel = attrs["groups"], weight.shape[2:]
        padded = pad_for_taps(x, attrs["padding"], 0.0, (0,) * rank)
        c = x.shape[1] // groups
        by_group = weight.reshape(groups, o // groups, c, *kernel)
        y = np.zeros((n, groups, o // groups, prod(out)))
        for cell, view in taps(padded, kernel, attrs["stride"], attrs["dilation"], out):
            y += by_group[inner(cell)] @ view.reshape(n, groups, c, prod(out))
        y = y.reshape(n, o, *out)
        return [y + over_channels(inputs[2], rank + 2) if len(inputs) == 3 else y]

    infer.__doc__ = f"Output shape [N, O, ...] of x[N, C, {AXES[rank]}], weight[O, C/groups, {KERNEL[rank]}] and optional bias[O]."
    reference.__doc__ = "y[n,o,p] = bias[o] + Σ over c,i of weight[o,c,i] · padded[n, c, p·stride + i·dilation], c within o's group."
    register(Op(op, infer, reference, macs_conv))


_register_conv("conv2d", 2)
_register_conv("conv3d", 3)
