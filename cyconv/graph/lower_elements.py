"""Lowering of element-wise ops: functions of one and of two arrays, comparisons, selection, conversion.

float32 of equal shapes, or with one number for each channel or for all, runs in the layout that it has; what broadcasts otherwise, and
other dtypes, on dense arrays.
"""

from __future__ import annotations

from math import prod
from typing import Literal

from cyconv._kernels.elements import Arithmetic, Cast, Compare, IntegerUnary, Where
from cyconv._kernels.elementwise import Binary, Unary
from cyconv.graph.ir import FLOAT32, Node, Value
from cyconv.graph.layout import Tensor, flat, joined, numel
from cyconv.graph.lower import DTYPES, Lowering, lowers

# The functions of microkernels.h, in its order; of those of one argument, the attributes that become p0 and p1.
UNARY_FUNCTIONS: list[tuple[str, tuple[str, ...]]] = [
    ("relu", ()),
    ("relu6", ()),
    ("leaky_relu", ("negative_slope",)),
    ("sigmoid", ()),
    ("tanh", ()),
    ("hardswish", ()),
    ("hardsigmoid", ()),
    ("silu", ()),
    ("gelu", ()),
    ("gelu_tanh", ()),  # gelu with approximate="tanh"
    ("elu", ("alpha",)),
    ("sqrt", ()),
    ("exp", ()),
    ("log", ()),
    ("abs", ()),
    ("neg", ()),
    ("softplus", ("beta", "threshold")),
    ("mish", ()),
    ("selu", ()),
    ("floor", ()),
    ("ceil", ()),
    ("erf", ()),
    ("sign", ()),
    ("reciprocal", ()),
    ("clip", ("min", "max")),
]
UNARY = {name: (number, attributes) for number, (name, attributes) in enumerate(UNARY_FUNCTIONS)}
BINARY = {"add": 0, "mul": 1, "sub": 2, "div": 4, "pow": 6, "minimum": 8, "maximum": 9}
EXCHANGED = {0: 0, 1: 1, 2: 3, 4: 5, 6: 7, 8: 8, 9: 9}  # the same function with its operands exchanged
COMPARE = {"equal": 0, "not_equal": 1, "greater": 2, "greater_equal": 3, "less": 4, "less_equal": 5}
Mode = Literal["each", "channel", "one"]


def both(low: Lowering, x: Value, out: Value) -> tuple[Tensor, Tensor]:
    """An input and room for the output of the same shape, in the layout that the input has."""
    if low.has_blocked(x):
        return low.blocked(x), low.new_blocked(out)
    floats = numel(x.shape)
    return flat(low.dense(x), floats), flat(low.new_dense(out), floats)


@lowers(*(name for name in UNARY if name != "gelu_tanh"))
def lower_unary(low: Lowering, node: Node) -> None:
    """One pass over the elements, in the layout that they have."""
    function, attributes = UNARY["gelu_tanh" if node.attrs.get("approximate") == "tanh" else node.op]
    parameters = [float(node.attrs[name]) for name in attributes]
    v, out = node.inputs[0], node.outputs[0]
    if v.dtype != FLOAT32:
        x, y = low.dense(v), low.new_dense(out)
        low.emit_node(node, lambda: IntegerUnary(x.operand(), y.operand(), numel(v.shape), function, DTYPES[v.dtype]), [x], [y], v.dtype)
        return
    x, y = both(low, v, out)
    low.emit_node(node, lambda: Unary(x.operand(), y.operand(), function, *parameters), [x], [y])


@lowers(*BINARY)
def lower_binary(low: Lowering, node: Node) -> None:
    """Same shapes, or one side constant over pixels, in the layout that the larger side has; anything else on dense arrays."""
    a, b = node.inputs
    out = node.outputs[0]
    function = BINARY[node.op]
    if node.op == "pow" and a.dtype == FLOAT32 and low.is_constant(b) and numel(b.shape) == 1 and low.constant_array(b).item() == 2:
        b, function = a, BINARY["mul"]
    if a.shape != out.shape and b.shape == out.shape:
        a, b, function = b, a, EXCHANGED[function]
    simple = b.shape == a.shape or numel(b.shape) == 1 or per_channel(b.shape, out.shape)
    if a.dtype != FLOAT32 or a.shape != out.shape or not (simple or low.has_blocked(a)):
        lower_broadcast(low, node, a, b, function)
        return
    if not simple:
        b = spread(low, b, out.shape)
    blocked = low.has_blocked(a) or (b.shape == a.shape and low.has_blocked(b))
    mode: Mode
    if numel(b.shape) == 1 and b.shape != out.shape:
        one = low.dense(b)
        x, y = both(low, a, out)
        z, mode = flat(one, 1), "one"
    elif b.shape == a.shape:
        x, y = both(low, a, out) if not blocked else (low.blocked(a), low.new_blocked(out))
        z, mode = low.blocked(b) if blocked else flat(low.dense(b), numel(b.shape)), "each"
    else:
        x, y = (low.blocked(a), low.new_blocked(out)) if blocked else (low.dense(a), low.new_dense(out))
        z, mode = channel_operand(low, b, blocked, out.shape), "channel"
    low.emit_node(node, lambda: Binary(x.operand(), z.operand(), y.operand(), function, mode), [x, z], [y])


def lower_broadcast(low: Lowering, node: Node, a: Value, b: Value, function: int) -> None:
    """Any shapes and any dtype of numbers."""
    dims, strides = walk(node.outputs[0].shape, a.shape, b.shape)
    if strides[0][-1] == 0:
        a, b, strides, function = b, a, strides[::-1], EXCHANGED[function]
    x, z, y = low.dense(a), low.dense(b), low.new_dense(node.outputs[0])
    dtype = DTYPES[a.dtype]
    make = lambda: Arithmetic(x.operand(), z.operand(), y.operand(), dims, strides, function, dtype)  # noqa: E731
    low.emit_node(node, make, [x, z], [y], a.dtype if a.dtype != FLOAT32 else "broadcast")


@lowers(*COMPARE)
def lower_compare(low: Lowering, node: Node) -> None:
    """On dense arrays."""
    a, b = node.inputs
    dims, strides = walk(node.outputs[0].shape, a.shape, b.shape)
    x, z, y = low.dense(a), low.dense(b), low.new_dense(node.outputs[0])
    function, dtype = COMPARE[node.op], DTYPES[a.dtype]
    low.emit_node(node, lambda: Compare(x.operand(), z.operand(), y.operand(), dims, strides, function, dtype), [x, z], [y], a.dtype)


@lowers("where")
def lower_where(low: Lowering, node: Node) -> None:
    """On dense arrays."""
    dims, strides = walk(node.outputs[0].shape, *(v.shape for v in node.inputs))
    c, a, b = (low.dense(v) for v in node.inputs)
    y, dtype = low.new_dense(node.outputs[0]), node.outputs[0].dtype
    make = lambda: Where(c.operand(), a.operand(), b.operand(), y.operand(), dims, strides, DTYPES[dtype])  # noqa: E731
    low.emit_node(node, make, [c, a, b], [y], dtype)


@lowers("cast")
def lower_cast(low: Lowering, node: Node) -> None:
    """On dense arrays."""
    v, out = node.inputs[0], node.outputs[0]
    x, y = low.dense(v), low.new_dense(out)
    make = lambda: Cast(x.operand(), y.operand(), numel(v.shape), DTYPES[v.dtype], DTYPES[out.dtype])  # noqa: E731
    low.emit_node(node, make, [x], [y], f"{v.dtype} → {out.dtype}")


def strides_in(shape: tuple[int, ...], out: tuple[int, ...]) -> tuple[int, ...]:
    """For each axis of ``out`` the stride, in elements, of a dense array that broadcasts to it: 0 where it is repeated."""
    padded = (1,) * (len(out) - len(shape)) + shape
    return tuple(0 if size == 1 else prod(padded[i + 1 :]) for i, size in enumerate(padded))


def walk(out: tuple[int, ...], *shapes: tuple[int, ...]) -> tuple[tuple[int, ...], list[tuple[int, ...]]]:
    """The axes to walk over, joined as far as possible, and the strides of each dense operand along them."""
    dims, *strides = joined(out, *(strides_in(shape, out) for shape in shapes))
    if prod(dims) == 1:
        return (1,), [(1,)] * len(shapes)
    return dims, strides


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
    target = low.new_dense(wide)
    low.strided_copy(source, target, shape, strides_in(v.shape, shape), strides_in(shape, shape), v.name)
    return wide
