"""Element-wise ops, normalisation and softmax: which layout they run in, and their numbers in either."""

from itertools import product

import numpy as np
import pytest

from cyconv import functional as F
from cyconv._kernels import cpu
from cyconv.graph.compile import compile_function
from cyconv.graph.lower_simple import BINARY, UNARY
from cyconv.graph.trace import apply
from tests.graph.helpers import evaluate, integers, record
from tests.graph.test_lower import steps

L = cpu.lanes()


def check(fn, *shapes, exact=True, threads=2):
    arrays = [integers(shape, i) for i, shape in enumerate(shapes)]
    got = compile_function(fn, shapes, [f"x{i}" for i in range(len(shapes))], threads)(*arrays)
    (want,) = evaluate(record(fn, *shapes), *arrays)
    assert got.shape == want.shape
    if exact:
        assert np.array_equal(got, want)
    else:  # a handful of roundings
        assert np.all(np.abs(got - want) <= 8 * 2.0**-24 * np.maximum(np.abs(want), 1))


def blocked(x):
    """The same values, in blocks."""
    return F.max_pool2d(x, 1)


def test_unary_follows_its_input():
    assert steps(lambda x: F.sigmoid(x), (2, 3, 4, 5)) == ["sigmoid"]
    assert steps(lambda x: F.sigmoid(blocked(x)), (2, 3, 4, 5)) == ["relayout", "max_pool2d", "sigmoid", "relayout"]
    for shape in [(), (7,), (2, 3, 4, 5, 6), (0, 3)]:
        check(lambda x: F.relu(x), shape)


@pytest.mark.parametrize("op", sorted(UNARY))
def test_unary_in_both_layouts(op):
    attrs = {"leaky_relu": {"negative_slope": 0.5}, "elu": {"alpha": 0.5}, "gelu": {"approximate": "none"}}.get(op, {})
    x = np.linspace(-5, 5, 2 * 19 * 3 * 5, dtype=np.float32).reshape(2, 19, 3, 5)
    run = lambda before: compile_function(lambda v: apply(op, [before(v)], attrs)[0], [x.shape], ["x"], 2)(x)  # noqa: E731
    assert np.array_equal(run(lambda v: v), run(blocked))


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


@pytest.mark.parametrize("shape", [(5,), (2, 5), (2, 5, 3), (2, 5, 3, 4), (2, 5, 3, 4, 2), (2, L + 1, 3, 4)])
@pytest.mark.parametrize("known", [False, True])
def test_channel_parameters_of_any_rank(shape, known):
    c = shape[1] if len(shape) > 1 else 1
    vectors = [integers((c,), 1), np.full(c, 4, np.float32), integers((c,), 2), integers((c,), 3)]
    if len(shape) > 1:
        norm = lambda x, *v: apply("batch_norm", [x, *v], {"eps": 0.0})[0]  # noqa: E731
        if known:
            check(lambda x: norm(x, *vectors), shape)
        else:
            arrays = [integers(shape, 5), *vectors]
            plan = compile_function(norm, [a.shape for a in arrays], list("xmvwb"), 1)
            assert np.array_equal(plan(*arrays), evaluate(record(norm, *[a.shape for a in arrays]), *arrays)[0])
    for slopes in (integers((1,), 4), integers((c,), 4)):
        if known:
            check(lambda x: F.prelu(x, slopes), shape)
        else:
            check(lambda x, w: F.prelu(x, w), shape, slopes.shape)


@pytest.mark.parametrize("shape", [(2, 5, 3), (2, 7, 3, 4), (1, L + 3, 2, 2, 2)])
def test_lrn(shape):
    check(lambda x: F.local_response_norm(x, 5, 0.001, 0.75, 2.0), shape, exact=False, threads=3)
    check(lambda x: F.local_response_norm(blocked(x) if len(shape) == 4 else x, 2), shape, exact=False)


@pytest.mark.parametrize("dim", [0, 1, 2, 3])
def test_softmax(dim):
    check(lambda x: F.softmax(x, dim), (2, 5, 3, 4), exact=False)
    check(lambda x: F.log_softmax(blocked(x), dim), (2, 5, 3, 4), exact=False)
