"""A loaded model is a network like any other."""

import copy
import pickle

import numpy as np
import pytest
from onnx import helper

import cyconv
from cyconv import nn
from cyconv.nn.plans import PLANS_PER_MODULE
from tests.onnx.helpers import compare, model, random, run_onnxruntime, small_net, value

X = random(2, 3, 9, 7)


@pytest.fixture(scope="module")
def net():
    return cyconv.load_onnx(small_net())


def test_called_by_position_and_by_name(net):
    expected = run_onnxruntime(small_net(), {"x": X})[0]
    assert np.abs(net(X) - expected).max() < 1e-5 * np.abs(expected).max()
    assert np.array_equal(net(X), net(x=X))
    assert (net.input_names, net.output_names) == (["x"], ["y"])
    assert "x: float32[n, 3, h, w] -> y" in repr(net)


@pytest.mark.parametrize(
    ("args", "named", "error", "words"),
    [
        ((), {}, TypeError, "'x' is missing"),
        ((X, X), {}, TypeError, "takes 1 inputs"),
        ((X,), {"x": X}, TypeError, "'x' is no input or given twice"),
        ((), {"data": X}, TypeError, "'data' is no input"),
        ((X.astype(np.float64),), {}, TypeError, "x must be float32, got float64"),
        ((X[0],), {}, ValueError, "4 dimensions"),
        ((X[:, :2],), {}, ValueError, "conv"),
    ],
)
def test_wrong_calls(net, args, named, error, words):
    with pytest.raises(error, match=words):
        net(*args, **named)


def test_any_batch_and_image_size_and_a_bounded_number_of_plans(net):
    data = small_net()
    for n in range(1, PLANS_PER_MODULE + 3):
        x = random(n, 3, 4 + n, 12 - n, seed=n)
        expected = run_onnxruntime(data, {"x": x})[0]
        assert np.abs(net(x) - expected).max() < 1e-5 * np.abs(expected).max()
    assert len(net._plans._plans) == PLANS_PER_MODULE
    assert np.array_equal(net(X)[1:], net(X[1:]))


def test_a_plan_for_one_shape(net):
    plan = cyconv.compile(net, X.shape, num_threads=1)
    assert np.array_equal(plan(X), net(X))
    # The norm is in the convolution, the product has its bias, and nothing is left of the shapes: as in the same network of layers.
    layers = [nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)]
    same = cyconv.compile(nn.Sequential(*layers), X.shape, num_threads=1)
    described = [[(s["op"], s["shape"], s["layout"], s["algorithm"]) for s in p.steps()] for p in (plan, same)]
    assert described[0] == described[1]
    assert len(plan.profile(X, repeats=2).records) == len(plan.steps())
    with pytest.raises(ValueError, match="takes 1 inputs"):
        cyconv.compile(net, [X.shape, X.shape])


def test_capture_by_the_names_of_the_model(net):
    y, maps = cyconv.compile(net, X.shape)(X, capture=["bn", "features/relu.0", "flat"])
    assert np.array_equal(y, net(X))
    assert np.array_equal(maps["features/relu.0"], np.maximum(maps["bn"], 0))
    assert np.abs(maps["flat"] - maps["features/relu.0"].mean((2, 3))).max() < 1e-6
    with pytest.raises(ValueError, match="no layer matches"):
        cyconv.compile(net, X.shape)(X, capture=["new_shape"])  # folded


def test_summary(net):
    table = cyconv.summary(net, (3, 9, 7))
    assert table.macs == 8 * 27 * 63 + 8 * 5
    assert {record["name"] for record in table.records} >= {"conv", "bn", "product"}
    assert (table.weights, table.biases, table.unused_parameters) == (8 * 27 + 8 + 8 * 5, 8 + 8 + 5, 0)
    assert "never reads" not in str(table)  # mean and variance are parameters here that are neither weight nor bias


def test_state_dict(net):
    state = net.state_dict()
    assert list(state)[:3] == ["conv.weight", "conv.bias", "bn.weight"]
    assert state["zeros"].dtype == np.int64
    other = cyconv.load_onnx(small_net())
    doubled = {name: array * 2 if name.startswith("fc") else array for name, array in state.items()}
    assert not any(other.load_state_dict(doubled))
    assert np.allclose(other(X), 2 * net(X), rtol=1e-5)
    assert other.get_parameter("fc.bias").shape == (5,)
    with pytest.raises(RuntimeError, match="Missing"):
        other.load_state_dict({})
    with pytest.raises(RuntimeError, match="Unexpected"):
        other.load_state_dict({**state, "conv.scale": state["conv.bias"]})


def test_as_part_of_a_network(net):
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net
            self.fc = nn.Linear(5, 2)

        def forward(self, x):
            return self.fc(self.net(x))

    twice = Twice()
    assert np.abs(twice(X) - twice.fc(net(X))).max() < 1e-5
    assert "net.conv.weight" in twice.state_dict()
    _, maps = cyconv.compile(twice, X.shape)(X, capture=["net.pool"])
    assert maps["net.pool"].shape == (2, 8, 1, 1)


def test_copies_and_pickles(net):
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert np.array_equal(other(X), net(X))


def test_inference_only(net):
    assert net.eval() is net and net.train(False) is net
    with pytest.raises(ValueError, match="no training mode"):
        net.train()


def test_inputs_that_decide_shapes():
    nodes = [helper.make_node("Reshape", ["x", "shape"], ["y"])]
    data = model(nodes, [value("x", ["n", 6]), value("shape", [2], "int64")])
    net = cyconv.load_onnx(data)
    x = random(4, 6)
    for shape in ([8, 3], [-1, 2], [0, 6]):
        compare(data, {"x": x, "shape": np.int64(shape)})
    assert net(x, np.int64([8, 3])).shape == (8, 3)
    assert net(x, np.int64([3, 8])).shape == (3, 8)
    with pytest.raises(ValueError, match="decide shapes"):
        cyconv.compile(net, [(4, 6), (2,)])
    with pytest.raises(ValueError, match=r"\[5, 5\] does not fit"):
        net(x, np.int64([5, 5]))


def test_several_inputs_and_outputs():
    nodes = [helper.make_node("Add", ["a", "b"], ["sum"]), helper.make_node("Mul", ["a", "b"], ["product"])]
    data = model(nodes, [value("a", [2, 3]), value("b", [3])], ["product", "sum"])
    a, b = random(2, 3), random(3, seed=1)
    product, total = cyconv.load_onnx(data)(b=b, a=a)
    assert np.array_equal(product, a * b) and np.array_equal(total, a + b)
    plan = cyconv.compile(cyconv.load_onnx(data), [(2, 3), (3,)])
    assert np.array_equal(plan(a, b)[0], product)


def test_outputs_that_are_inputs_or_known():
    nodes = [helper.make_node("Identity", ["x"], ["y"]), helper.make_node("Shape", ["x"], ["shape"])]
    got = compare(model(nodes, [value("x", ["n", 3])], ["y", "shape"]), {"x": random(5, 3)})
    assert got[1].tolist() == [5, 3]


def test_other_dtypes():
    nodes = [helper.make_node("Equal", ["a", "b"], ["same"]), helper.make_node("Where", ["same", "a", "zero"], ["y"])]
    data = model(nodes, [value("a", [4], "int64"), value("b", [4], "int64")], ["y", "same"], {"zero": np.int64(0)})
    y, same = compare(data, {"a": np.int64([1, 2, 3, 4]), "b": np.int64([1, 5, 3, 6])})
    assert y.tolist() == [1, 0, 3, 0] and same.tolist() == [True, False, True, False]
    with pytest.raises(TypeError, match="a must be int64, got float32"):
        cyconv.load_onnx(data)(random(4), np.int64([1, 5, 3, 6]))


def test_selecting_between_numbers():
    """A number keeps its own dtype beside a condition, which is bool."""
    arrays = {"zero": np.float32(0), "ten": np.float32(10)}
    nodes = [
        helper.make_node("Greater", ["x", "zero"], ["positive"]),
        helper.make_node("Where", ["positive", "zero", "x"], ["a"]),
        helper.make_node("Where", ["positive", "x", "zero"], ["b"]),
        helper.make_node("Where", ["positive", "zero", "ten"], ["c"]),
    ]
    x = random(3, 4)
    a, b, c = compare(model(nodes, [value("x", ["n", 4])], ["a", "b", "c"], arrays), {"x": x})
    assert np.array_equal(a, np.minimum(x, 0)) and np.array_equal(b, np.maximum(x, 0)) and np.array_equal(c, np.where(x > 0, 0, 10))
