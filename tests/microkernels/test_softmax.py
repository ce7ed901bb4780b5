"""Softmax of every instruction set against float64, along rows and along columns."""

import numpy as np
import pytest

from cyconv._kernels import targets
from tests.guard import flush, guarded

LENGTHS = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 61, 1000, 4099]


def softmax64(x, logarithm):
    shifted = x.astype(np.float64) - x.max(axis=0)
    total = np.exp(shifted).sum(axis=0)
    return shifted - np.log(total) if logarithm else np.exp(shifted) / total


def call(isa, x, logarithm, where="end"):
    """x is (n, columns); one column is the contiguous row."""
    n, columns = x.shape
    y = guarded(x.size, where)
    targets.softmax(isa, flush(x, where), y, n, columns, columns, logarithm)
    return np.array(y).reshape(x.shape)


@pytest.mark.parametrize("logarithm", [False, True])
@pytest.mark.parametrize("columns", [1, 2, 5, 16, 17])
def test_against_float64(isa, logarithm, columns):
    """The subtraction x - max rounds once; its error passes through exp whole."""
    rng = np.random.default_rng(10)
    unit = 2.0**-24
    for n in LENGTHS:
        x = (rng.standard_normal((n, columns)) * 5).astype(np.float32)
        want = softmax64(x, logarithm)
        depth = np.abs(x - x.max(axis=0))
        for where in ("start", "end"):
            error = np.abs(call(isa, x, logarithm, where) - want)
            bound = unit * (depth + 8 + 2 * np.abs(want)) if logarithm else unit * (depth + depth.max() + 12) * want + 1e-45
            assert np.all(error <= bound), n


@pytest.mark.parametrize("columns", [1, 3])
@pytest.mark.parametrize("logarithm", [False, True])
def test_special_values(isa, logarithm, columns):
    for n in (1, 5, 16, 19, 35):
        assert np.isnan(call(isa, np.full((n, columns), -np.inf, np.float32), logarithm)).all()
        for place in range(n):
            x = np.zeros((n, columns), np.float32)
            x[place, 0] = np.nan
            assert np.isnan(call(isa, x, logarithm)[:, 0]).all() and not np.isnan(call(isa, x, logarithm)[:, 1:]).any()
            x[place, 0] = -np.inf
            if n > 1:
                y = call(isa, x, logarithm)
                assert y[place, 0] == (-np.inf if logarithm else 0) and np.isfinite(np.delete(y[:, 0], place)).all()


def test_a_column_has_the_same_bits_wherever_it_stands(isa):
    rng = np.random.default_rng(11)
    column = rng.standard_normal((50, 1)).astype(np.float32)
    first = call(isa, np.repeat(column, 2, axis=1), False)[:, :1]
    for columns in range(2, 36):
        assert np.array_equal(call(isa, np.repeat(column, columns, axis=1), False), np.repeat(first, columns, axis=1))


def test_in_place(isa):
    x = np.linspace(-3, 3, 37, dtype=np.float32).reshape(-1, 1)
    y = x.ravel().copy()
    targets.softmax(isa, y, y, 37, 1, 1, False)
    assert np.array_equal(y, call(isa, x, False).ravel())
