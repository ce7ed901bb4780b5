"""The float64 references of three-dimensional and p-norm pooling against PyTorch, and what goes beyond PyTorch against plain loops."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from cyconv.ops import OPS
from cyconv.ops.pool import index_strides

from .helpers import EPS, assert_same, assert_within, both_or_neither, refuses, run, tensor

PLAIN = {"ceil_mode": False, "return_indices": True, "count_include_pad": True, "divisor_override": None}


def random_volume(rng: np.random.Generator) -> tuple[np.ndarray, dict]:
    """A volume of few distinct values, so that there are ties, and attributes with padding that PyTorch allows."""
    x = rng.integers(-3, 4, (int(rng.integers(0, 3)), int(rng.integers(1, 3)), *rng.integers(1, 8, 3))).astype(float)
    kernel, stride = (tuple(map(int, rng.integers(1, 4, 3))) for _ in range(2))
    pads = [int(rng.integers(0, k // 2 + 1)) for k in kernel]
    padding = tuple(p for p in pads for _ in range(2))
    return x, PLAIN | {"kernel": kernel, "stride": stride, "padding": padding, "ceil_mode": bool(rng.random() < 0.5)}


def window(attrs: dict) -> tuple:
    return attrs["kernel"], attrs["stride"], attrs["padding"][::2]


def test_max_pool3d_agrees_with_pytorch():
    rng, computed = np.random.default_rng(1), 0
    for _ in range(200):
        x, attrs = random_volume(rng)
        attrs["dilation"] = tuple(map(int, rng.integers(1, 3, 3)))
        for value in (np.nan, -np.inf):
            x[rng.random(x.shape) < 0.05] = value
        found = both_or_neither(
            lambda x=x, a=attrs: F.max_pool3d(tensor(x), *window(a), a["dilation"], a["ceil_mode"], return_indices=True),
            lambda x=x, a=attrs: run("max_pool3d", [x], a),
        )
        if found is not None:
            computed += 1
            for want, got in zip(*found, strict=True):
                assert_same(got, want, (x.shape, attrs))
    assert computed > 60


def test_avg_pool3d_agrees_with_pytorch():
    rng, computed = np.random.default_rng(2), 0
    for _ in range(200):
        x, attrs = random_volume(rng)
        attrs |= {"count_include_pad": bool(rng.random() < 0.5), "divisor_override": [None, 3, -2][rng.integers(3)]}
        if any(size < k for size, k in zip(x.shape[2:], attrs["kernel"], strict=True)):
            continue  # PyTorch's avg_pool3d, unlike its max_pool3d, does not count the padding here
        found = both_or_neither(
            lambda x=x, a=attrs: F.avg_pool3d(tensor(x), *window(a), a["ceil_mode"], a["count_include_pad"], a["divisor_override"]),
            lambda x=x, a=attrs: run("avg_pool3d", [x], a)[0],
        )
        if found is not None:
            computed += 1
            size = np.abs(OPS["avg_pool3d"].reference([np.abs(x)], attrs)[0])
            assert_within(found[1], found[0], 2 * np.prod(attrs["kernel"]) * EPS * size, (x.shape, attrs))
    assert computed > 100


@pytest.mark.parametrize("p", [1, 2, 3, 4, 1.5])
@pytest.mark.parametrize("ceil_mode", [False, True])
def test_lp_pools_agree_with_pytorch(p, ceil_mode):
    rng = np.random.default_rng(3)
    for shape, kernel, stride in [((2, 3, 7, 8), (3, 2), (2, 3)), ((1, 2, 5, 5), (2, 2), (2, 2)), ((1, 2, 5, 6, 7), (2, 3, 2), (2, 2, 3))]:
        x = rng.random(shape) * rng.integers(1, 9, shape)
        attrs = {"kernel": kernel, "stride": stride, "padding": (0, 0) * len(kernel), "ceil_mode": ceil_mode}
        attrs |= {"norm_type": p, "absolute": False, "rescale": True}
        name = f"lp_pool{len(kernel)}d"
        want = getattr(F, name)(tensor(x), p, kernel, stride, ceil_mode)
        got = run(name, [x], attrs)[0]
        assert_within(got, want, 20 * np.prod(kernel) * EPS * got)
        assert_within(run(name, [-x], attrs | {"absolute": True})[0], got, 0.0)
        assert np.isnan(run(name, [-x], attrs)[0]).all() == (p in (3, 1.5))


def walk(x: np.ndarray, attrs: dict):
    """(place, positions of the window's cells inside the input, cells inside the padded input) of every output."""
    out = OPS["max_pool3d" if x.ndim == 5 else "max_pool2d"].infer([x.shape], PLAIN | attrs)[0][2:]
    for place in np.ndindex(*out):
        axes = []
        padded = 1
        for a, i in enumerate(place):
            before, after = attrs["padding"][2 * a : 2 * a + 2]
            cells = [i * attrs["stride"][a] - before + k * attrs["dilation"][a] for k in range(attrs["kernel"][a])]
            padded *= sum(c < x.shape[2 + a] + after for c in cells)
            axes.append([c for c in cells if 0 <= c < x.shape[2 + a]])
        yield place, list(itertools.product(*axes)), padded


BEYOND = [
    ((2, 3, 5, 6), {"kernel": (3, 3), "stride": (1, 2), "padding": (2, 2, 0, 2), "dilation": (1, 1)}),
    ((1, 2, 6, 7), {"kernel": (2, 3), "stride": (2, 1), "padding": (1, 0, 2, 1), "dilation": (2, 3)}),
    ((1, 2, 4, 5, 6), {"kernel": (2, 2, 3), "stride": (2, 3, 2), "padding": (1, 2, 0, 1, 2, 0), "dilation": (2, 1, 2)}),
]


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize(("shape", "attrs"), BEYOND)
def test_wide_padding_and_dilated_averages(shape, attrs, ceil_mode):
    x = np.random.default_rng(4).integers(-9, 9, shape).astype(float)
    attrs = attrs | {"ceil_mode": ceil_mode}
    rank = len(shape) - 2
    best = run(f"max_pool{rank}d", [x], PLAIN | attrs)[0]
    means = [run(f"avg_pool{rank}d", [x], PLAIN | attrs | {"count_include_pad": flag})[0] for flag in (True, False)]
    norm = run(f"lp_pool{rank}d", [x], attrs | {"norm_type": 1, "absolute": True, "rescale": False})[0]
    for place, cells, padded in walk(x, attrs):
        values = np.stack([x[(..., *c)] for c in cells]) if cells else np.empty((0, *shape[:2]))
        assert_same(best[(..., *place)], values.max(axis=0, initial=-np.inf))
        assert_same(means[0][(..., *place)], values.sum(axis=0) / padded)
        assert_same(norm[(..., *place)], np.abs(values).sum(axis=0))
        if cells:
            assert_same(means[1][(..., *place)], values.sum(axis=0) / len(cells))
        else:
            assert np.isnan(means[1][(..., *place)]).all()


@pytest.mark.parametrize(("shape", "attrs"), BEYOND)
def test_index_orders(shape, attrs):
    """ONNX's indices count in the whole tensor, in row-major or column-major order of the spatial axes."""
    x = np.random.default_rng(5).permutation(np.prod(shape)).reshape(shape).astype(float)
    name = f"max_pool{len(shape) - 2}d"
    best = run(name, [x], PLAIN | attrs)[0]
    inside = best > -np.inf
    row = run(name, [x], PLAIN | attrs | {"index_order": "row"})[1]
    assert_same(x.ravel()[row[inside]], best[inside])
    column = run(name, [x], PLAIN | attrs | {"index_order": "column"})[1]
    turned = x.transpose(0, 1, *range(x.ndim - 1, 1, -1)).ravel()
    assert_same(turned[column[inside]], best[inside])
    assert index_strides((4, 5, 6), "column") == (120, 1, 4, 20)
    assert index_strides((4, 5, 6), "row") == (120, 30, 6, 1)
    assert index_strides((5, 6), "plane") == (0, 6, 1)


@pytest.mark.parametrize("size", [(1, 1, 1), (2, 3, 4), (5, 6, 7), (7, 2, 9), (0, 2, 3)])
@pytest.mark.parametrize("shape", [(2, 3, 5, 6, 7), (0, 2, 4, 4, 4), (1, 1, 1, 1, 1)])
def test_adaptive_pools_agree_with_pytorch(shape, size):
    rng = np.random.default_rng(6)
    x = rng.integers(-2, 3, shape).astype(float)
    attrs = {"output_size": size, "return_indices": True}
    mean = run("adaptive_avg_pool3d", [x], attrs)[0]
    bound = 2 * np.prod(shape[2:]) * EPS * OPS["adaptive_avg_pool3d"].reference([np.abs(x)], attrs)[0]
    assert_within(mean, F.adaptive_avg_pool3d(tensor(x), size), bound)
    x[rng.random(shape) < 0.03] = np.nan
    best, index = run("adaptive_max_pool3d", [x], attrs)
    if x.size and 0 not in size:
        want, want_index = F.adaptive_max_pool3d(tensor(x), size, return_indices=True)
        assert_same(best, want)
        assert_same(index, want_index)


def test_refusals():
    attrs = PLAIN | {"kernel": (2, 2, 2), "stride": (2, 2, 2), "padding": (0,) * 6, "dilation": (1, 1, 1)}
    refuses("max_pool3d", [(1, 2, 8, 8)], attrs, r"max_pool3d: expected 5D input \[N, C, D, H, W\]")
    refuses("avg_pool3d", [(1, 2, 1, 8, 8)], attrs, "Output size is too small")
    refuses("max_pool3d", [(1, 2, 8, 8, 8)], attrs | {"padding": (0, 0, 0, 0)}, r"padding must be \(front, back, top")
    refuses("max_pool3d", [(1, 2, 8, 8, 8)], attrs | {"kernel": (2, 2)}, "kernel_size must be an int or three ints, got 2 entries")
    refuses("max_pool3d", [(1, 2, 8, 8, 8)], attrs | {"index_order": "odd"}, "index_order must be one of plane, row, column")
    for p in (0, -1, np.inf, np.nan):
        refuses("lp_pool3d", [(1, 2, 8, 8, 8)], attrs | {"norm_type": p, "absolute": True, "rescale": False}, "norm_type must be positive")
    with pytest.raises(RuntimeError):
        F.max_pool3d(torch.zeros(1, 2, 1, 8, 8), 2)
