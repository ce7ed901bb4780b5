"""What computes each product of a network, and in which format its weights are stored: decided once, for any batch size and threads.

Layer: graph; called by compile. graph/algorithm ranks the algorithms of a layer by estimated time. Here the options of the compilation
decide between them: choices that are pinned come first, then what the tolerance admits, then what the budget for transformed weights
leaves. The result is noted in the nodes' attributes "winograd" (a kind, or None for direct convolution) and "weights".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from difflib import get_close_matches

import numpy as np

from cyconv.graph.algorithm import BY_NAME, direct_cycles, ranked, reduced, tile_cycles, winograd_cycles
from cyconv.graph.budget import within_budget
from cyconv.graph.ir import Graph, Node, branches_of
from cyconv.graph.layout import round_up
from cyconv.graph.options import Options
from cyconv.graph.pinned import Choice, choices_of
from cyconv.graph.tolerance import admit
from cyconv.winograd import ALL, AUTOMATIC

PRODUCTS = ("conv2d", "linear")
# Single calls convert layouts as well, more so on vectors: what these take of their estimate against tile registers, 1x1 and others. Fitted
# to the layers of three networks at batch 1 and 8.
CALL_COST, WINDOW_CALL_COST = 1.06, 1.2


def is_linear(node: Node) -> bool:
    """Whether the node was a Linear layer; passes may have made a convolution of it."""
    return node.op == "linear" or bool(node.attrs.get("linear"))


def signature(node: Node) -> str:
    """What a product computes, in words, whatever the batch."""
    weight = node.inputs[1].shape
    if is_linear(node):
        inputs = 1
        for d in weight[1:]:
            inputs *= d
        return f"linear {inputs} to {weight[0]}"
    a = node.attrs
    times = lambda sizes: "x".join(map(str, sizes))  # noqa: E731
    channels = "+".join(str(v.shape[1]) for v in node.outputs)
    return (
        f"conv2d {times(node.inputs[0].shape[1:])} to {channels}x{times(node.outputs[0].shape[2:])}, kernel {times(weight[2:])}, "
        f"stride {times(a['stride'])}, padding {times(a['padding'])}, dilation {times(a['dilation'])}, groups {a['groups']}"
    )


def named_products(graph: Graph) -> dict[str, Node]:
    """The products by name and signature; those that share both are numbered."""
    named: dict[str, Node] = {}
    seen: Counter = Counter()
    for node in graph.nodes:
        if node.op in PRODUCTS:
            key = f"{node.name}: {signature(node)}" if node.name else signature(node)
            named[f"{key} #{seen[key] + 1}" if seen[key] else key] = node
            seen[key] += 1
    return named


def possible(graph: Graph, node: Node, options: Options, lanes: int) -> list[Choice]:
    """What may compute a product, in the order of preference; weights that are inputs are neither transformed nor rounded."""
    constant = node.inputs[1] in graph.constants
    if is_linear(node):
        wide = Choice()
        return [Choice(weights=options.weights), wide] if constant and options.weights != wide.weights else [wide]
    if not constant or 0 in node.outputs[0].shape:
        return [Choice()]
    kinds = AUTOMATIC if options.tolerance is None else ALL  # a tolerance also holds those that err most
    return [Choice(kind.name if kind else "direct") for kind in ranked(node, options.winograd, lanes, kinds)]


def expect_known(pinned: Mapping[str, Choice], named: Mapping[str, Node]) -> None:
    """Raise ValueError when a pinned layer is not in the network."""
    for key in pinned:
        if key not in named:
            near = get_close_matches(key, named, 1, 0)
            raise ValueError(f"choices: the network has no layer {key!r}; " + (f"the nearest is {near[0]!r}" if near else "it has none"))


def expect_suitable(graph: Graph, node: Node, key: str, choice: Choice, lanes: int) -> Choice:
    """The pinned choice; ValueError when it cannot compute the layer."""
    if 0 in node.outputs[0].shape:
        return Choice()
    suitable = {Choice()}
    for options in (Options(weights="bfloat16"), *(Options(kind) for kind in BY_NAME)):
        suitable.update(possible(graph, node, options, lanes))
    if choice not in suitable:
        names = ", ".join(sorted(map(str, suitable)))
        raise ValueError(f"choices: {key!r} cannot be computed by {choice}; suitable are: {names}")
    return choice


def cycles_and_bytes(node: Node, choice: Choice, lanes: int) -> tuple[float, int]:
    """Estimated cycles for one image, and bytes of transformed weights."""
    kind = BY_NAME.get(choice.algorithm)
    if is_linear(node):
        return 0.0, 0
    groups, (channels, _) = node.attrs["groups"], reduced(node)
    if kind is None:
        return groups * min(direct_cycles(node, lanes), tile_cycles(node)), 0
    return groups * winograd_cycles(kind, node, lanes), 4 * kind.n**2 * channels * round_up(node.inputs[1].shape[0], lanes)


def keep_budget(named: Mapping[str, Node], alternatives: dict[str, list[Choice]], options: Options, lanes: int) -> None:
    """Put first, of each layer's alternatives, what the budget leaves it."""
    layers = {key: choices for key, choices in alternatives.items() if any(c.algorithm != "direct" for c in choices)}
    costs = [[cycles_and_bytes(named[key], choice, lanes) for choice in choices] for key, choices in layers.items()]
    for (key, choices), place in zip(layers.items(), within_budget(costs, options.weight_budget), strict=True):
        alternatives[key] = choices[place:]


def on_tiles(graph: Graph, node: Node, lanes: int) -> bool:
    """Whether a direct product is computed on tile registers, where they are faster: with weights that are constant and finite, or as the
    one op of a call beside reshapes, which otherwise spends more on its layouts."""
    weights = [w for w, _ in branches_of(node)]
    constant = all(w in graph.constants for w in weights)
    call = node.op == "conv2d" and all(other is node or other.op == "reshape" for other in graph.nodes)
    if is_linear(node) or 0 in node.outputs[0].shape or not (constant or call):
        return False
    layouts = 1.0 if constant else CALL_COST if node.inputs[1].shape[2:] == (1, 1) else WINDOW_CALL_COST
    if tile_cycles(node) >= layouts * direct_cycles(node, lanes):
        return False
    return not constant or all(bool(np.isfinite(graph.constants[w]).all()) for w in weights)


def choose_algorithms(graph: Graph, options: Options, lanes: int, like: Mapping[str, Choice] | None = None) -> dict[str, Choice]:
    """Note in the attributes of each product what computes it; the choices by name and signature.

    ``like`` are the choices of another plan of the same network, which this one takes over where it has the same layers.
    """
    named = named_products(graph)
    pinned = dict(like) if like is not None else choices_of(options.choices) if options.choices is not None else {}
    if like is None:
        expect_known(pinned, named)
    alternatives: dict[str, list[Choice]] = {}
    for key, node in named.items():
        if key in pinned:
            alternatives[key] = [expect_suitable(graph, node, key, pinned[key], lanes)]
        else:
            alternatives[key] = possible(graph, node, options, lanes)
    if options.tolerance is not None and like is None:
        admit(graph, named, alternatives, options.tolerance)
    if options.winograd == "auto" and like is None:
        keep_budget(named, alternatives, options, lanes)
    chosen = {key: choices[0] for key, choices in alternatives.items()}
    for key, choice in chosen.items():
        node = named[key]
        node.attrs |= {"winograd": BY_NAME.get(choice.algorithm), "weights": choice.weights}
        node.attrs["tiles"] = choice.algorithm == "direct" and on_tiles(graph, node, lanes)
    return chosen
