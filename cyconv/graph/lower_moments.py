"""Lowering of normalisation by the data's own moments: layer, group and instance norm; steps of drivers/moments.pyx."""

from __future__ import annotations

from dataclasses import replace

from cyconv._kernels.moments import GroupNorm, LayerNorm
from cyconv.graph.ir import Node
from cyconv.graph.layout import Tensor, depth, flat, image_dims, numel, tensor
from cyconv.graph.lower import Lowering, lowers


@lowers("layer_norm")
def lower_layer_norm(low: Lowering, node: Node) -> None:
    """Over the channels in blocks, over the last dimensions on dense rows."""
    v, out, eps = node.inputs[0], node.outputs[0], node.attrs["eps"]
    weight, bias = (low.dense(parameter) for parameter in node.inputs[1:])
    n = numel(node.inputs[1].shape)
    if low.will_be_blocked(out):
        x, y = low.blocked(v), low.new_blocked(out)
    else:
        rows = numel(v.shape) // n if n else 0
        x, y = flat(low.dense(v), rows), flat(low.new_dense(out), rows)
    low.emit_node(node, lambda: LayerNorm(x.operand(), y.operand(), weight.operand(), bias.operand(), n, eps), [x, weight, bias], [y])


@lowers("group_norm", "instance_norm")
def lower_group_norm(low: Lowering, node: Node) -> None:
    """In the layout that the input has."""
    v, out, eps = node.inputs[0], node.outputs[0], node.attrs["eps"]
    groups = node.attrs.get("num_groups", v.shape[1])
    weight, bias = (low.dense(parameter) for parameter in node.inputs[1:])
    x, y = (
        (low.blocked(v), low.new_blocked(out))
        if low.has_blocked(v) and depth(v.shape) == 1  # moments go over all slices of a volume
        else (planes(low.dense(v), v.shape), planes(low.new_dense(out), v.shape))
    )
    low.emit_node(node, lambda: GroupNorm(x.operand(), y.operand(), weight.operand(), bias.operand(), groups, eps), [x, weight, bias], [y])


def planes(t: Tensor, shape: tuple[int, ...]) -> Tensor:
    """A dense array of shape [N, C, ...] as (n, c, 1, rest)."""
    return replace(tensor(t.buffer, image_dims((*shape[:2], 1, numel(shape[2:]))), 1), offset=t.offset)
