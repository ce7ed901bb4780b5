"""Normalisations. Handlers of the importer; the table is in registry.py."""

from __future__ import annotations

from math import prod

import numpy as np

from cyconv.onnx.errors import Unsupported
from cyconv.onnx.registry import Call, Value, number, operator


@operator("BatchNormalization", 6, 7, 9, 14, 15)
def batch_norm(call: Call) -> Value:
    """(x − mean)/√(var + ε)·scale + bias, per channel."""
    if call.version < 9 and not call["spatial"]:
        raise Unsupported("spatial = 0, statistics for every position")
    if call.version == 6 and not call["is_test"]:
        raise Unsupported("it is in training mode (is_test = 0)")
    if call.get("training_mode", 0) or any(call.wants(place) for place in range(1, call.n_outputs)):
        raise Unsupported("it is in training mode")
    x, scale, bias, mean, var = (call.input(place) for place in range(5))
    return call.emit("batch_norm", x, mean, var, scale, bias, eps=call["epsilon"])


@operator("LRN", 1, 13)
def lrn(call: Call) -> Value:
    """x / (bias + alpha/size · Σ x²)^beta over ``size`` neighbouring channels."""
    x, size = call.input(0), call["size"]
    attrs = {"size": size, "alpha": call["alpha"], "beta": call["beta"], "k": call["bias"]}
    if size % 2:
        return call.emit("local_response_norm", x, **attrs)
    # ONNX's window of an even size has its greater half behind the channel, the op's before it: the same with the channels turned round.
    return _turned(call, call.emit("local_response_norm", _turned(call, x), **attrs))


def _turned(call: Call, x: Value) -> Value:
    """The channels from the last to the first."""
    channels = x.shape[1]
    rest = x.shape[2:]
    starts, stops, steps = (0, channels - 1, *[0] * len(rest)), (x.shape[0], -1, *rest), (1, -1, *[1] * len(rest))
    return call.emit("slice", x, starts=starts, stops=stops, steps=steps)


@operator("InstanceNormalization", 6, 22)
def instance_norm(call: Call) -> Value:
    """Each channel of each image with its own mean and variance."""
    return call.emit("instance_norm", call.input(0), call.input(1), call.input(2), eps=call["epsilon"])


@operator("LayerNormalization", 17)
def layer_norm(call: Call) -> Value | list[Value]:
    """Mean and variance over the dimensions from ``axis`` on; both may be wanted too, the variance as 1/√(variance + ε)."""
    if call["stash_type"] != 1:
        raise Unsupported(f"stash_type = {call['stash_type']}")
    x, scale, bias, axis = call.input(0), call.input(1), call.input(2), call["axis"]
    if not -x.ndim <= axis < x.ndim:
        raise ValueError(f"axis {axis} is out of range for {x.ndim} dimensions")
    axis %= x.ndim
    dims, sizes = tuple(range(axis, x.ndim)), x.shape[axis:]
    scale, bias = (_expanded(call, v, sizes) for v in (scale, np.zeros((), np.float32) if bias is None else bias))
    y = call.emit("layer_norm", x, scale, bias, dims=dims, eps=call["epsilon"])
    if not (call.wants(1) or call.wants(2)):
        return y
    mean = call.emit("reduce_mean", x, dims=dims, keepdim=True)
    away = call.emit("sub", x, mean)
    variance = call.emit("reduce_mean", call.emit("mul", away, away), dims=dims, keepdim=True)
    deviation = call.emit("sqrt", call.emit("add", variance, number(call["epsilon"])))
    return [y, mean, call.emit("reciprocal", deviation)]


@operator("GroupNormalization", 18, 21)
def group_norm(call: Call) -> Value:
    """Mean and variance over each group of channels; scale and bias for each group (18) or each channel (21)."""
    x, scale, bias, groups = call.input(0), call.input(1), call.input(2), call["num_groups"]
    if call.version == 18:
        if groups < 1 or x.ndim < 2 or x.shape[1] % groups:
            raise ValueError(f"{groups} groups do not divide the channels of {list(x.shape)}")
        each = x.shape[1] // groups
        scale, bias = (_repeated(call, v, each) for v in (scale, bias))
    return call.emit("group_norm", x, scale, bias, num_groups=groups, eps=call["epsilon"])


def _expanded(call: Call, v: Value, shape: tuple[int, ...]) -> Value:
    """``v`` broadcast to ``shape``."""
    return v if v.shape == shape else call.emit("expand", v, shape=shape)


def _repeated(call: Call, v: Value, each: int) -> Value:
    """Every number of v[G] ``each`` times in a row."""
    column = call.emit("reshape", v, shape=(prod(v.shape), 1))
    return call.emit("reshape", call.emit("expand", column, shape=(prod(v.shape), each)), shape=(prod(v.shape) * each,))
