"""Data movement: which layout it runs in, and its bits in either."""

from itertools import permutations, product

import numpy as np
import pytest

from cyconv import functional as F
from cyconv.graph.compile import compile_function
from cyconv.graph.lower_movement import pad_index
from cyconv.graph.trace import apply
from tests.graph.helpers import evaluate, integers, record
from tests.graph.test_lower_elements import blocked, check, check_dtypes


@pytest.mark.parametrize("dim", [0, 1, 2, 3])
def test_cat_along_any_axis(dim):
    shapes = [tuple(size + i if axis == dim else size for axis, size in enumerate((2, 3, 4, 5))) for i in range(3)]
    check(lambda *xs: F.cat(list(xs), dim), *shapes)
    check(lambda *xs: F.cat([blocked(x) for x in xs], dim), *shapes)


def test_cat_of_many():
    check(lambda *xs: F.cat(list(xs), 0), *[(1, 2)] * 100)


def test_slices():
    for starts, stops, steps in [
        ((0, 0, 0), (2, 5, 7), (1, 2, 3)),
        ((1, 2, 3), (2, 4, 7), (1, 1, 1)),
        ((0, 5, 0), (2, 5, 7), (1, 1, 1)),
        ((1, 4, 6), (-1, -1, -1), (-1, -1, -1)),
        ((1, 3, 6), (0, 0, -1), (-1, -2, -3)),
        ((0, -1, 0), (2, -1, 7), (1, -1, 1)),
    ]:
        attrs = {"starts": starts, "stops": stops, "steps": steps}
        check(lambda x: apply("slice", [x], attrs)[0], (2, 5, 7))
        check(lambda x: apply("slice", [blocked(x)], {k: (*v, v[-1]) for k, v in attrs.items()})[0], (2, 5, 7, 7))


@pytest.mark.parametrize("shape", [(), (5,), (2, 3), (2, 3, 4), (1, 3, 1, 4), (0, 2, 3), (2, 1, 3, 2, 2)])
def test_permute(shape):
    for dims in permutations(range(len(shape))):
        check(lambda x: F.permute(x, dims), shape)
    if len(shape) == 4:
        check(lambda x: F.permute(blocked(x), (0, 2, 3, 1)), shape)


def test_indices_are_moved():
    """int64 values are moved as they are, two words each."""

    def fn(x):
        _, indices = F.max_pool2d(x, 2, return_indices=True)
        moved = apply("permute", [indices], {"dims": (0, 2, 1, 3)})[0]
        return apply("slice", [moved], {"starts": (0, 1, 2, 0), "stops": (2, 2, -1, 3), "steps": (1, 1, -1, 2)})[0]

    x = integers((2, 3, 4, 6), 1)
    (got,) = [compile_function(fn, [x.shape], ["x"], 2)(x)]
    (want,) = evaluate(record(fn, x.shape), x)
    assert got.dtype == want.dtype == np.int64
    assert np.array_equal(got, want)


MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


@pytest.mark.parametrize("mode", MODES)
def test_pad_index(mode):
    for size in range(2, 6):
        for before, after in product(range(size), repeat=2):
            places = pad_index(size, before, after, mode)
            if mode == "constant":
                assert places == [-1] * before + list(range(size)) + [-1] * after
            else:
                assert places == np.pad(np.arange(size), (before, after), MODES[mode]).tolist()
    assert pad_index(5, -1, -2, "constant") == [1, 2]


def test_pad_on_every_axis():
    pad = ((1, 2), (0, 0), (-1, 3), (2, -1))
    check(lambda x: apply("pad", [x], {"pad": pad, "mode": "constant", "value": -2.0})[0], (2, 3, 4, 5))
    check(lambda x: F.pad(blocked(x), (1, 2, 3, 1), "reflect"), (2, 3, 4, 5))


@pytest.mark.parametrize("dtype", ["float32", "int32", "int64", "bool"])
def test_expand_and_tile(dtype):
    for shape, wide in [
        ((3, 4), (2, 3, 4)),
        ((3, 1, 4), (3, 5, 4)),
        ((), (2, 3)),
        ((1,), (0,)),
        ((2, 1, 3, 1, 2), (2, 7, 3, 5, 2)),
        ((1, 1), (4, 1)),
    ]:
        check_dtypes(lambda x: apply("expand", [x], {"shape": wide})[0], [dtype], [shape])
    for shape, repeats in [
        ((3, 4), (2, 3)),
        ((3, 1, 4), (1, 5, 2)),
        ((), ()),
        ((2,), (0,)),
        ((2, 3, 1, 2, 2), (2, 2, 2, 2, 2)),
        ((4,), (1,)),
    ]:
        check_dtypes(lambda x: apply("tile", [x], {"repeats": repeats})[0], [dtype], [shape])


@pytest.mark.parametrize("dtype", ["float32", "int32", "int64", "bool"])
def test_gather(dtype):
    rng = np.random.default_rng(8)
    for dim, shape, places in [(0, (5, 3), (4,)), (1, (2, 5, 3), (2, 3)), (2, (2, 3, 5), ()), (0, (5,), (0,)), (1, (2, 5, 3, 4), (1, 1))]:
        for kind in (np.int64, np.int32):
            index = np.asarray(rng.integers(-5, 5, places), kind)
            check_dtypes(lambda x: apply("gather", [x, index], {"dim": dim})[0], [dtype], [shape])
            x = np.asarray(rng.integers(0, 2, shape), dtype)
            fn = lambda v, i: apply("gather", [v, i], {"dim": dim})[0]  # noqa: E731
            plan = compile_function(fn, [shape, places], ["x", "i"], 3, dtypes=[dtype, str(index.dtype)])
            np.testing.assert_array_equal(plan(x, index), np.take(x, index, dim), strict=True)


def test_gather_refuses_what_lies_outside():
    x = np.ones((2, 5), np.float32)
    plan = compile_function(
        lambda v, i: apply("gather", [v, i], {"dim": 1})[0], [x.shape, (3,)], ["x", "i"], 2, dtypes=["float32", "int64"]
    )
    for wrong in (5, -6, 2**40, -(2**62)):
        with pytest.raises(IndexError, match="index is out of range"):
            plan(x, np.array([0, wrong, 1]))
        with pytest.raises(IndexError, match=r"indices from .* for dimension 1 of size 5"):
            compile_function(lambda v: apply("gather", [v, np.array([0, wrong, 1])], {"dim": 1})[0], [x.shape], ["x"])
    assert plan(x, np.array([0, -5, 4])).shape == (2, 3)  # a plan that has failed goes on to work
