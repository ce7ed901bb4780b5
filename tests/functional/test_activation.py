"""Activations, softmax and dropout against PyTorch, also at NaN, infinities and zeros, and at every place in a vector."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as T

import cyconv.functional as F
from cyconv.graph.eager import plans

from .helpers import EPS, SPECIAL, assert_same, assert_within, both_refuse, check_arrays, double, normal, recorded, single, with_specials

# name, arguments, PyTorch's function
CASES = [
    ("relu", (), T.relu),
    ("relu6", (), T.relu6),
    ("leaky_relu", (), T.leaky_relu),
    ("leaky_relu", (0.3,), T.leaky_relu),
    ("sigmoid", (), torch.sigmoid),
    ("tanh", (), torch.tanh),
    ("hardswish", (), T.hardswish),
    ("hardsigmoid", (), T.hardsigmoid),
    ("silu", (), T.silu),
    ("gelu", (), T.gelu),
    ("gelu", ("tanh",), lambda x, how: T.gelu(x, approximate=how)),
    ("elu", (), T.elu),
    ("elu", (0.4,), T.elu),
    ("softplus", (), T.softplus),
    ("softplus", (3.0, 2.0), T.softplus),
    ("mish", (), T.mish),
    ("selu", (), T.selu),
    ("dropout", (), lambda x: T.dropout(x, training=False)),
]
IDS = [f"{name}-{'-'.join(map(str, arguments))}" for name, arguments, _ in CASES]
EXACT = {"relu", "relu6", "dropout"}
# A handful of roundings and the few units in the last place of an exponential.
ROUNDINGS = 16


def bound(name: str, x: np.ndarray) -> np.ndarray | float:
    """Rounding relative to what the formulas add up: 1 and |x|."""
    return 0.0 if name in EXACT else ROUNDINGS * EPS * (1.0 + np.abs(np.where(np.isfinite(x), x, 0)).astype(np.float64))


@pytest.mark.parametrize(("name", "arguments", "theirs"), CASES, ids=IDS)
def test_agrees_with_pytorch(name, arguments, theirs):
    x = np.concatenate([np.linspace(-20, 20, 1001, dtype=np.float32), normal(1000)])
    assert_within(getattr(F, name)(x, *arguments), theirs(double(x), *arguments), bound(name, x))


@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (1,), (7,), (2, 3), (1, 5, 3, 3), (2, 1, 2, 1, 2)])
@pytest.mark.parametrize(("name", "arguments", "theirs"), CASES, ids=IDS)
def test_any_shape(name, arguments, theirs, shape):
    x = np.asarray(normal(*shape))
    assert_within(getattr(F, name)(x, *arguments), theirs(double(x), *arguments), bound(name, x))


@pytest.mark.parametrize("size", [1, 5, 8, 16, 37])
@pytest.mark.parametrize(("name", "arguments", "theirs"), CASES, ids=IDS)
def test_special_values_at_every_place(name, arguments, theirs, size):
    """In the body and in the tail of a vector loop."""
    x = np.stack([np.resize(np.roll(SPECIAL, i), size) for i in range(len(SPECIAL))])
    assert_within(getattr(F, name)(x, *arguments), theirs(double(x), *arguments), bound(name, x))


def test_zero_is_kept():
    x = np.float32([0.0, -0.0])
    for name in ("relu", "leaky_relu", "tanh", "silu", "gelu", "elu", "hardswish"):
        np.testing.assert_array_equal(getattr(F, name)(x), [0, 0], err_msg=name)


@pytest.mark.parametrize(
    ("shape", "weights"), [((2, 3, 4, 5), 3), ((2, 3, 4, 5), 1), ((4, 3), 3), ((5,), 1), ((), 1), ((0, 3, 2), 3), ((2, 17, 3), 17)]
)
def test_prelu(shape, weights):
    x, weight = np.asarray(normal(*shape)), normal(weights, seed=1)
    assert_same(F.prelu(x, weight), T.prelu(single(x), single(weight)))


def test_prelu_with_special_values_and_a_scalar_weight():
    x, weight = with_specials(2, 3, 5, 5), normal(3, seed=1)
    assert_same(F.prelu(x, weight), T.prelu(single(x), single(weight)))
    assert_same(F.prelu(x, np.asarray(weight[0])), T.prelu(single(x), single(weight[0])))


SOFTMAX_SHAPES = [
    ((2, 5), 1),
    ((2, 5), 0),
    ((2, 5), -1),
    ((3, 4, 5), 1),
    ((2, 3, 4, 5), 1),
    ((2, 3, 4, 5), -1),
    ((7,), 0),
    ((), 0),
    ((0, 4), 1),
    ((2, 1), 1),
]


@pytest.mark.parametrize(("shape", "dim"), [*SOFTMAX_SHAPES, ((3, 1000), 1), ((2, 33, 3, 3), 1)])
def test_softmax(shape, dim):
    x = 5 * np.asarray(normal(*shape))
    size = x.shape[dim] if x.ndim else 1
    largest = float(np.abs(x).max(initial=0))
    relative = (size + 2 * largest + ROUNDINGS) * EPS  # x - max is rounded, and so is each of the additions
    want = T.softmax(double(x), dim)
    assert_within(F.softmax(np.asarray(x), dim), want, relative * want.numpy())
    assert_within(F.log_softmax(np.asarray(x), dim), T.log_softmax(double(x), dim), (size + 4 * largest + ROUNDINGS) * EPS)


@pytest.mark.parametrize("function", ["softmax", "log_softmax"])
def test_softmax_at_large_and_special_values(function):
    ours, theirs = getattr(F, function), getattr(T, function)
    rows = [[1e4, 1e4, -1e4], [3e38, -3e38, 0], [np.nan, 1, 2], [np.inf, 1, 2], [-np.inf, 1, 1], [-np.inf] * 3, [np.inf, np.inf, 1]]
    x = np.float32(rows)
    with np.errstate(over="ignore"):
        want = theirs(single(x), 1)
    assert_within(ours(x, 1), want, ROUNDINGS * EPS * np.abs(np.nan_to_num(want.numpy())))
    x = np.ascontiguousarray(x.T)
    assert_within(ours(x, 0), want.T, ROUNDINGS * EPS * np.abs(np.nan_to_num(want.T.numpy())))


@pytest.mark.parametrize("function", ["softmax", "log_softmax"])
@pytest.mark.parametrize("shape", [(4,), (4, 5), (2, 3, 4), (2, 3, 4, 5)])
def test_softmax_chooses_its_dimension_with_a_warning(function, shape):
    x = normal(*shape)
    with pytest.warns(UserWarning, match="Implicit dimension"):
        want = getattr(T, function)(single(x))
    plans.clear()  # the warning comes when a call is traced, not when its plan is found
    with pytest.warns(UserWarning, match="Implicit dimension"):
        got = getattr(F, function)(x)
    assert_within(got, want, 64 * EPS)


def test_dropout_is_the_identity():
    x = normal(3, 4)
    for y in (F.dropout(x), F.dropout(x, 1.0), F.dropout(x, p=0.3, training=False)):
        np.testing.assert_array_equal(y, x)
    with pytest.raises(ValueError, match="inference"):
        F.dropout(x, training=True)


@pytest.mark.parametrize("name", ["relu", "relu6", "leaky_relu", "hardswish", "hardsigmoid", "silu", "elu", "mish", "selu", "dropout"])
def test_inplace_has_no_effect(name):
    x = normal(10)
    before = x.copy()
    np.testing.assert_array_equal(getattr(F, name)(x, inplace=True), getattr(F, name)(x))
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize(("name", "arguments", "theirs"), CASES, ids=IDS)
def test_arrays_are_checked_and_kept(name, arguments, theirs):
    check_arrays(lambda x: getattr(F, name)(x, *arguments), ["input"], normal(3, 7))


def test_arrays_of_other_functions_are_checked_and_kept():
    check_arrays(F.prelu, ["input", "weight"], normal(2, 3, 4), normal(3))
    check_arrays(lambda x: F.softmax(x, 1), ["input"], normal(3, 7))
    check_arrays(lambda x: F.log_softmax(x, 1), ["input"], normal(3, 7))


def test_refusals():
    x = normal(2, 3, 4)
    both_refuse(lambda: F.gelu(x, "erf"), lambda: T.gelu(single(x), approximate="erf"), "approximate")
    both_refuse(lambda: F.softmax(x, 3), lambda: T.softmax(single(x), 3), "dim.*out of range")
    both_refuse(lambda: F.log_softmax(x, -4), lambda: T.log_softmax(single(x), -4), "dim.*out of range")
    both_refuse(lambda: F.prelu(x, x[0, :2, 0]), lambda: T.prelu(single(x), single(x[0, :2, 0])), "prelu")
    both_refuse(lambda: F.prelu(x, x[0, :1, :2]), lambda: T.prelu(single(x), single(x[0, :1, :2])), "prelu")
    for p in (-0.1, 1.1):
        both_refuse(lambda: F.dropout(x, p), lambda: T.dropout(single(x), p, training=False), "dropout probability")
    for name in ("leaky_relu", "elu"):
        both_refuse(lambda: getattr(F, name)(x, "a"), lambda: getattr(T, name)(single(x), "a"), "number")


def test_trace():
    assert recorded(lambda x: F.relu(x), (2, 3)) == [("relu", {})]
    assert recorded(lambda x: F.leaky_relu(x, 0.2, True), (2, 3)) == [("leaky_relu", {"negative_slope": 0.2})]
    assert recorded(lambda x: F.dropout(x), (2, 3)) == [("dropout", {"p": 0.5, "training": False})]
    assert recorded(lambda x: F.softmax(x, -1), (2, 3)) == [("softmax", {"dim": 1})]
