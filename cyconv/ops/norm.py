"""Normalisations over channels: batch_norm (inference) and local_response_norm.

An op family: :mod:`cyconv.functional` records it; a pass folds batch_norm into the convolution before it.
Sources: Ioffe and Szegedy 2015; Krizhevsky, Sutskever and Hinton 2012, with PyTorch's division of alpha by the size.
"""

from __future__ import annotations

import numpy as np

from cyconv.ops.base import Op, Shape, register
from cyconv.ops.common import expect_inputs, over_channels, real
from cyconv.shapes import check_shape, integer


def infer_batch_norm(shapes: list[Shape], attrs: dict) -> list[Shape]:
    """The shape of x[N, C, ...]; mean, var, weight and bias are [C]."""
    expect_inputs("batch_norm", shapes, 5)
    x = shapes[0]
    if len(x) < 2:
        raise ValueError(f"batch_norm: expected input [N, C, ...] with at least 2 dimensions, but got input of size: {list(x)}")
    for name, shape in zip(("running_mean", "running_var", "weight", "bias"), shapes[1:], strict=True):
        if shape != (x[1],):
            raise ValueError(f"batch_norm: {name} should contain {x[1]} elements, but got {name} of size {list(shape)}")
    if not real(attrs["eps"], "eps") >= 0:
        raise ValueError(f"batch_norm eps must be non-negative, but got {attrs['eps']}")
    return [check_shape(x, "batch_norm: input")]


@np.errstate(all="ignore")
def batch_norm(inputs: list[np.ndarray], attrs: dict) -> list[np.ndarray]:
    """y = (x - mean) / sqrt(var + eps) · weight + bias, per channel."""
    x = inputs[0]
    mean, var, weight, bias = (over_channels(v, x.ndim) for v in inputs[1:])
    return [(x - mean) / np.sqrt(var + attrs["eps"]) * weight + bias]


def infer_local_response_norm(shapes: list[Shape], attrs: dict) -> list[Shape]:
    """The shape of x[N, C, ...], which has at least 3 dimensions, as in PyTorch."""
    expect_inputs("local_response_norm", shapes, 1)
    if len(shapes[0]) < 3:
        raise ValueError(f"local_response_norm: expected 3D or higher dimensionality input (got {len(shapes[0])} dimensions)")
    integer(attrs["size"], "size", 1)
    for name in ("alpha", "beta", "k"):
        real(attrs[name], name)
    return [check_shape(shapes[0], "local_response_norm: input")]


@np.errstate(all="ignore")
def local_response_norm(inputs: list[np.ndarray], attrs: dict) -> list[np.ndarray]:
    """y_c = x_c / (k + alpha/size · Σ x_j²)^beta, j from c - size//2 to c + (size-1)//2 where such channels exist."""
    x, size = inputs[0], attrs["size"]
    channels = x.shape[1]
    squares = x * x
    total = np.zeros_like(x)
    for c in range(channels):
        total[:, c] = squares[:, max(0, c - size // 2) : c + (size - 1) // 2 + 1].sum(axis=1)
    return [x / (attrs["k"] + attrs["alpha"] * (total / size)) ** attrs["beta"]]


register(Op("batch_norm", infer_batch_norm, batch_norm))
register(Op("local_response_norm", infer_local_response_norm, local_response_norm))
