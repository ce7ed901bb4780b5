"""Where a convolution reads its input and writes its output, when that is not simply the value's blocks.

Layer: graph; called by lower_conv.py.
"""

from __future__ import annotations

from cyconv.graph.ir import Node
from cyconv.graph.layout import NO_BORDER, Buffer, Tensor, depth, image_dims, round_up, slices, tensor, tensor_floats
from cyconv.graph.lower import Lowering


def blocked_input(low: Lowering, node: Node) -> Tensor:
    """The input in blocks; rows of a dense matrix serve as they are, since only valid lanes are read."""
    x = node.inputs[0]
    n, c, h, w = image_dims(x.shape)
    if (depth(x.shape), h, w) == (1, 1, 1) and not low.has_blocked(x) and not any(node.attrs["padding"]):
        dense = low.dense(x)
        return Tensor(dense.buffer, low.lanes, (n, c, 1, 1), c, low.lanes, low.lanes, dense.offset)
    return low.blocked(x)


def planar_input(low: Lowering, node: Node) -> Tensor:
    """The input as NCHW has it; with its border when there is padding."""
    x, padding, dims = node.inputs[0], node.attrs["padding"][-4:], image_dims(node.inputs[0].shape)
    dense = low.dense(x)
    source = slices(dense, x.shape) if depth(x.shape) > 1 else tensor(dense.buffer, dims, 1)
    if padding == NO_BORDER:
        return source
    planar = tensor(Buffer("arena", tensor_floats(dims, 1, padding), name=x.name), dims, 1, padding)
    low.relayout(source, planar, x)
    return planar


def expanded_input(low: Lowering, node: Node, ci_g: int, co_g: int) -> Tensor:
    """For lane-wise products: ci_g copies of the output's channels, the i-th holding each lane's i-th input channel."""
    x = low.blocked(node.inputs[0])
    if ci_g == 1 and co_g == 1:
        return x
    co = node.outputs[0].shape[1]
    padded = round_up(co, low.lanes)
    channel = [min(o, co - 1) // co_g * ci_g + i for i in range(ci_g) for o in range(padded)]
    n, _, h, w = x.dims
    dims = (n, padded * ci_g, h, w)
    wide = tensor(Buffer("arena", tensor_floats(dims, low.lanes, x.border), name=node.name), dims, low.lanes, x.border)
    low.relayout(x, wide, node.inputs[0], channel)
    return wide


def grouped_output(low: Lowering, node: Node, groups: int, co_g: int) -> Tensor:
    """Room for the outputs of a grouped convolution whose groups do not end at block boundaries: each begins a block."""
    n, _, h, w = image_dims(node.outputs[0].shape)
    dims = (n, groups * round_up(co_g, low.lanes), h, w)
    return tensor(Buffer("arena", tensor_floats(dims, low.lanes), name=node.name), dims, low.lanes)


def gather_groups(low: Lowering, node: Node, grouped: Tensor, co_g: int) -> None:
    """Bring what :func:`grouped_output` made room for into the output."""
    padded = round_up(co_g, low.lanes)
    channel = [c // co_g * padded + c % co_g for c in range(node.outputs[0].shape[1])]
    low.relayout(grouped, low.new_blocked(node.outputs[0]), node.outputs[0], channel)
