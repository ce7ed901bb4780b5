"""Walking through a model's nodes: while a network is traced, and beforehand, to find what cannot be used.

A value is either known (a NumPy array: initialisers, constants, shapes and what follows from them) or traced. Layer of the
house: onnx; called by net.py and loading.py.
"""

from __future__ import annotations

import numpy as np

from cyconv.graph.ir import Value as GraphValue
from cyconv.graph.trace import Trace, Tracer
from cyconv.onnx.errors import Unsupported
from cyconv.onnx.fold import Budget
from cyconv.onnx.model import Model, ModelNode
from cyconv.onnx.registry import Call, Value, find_operator

Failures = list[tuple[ModelNode, str]]


class Walk:
    """One walk: ``values`` by name, and what went wrong at which node, apart for what is not supported and for what does not fit."""

    def __init__(self, model: Model, trace: Trace, values: dict[str, Value]):
        self.values = values
        self.unsupported: Failures = []
        self.misfits: Failures = []
        self._trace = trace
        self._outputs = set(model.outputs)
        budget = Budget(sum(array.nbytes for array in model.arrays.values()))
        for node in model.nodes:
            if all(name in values for name in node.inputs if name):
                self._visit(node, budget)

    def _visit(self, node: ModelNode, budget: Budget) -> None:
        """Evaluate one node whose inputs are there."""
        found = find_operator(node)
        if found is None:
            return
        call = Call(node, [self.values[name] if name else None for name in node.inputs], budget)
        try:
            with self._trace.scope(node.label):
                outputs = found.record(call)
            named = list(zip(node.outputs, outputs if isinstance(outputs, (list, tuple)) else [outputs], strict=False))
            if any(node.outputs[len(named) :]):
                raise Unsupported(f"its output {len(named) + 1}")
            for name, value in named:
                if name in self._outputs and isinstance(value, np.ndarray):
                    budget.spread(value)
        except (Unsupported, TypeError) as error:
            self.unsupported.append((node, str(error)))
        except (ValueError, IndexError, ArithmeticError, KeyError, AttributeError, MemoryError) as error:
            self.misfits.append((node, str(error) or type(error).__name__))
        else:
            for name, value in named:
                if name:
                    self.values[name] = value
                    if isinstance(value, Tracer):
                        self._trace.name(name, value)


class DryTrace(Trace):
    """A trace that keeps shapes only: arrays are neither copied nor held."""

    def constant(self, array, *options) -> GraphValue:
        return GraphValue(array.shape, array.dtype.name)


def inputs_to_know(model: Model) -> tuple[set[str], Failures]:
    """The inputs of the model that decide shapes, so that their numbers must be known when it is traced, and nodes that ask too much.

    They are found by going back from the inputs that an operator must know, as far as nothing but numbers of the model is left.
    """
    made_by = {name: node for node in model.nodes for name in node.outputs if name}
    inputs = {value.name: value for value in model.inputs}
    needed: set[str] = set()
    failures: Failures = []
    for node in model.nodes:
        found = find_operator(node)
        for place in found.known if found else ():
            if place >= len(node.inputs) or not node.inputs[place]:
                continue
            sources = _sources(node.inputs[place], made_by) & inputs.keys()
            large = [name for name in sources if inputs[name].dims is not None and len(inputs[name].dims or ()) > 1]
            if large:
                failures.append((node, f"its input {node.inputs[place]!r} depends on the numbers in {', '.join(sorted(large))}"))
            needed |= sources - set(large)
    return needed, failures


def _sources(name: str, made_by: dict[str, ModelNode]) -> set[str]:
    """The values without a node that ``name`` is computed from; only shapes matter of what stands before a Shape."""
    seen: set[str] = set()
    found: set[str] = set()
    left = [name]
    while left:
        name = left.pop()
        if name in seen or not name:
            continue
        seen.add(name)
        node = made_by.get(name)
        if node is None:
            found.add(name)
        elif node.op not in ("Shape", "Size"):
            left += node.inputs
    return found


def known_output(trace: Trace, value: Value) -> Tracer:
    """An output of the network: a known one becomes a constant of the graph."""
    if isinstance(value, np.ndarray):
        return Tracer(trace, trace.constant(np.ascontiguousarray(value).reshape(value.shape)))
    return value
