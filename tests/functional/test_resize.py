"""interpolate against PyTorch: every mode, sizes and scale factors, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch.nn.functional as T

import cyconv.functional as F

from .helpers import EPS, assert_same, assert_within, both_refuse, check_arrays, double, normal, recorded, single

LINEAR = {3: "linear", 4: "bilinear", 5: "trilinear"}
CASES = [
    ((2, 3, 5), {"size": 12}),
    ((2, 3, 5), {"size": (3,)}),
    ((2, 19, 5, 7), {"size": (10, 14)}),
    ((1, 3, 5, 7), {"size": 4}),
    ((1, 3, 5, 7), {"scale_factor": 2}),
    ((1, 3, 5, 7), {"scale_factor": (3.0, 0.5)}),
    ((1, 3, 8, 8), {"scale_factor": 1.5}),
    ((1, 3, 8, 8), {"scale_factor": 1.3, "recompute_scale_factor": True}),
    ((0, 3, 4, 4), {"size": (2, 9)}),
    ((1, 2, 3, 4, 5), {"scale_factor": 2.0}),
    ((1, 2, 3, 4, 5), {"size": (5, 2, 5)}),
]


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
@pytest.mark.parametrize(("shape", "options"), CASES)
def test_nearest(shape, options, mode):
    x = normal(*shape)
    assert_same(F.interpolate(x, **options, mode=mode), T.interpolate(single(x), **options, mode=mode))


@pytest.mark.parametrize("align", [None, False, True])
@pytest.mark.parametrize(("shape", "options"), CASES)
def test_linear(shape, options, align):
    x = normal(*shape)
    options = {**options, "mode": LINEAR[len(shape)], "align_corners": align}
    assert_within(F.interpolate(x, **options), T.interpolate(double(x), **options), 12 * EPS * np.abs(x).max(initial=0))


def test_refusals():
    x = normal(1, 2, 4, 4)
    t = single(x)
    for options, match in [
        ({}, "either size or scale_factor"),
        ({"size": 2, "scale_factor": 2}, "either size or scale_factor"),
        ({"size": (2, 2, 2)}, "one entry for each of 2"),
        ({"size": 2, "mode": "linear"}, "takes 3 dimensions"),
        ({"size": 2, "mode": "trilinear"}, "takes 5 dimensions"),
        ({"size": 2, "align_corners": True}, "align_corners option can only be set"),
        ({"scale_factor": 0.1}, "greater than 0"),
        ({"size": 2, "recompute_scale_factor": True}, "not meaningful with an explicit size"),
        ({"size": 2, "mode": "box"}, "mode must be one of nearest"),
    ]:
        both_refuse(lambda: F.interpolate(x, **options), lambda: T.interpolate(t, **options), match)
    for options, match in [({"mode": "bicubic"}, "mode must be one of"), ({"antialias": True, "mode": "bilinear"}, "antialias")]:
        with pytest.raises(ValueError, match=match):
            F.interpolate(x, 2, **options)


def test_arrays_are_checked_and_kept():
    check_arrays(lambda x: F.interpolate(x, 5), ["input"], normal(1, 2, 3))


def test_trace():
    ((op, attrs),) = recorded(lambda x: F.interpolate(x, scale_factor=2), (1, 2, 3, 3))
    assert op == "interpolate" and attrs["size"] == (6, 6) and attrs["scales"] == (2.0, 2.0)
