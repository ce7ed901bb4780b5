"""Local response normalisation of every instruction set against float64."""

import numpy as np
import pytest

from cyconv._kernels import targets
from tests.guard import flush, guarded


def expected(x, size, alpha, beta, k):
    """x is (channels, pixels), float64."""
    channels = x.shape[0]
    total = np.empty_like(x)
    for c in range(channels):
        total[c] = (x[max(0, c - size // 2) : c + (size - 1) // 2 + 1] ** 2).sum(axis=0)
    return x / (k + alpha / size * total) ** beta


def block(x, lanes, garbage):
    """(channels, pixels) as channel blocks, with `garbage` in the lanes past the last channel."""
    channels, pixels = x.shape
    blocks = -(-channels // lanes)
    padded = np.full((blocks * lanes, pixels), garbage, np.float32)
    padded[:channels] = x
    return np.ascontiguousarray(padded.reshape(blocks, lanes, pixels).transpose(0, 2, 1))


@pytest.mark.parametrize("beta", [0.5, 0.75, 1.0, 0.6])
def test_against_float64(isa, beta):
    """The error stays below (size + 16) rounding units; those of exp(-beta·ln s) grow with beta·|ln s|."""
    rng = np.random.default_rng(8)
    lanes = targets.lanes(isa)
    cases = 0
    for channels in (1, 3, 4, 5, 15, 16, 17, 37, 64):
        for size in (1, 2, 3, 4, 5, 9, 40):
            for pixels in (1, 7, 8, 9):
                x = (rng.standard_normal((channels, pixels)) * 5).astype(np.float32)
                want = expected(x.astype(np.float64), size, 0.5, beta, 1.5)
                blocked = block(x, lanes, np.nan)
                stride = pixels * lanes
                where = "end" if cases % 2 else "start"
                y = guarded(blocked.size, where)
                scratch = guarded(targets.lrn_scratch_floats(isa, channels, size), where)
                targets.lrn(isa, flush(blocked, where), y, scratch, (stride, stride), channels, pixels, (size, 0.5, beta, 1.5))
                got = np.array(y).reshape(-1, pixels, lanes).transpose(0, 2, 1).reshape(-1, pixels)[:channels]
                units = size + 16 + 4 * beta * np.log(np.abs(x / want).max() ** (1 / beta) + 1)
                assert np.all(np.abs(got - want) <= units * 2.0**-24 * np.abs(want)), (channels, size, pixels)
                cases += 1
    assert cases >= 250


@pytest.mark.parametrize("k", [1e-6, 1.0, 1e6])
def test_three_quarters_over_all_magnitudes(isa, k):
    """Newton's method within 3 rounding units wherever the sum of squares is finite; 0 of a finite number where it is not."""
    rng = np.random.default_rng(10)
    channels = 4096
    x = (np.exp(rng.uniform(-20, 43, channels)) * rng.choice([-1, 1], channels)).astype(np.float32)
    y = guarded(channels)
    scratch = guarded(targets.lrn_scratch_floats(isa, channels, 1))
    lanes = targets.lanes(isa)
    targets.lrn(isa, block(x[:, None], lanes, 0).ravel(), y, scratch, (lanes, lanes), channels, 1, (1, 1.0, 0.75, k))
    want = expected(x.astype(np.float64)[:, None], 1, 1.0, 0.75, np.float64(np.float32(k)))[:, 0]
    assert np.all(np.abs(y - want) <= (1 + 3) * 2.0**-24 * np.abs(want))
    huge = np.array([1e30] * lanes, np.float32)
    targets.lrn(isa, huge, y[:lanes], scratch, (lanes, lanes), lanes, 1, (1, 1.0, 0.75, k))
    assert np.all(y[:lanes] == 0)


@pytest.mark.parametrize(("alpha", "k"), [(1.0, 0.0), (-1.0, 8.0), (1.0, -0.5)])
def test_three_quarters_where_the_sum_may_not_be_positive(isa, alpha, k):
    """Square roots and a division, with their infinities and NaNs."""
    lanes = targets.lanes(isa)
    x = np.zeros(lanes, np.float32)
    x[1:3] = [0.25, 2.0]
    y = guarded(lanes)
    scratch = guarded(targets.lrn_scratch_floats(isa, lanes, 1))
    targets.lrn(isa, flush(x.copy()), y, scratch, (lanes, lanes), lanes, 1, (1, alpha, 0.75, k))
    with np.errstate(all="ignore"):
        want = x / (k + alpha * x.astype(np.float64) ** 2) ** 0.75
    assert np.array_equal(np.isnan(y), np.isnan(want))
    assert np.allclose(y, want, rtol=8 * 2.0**-24, atol=0, equal_nan=True)


def test_in_place_and_strides(isa):
    lanes = targets.lanes(isa)
    rng = np.random.default_rng(9)
    x = rng.standard_normal((2, 5, lanes)).astype(np.float32)
    far = np.zeros((2, 11, lanes), np.float32)
    scratch = np.empty(targets.lrn_scratch_floats(isa, 2 * lanes, 5), np.float32)
    options = (5, 1.0, 0.75, 2.0)
    targets.lrn(isa, x.ravel(), far.ravel(), scratch, (5 * lanes, 11 * lanes), 2 * lanes, 5, options)
    assert np.all(far[:, 5:] == 0) and np.all(far[:, :5] != 0)
    flat = x.ravel().copy()
    targets.lrn(isa, flat, flat, scratch, (5 * lanes, 5 * lanes), 2 * lanes, 5, options)
    assert np.array_equal(flat.reshape(x.shape), far[:, :5])


@pytest.mark.parametrize("beta", [0.75, 0.6])
def test_nan_reaches_its_window_only(isa, beta):
    lanes = targets.lanes(isa)
    channels = 2 * lanes
    for place in range(channels):
        x = np.ones((channels, 1), np.float32)
        x[place] = np.nan
        y = guarded(channels)
        scratch = guarded(targets.lrn_scratch_floats(isa, channels, 3))
        targets.lrn(isa, block(x, lanes, 0).ravel(), y, scratch, (lanes, lanes), channels, 1, (3, 1.0, beta, 1.0))
        assert np.array_equal(np.flatnonzero(np.isnan(y)), np.arange(max(0, place - 1), min(channels, place + 2)))
