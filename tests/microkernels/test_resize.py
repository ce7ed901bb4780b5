"""Kernels of interpolation for every instruction set: exact on integers and halves, and a weight of 0 reads nothing."""

import numpy as np
import pytest

from cyconv._kernels import targets
from tests.guard import flush, guarded

NAN = np.nan


@pytest.mark.parametrize("n", [0, 1, 5, 16, 17, 33, 64])
def test_mix(isa, n):
    rng = np.random.default_rng(n)
    a, b = (rng.integers(-32, 33, n).astype(np.float32) for _ in range(2))
    for where in ("start", "end"):
        y = guarded(n, where)
        targets.mix(isa, flush(a, where), flush(b, where), (0.75, 0.25), y)
        assert np.array_equal(y, 0.75 * a + 0.25 * b)
        targets.mix(isa, flush(a, where), flush(np.full(n, NAN, np.float32), where), (1.0, 0.0), y)
        assert np.array_equal(y, a)


def table(rng, size, out):
    """Two places and weights for each output; some second weights are 0."""
    first, second = (rng.integers(0, size, out).astype(np.int32) for _ in range(2))
    w1 = rng.integers(0, 4, out).astype(np.float32) / 4
    return flush(first), flush(second), flush(1 - w1), flush(w1)


@pytest.mark.parametrize("out", [1, 4, 17])
def test_mix_gather(isa, out):
    rng = np.random.default_rng(out)
    x = rng.integers(-32, 33, 9).astype(np.float32)
    first, second, w0, w1 = table(rng, 9, out)
    y = guarded(out)
    targets.mix_gather(isa, flush(x), first, second, w0, w1, y)
    assert np.array_equal(y, w0 * x[first] + w1 * x[second])
    second[w1 == 0] = 0
    first[:] = np.maximum(first, 1)
    x[0] = np.where(np.all(w1[second == 0] == 0), NAN, x[0])
    targets.mix_gather(isa, flush(x), first, second, w0, w1, y)
    assert not np.isnan(y).any()


@pytest.mark.parametrize("out", [1, 4, 9])
@pytest.mark.parametrize("weights", [(1.0, 0.0), (0.5, 0.5), (0.25, 0.75)])
def test_resize_row(isa, weights, out):
    rng = np.random.default_rng(out)
    lanes = targets.lanes(isa)
    top, bottom = (rng.integers(-32, 33, (6, lanes)).astype(np.float32) for _ in range(2))
    if weights[1] == 0:
        bottom[:] = NAN
    first, second, w0, w1 = table(rng, 6, out)
    rows = [x[first] * w0[:, None] + x[second] * w1[:, None] for x in (top, bottom)]
    want = rows[0] if weights[1] == 0 else weights[0] * rows[0] + weights[1] * rows[1]
    y = guarded(out * lanes)
    targets.resize_row(isa, (flush(top), flush(bottom)), weights, (first, second, w0, w1), y)
    assert np.array_equal(y.reshape(out, lanes), want)
