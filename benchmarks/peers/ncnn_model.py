"""A traced network in ncnn's own format: a text with one layer per line, and the weights in the order of the lines.

As its converters do, BatchNorm is folded into convolutions and ReLU and ReLU6 behind a product become its activation.
Covers the ops of the networks that are compared; another op is an error, never a guess. ncnn knows no batch dimension.
"""

from __future__ import annotations

import struct
from collections import Counter

import numpy as np

from benchmarks.peers.simplify import simplified
from cyconv.graph import Graph, Node, Value
from cyconv.graph.passes import only_reader

MAGIC = "7767517"
RAW_FLOAT32 = struct.pack("<I", 0)  # stands before weights that could also be stored in other formats
# Parameters of a product that say what follows it: 9 is the kind of activation, −23310 its arguments as a counted list.
ACTIVATIONS = {"relu": "9=1", "relu6": "9=3 -23310=2,0.0,6.0"}


class NcnnModel:
    """``param`` (text), ``weights`` (pieces of the binary file) and the names of the ``input`` and ``output`` blobs."""

    def __init__(self, traced: Graph):
        self.graph = simplified(traced)
        self.weights: list[bytes] = []
        self._lines: list[str] = []
        self._blobs = 0
        self._names: dict[Value, list[str]] = {}  # of a value, one for each reader still to come
        self._fused: set[int] = set()
        self._readers = Counter(v for node in self.graph.nodes for v in node.inputs) + Counter(self.graph.outputs)
        source = self.graph.inputs[0]
        self.input = self._add("Input", [], source)
        for node in self.graph.nodes:
            if id(node) not in self._fused:
                self._convert(node)
        self.output = self._read(self.graph.outputs[0])
        self.param = "\n".join([MAGIC, f"{len(self._lines)} {self._blobs}", *self._lines, ""])

    def _read(self, v: Value) -> str:
        return self._names[v].pop()

    def _add(self, kind: str, inputs: list[str], output: Value, params: str = "") -> str:
        """Write a layer; a value that several layers read is split, since ncnn's blobs have one reader."""
        name = f"b{self._blobs}"
        self._blobs += 1
        self._lines.append(" ".join([kind, f"l{len(self._lines)}", str(len(inputs)), "1", *inputs, name, params]).rstrip())
        readers = self._readers[output]
        if readers < 2:
            self._names[output] = [name]
        else:
            copies = [f"{name}_{i}" for i in range(readers)]
            self._blobs += readers
            self._lines.append(" ".join(["Split", f"l{len(self._lines)}", "1", str(readers), name, *copies]))
            self._names[output] = copies
        return name

    def _convert(self, node: Node) -> None:
        if node.op in ("conv2d", "linear"):
            return self._product(node)
        if node.op == "adaptive_avg_pool2d" and node.attrs["output_size"] == node.inputs[0].shape[2:]:
            self._names[node.outputs[0]] = [self._read(node.inputs[0])]
            return None
        kind, params = plain_layer(node)
        if node.op == "batch_norm":
            mean, var, weight, bias = (self.graph.constants[v] for v in node.inputs[1:])
            self.weights += [np.ascontiguousarray(array, np.float32).tobytes() for array in (weight, mean, var, bias)]
        data = [v for v in node.inputs if v not in self.graph.constants]
        self._add(kind, [self._read(v) for v in data], node.outputs[0], params)
        return None

    def _product(self, node: Node) -> None:
        """A convolution or linear layer with its activation."""
        weight = self.graph.constants[node.inputs[1]]
        bias = [self.graph.constants[v] for v in node.inputs[2:]]
        kind, params = product_layer(node, weight.size, bool(bias))
        output = node.outputs[0]
        follower = only_reader(self.graph, output)
        if follower is not None and follower.op in ACTIVATIONS:
            params += " " + ACTIVATIONS[follower.op]
            self._fused.add(id(follower))
            output = follower.outputs[0]
        self.weights += [RAW_FLOAT32, weight.tobytes(), *(array.tobytes() for array in bias)]
        self._add(kind, [self._read(node.inputs[0])], output, params)


def product_layer(node: Node, weights: int, bias: bool) -> tuple[str, str]:
    """Kind and parameters of a convolution or linear layer."""
    a, outputs = node.attrs, node.inputs[1].shape[0]
    if node.op == "linear":
        return "InnerProduct", f"0={outputs} 1={int(bias)} 2={weights}"
    (kh, kw), (sh, sw), (dh, dw) = node.inputs[1].shape[2:], a["stride"], a["dilation"]
    top, bottom, left, right = a["padding"]
    params = f"0={outputs} 1={kw} 11={kh} 2={dw} 12={dh} 3={sw} 13={sh} 4={left} 15={right} 14={top} 16={bottom} 5={int(bias)} 6={weights}"
    return ("Convolution", params) if a["groups"] == 1 else ("ConvolutionDepthWise", f"{params} 7={a['groups']}")


def plain_layer(node: Node) -> tuple[str, str]:
    """Kind and parameters of a layer without weights (and of BatchNorm)."""
    a, x = node.attrs, node.inputs[0]
    if node.op in ("max_pool2d", "avg_pool2d"):
        (kh, kw), (sh, sw), (top, bottom, left, right) = a["kernel"], a["stride"], a["padding"]
        mode = f"0={int(node.op == 'avg_pool2d')} 5={int(not a['ceil_mode'])} 6={int(a.get('count_include_pad', False))}"
        return "Pooling", f"{mode} 1={kw} 11={kh} 2={sw} 12={sh} 3={left} 14={right} 13={top} 15={bottom}"
    if node.op == "adaptive_avg_pool2d":
        oh, ow = a["output_size"]
        return "Pooling", "0=1 4=1" if oh == ow == 1 else f"0=1 7=1 8={ow} 18={oh}"
    if node.op == "local_response_norm":
        return "LRN", f"0=0 1={a['size']} 2={float(a['alpha'])} 3={float(a['beta'])} 4={float(a['k'])}"
    if node.op == "batch_norm":
        return "BatchNorm", f"0={x.shape[1]} 1={float(a['eps'])}"
    if node.op == "reshape" and node.outputs[0].shape == (x.shape[0], int(np.prod(x.shape[1:]))):
        return "Flatten", ""
    if node.op == "softmax":
        return "Softmax", f"0={a['dim'] - 1} 1=1"
    plain = {"relu": "ReLU", "relu6": "Clip", "cat": "Concat", "add": "BinaryOp", "tanh": "TanH", "sigmoid": "Sigmoid"}
    params = {"relu6": "0=0.0 1=6.0", "add": "0=0", "cat": f"0={a.get('dim', 1) - 1}"}
    if node.op not in plain:
        raise NotImplementedError(f"no ncnn layer is known here for {node.op} with {a}")
    return plain[node.op], params.get(node.op, "")
