"""linear and the element-wise functions of two arrays against PyTorch."""

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


@pytest.mark.parametrize(("a", "b"), BROADCASTS)
def test_other_functions(a, b):
    a, b = np.asarray(normal(*a, seed=1)), np.asarray(normal(*b, seed=2))
    for name in ("sub", "div", "minimum", "maximum"):
        for x, y in ((a, b), (b, a)):
            assert_same(getattr(F, name)(x, y), getattr(torch, name)(single(x), single(y)))
    assert_within(F.sub(a, b, alpha=0.3), torch.sub(double(a), double(b), alpha=0.3), 2 * EPS * torch.add(absolute(a), absolute(b)))
    want = torch.pow(absolute(a), double(b))
    assert_within(F.pow(np.abs(a), b), want, EPS * want)


def test_other_functions_with_numbers_and_special_values():
    a, b = with_specials(7, 41, seed=1), with_specials(7, 41, seed=2)
    for name in ("sub", "div", "minimum", "maximum"):
        assert_same(getattr(F, name)(a, b), getattr(torch, name)(single(a), single(b)))
    assert_same(F.sub(a, 2), single(a) - 2)
    assert_same(F.sub(2.0, a), 2 - single(a))
    assert_same(F.div(1, b), 1 / single(b))
    assert_same(F.pow(a, 2), single(a) ** 2)
    assert_same(F.maximum(a, 0.5), torch.clamp(single(a), min=0.5))
    cube = 2.0 ** double(b)
    assert_within(F.pow(2, b), cube, EPS * torch.nan_to_num(cube, posinf=0))


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_integers(dtype):
    a, b = (np.random.default_rng(i).integers(-9, 10, (6, 7)).astype(dtype) for i in range(2))
    for name in ("add", "sub", "mul", "minimum", "maximum"):
        assert_same(getattr(F, name)(a, b), getattr(torch, name)(single(a), single(b)))
        assert_same(getattr(F, name)(a, np.asarray(3, dtype)), getattr(torch, name)(single(a), torch.tensor(3, dtype=single(a).dtype)))
    assert_same(F.add(a, 4, alpha=2), torch.add(single(a), 4, alpha=2))
    assert_same(F.pow(a, np.abs(b)), torch.pow(single(a), single(np.abs(b))))
    b[b == 0] = 5
    assert_same(F.div(a, b), torch.div(single(a), single(b)))
    assert_same(F.div(a, b, rounding_mode="trunc"), torch.div(single(a), single(b), rounding_mode="trunc"))
    assert F.div(a, np.zeros_like(b), rounding_mode="trunc").any() == np.False_
    with pytest.raises(TypeError, match=r"add: 0.5 is no integer, but stands beside an array of int"):
        F.add(a, 0.5)


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
    for name in ("sub", "div", "minimum", "maximum"):
        check_arrays(getattr(F, name), ["input", "other"], normal(2, 5), normal(2, 5))
    check_arrays(F.pow, ["input", "exponent"], np.abs(normal(2, 5)), normal(5))


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
    for mode in ("ceil", "floor", "trunc"):
        with pytest.raises(ValueError, match="div: rounding_mode must be None, or 'trunc' for integers"):
            F.div(x, x, rounding_mode=mode)
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
