"""Layer norm, sums per lane and standardisation of every instruction set: exact sums on integers, the rest against float64."""

import numpy as np
import pytest

from cyconv._kernels import targets
from tests.guard import flush, guarded


@pytest.mark.parametrize("where", ["start", "end"])
def test_layer_norm_of_a_row(isa, where):
    L = targets.lanes(isa)
    rng = np.random.default_rng(1)
    for n in [1, 2, L - 1, L, L + 1, 2 * L, 5 * L + 3, 96, 1000]:
        for mean in (0.0, 1e5):
            x = (rng.standard_normal(n) + mean).astype(np.float32)
            w, b = rng.standard_normal((2, n)).astype(np.float32)
            y = guarded(n, where)
            targets.layer_norm(isa, flush(x, where), y, (L, L), n, flush(w, where), flush(b, where), 1e-5)
            check(y, x, w, b)


def check(y, x, w, b):
    """Two roundings of the distance, three of the product and the sum; scale and weight are rounded once each."""
    d = x.astype(np.float64) - x.astype(np.float64).mean()
    scaled = d / np.sqrt((d * d).mean() + 1e-5) * w
    assert np.all(np.abs(y - (scaled + b)) <= 2.0**-24 * (5 * np.abs(scaled) + np.abs(scaled + b)))


def test_layer_norm_of_pixels(isa):
    """Channels lie a stride apart; lanes past the last channel are neither read nor written."""
    L = targets.lanes(isa)
    rng = np.random.default_rng(2)
    for n in [1, L, L + 1, 3 * L - 1]:
        blocks = -(-n // L)
        x = np.full((blocks, 3 * L), np.nan, np.float32)
        channels = rng.standard_normal(n).astype(np.float32)
        flat = np.full(blocks * L, np.nan, np.float32)
        flat[:n] = channels
        x[:, L : 2 * L] = flat.reshape(blocks, L)
        w, b = rng.standard_normal((2, n)).astype(np.float32)
        y = np.full((blocks, 2 * L), -7.0, np.float32)
        targets.layer_norm(isa, x.ravel()[L:], y.ravel(), (3 * L, 2 * L), n, flush(w), flush(b), 1e-5)
        check(y[:, :L].ravel()[:n], channels, w, b)
        assert np.all(y[:, :L].ravel()[n:] == -7.0) and np.all(y[:, L:] == -7.0)


@pytest.mark.parametrize("squares", [False, True])
def test_lane_moments_are_exact_on_integers(isa, squares):
    L = targets.lanes(isa)
    rng = np.random.default_rng(3)
    for n in [1, L - 1, L, 3 * L, 3 * L + 1]:
        for rows, gap in [(1, 0), (4, 0), (3, 5)]:
            x = rng.integers(-9, 10, (rows, n + gap)).astype(np.float32)
            centre = rng.integers(-3, 4, L).astype(np.float64)
            total = rng.integers(-3, 4, L).astype(np.float64)
            want = total.copy()
            d = x[:, :n] - centre[np.arange(n) % L]
            np.add.at(want, np.broadcast_to(np.arange(n) % L, d.shape), d * d if squares else d)
            targets.lane_moments(isa, flush(x.ravel()[: (rows - 1) * (n + gap) + n]), (rows, n + gap), n, centre, total, squares)
            np.testing.assert_array_equal(total, want)


@pytest.mark.parametrize("where", ["start", "end"])
def test_standardise(isa, where):
    L = targets.lanes(isa)
    rng = np.random.default_rng(4)
    for n in [1, L - 1, L, 3 * L, 3 * L + 1]:
        x = rng.integers(-9, 10, n).astype(np.float32)
        hi, lo, scale, shift = rng.integers(-4, 5, (4, L)).astype(np.float32)
        y = guarded(n, where)
        targets.standardise(isa, flush(x, where), y, (hi, lo, scale, shift))
        lane = np.arange(n) % L
        np.testing.assert_array_equal(y, (x - hi[lane] - lo[lane]) * scale[lane] + shift[lane])
