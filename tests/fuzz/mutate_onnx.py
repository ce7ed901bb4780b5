"""Damage to the fields of a model: types, sizes, names, attributes, operators, versions, and places of external data.

Called by mutate.py. The result is sound as a message, which damage to bytes seldom leaves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, ModelProto, TensorProto, helper

Rng = np.random.Generator

SIZES = [-(2**63), -(2**31), -2, -1, 0, 1, 2, 3, 7, 64, 1000, 65536, 2**31 - 1, 2**31, 2**32, 2**40, 2**62, 2**63 - 1]
NUMBERS = [0.0, -1.0, 0.5, 1e-30, 3e38, float("inf"), float("nan")]
PLACES = ["/etc/passwd", "../../../etc/passwd", "..", ".", "", "weights.bin", "/dev/zero", "a/b", "x\x00y", "\\\\host\\x", "case.onnx"]
OPERATORS = """
    Conv ConvTranspose MaxPool AveragePool LpPool GlobalAveragePool GlobalMaxPool Gemm MatMul BatchNormalization InstanceNormalization
    LayerNormalization GroupNormalization LRN Relu LeakyRelu PRelu Elu Selu Sigmoid HardSigmoid HardSwish Tanh Clip Softmax LogSoftmax
    Gelu Mish Softplus Add Sub Mul Div Pow Sqrt Exp Log Abs Neg Min Max Sum Mean ReduceMean ReduceSum ReduceMax Concat Split Slice Gather
    Reshape Flatten Squeeze Unsqueeze Transpose Expand Tile Pad Resize Upsample DepthToSpace SpaceToDepth Shape Constant ConstantOfShape
    Cast Identity Dropout ArgMax TopK Where Equal
""".split()  # noqa: SIM905
NAMES = """
    axis axes pads strides dilations kernel_shape group perm to mode blocksize frob size epsilon alpha keepdims auto_pad ceil_mode
""".split()  # noqa: SIM905


def pick(rng: Rng, choices):
    return choices[int(rng.integers(len(choices)))]


def some_size(rng: Rng) -> int:
    return pick(rng, SIZES)


def tensors(model: ModelProto) -> list[TensorProto]:
    """Initialisers and the tensors of attributes."""
    attributes = [a.t for node in model.graph.node for a in node.attribute if a.type == AttributeProto.TENSOR]
    return [*model.graph.initializer, *attributes]


def edit_attribute(model: ModelProto, rng: Rng) -> None:
    found = [(node, a) for node in model.graph.node for a in node.attribute]
    if not found:
        return
    node, attribute = pick(rng, found)
    kinds: dict[int, Callable[[], Any]] = {
        AttributeProto.INT: lambda: setattr(attribute, "i", some_size(rng)),
        AttributeProto.FLOAT: lambda: setattr(attribute, "f", pick(rng, NUMBERS)),
        AttributeProto.STRING: lambda: setattr(attribute, "s", pick(rng, [b"", b"SAME_UPPER", b"VALID", b"linear", b"cubic", b"\xff\xfe"])),
        AttributeProto.INTS: lambda: edit_ints(attribute.ints, rng),
    }
    change = kinds.get(attribute.type)
    if change is None or rng.random() < 0.2:
        pick(
            rng,
            [
                lambda: node.attribute.remove(attribute),
                lambda: setattr(attribute, "type", pick(rng, AttributeProto.AttributeType.values())),
            ],
        )()
    else:
        change()


def edit_ints(ints, rng: Rng) -> None:
    way = rng.integers(3)
    if way == 0 and len(ints):
        ints[int(rng.integers(len(ints)))] = some_size(rng)
    elif way == 1:
        ints.extend([some_size(rng)] * int(pick(rng, [1, 2, 40])))
    elif len(ints):
        del ints[int(rng.integers(len(ints))) :]


def add_attribute(model: ModelProto, rng: Rng) -> None:
    values = [some_size(rng), [some_size(rng) for _ in range(int(rng.integers(1, 5)))], "linear", pick(rng, NUMBERS)]
    pick(rng, model.graph.node).attribute.append(helper.make_attribute(pick(rng, NAMES), pick(rng, values)))


def edit_numbers(model: ModelProto, rng: Rng) -> None:
    """The numbers of a small tensor of integers: shapes, axes, pads."""
    small = [t for t in tensors(model) if t.data_type == TensorProto.INT64 and len(t.raw_data) in range(8, 129)]
    if not small:
        return
    tensor = pick(rng, small)
    numbers = np.frombuffer(tensor.raw_data, np.int64).copy()
    numbers[int(rng.integers(numbers.size))] = some_size(rng)
    tensor.raw_data = numbers.tobytes()


def edit_tensor(model: ModelProto, rng: Rng) -> None:
    found = tensors(model)
    if not found:
        return
    tensor = pick(rng, found)
    way = rng.integers(6)
    if way == 0:
        edit_ints(tensor.dims, rng)
    elif way == 1:
        tensor.data_type = int(rng.integers(0, 26))
    elif way == 2:
        tensor.raw_data = tensor.raw_data[: int(rng.integers(0, len(tensor.raw_data) + 1))]
    elif way == 3:
        tensor.float_data.extend([1.0] * int(rng.integers(1, 9)))
    elif way == 4:
        refer(tensor, rng)
    else:
        tensor.dims[:] = [some_size(rng)] * int(rng.integers(0, 5))
        tensor.ClearField("raw_data")


def refer(tensor: TensorProto, rng: Rng) -> None:
    """Let a tensor lie in another file."""
    if rng.random() < 0.7:
        tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", pick(rng, PLACES)), ("offset", str(some_size(rng))), ("length", str(some_size(rng)))):
        if rng.random() < 0.8:
            entry = tensor.external_data.add()
            entry.key, entry.value = key, value


def edit_node(model: ModelProto, rng: Rng) -> None:
    node = pick(rng, model.graph.node)
    names = [name for n in model.graph.node for name in [*n.input, *n.output]] + [t.name for t in model.graph.initializer] + ["", "nowhere"]
    way = rng.integers(6)
    if way == 0:
        node.op_type = pick(rng, [*OPERATORS, "If", "Loop", "Frobnicate"])
    elif way == 1 and len(node.input):
        node.input[int(rng.integers(len(node.input)))] = pick(rng, names)
    elif way == 2 and len(node.output):
        node.output[int(rng.integers(len(node.output)))] = pick(rng, names)
    elif way == 3:
        node.input.extend([pick(rng, names)] * int(pick(rng, [1, 3, 300])))
    elif way == 4:
        pick(rng, [lambda: node.ClearField("input"), lambda: node.ClearField("output"), lambda: node.ClearField("op_type")])()
    else:
        node.domain = pick(rng, ["ai.onnx", "ai.onnx.ml", "com.microsoft", "x" * 300])


def edit_graph(model: ModelProto, rng: Rng) -> None:
    graph = model.graph
    way = rng.integers(6)
    if way == 0:
        graph.node.extend([pick(rng, graph.node)] * int(pick(rng, [1, 2, 500])))
    elif way == 1:
        del graph.node[int(rng.integers(len(graph.node)))]
    elif way == 2 and len(graph.initializer):
        graph.initializer.append(pick(rng, graph.initializer))
    elif way == 3 and len(graph.initializer):
        del graph.initializer[int(rng.integers(len(graph.initializer)))]
    elif way == 4:
        order = rng.permutation(len(graph.node))
        nodes = [onnx.NodeProto.FromString(graph.node[i].SerializeToString()) for i in order]
        del graph.node[:]
        graph.node.extend(nodes)
    else:
        values = [*graph.input, *graph.output]
        if values:
            pick(rng, values).name = pick(rng, ["", "nowhere", *(name for node in graph.node for name in node.input)])


def edit_input(model: ModelProto, rng: Rng) -> None:
    if not model.graph.input:
        return
    tensor = pick(rng, model.graph.input).type.tensor_type
    way = rng.integers(4)
    if way == 0:
        tensor.elem_type = int(rng.integers(0, 26))
    elif way == 1 and len(tensor.shape.dim):
        tensor.shape.dim[int(rng.integers(len(tensor.shape.dim)))].dim_value = some_size(rng)
    elif way == 2:
        tensor.shape.dim.add().dim_value = some_size(rng)
    else:
        tensor.ClearField("shape")


def edit_version(model: ModelProto, rng: Rng) -> None:
    way = rng.integers(3)
    if way == 0 and len(model.opset_import):
        model.opset_import[0].version = pick(rng, [*range(28), some_size(rng)])
    elif way == 1:
        model.ir_version = pick(rng, [0, 3, 4, 10, 99, 2**62])
    else:
        model.opset_import.add().domain = pick(rng, ["", "ai.onnx", "x"])


EDITS: list[Callable[[ModelProto, Rng], None]] = [
    edit_attribute, edit_attribute, add_attribute, edit_numbers, edit_tensor, edit_node, edit_node, edit_graph, edit_input, edit_version,
]  # fmt: skip


def edit_model(data: bytes, rng: Rng) -> bytes:
    """A few edits of a model."""
    model = ModelProto.FromString(data)
    for _ in range(int(rng.geometric(0.7))):
        if model.graph.node:
            pick(rng, EDITS)(model, rng)
    return model.SerializeToString()
