"""Mathematical functions, comparisons, selection and conversion against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import cyconv.functional as F

from .helpers import EPS, SPECIAL, assert_same, assert_within, both_refuse, check_arrays, double, normal, recorded, single, with_specials

UNARY = ["sqrt", "exp", "log", "abs", "neg", "sign", "floor", "ceil", "erf", "reciprocal"]
EXACT = {"abs", "neg", "sign", "floor", "ceil"}
COMPARISONS = ["eq", "ne", "gt", "ge", "lt", "le"]


@pytest.mark.parametrize("name", UNARY)
def test_unary(name):
    x = np.concatenate([np.linspace(-20, 20, 1001, dtype=np.float32), normal(1000), SPECIAL])
    exact = getattr(torch, name)(double(x)).numpy()
    exact[np.abs(exact) > 3.4e38] = np.inf  # of exp only, and of what is infinite
    exact[np.isneginf(getattr(torch, name)(double(x)).numpy())] = -np.inf
    bound = 0.0 if name in EXACT else 2 * EPS * np.abs(np.where(np.isfinite(exact), exact, 0)) + 2.0**-126
    assert_within(getattr(F, name)(x), torch.tensor(exact), bound)
    for shape in [(), (0,), (2, 0, 3), (1, 5, 3, 3)]:
        assert getattr(F, name)(np.abs(np.asarray(normal(*shape)))).shape == shape


@pytest.mark.parametrize("name", ["abs", "neg", "sign"])
def test_unary_of_integers(name):
    for dtype in (np.int32, np.int64):
        x = np.arange(-9, 10).astype(dtype)
        assert_same(getattr(F, name)(x), getattr(torch, name)(single(x)))


@pytest.mark.parametrize("name", COMPARISONS)
def test_comparisons(name):
    ours, theirs = getattr(F, name), getattr(torch, name)
    a, b = np.round(with_specials(4, 1, 30, seed=1)), np.round(with_specials(5, 1, seed=2))
    assert_same(ours(a, b), theirs(single(a), single(b)))
    for dtype in (np.int32, np.int64, np.bool_):
        x, y = np.arange(6).astype(dtype), np.arange(6)[::-1].astype(dtype)
        assert_same(ours(x, y), theirs(single(x), single(y)))
    assert_same(ours(a, 1), theirs(single(a), 1))
    assert_same(ours(1.0, a), theirs(torch.tensor(1.0), single(a)))
    assert len(recorded(lambda x: ours(x, 2.0), (3,))) == 1


def test_operators_of_traced_values():
    fns = [lambda x: x - 1.0, lambda x: 1.0 - x, lambda x: x / 2.0, lambda x: 2.0 / x, lambda x: x**2.0, lambda x: 2.0**x, lambda x: -x]
    fns += [lambda x: x == 0.0, lambda x: x != 0.0, lambda x: x < 0.0, lambda x: x <= 0.0, lambda x: x > 0.0, lambda x: x >= 0.0]
    names = ["sub", "sub", "div", "div", "pow", "pow", "neg", "equal", "not_equal", "less", "less_equal", "greater", "greater_equal"]
    assert [recorded(fn, (3,))[0][0] for fn in fns] == names


@pytest.mark.parametrize(("low", "high"), [(-1.0, 2.0), (None, 0.5), (0, None), (2.0, -1.0)])
def test_clamp(low, high):
    x = with_specials(7, 11)
    assert_same(F.clamp(x, low, high), torch.clamp(single(x), low, high))
    bounds = [None if b is None else np.full((11,), b, np.float32) for b in (low, high)]
    theirs = [None if b is None else single(b) for b in bounds]
    assert_same(F.clamp(x, *bounds), torch.clamp(single(x), *theirs))
    ints = np.arange(-5, 6)
    whole = [None if b is None else int(b) for b in (low, high)]
    assert_same(F.clamp(ints, *whole), torch.clamp(single(ints), *whole))


def test_clamp_with_an_array_and_a_number():
    x, low = normal(3, 4), normal(4, seed=1)
    assert_same(F.clamp(x, low, 0.5), torch.clamp(single(x), single(low), torch.tensor(0.5)))


def test_where():
    x, y = with_specials(3, 1, 5), with_specials(4, 1, seed=3)
    condition = normal(4, 5) > 0
    assert_same(F.where(condition, x, y), torch.where(single(condition), single(x), single(y)))
    assert_same(F.where(condition, normal(4, 5), 0.0), torch.where(single(condition), single(normal(4, 5)), 0.0))
    assert_same(F.where(condition, 1, normal(4, 5)), torch.where(single(condition), torch.tensor(1.0), single(normal(4, 5))))
    ints = np.arange(20).reshape(4, 5)
    assert_same(F.where(condition, ints, -ints), torch.where(single(condition), single(ints), single(-ints)))
    assert_same(F.where(condition, condition, ~condition), torch.where(single(condition), single(condition), single(~condition)))


@pytest.mark.parametrize("to", ["float32", "int32", "int64", "bool"])
@pytest.mark.parametrize("dtype", ["float32", "int32", "int64", "bool"])
def test_cast(dtype, to):
    x = (4 * normal(3, 5)).astype(dtype)
    assert_same(F.cast(x, to), single(x).to(getattr(torch, to)))
    for shape in [(), (0, 2)]:
        assert F.cast(np.zeros(shape, dtype), to).shape == shape


def test_refusals():
    x, ints = normal(2, 3), np.arange(6).reshape(2, 3)
    both_refuse(lambda: F.clamp(x), lambda: torch.clamp(single(x)), "At least one of 'min' or 'max'")
    both_refuse(lambda: F.where(x > 0, x, normal(4)), lambda: torch.where(single(x > 0), single(x), single(normal(4))), "must match")
    with pytest.raises(TypeError, match="where takes a condition of bool, got float32"):
        F.where(x, x, x)
    with pytest.raises(TypeError, match="one dtype, got float32 and int64"):
        F.where(x > 0, x, ints)
    with pytest.raises(TypeError, match="one dtype, got float32 and int64"):
        F.eq(x, ints)
    with pytest.raises(TypeError, match=r"eq: 1.5 is no integer, but stands beside an array of int64"):
        F.eq(ints, 1.5)
    with pytest.raises(ValueError, match="cast: dtype must be float32, int32, int64 or bool, got 'float64'"):
        F.cast(x, "float64")
    with pytest.raises(TypeError, match="sqrt: argument 'input' must be float32, got int64"):
        F.sqrt(ints)


def test_arrays_are_checked_and_kept():
    for name in UNARY:
        if name not in ("abs", "neg", "sign"):
            check_arrays(getattr(F, name), ["input"], np.abs(normal(3, 7)) + 1)
    check_arrays(lambda x: F.clamp(x, -0.5, 0.5)[F.ge(x, 0)].sum(keepdims=True), [], normal(3, 7))
