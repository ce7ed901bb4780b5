"""Reductions: over any dimensions, in either layout, of every dtype, with the places of the largest."""

from itertools import combinations, product

import numpy as np
import pytest

from cyconv.graph.compile import compile_function
from cyconv.graph.lower_reduce import REDUCE, reduced_runs
from cyconv.graph.trace import apply
from tests.graph.helpers import integers
from tests.graph.test_lower import steps
from tests.graph.test_lower_elements import blocked, check, check_dtypes

SHAPES = [(), (7,), (1, 1), (3, 1, 5), (2, 0, 3), (2, 3, 4, 5), (2, 3, 2, 3, 2)]
REFUSED = [("reduce_sum", "bool"), *product(["reduce_mean"], ["int32", "int64", "bool"]), ("argmax", "bool"), ("topk", "bool")]


def all_dims(shape):
    return [dims for r in range(len(shape) + 1) for dims in combinations(range(len(shape)), r)]


def test_runs():
    assert reduced_runs((2, 3, 4, 5), (2, 3)) == [(6, 20, 1)]
    assert reduced_runs((2, 3, 4, 5), (1,)) == [(2, 3, 20)]
    assert reduced_runs((2, 3, 4, 5), (0, 2)) == [(6, 4, 5), (1, 2, 15)]
    assert reduced_runs((2, 1, 4, 1), (0, 1, 2)) == [(1, 8, 1)]
    assert reduced_runs((2, 3), ()) == [(1, 1, 6)]
    assert reduced_runs((), ()) == [(1, 1, 1)]


@pytest.mark.parametrize("op", sorted(REDUCE))
def test_any_dimensions(op):
    for shape in SHAPES:
        for dims in all_dims(shape):
            attrs = {"dims": dims, "keepdim": len(dims) % 2 == 0}
            exact = op != "reduce_mean"
            check(lambda x: apply(op, [x], attrs)[0], shape, exact=exact)
            if len(shape) == 4:
                check(lambda x: apply(op, [blocked(x)], attrs)[0], shape, exact=exact, threads=3)


@pytest.mark.parametrize(("op", "dtype"), [c for c in product(REDUCE, ["int32", "int64", "bool"]) if c not in REFUSED])
def test_integers(op, dtype):
    for shape in SHAPES:
        for dims in all_dims(shape):
            check_dtypes(lambda x: apply(op, [x], {"dims": dims, "keepdim": False})[0], [dtype], [shape])


def test_dtypes_that_are_refused():
    for op, dtype in REFUSED:
        attrs = {"dims": (0,), "dim": 0, "keepdim": False, "k": 1, "largest": True}
        with pytest.raises(TypeError, match=rf"{op} takes float32.*, got {dtype}"):
            compile_function(lambda x: apply(op, [x], attrs)[0], [(3,)], ["x"], dtypes=[dtype])


def test_planes_stay_in_blocks():
    for op in ("reduce_mean", "reduce_sum", "reduce_max"):
        for keepdim in (True, False):
            attrs = {"dims": (2, 3), "keepdim": keepdim}
            assert steps(lambda x: apply(op, [blocked(x)], attrs)[0], (2, 19, 5, 4)) == ["relayout", "avg_pool2d", op, "relayout"]
    assert "relayout" not in steps(lambda x: apply("reduce_mean", [x], {"dims": (2, 3), "keepdim": True})[0], (2, 19, 5, 4))


@pytest.mark.parametrize("dtype", ["float32", "int32", "int64"])
def test_places(dtype):
    for shape in [(7,), (3, 1, 5), (200,), (2, 70, 3), (2, 3, 4, 90)]:
        for dim, size in enumerate(shape):
            for flag in (True, False):
                check_dtypes(lambda x: apply("argmax", [x], {"dim": dim, "keepdim": flag, "last": not flag})[0], [dtype], [shape])
                for k in {0, 1, size // 2, size}:
                    attrs = {"dim": dim, "k": k, "largest": flag, "sorted": True}
                    check_dtypes(lambda x: tuple(apply("topk", [x], attrs)), [dtype], [shape])


def test_places_of_nan_and_infinity():
    x = np.float32([[1, np.nan, np.inf, np.nan, -np.inf, 1], [np.inf, -np.inf, np.inf, 2, -np.inf, 0]])
    run = lambda op, **attrs: compile_function(lambda v: tuple(apply(op, [v], attrs)), [x.shape], ["x"], 1)(x)  # noqa: E731
    assert run("argmax", dim=1, keepdim=False)[0].tolist() == [1, 0]
    assert run("argmax", dim=1, keepdim=False, last=True)[0].tolist() == [3, 2]
    values, places = run("topk", dim=1, k=6, largest=True)
    assert places.tolist() == [[1, 3, 2, 0, 5, 4], [0, 2, 3, 5, 1, 4]]
    assert np.array_equal(values, np.take_along_axis(x, places, 1), equal_nan=True)
    assert run("topk", dim=1, k=6, largest=False)[1].tolist() == [[4, 0, 5, 2, 1, 3], [1, 4, 5, 3, 0, 2]]
    for op, want in [("reduce_sum", [np.nan, np.nan]), ("reduce_max", [np.nan, np.inf]), ("reduce_min", [np.nan, -np.inf])]:
        for v, dim in ((x, 1), (np.ascontiguousarray(x.T), 0)):
            got = compile_function(lambda v: apply(op, [v], {"dims": (dim,), "keepdim": False})[0], [v.shape], ["x"], 1)(v)
            assert np.array_equal(got, want, equal_nan=True)
    got = compile_function(lambda v: apply("reduce_sum", [v], {"dims": (0,), "keepdim": False})[0], [(4,)], ["x"], 1)
    assert got(np.float32([1, np.inf, 2, 3])) == np.inf


def test_sums_do_not_lose_with_their_length():
    """A compensated sum is as exact as its last rounding, however many there are."""
    x = np.random.default_rng(2).random(300_007, np.float32)
    for shape, dims in [((x.size,), (0,)), ((x.size, 1), (0,)), ((1, x.size), (1,))]:
        got = compile_function(lambda v: apply("reduce_sum", [v], {"dims": dims, "keepdim": False})[0], [shape], ["x"], 2)(x.reshape(shape))
        exact = x.astype(np.float64).sum()
        assert abs(got.item() - exact) <= 20 * 2.0**-24 * exact  # at most as many lanes are added plainly at the end
    wide = np.stack([x[:1001]] * 33, 1)
    got = compile_function(lambda v: apply("reduce_mean", [v], {"dims": (0,), "keepdim": False})[0], [wide.shape], ["x"], 2)(wide)
    assert np.all(np.abs(got - x[:1001].astype(np.float64).mean()) <= 3 * 2.0**-24)


def test_same_bits_for_any_threads():
    x = integers((5, 130, 70), 4) / 7
    for dims in [(0,), (1,), (2,), (0, 2), (0, 1, 2)]:
        plans = [
            compile_function(lambda v: apply("reduce_mean", [v], {"dims": dims, "keepdim": False})[0], [x.shape], ["x"], t) for t in (1, 3)
        ]
        assert plans[0](x).tobytes() == plans[1](x).tobytes()
