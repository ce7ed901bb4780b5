"""conv3d and the transposed convolutions against PyTorch: exact on small integers, within rounding on others."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as T

import cyconv.functional as F

from .helpers import EPS, absolute, assert_same, assert_within, both_refuse, check_arrays, double, normal, recorded, single, small_integers

# The usual upsampling layers, then odd ones: rank, input channels, weight, options
TRANSPOSED = [
    (2, 20, (20, 12, 2, 2), {"stride": 2}),
    (2, 20, (20, 12, 4, 4), {"stride": 2, "padding": 1}),
    (2, 20, (20, 12, 3, 3), {"stride": 2, "padding": 1, "output_padding": 1}),
    (2, 5, (5, 1, 4, 4), {"stride": 2, "padding": 1, "groups": 5}),
    (2, 6, (6, 2, 3, 1), {"stride": (3, 2), "padding": (2, 0), "groups": 3, "dilation": (2, 1)}),
    (2, 3, (3, 4, 1, 1), {"stride": 3, "output_padding": 2}),
    (1, 17, (17, 9, 4), {"stride": 2, "padding": 1}),
    (1, 4, (4, 3, 5), {"stride": (3,), "dilation": (2,), "output_padding": (2,)}),
    (3, 18, (18, 5, 2, 2, 2), {"stride": 2}),
    (3, 3, (3, 4, 4, 3, 2), {"stride": (2, 1, 2), "padding": (1, 1, 0), "output_padding": (1, 0, 1)}),
    (3, 4, (4, 1, 3, 3, 3), {"stride": 2, "padding": 1, "groups": 4}),
]


def one(rank: int, channels: int, batch: int = 2) -> np.ndarray:
    return small_integers(batch, channels, *(5, 7, 4)[:rank], seed=1)


@pytest.mark.parametrize(("rank", "channels", "weight", "options"), TRANSPOSED)
@pytest.mark.parametrize("biased", [False, True])
def test_conv_transpose(rank, channels, weight, options, biased):
    x, w, name = one(rank, channels), small_integers(*weight, seed=2), f"conv_transpose{rank}d"
    b = small_integers(weight[1] * options.get("groups", 1), seed=3) if biased else None
    theirs = getattr(T, name)(single(x), single(w), None if b is None else single(b), **options)
    assert_same(getattr(F, name)(x, w, b, **options), theirs)
    assert_same(getattr(F, name)(x[0], w, b, **options), theirs[0])
    empty = getattr(F, name)(x[:0], w, b, **options)
    assert empty.shape == (0, *theirs.shape[1:])


@pytest.mark.parametrize("name", ["conv_transpose2d", "conv_transpose3d", "conv3d"])
def test_within_rounding(name):
    rank = int(name[-2])
    x, w = normal(2, 30, *(6, 7, 5)[:rank]), normal(30, 30, *(3, 4, 2)[:rank], seed=1)
    bound = w[0].size * EPS * getattr(T, name)(absolute(x), absolute(w), stride=2)
    assert_within(getattr(F, name)(x, w, stride=2), getattr(T, name)(double(x), double(w), stride=2), bound)


CONV3D = [
    (20, (12, 20, 3, 3, 3), {"padding": 1}),
    (3, (7, 3, 3, 2, 3), {"stride": 2, "padding": (1, 0, 1)}),
    (17, (5, 17, 1, 1, 1), {"stride": (1, 2, 1)}),
    (6, (6, 1, 3, 3, 2), {"padding": "same", "groups": 6}),
    (6, (9, 2, 2, 2, 2), {"dilation": (2, 1, 3), "groups": 3}),
    (4, (5, 4, 2, 3, 1), {"padding": ((1, 0), (2, 1), (0, 0)), "dilation": (1, 2, 1)}),
    (2, (3, 2, 3, 3, 3), {"padding": 5, "stride": 3, "dilation": 2}),
]


@pytest.mark.parametrize(("channels", "weight", "options"), CONV3D)
def test_conv3d(channels, weight, options):
    x, w, b = one(3, channels), small_integers(*weight, seed=2), small_integers(weight[0], seed=3)
    given, theirs = dict(options), single(x)
    if isinstance(options.get("padding"), tuple) and isinstance(options["padding"][0], tuple):
        theirs = T.pad(theirs, [cells for side in reversed(given.pop("padding")) for cells in side])
    want = T.conv3d(theirs, single(w), single(b), **given)
    assert_same(F.conv3d(x, w, b, **options), want)
    assert_same(F.conv3d(x[1], w, b, **options), want[1])


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_padding_modes(mode):
    x, w = one(3, 3), small_integers(4, 3, 3, 3, 3, seed=2)
    layer = torch.nn.Conv3d(3, 4, 3, padding=(1, 2, 1), padding_mode=mode, bias=False)
    layer.weight.data = single(w)
    assert_same(F.conv3d(x, w, padding=(1, 2, 1), padding_mode=mode), layer(single(x)))


def test_arrays_are_checked_and_kept():
    x, w, b = normal(2, 3, 4, 5), normal(3, 2, 2, 2), normal(2)
    check_arrays(lambda *a: F.conv_transpose2d(*a, stride=2), ["input", "weight", "bias"], x, w, b)
    x, w = normal(2, 3, 3, 4, 5), normal(2, 3, 2, 2, 2)
    check_arrays(lambda *a: F.conv3d(*a), ["input", "weight", "bias"], x, w, b)


@pytest.mark.parametrize(
    ("shape", "weight", "options", "match"),
    [
        ((1, 3, 4, 4), (2, 5, 2, 2), {}, "channels"),
        ((3, 4), (3, 5, 2, 2), {}, "input.*size"),
        ((1, 3, 4, 4), (3, 5, 2), {}, "weight"),
        ((1, 3, 4, 4), (3, 5, 2, 2), {"output_padding": 1}, "output padding must be smaller than either stride or dilation"),
        ((1, 3, 4, 4), (3, 5, 2, 2), {"groups": 2}, "divisible by"),
        ((1, 3, 1, 1), (3, 5, 2, 2), {"padding": 1}, "Output size is too small"),
        ((1, 3, 4, 4), (3, 5, 2, 2), {"padding": -1}, "padding"),
        ((1, 3, 4, 4), (3, 5, 2, 2), {"padding": "same"}, "padding"),
        ((1, 3, 4, 4), (3, 5, 2, 2), {"stride": (1, 2, 3)}, "stride"),
    ],
)
def test_refusals(shape, weight, options, match):
    x, w = normal(*shape), normal(*weight)
    both_refuse(lambda: F.conv_transpose2d(x, w, **options), lambda: T.conv_transpose2d(single(x), single(w), **options), match)


def test_conv3d_refusals():
    x, w = normal(1, 3, 4, 4, 4), normal(2, 3, 2, 2, 2)
    both_refuse(lambda: F.conv3d(x[0, 0], w), lambda: T.conv3d(single(x[0, 0]), single(w)), "input.*size")
    both_refuse(lambda: F.conv3d(x, w[0]), lambda: T.conv3d(single(x), single(w[0])), "expected 5D weight")
    both_refuse(lambda: F.conv3d(x, w, padding=(1, 1)), lambda: T.conv3d(single(x), single(w), padding=(1, 1)), "padding")
    both_refuse(lambda: F.conv3d(x, w, dilation=4), lambda: T.conv3d(single(x), single(w), dilation=4), "Kernel size")


def test_trace():
    ops = recorded(lambda x, w: F.conv_transpose1d(x, w, stride=2), (1, 3, 8), (3, 4, 2))
    assert [op for op, _ in ops] == ["reshape", "reshape", "conv_transpose2d", "reshape"]
    want = {"stride": (1, 2), "padding": (0,) * 4, "dilation": (1, 1), "output_padding": (0, 0), "groups": 1}
    assert ops[2][1] == want
    assert [op for op, _ in recorded(lambda x, w: F.conv3d(x, w), (1, 3, 4, 4, 4), (3, 3, 2, 2, 2))] == ["conv3d"]
