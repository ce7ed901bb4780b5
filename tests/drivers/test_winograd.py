"""Winograd's steps by themselves: packing against float64, the transform of a stretch, and arguments that do not fit."""

from types import SimpleNamespace

import numpy as np
import pytest

from cyconv._kernels import cpu
from cyconv._kernels.winograd import PackWinograd, WinogradInput, WinogradProduct
from cyconv.graph.lower_winograd import Stretch, WinogradGroup
from cyconv.winograd import ALL
from tests.drivers.places import FILL, place, put, run

L = cpu.lanes()
KINDS = pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.name)


def array(matrix) -> np.ndarray:
    """float64 of a matrix of fractions."""
    return np.array([[float(v) for v in row] for row in matrix])


def flat(base, floats):
    return place(base, (1, 1, 1, floats), 1)


def places(kind, ci, sizes, gap):
    """(target, pitch, point pitch) of each output block, and the floats of the whole; groups lie ``gap`` floats apart."""
    found, start = [], 0
    for size in sizes:
        pitch = size * L
        found += [(start + b * L, pitch, ci * pitch) for b in range(size)]
        start += kind.n**2 * ci * pitch + gap
    return found, start


@KINDS
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(("co", "ci", "sizes"), [(1, 1, (1,)), (L, 3, (1,)), (2 * L + 1, L + 3, (2, 1)), (5 * L - 2, 5, (3, 2))])
def test_packing(kind, co, ci, sizes, threads):
    """Every point of G w Gᵀ is that of float64 rounded once, zeros in lanes past the last channel, nothing between the groups."""
    rng = np.random.default_rng([co, ci])
    w = rng.standard_normal((co, ci, kind.r, kind.r)).astype(np.float32)
    where, floats = places(kind, ci, sizes, 3)
    step = PackWinograd(place(2, w.shape, 1), flat(3, floats), where, [[float(v) for v in row] for row in kind.g()], 1)
    got = run(step, [w.ravel()], flat(3, floats), threads)
    g = array(kind.g())
    wide = g @ w.astype(np.float64) @ g.T
    bound = np.abs(wide) * 2.0**-24 + np.abs(g) @ np.abs(w) @ np.abs(g.T) * 2.0**-50  # one rounding, and float64's own
    for block, (target, pitch, point_pitch) in enumerate(where):
        points = np.lib.stride_tricks.as_strided(got[target:], (kind.n**2, ci, L), [4 * point_pitch, 4 * pitch, 4])
        for lane in range(L):
            o = block * L + lane
            if o >= co:
                assert not points[:, :, lane].any()
                continue
            error = np.abs(points[:, :, lane].T.reshape(ci, kind.n, kind.n) - wide[o])
            assert np.all(error <= bound[o])
        points[...] = FILL
    assert np.all(got == FILL)


@pytest.mark.parametrize(("k", "stride"), [(5, 2), (6, 2), (7, 3), (11, 4)])
def test_packing_of_phases(k, stride):
    """As the packing of the phases' own kernels, bit for bit."""
    ci, co = 2, L + 1
    w = np.random.default_rng(k).standard_normal((co, ci, k, k)).astype(np.float32)
    wide = np.zeros((co, ci, 3 * stride, 3 * stride), np.float32)
    wide[:, :, :k, :k] = w
    phases = np.concatenate([wide[:, :, a::stride, b::stride] for a in range(stride) for b in range(stride)], 1).copy()
    kind, g = ALL[0], [[float(v) for v in row] for row in ALL[0].g()]
    where, floats = places(kind, ci * stride**2, (2,), 0)
    got, want = (
        run(PackWinograd(place(2, weight.shape, 1), flat(3, floats), where, g, s), [weight.ravel()], flat(3, floats), 2)
        for weight, s in ((w, stride), (phases, 1))
    )
    assert np.array_equal(got, want)


def tiles_of(x, kind, padding, across, down):
    """float64 tiles of x (n, c, h, w): [image, row, column, c, n, n], zeros beyond the image."""
    top, left = padding
    wide = np.zeros((*x.shape[:2], down * kind.m + kind.n, across * kind.m + kind.n))
    h, w = min(x.shape[2], wide.shape[2] - top), min(x.shape[3], wide.shape[3] - left)
    wide[:, :, top : top + h, left : left + w] = x[:, :, :h, :w]
    rows = [[wide[:, :, i * kind.m :, j * kind.m :][:, :, : kind.n, : kind.n] for j in range(across)] for i in range(down)]
    return np.moveaxis(np.array(rows), (0, 1), (1, 2))


@KINDS
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize(
    ("padding", "border"), [((0, 0), (0, 0, 0, 0)), ((1, 1), (1, 1, 1, 1)), ((4, 0), (0, 2, 1, 0)), ((2, 5), (3, 0, 0, 1))]
)
def test_transform_of_a_stretch(kind, padding, border, threads):
    """Any run of tiles over several images, for channels that do not fill their blocks."""
    rng = np.random.default_rng([*padding, threads])
    shape = (3, L + 2, 7, 11)
    x = rng.integers(-9, 10, shape).astype(np.float32)
    down, across = (-(-(size + 2 * pad - kind.r + 1) // kind.m) for size, pad in zip(shape[2:], padding, strict=True))
    bt = array(kind.b_transposed())
    tiles = tiles_of(x, kind, padding, across, down).reshape(-1, *x.shape[1:2], kind.n, kind.n)
    want = bt @ tiles @ bt.T
    tolerance = 2 * kind.n * 2.0**-24 * (np.abs(bt) @ np.abs(tiles) @ np.abs(bt.T))
    xt = place(2, shape, L, border, gap=L)
    for first, count in ((0, len(tiles)), (0, 1), (len(tiles) - 1, 1), (len(tiles) // 3, len(tiles) // 2), (across - 1, down * across + 1)):
        stretch = Stretch(kind.index, kind.m, kind.n, first, count, across, down, *padding)
        v = flat(3, kind.n**2 * 2 * count * L)
        got = run(WinogradInput(xt, v, stretch), [put(x, xt)], v, threads).reshape(kind.n, kind.n, 2, count, L)
        got = got.transpose(3, 2, 4, 0, 1).reshape(count, 2 * L, kind.n, kind.n)[:, : shape[1]]
        assert np.all(np.abs(got - want[first : first + count]) <= tolerance[first : first + count]), (first, count)


def test_packing_refuses_what_does_not_fit():
    g = [[1.0] * 3] * 4
    for shape, rows in (((1, 1, 3, 2), g), ((1, 1, 5, 5), g), ((1, 1, 3, 3), [[1.0] * 3] * 9), ((1, 1, 8, 8), [[1.0] * 8] * 6)):
        with pytest.raises(ValueError, match=f"Winograd packing of {shape[2]} x {shape[3]} kernels"):
            PackWinograd(place(2, shape, 1), flat(3, 49 * L), [(0, L, L)], rows, 1)


@pytest.mark.parametrize(("index", "n"), [(-1, 4), (len(ALL), 4), (0, 7)])
def test_no_such_kernel(index, n):
    stretch = Stretch(index, 2, n, 0, 1, 1, 1, 0, 0)
    with pytest.raises(ValueError, match=f"no Winograd kernel of kind {index}"):
        WinogradInput(place(2, (1, 1, 4, 4), L), flat(3, 49 * L), stretch)


@pytest.mark.parametrize("pieces", [[(0, 0)], [(0, cpu.conv_pixels()[0][0] + 1)]])
def test_no_such_register_tile(pieces):
    kind, o = ALL[0], flat(2, L)
    spec = SimpleNamespace(
        v=o, u=o, following=o, following_floats=(0, 0), bias=o, residual=None, out=o, scratch=o,
        stretch=Stretch(0, 2, 4, 0, 1, 1, 1, 0, 0), pieces=pieces, channels=1,
        groups=[WinogradGroup(1, 0, 0, 0, 1, 1)], scratch_floats=kind.n**2 * L, pooled=False, act=0, lo=0.0, hi=0.0, slope=0.0,
    )  # fmt: skip
    with pytest.raises(ValueError, match=f"no tile of 1 blocks x {pieces[0][1]} pixels"):
        WinogradProduct(spec)
