"""pad, cat, stack, split and chunk against PyTorch; all bit-exact."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as T

import cyconv.functional as F
from cyconv.graph.compile import compile_function

from .helpers import assert_same, both_refuse, check_arrays, normal, recorded, single, with_specials


@pytest.mark.parametrize("value", [None, 0, 2.5, float("nan"), float("-inf")])
@pytest.mark.parametrize(
    ("shape", "pad"),
    [
        ((5,), (1, 2)),
        ((2, 3, 4, 5), (1, 2)),
        ((2, 3, 4, 5), (1, 2, 3, 0)),
        ((2, 3, 4, 5), (0, 1, 1, 0, 2, 1, 1, 1)),
        ((2, 3, 4, 5), (-1, 2, 1, -3)),
        ((2, 3, 4, 5), (-2, -3)),
        ((0, 3), (1, 1)),
        ((0, 3), (1, 1, 1, 1)),
        ((2, 3), ()),
        ((), ()),
    ],
)
def test_constant_padding(shape, pad, value):
    x = np.asarray(with_specials(*shape))
    assert_same(F.pad(x, pad, value=value), T.pad(single(x), pad, value=value))


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize(
    ("shape", "pad"),
    [
        ((3, 5), (1, 2)),
        ((2, 3, 5), (4, 0)),
        ((3, 4, 5), (1, 2, 3, 0)),
        ((2, 3, 4, 5), (4, 4, 3, 3)),
        ((3, 4, 5, 6), (1, 2, 3, 0, 1, 3)),
        ((2, 3, 4, 5, 6), (1, 2, 0, 0, 1, 3)),
        ((0, 3, 4, 5), (1, 1, 1, 1)),
        ((2, 3, 1, 1), (0, 0, 0, 0)),
    ],
)
def test_border_modes(mode, shape, pad):
    x = with_specials(*shape)
    assert_same(F.pad(x, pad, mode), T.pad(single(x), pad, mode))


@pytest.mark.parametrize(
    ("shapes", "dim"),
    [
        ([(2, 3, 4, 5), (2, 1, 4, 5)], 1),
        ([(2, 16, 3, 3), (2, 3, 3, 3), (2, 17, 3, 3)], 1),
        ([(2, 3), (5, 3)], 0),
        ([(2, 3), (2, 4), (2, 5)], -1),
        ([(2, 3)], 0),
        ([(0, 3), (2, 3)], 0),
        ([(0,), (2, 3), (0,)], 1),
        ([(0,)], 0),
        ([(4,), (0,), (1,)], 0),
    ],
)
def test_cat(shapes, dim):
    arrays = [normal(*shape, seed=i) for i, shape in enumerate(shapes)]
    for sequence in (arrays, tuple(arrays)):
        assert_same(F.cat(sequence, dim), torch.cat([single(a) for a in arrays], dim))


def test_cat_of_one_array_with_itself():
    x = normal(2, 3)
    np.testing.assert_array_equal(F.cat([x, x]), np.concatenate([x, x]), strict=True)


@pytest.mark.parametrize(("shape", "dim"), [((2, 3), 0), ((2, 3), 1), ((2, 3), -1), ((2, 3), -3), ((), 0), ((0, 2), 1)])
def test_stack(shape, dim):
    arrays = [np.asarray(normal(*shape, seed=i)) for i in range(3)]
    assert_same(F.stack(arrays, dim), torch.stack([single(a) for a in arrays], dim))


@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("shape", [(7, 3, 5), (1, 1, 1), (6, 0, 2)])
def test_split_and_chunk(shape, dim):
    x = normal(*shape)
    size = shape[dim]
    for sizes in [1, 2, 3, 9, [size], [0, size], [size // 2, 0, size - size // 2]]:
        if isinstance(sizes, list) or size or sizes:
            same_pieces(F.split(x, sizes, dim), torch.split(single(x), sizes, dim))
    for chunks in [1, 2, 3, 4, 9]:
        same_pieces(F.chunk(x, chunks, dim), torch.chunk(single(x), chunks, dim))


def same_pieces(ours, theirs):
    assert isinstance(ours, tuple)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert_same(a, b)


def test_pieces_of_blocked_values():
    """Inside a network, where values lie in blocks of channels."""
    x = normal(2, 40, 3, 3)
    plan = compile_function(lambda v: F.cat(F.chunk(F.avg_pool2d(v, 1, divisor_override=1), 4, 1)[::-1], 1), [x.shape], ["x"], 2)
    np.testing.assert_array_equal(plan(x), x.reshape(2, 4, 10, 3, 3)[:, ::-1].reshape(x.shape))


def test_arrays_are_checked_and_kept():
    check_arrays(lambda x: F.pad(x, (1, 1)), ["input"], normal(2, 3, 4))
    check_arrays(lambda x: F.pad(x, (0, 0)), ["input"], normal(2, 3, 4))
    check_arrays(lambda x, y: F.cat([x, y]), ["tensors", "tensors"], normal(2, 3), normal(4, 3))
    check_arrays(lambda x: F.cat([x]), ["tensors"], normal(2, 3))
    check_arrays(lambda x, y: F.stack([x, y]), ["tensors", "tensors"], normal(2, 3), normal(2, 3))
    check_arrays(lambda x: F.split(x, 2), ["tensor"], normal(5, 3))
    check_arrays(lambda x: F.chunk(x, 1), ["input"], normal(5, 3))


# shape, pad, options, what the message says
REFUSED = [
    ((2, 3, 4), (1,), {}, "divisible by 2"),
    ((2, 3), (1, 1, 1, 1, 1, 1), {}, "[Pp]adding length"),
    ((2, 3), (-2, -2), {}, "negative"),
    ((2, 3), (1.5, 1), {}, "pad"),
    ((2, 3, 4), (1, 1), {"mode": "mirror"}, "mode"),
    ((2, 3, 4), (1, 1), {"mode": "reflect", "value": 1.0}, "value"),
    ((4,), (1, 1), {"mode": "reflect"}, "reflect"),
    ((2, 3, 4, 5), (1, 1), {"mode": "replicate"}, "replicate"),
    ((4, 5), (1, 1, 1, 1), {"mode": "circular"}, "circular"),
    ((2, 2, 3, 4, 5), (1, 1, 1, 1), {"mode": "circular"}, "circular"),
    ((2, 3, 4), (4, 0), {"mode": "reflect"}, "less than the corresponding input dimension"),
    ((2, 3, 4), (5, 0), {"mode": "circular"}, "wrapping around"),
]


@pytest.mark.parametrize(("shape", "pad", "options", "match"), REFUSED)
def test_pad_refusals(shape, pad, options, match):
    x = normal(*shape)
    both_refuse(lambda: F.pad(x, pad, **options), lambda: T.pad(single(x), pad, **options), match)


def test_more_refusals():
    x = np.ones((2, 3), np.float32)
    with pytest.raises(TypeError, match="pad must be a list or tuple of ints, got 3"):
        F.pad(x, 3)
    with pytest.raises(ValueError, match="pad: mode must be one of constant, reflect, replicate, circular, got 'mirror'"):
        F.pad(x, [1, 1], "mirror")
    with pytest.raises(TypeError, match="cat: argument 'tensors' must be a list or tuple of NumPy arrays"):
        F.cat(x)
    x = normal(2, 3, 4)
    t = single(x)
    both_refuse(lambda: F.cat([]), lambda: torch.cat([]), "non-empty")
    both_refuse(lambda: F.cat([x, x], 3), lambda: torch.cat([t, t], 3), "dim.*out of range")
    both_refuse(lambda: F.cat([x, x[:1]], 1), lambda: torch.cat([t, t[:1]], 1), "must match except in dimension 1")
    both_refuse(lambda: F.cat([x, x[0]]), lambda: torch.cat([t, t[0]]), "number of dimensions")
    both_refuse(lambda: F.cat([np.asarray(x[0, 0, 0])]), lambda: torch.cat([t[0, 0, 0]]), "zero-dimensional")
    both_refuse(lambda: F.stack([]), lambda: torch.stack([]), "non-empty")
    both_refuse(
        lambda: F.stack([x, x[:1]]), lambda: torch.stack([t, t[:1]]), r"equal size, but got \[2, 3, 4\] at entry 0 and \[1, 3, 4\] at"
    )
    both_refuse(lambda: F.stack([x], 4), lambda: torch.stack([t], 4), "dim.*out of range")
    both_refuse(lambda: F.split(x, 0), lambda: torch.split(t, 0), "split_size to be positive")
    both_refuse(lambda: F.split(x, -1), lambda: torch.split(t, -1), "at least 0")
    both_refuse(lambda: F.split(x, [1, 2]), lambda: torch.split(t, [1, 2]), r"sum exactly to 2 .*but got \[1, 2\]")
    both_refuse(lambda: F.split(x, 1, 3), lambda: torch.split(t, 1, 3), "dim.*out of range")
    both_refuse(lambda: F.chunk(x, 0), lambda: torch.chunk(t, 0), "chunks must be at least 1")
    both_refuse(lambda: F.chunk(x, 2.0), lambda: torch.chunk(t, 2.0), "chunks must be an int")
    both_refuse(lambda: F.cat(x[0, 0, 0]), lambda: torch.cat(t[0, 0, 0]), "tensors")


def test_trace():
    attrs = {"pad": ((0, 0), (3, 0), (1, 2)), "mode": "constant", "value": 0.0}
    assert recorded(lambda x: F.pad(x, (1, 2, 3, 0)), (2, 3, 4)) == [("pad", attrs)]
    assert recorded(lambda x, y: F.cat([x, y], -1), (2, 3), (2, 4)) == [("cat", {"dim": 1})]
