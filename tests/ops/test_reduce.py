"""The references of reductions against PyTorch: any dimensions, NaN, ties, and what is refused."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch

from .helpers import EPS, SPECIAL, assert_same, assert_within, refuses, run, tensor

THEIRS = {"reduce_sum": torch.sum, "reduce_mean": torch.mean, "reduce_max": torch.amax, "reduce_min": torch.amin}


@pytest.mark.parametrize("name", THEIRS)
def test_agrees_with_pytorch(name):
    rng = np.random.default_rng(5)
    for shape in [(4,), (2, 3), (2, 3, 4, 5)]:
        x = rng.standard_normal(shape)
        x.flat[:1] = np.nan
        for dims in (d for r in range(1, len(shape) + 1) for d in combinations(range(len(shape)), r)):
            for keepdim in (False, True):
                want = THEIRS[name](tensor(x), dim=dims, keepdim=keepdim)
                bound = 0.0 if name in ("reduce_max", "reduce_min") else x.size * EPS * np.nansum(np.abs(x))
                assert_within(run(name, [x], {"dims": dims, "keepdim": keepdim})[0], want, bound, (shape, dims))
    x = rng.integers(-9, 9, (3, 4))
    if name != "reduce_mean":
        assert_same(run(name, [x], {"dims": (1,), "keepdim": False})[0], THEIRS[name](tensor(x), dim=1))


def test_of_nothing():
    attrs = {"dims": (1,), "keepdim": False}
    x = np.zeros((2, 0))
    for name, want in [("reduce_sum", 0.0), ("reduce_mean", np.nan), ("reduce_max", -np.inf), ("reduce_min", np.inf)]:
        np.testing.assert_array_equal(run(name, [x], attrs)[0], [want, want])
    for dtype, low, high in [(np.int32, -(2**31), 2**31 - 1), (np.int64, -(2**63), 2**63 - 1), (np.bool_, False, True)]:
        assert run("reduce_max", [x.astype(dtype)], attrs)[0].tolist() == [low, low]
        assert run("reduce_min", [x.astype(dtype)], attrs)[0].tolist() == [high, high]


def test_argmax():
    rng = np.random.default_rng(6)
    x = rng.integers(-3, 4, (3, 5, 4)).astype(float)
    x[1, 2] = SPECIAL[0]
    for dim in range(3):
        for keepdim in (False, True):
            assert_same(run("argmax", [x], {"dim": dim, "keepdim": keepdim})[0], torch.argmax(tensor(x), dim, keepdim))
        last = run("argmax", [x], {"dim": dim, "keepdim": False, "last": True})[0]
        assert_same(last, x.shape[dim] - 1 - np.argmax(np.flip(x, dim), dim))


@pytest.mark.parametrize("largest", [True, False])
def test_topk(largest):
    x = np.array([[3.0, np.nan, 1, 3, -np.inf], [np.inf, 2, 2, 2, np.nan]])
    for k in range(6):
        values, places = run("topk", [x], {"k": k, "dim": 1, "largest": largest, "sorted": True})
        want, _ = torch.topk(tensor(x), k, dim=1, largest=largest)
        assert_same(values, want)
        assert_same(np.take_along_axis(x, places, 1), values)
    want_places = [[1, 0, 3, 2, 4], [4, 0, 1, 2, 3]] if largest else [[4, 2, 0, 3, 1], [1, 2, 3, 0, 4]]
    assert places.tolist() == want_places


def test_refusals():
    for name in THEIRS:
        refuses(name, [(2, 3)], {"dims": (2,), "keepdim": False}, rf"{name}: dims must be different and in \[0, 2\), got \(2,\)")
        refuses(name, [(2, 3)], {"dims": (0, 0), "keepdim": False}, "must be different")
    refuses("argmax", [(2, 0)], {"dim": 1, "keepdim": False}, "expected reduction dim 1 to have non-zero size")
    refuses("topk", [(2, 3)], {"k": 4, "dim": 1, "largest": True}, r"k \(4\) is too big for dimension 1 of size 3")
    refuses("topk", [(2, 3)], {"k": -1, "dim": 1, "largest": True}, "k must be at least 0")
