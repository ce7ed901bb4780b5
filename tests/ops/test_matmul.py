"""The float64 reference of matmul against PyTorch, its shapes and its refusals."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cyconv.ops import OPS

from .helpers import EPS, assert_within, refuses, run, tensor

SHAPES = [
    ((3, 4), (4, 5)),
    ((4,), (4, 5)),
    ((3, 4), (4,)),
    ((4,), (4,)),
    ((2, 3, 4), (4, 5)),
    ((2, 3, 4), (2, 4, 5)),
    ((2, 1, 3, 4), (6, 4, 5)),
    ((3, 4), (2, 6, 4, 5)),
    ((4,), (2, 4, 5)),
    ((2, 3, 4), (4,)),
    ((0, 4), (4, 5)),
    ((3, 0), (0, 5)),
]


@pytest.mark.parametrize(("a", "b"), SHAPES)
def test_agrees_with_pytorch(a, b):
    rng = np.random.default_rng(1)
    x, w = rng.standard_normal(a), rng.standard_normal(b)
    bound = 2 * a[-1] * EPS * np.matmul(np.abs(x), np.abs(w))
    assert_within(run("matmul", [x, w], {})[0], torch.matmul(tensor(x), tensor(w)), bound)


def test_multiply_adds():
    assert OPS["matmul"].macs([(2, 3, 4), (4, 5)], [(2, 3, 5)], {}) == 2 * 3 * 4 * 5
    assert OPS["matmul"].macs([(4,), (4,)], [()], {}) == 4


@pytest.mark.parametrize(
    ("shapes", "match"),
    [
        ([(3, 4), (5, 6)], r"shapes cannot be multiplied: \[3, 4\] has 4 columns, \[5, 6\] has 5 rows"),
        ([(4,), (5, 6)], "has 4 columns"),
        ([(3, 4), (5,)], "has 5 rows"),
        ([(), (4, 5)], "both arguments to matmul need to be at least 1D, but they are 0D and 2D"),
        ([(2, 3, 4), (3, 4, 5)], "must match the size"),
        ([(2**20, 1), (1, 2**27)], "would take"),
        ([(3, 4)], "matmul expects 2 inputs, got 1"),
    ],
)
def test_refusals(shapes, match):
    refuses("matmul", shapes, {}, match)
