"""Lowering of element-wise ops, normalisation and softmax."""

from __future__ import annotations

from math import prod
from typing import Literal

from cyconv._kernels.elementwise import Binary, Prelu, ScaleShift, Unary
from cyconv._kernels.fold import FoldNorm
from cyconv._kernels.normalize import Lrn, Softmax, lrn_scratch_floats
from cyconv.graph.ir import Node, Value
from cyconv.graph.layout import Buffer, Task, Tensor, canonical, flat, numel, round_up, tensor
from cyconv.graph.lower import Lowering, lowers

# The functions of microkernels.h, in its order, with the attributes that become p0.
UNARY = {"relu": (0, None), "relu6": (1, None), "leaky_relu": (2, "negative_slope"), "sigmoid": (3, None), "tanh": (4, None)}
UNARY |= {"hardswish": (5, None), "hardsigmoid": (6, None), "silu": (7, None), "gelu": (8, None), "elu": (10, "alpha")}
GELU_TANH = 9
BINARY = {"add": 0, "mul": 1}
Mode = Literal["each", "channel", "one"]


def both(low: Lowering, node: Node) -> tuple[Tensor, Tensor]:
    """The first input and room for the output, in the layout that the input has."""
    x, out = node.inputs[0], node.outputs[0]
    if low.has_blocked(x):
        return low.blocked(x), low.new_blocked(out)
    floats = numel(x.shape)
    return flat(low.dense(x), floats), flat(low.new_dense(out), floats)


@lowers(*UNARY)
def lower_unary(low: Lowering, node: Node) -> None:
    """One pass over the floats, in the layout that they have."""
    function, parameter = UNARY[node.op]
    if node.attrs.get("approximate") == "tanh":
        function = GELU_TANH
    p0 = float(node.attrs[parameter]) if parameter else 0.0
    x, y = both(low, node)
    low.emit_node(node, lambda: Unary(x.operand(), y.operand(), function, p0), [x], [y])


@lowers("add", "mul")
def lower_binary(low: Lowering, node: Node) -> None:
    """Same shapes; or one side constant over pixels; anything else is first spread to the output's shape."""
    a, b = node.inputs
    out = node.outputs[0]
    if a.shape != out.shape and b.shape == out.shape:
        a, b = b, a  # both functions commute, bit for bit
    if a.shape != out.shape:
        a = spread(low, a, out.shape)
    if b.shape != out.shape and not per_channel(b.shape, out.shape) and numel(b.shape) != 1:
        b = spread(low, b, out.shape)
    blocked = low.has_blocked(a) or (b.shape == a.shape and low.has_blocked(b))
    mode: Mode
    if numel(b.shape) == 1 and b.shape != out.shape:
        one = low.dense(b)
        x, y = both(low, Node(node.op, [a], [out], {}))
        z, mode = flat(one, 1), "one"
    elif b.shape == a.shape:
        x, y = both(low, Node(node.op, [a], [out], {})) if not blocked else (low.blocked(a), low.new_blocked(out))
        z, mode = low.blocked(b) if blocked else flat(low.dense(b), numel(b.shape)), "each"
    else:
        x, y = (low.blocked(a), low.new_blocked(out)) if blocked else (low.dense(a), low.new_dense(out))
        z, mode = channel_operand(low, b, blocked, out.shape), "channel"
    function = BINARY[node.op]
    low.emit_node(node, lambda: Binary(x.operand(), z.operand(), y.operand(), function, mode), [x, z], [y])


def per_channel(shape: tuple[int, ...], out: tuple[int, ...]) -> bool:
    """Whether ``shape`` is (N or 1, C, 1, 1) against a 4-D output with C channels; a missing batch axis counts as 1."""
    if len(out) != 4 or len(shape) not in (3, 4):
        return False
    n, c, h, w = (1, *shape) if len(shape) == 3 else shape
    return (c, h, w) == (out[1], 1, 1) and n in (1, out[0])


def channel_operand(low: Lowering, b: Value, blocked: bool, out: tuple[int, ...]) -> Tensor:
    """``b`` with one pixel a channel; the same for all images when it has only one."""
    if len(b.shape) == 3:
        b4 = Value((1, *b.shape), name=b.name)
        low.alias_dense(b4, low.dense(b))
        b = b4
    t = low.blocked(b) if blocked else low.dense(b)
    n_stride = 0 if b.shape[0] == 1 else t.n_stride
    return Tensor(t.buffer, t.lanes, (out[0], *t.dims[1:]), n_stride, t.c_stride, t.h_stride, t.offset, t.border)


def spread(low: Lowering, v: Value, shape: tuple[int, ...]) -> Value:
    """``v`` broadcast to ``shape``, as NumPy does."""
    source, wide = low.dense(v), Value(shape, name=v.name)
    padded = (1,) * (len(shape) - len(v.shape)) + v.shape
    strides = tuple(0 if size == 1 else prod(padded[i + 1 :]) for i, size in enumerate(padded))
    target = low.new_dense(wide)
    low.strided_copy(source, target, shape, strides, tuple(prod(shape[i + 1 :]) for i in range(len(shape))), v.name)
    return wide


@lowers("prelu")
def lower_prelu(low: Lowering, node: Node) -> None:
    """The slopes, one or one a channel, become a vector of whole blocks first."""
    x, slopes = node.inputs
    channels = x.shape[1] if len(x.shape) > 1 else 1
    v, y4, x4 = as_channels(low, x, node.outputs[0])
    padded = round_up(channels, low.lanes)
    buffer = Buffer("constant" if low.is_constant(slopes) else "arena", padded, name=f"{node.name} slopes")
    slope = tensor(buffer, (1, 1, 1, padded), 1)
    raw = low.dense(slopes)
    low.strided_copy(raw, slope, (channels,), (1 if numel(slopes.shape) > 1 else 0,), (1,), node.name)
    low.emit_node(node, lambda: Prelu(x4.operand(), slope.operand(), y4.operand()), [x4, slope], [y4])
    finish_channels(low, node.outputs[0], v)


def as_channels(low: Lowering, x: Value, out: Value) -> tuple[Value, Tensor, Tensor]:
    """An input of any rank seen as (n, c, 1, rest), blocked; the output's stand-in value, its tensor, and the input's."""
    if canonical(x.shape) is not None:
        return out, low.new_blocked(out), low.blocked(x)
    n, c = (x.shape[0], x.shape[1]) if len(x.shape) > 1 else (numel(x.shape), 1)
    dims = (n, c, 1, numel(x.shape[2:]))
    x4, y4 = Value(dims, name=x.name), Value(dims, name=out.name)
    low.alias_dense(x4, low.dense(x))
    return y4, low.new_blocked(y4), low.blocked(x4)


def finish_channels(low: Lowering, out: Value, stand_in: Value) -> None:
    """Give ``out`` the floats of the value that stood in for it."""
    if stand_in is not out:
        low.alias_dense(out, low.dense(stand_in))


@lowers("batch_norm")
def lower_batch_norm(low: Lowering, node: Node) -> None:
    """y = x·scale + shift with scale = γ/√(σ²+ε) and shift = β − μ·scale, computed in float64 by a step of its own."""
    x, parameters = node.inputs[0], node.inputs[1:]
    constant = all(low.is_constant(v) for v in parameters)
    padded = round_up(x.shape[1], low.lanes)
    scale, shift = (
        tensor(Buffer("constant" if constant else "arena", padded, name=f"{node.name} {part}"), (1, 1, 1, padded), 1)
        for part in ("scale", "shift")
    )
    sources = [low.raw(v, i) if constant else low.dense(v) for i, v in enumerate(parameters)]
    channels, eps = x.shape[1], node.attrs["eps"]
    fold = Task(
        "batch_norm",
        node.name,
        lambda: FoldNorm(*(t.operand() for t in sources), scale.operand(), shift.operand(), channels, padded, eps),
        [t.buffer for t in sources],
        [scale.buffer, shift.buffer],
        algorithm="fold",
    )
    low.emit(fold, [low.constant_array(v) for v in parameters] if constant else None)
    v, y4, x4 = as_channels(low, x, node.outputs[0])
    low.emit_node(node, lambda: ScaleShift(x4.operand(), scale.operand(), shift.operand(), y4.operand()), [x4, scale, shift], [y4])
    finish_channels(low, node.outputs[0], v)


@lowers("local_response_norm")
def lower_local_response_norm(low: Lowering, node: Node) -> None:
    """One pass; each thread has scratch for the squares of the pixels it works on."""
    a = node.attrs
    v, y, x = as_channels(low, node.inputs[0], node.outputs[0])
    scratch = low.scratch(lrn_scratch_floats(x.dims[1], low.lanes, a["size"]) * low.max_threads, f"{node.name} scratch")
    low.emit_node(
        node,
        lambda: Lrn(x.operand(), y.operand(), scratch.operand(), a["size"], a["alpha"], a["beta"], a["k"], low.max_threads),
        [x],
        [y, scratch],
    )
    finish_channels(low, node.outputs[0], v)


@lowers("softmax", "log_softmax")
def lower_softmax(low: Lowering, node: Node) -> None:
    """On dense arrays, along any axis."""
    shape, dim = node.inputs[0].shape, node.attrs["dim"]
    x, y = flat(low.dense(node.inputs[0]), numel(shape)), flat(low.new_dense(node.outputs[0]), numel(shape))
    outer, inner = numel(shape[:dim]), numel(shape[dim + 1 :])
    low.emit_node(node, lambda: Softmax(x.operand(), y.operand(), outer, shape[dim], inner, node.op == "log_softmax"), [x], [y])
