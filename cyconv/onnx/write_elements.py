"""Element-wise ops, comparisons and reductions as ONNX operators. The table is in writer.py."""

from __future__ import annotations

import numpy as np
import onnx

from cyconv.graph.ir import Node
from cyconv.onnx.writer import Inexpressible, Writer, writes

# Ops that have an operator of the same meaning, without attributes.
_SAME = {
    "relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "hardswish": "HardSwish", "selu": "Selu", "mish": "Mish", "sqrt": "Sqrt",
    "exp": "Exp", "log": "Log", "abs": "Abs", "neg": "Neg", "sign": "Sign", "floor": "Floor", "ceil": "Ceil", "erf": "Erf",
    "reciprocal": "Reciprocal", "add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "pow": "Pow", "minimum": "Min", "maximum": "Max",
    "equal": "Equal", "greater": "Greater", "less": "Less", "greater_equal": "GreaterOrEqual", "less_equal": "LessOrEqual",
    "where": "Where", "matmul": "MatMul",
}  # fmt: skip
_REDUCTIONS = {"reduce_sum": "ReduceSum", "reduce_mean": "ReduceMean", "reduce_max": "ReduceMax", "reduce_min": "ReduceMin"}


@writes(*_SAME)
def same(w: Writer, node: Node) -> None:
    """One operator."""
    w.simple(node, _SAME[node.op])


@writes("not_equal")
def not_equal(w: Writer, node: Node) -> None:
    """Not of Equal."""
    w.add("Not", [w.add("Equal", [w.name(v) for v in node.inputs])], w.define(node))


@writes("relu6")
def relu6(w: Writer, node: Node) -> None:
    """Clip between 0 and 6."""
    w.add("Clip", [w.name(node.inputs[0]), w.scalar(0.0), w.scalar(6.0)], w.define(node))


@writes("clip")
def clip(w: Writer, node: Node) -> None:
    """Clip, with infinite bounds as they are."""
    w.add("Clip", [w.name(node.inputs[0]), w.scalar(node.attrs["min"]), w.scalar(node.attrs["max"])], w.define(node))


@writes("leaky_relu")
def leaky_relu(w: Writer, node: Node) -> None:
    """LeakyRelu."""
    w.simple(node, "LeakyRelu", alpha=float(node.attrs["negative_slope"]))


@writes("elu")
def elu(w: Writer, node: Node) -> None:
    """Elu."""
    w.simple(node, "Elu", alpha=float(node.attrs["alpha"]))


@writes("hardsigmoid")
def hardsigmoid(w: Writer, node: Node) -> None:
    """HardSigmoid with PyTorch's slope."""
    w.simple(node, "HardSigmoid", alpha=1 / 6, beta=0.5)


@writes("silu")
def silu(w: Writer, node: Node) -> None:
    """x times Sigmoid."""
    x = w.name(node.inputs[0])
    w.add("Mul", [x, w.add("Sigmoid", [x])], w.define(node))


@writes("gelu")
def gelu(w: Writer, node: Node) -> None:
    """Gelu."""
    w.simple(node, "Gelu", approximate=node.attrs["approximate"])


@writes("softplus")
def softplus(w: Writer, node: Node) -> None:
    """Softplus(beta·x)/beta; the threshold only spares PyTorch an overflow."""
    x, beta = w.name(node.inputs[0]), float(node.attrs["beta"])
    if beta == 1:
        w.add("Softplus", [x], w.define(node))
    else:
        w.add("Div", [w.add("Softplus", [w.add("Mul", [x, w.scalar(beta)])]), w.scalar(beta)], w.define(node))


@writes("prelu")
def prelu(w: Writer, node: Node) -> None:
    """PRelu; one slope a channel broadcasts from behind there."""
    x, slope = node.inputs
    name = w.name(slope)
    if slope.shape != (1,) and len(x.shape) > 2:
        name = w.add("Reshape", [name, w.integers((-1, *[1] * (len(x.shape) - 2)))])
    w.add("PRelu", [w.name(x), name], w.define(node))


@writes("softmax", "log_softmax")
def softmax(w: Writer, node: Node) -> None:
    """Softmax or LogSoftmax."""
    w.simple(node, "Softmax" if node.op == "softmax" else "LogSoftmax", axis=node.attrs["dim"])


@writes("dropout")
def dropout(w: Writer, node: Node) -> None:
    """Nothing: in inference it is the identity."""
    w.alias(node.outputs[0], w.name(node.inputs[0]))


@writes("cast")
def cast(w: Writer, node: Node) -> None:
    """Cast."""
    w.simple(node, "Cast", to=onnx.helper.np_dtype_to_tensor_dtype(np.dtype(node.attrs["dtype"])))


@writes(*_REDUCTIONS)
def reduction(w: Writer, node: Node) -> None:
    """A reduction whose axes are an input."""
    dims = tuple(node.attrs["dims"])
    keep = int(node.attrs["keepdim"])
    if not dims:
        raise Inexpressible("a reduction along no axis")
    w.add(_REDUCTIONS[node.op], [w.name(node.inputs[0]), w.integers(dims)], w.define(node), keepdims=keep)


@writes("argmax")
def argmax(w: Writer, node: Node) -> None:
    """ArgMax; of equal numbers the first counts in both, or the last."""
    a = node.attrs
    w.simple(node, "ArgMax", axis=a["dim"], keepdims=int(a["keepdim"]), select_last_index=int(a.get("last", False)))


@writes("topk")
def topk(w: Writer, node: Node) -> None:
    """TopK."""
    a = node.attrs
    outputs = [w.define(node, 0), w.define(node, 1)]
    inputs = [w.name(node.inputs[0]), w.integers([a["k"]])]
    w.add("TopK", inputs, outputs, axis=a["dim"], largest=int(a["largest"]), sorted=int(a["sorted"]))
