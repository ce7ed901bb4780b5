"""Lowering of transposed convolution: each phase of the output is a convolution of stride 1, and all phases are one product.

See graph/phases.py; taps, packing and the driver are those of lower_conv.py.
"""

from __future__ import annotations

from cyconv.graph.ir import Node
from cyconv.graph.lower import Lowering, lowers
from cyconv.graph.lower_conv import Product, Source, emit_product
from cyconv.graph.lower_conv_places import expanded_input, gather_groups, grouped_output
from cyconv.graph.phases import transposed


@lowers("conv_transpose2d", "conv_transpose3d")
def lower_conv_transpose(low: Lowering, node: Node) -> None:
    """Lane-wise where each output channel has inputs of its own, dense otherwise."""
    attrs, lanes = node.attrs, low.lanes
    weight, bias = node.inputs[1], node.inputs[2] if attrs["has_bias"] else None
    groups, co_g, *kernel = attrs["groups"], *weight.shape[1:]
    ci_g = weight.shape[0] // groups
    if 0 in node.outputs[0].shape:
        low.new_blocked(node.outputs[0])
        return
    lanewise = groups > 1 and co_g == 1
    x = expanded_input(low, node, ci_g, co_g) if lanewise else low.blocked(node.inputs[0])
    per_group = -(-co_g // lanes)
    if lanewise:
        sources = [Source(weight, bias, 0, groups, (0, ci_g), 0, 0)]
    else:
        sources = [Source(weight, bias, g * co_g, co_g, (g * ci_g, ci_g), 0, g * per_group) for g in range(groups)]
    scattered = len(sources) > 1 and co_g % lanes != 0
    out = grouped_output(low, node, groups, co_g) if scattered else low.new_blocked(node.outputs[0])
    phases = transposed(node.inputs[0].shape[2:], node.outputs[0].shape[2:], kernel, attrs)
    p = Product(low, node, "lanewise" if lanewise else "dense", x, [out], None, sources, phases, (1, 1), attrs["stride"][-2:])
    p.by_input = not lanewise
    emit_product(p)
    if scattered:
        gather_groups(low, node, out, co_g)
