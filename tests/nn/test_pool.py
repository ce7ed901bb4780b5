"""Pooling layers against PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cyconv import nn

from ..functional.helpers import assert_same, single, small_integers
from .helpers import build, check_exact


@pytest.mark.parametrize("options", [{}, {"stride": 1, "padding": 1}, {"stride": (2, 1), "dilation": 2}, {"stride": 2, "ceil_mode": True}])
@pytest.mark.parametrize("kernel", [3, (2, 3)])
def test_max_pool2d(kernel, options):
    check_exact("MaxPool2d", kernel, **options, shape=(2, 3, 9, 8))


def test_max_pools_with_indices():
    x = small_integers(2, 3, 9, 8)
    for name, size in (("MaxPool2d", 2), ("AdaptiveMaxPool2d", (3, None))):
        ours, theirs = build(name, size, return_indices=True)
        for got, want in zip(ours(x), theirs(single(x)), strict=True):
            assert_same(got, want)


@pytest.mark.parametrize(
    "options", [{}, {"stride": 1, "padding": 1}, {"ceil_mode": True, "divisor_override": 2}, {"padding": 1, "divisor_override": 1}]
)
def test_avg_pool2d(options):
    check_exact("AvgPool2d", (2, 4), **options, shape=(2, 3, 9, 10))


def test_avg_pool2d_without_padding_in_the_divisor():
    check_exact("AvgPool2d", 2, padding=1, count_include_pad=False, shape=(2, 3, 8, 8))


@pytest.mark.parametrize("size", [(2, 4), 1, (None, 4)])
@pytest.mark.parametrize("name", ["AdaptiveAvgPool2d", "AdaptiveMaxPool2d"])
def test_adaptive_pools(name, size):
    check_exact(name, size, shape=(2, 3, 8, 4))


@pytest.mark.parametrize(("rank", "shape"), [(1, (2, 3, 8)), (3, (2, 3, 4, 8, 6))])
def test_other_ranks(rank, shape):
    for options in ({}, {"stride": 1, "padding": 1}, {"ceil_mode": True, "dilation": 2}):
        check_exact(f"MaxPool{rank}d", 2, **options, shape=shape)
    check_exact(f"AvgPool{rank}d", 2, shape=shape)
    check_exact(f"AvgPool{rank}d", 4, 2, 1, True, False, shape=(*shape[:2], *(6,) * rank))
    check_exact(f"AdaptiveAvgPool{rank}d", (2, 4, 2)[:rank], shape=shape)
    check_exact(f"AdaptiveMaxPool{rank}d", (2, 4, 2)[:rank], shape=shape)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_lp_pool(rank):
    for kernel, options in ((2, {}), ((2, 2, 2)[:rank] if rank > 1 else 2, {"stride": 1, "ceil_mode": True})):
        check_exact(f"LPPool{rank}d", 1, kernel, **options, shape=(2, 3, 8, 6, 5)[: rank + 2])


def test_max_pool_is_another_name():
    assert nn.MaxPool is nn.MaxPool2d
    assert repr(nn.MaxPool(2)) == repr(torch.nn.MaxPool2d(2))


def test_bad_options_are_refused_by_the_forward():
    with pytest.raises(ValueError, match="half of kernel"):
        nn.MaxPool2d(2, padding=2)(np.zeros((1, 1, 8, 8), np.float32))
