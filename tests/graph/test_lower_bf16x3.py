"""Convolutions on tile registers: exact on integers for every geometry, in stretches and fused, blocked and planar; the same bits;
float32's error; single calls, whose weights come with them."""

import numpy as np
import pytest

from cyconv import functional as F
from cyconv import nn
from cyconv._kernels import cpu
from cyconv.graph import choices, lower_bf16x3
from cyconv.graph.compile import compile_function
from tests.graph.helpers import direct, evaluate, integers, record

pytestmark = pytest.mark.skipif(not cpu.has_tiles(), reason="this instruction set has no tile registers")

#         n, ci, h, w, co, kernel, stride, padding, dilation
CASES = [
    (1, 32, 1, 1, 16, (1, 1), 1, 0, 1),
    (1, 64, 14, 14, 64, (1, 1), 1, 0, 1),
    (3, 64, 15, 13, 33, (1, 1), 2, 0, 1),
    (2, 33, 5, 21, 70, (1, 1), 1, 1, 1),
    (2, 48, 7, 9, 80, (3, 3), 1, 1, 1),
    (1, 96, 28, 28, 48, (3, 3), 2, 1, 1),
    (2, 40, 20, 20, 17, (5, 5), 1, 2, 1),
    (1, 64, 30, 30, 64, (7, 7), 3, 3, 1),
    (2, 33, 17, 17, 33, (3, 3), 1, 2, 2),
    (1, 32, 19, 12, 32, (3, 2), (2, 3), (0, 1), (3, 2)),
    (1, 32, 11, 40, 16, (1, 7), (1, 2), (0, 3), 1),
    (5, 16, 6, 6, 40, (4, 4), 4, 3, 1),
    (1, 130, 9, 70, 16, (2, 1), (3, 1), (2, 4), (2, 1)),
]


@pytest.fixture(params=["stretches", "bands", "fused"])
def everywhere(request, monkeypatch):
    """All convolutions on tile registers: whole images in a stretch, in bands of few rows, or with the split in the product."""
    monkeypatch.setattr(choices, "tile_cycles", lambda node: 0.0)
    if request.param == "fused":
        monkeypatch.setattr(lower_bf16x3, "fuses", lambda *sizes: True)
        monkeypatch.setattr(lower_bf16x3, "fused_rows", lambda window, pairs, oh: min(3, oh))
        monkeypatch.setattr(lower_bf16x3, "LEAST_BANDS", 1)
    else:
        monkeypatch.setattr(lower_bf16x3, "fuses", lambda *sizes: False)
        monkeypatch.setattr(lower_bf16x3, "STRETCH_FLOATS", 1 if request.param == "bands" else 1 << 20)
    return request.param


def algorithms(plan):
    return [step["algorithm"] for step in plan._steps if step["op"] == "conv2d"]


def arrays_of(case):
    n, ci, h, w, co, kernel, *attrs = case
    return integers((n, ci, h, w), 3), integers((co, ci, *kernel), 1), integers((co,), 2), attrs


@pytest.mark.parametrize("blocked", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_exact_on_integers(everywhere, case, blocked):
    """Between the caller's arrays, and behind an op that leaves blocks."""
    x, weight, bias, attrs = arrays_of(case)

    def fn(x):
        return F.conv2d(F.max_pool2d(x, 3, 1, 1) if blocked else x, weight, bias, *attrs)

    want = evaluate(record(fn, x.shape), x)[0]
    assert np.count_nonzero(want) > want.size // 2
    for threads in (1, 2, 3):
        plan = direct(fn, x.shape, threads=threads)
        assert all("bfloat16 x 3" in a for a in algorithms(plan)) and ("split" in algorithms(plan)[0]) == (everywhere != "fused")
        assert np.array_equal(plan(x), want)


def test_residual_activation_and_siblings(everywhere):
    """A block's end, and 1x1 convolutions of one input that become one product with three outputs."""
    a, b, c, d = (integers((co, 48, 1, 1), co, -1, 1) for co in (40, 16, 33, 48))
    first = integers((48, 48, 3, 3), 9, -1, 1)

    def fn(x):
        y = F.relu6(F.conv2d(x, first, padding=1) + x)
        z = F.leaky_relu(F.conv2d(y, d), 0.5)
        return (*(F.relu(F.conv2d(y, weight)) for weight in (a, b, c)), F.max_pool2d(z, 2), F.conv2d(z, first, padding=1))

    x = integers((2, 48, 10, 11), 5)
    want = evaluate(record(fn, x.shape), x)
    for threads in (1, 3):
        got = direct(fn, x.shape, threads=threads)(x)
        for y, exact in zip(got, want, strict=True):
            assert np.array_equal(y, exact) and np.count_nonzero(y)


def test_same_bits_for_every_batch_and_thread_count(everywhere):
    rng = np.random.default_rng(0)
    weights = [rng.standard_normal((48, 64, 3, 3)).astype(np.float32), rng.standard_normal((33, 48, 1, 1)).astype(np.float32)]

    def fn(x):
        return F.conv2d(F.relu(F.conv2d(x, weights[0], stride=2, padding=1)), weights[1])

    x = rng.standard_normal((7, 64, 19, 19)).astype(np.float32)
    whole = direct(fn, x.shape, threads=2)(x)
    for count in (1, 2, 3):
        plan = direct(fn, (count, *x.shape[1:]), threads=count)
        for first in (0, 7 - count):
            assert np.array_equal(plan(x[first : first + count]), whole[first : first + count])


def test_error_is_that_of_float32(everywhere):
    """Below the promise for direct kernels, 8 u of the sum of magnitudes, and K u for a single pixel."""
    rng = np.random.default_rng(1)
    for ci, k in ((32, 1), (64, 3), (512, 1)):
        w, x = rng.standard_normal((32, ci, k, k)).astype(np.float32), rng.standard_normal((1, ci, 9, 9)).astype(np.float32)
        graph = record(lambda x, w=w: F.conv2d(x, w), x.shape)
        sizes = record(lambda x, w=w: F.conv2d(x, np.abs(w)), x.shape)
        y, exact, size = direct(lambda x, w=w: F.conv2d(x, w), x.shape)(x), evaluate(graph, x)[0], evaluate(sizes, np.abs(x))[0]
        assert np.max(np.abs(y - exact) / size) < 5 * 2.0**-24


def test_what_is_not_finite_propagates(everywhere):
    w = integers((32, 32, 3, 3), 1, 1, 3)
    w[5] = 0.0
    x = integers((1, 32, 8, 8), 2)
    x[0, 3, 2, 2], x[0, 20, 6, 6] = np.inf, np.nan
    plan = direct(lambda x: F.conv2d(x, w, padding=1), x.shape)
    y = plan(x)
    near = np.zeros((8, 8), bool)
    near[1:4, 1:4] = True
    others = [o for o in range(32) if o != 5]
    assert np.all(y[0, others][:, near] == np.inf)
    assert np.isnan(y[0, 5, 1:4, 1:4]).all()  # 0 times infinity
    assert np.isnan(y[0, :, 5:8, 5:8]).all()
    near[5:8, 5:8] = True
    assert np.isfinite(y[0][:, ~near]).all()


def test_weights_that_are_not_finite_stay_on_vectors(everywhere):
    w = integers((32, 32, 3, 3), 1)
    w[3, 3, 1, 1] = np.inf
    x = integers((1, 32, 8, 8), 2, 1, 4)
    x[0, 3, 2, 2] = np.inf
    plan = direct(lambda x: F.conv2d(x, w, padding=1), x.shape)
    assert not any("bfloat16" in a for a in algorithms(plan))
    assert np.all(plan(x)[0, 3, 2, 2] == np.inf)


@pytest.mark.parametrize("packed_tiles", [0, 1000])
@pytest.mark.parametrize("case", CASES)
def test_single_calls_are_exact_on_integers(everywhere, case, packed_tiles, monkeypatch):
    """The weights are packed before, or by the items of the product."""
    monkeypatch.setattr(lower_bf16x3, "PACKED_TILES", packed_tiles)
    x, weight, bias, attrs = arrays_of(case)
    want = evaluate(record(lambda x: F.conv2d(x, weight, bias, *attrs), x.shape), x)[0]
    for threads in (1, 2, 3):
        plan = compile_function(lambda x, w, b: F.conv2d(x, w, b, *attrs), [x.shape, weight.shape, bias.shape], ["x", "w", "b"], threads)
        assert any("bfloat16 x 3" in a for a in algorithms(plan))
        for sign in (1, -1):
            assert np.array_equal(plan(x, sign * weight, bias), want if sign == 1 else 2 * bias[:, None, None] - want)


@pytest.mark.parametrize("packed_tiles", [0, 1000])
def test_single_calls_with_weights_that_are_not_finite(everywhere, packed_tiles, monkeypatch):
    """As float32 has it, also where both factors are infinite; other channels keep their numbers, and so does the next call."""
    monkeypatch.setattr(lower_bf16x3, "PACKED_TILES", packed_tiles)
    x, w, b = integers((2, 40, 9, 9), 1, 1, 4), integers((33, 40, 3, 3), 2, 1, 3), integers((33,), 3)
    plan = compile_function(lambda x, w, b: F.relu(F.conv2d(x, w, b, padding=1)), [x.shape, w.shape, b.shape], ["x", "w", "b"], 2)
    assert any("bfloat16 x 3" in a for a in algorithms(plan))
    finite = plan(x, w, b)
    for number in (np.inf, -np.inf, np.nan):
        for pixel in (1.0, np.inf, -np.inf, np.nan):
            x2, w2 = x.copy(), w.copy()
            w2[32, 39, 1, 0], x2[1, 39, 4, 4] = number, pixel  # at the left edge on zeros
            got = plan(x2, w2, b)
            want = evaluate(record(lambda x, w2=w2: F.relu(F.conv2d(x, w2, b, padding=1)), x.shape), x2)[0]
            assert np.array_equal(got, want.astype(np.float32), equal_nan=True)
            assert np.array_equal(got[0, :32], finite[0, :32])
    assert np.array_equal(plan(x, w, b), finite)


def test_an_image_without_a_batch_axis_has_the_same_bits():
    rng = np.random.default_rng(3)
    x, w = rng.standard_normal((2, 64, 20, 20)).astype(np.float32), rng.standard_normal((64, 64, 3, 3)).astype(np.float32)
    plan = compile_function(lambda x, w: F.conv2d(x, w), [x.shape[1:], w.shape], ["x", "w"], 2)
    assert any("bfloat16 x 3" in a for a in algorithms(plan))
    assert np.array_equal([plan(image, w) for image in x], F.conv2d(x, w))


def test_weights_that_are_inputs_of_networks_stay_on_vectors(everywhere):
    plan = compile_function(lambda x, w: F.relu(F.conv2d(F.relu(x), w)), [(1, 32, 4, 4), (32, 32, 1, 1)], ["x", "w"], 2)
    assert not any("bfloat16" in a for a in algorithms(plan))
    x, w = integers((1, 32, 4, 4), 1), integers((32, 32, 1, 1), 2)
    want = np.einsum("nchw,oc->nohw", np.maximum(x, 0), w[:, :, 0, 0])
    assert np.array_equal(plan(x, w), np.maximum(want, 0))


def test_items_have_about_equal_tiles():
    """And an even number of them, unless one only would be left without a second one."""

    def item_tiles(pixels):
        return lower_bf16x3.stretch_of(lower_bf16x3.Window(((0, 0),), (1, 1), (0, 0), pixels), 1, (0, 1), (0, 1)).item_tiles

    assert [item_tiles(16 * tiles) for tiles in (1, 2, 7, 8, 9, 13, 14, 16, 17, 25)] == [1, 2, 7, 8, 5, 7, 8, 8, 6, 8]


def test_joined_rows_divide_the_height_and_fit():
    for c, h, w in [(64, 56, 56), (256, 56, 56), (512, 14, 14), (32, 7, 7), (64, 53, 61), (2048, 112, 112)]:
        rows = lower_bf16x3.joined_rows((8, c, h, w))
        floats = 3 * 16 * -(-c // 32) * w
        assert h % rows == 0 and (rows == 1 or rows * floats <= lower_bf16x3.STRETCH_FLOATS)
        assert rows == h or h * floats > lower_bf16x3.STRETCH_FLOATS


def test_where_they_are_chosen():
    """Wide products of many pixels go there, small ones and Linear layers do not."""
    wide = compile_function(nn.Conv2d(512, 512, 1), [(1, 512, 28, 28)], ["x"], 1)
    assert any("bfloat16 x 3" in a for a in algorithms(wide))
    small = compile_function(nn.Conv2d(32, 16, 1), [(1, 32, 8, 8)], ["x"], 1)
    linear = compile_function(nn.Linear(512, 512), [(64, 512)], ["x"], 1)
    assert not any("bfloat16" in a for a in algorithms(small) + algorithms(linear))


def test_stretches_cover_every_row_once():
    for window, pairs, images, rows in [
        (lower_bf16x3.Window(((0, 0),), (1, 1), (0, 0), 14), 16, 5, 14),
        (lower_bf16x3.Window(((0, 0), (1, 1), (2, 2)), (2, 2), (1, 1), 56), 40, 2, 56),
    ]:
        seen = np.zeros((images, rows), int)
        for s in lower_bf16x3.stretches(window, pairs, images, rows):
            seen[s.first_image : s.first_image + s.images, s.first_row : s.first_row + s.rows] += 1
            assert s.plane % 2 == 1 and s.unit_tiles * 16 >= (s.unit_rows - 1) * s.pitch + s.ow
        assert np.all(seen == 1)
