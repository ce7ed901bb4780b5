"""The parts of an input and of weights, each against its equation."""

import numpy as np
import pytest

from cyconv._kernels import cpu
from cyconv._kernels.parts import PackParts, Split
from cyconv.graph.lower_bf16x3 import Stretch, Window, stretch_of
from tests.drivers.places import NO_BORDER, Operand, place, put, run
from tests.microkernels.test_isa_amx import parts_of, widened

pytestmark = pytest.mark.skipif(not cpu.has_tiles(), reason="this instruction set has no tile registers")


def floats_at(base: int, floats: int) -> Operand:
    return Operand(base, 1, 0, floats, floats, floats, (1, 1, 1, floats), NO_BORDER)


def split_input(x: np.ndarray, window: Window, s: Stretch, threads: int) -> np.ndarray:
    """V as sums of its parts: (pairs, images, phases, rows, pixels, 32)."""
    t = place(2, x.shape, 16, (1, 0, 2, 1), 16)
    out = floats_at(3, s.floats)
    v = run(Split(t, out, s, window), [put(x, t)], out, threads)
    parts = widened(v.view(np.uint16)).reshape(3, s.pairs, s.plane, 32)
    used = s.images * s.phases * s.phase_rows * s.pitch
    return parts[:, :, :used].sum(0).reshape(s.pairs, s.images, s.phases, s.phase_rows, s.pitch, 32)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("stride", [(1, 1), (2, 3)])
@pytest.mark.parametrize("channels", [16, 45, 64])
def test_split(threads, stride, channels):
    rng = np.random.default_rng([threads, *stride, channels])
    x = rng.integers(-(2**20), 2**20, (3, channels, 9, 11)).astype(np.float32)
    cells = tuple((y, z) for y in range(3) for z in range(4))
    oh, ow = (9 + 3 - 3) // stride[0] + 1, (11 + 3 - 4) // stride[1] + 1
    window = Window(cells, stride, (2, 1), ow)
    pairs = -(-channels // 32)
    for images, rows in (((0, 3), (0, oh)), ((1, 1), (1, 2))):
        s = stretch_of(window, pairs, images, rows)
        got = split_input(x, window, s, threads)
        padded = np.zeros((3, pairs * 32, 60, 60))
        padded[:, :channels, 2:11, 1:12] = x
        for f, (a, b) in enumerate(window.phases):
            top = (rows[0]) * stride[0] + a
            want = padded[images[0] : images[0] + images[1], :, top :: stride[0], b :: stride[1]][:, :, : s.phase_rows, : s.pitch]
            assert np.array_equal(got[:, :, f], want.reshape(images[1], pairs, 32, s.phase_rows, s.pitch).transpose(1, 0, 3, 4, 2))


@pytest.mark.parametrize("shape", [(16, 32, 1, 1), (33, 45, 3, 2), (40, 7, 1, 1)])
def test_packed_weights(shape):
    """w[k·16 + l, 32·j + c, y, x] in three parts, zeros outside."""
    co, ci, kh, kw = shape
    w = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    blocks, pairs, taps = -(-co // 16), -(-ci // 32), kh * kw
    steps = pairs * taps
    sizes = [min(2, blocks - b // 2 * 2) for b in range(blocks)]
    placed = [(b // 2 * 2 * steps * 3 * 256 + b % 2 * 256, sizes[b]) for b in range(blocks)]
    floats = blocks * steps * 3 * 256
    out = floats_at(3, floats)
    y = run(PackParts(place(2, shape, 1), out, placed), [w.ravel()], out, 2)
    padded = np.zeros((blocks * 16, pairs * 32, kh, kw), np.float32)
    padded[:co, :ci] = w
    for b, (target, n) in enumerate(placed):
        got = y[target:].view(np.uint16)
        for s in range(steps):
            j, tap = divmod(s, taps)
            want = parts_of(padded[b * 16 : (b + 1) * 16, j * 32 : (j + 1) * 32, tap // kw, tap % kw])
            for q in range(3):
                tile = got[(s * 3 + q) * n * 512 :][:512].reshape(16, 16, 2)
                assert np.array_equal(tile.transpose(1, 0, 2).reshape(16, 32), want[q])
