"""Interpolation: places and weights by hand, agreement with PyTorch, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch.nn.functional as F

from cyconv.ops.resize import resize_table, round_places, source_places

from .helpers import EPS, assert_same, assert_within, refuses, run, tensor

BASE = {"dims": (2, 3), "size": (7, 3), "scales": None, "mode": "linear", "coordinates": "half_pixel", "rounding": "floor"}


def test_places():
    assert source_places(4, 8, None, "half_pixel").tolist() == [-0.25, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.25]
    assert source_places(4, 8, 2.0, "asymmetric").tolist() == [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5]
    assert source_places(4, 7, None, "align_corners").tolist() == [0, 0.5, 1, 1.5, 2, 2.5, 3]
    assert source_places(4, 1, None, "align_corners").tolist() == [0]
    assert source_places(4, 1, None, "pytorch_half_pixel").tolist() == [0]
    assert source_places(4, 1, None, "half_pixel").tolist() == [1.5]
    assert source_places(4, 2, None, "tf_half_pixel_for_nn").tolist() == [1, 3]
    # 1.2 of the output's 5 cells are cut off; the centres coincide
    symmetric = source_places(10, 3, 0.38, "half_pixel_symmetric")
    assert abs(symmetric[1] - 4.5) < 10 * EPS and symmetric[0] + symmetric[2] == pytest.approx(9, abs=20 * EPS)


def test_halves_stay_halves_without_a_scale():
    for size in range(1, 60):
        for out in range(1, 60):
            x = source_places(size, out, None, "half_pixel")
            exact = [((2 * i + 1) * size - out) / (2 * out) for i in range(out)]
            ties = [i for i in range(out) if ((2 * i + 1) * size) % (2 * out) == 0]
            assert np.allclose(x, exact, atol=1e-12)
            assert all(x[i] + 0.5 == round(x[i] + 0.5) for i in ties)


def test_rounding():
    x = np.array([-0.5, 0.4, 0.5, 0.6, 1.5, 2.0])
    wanted = {"round_prefer_floor": [-1, 0, 0, 1, 1, 2], "round_prefer_ceil": [0, 0, 1, 1, 2, 2], "floor": [-1, 0, 0, 0, 1, 2]}
    for rounding, want in (wanted | {"ceil": [0, 1, 1, 1, 2, 2]}).items():
        assert round_places(x, rounding).tolist() == want


def test_tables():
    assert resize_table(BASE | {"size": (4, 3)}, 0, 2) == ([0, 0, 0, 1], [1, 1, 1, 1], [0.0, 0.25, 0.75, 0.0])
    assert resize_table(BASE | {"size": (4, 3), "mode": "nearest"}, 0, 2) == ([0, 0, 0, 1], [0, 0, 0, 1], [0.0] * 4)


@pytest.mark.parametrize("align", [False, True])
def test_linear_agrees_with_pytorch(align):
    rng = np.random.default_rng(7)
    modes = {3: "linear", 4: "bilinear", 5: "trilinear"}
    for shape, size in [((2, 3, 5), (11,)), ((1, 2, 5, 7), (3, 16)), ((1, 2, 3, 4, 5), (5, 2, 7)), ((1, 1, 1, 1), (4, 3))]:
        x = rng.standard_normal(shape)
        attrs = BASE | {"dims": tuple(range(2, len(shape))), "size": size, "coordinates": "align_corners" if align else "half_pixel"}
        want = F.interpolate(tensor(x), size, mode=modes[len(shape)], align_corners=align)
        assert_within(run("interpolate", [x], attrs)[0], want, 100 * EPS * np.abs(x).max())


def test_nearest_agrees_with_pytorch():
    x = np.random.default_rng(8).standard_normal((2, 3, 5, 7))
    for size in [(10, 14), (3, 4), (5, 7), (1, 1), (7, 20)]:
        attrs = BASE | {"size": size, "mode": "nearest", "coordinates": "asymmetric"}
        assert_same(run("interpolate", [x], attrs)[0], F.interpolate(tensor(x), size, mode="nearest"))
        attrs["coordinates"] = "tf_half_pixel_for_nn"
        assert_same(run("interpolate", [x], attrs)[0], F.interpolate(tensor(x), size, mode="nearest-exact"))


def test_refusals():
    for change, match in [
        ({"mode": "cubic"}, "mode must be one of nearest, linear, got 'cubic'"),
        ({"coordinates": "tf_crop_and_resize"}, "coordinates must be one of half_pixel"),
        ({"rounding": "up"}, "rounding must be one of"),
        ({"size": (3,)}, "one entry for each of 2 dimensions"),
        ({"scales": (2.0,)}, "one entry for each of 2 dimensions"),
        ({"scales": (2.0, 0.0)}, "scales must be positive"),
        ({"scales": (2.0, float("inf"))}, "scales must be positive"),
        ({"dims": (2, 4)}, "dims must be different and in"),
        ({"size": (2**31 - 1, 2**31 - 1)}, "would take"),
    ]:
        refuses("interpolate", [(1, 2, 3, 4)], BASE | change, match)
    refuses("interpolate", [(1, 2, 0, 4)], BASE, "dimension 2 of input .* is empty")
