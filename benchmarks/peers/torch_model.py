"""A traced network as a PyTorch module: the graph's nodes as calls of torch.nn.functional, in channels-last layout.

Both PyTorch engines run it. As in hand-written inference code, BatchNorm is folded into convolutions and ReLU works in place.
Covers the ops of the networks that are compared; another op is an error, never a guess.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

from benchmarks.peers.simplify import simplified
from cyconv.graph import Graph, Node, Value
from cyconv.graph.passes import only_reader


def conv2d(a: dict, x, weight, bias=None):
    top, bottom, left, right = a["padding"]
    if (top, left) != (bottom, right):
        x, top, left = F.pad(x, (left, right, top, bottom)), 0, 0
    return F.conv2d(x, weight, bias, a["stride"], (top, left), a["dilation"], a["groups"])


def max_pool2d(a: dict, x):
    top, _, left, _ = a["padding"]
    return F.max_pool2d(x, a["kernel"], a["stride"], (top, left), a["dilation"], a["ceil_mode"])


def avg_pool2d(a: dict, x):
    top, _, left, _ = a["padding"]
    return F.avg_pool2d(x, a["kernel"], a["stride"], (top, left), a["ceil_mode"], a["count_include_pad"], a["divisor_override"])


FUNCTIONS: dict[str, Callable] = {
    "conv2d": conv2d,
    "max_pool2d": max_pool2d,
    "avg_pool2d": avg_pool2d,
    "adaptive_avg_pool2d": lambda a, x: F.adaptive_avg_pool2d(x, a["output_size"]),
    "local_response_norm": lambda a, x: F.local_response_norm(x, a["size"], a["alpha"], a["beta"], a["k"]),
    "batch_norm": lambda a, x, mean, var, weight, bias: F.batch_norm(x, mean, var, weight, bias, False, 0.0, a["eps"]),
    "linear": lambda a, x, weight, bias=None: F.linear(x, weight, bias),
    "relu": lambda a, x: F.relu(x, inplace=a["inplace"]),
    "relu6": lambda a, x: F.relu6(x, inplace=a["inplace"]),
    "softmax": lambda a, x: F.softmax(x, a["dim"]),
    "cat": lambda a, *xs: torch.cat(xs, a["dim"]),
    "reshape": lambda a, x: x.reshape(a["shape"]),
    "add": lambda a, x, y: x + y,
    "mul": lambda a, x, y: x * y,
}


class TorchModel(torch.nn.Module):
    """The network; ``forward`` takes an NCHW tensor in any memory format."""

    def __init__(self, traced: Graph):
        super().__init__()
        graph = simplified(traced)
        numbers: dict[Value, int] = {v: i for i, v in enumerate(graph.values())}
        self._input, self._output = numbers[graph.inputs[0]], numbers[graph.outputs[0]]
        self._constants: list[int] = []
        for v, array in graph.constants.items():
            tensor = torch.tensor(array)
            layout = torch.channels_last if tensor.ndim == 4 else torch.contiguous_format
            self.register_buffer(f"constant{numbers[v]}", tensor.contiguous(memory_format=layout))
            self._constants.append(numbers[v])
        self._steps = [self._step(graph, node, numbers) for node in graph.nodes]

    @staticmethod
    def _step(graph: Graph, node: Node, numbers: dict[Value, int]) -> tuple:
        if node.op not in FUNCTIONS or any(side != other for side, other in uneven_pads(node)):
            raise NotImplementedError(f"no PyTorch function is known here for {node.op} with {node.attrs}")
        free = node.inputs[0] not in graph.inputs and only_reader(graph, node.inputs[0]) is node
        attrs = {**node.attrs, "inplace": free}
        return FUNCTIONS[node.op], attrs, [numbers[v] for v in node.inputs], numbers[node.outputs[0]]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        values = {number: getattr(self, f"constant{number}") for number in self._constants}
        values[self._input] = x.contiguous(memory_format=torch.channels_last)
        for function, attrs, inputs, output in self._steps:
            values[output] = function(attrs, *[values[i] for i in inputs])
        return values[self._output]


def uneven_pads(node: Node) -> list[tuple[int, int]]:
    """Opposite paddings of a pool: PyTorch's pools take one number for both sides."""
    if node.op not in ("max_pool2d", "avg_pool2d"):
        return []
    top, bottom, left, right = node.attrs["padding"]
    return [(top, bottom), (left, right)]
