"""``[]`` on traced values, against NumPy."""

from itertools import product

import numpy as np
import pytest

from cyconv.graph.compile import compile_function
from cyconv.graph.indexing import index_parts
from tests.graph.helpers import integers, ops, record

PARTS = [0, -1, None, ..., slice(None), slice(1, None), slice(-2, 9), slice(None, None, -1), slice(3, 0, -2), slice(2, 1), np.int64(1)]


def test_agrees_with_numpy():
    x = integers((2, 3, 4), 1)
    computed = 0
    for count in range(4):
        for key in product(PARTS, repeat=count):
            if sum(k is ... for k in key) > 1:
                continue
            attrs, shape = index_parts(x.shape, key)
            y = x
            for dim, places in enumerate(zip(attrs["starts"], attrs["stops"], attrs["steps"], strict=True)):
                y = np.take(y, np.arange(*places), axis=dim)
            np.testing.assert_array_equal(y.reshape(shape), x[key], strict=True)
            computed += 1
    assert computed > 1000


def test_in_a_plan():
    x = integers((2, 5, 4, 6), 2)
    for key in [0, (slice(None), 1), (..., slice(None, None, -2)), (slice(None), None, slice(1, 4), ..., -1), ...]:
        got = compile_function(lambda v, key=key: v[key], [x.shape], ["x"], 2)(x)
        np.testing.assert_array_equal(got, x[key], strict=True)


def test_what_is_recorded():
    assert ops(record(lambda x: x[:, 1], (2, 3))) == ["slice", "reshape"]
    assert ops(record(lambda x: x[:, 1:], (2, 3))) == ["slice"]


def test_length_and_iteration():
    x = integers((3, 2), 3)
    fn = lambda v: tuple(row * float(len(v)) for row in v)  # noqa: E731
    np.testing.assert_array_equal(compile_function(fn, [x.shape], ["x"], 1)(x), 3 * x)
    with pytest.raises(TypeError, match="without dimensions"):
        record(lambda v: len(v), ())


@pytest.mark.parametrize(
    ("key", "error", "match"),
    [
        ((0, 0, 0), IndexError, "too many indices: a value of 2 dimensions was indexed with 3"),
        ((..., 0, ...), IndexError, "single ellipsis"),
        (2, IndexError, "index 2 is out of bounds for dimension 0 with size 2"),
        ((0, -4), IndexError, "index -4 is out of bounds for dimension 1 with size 3"),
        (True, TypeError, "takes ints, slices, None and Ellipsis as indices, got True"),
        (1.0, TypeError, "got 1.0"),
        ([0, 1], TypeError, "got .0, 1."),
        ((slice(0, 2, 0),), ValueError, "zero"),
    ],
)
def test_refusals(key, error, match):
    with pytest.raises(error, match=match):
        record(lambda x: x[key], (2, 3))
