"""The float64 reference of conv2d against PyTorch, against six plain loops, and its refusals against PyTorch's."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from cyconv.ops import OPS

from .helpers import EPS, assert_within, both_or_neither, refuses, run, tensor

PLAIN = {"stride": (1, 1), "padding": (0, 0, 0, 0), "dilation": (1, 1), "groups": 1}


def random_case(rng: np.random.Generator) -> tuple[list[np.ndarray], dict]:
    """Arrays and attributes of one convolution; sometimes the kernel is too large for the image."""
    groups = int(rng.integers(1, 4))
    c, o = groups * int(rng.integers(1, 4)), groups * int(rng.integers(1, 4))
    x = rng.standard_normal((int(rng.integers(0, 4)), c, *rng.integers(1, 12, 2)))
    weight = rng.standard_normal((o, c // groups, *rng.integers(1, 6, 2)))
    bias = [rng.standard_normal(o)] if rng.random() < 0.5 else []
    stride, dilation = (tuple(map(int, rng.integers(1, 4, 2))) for _ in range(2))
    padding = tuple(map(int, rng.integers(0, 4, 4)))
    return [x, weight, *bias], {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}


def pytorch_conv2d(inputs: list[np.ndarray], attrs: dict) -> torch.Tensor:
    top, bottom, left, right = attrs["padding"]
    x, weight, *bias = map(tensor, inputs)
    return F.conv2d(F.pad(x, (left, right, top, bottom)), weight, *(bias or [None]), attrs["stride"], 0, attrs["dilation"], attrs["groups"])


def rounding_bound(inputs: list[np.ndarray], attrs: dict) -> np.ndarray:
    """Two sums of K products and a bias in different orders differ by at most 2 (K+1) eps Σ|x||w|."""
    products = inputs[1][0].size + 1
    return 2 * products * EPS * OPS["conv2d"].reference([np.abs(a) for a in inputs], attrs)[0]


def check_case(inputs: list[np.ndarray], attrs: dict) -> bool:
    """Compare one case with PyTorch; False when both refuse it."""
    found = both_or_neither(lambda: pytorch_conv2d(inputs, attrs), lambda: run("conv2d", inputs, attrs)[0])
    if found is None:
        return False
    want, got = found
    assert_within(got, want, rounding_bound(inputs, attrs), ([a.shape for a in inputs], attrs))
    return True


def test_agrees_with_pytorch():
    rng = np.random.default_rng(0)
    computed = sum(check_case(*random_case(rng)) for _ in range(600))
    assert 300 < computed < 600


@pytest.mark.parametrize(
    ("x", "weight", "attrs"),
    [
        ((2, 3, 1, 1), (4, 3, 1, 1), {}),
        ((1, 3, 1, 1), (4, 3, 3, 3), {"padding": (1, 1, 1, 1)}),
        ((1, 2, 2, 2), (4, 2, 7, 7), {"padding": (3, 3, 3, 3)}),
        ((0, 3, 8, 8), (4, 3, 3, 3), {}),
        ((1, 6, 9, 9), (12, 1, 3, 3), {"groups": 6}),
        ((1, 3, 30, 30), (8, 3, 11, 11), {"stride": (4, 4), "padding": (2, 2, 2, 2)}),
        ((1, 2, 5, 5), (2, 2, 1, 1), {"stride": (7, 7)}),
        ((1, 2, 5, 5), (2, 2, 1, 1), {"padding": (0, 9, 4, 0)}),
    ],
)
def test_notable_shapes(x, weight, attrs):
    rng = np.random.default_rng(1)
    assert check_case([rng.standard_normal(x), rng.standard_normal(weight)], PLAIN | attrs)


def test_equals_six_loops_on_integers():
    """The definition written out once more, index by index; integers make every order of summation exact."""
    rng = np.random.default_rng(2)
    x, weight = rng.integers(-9, 9, (1, 4, 6, 7)).astype(float), rng.integers(-9, 9, (6, 2, 3, 2)).astype(float)
    attrs = {"stride": (2, 1), "padding": (1, 0, 2, 1), "dilation": (1, 2), "groups": 2}
    y = run("conv2d", [x, weight], attrs)[0]
    for o, p, q in itertools.product(*map(range, y.shape[1:])):
        total = 0.0
        for c, i, j in itertools.product(*map(range, weight.shape[1:])):
            row, column = p * 2 + i - 1, q + 2 * j - 2
            if 0 <= row < 6 and 0 <= column < 7:
                total += x[0, o // 3 * 2 + c, row, column] * weight[o, c, i, j]
        assert y[0, o, p, q] == total


def test_nan_and_infinity_reach_what_they_touch():
    x = np.ones((1, 1, 6, 6))
    x[0, 0, 1, 1], x[0, 0, 4, 4] = np.nan, np.inf
    weight = np.full((1, 1, 2, 2), 0.5)
    assert check_case([x, weight], PLAIN)
    y = run("conv2d", [x, weight], PLAIN)[0]
    assert np.isnan(y).sum() == 4
    assert np.isinf(y).sum() == 4


def test_multiply_adds_are_products():
    shapes = [(2, 6, 5, 5), (8, 3, 3, 2), (8,)]
    attrs = PLAIN | {"groups": 2}
    out = OPS["conv2d"].infer(shapes, attrs)
    assert out == [(2, 8, 3, 4)]
    assert OPS["conv2d"].macs(shapes, out, attrs) == 2 * 8 * 3 * 4 * 3 * 3 * 2


@pytest.mark.parametrize(
    ("shapes", "attrs", "match"),
    [
        ([(1, 4, 5, 5), (2, 3, 3, 3)], {}, r"weight of size \[2, 3, 3, 3\], expected input\[1, 4, 5, 5\] to have 3 channels, but got 4"),
        ([(1, 4, 5, 5), (3, 2, 3, 3)], {"groups": 2}, r"Given groups=2, expected weight to be divisible by 2 at dimension 0"),
        ([(1, 4, 5, 5), (0, 4, 3, 3)], {}, "expected weight to be at least 1 at dimension 0"),
        ([(1, 4, 5, 5), (2, 4, 3, 3), (3,)], {}, r"expected bias to be 1-dimensional with 2 elements, but got bias of size \[3\]"),
        ([(1, 4, 5, 5), (2, 4, 3, 3), (2, 1)], {}, "expected bias to be 1-dimensional"),
        ([(1, 4, 2, 5), (2, 4, 3, 3)], {}, "Kernel size can't be greater than actual input size"),
        ([(1, 4, 5, 5), (2, 4, 3, 0)], {}, "kernel size must be at least 1, got 0"),
        ([(4, 5), (2, 4, 3, 3)], {}, r"expected 4D input .* but got input of size: \[4, 5\]"),
        ([(1, 4, 0, 5), (2, 4, 1, 1)], {"padding": (2, 2, 0, 0)}, "with optional 0 dim batch size"),
        ([(1, 4, 5, 5), (2, 4, 3)], {}, "expected 4D weight"),
        ([(1, 4, 5, 5)], {}, "conv2d expects 2 or 3 inputs, got 1"),
        ([(1, 4, 5, 5), (2, 4, 3, 3)], {"stride": (0, 1)}, "stride must be at least 1, got 0"),
        ([(1, 4, 5, 5), (2, 4, 3, 3)], {"dilation": (1, 0)}, "dilation must be at least 1, got 0"),
        ([(1, 4, 5, 5), (2, 4, 3, 3)], {"groups": 0}, "groups must be at least 1, got 0"),
        ([(1, 4, 5, 5), (2, 4, 3, 3)], {"padding": (0, 0, -1, 0)}, "padding must be at least 0, got -1"),
        ([(1, 4, 5, 5), (2, 4, 3, 3)], {"padding": (1, 1)}, r"padding must be \(top, bottom, left, right\)"),
        ([(1, 1, 5, 5), (1, 1, 1, 1)], {"padding": (2**30, 2**30, 0, 0)}, "padded input size must be below"),
        ([(2**20, 1, 2**10, 2**10), (2**10, 1, 1, 1)], {}, "would take"),
    ],
)
def test_refusals(shapes, attrs, match):
    refuses("conv2d", shapes, PLAIN | attrs, match)


def test_refuses_mismatched_sizes_where_pytorch_does():
    rng, refused = np.random.default_rng(20), 0
    for _ in range(600):
        c, o, per_group, groups, elements = map(int, rng.choice([1, 2, 3, 4, 6], 5))
        inputs = [np.ones((1, c, 3, 3)), np.ones((o, per_group, 2, 2))] + [np.ones(elements)] * (rng.random() < 0.3)
        refused += not check_case(inputs, PLAIN | {"groups": groups})
    assert 300 < refused < 600


@pytest.mark.parametrize("attrs", [{"stride": (1.0, 1)}, {"groups": True}, {"padding": (0, 0, 0, 0.5)}, {"dilation": "11"}])
def test_refuses_other_types(attrs):
    refuses("conv2d", [(1, 1, 5, 5), (1, 1, 3, 3)], PLAIN | attrs, "must be an int", TypeError)
