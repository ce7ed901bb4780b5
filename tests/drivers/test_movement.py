"""Data movement: every copy is bit-exact, borders and the lanes past the last channel are zeros, nothing else is touched."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from cyconv._kernels import cpu
from cyconv._kernels.movement import Gather, Pack, PadVector, Relayout, StridedCopy, Take
from cyconv._kernels.phases import Phases
from cyconv._kernels.program import Memory, Program
from cyconv.bfloat16 import rounded
from tests.drivers.places import FILL, NO_BORDER, Operand, check, place, put, run
from tests.guard import flush, guarded

L = cpu.lanes()


def row(base: int, floats: int, offset: int = 0) -> Operand:
    return Operand(base, 1, offset, floats, floats, floats, (1, 1, 1, floats), NO_BORDER)


def go(step, *arrays, threads=2):
    """Run one step whose last array is written."""
    Program([step], 0, Memory(0)).run(list(arrays), 1, threads)
    return arrays[-1]


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("border", [NO_BORDER, (1, 2, 0, 3)])
@pytest.mark.parametrize(("x_lanes", "y_lanes"), [*product([1, L], repeat=2)])
def test_relayout(x_lanes, y_lanes, border, threads):
    for dims in [(1, 1, 1, 1), (2, 5, 3, 4), (2, L, 2, 7), (3, 2 * L + 3, 4, 1), (2, L + 1, 150, 3)]:
        x = np.random.default_rng(1).standard_normal(dims).astype(np.float32)
        xt, yt = place(2, dims, x_lanes, (2, 0, 1, 1)), place(3, dims, y_lanes, border, gap=y_lanes)
        check(run(Relayout(xt, yt), [put(x, xt)], yt, threads), yt, x)


@pytest.mark.parametrize(("x_lanes", "y_lanes"), [*product([1, L], repeat=2)])
def test_relayout_of_named_channels(x_lanes, y_lanes):
    x = np.random.default_rng(2).standard_normal((2, L + 3, 3, 4)).astype(np.float32)
    channel = [0, L + 2, 5, 5, *range(L), 1]
    xt, yt = place(2, x.shape, x_lanes), place(3, (2, len(channel), 3, 4), y_lanes, (1, 1, 1, 1))
    check(run(Relayout(xt, yt, channel), [put(x, xt)], yt, 2), yt, x[:, channel])


@pytest.mark.parametrize("border", [NO_BORDER, (1, 0, 2, 1)])
def test_relayout_of_volumes(border):
    """The slices of dense volumes as images, in both directions."""
    shape = (2, L + 3, 4, 3, 5)
    n, c, d, h, w = shape
    x = np.random.default_rng(4).standard_normal(shape).astype(np.float32)
    as_images = x.transpose(0, 2, 1, 3, 4).reshape(n * d, c, h, w)
    dense = Operand(2, 1, 0, c * d * h * w, d * h * w, w, (n * d, c, h, w), NO_BORDER, d)
    blocks = place(3, (n * d, c, h, w), L, border)
    check(run(Relayout(dense, blocks), [x.ravel()], blocks, 2), blocks, as_images)
    there, back = place(2, (n * d, c, h, w), L, border), replace(dense, base=3)
    y = np.full(x.size, FILL, np.float32)
    assert np.array_equal(go(Relayout(there, back), put(as_images, there), y).reshape(shape), x)


def test_relayout_clears_lanes_past_the_last_channel():
    x = np.ones((1, L + 1, 2, 2), np.float32)
    xt, yt = place(2, x.shape, 1), place(3, x.shape, L)
    y = run(Relayout(xt, yt), [put(x, xt)], yt, 1).reshape(2, 2, 2, L)
    assert y[0].all() and y[1, ..., 0].all() and not y[1, ..., 1:].any()


def test_relayout_refuses():
    t = place(2, (1, 4, 2, 2), 1)
    for other in [(1, 4, 2, 3), (2, 4, 2, 2), (1, 5, 2, 2)]:
        with pytest.raises(ValueError, match="relayout of"):
            Relayout(t, place(3, other, L))
    for channel in ([0, 1, 2], [0, 1, 2, 4], [0, 1, 2, -1]):
        with pytest.raises(ValueError, match="channels named"):
            Relayout(t, t, channel)


@pytest.mark.parametrize("threads", [1, 3])
def test_pack(threads):
    """The equation of the packed format, for two blocks that lie interleaved and a third of its own."""
    o, i, kh, kw = 2 * L + 3, 6, 2, 3
    w = np.random.default_rng(3).standard_normal((o, i, kh, kw)).astype(np.float32)
    taps = [(0, 1, 2, 4), (4, 0, 0, 2), (2, 1, 1, 1)]  # channel, row, column, lanes
    steps = sum(count for *_, count in taps)
    placed = [(0, 0, 2 * L), (1, L, 2 * L), (2, 2 * L * steps, L)]
    wt = Operand(2, 1, 0, i * kh * kw, kh * kw, kw, w.shape, NO_BORDER)
    y = go(Pack(wt, row(3, 3 * L * steps), placed, taps), flush(w), guarded(3 * L * steps), threads=threads)
    want = np.zeros(3 * L * steps, np.float32)
    for k, target, pitch in placed:
        s = 0
        for channel, r, c, count in taps:
            for lane in range(count):
                block = w[k * L : (k + 1) * L, channel + lane, r, c]
                want[target + s * pitch : target + s * pitch + len(block)] = block
                s += 1
    assert np.array_equal(y, want)


@pytest.mark.parametrize("columns_adjacent", [True, False])
def test_pack_of_several_arrays_in_any_order(columns_adjacent):
    """Weights whose first axis is that of the inputs, or of the kernel's cells; one array of weights behind the other."""
    o, i, k, count = L + 3, 5, 2, 3
    axes = (0, 2, 3, 1) if columns_adjacent else (0, 2, 1, 3)  # of (array, output, input, cell)
    w = np.random.default_rng(4).standard_normal((count, o, i, k)).astype(np.float32)
    stored = np.ascontiguousarray(w.transpose(axes))
    strides = [s // 4 for s in stored.transpose(np.argsort(axes)).strides]
    wt = Operand(2, 1, 0, strides[1], strides[2], 0, (o, i, 1, k), NO_BORDER)
    taps = [(0, 0, 0, i)] if columns_adjacent else [(0, 0, 0, i), (1, 0, 1, 2)]
    steps = sum(tap[3] for tap in taps)
    placed = [(b, (a * 2 + b) * steps * L, L) for a in range(count) for b in (0, 1)]
    shifts = [a * o * i * k for a in range(count) for _ in (0, 1)]
    y = go(Pack(wt, row(3, count * 2 * steps * L), placed, taps, shifts=shifts), flush(stored), guarded(count * 2 * steps * L))
    got = y.reshape(count, 2, steps, L).transpose(0, 1, 3, 2).reshape(count, 2 * L, steps)
    want = np.concatenate([w[:, :, channel : channel + lanes, cell] for channel, _, cell, lanes in taps], 2)
    assert np.array_equal(got[:, :o], want) and not got[:, o:].any()
    with pytest.raises(ValueError, match="2 shifts for 6 blocks"):
        Pack(wt, row(3, 1), placed, taps, shifts=[0, 0])


@pytest.mark.parametrize("threads", [1, 3])
def test_pack_bfloat16(threads):
    """Pairs of lanes of each tap, the first below; a last one alone has zero above it."""
    o, i = L + 3, 9
    w = np.random.default_rng(4).standard_normal((o, i, 1, 1)).astype(np.float32)
    w[0, :2, 0, 0] = np.nan, 3.4e38
    taps = [(0, 0, 0, 4), (4, 0, 0, 5)]
    placed = [(0, 0, L), (1, 5 * L, L)]
    wt = Operand(2, 1, 0, i, 1, 1, w.shape, NO_BORDER)
    y = go(Pack(wt, row(3, 10 * L), placed, taps, True), flush(w), guarded(10 * L), threads=threads)
    bits = y.view(np.uint32).reshape(2, 5, L)
    halves = np.stack([bits << np.uint32(16), bits & np.uint32(0xFFFF0000)], 2).view(np.float32)  # block, pair, half, lane
    assert not halves[:, 4, 1].any() and not halves[1, :, :, 3:].any()
    got = halves.transpose(0, 3, 1, 2).reshape(2 * L, 10)[:o, :i]
    assert np.array_equal(got, rounded(w.reshape(o, i)), equal_nan=True) and np.isnan(got[0, 0]) and np.isinf(got[0, 1])


@pytest.mark.parametrize("threads", [1, 2])
def test_strided_copy(threads):
    rng = np.random.default_rng(4)
    for dims in [(5,), (2, 3), (4, 3, 2), (1, 2, 3, 1, 2, 1, 2, 3), (0, 3), ()]:
        x = rng.standard_normal(dims).astype(np.float32)
        for axes in ([*range(len(dims))], [*range(len(dims))][::-1]):  # also transposed
            strides = [s // 4 for s in x.transpose(axes).strides]
            shape = tuple(dims[a] for a in axes)
            dense = [int(np.prod(shape[k + 1 :])) for k in range(len(shape))]
            y = go(StridedCopy(row(2, x.size), row(3, x.size), shape, strides, dense), flush(x), guarded(x.size), threads=threads)
            assert np.array_equal(y.reshape(shape), x.transpose(axes))


def test_strided_copy_repeats_and_leaves_gaps():
    x = np.arange(3, dtype=np.float32)
    y = np.full(20, FILL, np.float32)
    go(StridedCopy(row(2, 3), row(3, 20, 1), (4, 3), (0, 1), (5, 1)), x, y)
    assert np.array_equal(y.reshape(4, 5)[:, 1:4], [[0, 1, 2]] * 4)
    assert np.all(y.reshape(4, 5)[:, [0, 4]] == FILL)


def test_strided_copy_refuses():
    with pytest.raises(ValueError, match="at most 8 axes, got 9"):
        StridedCopy(row(2, 1), row(3, 1), (1,) * 9, (1,) * 9, (1,) * 9)
    with pytest.raises(ValueError, match="a copy over"):
        StridedCopy(row(2, 1), row(3, 1), (1, 1), (1,), (1, 1))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("inner", [1, 7])
def test_take(inner, threads):
    x = np.random.default_rng(5).standard_normal((4, 5, inner)).astype(np.float32)
    index, fill = [-1, 4, 0, 0, 3, -1], np.float32([-2.5]).view(np.int32).tolist()
    y = go(Take(row(2, x.size), row(3, 24 * inner), 4, 5, inner, index, fill), flush(x), guarded(24 * inner), threads=threads)
    want = np.where(np.array(index)[:, None] < 0, np.float32(-2.5), x[:, index])
    assert np.array_equal(y.reshape(want.shape), want)


def test_take_fills_with_elements_of_two_floats():
    x = np.arange(6, dtype=np.int64) << 33
    fill = np.int64([-(7 << 40) + 3]).view(np.int32).tolist()
    y = go(Take(row(2, 12), row(3, 12), 1, 3, 4, [-1, 2, 1], fill), flush(x.view(np.float32)), guarded(12))
    assert y.view(np.int64).tolist() == [-(7 << 40) + 3] * 2 + [4 << 33, 5 << 33, 2 << 33, 3 << 33]
    for wrong in ([], [1, 2, 3]):
        with pytest.raises(ValueError, match="a filling of"):
            Take(row(2, 5), row(3, 1), 1, 5, 3, [0], wrong)
    with pytest.raises(ValueError, match="a filling of"):
        Take(row(2, 5), row(3, 1), 1, 5, 3, [0], [1, 2])


@pytest.mark.parametrize("index", [[5], [-2]])
def test_take_refuses(index):
    with pytest.raises(ValueError, match="index outside an axis of 5"):
        Take(row(2, 5), row(3, 1), 1, 5, 1, index)


@pytest.mark.parametrize(("n", "padded"), [(0, 16), (5, 16), (16, 16), (3, 3)])
def test_pad_vector(n, padded):
    x = np.arange(1, n + 1, dtype=np.float32)
    y = go(PadVector(row(2, n), row(3, padded), n, padded), flush(x), guarded(padded), threads=3)
    assert np.array_equal(y, np.pad(x, (0, padded - n)))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("stride", [1, 2, 3, 4])
@pytest.mark.parametrize(("top", "left"), [(0, 0), (1, 2), (5, 3)])
def test_phases(stride, top, left, threads):
    """Zeros outside the image, also where whole rows and columns of phases lie there."""
    for (c, h, w), (rows, columns) in product([(1, 1, 1), (3, 7, 10), (5, 12, 4)], [(1, 1), (3, 6), (9, 8)]):
        x = np.random.default_rng([c, stride]).standard_normal((2, c, h, w)).astype(np.float32)
        wide = np.zeros((2, c, top + h + rows * stride, left + w + columns * stride), np.float32)
        wide[:, :, top : top + h, left : left + w] = x
        want = [wide[:, :, a : a + rows * stride : stride, b : b + columns * stride : stride] for a in range(stride) for b in range(stride)]
        xt, yt = place(2, x.shape, 1), place(3, (2, c * stride**2, rows, columns), L)
        y = run(Phases(xt, yt, stride, top, left), [put(x, xt)], yt, threads)
        check(y, yt, np.concatenate(want, 1))


def test_phases_refuse():
    for x, y in (((1, 3, 4, 4), (1, 13, 2, 2)), ((2, 3, 4, 4), (1, 12, 2, 2))):
        with pytest.raises(ValueError, match="phases of stride 2"):
            Phases(place(2, x, 1), place(3, y, L), 2, 0, 0)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("dtype", [np.int32, np.int64])
@pytest.mark.parametrize("inner", [1, 7])
def test_gather(inner, dtype, threads):
    x = np.random.default_rng(6).standard_normal((4, 5, inner)).astype(np.float32)
    index = np.array([4, -1, 0, -5, 2, 2], dtype)
    y = guarded(4 * 6 * inner)
    step = Gather(row(2, x.size), row(3, 1), row(4, y.size), (4, 5, inner), 6, dtype == np.int64)
    Program([step], 64, Memory(64)).run([flush(x), flush(index), y], 1, threads)
    np.testing.assert_array_equal(y.reshape(4, 6, inner), np.take(x, index, 1))
    for wrong in (5, -6, np.iinfo(dtype).min, np.iinfo(dtype).max):
        index[3] = wrong
        with pytest.raises(IndexError, match="an index is out of range"):
            Program([step], 64, Memory(64)).run([flush(x), flush(index), y], 1, threads)
        assert not y.reshape(4, 6, inner)[:, 3].any()
