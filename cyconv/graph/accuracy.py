"""How exact a plan is: every value of the network against an evaluation in float64, as records and a table.

Layer: graph; called by Plan.accuracy. The float64 values are those of the ops' references, applied to the traced graph from its inputs
on, so an op's error includes what came in with its inputs.
"""

from __future__ import annotations

import numpy as np

from cyconv.graph.ir import FLOAT32, Graph, Value
from cyconv.ops import OPS
from cyconv.table import Table

COLUMNS = {"name": "layer", "op": "op", "shape": "output", "l2": "relative L2", "max": "max / largest"}


def widen(x: np.ndarray) -> np.ndarray:
    """float32 as float64, anything else as it is."""
    return x.astype(np.float64) if x.dtype == np.float32 else x


def evaluate(graph: Graph, inputs: list[np.ndarray]) -> dict[Value, np.ndarray]:
    """Inputs and all that the nodes make: what is float32 in the graph in float64, integers and bools as they are."""
    known = {v: widen(x) for v, x in zip(graph.inputs, inputs, strict=True)}
    for node in graph.nodes:
        given = [known[v] if v in known else widen(graph.constants[v]) for v in node.inputs]
        known.update(zip(node.outputs, OPS[node.op].reference(given, node.attrs), strict=True))
    return known


def relative_errors(y: np.ndarray, exact: np.ndarray) -> dict[str, float]:
    """``l2`` and ``max``, each 0 where all elements are equal, as in empty arrays; infinite where zeros should have come."""
    if np.array_equal(y, exact, equal_nan=True):
        return {"l2": 0.0, "max": 0.0}
    with np.errstate(divide="ignore", invalid="ignore"):
        error = y - exact
        return {"l2": float(np.linalg.norm(error) / np.linalg.norm(exact)), "max": float(np.abs(error).max() / np.abs(exact).max())}


class Accuracy:
    """Errors of a plan's values against float64.

    Attributes
    ----------
    records : list of dict
        For each op in running order, then for each output with ``op`` "output": ``name``, ``op``, ``shape``, ``l2`` (the error's L2
        norm relative to the exact value's) and ``max`` (the largest error relative to the largest exact element). Values of other
        dtypes are left out.
    """

    def __init__(self, graph: Graph, inputs: list[np.ndarray], captured: dict[Value, np.ndarray], outputs: list[np.ndarray]):
        exact = evaluate(graph, inputs)
        self.records = []
        for node in graph.nodes:
            v = node.outputs[0]
            if v.dtype != FLOAT32:
                continue
            errors = relative_errors(captured[v], exact[v])
            self.records.append({"name": node.name or node.op, "op": node.op, "shape": v.shape, **errors})
        for v, y in zip(graph.outputs, outputs, strict=True):
            if v.dtype == FLOAT32:
                self.records.append({"name": v.name, "op": "output", "shape": v.shape, **relative_errors(y, exact[v])})

    def table(self) -> Table:
        """The records for people: errors in two digits."""
        rows = [{**r, "l2": f"{r['l2']:.1e}", "max": f"{r['max']:.1e}"} for r in self.records]
        return Table(rows, COLUMNS, ["against float64; ops one by one, outputs as the plan computes them"])

    def to_markdown(self) -> str:
        """The table in Markdown."""
        return self.table().to_markdown()

    def __str__(self) -> str:
        return str(self.table())

    __repr__ = __str__
