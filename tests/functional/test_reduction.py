"""Reductions against PyTorch: any dimensions and dtypes, ties, NaN, and what is refused."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch

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
    single,
    small_integers,
    with_specials,
)

SHAPES = [(), (7,), (2, 5), (3, 1, 4), (2, 3, 4, 5)]


def choices(ndim: int) -> list:
    """Dimensions as PyTorch takes them."""
    some = [d for r in range(1, ndim + 1) for d in combinations(range(ndim), r)]
    return [None, *some, *([-1, 0] if ndim else [])]


@pytest.mark.parametrize("shape", SHAPES)
def test_sum_and_mean(shape):
    x = np.asarray(normal(*shape))
    for dim in choices(len(shape)):
        for keepdim in (False, True):
            bound = 3 * EPS * torch.sum(absolute(x), dim, keepdim)
            assert_within(F.sum(x, dim, keepdim), torch.sum(double(x), dim, keepdim), bound)
            want = torch.mean(double(x), dim, keepdim)
            assert_within(F.mean(x, dim, keepdim), want, bound / (x.size / want.numel()) + EPS * want.abs())
    for dtype in (np.int32, np.int64, np.bool_):
        ints = np.asarray(small_integers(*shape)).astype(dtype)
        assert_same(F.sum(ints), torch.sum(single(ints)))


@pytest.mark.parametrize("shape", SHAPES)
def test_amax_and_amin(shape):
    for x in (np.asarray(with_specials(*shape)), np.asarray(small_integers(*shape)).astype(np.int64), np.asarray(normal(*shape) > 0)):
        for dim in choices(len(shape)):
            dim = () if dim is None else dim
            for keepdim in (False, True):
                assert_same(F.amax(x, dim, keepdim), torch.amax(single(x), dim, keepdim))
                assert_same(F.amin(x, dim, keepdim), torch.amin(single(x), dim, keepdim))


@pytest.mark.parametrize("shape", SHAPES)
def test_argmax(shape):
    for x in (np.asarray(with_specials(*shape)), np.asarray(small_integers(*shape)).astype(np.int32)):
        for dim in [None, *range(-len(shape), len(shape))]:
            for keepdim in (False, True):
                assert_same(F.argmax(x, dim, keepdim), torch.argmax(single(x), dim, keepdim))


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_topk(shape, largest):
    x = np.random.default_rng(1).permutation(np.prod(shape, dtype=int)).reshape(shape).astype(np.float32)  # no ties
    for dim in [None, *range(-len(shape), len(shape))]:
        size = 1 if not shape else shape[-1 if dim is None else dim]
        for k in {0, 1, size // 2, size} if shape else {1}:
            ours, theirs = F.topk(x, k, dim, largest), torch.topk(single(x), k, -1 if dim is None else dim, largest)
            assert_same(ours[0], theirs[0])
            assert_same(ours[1], theirs[1])
    assert F.topk(np.float32([1, 2, 2, 1]), 4)[1].tolist() == [1, 2, 0, 3]


def test_of_nothing():
    x = np.zeros((2, 0, 3), np.float32)
    assert_same(F.sum(x, 1), torch.sum(single(x), 1))
    assert_same(F.mean(x, 1), torch.mean(single(x), 1))
    assert_same(F.amax(x, 2), torch.amax(single(x), 2))


def test_refusals():
    x, empty = normal(2, 3), np.zeros((2, 0), np.float32)
    for name in ("sum", "mean", "amax", "amin"):
        ours, theirs = getattr(F, name), getattr(torch, name)
        both_refuse(lambda: ours(x, 2), lambda: theirs(single(x), 2), "out of range")
        both_refuse(lambda: ours(x, (0, -2)), lambda: theirs(single(x), (0, -2)), "appears multiple times")
    for name in ("amax", "amin", "argmax"):
        ours, theirs = getattr(F, name), getattr(torch, name)
        both_refuse(lambda: ours(empty, 1), lambda: theirs(single(empty), 1), "non-zero size")
    both_refuse(lambda: F.argmax(empty), lambda: torch.argmax(single(empty)), "non-zero size")
    both_refuse(lambda: F.topk(x, 4), lambda: torch.topk(single(x), 4), "too big for dimension")
    both_refuse(lambda: F.topk(x, 1, 2), lambda: torch.topk(single(x), 1, 2), "out of range")
    both_refuse(lambda: F.mean(np.arange(3)), lambda: torch.mean(torch.arange(3)), "must be float32")


def test_arrays_are_checked_and_kept():
    check_arrays(F.mean, ["input"], normal(3, 7))
    check_arrays(lambda x: (F.sum(x, 0), F.amax(x, 0), F.argmax(x, 0), *F.topk(x, 2)), [], normal(3, 7))
