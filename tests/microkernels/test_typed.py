"""Kernels of integers, comparisons, selection and conversion, for every instruction set: exact, also at the ends of the range."""

import numpy as np
import pytest

from cyconv._kernels import targets
from tests.guard import flush, guarded

FLOAT32, INT32, INT64, BOOL, BYTE = range(5)
TYPES = {FLOAT32: np.float32, INT32: np.int32, INT64: np.int64}
ADD, MUL, SUB, RSUB, DIV, RDIV, POW, RPOW, MINIMUM, MAXIMUM = range(10)
ABS, NEG, SIGN = 14, 15, 22
LENGTHS = [0, 1, 2, 3, 7, 8, 15, 16, 17, 33, 64, 97]


def raw(x):
    return x.view(np.uint8)


def numbers(code, n, seed, low=-9, high=9):
    return np.random.default_rng(seed).integers(low, high + 1, n).astype(TYPES[code])


def quotient(a, b):
    """Truncated, in Python's integers."""
    return [0 if q == 0 else abs(int(p)) // abs(int(q)) * (1 if (p < 0) == (q < 0) else -1) for p, q in zip(a, b, strict=True)]


def power(a, b):
    return [int(p) ** int(q) if q >= 0 else {1: 1, -1: 1 - 2 * (int(q) % 2)}.get(int(p), 0) for p, q in zip(a, b, strict=True)]


EXACT = {
    ADD: lambda a, b: a + b,
    MUL: lambda a, b: a * b,
    SUB: lambda a, b: a - b,
    RSUB: lambda a, b: b - a,
    DIV: quotient,
    RDIV: lambda a, b: quotient(b, a),
    POW: power,
    RPOW: lambda a, b: power(b, a),
    MINIMUM: np.minimum,
    MAXIMUM: np.maximum,
}


@pytest.mark.parametrize("code", [INT32, INT64])
@pytest.mark.parametrize("function", sorted(EXACT))
def test_integer_binary(isa, function, code):
    for n in LENGTHS:
        for steps in ((1, 1), (0, 1), (1, 0)):
            a, b = (numbers(code, n if step else 1, seed) for seed, step in enumerate(steps))
            y = guarded(n, dtype=TYPES[code])
            targets.integer_binary(isa, function, code, raw(flush(a)), raw(flush(b)), steps, raw(y), n)
            assert np.array_equal(y, EXACT[function](np.resize(a, n), np.resize(b, n))), (n, steps)


@pytest.mark.parametrize("code", [INT32, INT64])
def test_integers_wrap_around_and_never_trap(isa, code):
    info = np.iinfo(TYPES[code])
    a = np.array([info.min, info.min, info.max, info.min, 5, 3], TYPES[code])
    b = np.array([-1, 0, 1, info.min, 0, info.min], TYPES[code])
    for function, want in {
        DIV: [info.min, 0, info.max, 1, 0, 0],
        ADD: [info.max, info.min, info.min, 0, 5, info.min + 3],
        SUB: [info.min + 1, info.min, info.max - 1, 0, 5, info.min + 3],
        POW: [0, 1, info.max, 0, 1, 0],
    }.items():
        y = np.zeros(6, TYPES[code])
        targets.integer_binary(isa, function, code, raw(a), raw(b), (1, 1), raw(y), 6)
        assert y.tolist() == want, function
    x, y = np.array([info.min, -3, 0, 4], TYPES[code]), np.zeros(4, TYPES[code])
    for function, want in {ABS: [info.min, 3, 0, 4], NEG: [info.min, 3, 0, -4], SIGN: [-1, -1, 0, 1]}.items():
        targets.integer_unary(isa, function, code, raw(x), raw(y), 4)
        assert y.tolist() == want


COMPARISONS = [np.equal, np.not_equal, np.greater, np.greater_equal, np.less, np.less_equal]


@pytest.mark.parametrize("code", sorted(TYPES))
@pytest.mark.parametrize("function", range(6))
def test_compare(isa, function, code):
    for n in LENGTHS:
        for steps in ((1, 1), (0, 1), (1, 0)):
            a, b = (numbers(code, n if step else 1, seed, -2, 2) for seed, step in enumerate(steps))
            if code == FLOAT32:
                a[: n // 3], b[n // 4 : n // 2] = np.nan, np.nan
            y = guarded(n, dtype=np.int32)
            targets.compare(isa, function, code, raw(flush(a)), raw(flush(b)), steps, raw(y), n)
            assert np.array_equal(y, COMPARISONS[function](np.resize(a, n), np.resize(b, n)).astype(np.int32))


@pytest.mark.parametrize("code", sorted(TYPES))
def test_where(isa, code):
    for n in LENGTHS:
        for steps in ((1, 1, 1), (0, 1, 1), (1, 0, 1), (1, 1, 0), (1, 0, 0)):
            c = np.random.default_rng(n).integers(0, 2, n if steps[0] else 1).astype(np.int32)
            a, b = (numbers(code, n if step else 1, seed) for seed, step in enumerate(steps[1:]))
            y = guarded(n, dtype=TYPES[code])
            targets.where(isa, 2 if code == INT64 else 1, raw(flush(c)), raw(flush(a)), raw(flush(b)), steps, raw(y), n)
            assert np.array_equal(y, np.where(np.resize(c, n), np.resize(a, n), np.resize(b, n)))


@pytest.mark.parametrize("code", sorted(TYPES))
def test_cast(isa, code):
    for n in LENGTHS:
        x = numbers(code, n, n)
        for to, dtype in TYPES.items():
            y = guarded(n, dtype=dtype)
            targets.cast(isa, code, to, raw(flush(x)), raw(y), n)
            assert np.array_equal(y, x.astype(dtype))
        for to, dtype in {BOOL: np.int32, BYTE: np.uint8}.items():
            y = guarded(n, dtype=dtype)
            targets.cast(isa, code, to, raw(flush(x)), raw(y), n)
            assert np.array_equal(y, x != 0)


def test_bytes_and_bools(isa):
    x = np.array([0, 1, 255, 2, 0], np.uint8)  # a bool array may hold any byte
    y = np.zeros(5, np.int32)
    targets.cast(isa, BYTE, BOOL, x, raw(y), 5)
    assert y.tolist() == [0, 1, 1, 1, 0]
    z = np.zeros(5, np.uint8)
    targets.cast(isa, BOOL, BYTE, raw(y), z, 5)
    assert z.tolist() == [0, 1, 1, 1, 0]


def test_floats_beyond_the_integers(isa):
    x = np.float32([np.nan, np.inf, -np.inf, 2**31, -(2**31), 2147483520, 2**63, -(2**63), -0.9, 0.9, 1e-40])
    y = np.zeros(x.size, np.int32)
    targets.cast(isa, FLOAT32, INT32, raw(x), raw(y), x.size)
    low = -(2**31)
    assert y.tolist() == [low, low, low, low, low, 2147483520, low, low, 0, 0, 0]
    z = np.zeros(x.size, np.int64)
    targets.cast(isa, FLOAT32, INT64, raw(x), raw(z), x.size)
    low = -(2**63)
    assert z.tolist() == [low, low, low, 2**31, -(2**31), 2147483520, low, low, 0, 0, 0]
    wide = np.array([2**40 + 7, -(2**33) - 1, 2**24 + 1], np.int64)
    narrow, single = np.zeros(3, np.int32), np.zeros(3, np.float32)
    targets.cast(isa, INT64, INT32, raw(wide), raw(narrow), 3)
    targets.cast(isa, INT64, FLOAT32, raw(wide), raw(single), 3)
    assert narrow.tolist() == [7, -1, 2**24 + 1] and np.array_equal(single, wide.astype(np.float32))
