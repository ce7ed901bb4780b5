"""The one intermediate form: a graph of ops over values.

Layers, importers and single function calls all end in a :class:`Graph`. A value is a name for an array of
known shape and dtype; a node applies one op of :mod:`cyconv.ops` to values. Every value is made exactly once:
it is a graph input, a constant, or the output of one node, and nodes stand in an order in which they can run.
Passes rewrite graphs, :mod:`cyconv.graph.compile` turns one into a plan.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cyconv.ops.dtypes import BOOL, FLOAT32, INT32, INT64

__all__ = ["BOOL", "FLOAT32", "INT32", "INT64", "Graph", "Node", "Value"]


class Value:
    """One array in the graph: ``shape`` (tuple of int), ``dtype`` ("float32", "int32", "int64" or "bool") and a readable ``name``."""

    __slots__ = ("dtype", "name", "shape")

    def __init__(self, shape: tuple[int, ...], dtype: str = FLOAT32, name: str = ""):
        self.shape = tuple(int(d) for d in shape)
        self.dtype = dtype
        self.name = name

    def __repr__(self) -> str:
        return f"{self.name or 'value'}{list(self.shape)}"


class Node:
    """``outputs = op(*inputs, **attrs)``; ``name`` is the path of the layer that recorded it, such as ``inception3a.branch1``."""

    __slots__ = ("attrs", "inputs", "name", "op", "outputs")

    def __init__(self, op: str, inputs: list[Value], outputs: list[Value], attrs: dict, name: str = ""):
        self.op = op
        self.inputs = inputs
        self.outputs = outputs
        self.attrs = attrs
        self.name = name

    def __repr__(self) -> str:
        return f"{self.outputs} = {self.op}({self.inputs}, {self.attrs})"


def branches_of(node: Node) -> list[tuple[Value, Value | None]]:
    """(weight, bias or None) of each branch of a product; several where sibling 1x1 convolutions were merged."""
    each = 2 if node.attrs["has_bias"] else 1
    starts = range(1, 1 + each * node.attrs.get("branches", 1), each)
    return [(node.inputs[i], node.inputs[i + 1] if each == 2 else None) for i in starts]


class Graph:
    """``inputs`` and ``outputs`` (lists of Value), ``nodes`` in running order, ``constants`` (Value → read-only array).

    ``names`` holds values that have names of their own, apart from the paths of nodes: those of an imported model. ``origins`` holds, for
    constants that were copied while tracing, the arrays that they are copies of, such as the transposed view of a parameter.
    """

    def __init__(self) -> None:
        self.inputs: list[Value] = []
        self.outputs: list[Value] = []
        self.nodes: list[Node] = []
        self.constants: dict[Value, np.ndarray] = {}
        self.names: dict[str, Value] = {}
        self.origins: dict[Value, np.ndarray] = {}

    def add_constant(self, array: np.ndarray, name: str = "") -> Value:
        value = Value(array.shape, str(array.dtype), name)
        self.constants[value] = array
        return value

    def producers(self) -> dict[Value, Node]:
        """The node that makes each value."""
        return {v: node for node in self.nodes for v in node.outputs}

    def values(self) -> Iterator[Value]:
        """All values: inputs, constants, then what the nodes make."""
        yield from self.inputs
        yield from self.constants
        for node in self.nodes:
            yield from node.outputs

    def check(self) -> None:
        """Raise ValueError when a value is read before it is made, made twice, or an output is never made."""
        known = set(self.inputs) | set(self.constants)
        for node in self.nodes:
            for v in node.inputs:
                if v not in known:
                    raise ValueError(f"{node.name or node.op}: {v!r} is read before it is made")
            for v in node.outputs:
                if v in known:
                    raise ValueError(f"{node.name or node.op}: {v!r} is made twice")
                known.add(v)
        for v in self.outputs:
            if v not in known:
                raise ValueError(f"output {v!r} is never made")

    def __repr__(self) -> str:
        lines = [f"inputs: {self.inputs}", *(repr(n) for n in self.nodes), f"outputs: {self.outputs}"]
        return "\n".join(lines)
