"""Planar rows to blocks and back: every float where it belongs, none read or written beside."""

import numpy as np
import pytest

from cyconv._kernels import targets
from tests.guard import flush, guarded


@pytest.mark.parametrize("where", ["start", "end"])
@pytest.mark.parametrize("n", [0, 1, 3, 4, 7, 8, 15, 16, 17, 33, 64, 100])
def test_both_ways(isa, n, where):
    """With any channels missing; rows and block end, or begin, at an unmapped page."""
    lanes = targets.lanes(isa)
    rng = np.random.default_rng(n)
    for present in ([True] * lanes, [lane < 3 for lane in range(lanes)], list(rng.random(lanes) < 0.5)):
        planar = rng.standard_normal((lanes, n)).astype(np.float32)
        rows = [flush(planar[lane].copy(), where) if here else None for lane, here in enumerate(present)]
        y = guarded(n * lanes, where)
        y[:] = np.nan
        targets.interleave(isa, rows, y, n)
        want = np.where(np.array(present)[:, None], planar, 0).T
        assert np.array_equal(y.reshape(n, lanes), want)
        back = [guarded(n, where) if here else None for here in present]
        targets.deinterleave(isa, flush(np.ascontiguousarray(planar.T).ravel(), where), back, n)
        assert all(np.array_equal(row, planar[lane]) for lane, row in enumerate(back) if row is not None)


@pytest.mark.parametrize("where", ["start", "end"])
@pytest.mark.parametrize("stride", [1, 2, 3, 4, 5])
def test_take(isa, stride, where):
    """Every stride-th float; the input ends, or begins, at an unmapped page."""
    rng = np.random.default_rng(stride)
    for n in (1, 2, 3, 4, 5, 8, 9, 15, 16, 17, 31, 32, 33, 64, 100):
        x = rng.standard_normal((n - 1) * stride + 1).astype(np.float32)
        y = guarded(n, where)
        y[:] = np.nan
        targets.take(isa, flush(x, where), stride, y)
        assert np.array_equal(y, x[::stride])
