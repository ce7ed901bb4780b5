"""Which kind of product each convolution becomes, its multiply-adds, and exact results for the kinds' corner cases."""

import numpy as np
import pytest

from cyconv import functional as F
from cyconv._kernels import cpu
from cyconv.graph import lower_conv
from cyconv.graph.compile import compile_graph, trace_function
from cyconv.graph.passes import optimise
from cyconv.ops import OPS
from tests.graph.helpers import direct, evaluate, integers, record
from tests.graph.test_lower import lowering

L = cpu.lanes()
#             input channels, output channels, groups, behind another product, kind, relayouts
KINDS = [
    (1, 5, 1, False, "planar", 0),
    (L - 1, 5, 1, False, "planar", 0),
    (L, 5, 1, False, "dense", 1),
    (3, 5, 1, True, "dense", 0),
    (L + 3, 2 * L, 1, True, "dense", 0),
    (5, 5, 5, True, "lanewise", 0),
    (5, 10, 5, True, "lanewise", 1),
    (3 * (L - 1), 3 * (L - 1), 3, True, "lanewise", 1),
    (10, 2 * L, 2, True, "dense", 0),
    (8, 2 * (L + 1), 2, True, "dense", 1),  # groups that end within a block go through a place of their own
    (2 * L, 2 * L, 2 * L, False, "lanewise", 1),
]


@pytest.mark.parametrize(("ci", "co", "groups", "behind", "kind", "relayouts"), KINDS)
def test_kinds(ci, co, groups, behind, kind, relayouts):
    w = integers((co, ci // groups, 3, 3), 1)

    def fn(x):
        return F.conv2d(F.avg_pool2d(x, 1, divisor_override=1) if behind else x, w, groups=groups)

    low = lowering(fn, (2, ci, 5, 6))
    (product,) = [t for t in low.tasks if t.op == "conv2d"]
    assert product.algorithm.split()[0] == kind
    assert product.macs == OPS["conv2d"].macs([(2, ci, 5, 6), w.shape], [(2, co, 3, 4)], {})
    assert [t.op for t in low.tasks].count("relayout") == relayouts + behind + 1
    plan = direct(fn, (2, ci, 5, 6))
    x = integers((2, ci, 5, 6), 2)
    assert np.array_equal(plan(x), evaluate(record(fn, x.shape), x)[0])


SIZES = [1, 2, 3, L - 1, L, L + 1, 2 * L, 2 * L + 5, 3 * L, 5 * L - 1, 70]


@pytest.mark.parametrize("co", SIZES)
def test_widths_and_channels(co):
    """Every width from 1 to 40 against tails of output and input channels."""
    for width in range(1, 41):
        ci = SIZES[width % len(SIZES)]
        x, w, b = integers((1, ci, 3, width), 1, -2, 2), integers((co, ci, 2, 1), 2, -2, 2), integers((co,), 3)
        attrs = {"stride": (1, 1), "padding": (0, 0, 0, 0), "dilation": (1, 1), "groups": 1}
        assert np.array_equal(F.conv2d(x, w, b), OPS["conv2d"].reference([x, w, b], attrs)[0]), width


@pytest.mark.parametrize("n", [1, 2, 3, 13, 14, 15, 29])
@pytest.mark.parametrize("m", [1, L, 3 * L, 5 * L + 2])
def test_single_pixels_lie_side_by_side(n, m):
    """linear, and convolutions whose output is one pixel, take the images of a batch as the pixels of a row."""
    x, w, r = integers((n, 37), 1), integers((m, 37), 2), integers((n, m), 3)
    assert np.array_equal(F.linear(x, w), x @ w.T)
    image, kernel = integers((n, 3, 4, 2), 4), integers((m, 3, 4, 2), 5)
    want = np.einsum("nchw,mchw->nm", image, kernel)
    assert np.array_equal(F.conv2d(image, kernel)[:, :, 0, 0], want)
    four = r[:, :, None, None]
    plan = direct(lambda x, r: F.relu(F.conv2d(x, kernel) + r), image.shape, four.shape)
    assert np.array_equal(plan(image, four)[:, :, 0, 0], np.maximum(want + r, 0))


@pytest.mark.parametrize("padded", [False, True])
def test_single_pixels_read_by_a_padded_convolution(padded):
    kernel, after = integers((L + 1, 3, 4, 2), 5), integers((2, L + 1, 3, 3), 6)
    fn = lambda x: F.conv2d(F.conv2d(x, kernel), after, padding=1) if padded else F.conv2d(x, kernel)  # noqa: E731
    x = integers((5, 3, 4, 2), 1)
    assert np.array_equal(direct(fn, x.shape, threads=3)(x), evaluate(record(fn, x.shape), x)[0])


def test_merged_siblings():
    ws = [integers((co, 3, 1, 1), co) for co in (L, 5, 2 * L + 1)]
    for before in (lambda x: x, lambda x: F.max_pool2d(x, 2)):  # planar and dense

        def shared(x, before=before):
            y = before(x)
            return tuple(F.relu(F.conv2d(y, w, integers((len(w),), 3))) for w in ws)

        traced, single = trace_function(shared, [(3, 3, 6, 6)], ["x"])
        assert [n.attrs.get("branches") for n in optimise(traced).nodes if n.op == "conv2d"] == [3]
        x = integers((3, 3, 6, 6), 1)
        for got, want in zip(compile_graph(traced, 2, single)(x), evaluate(traced, x), strict=True):
            assert np.array_equal(got, want)


@pytest.mark.parametrize("activation", [F.relu, F.relu6, lambda y: F.leaky_relu(y, 0.25)])
@pytest.mark.parametrize("groups", [1, 5, 15])
def test_activations_in_the_store(activation, groups):
    w = integers((15, 15 // groups, 3, 3), 1)
    fn = lambda x: activation(F.conv2d(x, w, integers((15,), 2), padding=1, groups=groups))  # noqa: E731
    x = integers((2, 15, 5, 5), 3)
    plan = direct(fn, x.shape)
    assert [s["op"] for s in plan.steps() if s["op"] != "relayout"] == ["conv2d"]
    assert np.array_equal(plan(x), evaluate(record(fn, x.shape), x)[0])


def test_weights_as_inputs_are_packed_in_every_call():
    plan = direct(lambda x, w, b: F.conv2d(x, w, b), (1, 20, 4, 4), (7, 20, 3, 3), (7,), threads=1)
    assert [s["op"] for s in plan.steps()].count("pack") == 2
    for seed in range(3):
        arrays = [integers(shape, seed) for shape in plan.input_shapes]
        assert np.array_equal(plan(*arrays), F.conv2d(*arrays))


def test_taps_that_are_neighbours_are_joined():
    taps = [(0, 1, 0, 0, 0), (1, 1, 0, 0, 1), (2, 1, 0, 0, 2), (10, 1, 0, 1, 0), (11, 1, 0, 1, 1), (30, 4, 0, 2, 0), (34, 1, 0, 2, 1)]
    assert lower_conv.merge_columns(taps) == [(0, 3), (10, 2), (30, 5)]
