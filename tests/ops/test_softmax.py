"""The float64 references of softmax and log_softmax against PyTorch, also for empty rows and rows with infinities."""

from __future__ import annotations

import numpy as np
import pytest
import torch.nn.functional as F

from .helpers import EPS, SPECIAL, assert_within, refuses, run, tensor

TINY = float(np.finfo(np.float64).tiny)
BOTH = [("softmax", F.softmax), ("log_softmax", F.log_softmax)]


def check(name, theirs, x: np.ndarray, dim: int) -> None:
    want = theirs(tensor(x), dim).numpy()
    with np.errstate(all="ignore"):
        below = np.nan_to_num(np.abs(x - x.max(axis=dim, keepdims=True, initial=-np.inf)), posinf=0.0)
    # An argument d below the maximum is off by eps·d, which is relative for exp(-d) and absolute for d itself; each of the
    # n terms of the sum adds as much again. Results below the normal numbers may be flushed.
    size = 1.0 + below if name == "log_softmax" else np.nan_to_num(want) * (1.0 + below)
    assert_within(run(name, [x], {"dim": dim})[0], want, (2 * x.shape[dim] + 8) * EPS * size + TINY, (name, x.shape, dim))


@pytest.mark.parametrize(("name", "theirs"), BOTH)
@pytest.mark.parametrize("shape", [(5,), (1,), (3, 4), (2, 1000), (2, 3, 4, 5), (0, 3), (3, 0), (0,), (2, 0, 3)])
def test_agrees_with_pytorch(name, theirs, shape):
    x = 20 * np.random.default_rng(12).standard_normal(shape)
    for dim in range(len(shape)):
        check(name, theirs, x, dim)


@pytest.mark.parametrize(("name", "theirs"), BOTH)
def test_special_rows(name, theirs):
    inf, nan = np.inf, np.nan
    rows = [[-inf, -inf], [inf, 0.0], [inf, inf], [inf, -inf], [nan, 0.0], [-inf, 0.0], [800.0, -800.0], [1e308, 1e308], [-1e308, 1e308]]
    check(name, theirs, np.array(rows), 1)
    for value in SPECIAL:
        check(name, theirs, np.array([value, 1.0, 2.0]), 0)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_refusals(name):
    refuses(name, [(2, 3)], {"dim": 2}, rf"{name}: dim must be in \[0, 2\)")
    refuses(name, [(2, 3)], {"dim": -1}, "dim must be at least 0, got -1")
    refuses(name, [()], {"dim": 0}, r"dim must be in \[0, 0\)")
    refuses(name, [(2, 3)], {"dim": 1.0}, "dim must be an int", TypeError)
    refuses(name, [], {"dim": 0}, "expects 1 inputs, got 0")
