"""A pass: activations that other programs write as several ops become the one op that has a kernel here.

    x · sigmoid(x) = silu(x)        x · hardsigmoid(x) = hardswish(x)        x · (erf(x/√2) + 1) · ½ = gelu(x)

Layer of the house: graph; run by passes.py before anything is folded. Imported models have these forms.
"""

from __future__ import annotations

import math

from cyconv.graph.ir import Graph, Node, Value

GATES = {"sigmoid": "silu", "hardsigmoid": "hardswish"}
Producers = dict[Value, Node]
Found = tuple[str, list[Value], dict] | None


def join_activations(graph: Graph) -> None:
    """Replace the last op of each such form; what it was made of is dead then, unless something else reads it."""
    producers = graph.producers()
    for node in graph.nodes:
        if node.op == "mul":
            found = gate(producers, node) or gelu(graph, producers, node)
            if found is not None:
                node.op, node.inputs, node.attrs = found


def gate(producers: Producers, node: Node) -> Found:
    """x · f(x) for an f in GATES."""
    for x, y in (node.inputs, node.inputs[::-1]):
        made = producers.get(y)
        if made is not None and made.op in GATES and made.inputs[0] is x:
            return GATES[made.op], [x], {}
    return None


def gelu(graph: Graph, producers: Producers, node: Node) -> Found:
    """The product, in any order, of ½, x and erf(x/√2) + 1."""
    factors = []
    for v in node.inputs:
        made = producers.get(v)
        factors += made.inputs if made is not None and made.op == "mul" else [v]
    rest = [v for v in factors if not is_number(graph, v, 0.5)]
    if len(factors) != 3 or len(rest) != 2:
        return None
    for x, y in (rest, rest[::-1]):
        if x.shape == node.outputs[0].shape and is_erf_plus_one(graph, producers, x, y):
            return "gelu", [x], {"approximate": "none"}
    return None


def is_erf_plus_one(graph: Graph, producers: Producers, x: Value, y: Value) -> bool:
    """Whether y = erf(x/√2) + 1."""
    total = producers.get(y)
    if total is None or total.op != "add":
        return False
    for part, one in (total.inputs, total.inputs[::-1]):
        erf = producers.get(part)
        if erf is not None and erf.op == "erf" and is_number(graph, one, 1.0):
            scaled = producers.get(erf.inputs[0])
            if scaled is None or scaled.inputs[0] is not x or scaled.op not in ("mul", "div"):
                return False
            return is_number(graph, scaled.inputs[1], math.sqrt(0.5) if scaled.op == "mul" else math.sqrt(2.0))
    return False


def is_number(graph: Graph, v: Value, number: float) -> bool:
    """Whether ``v`` is a constant with this one number, to float32's precision."""
    array = graph.constants.get(v)
    return array is not None and array.size == 1 and math.isclose(float(array.reshape(-1)[0]), number, rel_tol=2e-7)
