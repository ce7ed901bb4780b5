"""Passes: rewrites of a graph that keep what it computes (up to rounding where weights are folded) and make it cheaper.

`optimise` runs them in order on a copy. Each pass is a function from a graph to nothing that edits the graph in place; a value
that is an output of the graph (also one that the user captures) is never fused away.
"""

from __future__ import annotations

from math import inf

import numpy as np

from cyconv.graph.ir import Graph, Node, Value
from cyconv.graph.patterns import join_activations

TRANSPOSED = ("conv_transpose2d", "conv_transpose3d")
PRODUCTS = ("conv2d", "conv3d", *TRANSPOSED, "linear")
FUSED_ACTIVATIONS = {"relu": ("clamp", 0.0, inf, 0.0), "relu6": ("clamp", 0.0, 6.0, 0.0)}


@np.errstate(all="ignore")  # weights may be infinite or NaN
def optimise(graph: Graph) -> Graph:
    """A rewritten copy of ``graph``; the arrays of the constants are shared."""
    result = Graph()
    result.inputs, result.outputs, result.constants = list(graph.inputs), list(graph.outputs), dict(graph.constants)
    result.nodes = [Node(n.op, list(n.inputs), list(n.outputs), dict(n.attrs), n.name) for n in graph.nodes]
    for rewrite in (
        matmul_into_linear,
        mark_products,
        remove_identities,
        join_activations,
        fold_channel_arithmetic,
        fold_batch_norms,
        flatten_into_linear,
        fuse_residuals,
        fuse_activations,
        merge_siblings,
    ):
        rewrite(result)
    remove_dead(result)
    result.check()
    return result


def replace(graph: Graph, old: Value, new: Value) -> None:
    """Let every reader of ``old`` read ``new``."""
    for node in graph.nodes:
        node.inputs = [new if v is old else v for v in node.inputs]


def only_reader(graph: Graph, v: Value) -> Node | None:
    """The one node that reads ``v``, if there is one and ``v`` is no output."""
    readers = [node for node in graph.nodes if v in node.inputs]
    return readers[0] if len(readers) == 1 and readers[0].inputs.count(v) == 1 and v not in graph.outputs else None


def matmul_into_linear(graph: Graph) -> None:
    """A product with a constant matrix on the right is a linear layer with its transpose as weight."""
    for node in graph.nodes:
        if node.op == "matmul" and node.inputs[1] in graph.constants and len(node.inputs[1].shape) == 2:
            weight = np.ascontiguousarray(graph.constants[node.inputs[1]].T)
            node.op, node.inputs[1] = "linear", graph.add_constant(weight, node.inputs[1].name)


def mark_products(graph: Graph) -> None:
    """Say of each product whether it has a bias: passes append other inputs behind it."""
    for node in graph.nodes:
        if node.op in PRODUCTS:
            node.attrs["has_bias"] = len(node.inputs) > 2


def is_identity(node: Node) -> bool:
    """Whether the node gives out what comes in."""
    if node.op == "dropout" or (node.op == "cat" and len(node.inputs) == 1):
        return True
    if node.op == "pad":
        return all(side == (0, 0) for side in node.attrs["pad"])
    if node.op == "permute":
        return list(node.attrs["dims"]) == sorted(node.attrs["dims"])
    if node.op == "slice" and min(node.attrs["steps"], default=1) < 0:
        return False
    if node.op == "cast":
        return node.inputs[0].dtype == node.outputs[0].dtype
    if node.op in ("adaptive_avg_pool2d", "adaptive_max_pool2d"):  # of single cells
        return len(node.outputs) == 1 and node.inputs[0].shape == node.outputs[0].shape
    if node.op in ("avg_pool2d", "max_pool2d"):
        cells = {*node.attrs["kernel"], *node.attrs["stride"]} == {1} and not any(node.attrs["padding"])
        return cells and len(node.outputs) == 1 and not node.attrs.get("divisor_override")
    return node.op in ("reshape", "slice", "expand", "tile") and node.inputs[0].shape == node.outputs[0].shape


def remove_identities(graph: Graph) -> None:
    """Drop dropout (in inference), empty padding, whole slices, reshapes to the same shape and the like; join chains of reshapes."""
    kept = []
    for node in graph.nodes:
        if is_identity(node):
            replace(graph, node.outputs[0], node.inputs[0])
            graph.outputs = [node.inputs[0] if v is node.outputs[0] else v for v in graph.outputs]
            continue
        kept.append(node)
    graph.nodes = kept
    producers = graph.producers()
    for node in graph.nodes:
        before = producers.get(node.inputs[0]) if node.op == "reshape" else None
        if before is not None and before.op == "reshape":
            node.inputs = list(before.inputs)


def remove_dead(graph: Graph) -> None:
    """Drop nodes whose outputs nobody reads, and constants that are left over."""
    needed = set(graph.outputs)
    kept = []
    for node in reversed(graph.nodes):
        if any(v in needed for v in node.outputs):
            needed.update(node.inputs)
            kept.append(node)
    graph.nodes = kept[::-1]
    graph.constants = {v: array for v, array in graph.constants.items() if v in needed}


def channel_numbers(graph: Graph, v: Value, product: Node) -> np.ndarray | None:
    """The constant ``v`` as one number for each output channel of ``product``, None when it is no such constant."""
    shape = product.outputs[0].shape
    axis = len(shape) - 1 if product.op == "linear" else 1
    behind = len(shape) - 1 - axis
    own = v.shape[len(v.shape) - 1 - behind] if len(v.shape) > behind else 1
    if v not in graph.constants or len(v.shape) > len(shape) or graph.constants[v].size != own:
        return None
    return np.broadcast_to(graph.constants[v].reshape(-1), shape[axis]) if own in (1, shape[axis]) else None


def fold_channel_arithmetic(graph: Graph) -> None:
    """conv, linear or batch_norm → add or mul of one constant a channel becomes a bias, or goes into weight and bias, in float64."""
    producers = graph.producers()
    for node in list(graph.nodes):
        if node.op not in ("add", "mul"):
            continue
        for mine, other in ((0, 1), (1, 0)):
            product = producers.get(node.inputs[mine])
            if product is None or product.op not in (*PRODUCTS, "batch_norm"):
                continue
            first = 3 if product.op == "batch_norm" else 1  # the place of the weight; the bias follows
            numbers = channel_numbers(graph, node.inputs[other], product)
            if numbers is None or only_reader(graph, product.outputs[0]) is not node or node.outputs[0].shape != product.outputs[0].shape:
                continue
            if not all(v in graph.constants for v in product.inputs[first:]):
                continue
            _into_weights(graph, product, first, node.op, numbers)
            product.outputs = node.outputs
            graph.nodes.remove(node)
            producers[node.outputs[0]] = product
            break


def _into_weights(graph: Graph, product: Node, first: int, op: str, numbers: np.ndarray) -> None:
    """Let ``product`` add ``numbers`` to, or multiply them with, what it makes."""
    wide = numbers.astype(np.float64)
    weight, *biases = product.inputs[first:]
    bias = graph.constants[biases[0]].astype(np.float64) if biases else np.zeros(len(wide))
    if op == "mul":
        weight = graph.add_constant(scaled_outputs(product, graph.constants[weight], wide), weight.name)
    bias = bias + wide if op == "add" else bias * wide
    product.inputs[first:] = [weight, graph.add_constant(bias.astype(np.float32), f"{product.name}.bias")]
    if product.op != "batch_norm":
        product.attrs["has_bias"] = True


def scaled_outputs(product: Node, weight: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """``weight`` with what makes each output channel times a factor; in float64 piece by piece, so that no copy of it all is that wide."""
    outputs_at = 2 if product.op in TRANSPOSED else 1  # in (groups, inputs, outputs / groups, …), or (1, outputs, …)
    groups = product.attrs["groups"] if product.op in TRANSPOSED else 1
    split = weight.reshape(groups, -1, *weight.shape[1:]) if product.op in TRANSPOSED else weight[None]
    shape = [groups, *[1] * (split.ndim - 1)]
    shape[outputs_at] = -1
    scaled = np.empty_like(split)
    np.multiply(split, factors.reshape(shape), out=scaled, dtype=np.float64, casting="same_kind")
    return scaled.reshape(weight.shape)


def fold_batch_norms(graph: Graph) -> None:
    """conv → batch_norm with constant parameters becomes a conv: w' = w·γ/√(σ²+ε), b' = (b − μ)·γ/√(σ²+ε) + β, in float64."""
    for node in list(graph.nodes):
        if node.op not in PRODUCTS:
            continue
        norm = only_reader(graph, node.outputs[0])
        if norm is None or norm.op != "batch_norm" or norm.inputs[0] is not node.outputs[0]:
            continue
        if (node.op == "linear" and len(node.outputs[0].shape) != 2) or not all(
            v in graph.constants for v in [*node.inputs[1:], *norm.inputs[1:]]
        ):
            continue
        mean, var, gamma, beta = (graph.constants[v].astype(np.float64) for v in norm.inputs[1:])
        weight = graph.constants[node.inputs[1]]
        bias = graph.constants[node.inputs[2]].astype(np.float64) if node.attrs["has_bias"] else 0.0
        scale = gamma / np.sqrt(var + norm.attrs["eps"])
        name = norm.name or node.name
        node.inputs[1:] = [
            graph.add_constant(scaled_outputs(node, weight, scale), f"{name}.weight"),
            graph.add_constant(((bias - mean) * scale + beta).astype(np.float32), f"{name}.bias"),
        ]
        node.attrs["has_bias"] = True
        node.outputs = norm.outputs
        graph.nodes.remove(norm)


def flatten_into_linear(graph: Graph) -> None:
    """(N, C, H, W) → reshape (N, C·H·W) → linear becomes a convolution with an H x W kernel, marked as "linear": no data is moved."""
    producers = graph.producers()
    for place, node in enumerate(graph.nodes):
        reshape = producers.get(node.inputs[0]) if node.op == "linear" else None
        if reshape is None or reshape.op != "reshape" or len(reshape.inputs[0].shape) != 4 or len(node.inputs[0].shape) != 2:
            continue
        n, c, h, w = reshape.inputs[0].shape
        if node.inputs[0].shape != (n, c * h * w) or h * w == 1 or node.inputs[1] not in graph.constants:
            continue
        m = node.outputs[0].shape[1]
        weight = graph.add_constant(graph.constants[node.inputs[1]].reshape(m, c, h, w), node.inputs[1].name)
        image = Value((n, m, 1, 1), name=node.outputs[0].name)
        attrs = {"stride": (1, 1), "padding": (0, 0, 0, 0), "dilation": (1, 1), "groups": 1, "has_bias": node.attrs["has_bias"]}
        attrs["linear"] = True
        conv = Node("conv2d", [reshape.inputs[0], weight, *node.inputs[2:]], [image], attrs, node.name)
        graph.nodes[place] = conv
        graph.nodes.insert(place + 1, Node("reshape", [image], node.outputs, {"shape": (n, m)}, node.name))
        flatten_into_linear(graph)
        return


def fuse_residuals(graph: Graph) -> None:
    """add(conv(x), y) of equal shapes becomes one product that adds y in its store."""
    producers = graph.producers()
    for node in list(graph.nodes):
        if node.op != "add" or node.inputs[0].shape != node.inputs[1].shape or node.inputs[0] is node.inputs[1]:
            continue
        for mine, other in ((1, 0), (0, 1)):
            conv = producers.get(node.inputs[mine])
            if conv is None or conv.op not in ("conv2d", "conv3d") or conv.attrs["groups"] != 1 or conv.attrs.get("residual"):
                continue
            if only_reader(graph, conv.outputs[0]) is node:
                fused = Node(conv.op, [*conv.inputs, node.inputs[other]], node.outputs, {**conv.attrs, "residual": True}, conv.name)
                graph.nodes.remove(conv)
                graph.nodes[graph.nodes.index(node)] = fused
                producers = graph.producers()
                break


def fuse_activations(graph: Graph) -> None:
    """relu, relu6 and leaky_relu behind a product move into its store; so they may behind a reshape of a product."""
    producers = graph.producers()
    for node in list(graph.nodes):
        if node.op not in FUSED_ACTIVATIONS and node.op != "leaky_relu":
            continue
        product = producers.get(node.inputs[0])
        through = None
        if product is not None and product.op == "reshape" and only_reader(graph, product.outputs[0]) is node:
            through, product = product, producers.get(product.inputs[0])
        if product is None or product.op not in PRODUCTS or "activation" in product.attrs:
            continue
        if only_reader(graph, product.outputs[0]) is not (through or node):
            continue
        if node.op == "leaky_relu":
            product.attrs["activation"] = ("leaky_relu", 0.0, 0.0, node.attrs["negative_slope"])
        else:
            product.attrs["activation"] = FUSED_ACTIVATIONS[node.op]
        (through or product).outputs = node.outputs
        graph.nodes.remove(node)
        producers = graph.producers()


def sibling_key(graph: Graph, node: Node):
    """Convolutions with equal keys can become one product; None when the node cannot be merged."""
    a = node.attrs
    if not all(v in graph.constants for v in node.inputs[1:]):
        return None
    if node.op != "conv2d" or a["groups"] != 1 or a.get("residual") or node.inputs[1].shape[2:] != (1, 1):
        return None
    if a["stride"] != (1, 1) or a["padding"] != (0, 0, 0, 0):
        return None
    return node.inputs[0], a.get("activation"), a["has_bias"]


def merge_siblings(graph: Graph) -> None:
    """1x1 convolutions of the same input become one product with several outputs (the branches of an Inception module)."""
    families: dict[object, list[Node]] = {}
    for node in graph.nodes:
        key = sibling_key(graph, node)
        if key is not None:
            families.setdefault(key, []).append(node)
    for nodes in families.values():
        if len(nodes) < 2:
            continue
        inputs = [nodes[0].inputs[0]] + [v for node in nodes for v in node.inputs[1:]]
        outputs = [v for node in nodes for v in node.outputs]
        merged = Node("conv2d", inputs, outputs, {**nodes[0].attrs, "branches": len(nodes)}, " + ".join(n.name for n in nodes))
        graph.nodes[graph.nodes.index(nodes[0])] = merged
        for node in nodes[1:]:
            graph.nodes.remove(node)
