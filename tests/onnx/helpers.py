"""Small models, ONNX Runtime beside them, and a model with every property that a loaded network has."""

from collections.abc import Sequence

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import cyconv

KINDS = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64, "int32": TensorProto.INT32, "bool": TensorProto.BOOL}


def value(name: str, shape, dtype: str = "float32"):
    return helper.make_tensor_value_info(name, KINDS[dtype], shape)


def model(nodes: list, inputs: list, outputs: Sequence[str] = ("y",), arrays: dict | None = None, opset: int = 21) -> bytes:
    """The bytes of a model whose outputs have the types that onnx infers, or none."""
    tensors = [numpy_helper.from_array(np.asarray(array), name) for name, array in (arrays or {}).items()]
    declared = [onnx.ValueInfoProto(name=name) for name in outputs]
    graph = helper.make_graph(nodes, "test", inputs, declared, tensors)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10 if opset > 8 else 4)
    return onnx.shape_inference.infer_shapes(made).SerializeToString()


def run_onnxruntime(data: bytes, feeds: dict) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"]).run(None, feeds)


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def compare(data: bytes, feeds: dict, limit: float = 1e-5):
    """The outputs of cyconv and ONNX Runtime agree within ``limit`` of the largest; returns those of cyconv."""
    net = cyconv.load_onnx(data)
    got = net(**feeds)
    outputs = got if isinstance(got, tuple) else (got,)
    for a, b in zip(outputs, run_onnxruntime(data, feeds), strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        if a.size:
            largest = np.abs(b.astype(np.float64)).max()
            assert np.abs(a.astype(np.float64) - b).max() <= limit * largest
            assert largest > 0
    return got


def small_net(height: int | str = "h", width: int | str = "w") -> bytes:
    """conv → batch norm → relu → pool → flatten by Shape, Gather, Concat and Reshape → MatMul → Add, of any batch and image size."""
    nodes = [
        helper.make_node("Conv", ["x", "conv.weight", "conv.bias"], ["conv"], pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["conv", "bn.weight", "bn.bias", "bn.mean", "bn.var"], ["bn"]),
        helper.make_node("Relu", ["bn"], ["features/relu.0"]),
        helper.make_node("GlobalAveragePool", ["features/relu.0"], ["pool"]),
        helper.make_node("Shape", ["pool"], ["shape"]),
        helper.make_node("Gather", ["shape", "zero"], ["batch"]),
        helper.make_node("Unsqueeze", ["batch", "zeros"], ["batch1"]),
        helper.make_node("Concat", ["batch1", "minus"], ["new_shape"], axis=0),
        helper.make_node("Reshape", ["pool", "new_shape"], ["flat"]),
        helper.make_node("MatMul", ["flat", "fc.weight"], ["product"]),
        helper.make_node("Add", ["product", "fc.bias"], ["y"]),
    ]
    arrays = {
        "conv.weight": random(8, 3, 3, 3, seed=1),
        "conv.bias": random(8, seed=2),
        "bn.weight": np.abs(random(8, seed=3)) + 0.5,
        "bn.bias": random(8, seed=4),
        "bn.mean": random(8, seed=5),
        "bn.var": np.abs(random(8, seed=6)) + 0.5,
        "fc.weight": random(8, 5, seed=7),
        "fc.bias": random(5, seed=8),
        "zero": np.int64(0),
        "zeros": np.int64([0]),
        "minus": np.int64([-1]),
    }
    return model(nodes, [value("x", ["n", 3, height, width])], arrays=arrays)
