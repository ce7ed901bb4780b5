"""index_select, embedding, expand and tile against PyTorch, for every dtype."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import cyconv.functional as F

from .helpers import assert_same, both_refuse, check_arrays, normal, single

DTYPES = [np.float32, np.int32, np.int64, np.bool_]


@pytest.mark.parametrize("dtype", DTYPES)
def test_index_select(dtype):
    for shape in [(5,), (2, 5), (3, 5, 2)]:
        x = (3 * np.asarray(normal(*shape))).astype(dtype)
        for dim in range(-len(shape), len(shape)):
            index = np.random.default_rng(2).integers(0, shape[dim], 4)
            for places in (index, index.astype(np.int32), index[:0], np.asarray(index[0])):
                assert_same(F.index_select(x, dim, places), torch.index_select(single(x), dim, single(places)))
    assert F.index_select(x, 0, np.array([-1])).tolist() == x[[-1]].tolist()


@pytest.mark.parametrize("shape", [(), (4,), (2, 3), (0, 2)])
def test_embedding(shape):
    weight, places = normal(7, 5), np.asarray(np.random.default_rng(3).integers(0, 7, shape))
    assert_same(F.embedding(places, weight), torch.nn.functional.embedding(single(places), single(weight)))
    assert_same(F.embedding(places.astype(np.int32), weight), torch.nn.functional.embedding(single(places), single(weight)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_expand_and_tile(dtype):
    for shape, size in [((3, 1), (3, 4)), ((3, 1), (-1, 4)), ((1, 2), (5, -1)), ((), (2, 3)), ((4,), (2, 3, -1)), ((1,), (0,))]:
        x = (3 * np.asarray(normal(*shape))).astype(dtype)
        assert_same(F.expand(x, size), single(x).expand(size))
    for shape, dims in [((3, 2), (2, 3)), ((3, 2), (4,)), ((3,), (2, 2, 2)), ((), (3,)), ((2, 3), (1, 1)), ((2, 3), (0, 1)), ((2,), ())]:
        x = (3 * np.asarray(normal(*shape))).astype(dtype)
        assert_same(F.tile(x, dims), torch.tile(single(x), dims))


def test_refusals():
    x = normal(2, 3)
    for wrong in (3, 2**40):
        places = np.array([0, wrong])
        both_refuse(
            lambda: F.index_select(x, 1, places), lambda: torch.index_select(single(x), 1, single(places)), "out of range", IndexError
        )
        with pytest.raises(IndexError, match="out of range"):
            F.embedding(places, x)
    both_refuse(
        lambda: F.index_select(x, 0, np.zeros((1, 1), np.int64)),
        lambda: torch.index_select(single(x), 0, torch.zeros((1, 1), dtype=torch.int64)),
        "Index is supposed to be a vector",
    )
    both_refuse(lambda: F.index_select(x, 2, np.array([0])), lambda: torch.index_select(single(x), 2, torch.tensor([0])), "out of range")
    with pytest.raises(TypeError, match="gather takes indices of int32 or int64, got float32"):
        F.index_select(x, 0, x[0])
    with pytest.raises(ValueError, match="embedding: 'weight' must be 2-D"):
        F.embedding(np.array([0]), x[0])
    both_refuse(lambda: F.expand(x, (2, 4)), lambda: single(x).expand(2, 4), "does not broadcast")
    both_refuse(lambda: F.expand(x, (3,)), lambda: single(x).expand(3), "does not broadcast")
    both_refuse(lambda: F.expand(x, (-1, 2, 3)), lambda: single(x).expand(-1, 2, 3), "isn't allowed in a leading")
    both_refuse(lambda: F.tile(x, (-1, 2)), lambda: torch.tile(single(x), (-1, 2)), "tile: dims must be at least 0")


def test_arrays_are_checked_and_kept():
    check_arrays(lambda x: (F.index_select(x, 0, np.array([1, 0])), F.expand(x, (2, 3, 7)), F.tile(x, (2,))), [], normal(3, 7))
