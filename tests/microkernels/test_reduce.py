"""Sums, extremes and places for every instruction set, against NumPy: exact on integers, within two roundings where sums round."""

import numpy as np
import pytest

from cyconv._kernels import targets
from tests.guard import flush, guarded

FLOAT32, INT32, INT64, BOOL = range(4)
TYPES = {FLOAT32: np.float32, INT32: np.int32, INT64: np.int64, BOOL: np.int32}
SUM, MEAN, MAX, MIN = range(4)
FUNCTIONS = {SUM: np.sum, MEAN: np.mean, MAX: np.max, MIN: np.min}
LENGTHS = [1, 2, 7, 15, 16, 17, 33, 97]
COLUMNS = [1, 2, 5, 16, 19, 70]


def raw(x):
    return x.view(np.uint8)


def reduce(isa, function, code, x, where="end"):
    """Along axis 0 of x (n, columns); a single column is contiguous."""
    n, columns = x.shape
    y = guarded(columns, where, TYPES[code])
    targets.reduce(isa, function, code, raw(flush(x, where)), raw(y), (n, columns, columns))
    return y


@pytest.mark.parametrize("code", [FLOAT32, INT32, INT64])
@pytest.mark.parametrize("function", sorted(FUNCTIONS))
def test_exact_on_integers(isa, function, code):
    if function == MEAN and code != FLOAT32:
        return  # integers have no mean here
    rng = np.random.default_rng(1)
    for n in LENGTHS:
        for columns in COLUMNS:
            x = rng.integers(-99, 100, (n, columns)).astype(TYPES[code])
            for where in ("start", "end"):
                want = FUNCTIONS[function](x.astype(np.float64 if function == MEAN else x.dtype), 0)
                assert np.array_equal(reduce(isa, function, code, x, where), want.astype(TYPES[code])), (n, columns)


def test_of_nothing(isa):
    for columns in (1, 5):
        for code, low, high in [(FLOAT32, -np.inf, np.inf), (INT32, -(2**31), 2**31 - 1), (INT64, -(2**63), 2**63 - 1), (BOOL, 0, 1)]:
            empty = np.zeros((0, columns), TYPES[code])
            assert reduce(isa, MAX, code, empty).tolist() == [low] * columns
            assert reduce(isa, MIN, code, empty).tolist() == [high] * columns
            assert reduce(isa, SUM, code, empty).tolist() == [0] * columns
        assert np.isnan(reduce(isa, MEAN, FLOAT32, np.zeros((0, columns), np.float32))).all()


def test_nan_and_infinity(isa):
    """Wherever it stands in a row or column, of any length."""
    for n in LENGTHS:
        for place in range(n):
            for special in (np.nan, np.inf, -np.inf):
                for columns in (1, 3):
                    x = np.ones((n, columns), np.float32)
                    x[place] = special
                    for function, numpy_function in FUNCTIONS.items():
                        assert np.array_equal(reduce(isa, function, FLOAT32, x), numpy_function(x, 0), equal_nan=True), (n, place, function)
    both = np.float32([[np.inf], [-np.inf]])
    assert np.isnan(reduce(isa, SUM, FLOAT32, both))


def test_sums_are_compensated(isa):
    x = np.random.default_rng(2).random((40001, 1), np.float32)
    for columns in (1, 3):
        wide = np.repeat(x, columns, 1)
        error = np.abs(reduce(isa, SUM, FLOAT32, wide) - x.astype(np.float64).sum()) / x.astype(np.float64).sum()
        assert error.max() <= (targets.lanes(isa) + 2) * 2.0**-24


@pytest.mark.parametrize("code", [FLOAT32, INT32, INT64])
def test_arg_max(isa, code):
    rng = np.random.default_rng(3)
    for n in LENGTHS:
        for columns in COLUMNS:
            x = rng.integers(-3, 4, (n, columns)).astype(TYPES[code])
            if code == FLOAT32:
                x[rng.random(x.shape) < 0.05] = np.nan
            for last in (False, True):
                y = guarded(columns, dtype=np.int64)
                targets.arg_max(isa, code, raw(flush(x)), raw(y), (n, columns, columns), last)
                want = n - 1 - np.argmax(x[::-1], 0) if last else np.argmax(x, 0)
                assert np.array_equal(y, want)


@pytest.mark.parametrize("code", [FLOAT32, INT32, INT64])
@pytest.mark.parametrize("largest", [True, False])
def test_top_k(isa, code, largest):
    rng = np.random.default_rng(4)
    cases = 0
    for n in LENGTHS:
        for k in sorted({0, 1, n // 3, n - 1, n}):
            for stride in (1, 3):
                x = rng.integers(-5, 6, n * stride).astype(TYPES[code])
                if code == FLOAT32:
                    x[rng.random(x.size) < 0.1] = np.nan
                y, index = np.full(k * stride, 77, TYPES[code]), np.full(k * stride, 77)
                targets.top_k(isa, code, raw(flush(x)), raw(y), raw(index), (n, k, stride), largest)
                row = x[::stride]
                order = np.argsort(row, kind="stable") if not largest else n - 1 - np.argsort(row[::-1], kind="stable")[::-1]
                assert np.array_equal(index[::stride], order[:k])
                assert np.array_equal(y[::stride], row[order[:k]], equal_nan=True)
                for between in range(1, stride):
                    assert np.all(y[between::stride] == 77) and np.all(index[between::stride] == 77)
                cases += 1
    assert cases >= 60
