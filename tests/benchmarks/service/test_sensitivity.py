"""A slowdown far above the noise is named at its commit, one far below or none at all is not."""

import pytest

from tests.benchmarks.service.sensitivity import share


@pytest.mark.parametrize(("noise", "slowdown", "expected"), [(0.002, 0.1, 1.0), (0.01, 0.3, 1.0), (0.02, 0.02, 0.0), (0.01, 0, 0.0)])
def test_large_ones_are_found_and_small_ones_are_not(noise: float, slowdown: float, expected: float):
    assert share(noise, slowdown, 5) == expected
