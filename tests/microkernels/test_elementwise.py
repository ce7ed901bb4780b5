"""Element-wise kernels of every instruction set: exact where they can be, within a stated bound where they cannot."""

import numpy as np
import pytest
from scipy import special

from cyconv._kernels import targets
from tests.guard import flush, guarded

RELU, RELU6, LEAKY, SIGMOID, TANH, HARDSWISH, HARDSIGMOID, SILU, GELU, GELU_TANH, ELU = range(11)
SQRT, EXP, LOG, ABS, NEG, SOFTPLUS, MISH, SELU, FLOOR, CEIL, ERF, SIGN, RECIPROCAL, CLIP = range(11, 25)
ADD, MUL, SUB, RSUB, DIV, RDIV, POW, RPOW, MINIMUM, MAXIMUM = range(10)
EACH, LANES, ONE = range(3)
LENGTHS = [*range(36), 47, 61, 64, 97]
INF = np.inf


def unary(isa, function, x, p0=0.0, where="end", p1=0.0):
    y = guarded(x.size, where)
    targets.unary(isa, function, flush(x, where), y, p0, p1)
    return np.array(y)


def exact(function, x, p0, p1):
    """What the exact functions give, in float32 steps."""
    six, three = np.float32(6), np.float32(3)
    gate = np.clip(x + three, 0, six)
    return {
        RELU: lambda: np.maximum(x, 0),
        RELU6: lambda: np.clip(x, 0, six),
        LEAKY: lambda: np.where(x > 0, x, x * np.float32(p0)),
        HARDSWISH: lambda: x * gate / six,
        HARDSIGMOID: lambda: gate / six,
        SQRT: lambda: np.sqrt(x),
        ABS: lambda: np.abs(x),
        NEG: lambda: -x,
        FLOOR: lambda: np.floor(x),
        CEIL: lambda: np.ceil(x),
        SIGN: lambda: np.sign(x),
        RECIPROCAL: lambda: 1 / x,
        CLIP: lambda: np.clip(x, np.float32(p0), np.float32(p1)),
    }[function]()


@pytest.mark.parametrize("function", [RELU, RELU6, LEAKY, HARDSWISH, HARDSIGMOID, SQRT, ABS, NEG, FLOOR, CEIL, SIGN, RECIPROCAL, CLIP])
def test_exact_functions(isa, function):
    rng = np.random.default_rng(3)
    cases = 0
    for n in LENGTHS:
        for where in ("start", "end"):
            x = (rng.standard_normal(n) * 4).astype(np.float32)
            x = np.abs(x) if function == SQRT else x
            assert np.array_equal(unary(isa, function, x, 0.1, where, 2.5), exact(function, x, 0.1, 2.5)), n
            cases += n > 0
    assert cases >= 70


def sigmoid64(x):
    return np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))


def gelu_tanh64(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


# Largest error in units in the last place of the result, as vector_math.inc promises.
ULP = {
    SIGMOID: (sigmoid64, 2.5, -87),
    TANH: (np.tanh, 2.5, -90),
    SILU: (lambda x: x * sigmoid64(x), 3.5, -87),
    ELU: (lambda x: np.where(x > 0, x, np.expm1(x)), 2.0, -90),
    EXP: (np.exp, 1.0, -87),
    LOG: (np.log, 1.0, 2e-38),
    SOFTPLUS: (lambda x: np.logaddexp(0, x), 2.5, -87),
    MISH: (lambda x: x * np.tanh(np.logaddexp(0, x)), 4.0, -86),
    SELU: (lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)), 3.0, -90),
    ERF: (special.erf, 1.6, -90),
}
# Largest error in units of 2^-24·|x|: 1 + erf cancels for negative x, as in PyTorch.
RELATIVE_TO_X = {GELU: (lambda x: x * special.ndtr(x), 2.5), GELU_TANH: (gelu_tanh64, 3.0)}


def samples(low):
    rng = np.random.default_rng(4)
    spread = 10.0 ** rng.uniform(-30, 1.9, 40000)
    x = np.concatenate([rng.uniform(low, 88, 40000), rng.uniform(-6, 6, 100000), rng.uniform(-1.2, 1.2, 60000), spread, -spread])
    x = x.astype(np.float32)
    return x[x > low]


@pytest.mark.parametrize("function", sorted(ULP))
def test_ulp_bound(isa, function):
    reference, bound, low = ULP[function]
    x = samples(low)
    want = reference(x.astype(np.float64))
    error = np.abs(unary(isa, function, x, 1.0, p1=20.0) - want) / np.spacing(np.abs(want).astype(np.float32))
    normal = np.abs(want) > 1.2e-38
    assert normal.sum() > 100000
    worst = np.argmax(error * normal)
    assert error[worst] <= bound, f"{error[worst]:.2f} ulp at {x[worst]}"


@pytest.mark.parametrize("function", sorted(RELATIVE_TO_X))
def test_gelu_bound(isa, function):
    reference, bound = RELATIVE_TO_X[function]
    x = samples(-90)
    error = np.abs(unary(isa, function, x) - reference(x.astype(np.float64))) / np.abs(x) * 2**24
    worst = np.argmax(error)
    assert error[worst] <= bound, f"{error[worst]:.2f} at {x[worst]}"


NAN = np.nan
SPECIAL = np.array([INF, -INF, NAN, -0.0, 0.0, 200, -200], np.float32)
AT_SPECIAL = {
    RELU: [INF, 0, NAN, 0, 0, 200, 0],
    RELU6: [6, 0, NAN, 0, 0, 6, 0],
    LEAKY: [INF, -INF, NAN, 0, 0, 200, -100],
    SIGMOID: [1, 0, NAN, 0.5, 0.5, 1, 0],
    TANH: [1, -1, NAN, 0, 0, 1, -1],
    HARDSWISH: [INF, NAN, NAN, 0, 0, 200, 0],
    HARDSIGMOID: [1, 0, NAN, 0.5, 0.5, 1, 0],
    SILU: [INF, NAN, NAN, 0, 0, 200, 0],
    GELU: [INF, NAN, NAN, 0, 0, 200, 0],
    GELU_TANH: [INF, NAN, NAN, 0, 0, 200, 0],
    ELU: [INF, -0.5, NAN, 0, 0, 200, -0.5],
    SQRT: [INF, NAN, NAN, 0, 0, np.float32(200) ** np.float32(0.5), NAN],
    EXP: [INF, 0, NAN, 1, 1, INF, 0],
    LOG: [INF, NAN, NAN, -INF, -INF, np.log(np.float32(200)), NAN],
    ABS: [INF, INF, NAN, 0, 0, 200, 200],
    NEG: [-INF, INF, NAN, 0, 0, -200, 200],
    SOFTPLUS: [INF, 0, NAN, np.float32(2 * np.log(2)), np.float32(2 * np.log(2)), 200, np.float32(7.567e-44)],
    MISH: [INF, NAN, NAN, 0, 0, 200, 0],
    SELU: [INF, np.float32(-1.7580993), NAN, 0, 0, np.float32(200 * 1.0507009873554805), np.float32(-1.7580993)],
    FLOOR: [INF, -INF, NAN, 0, 0, 200, -200],
    CEIL: [INF, -INF, NAN, 0, 0, 200, -200],
    ERF: [1, -1, NAN, 0, 0, 1, -1],
    SIGN: [1, -1, 0, 0, 0, 1, -1],
    RECIPROCAL: [0, 0, NAN, -INF, INF, np.float32(0.005), np.float32(-0.005)],
    CLIP: [20, 0.5, NAN, 0.5, 0.5, 20, 0.5],
}


@pytest.mark.parametrize("function", sorted(AT_SPECIAL))
def test_special_values_and_same_bits_at_every_place(isa, function):
    """A value gives the same bits in every lane of the body and in every tail, and leaves its neighbours alone."""
    lanes = targets.lanes(isa)
    assert np.array_equal(unary(isa, function, SPECIAL, 0.5, p1=20.0), np.array(AT_SPECIAL[function], np.float32), equal_nan=True)
    rng = np.random.default_rng(5)
    values = np.concatenate([SPECIAL, rng.standard_normal(5).astype(np.float32) * 3])
    neighbour = unary(isa, function, np.float32([0.25]), 0.5, p1=20.0)[0]
    for value in values:
        alone = unary(isa, function, np.float32([value]), 0.5, p1=20.0)
        for n in (lanes, 2 * lanes - 1, lanes + 1):
            for place in range(n):
                x = np.full(n, 0.25, np.float32)
                x[place] = value
                want = np.full(n, neighbour)
                want[place] = alone[0]
                assert unary(isa, function, x, 0.5, p1=20.0).tobytes() == want.tobytes() or np.isnan(value)
                assert np.array_equal(unary(isa, function, x, 0.5, p1=20.0), want, equal_nan=True)


def test_unary_in_place(isa):
    x = np.linspace(-3, 3, 37, dtype=np.float32)
    y = x.copy()
    targets.unary(isa, SIGMOID, y, y, 0.0)
    assert np.array_equal(y, unary(isa, SIGMOID, x))


EXACT_BINARY = {
    ADD: lambda a, b: a + b,
    MUL: lambda a, b: a * b,
    SUB: lambda a, b: a - b,
    RSUB: lambda a, b: b - a,
    DIV: lambda a, b: a / b,
    RDIV: lambda a, b: b / a,
    MINIMUM: np.minimum,
    MAXIMUM: np.maximum,
}


@pytest.mark.parametrize("function", sorted(EXACT_BINARY))
def test_binary(isa, function):
    rng = np.random.default_rng(6)
    lanes = targets.lanes(isa)
    cases = 0
    for n in LENGTHS:
        for runs, size in ((EACH, n), (LANES, max(n, 1) if n < lanes else lanes), (ONE, 1)):
            for where in ("start", "end"):
                a = rng.integers(1, 99, n).astype(np.float32)
                b = rng.integers(1, 99, size).astype(np.float32)
                a[: n // 5], b[size // 2 + 1 :] = -a[: n // 5], -b[size // 2 + 1 :]
                y = guarded(n, where)
                targets.binary(isa, function, flush(a, where), flush(b, where), y, runs)
                assert np.array_equal(y, EXACT_BINARY[function](a, np.resize(b, n))), (n, runs)
                for alias in (a, b) if runs == EACH else (a,):
                    z = alias.copy()
                    targets.binary(isa, function, z if alias is a else a, z if alias is b else b, z, runs)
                    assert np.array_equal(z, y)
                cases += 1
    assert cases >= 200


@pytest.mark.parametrize("function", [MINIMUM, MAXIMUM])
def test_extremes_of_nan(isa, function):
    a, b = np.float32([NAN, 1, NAN, INF, -INF]), np.float32([1, NAN, NAN, 1, 1])
    y = np.zeros(5, np.float32)
    targets.binary(isa, function, a, b, y, EACH)
    assert np.array_equal(y, EXACT_BINARY[function](a, b), equal_nan=True)


def power(isa, a, b, function=POW):
    y = guarded(a.size)
    targets.binary(isa, function, flush(a), flush(b), y, EACH)
    return np.array(y)


def test_powers_of_integers_are_exact(isa):
    a, b = (v.ravel().astype(np.float32) for v in np.meshgrid(np.arange(-12, 13), np.arange(7)))
    assert np.array_equal(power(isa, a, b), a.astype(np.float64) ** b)
    assert np.array_equal(power(isa, b, a, RPOW), power(isa, a, b))


def test_power_bound(isa):
    rng = np.random.default_rng(8)
    a = np.concatenate([10.0 ** rng.uniform(-37, 38, 100000), rng.uniform(0.5, 2, 100000), 1 + rng.uniform(-1e-4, 1e-4, 100000)])
    b = np.concatenate([rng.uniform(-3, 3, 100000), rng.uniform(-100, 100, 100000), rng.uniform(-1e5, 1e5, 100000)])
    a, b = a.astype(np.float32), b.astype(np.float32)
    with np.errstate(over="ignore", under="ignore"):
        want = np.power(a.astype(np.float64), b.astype(np.float64))
        normal = (want > 1.2e-38) & (want < 3.4e38)
        error = np.abs(power(isa, a, b)[normal] - want[normal]) / np.spacing(want[normal].astype(np.float32))
    assert normal.sum() > 200000
    assert error.max() <= 0.501
    large = want > 3.5e38
    assert large.any() and np.all(power(isa, a, b)[large] == INF)


def test_powers_of_special_values(isa):
    """C's rules, which are IEEE 754's."""
    some = np.float32([0, -0.0, 1, -1, 2, -2, 0.5, -0.5, 3, -3, INF, -INF, NAN, 2**24, 2**25, -(2**24) + 1, 1e-30])
    a, b = (v.ravel() for v in np.meshgrid(some, some))
    with np.errstate(all="ignore"):
        want = np.power(a.astype(np.float64), b.astype(np.float64))
        tiny = (np.abs(want) < 1.2e-38) & (want != 0)  # below the normal numbers
        want = want.astype(np.float32)
    got = power(isa, a, b)
    assert np.array_equal(got[~tiny], want[~tiny], equal_nan=True)
    assert np.array_equal(np.signbit(got)[~np.isnan(want)], np.signbit(want)[~np.isnan(want)])


@pytest.mark.parametrize("pixels", [0, 1, 2, 3, 7, 13])
def test_per_channel(isa, pixels):
    rng = np.random.default_rng(7)
    lanes = targets.lanes(isa)
    x = rng.integers(-32, 33, (pixels, lanes)).astype(np.float32)
    scale, shift = (rng.integers(-32, 33, lanes).astype(np.float32) for _ in range(2))
    for where in ("start", "end"):
        y = guarded(x.size, where)
        targets.scale_shift(isa, flush(x, where), flush(scale, where), flush(shift, where), y)
        assert np.array_equal(y.reshape(x.shape), x * scale + shift)
        targets.prelu(isa, flush(x, where), flush(scale, where), y)
        assert np.array_equal(y.reshape(x.shape), np.where(x > 0, x, x * scale))
    if pixels:
        x[-1, -1] = np.nan
        targets.prelu(isa, x.ravel(), scale, y)
        assert np.isnan(y[-1]) and np.isnan(y).sum() == 1
