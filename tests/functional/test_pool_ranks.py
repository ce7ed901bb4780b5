"""Pooling of signals and volumes, and p-norm pooling, against PyTorch; attributes beyond PyTorch against the references."""

from __future__ import annotations

import numpy as np
import pytest
import torch.nn.functional as T

import cyconv.functional as F
from cyconv.graph.compile import compile_function
from cyconv.graph.trace import apply
from cyconv.ops import OPS

from .helpers import EPS, absolute, assert_same, assert_within, both_refuse, check_arrays, double, normal, recorded, single, small_integers

SHAPES = {1: [(2, 3, 9), (17, 20), (0, 2, 8), (1, 1, 5)], 3: [(2, 3, 5, 6, 7), (17, 4, 5, 6), (0, 2, 4, 4, 4), (1, 33, 3, 5, 4)]}
WINDOWS = {
    1: [{"kernel_size": 2}, {"kernel_size": (3,), "stride": 2, "padding": 1}, {"kernel_size": 5, "stride": (1,), "padding": (2,)}],
    3: [
        {"kernel_size": 2},
        {"kernel_size": 3, "stride": 1, "padding": 1},
        {"kernel_size": (1, 3, 2), "stride": (1, 2, 2), "padding": (0, 1, 0)},
        {"kernel_size": (3, 1, 2), "stride": (2, 1, 1), "padding": (1, 0, 1)},
    ],
}
RANKS = [(rank, shape, window) for rank in (1, 3) for shape in SHAPES[rank] for window in WINDOWS[rank]]


@pytest.mark.parametrize("more", [{}, {"ceil_mode": True}, {"dilation": 2, "kernel_size": 2, "padding": 1}])
@pytest.mark.parametrize(("rank", "shape", "window"), RANKS)
def test_max_pool(rank, shape, window, more):
    options, x, name = window | more, small_integers(*shape), f"max_pool{rank}d"
    got, index = getattr(F, name)(x, **options, return_indices=True)
    want, want_index = getattr(T, name)(single(x), **options, return_indices=True)
    assert_same(got, want)
    assert_same(index, want_index)
    assert_same(getattr(F, name)(x, **options), want)


@pytest.mark.parametrize("more", [{}, {"ceil_mode": True}, {"count_include_pad": False}, {"divisor_override": 3}])
@pytest.mark.parametrize(("rank", "shape", "window"), RANKS)
def test_avg_pool(rank, shape, window, more):
    if rank == 1 and "divisor_override" in more:
        more = {"ceil_mode": True, "count_include_pad": False}
    options, x, name = window | more, normal(*shape), f"avg_pool{rank}d"
    theirs = getattr(T, name)
    assert_within(getattr(F, name)(x, **options), theirs(double(x), **options), 30 * EPS * theirs(absolute(x), **options))


@pytest.mark.parametrize("p", [1, 2, 3.0, 2.5, np.inf])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_lp_pool(rank, p):
    x = np.abs(normal(2, 17, *(7, 6, 5)[:rank])) if p < np.inf else normal(2, 17, *(7, 6, 5)[:rank])
    for options in ({"kernel_size": 2}, {"kernel_size": 3, "stride": 2}, {"kernel_size": 2, "ceil_mode": True}):
        want = getattr(T, f"lp_pool{rank}d")(double(x), p, **options)
        # The sum's rounding, and p times that of x^p within it, shrink by the root; pow itself is within an ulp or two.
        assert_within(getattr(F, f"lp_pool{rank}d")(x, p, **options), want, (3 ** (rank + 1) + 8) * EPS * want)


def test_lp_pool_keeps_signs_as_pytorch():
    x = normal(2, 3, 8, 8)
    assert_same(F.lp_pool2d(small_integers(2, 3, 8, 8), 1, 2), T.lp_pool2d(single(small_integers(2, 3, 8, 8)), 1.0, 2))
    assert np.array_equal(np.isnan(F.lp_pool2d(x, 3, 2)), np.isnan(T.lp_pool2d(double(x), 3.0, 2).numpy()))
    assert np.isnan(F.lp_pool2d(x, 3, 2)).any()


@pytest.mark.parametrize(("rank", "shape"), [(rank, shape) for rank in (1, 3) for shape in SHAPES[rank]])
def test_adaptive_pools(rank, shape):
    for size in (1, 2, (None, 2, None) if rank == 3 else (7,), (4, 5, 3)[:rank]):
        x = normal(*shape)
        theirs = getattr(T, f"adaptive_avg_pool{rank}d")
        bound = (np.prod(shape[-rank:]) + 1) * EPS * theirs(absolute(x), size)
        assert_within(getattr(F, f"adaptive_avg_pool{rank}d")(x, size), theirs(double(x), size), bound)
        x = small_integers(*shape)
        if 0 in shape:
            continue  # PyTorch refuses an empty batch in three dimensions
        got, index = getattr(F, f"adaptive_max_pool{rank}d")(x, size, return_indices=True)
        want, want_index = getattr(T, f"adaptive_max_pool{rank}d")(single(x), size, return_indices=True)
        assert_same(got, want)
        assert_same(index, want_index)
        assert_same(getattr(F, f"adaptive_max_pool{rank}d")(x, size), want)


def test_nan_and_infinity():
    x = small_integers(2, 17, 4, 6, 5)
    x[0, 0, 1, 2, 3], x[1, 3, :2], x[1, 16, 3, 5, 4] = np.nan, -np.inf, np.inf
    got, want = F.max_pool3d(x, 3, 2, 1, return_indices=True), T.max_pool3d(single(x), 3, 2, 1, return_indices=True)
    assert_same(got[0], want[0])
    assert_same(got[1], want[1])
    assert_same(F.max_pool3d(x, 3, 1, 1), T.max_pool3d(single(x), 3, 1, 1))
    assert_same(F.avg_pool3d(x, 2), T.avg_pool3d(single(x), 2))


def test_chains_stay_in_blocks():
    """Element-wise ops, concatenation and pools of volumes follow each other without a relayout, and give what they give alone."""
    x = small_integers(2, 32, 6, 5, 4)

    def chain(x):
        y = F.max_pool3d(F.relu(F.avg_pool3d(x, 1)), 2)
        return F.adaptive_avg_pool3d(F.cat([y, y + y], 1), (3, 1, 2))

    plan = compile_function(chain, [x.shape], ["x"], 2)
    assert [s["op"] for s in plan.steps()].count("relayout") <= 4  # in, out, and into the concatenation
    y = np.maximum(x, 0).reshape(2, 32, 3, 2, 5, 4)[..., :4, :].max(3).reshape(2, 32, 3, 2, 2, 2, 2).max((4, 6))
    y = np.concatenate([y, y + y], 1).reshape(2, 64, 3, 2, 2).sum(3, keepdims=True) / np.float32(2)
    np.testing.assert_array_equal(plan(x), y)


@pytest.mark.parametrize("order", ["plane", "row", "column"])
@pytest.mark.parametrize("shape", [(2, 3, 5, 6), (2, 3, 4, 5, 6)])
def test_what_goes_beyond_pytorch(shape, order):
    """As ONNX has them: padding wider than half of the kernel, averages with dilation, p-norms of magnitudes, indices into the tensor."""
    rank, x = len(shape) - 2, small_integers(*shape)
    window = {
        "kernel": (3, 2, 3)[:rank],
        "stride": (1, 2, 1)[:rank],
        "padding": (2, 1, 1, 2, 0, 2)[: 2 * rank],
        "dilation": (1, 2, 1)[:rank],
    }
    for name, attrs in (
        ("max_pool", {"ceil_mode": True, "return_indices": True, "index_order": order}),
        ("avg_pool", {"ceil_mode": True, "count_include_pad": order == "row", "divisor_override": None}),
        ("lp_pool", {"ceil_mode": False, "norm_type": 1, "absolute": True, "rescale": False}),
    ):
        op, attrs = f"{name}{rank}d", window | attrs
        got = compile_function(lambda x, op=op, a=attrs: tuple(apply(op, [x], a)), [shape], ["x"], 2)(x)
        for y, want in zip(got, OPS[op].reference([x.astype(np.float64)], attrs), strict=True):
            np.testing.assert_array_equal(y, want.astype(y.dtype), strict=True)


def test_asymmetric_padding():
    x = small_integers(2, 3, 6)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 0)), constant_values=-np.inf)
    np.testing.assert_array_equal(F.max_pool1d(x, 2, padding=((1, 0),)), F.max_pool1d(padded, 2), strict=True)
    x = small_integers(2, 3, 4, 4, 4)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 0), (0, 1), (1, 1)))
    np.testing.assert_array_equal(F.avg_pool3d(x, 2, padding=((1, 0), (0, 1), (1, 1))), F.avg_pool3d(padded, 2), strict=True)


def test_arrays_are_checked_and_kept():
    for rank in (1, 3):
        x = normal(2, 3, *(5, 6, 7)[:rank])
        for name in ("max_pool", "avg_pool", "adaptive_avg_pool", "adaptive_max_pool"):
            check_arrays(lambda x, name=f"{name}{rank}d": getattr(F, name)(x, 2), ["input"], x)
        check_arrays(lambda x, name=f"lp_pool{rank}d": getattr(F, name)(x, 2, 2), ["input"], x)


REFUSED = [
    ((8,), {"kernel_size": 2}, "pool.d.*input.*size"),
    ((1, 2, 3, 4, 5, 6), {"kernel_size": 2}, "pool.d.*input.*size"),
    ("ok", {"kernel_size": 0}, "kernel_size"),
    ("ok", {"kernel_size": (2, 2)}, "kernel_size"),
    ("ok", {"kernel_size": 2.5}, "kernel_size"),
    ("ok", {"kernel_size": 30}, "[Oo]utput size"),
    ("ok", {"kernel_size": 3, "padding": 2}, "half of kernel"),
    ("ok", {"kernel_size": 3, "padding": -1}, "padding"),
    ("ok", {"kernel_size": 3, "stride": 0}, "stride"),
]


@pytest.mark.parametrize("name", ["max_pool1d", "avg_pool1d", "max_pool3d", "avg_pool3d"])
@pytest.mark.parametrize(("shape", "options", "match"), REFUSED)
def test_refusals(name, shape, options, match):
    x = normal(*((1, 3, *(8, 8, 8)[: int(name[-2])]) if shape == "ok" else shape))
    both_refuse(lambda: getattr(F, name)(x, **options), lambda: getattr(T, name)(single(x), **options), match)


def test_more_refusals():
    x = normal(1, 3, 8)
    with pytest.raises(ValueError, match="norm_type must be positive"):
        F.lp_pool1d(x, 0, 2)
    with pytest.raises(TypeError, match="norm_type must be a number"):
        F.lp_pool1d(x, "2", 2)
    with pytest.raises(ValueError, match=r"lp_pool3d.*input.*size"):
        F.lp_pool3d(x, 2, 2)
    both_refuse(lambda: F.adaptive_avg_pool1d(x, (1, 2)), lambda: T.adaptive_avg_pool1d(single(x), (1, 2)), "output_size")


def test_trace():
    ops = recorded(lambda x: F.max_pool1d(x, 3, 2, 1), (1, 3, 8))
    assert [op for op, _ in ops] == ["reshape", "max_pool2d", "reshape"]
    assert ops[1][1]["kernel"] == (1, 3) and ops[1][1]["stride"] == (1, 2) and ops[1][1]["padding"] == (0, 0, 1, 1)
    assert [op for op, _ in recorded(lambda x: F.adaptive_avg_pool3d(x, 1), (1, 3, 8, 8, 8))] == ["adaptive_avg_pool3d"]
