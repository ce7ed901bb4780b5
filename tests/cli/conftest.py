"""What the tests of all commands use."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from cyconv import cli


@pytest.fixture
def run(capsys):
    """Run a command in this process; (exit code, stdout, stderr)."""

    def call(*argv):
        code = cli.main(list(map(str, argv)))
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def digit(tmp_path):
    """A file with one of scikit-learn's digits, as a network's input."""
    from sklearn.datasets import load_digits

    path = tmp_path / "digit.npy"
    np.save(path, load_digits().images[3] / 16)
    return path


def small_model(path, dims=("n", 3, 32, 32), softmax: bool = False, opset: int = 17):
    """An .onnx file: a convolution, ReLU, global average, a linear layer of ten classes, and softmax if wanted."""
    rng = np.random.default_rng(0)
    arrays = {"w": rng.standard_normal((8, 3, 3, 3)), "fc": rng.standard_normal((10, 8)), "b": rng.standard_normal(10)}
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["maps"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["maps"], ["positive"]),
        helper.make_node("GlobalAveragePool", ["positive"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("Gemm", ["flat", "fc", "b"], ["scores"], transB=1),
    ]
    if softmax:
        nodes.append(helper.make_node("Softmax", ["scores"], ["chances"], axis=1))
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, dims)],
        [helper.make_tensor_value_info("chances" if softmax else "scores", TensorProto.FLOAT, [dims[0], 10])],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in arrays.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), path)
    return path


@pytest.fixture
def model(tmp_path):
    """A small model whose batch size is open."""
    return small_model(tmp_path / "small.onnx")
