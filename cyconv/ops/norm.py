"""Normalisations: batch_norm (inference), local_response_norm, and those by the data's own moments: layer, group and instance norm.

An op family: :mod:`cyconv.functional` records it; a pass folds batch_norm into the convolution before it.
Sources: Ioffe and Szegedy 2015; Krizhevsky, Sutskever and Hinton 2012, with PyTorch's division of alpha by the size;
Ba, Kiros and Hinton 2016; Wu and He 2018; Ulyanov, Vedaldi and Lempitsky 2016.
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


def _moments_eps(op: str, attrs: dict) -> None:
    """Raise unless eps is a number from 0 up."""
    if not real(attrs["eps"], "eps") >= 0:
        raise ValueError(f"{op}: eps must be non-negative, but got {attrs['eps']}")


def infer_layer_norm(shapes: list[Shape], attrs: dict) -> list[Shape]:
    """The shape of x. attrs["dims"] are its last dimensions, or (1,), the channels; weight and bias have the sizes of these."""
    expect_inputs("layer_norm", shapes, 3)
    x, dims = shapes[0], tuple(attrs["dims"])
    if not dims or (dims != tuple(range(len(x) - len(dims), len(x))) and not (dims == (1,) and len(x) > 1)):
        raise ValueError(f"layer_norm: dims must be the last dimensions of input of size {list(x)}, or (1,), got {dims}")
    sizes = tuple(x[dim] for dim in dims)
    for name, shape in zip(("weight", "bias"), shapes[1:], strict=True):
        if shape != sizes:
            raise ValueError(f"layer_norm: expected {name} to be of the sizes {list(sizes)} that are normalised, but got {list(shape)}")
    _moments_eps("layer_norm", attrs)
    return [check_shape(x, "layer_norm: input")]


@np.errstate(all="ignore")
def layer_norm(inputs: list[np.ndarray], attrs: dict) -> list[np.ndarray]:
    """y = (x - mean) / sqrt(var + eps) · weight + bias, mean and biased var over ``dims``."""
    x, dims = inputs[0], tuple(attrs["dims"])
    if x.size == 0:
        return [x.copy()]
    wide = [x.shape[dim] if dim in dims else 1 for dim in range(x.ndim)]
    weight, bias = (v.reshape(wide) for v in inputs[1:])
    return [standard(x, dims, attrs["eps"]) * weight + bias]


def standard(x: np.ndarray, dims: tuple[int, ...], eps: float) -> np.ndarray:
    """(x - mean) / sqrt(var + eps) over ``dims``."""
    distance = x - x.mean(dims, keepdims=True)
    return distance / np.sqrt((distance * distance).mean(dims, keepdims=True) + eps)


def _channel_parameters(op: str, shapes: list[Shape]) -> Shape:
    """The shape of x[N, C, ...]; raises ValueError unless weight and bias are [C]."""
    expect_inputs(op, shapes, 3)
    x = shapes[0]
    if len(x) < 2:
        raise ValueError(f"{op}: expected input [N, C, ...] with at least 2 dimensions, but got input of size: {list(x)}")
    for name, shape in zip(("weight", "bias"), shapes[1:], strict=True):
        if shape != (x[1],):
            raise ValueError(f"{op}: expected {name} to be a vector of size equal to the number of channels {x[1]}, but got {list(shape)}")
    return x


def infer_group_norm(shapes: list[Shape], attrs: dict) -> list[Shape]:
    """The shape of x[N, C, ...]; weight and bias are [C], and attrs["num_groups"] divides C."""
    x = _channel_parameters("group_norm", shapes)
    groups = integer(attrs["num_groups"], "num_groups", 1)
    if x[1] % groups:
        raise ValueError(f"group_norm: expected number of channels in input to be divisible by num_groups, but got {list(x)} and {groups}")
    _moments_eps("group_norm", attrs)
    return [check_shape(x, "group_norm: input")]


@np.errstate(all="ignore")
def group_norm(inputs: list[np.ndarray], attrs: dict) -> list[np.ndarray]:
    """y = (x - mean) / sqrt(var + eps) · weight + bias, mean and biased var over the channels of a group and all behind them."""
    x, groups = inputs[0], attrs["num_groups"]
    if x.size == 0:
        return [x.copy()]
    weight, bias = (over_channels(v, x.ndim) for v in inputs[1:])
    y = standard(x.reshape(x.shape[0], groups, -1), (2,), attrs["eps"]).reshape(x.shape)
    return [y * weight + bias]


def infer_instance_norm(shapes: list[Shape], attrs: dict) -> list[Shape]:
    """The shape of x[N, C, ...]; weight and bias are [C]."""
    x = _channel_parameters("instance_norm", shapes)
    _moments_eps("instance_norm", attrs)
    return [check_shape(x, "instance_norm: input")]


def instance_norm(inputs: list[np.ndarray], attrs: dict) -> list[np.ndarray]:
    """group_norm with a group for each channel."""
    return group_norm(inputs, {**attrs, "num_groups": inputs[0].shape[1]})


register(Op("layer_norm", infer_layer_norm, layer_norm))
register(Op("group_norm", infer_group_norm, group_norm))
register(Op("instance_norm", infer_instance_norm, instance_norm))
register(Op("batch_norm", infer_batch_norm, batch_norm))
register(Op("local_response_norm", infer_local_response_norm, local_response_norm))
