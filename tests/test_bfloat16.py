"""The rounding to bfloat16 that the documentation promises, against PyTorch's and by its definition."""

import numpy as np
import torch

from cyconv.bfloat16 import UNIT, rounded


def test_as_pytorch():
    """All magnitudes, ties, denormals, infinities."""
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 1 << 32, 100_000, np.uint32)
    ties = (rng.integers(0, 1 << 16, 1000, np.uint32) << np.uint32(16)) + np.uint32(0x8000)
    x = np.concatenate([bits, ties, ties - 1, ties + 1]).view(np.float32)
    x = np.concatenate([x[~np.isnan(x)], np.float32([0, -0.0, np.inf, -np.inf, 3.4e38, -3.4e38, 1e-45])])
    want = torch.from_numpy(x.copy()).bfloat16().float().numpy()
    assert np.array_equal(rounded(x).view(np.uint32), want.view(np.uint32))
    assert np.isinf(rounded(np.float32([3.4e38]))).all()


def test_nan_stays():
    x = np.array([0x7F800001, 0xFF800001, 0x7FC00000, 0x7FFFFFFF, 0xFFFFFFFF], np.uint32).view(np.float32)
    assert np.isnan(rounded(x)).all()


def test_unit_bounds_the_error_and_integers_are_exact():
    x = np.random.default_rng(1).standard_normal((50, 60)).astype(np.float32)
    error = np.abs(rounded(x).astype(np.float64) - x) / np.abs(x)
    assert 0.9 * UNIT < error.max() <= UNIT
    integers = np.arange(-256, 257, dtype=np.float32)
    assert np.array_equal(rounded(integers), integers) and rounded(np.float32([257]))[0] != 257
