"""conv_transpose2d and conv_transpose3d: transposed convolution (the adjoint of convolution in its input), which upsamples by its stride.

An op family: :mod:`cyconv.functional` records it, the kernels of convolution compute it phase by phase. The reference scatters one
matrix product per kernel cell, so it is short and exact on integers.
"""

from __future__ import annotations

from math import prod

import numpy as np

from cyconv.ops.base import Op, Shape, register
from cyconv.ops.common import AXES, all_sides, count, expect_images, expect_inputs, inner, over_channels
from cyconv.ops.conv import KERNEL, check_bias
from cyconv.shapes import check_shape, conv_transpose_output_size, integer, sizes


def _check_weight(op: str, x: Shape, weight: Shape, groups: int) -> None:
    """Raise ValueError unless ``weight`` suits ``x`` and ``groups``."""
    rank = len(x) - 2
    if len(weight) != len(x) or 0 in weight:
        raise ValueError(f"{op}: expected {len(x)}D weight [C, O/groups, {KERNEL[rank]}], but got weight of size: {list(weight)}")
    if weight[0] != x[1]:
        raise ValueError(
            f"Given transposed=1, weight of size {list(weight)}, expected input{list(x)} to have {weight[0]} channels, "
            f"but got {x[1]} channels instead"
        )
    if weight[0] % groups:
        raise ValueError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, "
            f"but got weight of size {list(weight)} instead"
        )


def macs_conv_transpose(inputs: list[Shape], outputs: list[Shape], attrs: dict) -> int:
    """Products: every input element takes O/groups times the kernel's cells of them; the bias is not counted."""
    return count(inputs[0]) * count(inputs[1][1:])


def _register_conv_transpose(op: str, rank: int) -> None:
    """Register the transposed convolution over ``rank`` axes."""

    def infer(shapes: list[Shape], attrs: dict) -> list[Shape]:
        expect_inputs(op, shapes, 2, 3)
        x, weight = shapes[:2]
        expect_images(op, x, rank)
        groups = integer(attrs["groups"], "groups", 1)
        _check_weight(op, x, weight, groups)
        if len(shapes) == 3:
            check_bias(weight, shapes[2], weight[1] * groups)
        stride, dilation = sizes(attrs["stride"], rank, "stride", 1), sizes(attrs["dilation"], rank, "dilation", 1)
        sides, extra = all_sides(attrs["padding"], "padding", rank), sizes(attrs["output_padding"], rank, "output_padding", 0)
        axes = zip(x[2:], weight[2:], stride, sides[::2], sides[1::2], dilation, extra, strict=True)
        return [check_shape((x[0], weight[1] * groups, *(conv_transpose_output_size(*axis) for axis in axes)), f"{op}: output")]

    @np.errstate(all="ignore")
    def reference(inputs: list[np.ndarray], attrs: dict) -> list[np.ndarray]:
        x, weight = inputs[:2]
        n, o, *out = infer([a.shape for a in inputs], attrs)[0]
        groups, kernel, size = attrs["groups"], weight.shape[2:], x.shape[2:]
        c = x.shape[1] // groups
        before = attrs["padding"][::2]
        by_group = weight.reshape(groups, c, o // groups, *kernel)
        columns = x.reshape(n, groups, c, prod(size))
        walk = list(zip(size, kernel, attrs["stride"], attrs["dilation"], before, out, strict=True))
        whole = [max((s - 1) * t + d * (k - 1) + 1, p + w) for s, k, t, d, p, w in walk]
        y = np.zeros((n, o, *whole))
        for cell in np.ndindex(*kernel):
            part = (by_group[inner(cell)].swapaxes(1, 2) @ columns).reshape(n, o, *size)
            y[inner(slice(i * d, i * d + (s - 1) * t + 1, t) for i, (s, _, t, d, _, _) in zip(cell, walk, strict=True))] += part
        y = y[inner(slice(p, p + w) for *_, p, w in walk)]
        return [y + over_channels(inputs[2], rank + 2) if len(inputs) == 3 else y.copy()]

    infer.__doc__ = f"Output shape [N, O, ...] of x[N, C, {AXES[rank]}], weight[C, O/groups, {KERNEL[rank]}] and optional bias[O]."
    reference.__doc__ = """y[n,o,q] = bias[o] + Σ of weight[c,o,i] · x[n,c,p] over c within o's group and all p and i that meet in q:

    p·stride + i·dilation - before = q."""
    register(Op(op, infer, reference, macs_conv_transpose))


_register_conv_transpose("conv_transpose2d", 2)
_register_conv_transpose("conv_transpose3d", 3)
