"""Pooling against PyTorch: maxima and their indices are exact, averages exact on small integers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
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

SHAPES = [(2, 3, 8, 9), (1, 1, 5, 7), (3, 9, 9), (0, 3, 8, 9), (2, 17, 7, 8)]
WINDOWS = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2},
    {"kernel_size": 3, "stride": 1, "padding": 1},
    {"kernel_size": (3, 2), "stride": (2, 3), "padding": (1, 0)},
    {"kernel_size": (1, 4), "stride": (3, 1), "padding": (0, 2)},
    {"kernel_size": 5, "stride": 4, "padding": 2},
]
SIZES = [1, (1, 1), 3, (2, 5), (None, 2), (4, None), (7, 9), (13, 11), (0, 2)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize(
    "more", [{}, {"ceil_mode": True}, {"dilation": 2, "kernel_size": 2}, {"dilation": (1, 2), "ceil_mode": True, "padding": 0}]
)
def test_max_pool2d(shape, window, more):
    options = window | more
    if "dilation" in more and "padding" not in more:
        options["padding"] = 1
    x = small_integers(*shape)  # with many equal maxima
    got, index = F.max_pool2d(x, **options, return_indices=True)
    want, want_index = T.max_pool2d(single(x), **options, return_indices=True)
    assert_same(got, want)
    assert_same(index, want_index)
    assert_same(F.max_pool2d(x, **options), want)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize(
    ("ceil_mode", "count_include_pad", "divisor"), list(itertools.product([False, True], [False, True], [None, 3, -2]))
)
def test_avg_pool2d(shape, window, ceil_mode, count_include_pad, divisor):
    options = window | {"ceil_mode": ceil_mode, "count_include_pad": count_include_pad, "divisor_override": divisor}
    x = normal(*shape)
    cells = int(np.prod(window["kernel_size"])) ** (1 if isinstance(window["kernel_size"], tuple) else 2)
    bound = (cells + 1) * EPS * T.avg_pool2d(absolute(x), **options).abs()
    assert_within(F.avg_pool2d(x, **options), T.avg_pool2d(double(x), **options), bound)


def test_avg_pool2d_is_exact_where_the_divisor_is_a_power_of_two():
    x = small_integers(2, 17, 8, 12)
    assert_same(F.avg_pool2d(x, (2, 4), padding=(1, 2)), T.avg_pool2d(single(x), (2, 4), padding=(1, 2)))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", SIZES)
def test_adaptive_pools(shape, size):
    x = normal(*shape)
    bound = (shape[-1] * shape[-2] + 1) * EPS * T.adaptive_avg_pool2d(absolute(x), size)
    assert_within(F.adaptive_avg_pool2d(x, size), T.adaptive_avg_pool2d(double(x), size), bound)
    x = small_integers(*shape)
    got, index = F.adaptive_max_pool2d(x, size, return_indices=True)
    want, want_index = T.adaptive_max_pool2d(single(x), size, return_indices=True)
    assert_same(got, want)
    assert_same(index, want_index)
    assert_same(F.adaptive_max_pool2d(x, size), want)


@pytest.mark.parametrize("channels", [1, 3, 17])
def test_nan_and_infinity_as_in_pytorch(channels):
    x = with_specials(2, channels, 9, 10, seed=channels)
    x[0, 0, :5] = -np.inf  # whole windows
    x[1, 0, :5] = np.nan
    for got, want in (
        (F.max_pool2d(x, 3, 2, 1, return_indices=True), T.max_pool2d(single(x), 3, 2, 1, return_indices=True)),
        (F.adaptive_max_pool2d(x, (4, 3), True), T.adaptive_max_pool2d(single(x), (4, 3), True)),
    ):
        assert_same(got[0], want[0])
        assert_same(got[1], want[1])
    magnitude = absolute(np.where(np.isfinite(x), x, 0))
    assert_within(F.avg_pool2d(x, 3, 2, 1), T.avg_pool2d(double(x), 3, 2, 1), 10 * EPS * T.avg_pool2d(magnitude, 3, 2, 1))
    size = (4, 3)
    bound = 17 * EPS * T.adaptive_avg_pool2d(magnitude, size)
    assert_within(F.adaptive_avg_pool2d(x, size), T.adaptive_avg_pool2d(double(x), size), bound)


def test_one_pixel():
    x = normal(2, 3, 1, 1)
    for y in (F.max_pool2d(x, 1), F.avg_pool2d(x, 1), F.adaptive_avg_pool2d(x, 1), F.adaptive_max_pool2d(x, 1), F.max_pool2d(x, 3, 1, 1)):
        np.testing.assert_array_equal(y, x, strict=True)


def test_asymmetric_padding():
    x = small_integers(2, 3, 6, 6)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 0), (0, 1)), constant_values=-np.inf)
    np.testing.assert_array_equal(F.max_pool2d(x, 2, padding=((1, 0), (0, 1))), F.max_pool2d(padded, 2), strict=True)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 0), (0, 1)))
    np.testing.assert_array_equal(F.avg_pool2d(x, 2, padding=((1, 0), (0, 1))), F.avg_pool2d(padded, 2), strict=True)


def test_arrays_are_checked_and_kept():
    x = normal(2, 3, 7, 8)
    check_arrays(lambda x: F.max_pool2d(x, 2, return_indices=True), ["input"], x)
    check_arrays(lambda x: F.avg_pool2d(x, 2), ["input"], x)
    check_arrays(lambda x: F.adaptive_avg_pool2d(x, 2), ["input"], x)
    check_arrays(lambda x: F.adaptive_max_pool2d(x, 2), ["input"], x)


# input, options, what the message says
REFUSED = [
    ((8, 8), {"kernel_size": 2}, "pool2d.*input.*size"),
    ((1, 1, 3, 8, 8), {"kernel_size": 2}, "pool2d.*input.*size"),
    ((1, 0, 8, 8), {"kernel_size": 2}, "input"),
    ((1, 3, 0, 8), {"kernel_size": 2}, "input"),
    ((1, 3, 8, 8), {"kernel_size": 0}, "kernel_size"),
    ((1, 3, 8, 8), {"kernel_size": (2, 2, 2)}, "kernel_size"),
    ((1, 3, 8, 8), {"kernel_size": 2.5}, "kernel_size"),
    ((1, 3, 8, 8), {"kernel_size": 9}, "[Oo]utput size"),
    ((1, 3, 8, 8), {"kernel_size": 3, "padding": 2}, "half of kernel"),
    ((1, 3, 8, 8), {"kernel_size": 3, "padding": -1}, "padding"),
    ((1, 3, 8, 8), {"kernel_size": 3, "padding": "same"}, "padding"),
    ((1, 3, 8, 8), {"kernel_size": 3, "stride": 0}, "stride"),
]


@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d"])
@pytest.mark.parametrize(("shape", "options", "match"), REFUSED)
def test_refusals(name, shape, options, match):
    x = normal(*shape)
    both_refuse(lambda: getattr(F, name)(x, **options), lambda: getattr(T, name)(single(x), **options), match)


def test_more_refusals():
    x = normal(1, 3, 8, 8)
    both_refuse(lambda: F.max_pool2d(x, 2, dilation=0), lambda: T.max_pool2d(single(x), 2, dilation=0), "dilation")
    both_refuse(lambda: F.max_pool2d(x, 5, dilation=2), lambda: T.max_pool2d(single(x), 5, dilation=2), "[Oo]utput size")
    both_refuse(lambda: F.avg_pool2d(x, 2, divisor_override=0), lambda: T.avg_pool2d(single(x), 2, divisor_override=0), "divisor")
    for name in ("adaptive_avg_pool2d", "adaptive_max_pool2d"):
        ours, theirs = getattr(F, name), getattr(T, name)
        both_refuse(lambda: ours(x, -1), lambda: theirs(single(x), -1), "output_size")
        both_refuse(lambda: ours(x, (1, 2, 3)), lambda: theirs(single(x), (1, 2, 3)), "output_size")
        both_refuse(lambda: ours(x[0, 0], 2), lambda: theirs(single(x[0, 0]), 2), "input.*size")
        both_refuse(lambda: ours(x[:, :, :0], 2), lambda: theirs(single(x[:, :, :0]), 2), "input")


def test_trace():
    attrs = {"kernel": (3, 3), "stride": (2, 2), "padding": (1, 1, 1, 1), "dilation": (1, 1), "ceil_mode": False, "return_indices": False}
    assert recorded(lambda x: F.max_pool2d(x, 3, 2, 1), (1, 3, 8, 8)) == [("max_pool2d", attrs)]
    got = recorded(lambda x: F.adaptive_max_pool2d(x, (None, 2), True), (3, 8, 8))
    assert [op for op, _ in got] == ["reshape", "adaptive_max_pool2d", "reshape", "reshape"]
    assert got[1][1]["output_size"] == (8, 2)


def test_indices_are_no_input():
    with pytest.raises(TypeError, match="relu takes float32, got int64"):
        recorded(lambda x: F.relu(F.max_pool2d(x, 2, return_indices=True)[1]), (1, 2, 4, 4))
