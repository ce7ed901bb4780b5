"""Pooling kernels of every instruction set against windows taken one by one."""

from types import SimpleNamespace

import numpy as np
import pytest

from cyconv._kernels import targets
from tests.guard import flush, guarded


def windows(size, out, kernel, stride, pad, dilation=1):
    """First column and number of columns of each window that lie inside the image."""
    inside = [[p for p in range(i * stride - pad, i * stride - pad + kernel * dilation, dilation) if 0 <= p < size] for i in range(out)]
    return (
        np.array([w[0] if w else 0 for w in inside], np.int32),
        np.array([len(w) for w in inside], np.int32),
    )


def runs(column, n_cols):
    """Every way to name a run of equal windows, the empty one first."""
    found = [(0, 0, 0)]
    for first in range(len(column)):
        for end in range(first + 1, len(column) + 1):
            steps = set(np.diff(column[first:end]).tolist())
            if len(steps) <= 1 and len(set(n_cols[first:end].tolist())) == 1:
                found.append((first, end, steps.pop() if steps else 1))
    return found


def expected(kind, x, column, n_cols, dilation, divisor):
    lanes = x.shape[2]
    out = np.empty((len(column), lanes), np.float32)
    for j, (first, count) in enumerate(zip(column, n_cols, strict=True)):
        w = x[:, first : first + count * dilation : dilation].reshape(-1, lanes)
        out[j] = np.max(w, axis=0, initial=-np.inf) if kind == "max" else w.sum(axis=0, dtype=np.float32) / divisor[j]
    return out


def in_one_slice(spec):
    spec.in_slice, spec.n_slices, spec.power, spec.absolute = 0, 1, 1.0, False
    return spec


def call(isa, kind, x, column, n_cols, dilation, divisor, run):
    """The kernel on guarded memory, flush at both ends in turn."""
    rows, width, lanes = x.shape
    results = []
    for where in ("start", "end"):
        y = guarded(len(column) * lanes, where)
        spec = SimpleNamespace(in_row=width * lanes, n_rows=rows, column=column, n_cols=n_cols, col_step=dilation, divisor=divisor, run=run)
        targets.pool(isa, kind, flush(x, where), y, in_one_slice(spec))
        results.append(np.array(y).reshape(-1, lanes))
    assert np.array_equal(*results, equal_nan=True)
    return results[0]


GEOMETRY = [  # width, kernel, stride, pad, dilation
    (28, 3, 1, 1, 1), (13, 3, 2, 0, 1), (17, 3, 2, 1, 1), (3, 3, 1, 0, 1), (8, 2, 2, 0, 1), (11, 5, 1, 2, 1), (12, 3, 1, 2, 2),
    (7, 7, 7, 0, 1), (1, 1, 1, 0, 1), (9, 3, 3, 1, 1), (7, 2, 1, 1, 1), (1, 3, 1, 1, 1),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["max", "avg"])
def test_windows(isa, kind):
    rng = np.random.default_rng(1)
    lanes = targets.lanes(isa)
    cases = nonzero = 0
    for width, kernel, stride, pad, dilation in GEOMETRY:
        out = (width + 2 * pad - (kernel - 1) * dilation - 1) // stride + 1
        column, n_cols = windows(width, out, kernel, stride, pad, dilation)
        divisor = rng.integers(1, 10, out).astype(np.float32)
        for rows in (1, 2, 3, 4):
            x = rng.integers(-32, 33, (rows, width, lanes)).astype(np.float32)
            want = expected(kind, x, column, n_cols, dilation, divisor)
            for run in runs(column, n_cols)[:: 7 if out > 12 else 1]:
                assert np.array_equal(call(isa, kind, x, column, n_cols, dilation, divisor, run), want), (width, kernel, stride, rows, run)
                cases += 1
                nonzero += np.count_nonzero(want) > want.size // 2
    assert cases > 300 and nonzero > cases * 0.9


@pytest.mark.parametrize("slices", [0, 1, 2, 3])
@pytest.mark.parametrize("kind", ["max", "avg", "lp"])
def test_slices(isa, kind, slices):
    """Windows that reach over several slices, flush against unmapped pages."""
    rng = np.random.default_rng(3)
    lanes, rows, width = targets.lanes(isa), 3, 9
    for kernel, stride, dilation in ((3, 1, 1), (2, 2, 1), (3, 2, 2)):
        column, n_cols = windows(width, (width - 1) // stride + 1, kernel, stride, 1, dilation)
        divisor = rng.integers(1, 10, len(column)).astype(np.float32)
        x = rng.integers(-32, 33, (max(slices, 1), rows, width, lanes)).astype(np.float32)
        spec = SimpleNamespace(in_row=width * lanes, n_rows=rows, column=column, n_cols=n_cols, col_step=dilation, divisor=divisor)
        spec.run = max(runs(column, n_cols), key=lambda r: r[1] - r[0])
        spec.in_slice, spec.n_slices, spec.power, spec.absolute = rows * width * lanes, slices, 1.0, True
        want = expected(kind, (np.abs(x) if kind == "lp" else x)[:slices].reshape(-1, width, lanes), column, n_cols, dilation, divisor)
        for where in ("start", "end"):
            y = guarded(len(column) * lanes, where)
            targets.pool(isa, kind, flush(x, where), y, spec)
            assert np.array_equal(np.array(y).reshape(-1, lanes), want), (kernel, stride, dilation)


@pytest.mark.parametrize("power", [0.5, 1.0, 1.5, 2.0, 3.0])
def test_powers(isa, power):
    """Against float64: the rounding of n terms and their sum, and two powers of at most one ulp each."""
    lanes = targets.lanes(isa)
    x = np.random.default_rng(4).standard_normal((2, 6, lanes)).astype(np.float32)
    column, n_cols = np.array([0, 3], np.int32), np.array([3, 3], np.int32)
    spec = SimpleNamespace(in_row=6 * lanes, n_rows=2, column=column, n_cols=n_cols, col_step=1, divisor=np.float32([1, 2]), run=(0, 0, 0))
    spec.in_slice, spec.n_slices, spec.power = 0, 1, power
    eps = np.finfo(np.float32).eps
    for spec.absolute in (True, False):
        y = guarded(2 * lanes)
        targets.pool(isa, "lp", x.ravel(), y, spec)
        base = np.abs(x).astype(np.float64) if spec.absolute else x.astype(np.float64)
        with np.errstate(invalid="ignore"):
            terms = base.reshape(2, 2, 3, lanes) ** power
            total, size = terms.sum((0, 2)) / [[1], [2]], np.abs(terms).sum((0, 2)) / [[1], [2]]
            want = total ** (1 / power)
            bound = eps * np.abs(want) * (4 + 10 * size / np.abs(total) / power)
        got = np.array(y).reshape(2, lanes)
        nan = np.isnan(want)
        assert np.array_equal(np.isnan(got), nan) and np.all(np.abs(got - want)[~nan] <= bound[~nan])
        assert nan.any() == (not spec.absolute and power in (0.5, 1.5, 3.0))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_special_values_at_every_place(isa, value, stride):
    rng = np.random.default_rng(2)
    lanes = targets.lanes(isa)
    width = 9
    column, n_cols = windows(width, (width - 1) // stride + 1, 3, stride, 1)
    divisor = np.ones(len(column), np.float32)
    run = max(runs(column, n_cols), key=lambda r: r[1] - r[0])
    base = rng.integers(-32, 33, (3, width, lanes)).astype(np.float32)
    for place in range(0, base.size, 1 if lanes == 4 else 3):
        x = base.copy()
        x.ravel()[place] = value
        want = expected("max", x, column, n_cols, 1, divisor)
        assert np.array_equal(call(isa, "max", x, column, n_cols, 1, divisor, run), want, equal_nan=True), place
    x = base.copy()
    x[0, 4], x[1, 4], x[2, 5] = np.inf, -np.inf, np.nan
    want = expected("max", x, column, n_cols, 1, divisor)
    assert np.array_equal(call(isa, "max", x, column, n_cols, 1, divisor, run), want, equal_nan=True)


def test_empty_window_is_minus_infinity(isa):
    lanes = targets.lanes(isa)
    x = np.ones((1, 4, lanes), np.float32)
    column, n_cols = np.array([0, 1], np.int32), np.array([0, 2], np.int32)
    y = call(isa, "max", x, column, n_cols, 1, np.ones(2, np.float32), (0, 0, 0))
    assert np.all(y[0] == -np.inf) and np.all(y[1] == 1)
    spec = SimpleNamespace(in_row=0, n_rows=0, column=column, n_cols=n_cols, col_step=1, divisor=np.ones(2, np.float32), run=(0, 2, 1))
    y = guarded(2 * lanes)
    targets.pool(isa, "max", x.ravel(), y, in_one_slice(spec))
    assert np.all(y == -np.inf)
