"""Each pass: the ops before and after, and the same numbers from the rewritten graph."""

import numpy as np
import pytest

from cyconv import functional as F
from cyconv.graph import passes
from cyconv.graph.trace import apply
from tests.graph.helpers import evaluate, integers, ops, random_network, record

W3, W1 = integers((4, 3, 3, 3)), integers((4, 3, 1, 1))
BIAS = integers((4,))
IMAGE = (2, 3, 5, 5)
NORM = [integers((4,), 1), np.array([4, 16, 1, 64], np.float32), integers((4,), 3), integers((4,), 4)]  # var + 0 has an exact root


def reshape(x, *shape):
    return apply("reshape", [x], {"shape": shape})[0]


def norm(y):
    return apply("batch_norm", [y, *NORM], {"eps": 0.0})[0]


def check(fn, *shapes, expect, rewrite=passes.optimise):
    """``expect`` are the ops that are left; the numbers are exact before and after. Returns the rewritten graph."""
    traced = record(fn, *shapes)
    graph = passes.optimise(traced)
    if rewrite is not passes.optimise:
        graph = record(fn, *shapes)
        passes.mark_products(graph)
        rewrite(graph)
        graph.check()
    assert ops(graph) == expect
    arrays = [integers(shape, 7) for shape in shapes]
    for a, b in zip(evaluate(traced, *arrays), evaluate(graph, *arrays), strict=True):
        assert np.array_equal(a, b) and np.any(a)
    return graph


def test_identities():
    def fn(x):
        y = F.dropout(F.relu(x), 0.5, training=False)
        y = F.pad(y, (0, 0))
        y = F.cat([y], 1)
        return reshape(reshape(reshape(y, 2, 75), 6, 25), *IMAGE) + reshape(y, *IMAGE)

    check(fn, IMAGE, rewrite=passes.remove_identities, expect=["relu", "reshape", "reshape", "reshape", "add"])
    graph = check(fn, IMAGE, expect=["relu", "reshape", "add"])  # the ends of the chain read its beginning
    assert graph.nodes[1].inputs[0] is graph.nodes[0].outputs[0]


def test_pools_of_single_cells():
    check(lambda x: F.relu(F.adaptive_avg_pool2d(F.avg_pool2d(F.max_pool2d(x, 1), 1), (5, 5))), IMAGE, expect=["relu"])
    check(lambda x: F.max_pool2d(x, 1, stride=2), IMAGE, expect=["max_pool2d"])
    check(lambda x: F.avg_pool2d(x, 1, divisor_override=2), IMAGE, expect=["avg_pool2d"])


def test_an_output_may_be_an_input():
    graph = check(lambda x: (F.dropout(x, training=False), F.relu(x)), (3,), expect=["relu"])
    assert graph.outputs[0] is graph.inputs[0]


COLUMN = integers((4, 1, 1), 5)


@pytest.mark.parametrize("bias", [None, BIAS])
@pytest.mark.parametrize("shape", [(4, 1, 1), (1, 4, 1, 1), (1, 1, 1), (1,), ()])
def test_one_constant_a_channel_goes_into_the_convolution(shape, bias):
    numbers = COLUMN.reshape(shape) if 4 in shape else np.full(shape, 3, np.float32)
    graph = check(lambda x: numbers * F.conv2d(x, W3, bias) + numbers, IMAGE, expect=["conv2d"])
    assert graph.nodes[0].attrs["has_bias"]


def test_one_constant_a_channel_goes_into_linear_and_batch_norm():
    check(lambda x: F.linear(x, integers((4, 5))) + BIAS, (2, 3, 5), expect=["linear"])
    check(lambda x: norm(x) * COLUMN + COLUMN, (2, 4, 3, 3), expect=["batch_norm"])
    check(lambda x: norm(F.conv2d(x, W3) + COLUMN) * COLUMN, IMAGE, expect=["conv2d"])


def test_other_arithmetic_stays():
    check(lambda x: F.conv2d(x, W3) + integers((3,)), IMAGE, expect=["conv2d", "add"])  # along the width
    check(lambda x: F.linear(x, integers((4, 5))) + integers((3, 1)), (2, 3, 5), expect=["linear", "add"])
    check(lambda x: F.conv2d(x, W3[:1]) * COLUMN, IMAGE, expect=["conv2d", "mul"])  # it makes channels
    check(lambda x, y: F.conv2d(x, W3) * F.conv2d(y, W3), IMAGE, IMAGE, expect=["conv2d", "conv2d", "mul"])

    def read_twice(x):
        y = F.conv2d(x, W3)
        return y * COLUMN, y

    check(read_twice, IMAGE, expect=["conv2d", "mul"])


def test_dead_code():
    def fn(x):
        F.sigmoid(F.conv2d(x, W3))
        indices = F.max_pool2d(x, 2, return_indices=True)[1]
        assert indices.shape == (2, 3, 2, 2)
        return F.relu(x)

    graph = check(fn, IMAGE, expect=["relu"])
    assert not graph.constants


@pytest.mark.parametrize("bias", [None, BIAS])
@pytest.mark.parametrize("groups", [1, 2])
def test_batch_norm_into_conv(bias, groups):
    w = W3 if groups == 1 else integers((4, 2, 3, 3))
    shape = (2, 3 if groups == 1 else 4, 5, 5)
    graph = check(lambda x: norm(F.conv2d(x, w, bias, groups=groups)), shape, expect=["conv2d"])
    assert graph.nodes[0].attrs["has_bias"] and len(graph.constants) == 2


def test_batch_norm_into_linear():
    check(lambda x: norm(F.linear(x, integers((4, 6)), BIAS)), (3, 6), expect=["linear"])


def test_batch_norm_stays():
    check(lambda x: norm(F.relu(x)), (2, 4, 3, 3), expect=["relu", "batch_norm"])  # not behind a product
    check(lambda x, w: norm(F.conv2d(x, w)), IMAGE, W3.shape, expect=["conv2d", "batch_norm"])  # weights are not known
    check(lambda x: (y := F.conv2d(x, W3), norm(y)), IMAGE, expect=["conv2d", "batch_norm"])  # the conv's own result is wanted
    check(lambda x: (y := F.conv2d(x, W3), norm(y) + y)[1], IMAGE, expect=["conv2d", "batch_norm", "add"])  # and so here
    check(lambda x: norm(F.linear(x, integers((6, 6)))), (2, 4, 6), expect=["linear", "batch_norm"])  # other axes


@pytest.mark.parametrize("between", [lambda x: F.flatten(x, 1), lambda x: F.flatten(reshape(x, 2, 3, 25), 1)])
def test_flatten_into_linear(between):
    w = integers((6, 75))
    graph = check(lambda x: F.relu(F.linear(between(x), w, integers((6,)))), IMAGE, expect=["conv2d", "reshape"])
    assert graph.nodes[0].inputs[1].shape == (6, 3, 5, 5) and "activation" in graph.nodes[0].attrs


def test_flatten_stays():
    check(lambda x: F.linear(F.flatten(x, 1), integers((6, 3))), (2, 3, 1, 1), expect=["reshape", "linear"])  # is another name anyhow
    check(lambda x: F.linear(F.flatten(x, 2), integers((6, 25))), IMAGE, expect=["reshape", "linear"])
    check(lambda x, w: F.linear(F.flatten(x, 1), w), IMAGE, (6, 75), expect=["reshape", "linear"])


def test_residual():
    def block(x):
        y = F.conv2d(F.relu(F.conv2d(x, integers((3, 3, 3, 3)), padding=1)), integers((3, 3, 3, 3), 1), integers((3,)), padding=1)
        return F.relu(y + x)

    first, second = check(block, IMAGE, expect=["conv2d", "conv2d"]).nodes
    assert second.attrs["residual"] and second.attrs["activation"][0] == "clamp" and "residual" not in first.attrs


@pytest.mark.parametrize("swapped", [False, True])
def test_residual_on_either_side(swapped):
    w = integers((3, 3, 1, 1))
    check(lambda x: x + F.conv2d(x, w) if swapped else F.conv2d(x, w) + x, IMAGE, expect=["conv2d"])
    graph = check(lambda x: F.conv2d(x, w) + F.conv2d(x, w + 1), IMAGE, expect=["conv2d", "conv2d"])
    assert [bool(n.attrs.get("residual")) for n in graph.nodes] == [False, True]


def test_residual_stays():
    w = integers((3, 3, 1, 1))
    check(lambda x: (y := F.conv2d(x, w), y + x), IMAGE, expect=["conv2d", "add"])
    check(lambda x: (y := F.conv2d(x, w)) + y, IMAGE, expect=["conv2d", "add"])
    check(lambda x: F.conv2d(x, integers((3, 1, 1, 1)), groups=3) + x, IMAGE, expect=["conv2d", "add"])
    check(lambda x: F.conv2d(x, w) + np.ones((1, 3, 1, 5), np.float32), IMAGE, expect=["conv2d", "add"])  # broadcast


@pytest.mark.parametrize("activation", [F.relu, F.relu6, lambda y: F.leaky_relu(y, 0.5)])
def test_activation(activation):
    check(lambda x: activation(F.conv2d(x, W3)), IMAGE, expect=["conv2d"])
    check(lambda x: activation(F.linear(x, integers((4, 6)))), (2, 3, 6), expect=["linear"])
    graph = check(lambda x: activation(reshape(F.conv2d(x, W3), 2, 36)), IMAGE, expect=["conv2d", "reshape"])
    assert graph.outputs == graph.nodes[1].outputs
    check(lambda x: activation(activation(F.conv2d(x, W3))), IMAGE, expect=["conv2d", ops(record(activation, (1,)))[0]])  # one only


def test_activation_stays():
    check(lambda x: F.sigmoid(F.conv2d(x, W3)), IMAGE, expect=["conv2d", "sigmoid"])
    check(lambda x: (y := F.conv2d(x, W3), F.relu(y)), IMAGE, expect=["conv2d", "relu"])
    check(lambda x: (y := F.conv2d(x, W3)) + F.relu(y), IMAGE, expect=["conv2d", "relu", "add"])
    check(lambda x: (y := reshape(F.conv2d(x, W3), 2, 36), F.relu(y)), IMAGE, expect=["conv2d", "reshape", "relu"])


def test_siblings():
    def module(x):
        return F.cat([F.relu(F.conv2d(x, W1 + i, BIAS)) for i in range(3)] + [F.relu(F.conv2d(x, W3, padding=1))], 1)

    graph = check(module, IMAGE, expect=["conv2d", "conv2d", "cat"])
    assert graph.nodes[0].attrs["branches"] == 3 and len(graph.nodes[0].outputs) == 3


def test_siblings_of_other_kinds_stay():
    def fn(x):
        ys = [F.relu(F.conv2d(x, W1)), F.conv2d(x, W1), F.conv2d(x, W1, BIAS), F.conv2d(x, W1, padding=1), F.conv2d(x, W1, stride=2)]
        return (*ys, F.conv2d(F.relu(x), W1), F.conv2d(x, integers((3, 1, 1, 1)), groups=3))

    assert check(fn, IMAGE, expect=["conv2d"] * 5 + ["relu", "conv2d", "conv2d"])
    check(lambda x, w: (F.conv2d(x, w), F.conv2d(x, W1)), IMAGE, W1.shape, expect=["conv2d", "conv2d"])


def test_what_goes_in_is_not_touched():
    traced = record(lambda x: F.relu(norm(F.conv2d(x, W3))), IMAGE)
    text, constants = str(traced), dict(traced.constants)
    passes.optimise(traced)
    assert str(traced) == text and traced.constants == constants and "has_bias" not in traced.nodes[0].attrs


def test_random_networks():
    fewer = 0
    for seed in range(100):
        fn, shape = random_network(seed)
        traced = record(fn, shape)
        graph = passes.optimise(traced)
        x = integers(shape, seed)
        assert all(np.array_equal(a, b) for a, b in zip(evaluate(traced, x), evaluate(graph, x), strict=True)), seed
        fewer += len(graph.nodes) < len(traced.nodes)
    assert fewer > 60
