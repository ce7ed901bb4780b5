"""Tiles with weights in bfloat16: exact on integers, and on any numbers the bits of the float tile with the same weights."""

from types import SimpleNamespace

import numpy as np
import pytest

from cyconv._kernels import targets
from cyconv.bfloat16 import rounded
from tests.guard import flush, guarded

NONE, CLAMP, LEAKY = range(3)


def in_pairs(weights, taps):
    """Floats w[step, blocks·lanes] of bfloat16 values as words w[pair, blocks·lanes]: even lanes of a tap below, odd ones above."""
    words, first = [], 0
    for _, n in taps:
        bits = weights[first : first + n].view(np.uint32)
        upper = np.vstack([bits[1::2], np.zeros((n % 2, bits.shape[1]), np.uint32)])
        words.append(bits[::2] >> np.uint32(16) | upper)
        first += n
    return np.concatenate(words).view(np.float32)


def tile_of(rng, lanes, shape, act, where, numbers):
    """(arguments for linear_bf16, weights as floats): taps of odd and even lengths on guarded memory."""
    blocks, pixels = shape
    taps = [(int(rng.integers(0, 9)), int(n)) for n in rng.integers(1, lanes + 1, int(rng.integers(1, 4)))]
    steps = sum(n for _, n in taps)
    in_px = int(rng.integers(1, lanes + 3))
    reach = max(o + n for o, n in taps) + (pixels - 1) * in_px
    block_floats = (pixels - 1) * (lanes + 3) + lanes
    whole = blocks * (block_floats + 1) - 1
    weights = rounded(numbers((steps, blocks * lanes)))
    tile = SimpleNamespace(
        x=flush(numbers(reach), where), x_offset=0, taps=taps, in_row=0, in_px=in_px, weights=flush(in_pairs(weights, taps), where),
        bias=flush(numbers(blocks * lanes), where), y=guarded(whole, where), out=[b * (block_floats + 1) for b in range(blocks)],
        out_row=0, out_px=lanes + 3, residual=flush(numbers(whole), where) if act else None, act=act, lo=-50.0, hi=60.0, slope=0.5,
    )  # fmt: skip
    return tile, weights


def every_tile(isa):
    for blocks, (largest, _) in enumerate(targets.conv_pixels(isa), 1):
        for pixels in range(1, largest + 1):
            yield blocks, pixels


@pytest.mark.parametrize("act", [NONE, CLAMP, LEAKY])
def test_the_bits_of_float_weights(isa, act):
    """conv's own tests say that these are right."""
    rng = np.random.default_rng([21, act])
    lanes, cases = targets.lanes(isa), 0
    for blocks, pixels in every_tile(isa):
        for where in ("end", "start"):
            tile, weights = tile_of(
                rng, lanes, (blocks, pixels), act, where, lambda shape: rng.standard_normal(shape).astype(np.float32) * 20
            )
            targets.linear_bf16(isa, blocks, pixels, tile)
            got = np.array(tile.y)
            tile.y[:] = 0
            targets.conv(isa, blocks, 1, pixels, SimpleNamespace(**{**vars(tile), "weights": weights.ravel()}))
            assert np.array_equal(got, tile.y) and np.count_nonzero(got) > got.size // 4, (blocks, pixels)
            cases += 1
    assert cases >= 20


def test_exact_on_integers(isa):
    rng = np.random.default_rng(22)
    lanes = targets.lanes(isa)
    for blocks, pixels in every_tile(isa):
        tile, weights = tile_of(rng, lanes, (blocks, pixels), NONE, "end", lambda shape: rng.integers(-256, 257, shape).astype(np.float32))
        targets.linear_bf16(isa, blocks, pixels, tile)
        for p in range(pixels):
            inputs = np.array([tile.x[offset + p * tile.in_px + i] for offset, n in tile.taps for i in range(n)])
            want = (tile.bias + inputs @ weights).reshape(blocks, lanes)
            assert all(np.array_equal(tile.y[o + p * tile.out_px :][:lanes], row) for o, row in zip(tile.out, want, strict=True))


@pytest.mark.parametrize(("blocks", "pixels"), [(0, 1), (4, 1), (1, 0), (3, 14)])
def test_no_such_tile(isa, blocks, pixels):
    with pytest.raises(ValueError, match=f"no tile of {blocks} blocks x {pixels} pixels"):
        targets.linear_bf16(isa, blocks, pixels, None)
