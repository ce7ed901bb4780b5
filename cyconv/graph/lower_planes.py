"""Lowering of 1x1 convolutions that read and write NCHW arrays of the caller's, as single calls do: no blocks, no packed weights.

Layer: graph; called by lower_conv.py.
"""

from __future__ import annotations

from cyconv._kernels.planes import Planes
from cyconv._kernels.prefetch import second_level_floats
from cyconv.graph.ir import Node
from cyconv.graph.layout import NO_BORDER, numel
from cyconv.graph.lower import Lowering

# Of the input: a larger one, which is read in pieces of a few lines, comes from memory more slowly than the relayout reads it.
MOST_FLOATS = 2 * second_level_floats()
RUN_VECTORS, RUN_CHANNELS = 8, 112  # of an item: about 1 to 10 million multiply-adds


def suits_planes(low: Lowering, node: Node) -> bool:
    """Whether the node is a 1x1 convolution of stride 1 between an input in C order and an output that nothing else reads."""
    a, x, y, (_, _, *kernel) = node.attrs, node.inputs[0], node.outputs[0], node.inputs[1].shape
    plain = (a["groups"], tuple(a["stride"]), a["padding"], a.get("branches", 1), kernel) == (1, (1, 1), NO_BORDER, 1, [1, 1])
    if not plain or len(x.shape) != 4 or a.get("residual") or a.get("weights") == "bfloat16" or x.shape[2] * x.shape[3] < low.lanes:
        return False
    return numel(x.shape) <= MOST_FLOATS and low.only_dense(x) and low.is_last(y)


def lower_planes(low: Lowering, node: Node, activation: tuple[int, float, float, float]) -> None:
    """Emit the product."""
    x, w = low.dense(node.inputs[0]), low.dense(node.inputs[1])
    bias = low.dense(node.inputs[2]) if node.attrs["has_bias"] else None
    y = low.new_dense(node.outputs[0])
    (n, co, oh, ow), ci = node.outputs[0].shape, node.inputs[1].shape[1]
    runs = (RUN_VECTORS * low.lanes, RUN_CHANNELS)
    make = lambda: Planes(x.operand(), w.operand(), bias.operand() if bias else None, y.operand(), runs, activation)  # noqa: E731

    task = low.emit_node(node, make, [x, w] + ([bias] if bias else []), [y], "planes")
    task.macs = n * co * oh * ow * ci
