"""Functions of one array, element by element. Handlers of the importer; the table is in registry.py."""

from __future__ import annotations

import math
from math import inf

import numpy as np

from cyconv.onnx.errors import Unsupported
from cyconv.onnx.registry import Call, Value, number, operator

# ONNX's name, its versions, and the graph's op of the same meaning.
_SAME = (
    ("Relu", (6, 13, 14), "relu"),
    ("Sigmoid", (6, 13), "sigmoid"),
    ("Tanh", (6, 13), "tanh"),
    ("Sqrt", (6, 13), "sqrt"),
    ("Exp", (6, 13), "exp"),
    ("Log", (6, 13), "log"),
    ("Abs", (6, 13), "abs"),
    ("Neg", (6, 13), "neg"),
    ("Floor", (6, 13), "floor"),
    ("Ceil", (6, 13), "ceil"),
    ("Erf", (9, 13), "erf"),
    ("Reciprocal", (6, 13), "reciprocal"),
    ("Sign", (9, 13), "sign"),
    ("Mish", (18, 22), "mish"),
    ("HardSwish", (14, 22), "hardswish"),
)
_SELU = (1.67326319217681884765625, 1.05070102214813232421875)  # ONNX's alpha and gamma, the op's own to float32
_HARD_SIGMOID = (1 / 6, 0.5)  # alpha and beta of the op


def _register_same(name: str, versions: tuple[int, ...], op: str) -> None:
    operator(name, *versions)(lambda call: call.emit(op, call.input(0)))


for _name, _versions, _op in _SAME:
    _register_same(_name, _versions, _op)


@operator("Softplus", 1, 22)
def softplus(call: Call) -> Value:
    """log(1 + exp(x)), which is x in float32 from 20 on."""
    return call.emit("softplus", call.input(0), beta=1.0, threshold=20.0)


@operator("LeakyRelu", 6, 16)
def leaky_relu(call: Call) -> Value:
    """x, or alpha·x below 0."""
    return call.emit("leaky_relu", call.input(0), negative_slope=call["alpha"])


@operator("Elu", 6, 22)
def elu(call: Call) -> Value:
    """x, or alpha·(exp(x) − 1) below 0."""
    return call.emit("elu", call.input(0), alpha=call["alpha"])


@operator("Selu", 6, 22)
def selu(call: Call) -> Value:
    """gamma·x, or gamma·alpha·(exp(x) − 1) below 0."""
    alpha, gamma = call["alpha"], call["gamma"]
    if all(math.isclose(a, b, rel_tol=1e-6) for a, b in zip((alpha, gamma), _SELU, strict=True)):
        return call.emit("selu", call.input(0))
    return call.emit("mul", call.emit("elu", call.input(0), alpha=alpha), number(gamma))


@operator("HardSigmoid", 6, 22)
def hard_sigmoid(call: Call) -> Value:
    """min(max(alpha·x + beta, 0), 1)."""
    x, alpha, beta = call.input(0), call["alpha"], call["beta"]
    if all(math.isclose(a, b, rel_tol=1e-6) for a, b in zip((alpha, beta), _HARD_SIGMOID, strict=True)):
        return call.emit("hardsigmoid", x)
    line = call.emit("add", call.emit("mul", x, number(alpha)), number(beta))
    return call.emit("clip", line, min=0.0, max=1.0)


@operator("Gelu", 20)
def gelu(call: Call) -> Value:
    """x·Φ(x)."""
    return call.emit("gelu", call.input(0), approximate=call["approximate"])


@operator("PRelu", 6, 7, 9, 16)
def prelu(call: Call) -> Value:
    """x, or slope·x below 0; one slope for all, one a channel, or any that broadcasts."""
    x, slope = call.input(0), call.input(1)
    size = math.prod(slope.shape)
    if call.version == 6 and slope.ndim == 1:  # one slope a channel
        return call.emit("prelu", x, slope)
    channels = x.shape[1] if x.ndim > 1 else 1
    along_channels = x.ndim > 1 and slope.ndim >= x.ndim - 1 and slope.shape[-(x.ndim - 1)] == size == channels
    if size == 1 or along_channels:
        return call.emit("prelu", x, call.emit("reshape", slope, shape=(size,)))
    zero = np.zeros((), np.float32)
    return call.emit("add", call.emit("maximum", x, zero), call.emit("mul", slope, call.emit("minimum", x, zero)))


@operator("Clip", 6)
def clip_6(call: Call) -> Value:
    """Bounds are attributes."""
    return _clip(call, call["min"], call["max"])


@operator("Clip", 11, 12, 13, known=(1, 2))
def clip(call: Call) -> Value:
    """Bounds are inputs, which may be left out."""
    return _clip(call, call.number(1, "lower bound"), call.number(2, "upper bound"))


def _clip(call: Call, low: float | None, high: float | None) -> Value:
    x = call.input(0)
    if x.dtype == np.float32:
        largest = float(np.finfo(np.float32).max)  # ONNX's default bounds
        low = -inf if low is None or low <= -largest else low
        high = inf if high is None or high >= largest else high
        if low == 0 and high in (6, inf):
            return call.emit("relu" if high == inf else "relu6", x)
        if high < low:  # the upper bound wins, as in min(max(x, low), high)
            low = high
    if low in (None, -inf) and high in (None, inf):
        return x
    if x.dtype != np.float32:
        bounds = [b if b is None else np.asarray(b, x.dtype) for b in (low, high)]
        for op, bound in zip(("maximum", "minimum"), bounds, strict=True):
            x = x if bound is None else call.emit(op, x, bound)
        return x
    return call.emit("clip", x, min=low, max=high)


@operator("Softmax", 1, 11)
def softmax_flat(call: Call) -> Value:
    """Along all dimensions from axis on, taken as one."""
    return _flat(call, "softmax")


@operator("LogSoftmax", 1, 11)
def log_softmax_flat(call: Call) -> Value:
    """Along all dimensions from axis on, taken as one."""
    return _flat(call, "log_softmax")


def _flat(call: Call, op: str) -> Value:
    x, axis = call.input(0), call["axis"]
    if not -x.ndim <= axis <= x.ndim:
        raise ValueError(f"axis {axis} is out of range for {x.ndim} dimensions")
    axis += x.ndim if axis < 0 else 0
    rows, columns = math.prod(x.shape[:axis]), math.prod(x.shape[axis:])
    y = call.emit(op, call.emit("reshape", x, shape=(rows, columns)), dim=1)
    return call.emit("reshape", y, shape=x.shape)


@operator("Softmax", 13)
def softmax(call: Call) -> Value:
    """Along one axis."""
    return _along(call, "softmax")


@operator("LogSoftmax", 13)
def log_softmax(call: Call) -> Value:
    """Along one axis."""
    return _along(call, "log_softmax")


def _along(call: Call, op: str) -> Value:
    x, axis = call.input(0), call["axis"]
    if not -x.ndim <= axis < x.ndim:
        raise ValueError(f"axis {axis} is out of range for {x.ndim} dimensions")
    return call.emit(op, x, dim=axis % x.ndim)


@operator("Dropout", 6)
def dropout_6(call: Call) -> list[Value]:
    """The input as it is; there the attribute is_test says that the model is for inference."""
    if not call["is_test"]:
        raise Unsupported("it is in training mode (is_test = 0)")
    return _dropout(call, np.float32)


@operator("Dropout", 7)
def dropout_7(call: Call) -> list[Value]:
    """The input as it is, and a mask of ones."""
    return _dropout(call, np.float32)


@operator("Dropout", 10)
def dropout_10(call: Call) -> list[Value]:
    """The input as it is, and a mask of True."""
    return _dropout(call, np.bool_)


@operator("Dropout", 12, 13, 22, known=(2,))
def dropout(call: Call) -> list[Value]:
    """The input as it is, and a mask of True."""
    if call.number(2, "training mode"):
        raise Unsupported("it is in training mode")
    return _dropout(call, np.bool_)


def _dropout(call: Call, mask: type) -> list[Value]:
    x = call.input(0)
    return [x, np.broadcast_to(np.ones((), mask), x.shape)]
