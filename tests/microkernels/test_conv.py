"""Every register tile of every instruction set against sums of integers, which are exact in float32 in any order."""

from types import SimpleNamespace

import numpy as np
import pytest

from cyconv._kernels import targets
from tests.guard import flush, guarded

NONE, CLAMP, LEAKY = range(3)


def activate(v, act):
    if act == CLAMP:
        return np.minimum(np.maximum(v, -50), 60)
    return np.where(v > 0, v, v * np.float32(0.5)) if act == LEAKY else v


def random_tile(rng, lanes, shape, act, residual, where):
    """A product on guarded memory: taps at odd offsets, rows and pixels farther apart than they are long."""
    blocks, rows, pixels = shape
    n_taps = int(rng.integers(1, 4))
    taps = [(int(rng.integers(0, 9)), int(rng.integers(1, lanes + 1))) for _ in range(n_taps)]
    in_px = int(rng.integers(1, lanes + 3))
    in_row = pixels * in_px + 5
    out_px, out_row = lanes + 3, pixels * (lanes + 3) + 2
    steps = sum(n for _, n in taps)
    reach = max(o + n for o, n in taps) + (rows - 1) * in_row + (pixels - 1) * in_px
    block_floats = (rows - 1) * out_row + (pixels - 1) * out_px + lanes
    whole = (blocks - 1) * (block_floats + 1) + block_floats
    numbers = lambda n: rng.integers(-16, 17, n).astype(np.float32)  # noqa: E731
    return SimpleNamespace(
        x=flush(numbers(reach), where), x_offset=0, taps=taps, in_row=in_row, in_px=in_px,
        weights=flush(numbers(steps * blocks * lanes), where), bias=flush(numbers(blocks * lanes), where),
        y=guarded(whole, where), out=[b * (block_floats + 1) for b in range(blocks)], out_row=out_row, out_px=out_px,
        residual=flush(numbers(whole), where) if residual else None, act=act, lo=-50.0, hi=60.0, slope=0.5,
    )  # fmt: skip


def expected(t, lanes, shape):
    """The equation of conv.inc, and what lies between the outputs left as it was."""
    blocks, rows, pixels = shape
    y = np.array(t.y)
    weights = t.weights.reshape(-1, blocks, lanes)
    for o in range(blocks):
        for r in range(rows):
            for p in range(pixels):
                start = t.out[o] + r * t.out_row + p * t.out_px
                v = t.bias[o * lanes : (o + 1) * lanes].copy()
                inputs = [t.x[offset + r * t.in_row + p * t.in_px + i] for offset, n in t.taps for i in range(n)]
                v += np.array(inputs, np.float32) @ weights[:, o]
                if t.residual is not None:
                    v += t.residual[start : start + lanes]
                y[start : start + lanes] = activate(v, t.act)
    return y


def test_every_tile(isa):
    rng = np.random.default_rng(12)
    lanes = targets.lanes(isa)
    cases = nonzero = 0
    for blocks, (one_row, two_rows) in enumerate(targets.conv_pixels(isa), 1):
        for rows, largest in ((1, one_row), (2, two_rows)):
            for pixels in range(1, largest + 1):
                for act, residual in ((NONE, False), (CLAMP, True), (LEAKY, True)):
                    where = "end" if cases % 2 else "start"
                    tile = random_tile(rng, lanes, (blocks, rows, pixels), act, residual, where)
                    want = expected(tile, lanes, (blocks, rows, pixels))
                    targets.conv(isa, blocks, rows, pixels, tile)
                    assert np.array_equal(tile.y, want), (blocks, rows, pixels, act)
                    cases += 1
                    nonzero += np.count_nonzero(want) > want.size // 2
            with pytest.raises(ValueError, match="no tile"):
                targets.conv(isa, blocks, rows, largest + 1, tile)
    assert cases >= 60 and nonzero > cases * 0.9


@pytest.mark.parametrize("act", [NONE, CLAMP, LEAKY])
def test_nan_stays(isa, act):
    lanes = targets.lanes(isa)
    rng = np.random.default_rng(13)
    for place in range(lanes):
        tile = random_tile(rng, lanes, (1, 1, 1), act, True, "end")
        tile.residual[place] = np.nan
        targets.conv(isa, 1, 1, 1, tile)
        assert np.array_equal(np.flatnonzero(np.isnan(tile.y)), [place])


def test_lanewise_every_tile(isa):
    rng = np.random.default_rng(14)
    lanes = targets.lanes(isa)
    cases = 0
    for pixels in range(1, targets.lanewise_pixels(isa) + 1):
        for act, residual in ((NONE, False), (CLAMP, True), (LEAKY, True)):
            tile = random_tile(rng, lanes, (1, 1, pixels), act, residual, "end" if cases % 2 else "start")
            tile.in_px = int(rng.integers(1, 2 * lanes))
            reach = max(o for o, _ in tile.taps) + (pixels - 1) * tile.in_px + lanes
            tile.x = flush(rng.integers(-16, 17, reach).astype(np.float32))
            tile.weights = flush(rng.integers(-16, 17, len(tile.taps) * lanes).astype(np.float32))
            y = np.array(tile.y)
            for p in range(pixels):
                v = tile.bias.copy()
                for t, (offset, _) in enumerate(tile.taps):
                    start = offset + p * tile.in_px
                    v += tile.x[start : start + lanes] * tile.weights[t * lanes : (t + 1) * lanes]
                start = p * tile.out_px
                y[start : start + lanes] = activate(v + (tile.residual[start : start + lanes] if residual else 0), act)
            targets.lanewise(isa, pixels, tile)
            assert np.array_equal(tile.y, y), (pixels, act)
            cases += 1
    with pytest.raises(ValueError, match="no lane-wise tile"):
        targets.lanewise(isa, pixels + 1, tile)
    assert cases >= 24
