"""pad, reshape, cat, slice and permute: bit for bit what PyTorch and NumPy give, and refused where they refuse."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from .helpers import assert_same, both_or_neither, refuses, run, tensor


def pad_attrs(pad, mode="constant", value=0.0) -> dict:
    return {"pad": tuple(pad), "mode": mode, "value": value}


def last_dims_first(pad) -> list[int]:
    """The order of torch.nn.functional.pad: (before, after) of the last dimension comes first."""
    return [side for pair in reversed(pad) for side in pair]


def check_pad(x: np.ndarray, pad: list[tuple[int, int]], mode: str, value: float = 0.0) -> bool:
    """Equal to PyTorch; False when both refuse. The copying modes of PyTorch take only the last two dimensions here."""
    theirs = pad if mode == "constant" else pad[-2:]
    options = {"value": value} if mode == "constant" else {}
    found = both_or_neither(
        lambda: F.pad(tensor(x), last_dims_first(theirs), mode=mode, **options),
        lambda: run("pad", [x], pad_attrs(pad, mode, value))[0],
    )
    if found is None:
        return False
    assert_same(found[1], found[0], (x.shape, pad, mode))
    return True


def test_constant_pad_agrees_with_pytorch():
    rng, computed = np.random.default_rng(13), 0
    for _ in range(300):
        ndim = int(rng.integers(1, 5))
        x = rng.standard_normal(tuple(rng.integers(0, 6, ndim)))
        pad = [tuple(map(int, rng.integers(-3, 4, 2))) for _ in range(ndim)]
        computed += check_pad(x, pad, "constant", [0.0, 1.5, -np.inf, np.nan][rng.integers(4)])
    assert 50 < computed < 300


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_border_modes_agree_with_pytorch(mode):
    rng, computed = np.random.default_rng(14), 0
    for _ in range(200):
        x = rng.standard_normal((int(rng.integers(0, 3)), 2, *rng.integers(1, 6, 2)))
        pad = [(0, 0), (0, 0), *(tuple(map(int, rng.integers(0, 6, 2))) for _ in range(2))]
        computed += check_pad(x, pad, mode)
    assert 20 < computed <= 200


def test_border_modes_work_on_every_dimension():
    x = np.arange(24.0).reshape(2, 3, 4)
    pad = ((1, 0), (2, 1), (0, 3))
    for mode, name in (("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap")):
        assert_same(run("pad", [x], pad_attrs(pad, mode))[0], np.pad(x, pad, mode=name))


def test_pad_of_a_scalar_is_a_copy():
    assert_same(run("pad", [np.array(3.0)], pad_attrs(()))[0], np.array(3.0))


@pytest.mark.parametrize(
    ("shape", "attrs", "error", "match"),
    [
        ((3,), pad_attrs([(-2, -2)]), ValueError, r"crops more than there is: padding \(-2, -2\) at dimension 0 of input \[3\]"),
        ((3,), pad_attrs([(-4, 4)]), ValueError, "crops more than there is"),
        ((3,), pad_attrs([(3, 0)], "reflect"), ValueError, "Padding size should be less than the corresponding input dimension"),
        ((3,), pad_attrs([(0, 4)], "circular"), ValueError, "wrapping around more than once"),
        ((0,), pad_attrs([(0, 1)], "replicate"), ValueError, "an empty dimension has no border to replicate"),
        ((0,), pad_attrs([(0, 1)], "reflect"), ValueError, "Padding size should be less"),
        ((3,), pad_attrs([(-1, 0)], "reflect"), ValueError, "negative padding needs mode 'constant', got mode 'reflect'"),
        ((3,), pad_attrs([(1, 0)], "mirror"), ValueError, "mode must be one of constant, reflect, replicate, circular, got 'mirror'"),
        ((3, 3), pad_attrs([(1, 0)]), ValueError, "for each of 2 dimensions, got 1 pairs"),
        ((3,), pad_attrs([(2**30, 2**30)]), ValueError, "pad: output: dimension 0 must be below"),
        ((3,), pad_attrs([(1.0, 0)]), TypeError, "pad must be an int"),
        ((3,), pad_attrs([(1, 0)], value="0"), TypeError, "value must be a number"),
    ],
)
def test_pad_refusals(shape, attrs, error, match):
    refuses("pad", [shape], attrs, match, error)


@pytest.mark.parametrize(
    ("shape", "to"), [((2, 3, 4), (6, 4)), ((2, 3), (2, 1, 3, 1)), ((1,), ()), ((), (1, 1)), ((0, 3), (5, 0)), ((4,), (4,))]
)
def test_reshape(shape, to):
    x = np.random.default_rng(15).standard_normal(shape)
    x = np.asarray(x)
    assert_same(run("reshape", [x], {"shape": to})[0], x.reshape(to))


def test_reshape_refusals():
    refuses("reshape", [(2, 3)], {"shape": (5,)}, r"shape '\[5\]' is invalid for input of size 6")
    refuses("reshape", [(2, 3)], {"shape": (-1, 3)}, "dimension 0 must be at least 0, got -1")
    refuses("reshape", [(2, 3)], {"shape": (2.0, 3)}, "dimension 0 must be an int", TypeError)


@pytest.mark.parametrize(
    ("shapes", "dim"),
    [
        ([(2, 3), (2, 4)], 1),
        ([(2, 3), (1, 3), (5, 3)], 0),
        ([(1, 2, 3, 4)], 2),
        ([(2, 0), (2, 3)], 1),
        ([(0, 3), (0, 3)], 1),
        ([(2,), (3,)], 0),
    ],
)
def test_cat_agrees_with_pytorch(shapes, dim):
    rng = np.random.default_rng(16)
    arrays = [rng.standard_normal(s) for s in shapes]
    assert_same(run("cat", arrays, {"dim": dim})[0], torch.cat([tensor(a) for a in arrays], dim))


@pytest.mark.parametrize(
    ("shapes", "dim", "match"),
    [
        ([(2, 3), (2, 4)], 0, "Sizes of arrays must match except in dimension 0. Expected size 3 but got size 4 for array number 1"),
        ([(2, 3), (2,)], 0, "must have same number of dimensions: got 2 and 1"),
        ([], 0, "expected a non-empty list of arrays"),
        ([(2,)], 1, r"dim must be in \[0, 1\)"),
        ([()], 0, r"dim must be in \[0, 0\)"),
        ([(2,)], -1, "dim must be at least 0, got -1"),
        ([(2**30,), (2**30,)], 0, "cat: output: dimension 0 must be below"),
    ],
)
def test_cat_refusals(shapes, dim, match):
    refuses("cat", shapes, {"dim": dim}, match)


def test_cat_refuses_mismatched_sizes_where_pytorch_does():
    rng, refused = np.random.default_rng(21), 0
    for _ in range(300):
        arrays = [np.ones(rng.choice([2, 3], rng.choice([2, 3], p=[0.8, 0.2]))) for _ in range(2)]
        dim = int(rng.integers(0, 2))
        found = both_or_neither(
            lambda a=arrays, d=dim: torch.cat([tensor(x) for x in a], d), lambda a=arrays, d=dim: run("cat", a, {"dim": d})[0]
        )
        refused += found is None
    assert 100 < refused < 300


def as_range(pick: slice, size: int) -> tuple[int, int, int]:
    """A slice in the op's terms: a range that does not run past its end."""
    start, stop, step = pick.indices(size)
    return start, max(start, stop) if step > 0 else min(start, stop), step


def test_slice_agrees_with_numpy():
    rng = np.random.default_rng(17)
    for _ in range(200):
        ndim = int(rng.integers(0, 5))
        x = np.asarray(rng.standard_normal(tuple(rng.integers(0, 7, ndim))))
        picks = [slice(*map(int, rng.integers(-8, 9, 2)), int(rng.choice([-3, -2, -1, 1, 2, 3]))) for _ in x.shape]
        ranges = [as_range(pick, size) for pick, size in zip(picks, x.shape, strict=True)]
        starts, stops, steps = zip(*ranges, strict=True) if ranges else ((), (), ())
        got = run("slice", [x], {"starts": starts, "stops": stops, "steps": steps})[0]
        assert_same(got, np.asarray(x[tuple(picks)]))
        assert not np.shares_memory(got, x)


@pytest.mark.parametrize(
    ("starts", "stops", "steps", "match"),
    [
        ((0,), (3, 3), (1, 1), "starts must have one entry for each of 2 dimensions, got 1"),
        ((0, 0), (3, 3, 3), (1, 1), "stops must have one entry"),
        ((0, 0), (3, 3), (), "steps must have one entry"),
        ((-1, 0), (3, 3), (1, 1), "start of dimension 0 must be at least 0, got -1"),
        ((0, 2), (3, 1), (1, 1), "stop of dimension 1 must be at least 2, got 1"),
        ((0, 0), (3, 4), (1, 1), "stop of dimension 1 must be at most its size 3, got 4"),
        ((0, 0), (3, 3), (0, 1), "step of dimension 0 must not be 0"),
        ((3, 0), (0, 3), (-1, 1), "start of dimension 0 must be between its stop 0 and its size 3, got 3"),
        ((0, 1), (3, 2), (1, -1), "start of dimension 1 must be between its stop 2 and its size 3, got 1"),
        ((0, 1), (3, -2), (1, -1), "stop of dimension 1 must be at least -1, got -2"),
    ],
)
def test_slice_refusals(starts, stops, steps, match):
    refuses("slice", [(3, 3)], {"starts": starts, "stops": stops, "steps": steps}, match)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 0, 3), (2, 3, 4, 5)])
def test_permute(shape):
    x = np.asarray(np.random.default_rng(18).standard_normal(shape))
    for dims in permutations(range(len(shape))):
        got = run("permute", [x], {"dims": dims})[0]
        assert_same(got, tensor(x).permute(dims))
        assert got.flags.c_contiguous and not np.shares_memory(got, x)


def test_permute_refusals():
    refuses("permute", [(2, 3)], {"dims": (0,)}, r"dims must name each of the 2 dimensions of \[2, 3\] once, got \(0,\)")
    refuses("permute", [(2, 3)], {"dims": (0, 0)}, "dims must name each")
    refuses("permute", [(2, 3)], {"dims": (0, -1)}, "dims must name each")
    refuses("permute", [(2, 3)], {"dims": (0, 1.0)}, "permute: dims must be an int", TypeError)
