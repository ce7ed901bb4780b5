"""Transposed convolution and convolution of volumes as plans: kinds, layouts, borders, run-time weights, and what is fused with them."""

import numpy as np
import pytest

from cyconv import functional as F
from cyconv._kernels import cpu
from cyconv.graph.passes import optimise
from tests.graph.helpers import direct, evaluate, integers, ops, record
from tests.graph.test_lower import lowering

L = cpu.lanes()


#         input channels, output channels, groups, kind, phases, relayouts
KINDS = [
    (5, 7, 1, "dense", 4, 1),
    (2 * L + 3, L, 1, "dense", 4, 1),
    (6, 6, 6, "lanewise", 4, 1),
    (6, 3, 3, "lanewise", 4, 2),
    (6, 12, 3, "dense", 4, 2),
]


@pytest.mark.parametrize(("ci", "co", "groups", "kind", "phases", "relayouts"), KINDS)
def test_kinds(ci, co, groups, kind, phases, relayouts):
    w, b = integers((ci, co // groups, 4, 4), 1), integers((co,), 2)
    fn = lambda x: F.conv_transpose2d(x, w, b, 2, 1, groups=groups)  # noqa: E731
    low = lowering(fn, (2, ci, 5, 6))
    (product,) = [t for t in low.tasks if t.op == "conv_transpose2d"]
    assert product.algorithm.split()[0] == kind and f"in {phases} phases" in product.algorithm
    assert [t.op for t in low.tasks].count("relayout") == relayouts + 1
    assert product.macs == 2 * co * 10 * 12 * (ci // groups) * 4
    x = integers((2, ci, 5, 6), 3)
    assert np.array_equal(direct(fn, x.shape)(x), evaluate(record(fn, x.shape), x)[0])


@pytest.mark.parametrize("name", ["conv3d", "conv_transpose2d", "conv_transpose3d"])
def test_weights_as_inputs(name):
    rank = int(name[-2])
    shapes = [(2, 5, *(4, 3, 5)[:rank]), (5, 5, *(3, 2, 2)[:rank]), (5,)]
    fn = lambda x, w, b: getattr(F, name)(x, w, b, stride=2, padding=1)  # noqa: E731
    plan = direct(fn, *shapes, threads=2)
    for seed in range(2):
        arrays = [integers(shape, seed + i) for i, shape in enumerate(shapes)]
        assert np.array_equal(plan(*arrays), evaluate(record(fn, *shapes), *arrays)[0])


@pytest.mark.parametrize("name", ["conv3d", "conv_transpose2d", "conv_transpose3d"])
@pytest.mark.parametrize("groups", [1, 3])
def test_norms_channel_arithmetic_and_activations_are_folded(name, groups):
    """By powers of two, so that folding rounds nothing."""
    rank = int(name[-2])
    shape, w = (2, 6, *(3, 4, 3)[:rank]), integers((6, 6 // groups, *(2, 3, 2)[:rank]), 1)
    mean, gamma, beta = integers((6,), 2), np.float32([1, 2, 0.5, 1, 4, 2]), integers((6,), 3)

    def fn(x):
        y = getattr(F, name)(x, w, None, 2 if "transpose" in name else 1, 1, groups=groups)
        y = F.batch_norm(y * 2.0, mean, np.float32([3] * 6), gamma, beta, eps=1.0)
        return F.leaky_relu(y + integers((6, *[1] * rank), 4), 0.5)

    graph = optimise(record(fn, shape))
    assert ops(graph) == [name]
    x = integers(shape, 5)
    assert np.array_equal(direct(fn, shape)(x), evaluate(record(fn, shape), x)[0])


def test_residuals_of_volumes():
    w = integers((20, 20, 3, 3, 3), 1, -1, 1)
    fn = lambda x, r: F.relu(F.conv3d(x, w, padding=1) + r)  # noqa: E731
    shape = (2, 20, 3, 4, 5)
    assert ops(optimise(record(fn, shape, shape))) == ["conv3d"]
    x, r = integers(shape, 2), integers(shape, 3)
    assert np.array_equal(direct(fn, shape, shape, threads=3)(x, r), evaluate(record(fn, shape, shape), x, r)[0])


def test_borders_of_several_readers():
    """A value that a convolution, a pool and two transposed convolutions read has the widest border; what they write has its own."""
    w3, wt, wu = integers((8, 20, 3, 3), 1, -1, 1), integers((20, 4, 5, 5), 2, -1, 1), integers((8, 3, 2, 2), 3, -1, 1)

    def fn(x):
        y = F.avg_pool2d(x, 1, divisor_override=1)
        up = F.conv_transpose2d(y, wt, stride=2, padding=2, output_padding=1)
        return (
            F.conv2d(up, integers((2, 4, 5, 5), 4, -1, 1), padding=2),
            F.conv_transpose2d(F.conv2d(y, w3, padding=1), wu, stride=2),
            F.avg_pool2d(y, 2),
        )

    shape = (2, 20, 6, 8)
    x = integers(shape, 5)
    for got, want in zip(direct(fn, shape, threads=3)(x), evaluate(record(fn, shape), x), strict=True):
        assert np.array_equal(got, want)


def test_upsampling_into_a_concatenation():
    """As in a U-Net: the upsampled map is written where the concatenation wants it."""
    wt, w = integers((2 * L, L, 2, 2), 1, -1, 1), integers((5, 2 * L, 3, 3), 2, -1, 1)

    def fn(skip, deep):
        return F.conv2d(F.cat([F.avg_pool2d(skip, 1, divisor_override=1), F.conv_transpose2d(deep, wt, stride=2)], 1), w, padding=1)

    shapes = (2, L, 6, 8), (2, 2 * L, 3, 4)
    low = lowering(fn, *shapes)
    assert [t.op for t in low.tasks] == ["relayout", "avg_pool2d", "relayout", "conv_transpose2d", "conv2d", "relayout"]
    arrays = [integers(shape, i) for i, shape in enumerate(shapes)]
    assert np.array_equal(direct(fn, *shapes)(*arrays), evaluate(record(fn, *shapes), *arrays)[0])


@pytest.mark.parametrize("ci", [1, 3, L, L + 5])
@pytest.mark.parametrize("padding", [0, 1, (2, 0, 1)])
def test_first_layers_of_volumes(ci, padding):
    """Planar where the channels are few, blocked otherwise; the batch's volumes lie apart."""
    w = integers((7, ci, 3, 2, 3), 1)
    fn = lambda x: F.conv3d(x, w, integers((7,), 2), (1, 2, 1), padding)  # noqa: E731
    shape = (3, ci, 4, 5, 6)
    (product,) = [t for t in lowering(fn, shape).tasks if t.op == "conv3d"]
    assert product.algorithm.split()[0] == ("planar" if ci < L else "dense")
    x = integers(shape, 3)
    assert np.array_equal(direct(fn, shape, threads=3)(x), evaluate(record(fn, shape), x)[0])


def test_slices_outside_are_not_read():
    """Infinite weights on padding before and behind the volume give no NaN, as in PyTorch."""
    w = np.ones((1, 1, 3, 1, 1), np.float32)
    w[0, 0, 0] = np.inf
    y = F.conv3d(np.ones((1, 1, 2, 1, 1), np.float32), w, padding=(1, 0, 0))
    assert y.ravel().tolist() == [2.0, np.inf]


def test_constant_input_with_padding():
    x, shape = integers((1, 20, 4, 5), 1), (7, 20, 3, 3)
    fn = lambda w: F.conv2d(x, w, padding=1)  # noqa: E731
    w = integers(shape, 2)
    assert np.array_equal(direct(fn, shape)(w), evaluate(record(fn, shape), w)[0])
