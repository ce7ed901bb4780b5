"""How exact each way of computing a layer is, measured when a plan is compiled with a tolerance.

Layer: graph; called by graph/choices. What is measured is the product alone, without bias, residual and activation: the layer's own weights
(with normalisation folded in, of at most SAMPLE_OUTPUTS output channels, evenly spaced, or of the first whole groups) times standard
normal numbers, the same in every compilation. A convolution gets one image that gives at most SAMPLE_SIDE x SAMPLE_SIDE outputs without
padding, a linear layer LINEAR_ROWS rows. A plan of its own computes it, and in float64 the op's reference; the error is
‖y − exact‖ / ‖exact‖ over all outputs. Inputs of zero mean make sums cancel, so on a network's own data, which mostly comes from a ReLU,
the error is smaller as a rule; ``plan.accuracy(x)`` reports that.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan

import numpy as np

from cyconv.graph.accuracy import relative_errors
from cyconv.graph.ir import Graph, Node, Value, branches_of
from cyconv.graph.options import Options
from cyconv.graph.pinned import Choice
from cyconv.ops import OPS

SAMPLE_SIDE = 12  # three tiles of F(4,3), two of F(6,3)
SAMPLE_OUTPUTS = 32
LINEAR_ROWS = 8


class Sample:
    """A piece of one product of ``graph``, whose weights are constants: measures each choice once."""

    def __init__(self, graph: Graph, node: Node):
        branches = [graph.constants[weight] for weight, _ in branches_of(node)]
        if node.op == "linear" or node.attrs.get("linear"):
            self.op, self.attrs = "linear", {}
            (weight,) = branches
            self.weight = evenly(weight, SAMPLE_OUTPUTS).reshape(-1, weight[0].size)
            shape: tuple[int, ...] = (LINEAR_ROWS, weight[0].size)
        else:
            self.op = "conv2d"
            groups = max(1, min(node.attrs["groups"], SAMPLE_OUTPUTS * node.attrs["groups"] // branches[0].shape[0]))
            if node.attrs["groups"] > 1:
                self.weight = branches[0][: branches[0].shape[0] // node.attrs["groups"] * groups]
            else:
                self.weight = np.concatenate([evenly(weight, -(-SAMPLE_OUTPUTS // len(branches))) for weight in branches])
            self.attrs = {"padding": (0, 0, 0, 0), "groups": groups, **{key: node.attrs[key] for key in ("stride", "dilation")}}
            shape = (1, self.weight.shape[1] * groups, *map(self._side, node.outputs[0].shape[2:], self.weight.shape[2:], (0, 1)))
        self.x = np.random.default_rng(0).standard_normal(shape, np.float32)
        self.exact = OPS[self.op].reference([self.x.astype(np.float64), self.weight.astype(np.float64)], self.attrs)[0]
        self._errors: dict[Choice, float] = {}

    def _side(self, out: int, kernel: int, dim: int) -> int:
        """Input rows or columns behind at most SAMPLE_SIDE outputs."""
        return (min(out, SAMPLE_SIDE) - 1) * self.attrs["stride"][dim] + (kernel - 1) * self.attrs["dilation"][dim] + 1

    def error(self, choice: Choice) -> float:
        """The relative L2 error; NaN where weights are NaN or infinite."""
        if choice not in self._errors:
            self._errors[choice] = relative_errors(self._computed(choice), self.exact)["l2"]
        return self._errors[choice]

    def _computed(self, choice: Choice) -> np.ndarray:
        """What a plan with this choice makes of the sample."""
        from cyconv.graph.compile import compile_graph

        graph = Graph()
        graph.inputs, graph.outputs = [Value(self.x.shape, name="x")], [Value(self.exact.shape, name="y")]
        weight = graph.add_constant(self.weight, "weight")
        graph.nodes = [Node(self.op, [*graph.inputs, weight], graph.outputs, self.attrs)]
        winograd = "off" if choice.algorithm == "direct" else choice.algorithm
        with np.errstate(all="ignore"):
            return compile_graph(graph, 1, True, Options(winograd, choice.weights))(self.x)


def evenly(weight: np.ndarray, count: int) -> np.ndarray:
    """At most ``count`` output channels, evenly spaced."""
    return weight[np.linspace(0, len(weight) - 1, min(count, len(weight))).astype(int)]


def admit(graph: Graph, named: Mapping[str, Node], alternatives: dict[str, list[Choice]], tolerance: float) -> None:
    """Keep, of each layer's alternatives, those whose measured error is at most ``tolerance``; ValueError when a layer has none.

    A layer whose weights are inputs is not measured; only direct convolution computes it.
    """
    least: dict[str, tuple[float, Choice]] = {}
    for key, node in named.items():
        if node.inputs[1] not in graph.constants:
            continue
        sample = Sample(graph, node)
        kept = [choice for choice in alternatives[key] if sample.error(choice) <= tolerance]
        if not kept:
            least[key] = min(((sample.error(choice), choice) for choice in alternatives[key]), key=lambda pair: pair[0])
        alternatives[key] = kept
    if least:
        key = max(least, key=lambda k: (isnan(least[k][0]), least[k][0]))
        error, choice = least[key]
        raise ValueError(
            f"tolerance must be at least {1.05 * error:.1e} for this network, got {tolerance:g}: its layer {key!r} has an error of "
            f"{error:.2e} with {choice}, which is the most exact that may compute it"
        )
