"""Reducing steps: rows and columns, one item and many, threads, and what is refused."""

import numpy as np
import pytest

from cyconv._kernels.program import Memory, Program
from cyconv._kernels.reduce import ArgMax, Reduce, TopK
from tests.drivers.test_elements import place
from tests.guard import flush, guarded

FLOAT32, INT32, INT64, BOOL, BYTE = range(5)
SIZES = [(1, 7, 1), (300, 70, 1), (3, 20000, 1), (2, 5, 33), (2, 9, 9000), (40, 3, 5), (0, 3, 2), (2, 4, 0)]


def go(make, x, shapes, dtypes, threads):
    outputs = [guarded(int(np.prod(shape)), dtype=dtype) for shape, dtype in zip(shapes, dtypes, strict=True)]
    step = make(*[place(2 + i) for i in range(1 + len(outputs))])
    Program([step], 0, Memory(0)).run([flush(x), *outputs], len(outputs), threads)
    return [np.array(y).reshape(shape) for y, shape in zip(outputs, shapes, strict=True)]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(("code", "dtype"), [(FLOAT32, np.float32), (INT64, np.int64)])
@pytest.mark.parametrize("sizes", SIZES)
def test_reductions(sizes, code, dtype, threads):
    outer, n, inner = sizes
    x = np.random.default_rng(1).integers(-40, 41, sizes).astype(dtype)
    for function, want in ((0, x.sum(1, dtype=dtype)), (2, x.max(1)), (3, x.min(1))):
        (got,) = go(lambda u, y: Reduce(u, y, sizes, function, code), x, [(outer, inner)], [dtype], threads)
        np.testing.assert_array_equal(got, want, strict=True)
    for last, want in ((False, np.argmax(x, 1)), (True, n - 1 - np.argmax(x[:, ::-1], 1))):
        (got,) = go(lambda u, y: ArgMax(u, y, sizes, code, last), x, [(outer, inner)], [np.int64], threads)
        np.testing.assert_array_equal(got, want, strict=True)
    k = min(n, 6)
    shape = (outer, k, inner)
    values, places = go(lambda u, y, i: TopK(u, y, i, sizes, code, k), x, [shape, shape], [dtype, np.int64], threads)
    order = n - 1 - np.flip(np.argsort(x[:, ::-1], 1, kind="stable"), 1)[:, :k]
    np.testing.assert_array_equal(places, order, strict=True)
    np.testing.assert_array_equal(values, np.take_along_axis(x, order, 1), strict=True)


def test_refuses_what_does_not_fit():
    a = place(2)
    for function, dtype in [(4, FLOAT32), (-1, FLOAT32), (1, INT64)]:
        with pytest.raises(ValueError, match="function must be one of 0 to 3"):
            Reduce(a, a, (1, 2, 3), function, dtype)
    with pytest.raises(ValueError, match="dtype must be one of 0 to 3"):
        Reduce(a, a, (1, 2, 3), 0, BYTE)
    with pytest.raises(ValueError, match="the maximum of nothing has no place"):
        ArgMax(a, a, (1, 0, 3), FLOAT32)
    for k in (-1, 3):
        with pytest.raises(ValueError, match="k must be one of 0 to 2"):
            TopK(a, a, a, (1, 2, 3), FLOAT32, k)
