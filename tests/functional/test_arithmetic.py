"""linear, add and mul against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as T

import cyconv.functional as F

from .helpers import (
    EPS,
    absolute,
    assert_same,
    assert_within,
    both_refuse,
    check_arrays,
    double,
    normal,
    recorded,
    single,
    small_integers,
    with_specials,
)

BATCHES = [(), (1,), (5,), (2, 3), (0,), (2, 0, 3)]
BROADCASTS = [
    ((2, 3), (2, 3)),
    ((2, 3, 4, 5), (3, 1, 1)),
    ((4, 1), (1, 5)),
    ((), (3,)),
    ((2, 3), ()),
    ((0, 3), (1, 3)),
    ((2, 17, 3, 3), (2, 17, 1, 1)),
]


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize(("m", "k"), [(1, 1), (4, 7), (10, 300), (33, 65)])
@pytest.mark.parametrize("with_bias", [False, True])
def test_linear(batch, m, k, with_bias):
    inputs = [normal(*batch, k, seed=1), normal(m, k, seed=2)] + [normal(m, seed=3)] * with_bias
    bound = (k + 1) * EPS * T.linear(*map(absolute, inputs))
    assert_within(F.linear(*inputs), T.linear(*map(double, inputs)), bound)
    inputs = [small_integers(*batch, k, seed=1), small_integers(m, k, seed=2)] + [small_integers(m, seed=3)] * with_bias
    assert_same(F.linear(*inputs), T.linear(*map(single, inputs)))


def test_linear_with_special_values():
    x, weight, bias = with_specials(40, 7), normal(5, 7), normal(5)
    bound = 8 * EPS * T.linear(absolute(np.where(np.isfinite(x), x, 0)), absolute(weight), absolute(bias))
    assert_within(F.linear(x, weight, bias), T.linear(double(x), double(weight), double(bias)), bound)


@pytest.mark.parametrize(("a", "b"), BROADCASTS)
def test_add_and_mul(a, b):
    a, b = np.asarray(normal(*a, seed=1)), np.asarray(normal(*b, seed=2))
    assert_same(F.add(a, b), torch.add(single(a), single(b)))
    assert_same(F.mul(a, b), torch.mul(single(a), single(b)))
    assert_within(F.add(a, b, alpha=0.3), torch.add(double(a), double(b), alpha=0.3), 2 * EPS * torch.add(absolute(a), absolute(b)))


def test_add_and_mul_with_numbers():
    x = normal(2, 3)
    for y in (F.add(x, 2), F.add(2.0, x), F.add(x, np.float32(2))):
        assert_same(y, single(x) + 2)
    for y in (F.mul(x, 3), F.mul(3.0, x), F.mul(x, np.float32(3))):
        assert_same(y, single(x) * 3)


def test_add_and_mul_with_special_values():
    a, b = with_specials(7, 41, seed=1), with_specials(7, 41, seed=2)
    assert_same(F.add(a, b), torch.add(single(a), single(b)))
    assert_same(F.mul(a, b), torch.mul(single(a), single(b)))


def test_arrays_are_checked_and_kept():
    check_arrays(F.linear, ["input", "weight", "bias"], normal(2, 5), normal(3, 5), normal(3))
    check_arrays(F.add, ["input", "other"], normal(2, 5), normal(2, 5))
    check_arrays(F.mul, ["input", "other"], normal(2, 5), normal(5))


def test_refusals():
    x = np.ones((2, 3), np.float32)
    with pytest.raises(TypeError, match="linear: argument 'weight' must be a NumPy array of float32, got None"):
        F.linear(x, None, x)
    with pytest.raises(TypeError, match="linear: argument 'input' must be one NumPy array of float32, got list"):
        F.linear([x], x)
    x, weight, bias = normal(2, 5), normal(3, 5), normal(4)
    tx, tw, tb = map(single, (x, weight, bias))
    both_refuse(lambda: F.linear(x, weight.T.copy()), lambda: T.linear(tx, tw.T), "input.*weight")
    both_refuse(lambda: F.linear(x, weight, bias), lambda: T.linear(tx, tw, tb), "bias")
    both_refuse(lambda: F.linear(np.asarray(x[0, 0]), weight), lambda: T.linear(tx[0, 0], tw), "input")
    both_refuse(lambda: F.linear(x, weight[None]), lambda: T.linear(tx, tw[None]), "weight")
    both_refuse(lambda: F.add(x, weight), lambda: torch.add(tx, tw), "add.*must match")
    both_refuse(lambda: F.mul(x, weight), lambda: torch.mul(tx, tw), "mul.*must match")


def test_trace():
    weight = normal(3, 5)
    assert recorded(lambda x: F.linear(x, weight), (2, 5)) == [("linear", {})]
    assert [op for op, _ in recorded(lambda x, y: F.add(x, y, alpha=2), (2, 5), (2, 5))] == ["mul", "add"]
    assert [op for op, _ in recorded(lambda x: F.mul(x, 2.0), (2, 5))] == ["mul"]


MATRICES = [
    ((3, 4), (4, 5)),
    ((4,), (4, 5)),
    ((3, 4), (4,)),
    ((4,), (4,)),
    ((2, 1, 3, 4), (6, 4, 17)),
    ((5, 40), (2, 40, 33)),
    ((0, 3, 4), (4, 5)),
]


@pytest.mark.parametrize(("a", "b"), MATRICES)
def test_matmul(a, b):
    x, w = small_integers(*a), small_integers(*b, seed=1)
    assert_same(F.matmul(x, w), torch.matmul(single(x), single(w)))
    x, w = normal(*a), normal(*b, seed=1)
    assert_within(F.matmul(x, w), torch.matmul(double(x), double(w)), a[-1] * EPS * torch.matmul(absolute(x), absolute(w)))
    assert recorded(lambda x, w: x @ w, a, b) == [("matmul", {})]


def test_matmul_nan_and_infinity():
    x, w = with_specials(5, 7), normal(7, 20, seed=1)
    assert_within(
        F.matmul(x, w), torch.matmul(double(x), double(w)), 7 * EPS * torch.matmul(absolute(np.where(np.isfinite(x), x, 0)), absolute(w))
    )


def test_matmul_refusals():
    check_arrays(F.matmul, ["input", "other"], normal(3, 4), normal(4, 5))
    x = normal(3, 4)
    both_refuse(lambda: F.matmul(x, x), lambda: torch.matmul(single(x), single(x)), "cannot be multiplied")
    both_refuse(lambda: F.matmul(x, np.float32(1).reshape(())), lambda: torch.matmul(single(x), torch.tensor(1.0)), "at least 1D")
