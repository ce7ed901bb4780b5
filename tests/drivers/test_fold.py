"""Batch normalisation's parameters as scale and shift, against float64."""

import numpy as np
import pytest

from cyconv._kernels.fold import FoldNorm
from cyconv._kernels.program import Memory, Program
from tests.drivers.places import FILL, place
from tests.guard import flush, guarded


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("channels", [1, 16, 37])
def test_fold(channels, threads):
    rng = np.random.default_rng(channels)
    mean, gamma, beta = rng.standard_normal((3, channels)).astype(np.float32)
    var, padded, eps = rng.random(channels).astype(np.float32), -(-channels // 16) * 16, 1e-5
    places = [place(i, (1, 1, 1, channels), 1) for i in range(2, 6)] + [place(i, (1, 1, 1, padded), 1) for i in (6, 7)]
    scale, shift = guarded(padded), guarded(padded, "start")
    scale[:] = shift[:] = FILL
    step = FoldNorm(*places, channels, padded, eps)
    Program([step], 0, Memory(0)).run([*(flush(v) for v in (mean, var, gamma, beta)), scale, shift], 2, threads)
    exact = gamma.astype(np.float64) / np.sqrt(var.astype(np.float64) + eps)
    assert np.array_equal(scale[:channels], exact.astype(np.float32))
    assert np.array_equal(shift[:channels], (beta - mean * exact).astype(np.float32))
    assert not scale[channels:].any() and not shift[channels:].any()
