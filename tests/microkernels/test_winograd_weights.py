"""Winograd's transform of weights of every instruction set against the exact matrices."""

from types import SimpleNamespace

import numpy as np
import pytest

from cyconv._kernels import targets
from cyconv.winograd import ALL
from tests.guard import flush, guarded

U = 2.0**-24


def transform(isa, w, g, valid, where="end"):
    """(G w[lane] Gᵀ)[point, lane] by the kernel, for w[lane, r, r]; kernels lie 3 floats farther apart than they are long."""
    lanes, (n, r) = targets.lanes(isa), g.shape
    held = np.full((valid, r * r + 3), np.nan, np.float32)
    held[:, : r * r] = w[:valid].reshape(valid, r * r)
    out_point = lanes + 5
    y = guarded((n * n - 1) * out_point + lanes, where)
    y[:] = np.nan
    w_lane = r * r + 3
    x = flush(held.ravel()[: (valid - 1) * w_lane + r * r], where)
    targets.wino_weights(isa, SimpleNamespace(w=x, w_lane=w_lane, valid=valid, g=g, y=y, out_point=out_point))
    got = np.full((n * n, out_point), np.nan, np.float32)
    got.ravel()[: y.size] = y
    assert np.isnan(got[:, lanes:]).all()
    return got[:, :lanes]


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.name)
def test_of_every_kind(isa, kind):
    """Rounded once from float64; zeros in the lanes past the last output channel."""
    lanes = targets.lanes(isa)
    g = np.array([[float(v) for v in row] for row in kind.g()])
    w = np.random.default_rng(kind.index).standard_normal((lanes, kind.r, kind.r)).astype(np.float32)
    exact = np.einsum("ia,lab,jb->ijl", g, w.astype(np.float64), g).reshape(kind.n**2, lanes)
    for valid in range(1, lanes + 1):
        got = transform(isa, w, g, valid, "end" if valid % 2 else "start")
        error = np.abs(got[:, :valid] - exact[:, :valid])
        assert np.all(error <= np.abs(exact[:, :valid]) * U * 1.001 + 1e-13) and np.count_nonzero(exact) > exact.size // 2
        assert not got[:, valid:].any()


def test_exact_on_integers(isa):
    """As many points and taps as there is room for."""
    rng = np.random.default_rng(7)
    lanes = targets.lanes(isa)
    for n, r in ((8, 7), (1, 1), (8, 1), (2, 7), (3, 2)):
        g, w = rng.integers(-3, 4, (n, r)).astype(np.float64), rng.integers(-9, 10, (lanes, r, r)).astype(np.float32)
        want = np.einsum("ia,lab,jb->ijl", g, w.astype(np.float64), g).reshape(n * n, lanes)
        assert np.array_equal(transform(isa, w, g, lanes), want)


@pytest.mark.parametrize("shape", [(9, 3), (4, 8)])
def test_no_room(isa, shape):
    with pytest.raises(ValueError, match="no room for"):
        transform(isa, np.ones((1, shape[1], shape[1]), np.float32), np.ones(shape), 1)
