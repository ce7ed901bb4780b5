"""Arithmetic of two and more arrays, comparisons, matrix products. Handlers of the importer; the table is in registry.py."""

from __future__ import annotations

from math import prod

import numpy as np

from cyconv.onnx.registry import Call, Value, number, operator


def _register_binary(name: str, op: str, *versions: int) -> None:
    """With the attributes axis and broadcast in version 6 (1 for those that did not change), as NumPy broadcasts since 7."""
    new = tuple(v for v in versions if v >= 7)
    if len(new) < len(versions):
        operator(name, *(v for v in versions if v < 7))(lambda call: call.emit(op, call.input(0), _aligned(call)))
    operator(name, *new)(lambda call: call.emit(op, *_ordered(call, op)))


def _ordered(call: Call, op: str) -> list[Value]:
    """The two inputs; of a sum or product a known one second, where networks of layers have their parameters."""
    a, b = call.input(0), call.input(1)
    return [b, a] if op in ("add", "mul") and isinstance(a, np.ndarray) else [a, b]


def _aligned(call: Call) -> Value:
    """The second input of an operator of opset 6, with dimensions of 1 so that it broadcasts from dimension ``axis`` on."""
    x, other, axis = call.input(0), call.input(1), call.get("axis")
    if not call.get("broadcast", 0):
        if x.shape != other.shape:
            raise ValueError(f"arrays of shapes {list(x.shape)} and {list(other.shape)} without broadcast = 1")
        return other
    if axis is None:
        return other
    axis += x.ndim if axis < 0 else 0
    behind = x.ndim - axis - other.ndim
    if axis < 0 or behind < 0:
        raise ValueError(f"axis {axis} is out of range for shapes {list(x.shape)} and {list(other.shape)}")
    return call.emit("reshape", other, shape=(*other.shape, *[1] * behind))


for _name in ("Add", "Sub", "Mul", "Div"):
    _register_binary(_name, _name.lower(), 6, 7, 13, 14)
_register_binary("Equal", "equal", 1, 7, 11, 13, 19)
_register_binary("Greater", "greater", 1, 7, 9, 13)
_register_binary("Less", "less", 1, 7, 9, 13)
_register_binary("GreaterOrEqual", "greater_equal", 12, 16)
_register_binary("LessOrEqual", "less_equal", 12, 16)


@operator("Not", 1)
def not_(call: Call) -> Value:
    """True where the input is false."""
    return call.emit("equal", call.input(0), np.zeros((), np.bool_))


@operator("Pow", 1, 7, 12, 13, 15)
def power(call: Call) -> Value:
    """x to a power of the same or another dtype."""
    x, exponent = call.input(0), _aligned(call) if call.version == 1 else call.input(1)
    if isinstance(exponent, np.ndarray) and exponent.size == 1 and exponent.reshape(-1)[0] == 2 and x.ndim >= exponent.ndim:
        return call.emit("mul", x, x)
    if exponent.dtype != x.dtype:
        exponent = call.emit("cast", exponent, dtype=x.dtype.name)
    return call.emit("pow", x, exponent)


def _register_fold(name: str, op: str, *versions: int) -> None:
    """An operator of any number of inputs that is one of two inputs after the other."""
    operator(name, *versions)(lambda call: _chain(call, op))


def _chain(call: Call, op: str) -> Value:
    y = call.input(0)
    for x in call.inputs[1:]:
        y = call.emit(op, y, x)
    return y


_register_fold("Sum", "add", 6, 8, 13)
_register_fold("Min", "minimum", 6, 8, 12, 13)
_register_fold("Max", "maximum", 6, 8, 12, 13)


@operator("Mean", 6, 8, 13)
def mean(call: Call) -> Value:
    """The mean of all inputs, which broadcast."""
    return call.emit("mul", _chain(call, "add"), number(1 / len(call.inputs)))


@operator("Where", 9, 16)
def where(call: Call) -> Value:
    """The second input where the first is true, else the third."""
    return call.emit("where", *(call.input(place) for place in range(3)))


@operator("MatMul", 1, 9, 13)
def matmul(call: Call) -> Value:
    """The matrix product; with known weights a fully connected layer."""
    x, weight = call.input(0), call.input(1)
    if isinstance(weight, np.ndarray) and not isinstance(x, np.ndarray) and weight.ndim == 2:
        return call.emit("linear", x, weight.T)
    return call.emit("matmul", x, weight)


@operator("Gemm", 6, 7, 9, 11, 13)
def gemm(call: Call) -> Value:
    """alpha·A·B + beta·C, A and B transposed or not."""
    a, b, c = call.input(0), call.input(1), call.input(2)
    if a.ndim != 2 or b.ndim != 2:
        raise ValueError(f"it takes two matrices, got shapes {list(a.shape)} and {list(b.shape)}")
    if call["transA"]:
        a = call.emit("permute", a, dims=(1, 0))
    if not call["transB"]:
        b = call.emit("permute", b, dims=(1, 0))
    alpha, beta = call["alpha"], call["beta"]
    known = isinstance(b, np.ndarray)
    if alpha != 1 and known:
        b = call.emit("mul", b, number(alpha))
    bias = None
    if c is not None and beta != 1:
        c = call.emit("mul", c, number(beta))
    m = b.shape[0]
    if c is not None and c.shape in ((m,), (1, m)) and (alpha == 1 or known):
        bias, c = call.emit("reshape", c, shape=(m,)), None
    y = call.emit("linear", a, b, bias)
    if alpha != 1 and not known:
        y = call.emit("mul", y, number(alpha))
    if c is None:
        return y
    if prod(np.broadcast_shapes(c.shape, y.shape)) != prod(y.shape):
        raise ValueError(f"C of shape {list(c.shape)} does not broadcast to {list(y.shape)}")
    return call.emit("add", y, c)
