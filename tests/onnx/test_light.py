"""The nine real networks with random weights: the same answers as ONNX Runtime, for one image and for their inner values."""

import numpy as np
import onnxruntime
import pytest

import cyconv
from tests.onnx.light import NAMES, light_model

FAST = {"inception_v1", "shufflenet", "squeezenet"}
LIMIT = 1e-5  # of the largest; as other networks are held to


@pytest.mark.parametrize("name", [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in NAMES])
def test_same_answers_as_onnx_runtime(name):
    model = light_model(name)
    assert name == "densenet121" or model.graph.node[-1].op_type == "Softmax"
    if name != "densenet121":  # without the softmax, which would hide differences
        model.graph.output[0].name = model.graph.node.pop().input[0]
    data = model.SerializeToString()
    x = np.random.default_rng(1).standard_normal((1, 3, 224, 224), np.float32)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    expected = session.run(None, {session.get_inputs()[0].name: x})
    net = cyconv.load_onnx(data)
    got = net(x)
    for a, b in zip(got if isinstance(got, tuple) else (got,), expected, strict=True):
        assert a.shape == b.shape
        largest = np.abs(b).max()
        assert np.isfinite(largest) and b.std() > 1e-4 * largest
        assert np.abs(a - b).max() <= LIMIT * largest


def test_all_nine_are_there():
    assert len(NAMES) == 9
