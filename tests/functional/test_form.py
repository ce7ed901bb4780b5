"""reshape, flatten, squeeze, permute and the shuffles against PyTorch; all bit-exact."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
import torch.nn.functional as T

import cyconv.functional as F
from cyconv.graph.compile import compile_function

from .helpers import assert_same, both_refuse, check_arrays, normal, recorded, single


@pytest.mark.parametrize(
    ("shape", "to"),
    [((2, 6), (3, 4)), ((2, 6), (-1,)), ((2, 6), (3, -1, 2)), ((), (1, 1)), ((1,), ()), ((0, 3), (0, 5)), ((0, 3), (-1, 3))],
)
def test_reshape(shape, to):
    x = np.asarray(normal(*shape))
    assert_same(F.reshape(x, to), torch.reshape(single(x), to))
    assert_same(F.reshape(x, list(to)), torch.reshape(single(x), to))


@pytest.mark.parametrize(
    ("shape", "dims"),
    [
        ((2, 3, 4), ()),
        ((2, 3, 4), (1,)),
        ((2, 3, 4, 5), (1, 2)),
        ((2, 3, 4), (-2, -1)),
        ((5,), ()),
        ((), ()),
        ((0, 3, 4), (1,)),
        ((2, 3), (1, 1)),
    ],
)
def test_flatten(shape, dims):
    x = np.asarray(normal(*shape))
    assert_same(F.flatten(x, *dims), torch.flatten(single(x), *dims))


@pytest.mark.parametrize("shape", [(), (1,), (1, 3, 1, 4), (2, 3)])
def test_squeeze_and_unsqueeze(shape):
    x = np.asarray(normal(*shape))
    t = single(x)
    assert_same(F.squeeze(x), torch.squeeze(t))
    for dim in range(-len(shape), len(shape)):
        assert_same(F.squeeze(x, dim), torch.squeeze(t, dim))
    if len(shape) == 4:
        assert_same(F.squeeze(x, (0, -1)), torch.squeeze(t, (0, -1)))
    for dim in range(-len(shape) - 1, len(shape) + 1):
        assert_same(F.unsqueeze(x, dim), torch.unsqueeze(t, dim))


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 0, 3), (2, 3, 4, 5)])
def test_permute_and_transpose(shape):
    x = np.asarray(normal(*shape))
    t, n = single(x), len(shape)
    for dims in permutations(range(n)):
        assert_same(F.permute(x, dims), torch.permute(t, dims).contiguous())
    assert_same(F.permute(x, [d - n for d in range(n)]), torch.permute(t, [d - n for d in range(n)]))
    for a in range(-n, n):
        for b in range(-n, n):
            assert_same(F.transpose(x, a, b), torch.transpose(t, a, b).contiguous())


@pytest.mark.parametrize("blocks", [False, True])
@pytest.mark.parametrize(("channels", "groups"), [(6, 2), (6, 3), (36, 2), (64, 4), (5, 1), (5, 5)])
def test_channel_shuffle(channels, groups, blocks):
    x = normal(2, channels, 3, 5)
    fn = lambda v: F.channel_shuffle(F.avg_pool2d(v, 1, divisor_override=1) if blocks else v, groups)  # noqa: E731
    assert_same(compile_function(fn, [x.shape], ["x"], 2)(x), T.channel_shuffle(single(x), groups))


@pytest.mark.parametrize("shape", [(2, 8, 3), (2, 8, 2, 3, 2)])
def test_channel_shuffle_of_other_ranks(shape):
    x = normal(*shape)
    assert_same(F.channel_shuffle(x, 4), T.channel_shuffle(single(x), 4))


@pytest.mark.parametrize("shape", [(18, 2, 3), (2, 9, 1, 4), (2, 3, 36, 3, 2)])
def test_pixel_shuffle(shape):
    x = normal(*shape)
    y = F.pixel_shuffle(x, 3)
    assert_same(y, T.pixel_shuffle(single(x), 3))
    assert_same(F.pixel_unshuffle(y, 3), T.pixel_unshuffle(single(y), 3))
    np.testing.assert_array_equal(F.pixel_unshuffle(y, 3), x)


def test_arrays_are_checked_and_kept():
    x = normal(2, 9, 3, 3)
    for fn in (
        lambda v: F.reshape(v, (-1,)),
        lambda v: F.reshape(v, x.shape),
        lambda v: F.flatten(v, 1),
        lambda v: F.flatten(v, 1, 1),
        lambda v: F.squeeze(v),
        lambda v: F.unsqueeze(v, 0),
        lambda v: F.permute(v, (0, 1, 2, 3)),
        lambda v: F.permute(v, (0, 2, 3, 1)),
        lambda v: F.transpose(v, 1, 3),
        lambda v: F.channel_shuffle(v, 3),
        lambda v: F.pixel_shuffle(v, 3),
        lambda v: F.pixel_unshuffle(v, 3),
    ):
        check_arrays(fn, ["input"], x)


def test_refusals():
    x = normal(2, 3, 4)
    t = single(x)
    for shape, match in [
        ((5,), "invalid for input of size 24"),
        ((-1, 5), "invalid"),
        ((-1, -1), "one dimension"),
        ((0, -1), "can be any"),
    ]:
        both_refuse(lambda: F.reshape(x, shape), lambda: torch.reshape(t, shape), match)
    both_refuse(lambda: F.reshape(x, (2.0, 12)), lambda: torch.reshape(t, (2.0, 12)), "shape must be an int")
    with pytest.raises(TypeError, match="shape must be a list or tuple of ints, got 24"):
        F.reshape(x, 24)
    both_refuse(lambda: F.flatten(x, 2, 1), lambda: torch.flatten(t, 2, 1), "start_dim cannot come after end_dim")
    both_refuse(lambda: F.flatten(x, 3), lambda: torch.flatten(t, 3), "start_dim.*out of range")
    both_refuse(lambda: F.flatten(x, 0, -4), lambda: torch.flatten(t, 0, -4), "end_dim.*out of range")
    both_refuse(lambda: F.squeeze(x, 3), lambda: torch.squeeze(t, 3), "dim.*out of range")
    both_refuse(lambda: F.squeeze(x, (0, -3)), lambda: torch.squeeze(t, (0, -3)), "multiple times")
    both_refuse(lambda: F.unsqueeze(x, 4), lambda: torch.unsqueeze(t, 4), "dim.*out of range")
    both_refuse(lambda: F.permute(x, (0, 1)), lambda: torch.permute(t, (0, 1)), "does not match the length of dims")
    both_refuse(lambda: F.permute(x, (0, 1, 1)), lambda: torch.permute(t, (0, 1, 1)), "once")
    both_refuse(lambda: F.permute(x, (0, 1, 3)), lambda: torch.permute(t, (0, 1, 3)), "out of range")
    with pytest.raises(TypeError, match="dims must be a list or tuple of ints, got 1"):
        F.permute(x, 1)
    both_refuse(lambda: F.transpose(x, 0, 3), lambda: torch.transpose(t, 0, 3), "dim1.*out of range")
    both_refuse(lambda: F.channel_shuffle(x[0], 1), lambda: T.channel_shuffle(t[0], 1), "> 2 dims")
    both_refuse(lambda: F.channel_shuffle(x, 2), lambda: T.channel_shuffle(t, 2), "divisible by groups")
    both_refuse(lambda: F.channel_shuffle(x, 0), lambda: T.channel_shuffle(t, 0), "groups must be at least 1")
    for ours, theirs in [(F.pixel_shuffle, T.pixel_shuffle), (F.pixel_unshuffle, T.pixel_unshuffle)]:
        both_refuse(lambda: ours(x, 3), lambda: theirs(t, 3), "divisible")
        both_refuse(lambda: ours(x[0], 2), lambda: theirs(t[0], 2), "at least 3 dimension")
        both_refuse(lambda: ours(x, 0), lambda: theirs(t, 0), "factor must be at least 1")


def test_trace():
    assert recorded(lambda x: F.flatten(x, 1), (2, 3, 4)) == [("reshape", {"shape": (2, 12)})]
    assert recorded(lambda x: F.permute(x, (0, -1, 1)), (2, 3, 4)) == [("permute", {"dims": (0, 2, 1)})]
    assert recorded(lambda x: F.unsqueeze(x, -1), (2, 3)) == [("reshape", {"shape": (2, 3, 1)})]
    assert recorded(lambda x: F.squeeze(x), (2, 3)) == []
