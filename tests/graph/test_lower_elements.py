"""Element-wise ops: which layout they run in, broadcasting, and numbers of every dtype."""

from itertools import product

import numpy as np
import pytest

from cyconv import functional as F
from cyconv.graph.compile import compile_function, trace_function
from cyconv.graph.lower_elements import BINARY, COMPARE, EXCHANGED, UNARY, walk
from cyconv.graph.trace import apply
from cyconv.ops import OPS
from tests.graph.helpers import evaluate, integers, record
from tests.graph.test_lower import steps


def check(fn, *shapes, exact=True, threads=2):
    arrays = [integers(shape, i) for i, shape in enumerate(shapes)]
    got = compile_function(fn, shapes, [f"x{i}" for i in range(len(shapes))], threads)(*arrays)
    (want,) = evaluate(record(fn, *shapes), *arrays)
    assert got.shape == want.shape
    if exact:
        assert np.array_equal(got, want.astype(np.float32), equal_nan=True)
    else:  # a handful of roundings
        missing = np.isnan(got) & np.isnan(want)
        assert np.all((np.abs(got - want) <= 8 * 2.0**-24 * np.maximum(np.abs(want), 1)) | missing)


def blocked(x):
    """The same values, in blocks."""
    return F.avg_pool2d(x, 1, divisor_override=1)


def test_unary_follows_its_input():
    assert steps(lambda x: F.sigmoid(x), (2, 3, 4, 5)) == ["sigmoid"]
    assert steps(lambda x: F.sigmoid(blocked(x)), (2, 3, 4, 5)) == ["relayout", "avg_pool2d", "sigmoid", "relayout"]
    for shape in [(), (7,), (2, 3, 4, 5, 6), (0, 3)]:
        check(lambda x: F.relu(x), shape)


ATTRS: dict[str, dict] = {
    "leaky_relu": {"negative_slope": 0.5},
    "elu": {"alpha": 0.5},
    "gelu": {"approximate": "none"},
    "softplus": {"beta": 2.0, "threshold": 4.0},
    "clip": {"min": -1.5, "max": 2.5},
}


@pytest.mark.parametrize("op", sorted(set(UNARY) - {"gelu_tanh"}))
def test_unary_in_both_layouts(op):
    attrs = ATTRS.get(op, {})
    x = np.linspace(-5, 5, 2 * 19 * 3 * 5, dtype=np.float32).reshape(2, 19, 3, 5)
    run = lambda before: compile_function(lambda v: apply(op, [before(v)], attrs)[0], [x.shape], ["x"], 2)(x)  # noqa: E731
    got = run(lambda v: v)
    assert np.array_equal(got, run(blocked), equal_nan=True)
    (want,) = OPS[op].reference([x.astype(np.float64)], attrs)
    assert np.array_equal(np.isnan(got), np.isnan(want))
    with np.errstate(invalid="ignore"):
        assert np.all((np.abs(got - want) <= 8 * 2.0**-24 * np.maximum(np.abs(want), np.abs(x))) | np.isnan(want))


SHAPES = [(2, 19, 3, 4), (1, 19, 1, 1), (2, 19, 1, 1), (19, 1, 1), (1, 1, 1, 1), (), (4,), (3, 4), (2, 1, 3, 4), (1, 19, 3, 1)]


@pytest.mark.parametrize("op", sorted(BINARY))
@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize("blocks", [False, True])
def test_binary_broadcasts(op, constant, blocks):
    for a, b in product(SHAPES, SHAPES):
        before = [blocked if blocks and len(s) == 4 else (lambda v: v) for s in (a, b)]
        if constant:
            check(lambda x: apply(op, [before[0](x), integers(b, 9)], {})[0], a)
        else:
            check(lambda x, y: apply(op, [before[0](x), before[1](y)], {})[0], a, b)


def test_binary_without_spreading():
    """Neither a number nor a value a channel is copied out to the size of the image."""
    for b in [(), (1, 19, 1, 1), (19, 1, 1)]:
        found = steps(lambda x: blocked(x) * integers(b, 1), (2, 19, 3, 4))
        assert found[-2:] == ["mul", "relayout"] and "copy" not in found


def numbers(shape, dtype: str, seed: int) -> np.ndarray:
    """Small numbers of any dtype, with many that are equal."""
    x = np.random.default_rng([seed, *shape]).integers(-3, 4, shape)
    return np.asarray(x > 0 if dtype == "bool" else x.astype(dtype))


def check_dtypes(fn, dtypes, shapes, threads=2) -> list[np.ndarray]:
    """A plan with inputs of these dtypes gives what the references give, in the dtypes of the graph."""
    arrays = [numbers(shape, dtype, i) for i, (shape, dtype) in enumerate(zip(shapes, dtypes, strict=True))]
    names = [f"x{i}" for i in range(len(shapes))]
    plan = compile_function(fn, shapes, names, threads, dtypes=dtypes)
    got = plan(*arrays)
    got = list(got) if isinstance(got, tuple) else [got]
    want = evaluate(trace_function(fn, shapes, names, dtypes)[0], *arrays)
    for y, w, dtype in zip(got, want, plan.output_dtypes, strict=True):
        assert str(y.dtype) == dtype
        np.testing.assert_array_equal(y, w.astype(dtype), strict=True)
    return got


PAIRS = [
    ((2, 3, 4), (2, 3, 4)),
    ((2, 3, 4), (3, 1)),
    ((4,), (2, 3, 1)),
    ((), (5,)),
    ((2, 1, 4, 1), (3, 1, 5)),
    ((0, 3), (1, 3)),
    ((1,), ()),
]
ANY = ["float32", "int32", "int64", "bool"]


@pytest.mark.parametrize("dtype", ["int32", "int64"])
@pytest.mark.parametrize("op", sorted(BINARY))
def test_arithmetic_of_integers(op, dtype):
    for shapes in PAIRS:
        (y,) = check_dtypes(lambda a, b: apply(op, [a, b], {})[0], [dtype, dtype], shapes)
        assert str(y.dtype) == dtype


@pytest.mark.parametrize("op", sorted(BINARY))
def test_exchanged_operands(op):
    """Every way to broadcast gives the same numbers, whichever side is the smaller one."""
    for shapes in PAIRS:
        a, b = (np.abs(numbers(s, "float32", i)) + 1 for i, s in enumerate(shapes))
        for x, z in ((a, b), (b, a)):
            got = compile_function(lambda u, v: apply(op, [u, v], {})[0], [x.shape, z.shape], ["u", "v"], 2)(x, z)
            want = OPS[op].reference([x.astype(np.float64), z.astype(np.float64)], {})[0].astype(np.float32)
            np.testing.assert_array_equal(got, want, strict=True)
    assert set(EXCHANGED) == set(BINARY.values())


@pytest.mark.parametrize("dtype", ANY)
@pytest.mark.parametrize("op", sorted(COMPARE))
def test_comparisons(op, dtype):
    for shapes in PAIRS:
        (y,) = check_dtypes(lambda a, b: apply(op, [a, b], {})[0], [dtype, dtype], shapes)
        assert y.dtype == bool


@pytest.mark.parametrize("dtype", ANY)
def test_where(dtype):
    for a, b in PAIRS:
        for c in {a, b, ()}:
            check_dtypes(lambda *v: apply("where", list(v), {})[0], ["bool", dtype, dtype], [c, a, b])


@pytest.mark.parametrize("to", ANY)
@pytest.mark.parametrize("dtype", ANY)
def test_cast(dtype, to):
    for shape in [(), (3, 5), (2, 3, 4, 5), (0, 2)]:
        check_dtypes(lambda x: apply("cast", [x], {"dtype": to})[0], [dtype], [shape])


def test_cast_of_what_does_not_fit():
    x = np.float32([np.nan, np.inf, -np.inf, 3e9, -3e9, 2147483520, -2147483648, 1.9, -1.9, 1e19, 0.3])
    for dtype in ("int32", "int64", "bool"):
        got = compile_function(lambda v: apply("cast", [v], {"dtype": dtype})[0], [x.shape], ["x"], 1)(x)
        want = OPS["cast"].reference([x.astype(np.float64)], {"dtype": dtype})[0]
        np.testing.assert_array_equal(got, want, strict=True)


@pytest.mark.parametrize("op", ["abs", "neg", "sign"])
@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_unary_of_integers(op, dtype):
    check_dtypes(lambda x: apply(op, [x], {})[0], [dtype], [(3, 4, 5)])


@pytest.mark.parametrize("dtype", ["int32", "int64", "bool"])
def test_movement_of_any_dtype(dtype):
    """Inputs, constants and outputs of every dtype, through the steps that move data."""
    constant = numbers((2, 3, 4), dtype, 7)

    def fn(x):
        y = apply("cat", [x, constant], {"dim": 1})[0]
        y = apply("pad", [y], {"pad": ((0, 0), (1, 2), (-1, 0)), "mode": "constant", "value": 1})[0]
        y = apply("permute", [y], {"dims": (2, 0, 1)})[0]
        part = y[1:, :, ::2]
        return x, y, apply("reshape", [part], {"shape": (part.shape[0] * part.shape[1], part.shape[2])})[0], y[::-1, 0]

    got = check_dtypes(fn, [dtype], [(2, 3, 4)])
    assert [str(y.dtype) for y in got] == [dtype] * 4


def test_dtypes_that_do_not_go_together():
    ints, floats = np.ones(3, np.int64), np.ones(3, np.float32)
    for fn, match in [
        (lambda x: apply("add", [x, ints], {}), "add takes arrays of one dtype, got float32 and int64"),
        (lambda x: apply("relu", [x > 0], {}), "relu takes float32, got bool"),
        (lambda x: apply("add", [x > 0, x > 0], {}), "add takes float32, int32 or int64, got bool"),
        (lambda x: apply("where", [x, x, x], {}), "where takes a condition of bool, got float32"),
        (lambda x: apply("where", [x > 0, x, ints], {}), "where takes arrays of one dtype, got float32 and int64"),
        (lambda x: apply("equal", [ints, x], {}), "one dtype"),
        (lambda x: apply("cast", [x], {"dtype": "int64"})[0] + 0.5, "0.5 is no integer"),
    ]:
        with pytest.raises(TypeError, match=match):
            record(lambda x: fn(x), floats.shape)


def test_walk():
    assert walk((2, 3, 4), (2, 3, 4), (2, 3, 4)) == ((24,), [(1,), (1,)])
    assert walk((2, 3, 4), (2, 3, 4), (3, 1)) == ((2, 3, 4), [(12, 4, 1), (0, 1, 0)])
    assert walk((2, 3, 4), (1, 3, 4), (2, 1, 1)) == ((2, 12), [(0, 1), (1, 0)])
    assert walk((1, 1), (1,), ()) == ((1,), [(1,), (1,)])
