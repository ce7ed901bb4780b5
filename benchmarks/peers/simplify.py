"""What users do by hand or by tool before they run a network in engines that do not fold by themselves (ncnn, eager PyTorch).

The converters of those engines call it. ONNX Runtime and OpenVINO get the network as it was traced and fold it themselves.
"""

from __future__ import annotations

from cyconv.graph import Graph, Node
from cyconv.graph.passes import fold_batch_norms, mark_products, remove_dead, remove_identities


def simplified(graph: Graph) -> Graph:
    """A copy without dropout, and with BatchNorm folded into the convolution before it (in float64)."""
    result = Graph()
    result.inputs, result.outputs, result.constants = list(graph.inputs), list(graph.outputs), dict(graph.constants)
    result.nodes = [Node(n.op, list(n.inputs), list(n.outputs), dict(n.attrs), n.name) for n in graph.nodes]
    for rewrite in (mark_products, remove_identities, fold_batch_norms, remove_dead):
        rewrite(result)
    return result
