"""Initial values: their distributions, and that a seed gives them again."""

from __future__ import annotations

import copy
import math
import threading

import numpy as np
import pytest

from cyconv import nn
from cyconv.nn import init

NUMBERS = 20000
# Five standard deviations of a mean of so many numbers with standard deviation 1.
MARGIN = 5 / math.sqrt(NUMBERS)


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Linear(8, 4))


def test_a_seed_gives_the_same_network():
    init.manual_seed(5)
    first, other = network(), network()
    init.manual_seed(5)
    again = network()
    for name, array in first.state_dict().items():
        np.testing.assert_array_equal(array, again.state_dict()[name], strict=True)
    assert not np.array_equal(first[0].weight, other[0].weight)


@pytest.mark.parametrize(
    "array", [init.full((2, 3), 0.5), init.uniform((2, 3)), init.normal((2, 3)), init.trunc_normal((2, 3)), init.kaiming_uniform((2, 3))]
)
def test_arrays_are_as_modules_keep_them(array):
    assert array.dtype == np.float32
    assert array.shape == (2, 3)
    assert array.flags.c_contiguous and array.flags.owndata and not array.flags.writeable
    module = nn.Module()
    module.register_parameter("weight", array)
    assert module.weight is array


def test_uniform():
    x = init.uniform((NUMBERS,), -2.0, 4.0)
    assert -2 <= x.min() < -1.9 and 3.9 < x.max() <= 4
    assert abs(x.mean() - 1) < MARGIN * 6 / math.sqrt(12)


def test_normal():
    x = init.normal((NUMBERS,), 3.0, 0.5)
    assert abs(x.mean() - 3) < MARGIN * 0.5
    assert abs(x.std() / 0.5 - 1) < MARGIN


def test_trunc_normal():
    x = init.trunc_normal((NUMBERS // 2, 2), std=0.01)
    assert abs(x.std() / 0.01 - 1) < MARGIN
    x = init.trunc_normal((NUMBERS,), 1.0, 2.0, 0.0, 1.5)
    assert 0 <= x.min() and x.max() <= 1.5
    # Almost flat between bounds so narrow: the share below 1 is Φ(0) - Φ(-0.5) of Φ(0.25) - Φ(-0.5).
    share = (0.5 - 0.30854) / (0.59871 - 0.30854)
    assert abs((x < 1).mean() - share) < MARGIN
    for bounds in ((3, 2), (50, 60)):
        with pytest.raises(ValueError, match="trunc_normal"):
            init.trunc_normal((3,), 0.0, 1.0, *bounds)


def test_kaiming_uniform():
    assert init.fan_in((8, 3, 5, 5)) == 75
    for a, bound in ((math.sqrt(5), 1 / math.sqrt(75)), (0.0, math.sqrt(6 / 75))):
        x = init.kaiming_uniform((800, 3, 5, 5), a)
        assert 0.99 * bound < np.abs(x).max() <= bound * (1 + 1e-6)
    assert init.kaiming_uniform((0, 3)).shape == (0, 3)
    assert init.kaiming_uniform((3, 0)).shape == (3, 0)


def test_drawing_in_threads_repeats_no_number():
    init.manual_seed(1)
    drawn = []
    threads = [threading.Thread(target=lambda: drawn.append(init.normal((5000,)))) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(drawn) == 4
    for i, a in enumerate(drawn):
        for b in copy.copy(drawn)[i + 1 :]:
            assert abs(np.corrcoef(a, b)[0, 1]) < 5 / math.sqrt(5000)
