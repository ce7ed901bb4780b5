"""Lowering of interpolation: tables of places and weights, over images in blocks or one axis of a dense array after the other."""

from __future__ import annotations

from cyconv._kernels.movement import Take
from cyconv._kernels.resize import ResizeAxis, ResizeImage
from cyconv._kernels.step import Step
from cyconv.graph.ir import Node, Value
from cyconv.graph.layout import numel
from cyconv.graph.lower import Lowering, lowers
from cyconv.ops.dtypes import words
from cyconv.ops.resize import Table, resize_table


@lowers("interpolate")
def lower_interpolate(low: Lowering, node: Node) -> None:
    """Rows and columns of blocked images at once; else the last axis first."""
    a, v, out = node.attrs, node.inputs[0], node.outputs[0]
    tables = {dim: resize_table(a, axis, v.shape[dim]) for axis, dim in enumerate(a["dims"])}
    if low.resizes_blocks(node) and low.has_blocked(v):
        rows, columns = (tables.get(dim, unchanged(v.shape[dim])) for dim in (2, 3))
        x, y = low.blocked(v), low.new_blocked(out)
        low.emit_node(node, lambda: ResizeImage(x.operand(), y.operand(), rows, columns), [x], [y], a["mode"])
        return
    dims = sorted((dim for dim in tables if tables[dim] != unchanged(v.shape[dim])), reverse=True) or [0]
    for dim in dims:
        shape = (*v.shape[:dim], out.shape[dim], *v.shape[dim + 1 :]) if v.shape else ()
        target = out if dim == dims[-1] else Value(shape, v.dtype, out.name)
        resize_axis(low, Node(node.op, [v], [target], a, node.name), dim, tables.get(dim))
        v = target


def unchanged(size: int) -> Table:
    """The table of an axis that stays as it is."""
    return list(range(size)), list(range(size)), [0.0] * size


def resize_axis(low: Lowering, node: Node, dim: int, table: Table | None) -> None:
    """Append the step that resizes one axis, or a copy without a table."""
    v = node.inputs[0]
    outer, n, inner = numel(v.shape[:dim]), v.shape[dim] if v.shape else 1, numel(v.shape[dim + 1 :])
    first, second, weight = table or unchanged(n)
    x, y = low.dense(v), low.new_dense(node.outputs[0])

    def make() -> Step:
        if any(weight):
            return ResizeAxis(x.operand(), y.operand(), (outer, n, inner), (first, second, weight))
        return Take(x.operand(), y.operand(), outer, n, inner * words(v.dtype), first)

    low.emit_node(node, make, [x], [y], f"{node.attrs['mode']} along {dim}")
