"""1x1 convolutions of NCHW arrays without blocks: exact for every size, where they are chosen, the bits of the blocked product."""

import numpy as np
import pytest

from cyconv import functional as F
from cyconv._kernels import cpu
from cyconv._kernels.planes import Planes
from cyconv.graph import lower_conv
from cyconv.graph.compile import compile_function
from tests.graph.helpers import direct, evaluate, integers, record

L = cpu.lanes()


def algorithms(plan):
    return [step["algorithm"] for step in plan._steps if step["op"] == "conv2d"]


def convolve(*shapes, threads=2, **options):
    return compile_function(lambda *a: F.conv2d(*a, **options), list(shapes), ["x", "w", "b"][: len(shapes)], threads, "off")


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("pixels", [L, L + 1, 2 * L - 1, 2 * L, 2 * L + 3, 7 * L + 1, 8 * L, 17 * L + 5])
@pytest.mark.parametrize(("ci", "co"), [(1, 1), (3, 15), (17, 29), (40, 113), (5, 240)])
def test_exact_on_integers(threads, pixels, ci, co):
    x, w, b = integers((3, ci, 1, pixels), 1), integers((co, ci, 1, 1), 2), integers((co,), 3)
    want = np.einsum("nchw,oc->nohw", x, w[:, :, 0, 0])
    plan = convolve(x.shape, w.shape, b.shape, threads=threads)
    assert algorithms(plan) == ["planes"]
    assert np.array_equal(plan(x, w, b), want + b[:, None, None])
    assert np.array_equal(convolve(x.shape, w.shape, threads=threads)(x, w), want)


def test_activation_and_constant_weights():
    w, b = integers((20, 7, 1, 1), 1), integers((20,), 2)
    x = integers((2, 7, 5, 8), 3)
    for act in (F.relu6, lambda y: F.leaky_relu(y, 0.5)):
        fn = lambda x, act=act: act(F.conv2d(x, w, b))  # noqa: E731
        plan = direct(fn, x.shape)
        assert algorithms(plan) == ["planes"]
        assert np.array_equal(plan(x), evaluate(record(fn, x.shape), x)[0])


def test_the_bits_of_the_blocked_product(monkeypatch):
    rng = np.random.default_rng(0)
    x, w, b = (rng.standard_normal(s).astype(np.float32) for s in ((2, 70, 9, 9), (33, 70, 1, 1), (33,)))
    y = convolve(x.shape, w.shape, b.shape)(x, w, b)
    monkeypatch.setattr(lower_conv, "suits_planes", lambda low, node: False)
    plan = convolve(x.shape, w.shape, b.shape)
    assert algorithms(plan)[-1].startswith("dense")
    assert np.array_equal(plan(x, w, b), y)


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((1, 32, 8, 8), {"stride": 2}),
        ((1, 32, 8, 8), {"padding": 1}),
        ((1, 32, 1, L - 1), {}),
        ((64, 1024, 16, 16), {}),  # too large for the caches
    ],
)
def test_where_it_is_not_used(shape, options):
    plan = convolve(shape, (4, shape[1], 1, 1), **options)
    assert "planes" not in algorithms(plan)


def test_not_inside_a_network():
    w = integers((16, 16, 1, 1))
    plan = direct(lambda x: F.conv2d(F.conv2d(x, w), w), (1, 16, 8, 8))
    assert "planes" not in algorithms(plan)
    both = direct(lambda x: (F.conv2d(x, w), F.max_pool2d(F.conv2d(x, w), 2)), (1, 16, 8, 8))
    x = integers((1, 16, 8, 8), 1)
    assert np.array_equal(both(x)[0], np.einsum("nchw,oc->nohw", x, w[:, :, 0, 0]))


def test_few_pixels_are_refused():
    from tests.drivers.places import place

    x, w = place(2, (1, 3, 1, L - 1), 1), place(3, (1, 1, 5, 3), 1)
    with pytest.raises(ValueError, match="fewer than a vector has lanes"):
        Planes(x, w, None, place(4, (1, 5, 1, L - 1), 1), (8 * L, 112), (0, 0.0, 0.0, 0.0))
