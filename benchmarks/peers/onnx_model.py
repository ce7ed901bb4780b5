"""A traced network as an ONNX model, so that another engine runs exactly what cyconv runs.

Covers the ops of the networks that are compared; another op is an error, never a guess.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from cyconv.graph import Graph, Node

OPSET = 17


def pads(node: Node) -> list[int]:
    """Padding in ONNX's order: top, left, bottom, right."""
    top, bottom, left, right = node.attrs["padding"]
    return [top, left, bottom, right]


def convert(node: Node) -> tuple[str, dict]:
    """The ONNX operator of a node and its attributes."""
    a = node.attrs
    if node.op == "conv2d":
        return "Conv", {"strides": a["stride"], "pads": pads(node), "dilations": a["dilation"], "group": a["groups"]}
    if node.op == "max_pool2d":
        shape = {"kernel_shape": a["kernel"], "strides": a["stride"], "pads": pads(node), "dilations": a["dilation"]}
        return "MaxPool", {**shape, "ceil_mode": int(a["ceil_mode"])}
    if node.op == "avg_pool2d" and a["divisor_override"] is None:
        shape = {"kernel_shape": a["kernel"], "strides": a["stride"], "pads": pads(node), "ceil_mode": int(a["ceil_mode"])}
        return "AveragePool", {**shape, "count_include_pad": int(a["count_include_pad"])}
    if node.op == "adaptive_avg_pool2d" and a["output_size"] == (1, 1):
        return "GlobalAveragePool", {}
    if node.op == "adaptive_avg_pool2d" and a["output_size"] == node.inputs[0].shape[2:]:
        return "Identity", {}
    if node.op == "local_response_norm":
        return "LRN", {"size": a["size"], "alpha": a["alpha"], "beta": a["beta"], "bias": a["k"]}
    if node.op == "linear":
        return "Gemm", {"transB": 1}
    if node.op == "batch_norm":
        return "BatchNormalization", {"epsilon": a["eps"]}
    if node.op == "cat":
        return "Concat", {"axis": a["dim"]}
    if node.op in ("softmax", "log_softmax"):
        return {"softmax": "Softmax", "log_softmax": "LogSoftmax"}[node.op], {"axis": a["dim"]}
    plain = {"relu": "Relu", "relu6": "Clip", "tanh": "Tanh", "sigmoid": "Sigmoid"}
    plain |= {"add": "Add", "mul": "Mul", "dropout": "Identity", "reshape": "Reshape"}
    if node.op not in plain:
        raise NotImplementedError(f"no ONNX operator is known here for {node.op} with {a}")
    return plain[node.op], {}


def extra_inputs(node: Node) -> list[np.ndarray]:
    """What ONNX takes as inputs and cyconv as attributes."""
    if node.op == "reshape":
        return [np.array(node.attrs["shape"], np.int64)]
    return [np.array(0, np.float32), np.array(6, np.float32)] if node.op == "relu6" else []


def onnx_model(graph: Graph) -> onnx.ModelProto:
    """The model of a traced graph; its inputs and outputs keep their order."""
    names = {v: f"v{i}" for i, v in enumerate(graph.values())}
    initializers = [numpy_helper.from_array(np.ascontiguousarray(array), names[v]) for v, array in graph.constants.items()]
    nodes = []
    for i, node in enumerate(graph.nodes):
        operator, attrs = convert(node)
        inputs = [names[v] for v in node.inputs]
        if node.op == "batch_norm":
            x, mean, var, weight, bias = inputs
            inputs = [x, weight, bias, mean, var]
        for j, array in enumerate(extra_inputs(node)):
            initializers.append(numpy_helper.from_array(array, f"n{i}_{j}"))
            inputs.append(f"n{i}_{j}")
        nodes.append(helper.make_node(operator, inputs, [names[v] for v in node.outputs], name=f"n{i}", **attrs))

    def infos(values):
        return [helper.make_tensor_value_info(names[v], TensorProto.FLOAT, v.shape) for v in values]

    body = helper.make_graph(nodes, "network", infos(graph.inputs), infos(graph.outputs), initializers)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = min(model.ir_version, 10)
    onnx.checker.check_model(model)
    return model
