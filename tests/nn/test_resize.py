"""Upsampling layers against PyTorch's."""

from __future__ import annotations

import pytest

from ..functional.helpers import EPS, assert_within, double, normal
from .helpers import build

CASES = [
    ("Upsample", {"size": 9}),
    ("Upsample", {"scale_factor": 2}),
    ("Upsample", {"scale_factor": (2.0, 1.5), "mode": "bilinear"}),
    ("Upsample", {"size": (7, 5), "mode": "bilinear", "align_corners": True}),
    ("UpsamplingNearest2d", {"scale_factor": 3}),
    ("UpsamplingBilinear2d", {"size": (8, 9)}),
]


@pytest.mark.parametrize(("name", "options"), CASES)
def test_layer(name, options):
    ours, theirs = build(name, **options)
    x = normal(2, 3, 4, 6)
    assert_within(ours(x), theirs.double()(double(x)), 16 * EPS * 4)
