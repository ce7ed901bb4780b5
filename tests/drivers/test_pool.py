"""Pooling steps: layouts, borders, bands and threads."""

import numpy as np
import pytest

from cyconv._kernels import cpu, program
from cyconv._kernels.pool import MaxPoolIndices, Pool
from tests.drivers.places import NO_BORDER, check, get, place, put, run


def axis(size, out, kernel, stride, pad, dilation=1):
    """(first, count) of the part of each window that lies inside."""
    inside = [[p for p in range(i * stride - pad, i * stride - pad + kernel * dilation, dilation) if 0 <= p < size] for i in range(out)]
    return [w[0] if w else 0 for w in inside], [len(w) for w in inside]


def pooled(x, rows, columns, dilation, reduce):
    y = np.empty((*x.shape[:2], len(rows[0]), len(columns[0])), np.float32)
    for i, (r, nr) in enumerate(zip(*rows, strict=True)):
        for j, (c, nc) in enumerate(zip(*columns, strict=True)):
            y[:, :, i, j] = reduce(x[:, :, r : r + nr * dilation : dilation, c : c + nc * dilation : dilation])
    return y


CASES = [  # n, c, size, kernel, stride, pad, dilation
    (1, 5, 7, 3, 1, 1, 1),
    (2, 33, 12, 3, 2, 0, 1),
    (3, 16, 9, 2, 2, 0, 1),
    (1, 3, 40, 3, 1, 1, 1),
    (2, 17, 11, 3, 1, 2, 2),
    (1, 20, 6, 6, 1, 0, 1),
]


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("border", [NO_BORDER, (1, 2, 3, 1)])
@pytest.mark.parametrize("case", CASES)
def test_pool(case, border, threads):
    n, c, size, kernel, stride, pad, dilation = case
    out = (size + 2 * pad - (kernel - 1) * dilation - 1) // stride + 1
    rows = columns = axis(size, out, kernel, stride, pad, dilation)
    rng = np.random.default_rng(20)
    x = rng.integers(-32, 33, (n, c, size, size)).astype(np.float32)
    xt, yt = place(2, x.shape, cpu.lanes(), (2, 0, 1, 1)), place(3, (n, c, out, out), cpu.lanes(), border, gap=cpu.lanes())
    step = Pool(xt, yt, "max", *rows, *columns, dilation, dilation)
    check(run(step, [put(x, xt)], yt, threads), yt, pooled(x, rows, columns, dilation, lambda w: w.max(axis=(2, 3), initial=-np.inf)))
    divisor = np.outer(rows[1], columns[1]).astype(np.float32).ravel() + 1
    step = Pool(xt, yt, "avg", *rows, *columns, dilation, dilation, divisor)
    want = pooled(x, rows, columns, dilation, lambda w: w.sum(axis=(2, 3))) / divisor.reshape(out, out)
    check(run(step, [put(x, xt)], yt, threads), yt, want)


def test_indices():
    rng = np.random.default_rng(21)
    x = rng.integers(-3, 4, (2, 3, 9, 10)).astype(np.float32)
    x[0, 0, 4, 4] = x[0, 0, 4, 5] = np.nan
    x[1, 1] = -np.inf
    rows, columns = axis(9, 5, 3, 2, 1), axis(10, 5, 3, 2, 1)
    xt, yt, it = place(2, x.shape, 1), place(3, (2, 3, 5, 5), 1), place(4, (2, 3, 5, 5), 1)
    step = MaxPoolIndices(xt, yt, it, *rows, *columns, 1, 1)
    y, index = np.empty(yt.dims, np.float32), np.empty(yt.dims, np.int64)
    program.Program([step], 64, program.Memory(64)).run([x, y, index], 2, 2)
    assert np.array_equal(y, pooled(x, rows, columns, 1, lambda w: w.max(axis=(2, 3))), equal_nan=True)
    assert np.array_equal(np.take_along_axis(x.reshape(2, 3, -1), index.reshape(2, 3, -1), 2).reshape(y.shape), y, equal_nan=True)
    for i, j in np.ndindex(5, 5):  # a tie goes to the first in the order of rows, NaN to the last
        window = x[0, 0, rows[0][i] : rows[0][i] + rows[1][i], columns[0][j] : columns[0][j] + columns[1][j]]
        flat = window.ravel()
        best = np.flatnonzero(np.isnan(flat))[-1] if np.isnan(flat).any() else int(np.argmax(flat))
        r, c = divmod(int(best), window.shape[1])
        assert index[0, 0, i, j] == (rows[0][i] + r) * 10 + columns[0][j] + c
    assert index[1, 1, 0, 0] == 0 and index[1, 1, 2, 1] == 3 * 10 + 1


def test_refuses_windows_outside():
    lanes = cpu.lanes()
    xt, yt = place(2, (1, 1, 4, 4), lanes), place(3, (1, 1, 2, 2), lanes)
    with pytest.raises(ValueError, match="does not lie inside"):
        Pool(xt, yt, "max", [0, 2], [2, 3], [0, 2], [2, 2], 1, 1)
    with pytest.raises(ValueError, match="divisor"):
        Pool(xt, yt, "avg", [0, 2], [2, 2], [0, 2], [2, 2], 1, 1)
    assert get(put(np.ones((1, 1, 4, 4)), xt), xt).sum() == 16
