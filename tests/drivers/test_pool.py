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


ONE_SLICE = ([0], [1], 1, 1)
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
    axes = [ONE_SLICE, (*rows, dilation, size), (*columns, dilation, size)]
    step = Pool(xt, yt, "max", axes)
    check(run(step, [put(x, xt)], yt, threads), yt, pooled(x, rows, columns, dilation, lambda w: w.max(axis=(2, 3), initial=-np.inf)))
    divisor = np.outer(rows[1], columns[1]).astype(np.float32).ravel() + 1
    step = Pool(xt, yt, "avg", axes, divisor)
    want = pooled(x, rows, columns, dilation, lambda w: w.sum(axis=(2, 3))) / divisor.reshape(out, out)
    check(run(step, [put(x, xt)], yt, threads), yt, want)


def test_indices():
    rng = np.random.default_rng(21)
    x = rng.integers(-3, 4, (2, 3, 9, 10)).astype(np.float32)
    x[0, 0, 4, 4] = x[0, 0, 4, 5] = np.nan
    x[1, 1] = -np.inf
    rows, columns = axis(9, 5, 3, 2, 1), axis(10, 5, 3, 2, 1)
    xt, yt, it = place(2, x.shape, 1), place(3, (2, 3, 5, 5), 1), place(4, (2, 3, 5, 5), 1)
    step = MaxPoolIndices(xt, yt, it, [ONE_SLICE, (*rows, 1, 9), (*columns, 1, 10)], (0, 0, 10, 1))
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


@pytest.mark.parametrize("threads", [1, 3])
def test_volumes(threads):
    """Windows over slices, rows and columns; averages with a divisor of their own for each place of a volume."""
    lanes, (n, c, d, h, w) = cpu.lanes(), (2, cpu.lanes() + 3, 5, 6, 7)
    x = np.random.default_rng(22).integers(-32, 33, (n, c, d, h, w)).astype(np.float32)
    depth, rows, columns = axis(d, 3, 3, 2, 1), axis(h, 6, 3, 1, 1), axis(w, 4, 2, 2, 1)
    axes = [(*depth, 1, d), (*rows, 1, h), (*columns, 1, w)]
    out = (3, 6, 4)
    want = np.full((n, c, *out), -np.inf, np.float32)
    total = np.zeros((n, c, *out), np.float32)
    for k, i, j in np.ndindex(out):
        cells = tuple(slice(a[0][p], a[0][p] + a[1][p]) for a, p in ((depth, k), (rows, i), (columns, j)))
        want[:, :, k, i, j] = x[(..., *cells)].max((2, 3, 4))
        total[:, :, k, i, j] = x[(..., *cells)].sum((2, 3, 4))
    xt, yt = place(2, (n * d, c, h, w), lanes, (0, 1, 1, 0)), place(3, (n * 3, c, 6, 4), lanes, (1, 1, 0, 2))
    data = put(as_images(x), xt)
    check(run(Pool(xt, yt, "max", axes), [data], yt, threads), yt, as_images(want))
    divisor = np.arange(1, 73, dtype=np.float32)
    check(run(Pool(xt, yt, "avg", axes, divisor), [data], yt, threads), yt, as_images(total / divisor.reshape(out)))
    check(run(Pool(xt, yt, "lp", axes, divisor, 1.0, False), [data], yt, threads), yt, as_images(total / divisor.reshape(out)))


def as_images(x):
    """The slices of volumes (n, c, d, h, w) as images (n·d, c, h, w)."""
    return x.transpose(0, 2, 1, 3, 4).reshape(-1, x.shape[1], *x.shape[3:])


def test_refuses_windows_outside():
    lanes = cpu.lanes()
    xt, yt = place(2, (1, 1, 4, 4), lanes), place(3, (1, 1, 2, 2), lanes)
    good = ([0, 2], [2, 2], 1, 4)
    with pytest.raises(ValueError, match="does not lie inside"):
        Pool(xt, yt, "max", [ONE_SLICE, ([0, 2], [2, 3], 1, 4), good])
    with pytest.raises(ValueError, match="divisor"):
        Pool(xt, yt, "avg", [ONE_SLICE, good, good])
    with pytest.raises(ValueError, match="a pool of 1 images"):
        Pool(xt, yt, "max", [ONE_SLICE, good, (*good[:3], 5)])
    assert get(put(np.ones((1, 1, 4, 4)), xt), xt).sum() == 16
