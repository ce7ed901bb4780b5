"""Window tables of pools against a walk over all positions; what the blocked and the indexed pool share."""

import numpy as np
import pytest

from cyconv import functional as F
from cyconv.graph.lower_pool import clip_windows, padded_counts
from cyconv.ops import OPS
from tests.graph.helpers import integers
from tests.graph.test_lower import steps


def test_clip_windows():
    for size, kernel, stride, pad, dilation in np.ndindex(9, 5, 4, 3, 3):
        if not (size and kernel and stride and dilation):
            continue
        firsts, counts, step, whole_size = clip_windows(size, 5, kernel, stride, pad, dilation)
        assert (step, whole_size) == (dilation, size)
        for i, (first, count) in enumerate(zip(firsts, counts, strict=True)):
            whole = range(i * stride - pad, i * stride - pad + kernel * dilation, dilation)
            inside = [p for p in whole if 0 <= p < size]
            assert [first + k * dilation for k in range(count)] == inside
            assert first >= 0


def test_padded_counts():
    assert padded_counts(5, 4, 3, 2, (1, 1), 2) == [3, 3, 2, 1]
    assert padded_counts(5, 4, 3, 2, (1, 1), 1) == [3, 3, 3, 1]  # the last window of ceil mode hangs over the padding


def test_a_window_that_misses_the_image():
    """Ceil mode and dilation together: minus infinity, and PyTorch's index."""
    x = integers((1, 1, 8, 1), 1)
    y, index = F.max_pool2d(x, (2, 3), (3, 3), 1, 2, ceil_mode=True, return_indices=True)
    assert np.all(y == -np.inf) and index.ravel().tolist() == [2, 3, 6]
    assert np.array_equal(F.max_pool2d(x, (2, 3), (3, 3), 1, 2, ceil_mode=True), y)


@pytest.mark.parametrize("c", [1, 17, 40])
def test_fixed_and_adaptive_agree(c):
    x = integers((2, c, 12, 8), 1)
    assert np.array_equal(F.max_pool2d(x, (3, 2)), F.adaptive_max_pool2d(x, 4))
    assert np.array_equal(F.avg_pool2d(x, (3, 2)), F.adaptive_avg_pool2d(x, 4))
    assert np.array_equal(F.max_pool2d(x, 3, 2, 1), F.max_pool2d(x, 3, 2, 1, return_indices=True)[0])
    attrs = {"kernel": (3, 3), "stride": (1, 1), "padding": (1, 1, 1, 1), "dilation": (1, 1), "ceil_mode": False, "return_indices": True}
    want = OPS["max_pool2d"].reference([x], attrs)
    for got, w in zip(F.max_pool2d(x, 3, 1, 1, return_indices=True), want, strict=True):
        assert np.array_equal(got, w)


def test_layouts():
    assert steps(lambda x: F.max_pool2d(F.avg_pool2d(x, 2), 2), (1, 3, 8, 8)) == ["relayout", "avg_pool2d", "max_pool2d", "relayout"]
    assert steps(lambda x: F.max_pool2d(x, 2, return_indices=True), (1, 3, 8, 8)) == ["max_pool2d"]
