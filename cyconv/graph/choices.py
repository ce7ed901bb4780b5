"""What computes each product of a network, and in which format its weights are stored: decided once, for any batch size and threads.

Layer: graph; called by compile. graph/algorithm ranks the algorithms of a layer by estimated time; here the options of the compilation
decide between them, and the result is noted in the nodes' attributes "winograd" (a kind, or None for direct convolution) and "weights".
"""

from __future__ import annotations

from dataclasses import dataclass

from cyconv.graph.algorithm import BY_NAME, ranked
from cyconv.graph.ir import Graph, Node
from cyconv.graph.options import Options

PRODUCTS = ("conv2d", "linear")


@dataclass(frozen=True)
class Choice:
    """``algorithm`` is "direct" or the name of a Winograd kind, ``weights`` "float32" or "bfloat16"."""

    algorithm: str = "direct"
    weights: str = "float32"


def is_linear(node: Node) -> bool:
    """Whether a Linear layer recorded the node; passes may have made a convolution of it."""
    return node.op == "linear" or bool(node.attrs.get("linear"))


def possible(graph: Graph, node: Node, options: Options, lanes: int) -> list[Choice]:
    """What may compute a product, in the order of preference; weights that are inputs are neither transformed nor rounded."""
    constant = node.inputs[1] in graph.constants
    if is_linear(node):
        wide = Choice()
        return [Choice(weights=options.weights), wide] if constant and options.weights != wide.weights else [wide]
    if not constant or 0 in node.outputs[0].shape:
        return [Choice()]
    return [Choice(kind.name if kind else "direct") for kind in ranked(node, options.winograd, lanes)]


def choose_algorithms(graph: Graph, options: Options, lanes: int) -> None:
    """Note in the attributes of each product what computes it."""
    for node in graph.nodes:
        if node.op in PRODUCTS:
            choice = possible(graph, node, options, lanes)[0]
            node.attrs["winograd"] = BY_NAME.get(choice.algorithm)
            node.attrs["weights"] = choice.weights
