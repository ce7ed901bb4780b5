"""Element-wise steps of any dtype: broadcasting through strides, long and short rows, threads, and what is refused."""

import numpy as np
import pytest

from cyconv._kernels.elements import Arithmetic, Cast, Compare, IntegerUnary, Where
from cyconv._kernels.program import Memory, Program
from tests.drivers.places import NO_BORDER, Operand
from tests.guard import flush, guarded

FLOAT32, INT32, INT64, BOOL, BYTE = range(5)
TYPES = {FLOAT32: np.float32, INT32: np.int32, INT64: np.int64}
# dims, then the strides of a and b
WALKS = [
    ((17,), (1,), (1,)),
    ((20000,), (1,), (0,)),
    ((3, 5), (5, 1), (0, 1)),
    ((3, 5), (5, 1), (1, 0)),
    ((2, 3, 4), (12, 4, 1), (3, 1, 0)),
    ((2, 1, 2, 1, 2, 1, 2, 3), (12, 12, 6, 6, 3, 3, 0, 1), (0, 0, 3, 0, 0, 0, 0, 1)),
    ((0, 4), (4, 1), (0, 1)),
    ((5000, 3), (3, 1), (1, 0)),
]


def place(base):
    return Operand(base, 1, 0, 0, 0, 0, (1, 1, 1, 1), NO_BORDER)


def go(make, *arrays, dims, dtype, threads):
    """The output of a step made from operands of the inputs and the output, flush against unmapped pages."""
    y = guarded(int(np.prod(dims)), dtype=dtype)
    step = make(*[place(2 + i) for i in range(len(arrays) + 1)])
    Program([step], 0, Memory(0)).run([*map(flush, arrays), y], 1, threads)
    return np.array(y).reshape(dims)


def wide(x, dims, strides):
    """What an operand with these strides, in elements, holds at each place."""
    return np.lib.stride_tricks.as_strided(x, dims, [s * x.itemsize for s in strides])


def operands(dims, strides, dtype, seed=0):
    """One array for each set of strides, no longer than they reach."""
    for i, one in enumerate(strides):
        n = 1 + sum((d - 1) * s for d, s in zip(dims, one, strict=True)) if 0 not in dims else 0
        yield np.random.default_rng([seed, i]).integers(-3, 4, n).astype(dtype)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("code", sorted(TYPES))
@pytest.mark.parametrize("walk", WALKS)
def test_arithmetic_and_comparison(walk, code, threads):
    dims, *strides = walk
    a, b = operands(dims, strides, TYPES[code])
    u, v = wide(a, dims, strides[0]), wide(b, dims, strides[1])
    options = {"dims": dims, "dtype": TYPES[code], "threads": threads}
    got = go(lambda x, z, y: Arithmetic(x, z, y, dims, strides, 2, code), a, b, **options)
    np.testing.assert_array_equal(got, u - v, strict=True)
    got = go(lambda x, z, y: Compare(x, z, y, dims, strides, 2, code), a, b, **{**options, "dtype": np.int32})
    np.testing.assert_array_equal(got, (u > v).astype(np.int32), strict=True)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("code", sorted(TYPES))
@pytest.mark.parametrize("walk", WALKS)
def test_where(walk, code, threads):
    dims, *strides = walk
    a, b = operands(dims, strides, TYPES[code])
    for c_strides in strides:
        (c,) = operands(dims, [c_strides], np.int32, 5)
        c = (c > 0).astype(np.int32)
        make = lambda q, x, z, y: Where(q, x, z, y, dims, (c_strides, *strides), code)  # noqa: E731
        got = go(make, c, a, b, dims=dims, dtype=TYPES[code], threads=threads)
        want = np.where(wide(c, dims, c_strides), wide(a, dims, strides[0]), wide(b, dims, strides[1]))
        np.testing.assert_array_equal(got, want, strict=True)


@pytest.mark.parametrize("threads", [1, 3])
def test_conversion_and_integer_functions(threads):
    x = np.arange(-10000, 10001)
    got = go(lambda u, y: Cast(u, y, x.size, INT64, FLOAT32), x, dims=x.shape, dtype=np.float32, threads=threads)
    np.testing.assert_array_equal(got, x.astype(np.float32), strict=True)
    got = go(lambda u, y: Cast(u, y, x.size, INT64, BYTE), x, dims=x.shape, dtype=np.uint8, threads=threads)
    np.testing.assert_array_equal(got, x != 0)
    for function, want in ((14, np.abs(x)), (15, -x), (22, np.sign(x))):
        got = go(lambda u, y: IntegerUnary(u, y, x.size, function, INT64), x, dims=x.shape, dtype=np.int64, threads=threads)
        np.testing.assert_array_equal(got, want, strict=True)


def test_refuses_what_does_not_fit():
    a = place(2)
    with pytest.raises(ValueError, match="1 to 8 axes, got 9"):
        Arithmetic(a, a, a, (1,) * 9, ((1,) * 9,) * 2, 0, FLOAT32)
    with pytest.raises(ValueError, match="a stride of 2 along the last axis"):
        Compare(a, a, a, (3,), ((1,), (2,)), 0, FLOAT32)
    for function, dtype, strides in [(10, FLOAT32, ((1,), (1,))), (0, BOOL, ((1,), (1,))), (0, FLOAT32, ((0,), (1,)))]:
        with pytest.raises(ValueError, match=r"function must be|dtype"):
            Arithmetic(a, a, a, (3,), strides, function, dtype)
    with pytest.raises(ValueError, match="function must be one of 0 to 5"):
        Compare(a, a, a, (3,), ((1,), (1,)), 6, FLOAT32)
    with pytest.raises(ValueError, match="function must be"):
        IntegerUnary(a, a, 3, 0, INT32)
    with pytest.raises(ValueError, match="dtype must be one of 0 to 4"):
        Cast(a, a, 3, FLOAT32, 5)
