"""Products on tile registers: the three parts of a float, exact sums of integers, float32's error, what the store applies."""

from types import SimpleNamespace

import numpy as np
import pytest

from cyconv._kernels import cpu, targets
from tests.guard import flush, guarded

pytestmark = pytest.mark.skipif("amx" not in cpu.runnable_isas(), reason="this CPU or system has no tile registers")

NONE, CLAMP, LEAKY = range(3)
SHAPES = [(1, 1), (1, 2), (1, 3), (1, 4), (2, 1), (2, 2)]  # tiles of channels, of pixels
U = 2.0**-24


def widened(parts: np.ndarray) -> np.ndarray:
    """bfloat16 in uint16 as float32."""
    return (parts.astype(np.uint32) << 16).view(np.float32)


def split(x: np.ndarray, second: np.ndarray, channels=32, step=16, part=None) -> np.ndarray:
    """The parts as (3, n, 32) float32; input and output end at unmapped pages."""
    n = -(-x.size // step)
    part = part or n * 32
    y = guarded(2 * part + n * 32, "end", np.uint16)
    y[:] = 0x7FC0
    targets.split("amx", flush(x), flush(second), step, channels, y, part, n)
    return np.stack([widened(y[p * part : p * part + n * 32]).reshape(n, 32) for p in range(3)])


def hard_floats(n: int) -> np.ndarray:
    """Floats of all magnitudes whose parts are not denormal, with all 24 bits in use, and the largest there are."""
    rng = np.random.default_rng(5)
    x = (rng.integers(2**23, 2**24, n) * np.exp2(rng.integers(-125, 104, n).astype(float)) * rng.choice([-1, 1], n)).astype(np.float32)
    x[:6] = [0.0, -0.0, 1.0, np.finfo(np.float32).max, -np.finfo(np.float32).max, 3.39e38]
    return x


def test_parts_add_up_to_the_float():
    x = hard_floats(64 * 32)
    parts = split(x[: 64 * 16], x[64 * 16 :])
    want = np.concatenate([x[: 64 * 16].reshape(64, 16), x[64 * 16 :].reshape(64, 16)], 1)
    assert np.isfinite(parts).all()
    assert np.array_equal(parts.astype(np.float64).sum(0), want)
    small = np.abs(want) < 1e30
    assert np.all(np.abs(parts[1])[small] <= np.abs(want[small]) * 2.0**-8)
    assert np.all(np.abs(parts[2])[small] <= np.abs(want[small]) * 2.0**-16)


def test_what_is_not_finite_stands_in_the_last_part():
    x = np.ones(32, np.float32)
    x[:4] = [np.inf, -np.inf, np.nan, np.array(0x7F800001, np.uint32).view(np.float32)]
    parts = split(x[:16], x[16:])[:, 0]
    assert np.array_equal(parts[:2, :4], np.zeros((2, 4)))
    assert np.array_equal(parts[2, :4], [np.inf, -np.inf, np.nan, np.nan], equal_nan=True)
    assert np.array_equal(parts[:, 4:].sum(0), np.ones(28))


@pytest.mark.parametrize("channels", [1, 15, 16, 17, 31, 32, 40])
def test_only_channels_that_there_are_count(channels):
    """The floats behind them are read by nobody: for the last pixel they lie in the unmapped page."""
    rng = np.random.default_rng(channels)
    first, second = min(channels, 16), max(min(channels, 32) - 16, 0)
    x, y = (rng.integers(-99, 99, 3 * 20 + count).astype(np.float32) for count in (first, second))
    parts = split(x, y, channels, 20, 4 * 32 + 64)
    assert parts.shape == (3, 4, 32)
    for j in range(4):
        want = np.zeros(32)
        want[:first], want[16 : 16 + second] = x[20 * j : 20 * j + first], y[20 * j : 20 * j + second]
        assert np.array_equal(parts.sum(0)[j], want)


def parts_of(x: np.ndarray) -> np.ndarray:
    """The three parts of finite floats, (3, *x.shape) uint16, halves rounded away from zero."""
    rest, parts = x.astype(np.float32), []
    for _ in range(3):
        bits = (rest.view(np.uint32) + 0x8000) & 0xFFFF0000
        parts.append((bits >> 16).astype(np.uint16))
        rest = rest - bits.astype(np.uint32).view(np.float32)
    return np.stack(parts)


def product(x: np.ndarray, w: np.ndarray, prefetch_lines=0) -> np.ndarray:
    """Sums of x (pixels, steps, 32) and w (steps, blocks, 32, 16), as (pixels, blocks·16); pixels beside each other, steps apart."""
    (n, steps, _), blocks = x.shape, w.shape[1]
    tiles = -(-n // 16)
    plane = tiles * 16 + 3
    v = np.zeros((3, steps, plane, 32), np.uint16)
    v[:, :, :n] = parts_of(x).transpose(0, 2, 1, 3)
    part = steps * plane * 32
    packed = parts_of(w).transpose(1, 0, 2, 3, 4).reshape(steps, 3, blocks, 16, 2, 16).swapaxes(4, 5)
    used = v.ravel()[: v.size - (plane - tiles * 16) * 32]
    y = guarded(tiles * blocks * 256)
    spec = SimpleNamespace(
        x=flush(used), part=part, w=flush(packed), steps=[s * plane * 32 for s in range(steps)], y=y, prefetch_lines=prefetch_lines
    )
    targets.tiles("amx", blocks, tiles, spec)
    return y.reshape(tiles, blocks, 16, 16).swapaxes(1, 2).reshape(tiles * 16, blocks * 16)[:n]


@pytest.mark.parametrize(("blocks", "tiles"), SHAPES)
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_sums_of_integers_are_exact(blocks, tiles, steps):
    rng = np.random.default_rng([blocks, tiles, steps])
    n = tiles * 16 - int(rng.integers(3))
    x, w = (rng.integers(-999, 1000, shape).astype(np.float32) for shape in ((n, steps, 32), (steps, blocks, 32, 16)))
    x, w = np.round(x / 10), np.round(w / 10)  # of two parts, and the sums below 2**24
    want = np.einsum("nsc,sbcl->nbl", x.astype(float), w.astype(float)).reshape(n, -1)
    for lines in (0, 3):
        y = product(x, w, lines)
        assert np.array_equal(y, want)
    assert np.count_nonzero(y) > 0.9 * y.size


@pytest.mark.parametrize(("blocks", "tiles"), SHAPES)
def test_products_have_the_error_of_float32(blocks, tiles):
    rng = np.random.default_rng(3)
    x, w = rng.standard_normal((tiles * 16, 8, 32)).astype(np.float32), rng.standard_normal((8, blocks, 32, 16)).astype(np.float32)
    exact = np.einsum("nsc,sbcl->nbl", x.astype(float), w.astype(float)).reshape(tiles * 16, -1)
    size = np.einsum("nsc,sbcl->nbl", np.abs(x).astype(float), np.abs(w).astype(float)).reshape(tiles * 16, -1)
    assert np.max(np.abs(product(x, w) - exact) / size) < 4 * U
    one = product(x[:1, :1], w[:1])  # 32 products: what is left out of each is at most 2 u of it
    exact = np.einsum("nsc,sbcl->nbl", x[:1, :1].astype(float), w[:1].astype(float)).reshape(1, -1)
    assert np.max(np.abs(one - exact) / size[:1]) < 4 * U


def test_tiles_of_pixels_do_not_change_the_bits():
    rng = np.random.default_rng(4)
    x, w = rng.standard_normal((64, 5, 32)).astype(np.float32), rng.standard_normal((5, 2, 32, 16)).astype(np.float32)
    for blocks, most in ((1, 4), (2, 2)):
        whole = product(x[: most * 16], w[:, :blocks])
        for tiles in range(1, most):
            assert np.array_equal(product(x[: tiles * 16], w[:, :blocks]), whole[: tiles * 16])


@pytest.mark.parametrize("shape", [(0, 1), (3, 1), (2, 3), (1, 5)])
def test_shapes_that_there_are_not(shape):
    with pytest.raises(ValueError, match="no tiles of"):
        targets.tiles("amx", *shape, SimpleNamespace(x=np.zeros(1, np.uint16), w=np.zeros(1, np.uint16), steps=[]))


def test_other_instruction_sets_have_no_tiles():
    with pytest.raises(ValueError, match="'avx512' has no tile registers"):
        targets.store_tile("avx512", None)


@pytest.mark.parametrize("act", [NONE, CLAMP, LEAKY])
@pytest.mark.parametrize("residual", [False, True])
def test_store(act, residual):
    rng = np.random.default_rng([act, residual])
    for n in (1, 5, 16):
        x, r = (rng.integers(-40, 40, n * 16).astype(np.float32) for _ in range(2))
        x[0] = np.nan
        bias, y = rng.integers(-9, 9, 16).astype(np.float32), guarded(n * 16)
        spec = SimpleNamespace(
            x=flush(x), n=n, bias=flush(bias), residual=flush(r) if residual else None, y=y, act=act, lo=-10.0, hi=20.0, slope=0.5
        )
        targets.store_tile("amx", spec)
        v = x + np.tile(bias, n) + (r if residual else 0)
        want = {NONE: v, CLAMP: np.clip(v, -10, 20), LEAKY: np.where(v > 0, v, v / 2)}[act]
        assert np.array_equal(y, want, equal_nan=True)


@pytest.mark.parametrize("step", [1, 2, 3])
@pytest.mark.parametrize("channels", [1, 17, 32, 50])
def test_planes_have_the_same_parts(channels, step):
    """As pixels of blocks have; behind the last pixel of the last plane lies an unmapped page."""
    rng = np.random.default_rng([channels, step])
    there = min(channels, 32)
    for n in (1, 3, 4, 15, 16, 17, 37):
        plane = (n - 1) * step + 1
        x = rng.standard_normal((there, plane)).astype(np.float32)
        part = n * 32 + 64
        y = guarded(2 * part + n * 32, "end", np.uint16)
        targets.split_planes("amx", flush(x.ravel()), (plane, step), channels, y, part, n)
        want = np.zeros((n, 32), np.float32)
        want[:, :there] = x[:, ::step].T
        got = np.stack([y[p * part : p * part + n * 32].reshape(n, 32) for p in range(3)])
        assert np.array_equal(got, parts_of(want))


@pytest.mark.parametrize("taps", [1, 2, 9, 25, 121, 256])
@pytest.mark.parametrize(("outputs", "channels"), [(16, 32), (1, 1), (7, 32), (16, 19)])
def test_packed_weights(outputs, channels, taps):
    """Part p of w[l, c, t] at (t·3 + p)·y_part + c/2·32 + l·2 + c%2, zeros elsewhere; no weight behind the last one is read."""
    w = np.random.default_rng(taps).standard_normal((outputs, channels, taps)).astype(np.float32)
    y_part = 1024
    for where in ("end", "start"):
        y = guarded((taps * 3 - 1) * y_part + 512, where, np.uint16)
        assert targets.pack_tile("amx", flush(w.ravel(), where), (channels * taps, outputs, channels, taps), y, y_part)
        padded = np.zeros((16, 32, taps), np.float32)
        padded[:outputs, :channels] = w
        want = parts_of(padded).transpose(3, 0, 2, 1).reshape(taps, 3, 16, 2, 16).swapaxes(3, 4).reshape(taps * 3, 512)
        for k in range(taps * 3):
            assert np.array_equal(y[k * y_part : k * y_part + 512], want[k])


@pytest.mark.parametrize("number", [np.inf, -np.inf, np.nan])
def test_packing_tells_what_is_not_finite(number):
    w = np.full(16 * 32 * 9, np.finfo(np.float32).max, np.float32)
    y = np.zeros(27 * 512, np.uint16)
    assert targets.pack_tile("amx", w, (288, 16, 32, 9), y, 512)
    for place in (0, 1, 2305, w.size - 1):
        bad = w.copy()
        bad[place] = number
        assert not targets.pack_tile("amx", bad, (288, 16, 32, 9), y, 512)


@pytest.mark.parametrize("act", [NONE, CLAMP, LEAKY])
def test_store_to_planes(act):
    """Runs of a tile into rows of planes; what lies between them stays as it was, and the last run ends at an unmapped page."""
    rng = np.random.default_rng(act)
    x, bias = rng.integers(-40, 40, (16, 16)).astype(np.float32), rng.integers(-9, 9, 16).astype(np.float32)
    x[3, 0] = np.nan
    for channels in (1, 6, 16):
        for runs, plane in (([(0, 16, 0)], 16), ([(0, 3, 4), (5, 7, 10), (15, 1, 30)], 31), ([(2, 5, 3)], 8), ([], 4)):
            y = guarded(channels * plane)
            y[:] = 77.0
            spec = SimpleNamespace(x=flush(x.ravel()), bias=flush(bias), y=y, plane=plane, channels=channels, runs=runs)
            spec.act, spec.lo, spec.hi, spec.slope = act, -10.0, 20.0, 0.5
            targets.store_tile_planes("amx", spec)
            v = x + bias
            v = {NONE: v, CLAMP: np.clip(v, -10, 20), LEAKY: np.where(v > 0, v, v / 2)}[act]
            want = np.full((channels, plane), 77.0, np.float32)
            for first, count, at in runs:
                want[:, at : at + count] = v[first : first + count, :channels].T
            assert np.array_equal(y.reshape(channels, plane), want, equal_nan=True)
