"""A graph being written as ONNX: names of values, nodes, and the arrays that they read.

The functions in write_*.py, one per op of the graph, say what becomes of it. Layer of the house: onnx; called by export.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx

from cyconv.graph.ir import Graph, Node, Value

OPSET, IR_VERSION = 21, 10  # of April 2024: the first opset in which every op of the graph has an operator
END = 2**63 - 1  # of a slice that goes to the end

WRITERS: dict[str, Callable[[Writer, Node], None]] = {}


def writes(*ops: str):
    """Register a function as the writer of these ops of the graph."""

    def register(function):
        for op in ops:
            WRITERS[op] = function
        return function

    return register


class Inexpressible(Exception):
    """ONNX has no operator for what a node does; the message says why."""


class Writer:
    """What has been written: ``nodes`` (NodeProto), ``arrays`` by name, of which ``own`` are the network's and not made here."""

    def __init__(self, graph: Graph, names: dict[Value, str], own: dict[Value, tuple[str, np.ndarray]]):
        self.graph = graph
        self.nodes: list[Any] = []
        self.arrays: dict[str, np.ndarray] = {}
        self.own: set[str] = set()
        self._names = dict(names)
        self._own = own
        self._taken = {*names.values(), *(name for name, _ in own.values())}

    def name(self, v: Value) -> str:
        """The name of a value; a constant's array is entered when it is first asked for."""
        if v not in self._names and v in self.graph.constants:
            self._names[v] = self._constant_name(v)
        return self._names[v]

    def _constant_name(self, v: Value) -> str:
        array = self.graph.constants[v]
        if v not in self._own:
            return self.constant(array)
        name, stored = self._own[v]
        self.arrays[name] = stored
        self.own.add(name)
        if stored.shape == array.shape:
            return name
        return self.add("Reshape", [name, self.integers(array.shape)])

    def fresh(self, wish: str) -> str:
        """A name that is not taken: the wish, or the wish and a number."""
        name, n = wish, 0
        while name in self._taken or not name:
            n += 1
            name = f"{wish}_{n}"
        self._taken.add(name)
        return name

    def define(self, node: Node, place: int = 0) -> str:
        """The name of an output of ``node``, made from the path of its layer."""
        v = node.outputs[place]
        if v not in self._names:
            self._names[v] = self.fresh(node.name or node.op)
        return self._names[v]

    def alias(self, v: Value, name: str) -> None:
        """``v`` is what has this name already; an output of the graph gets a copy of its own."""
        if v in self._names:
            self.nodes.append(onnx.helper.make_node("Identity", [name], [self._names[v]], self._names[v]))
        else:
            self._names[v] = name

    def constant(self, array: np.ndarray) -> str:
        """The name of a new initialiser."""
        name = self.fresh(f"constant{len(self.arrays)}")
        self.arrays[name] = array
        return name

    def integers(self, numbers) -> str:
        """The name of an initialiser with these whole numbers."""
        return self.constant(np.asarray(numbers, np.int64))

    def scalar(self, value, dtype: str = "float32") -> str:
        """The name of an initialiser with one number."""
        return self.constant(np.asarray(value, dtype))

    def add(self, op: str, inputs: list[str], output: str | list[str] | None = None, **attrs) -> str:
        """Append a node; the name of its (first) output, which is made up when none is given."""
        outputs = [output] if isinstance(output, str) else output or [self.fresh(f"{op.lower()}{len(self.nodes)}")]
        self.nodes.append(onnx.helper.make_node(op, inputs, outputs, outputs[0], **attrs))
        return outputs[0]

    def simple(self, node: Node, op: str, **attrs) -> None:
        """Write ``node`` as one operator that takes its inputs and gives its first output."""
        self.add(op, [self.name(v) for v in node.inputs], self.define(node), **attrs)
