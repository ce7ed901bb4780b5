"""Lowering of normalisation and softmax."""

from __future__ import annotations

from cyconv._kernels.elementwise import Prelu, ScaleShift
from cyconv._kernels.fold import FoldNorm
from cyconv._kernels.normalize import Lrn, Softmax, lrn_scratch_floats
from cyconv.graph.ir import Node, Value
from cyconv.graph.layout import Buffer, Task, Tensor, canonical, flat, numel, round_up, tensor
from cyconv.graph.lower import Lowering, lowers


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
