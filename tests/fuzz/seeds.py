"""Sound files for the fuzzer to damage: weights of all dtypes, ONNX's own small models, and models with what those lack."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import safetensors.numpy
from onnx import TensorProto, helper, numpy_helper

from tests.fuzz.mutate_onnx import OPERATORS

SHIPPED = ("pytorch-operator", "pytorch-converted")
LARGEST = 1 << 16


def npz_seeds() -> list[bytes]:
    """Stored and compressed archives."""
    rng = np.random.default_rng(0)
    arrays = {
        "conv.weight": rng.standard_normal((4, 3, 3, 3), np.float32),
        "conv.bias": np.asfortranarray(rng.standard_normal((4, 2))),
        "half": np.linspace(-4, 4, 9).astype(np.float16),
        "count": np.array(7),
        "flags": np.array([True, False]),
    }
    files = []
    for save in (np.savez, np.savez_compressed):
        file = io.BytesIO()
        save(file, **arrays)
        files.append(file.getvalue())
    return files


def safetensors_seeds() -> list[bytes]:
    """Files with metadata, all dtypes that are read, and one that is empty."""
    rng = np.random.default_rng(0)
    plain = {"a.weight": rng.standard_normal((4, 3), np.float32), "n": np.arange(3), "none": np.zeros((0, 2), np.float32)}
    dtypes = {str(np.dtype(d)): np.arange(6).astype(d).reshape(2, 3) for d in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "bool")}
    halves = b'{"x":{"dtype":"BF16","shape":[2,2],"data_offsets":[0,8]}}'
    return [
        safetensors.numpy.save(plain, metadata={"format": "pt"}),
        safetensors.numpy.save(dtypes),
        len(halves).to_bytes(8, "little") + halves + bytes(range(8)),
        (2).to_bytes(8, "little") + b"{}",
    ]


def onnx_seeds() -> list[bytes]:
    """Small models that come with the onnx package, and our own."""
    data = Path(onnx.__file__).parent / "backend/test/data"
    paths = sorted(path for folder in SHIPPED for path in (data / folder).glob("*/model.onnx"))
    shipped = [path.read_bytes() for path in paths if path.stat().st_size <= LARGEST]
    return [*shipped, *(model.SerializeToString() for model in (network(), shapes(), external()))]


def make(nodes: list, inputs: dict, outputs: dict, arrays: dict, opset: int = 17) -> onnx.ModelProto:
    """A model of float32 values."""
    values = [[helper.make_tensor_value_info(n, TensorProto.FLOAT, dims) for n, dims in group.items()] for group in (inputs, outputs)]
    tensors = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    graph = helper.make_graph(nodes, "seed", *values, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def network() -> onnx.ModelProto:
    """A small network with a branch, an open batch size, and weights as raw bytes and as numbers."""
    rng = np.random.default_rng(0)
    sizes = {"w": (4, 3, 3, 3), "v": (4, 2, 1, 1), "fc": (8, 5)}
    arrays = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in sizes.items()}
    arrays |= {name: np.full(4, 0.5, np.float32) for name in ("scale", "shift", "mean", "var")}
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("BatchNormalization", ["c", "scale", "shift", "mean", "var"], ["b"], epsilon=1e-3),
        helper.make_node("LeakyRelu", ["b"], ["r"], alpha=0.1),
        helper.make_node("Conv", ["r", "v"], ["g"], group=2),
        helper.make_node("ConvTranspose", ["g", "w"], ["t"], kernel_shape=[3, 3]),
        helper.make_node("Concat", ["g", "r"], ["cat"], axis=1),
        helper.make_node("MaxPool", ["cat"], ["p"], kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
        helper.make_node("GlobalAveragePool", ["p"], ["a"]),
        helper.make_node("Flatten", ["a"], ["f"]),
        helper.make_node("Gemm", ["f", "fc"], ["y"], alpha=0.5),
        helper.make_node("ReduceMean", ["t"], ["z"], axes=[2, 3]),
    ]
    model = make(nodes, {"x": ["n", 3, 8, 8]}, {"y": ["n", 5], "z": ["n", 3, 1, 1]}, arrays)
    model.graph.initializer.append(helper.make_tensor("typed", TensorProto.FLOAT, [2, 2], [1.0, 2.0, 3.0, 4.0]))
    return model


def shapes() -> onnx.ModelProto:
    """A model whose shapes are computed: Shape, Gather, Unsqueeze, Concat, ConstantOfShape, Expand, Slice, Pad, Resize, Tile, Where."""
    arrays = {
        "zero": np.array(0),
        "one": np.array([1]),
        "minus": np.array([-1]),
        "axes": np.array([0]),
        "ends": np.array([2]),
        "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
        "scales": np.array([1, 1, 2, 2], np.float32),
        "repeats": np.array([1, 2, 1, 1]),
    }
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "zero"], ["n"]),
        helper.make_node("Unsqueeze", ["n", "axes"], ["n1"]),
        helper.make_node("Concat", ["n1", "minus"], ["to"], axis=0),
        helper.make_node("Reshape", ["x", "to"], ["flat"]),
        helper.make_node("ConstantOfShape", ["s"], ["ones"], value=helper.make_tensor("v", TensorProto.FLOAT, [1], [1.0])),
        helper.make_node("Expand", ["ones", "s"], ["wide"]),
        helper.make_node("Add", ["x", "wide"], ["sum"]),
        helper.make_node("Pad", ["sum", "pads"], ["padded"]),
        helper.make_node("Slice", ["padded", "axes", "ends", "one"], ["cut"]),
        helper.make_node("Resize", ["cut", "", "scales"], ["large"], mode="nearest"),
        helper.make_node("Tile", ["large", "repeats"], ["tiled"]),
        helper.make_node("Transpose", ["tiled"], ["turned"], perm=[0, 2, 3, 1]),
        helper.make_node("TopK", ["flat", "one"], ["best", "where"], axis=1),
        helper.make_node("Softmax", ["turned"], ["y"], axis=-1),
    ]
    return make(nodes, {"x": ["n", 3, 4, 4]}, {"y": ["n", 12, 12, 6], "best": ["n", 1]}, arrays)


def external() -> onnx.ModelProto:
    """A model that asks for a tensor in another file, which is not there."""
    model = make([helper.make_node("Add", ["x", "w"], ["y"])], {"x": [4]}, {"y": [4]}, {"w": np.ones(4, np.float32)})
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": "weights.bin", "offset": "0", "length": "16"}.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    return model


def node_seeds() -> list[bytes]:
    """The models of one node that onnx tests its operators with, as far as they can be loaded. To make them takes 15 seconds."""
    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tests = load_model_tests(kind="node")
    found = []
    for test in tests:
        data = test.model.SerializeToString()
        operators = {node.op_type for node in test.model.graph.node}
        if len(data) <= LARGEST and operators <= set(OPERATORS):
            found.append(data)
    return found


SEEDS: dict[str, Callable[[], list[bytes]]] = {"npz": npz_seeds, "safetensors": safetensors_seeds, "onnx": onnx_seeds, "nodes": node_seeds}
