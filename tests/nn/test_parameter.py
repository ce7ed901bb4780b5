"""How modules keep arrays: which are taken, converted, copied or shared."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cyconv.nn.parameter import as_stored


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble, ">f4", ">f8"])
def test_floating_point_numbers_become_float32(dtype):
    a = np.arange(6).reshape(2, 3).astype(dtype)
    stored = as_stored(a, "x")
    assert stored.dtype == np.float32 and stored.dtype.isnative
    assert not stored.flags.writeable and stored.flags.c_contiguous
    np.testing.assert_array_equal(stored, a)
    a[0, 0] = 7
    assert stored[0, 0] == 0


def test_integers_where_they_are_allowed():
    for dtype in (np.int8, np.uint32, np.int64):
        assert as_stored(np.zeros(3, dtype), "x", integers=True).dtype == np.int64
        assert as_stored(np.zeros(3, dtype), "x", like=np.zeros(3, np.int64)).dtype == np.int64


@pytest.mark.parametrize(
    ("array", "options"),
    [
        (np.zeros(3, int), {}),
        (np.zeros(3, int), {"like": np.zeros(3, np.float32), "integers": True}),
        (np.zeros(3, np.uint64), {"integers": True}),
        (np.zeros(3), {"like": np.zeros(3, np.int64)}),
        (np.zeros(3, bool), {"integers": True}),
        (np.zeros(3, complex), {}),
        (np.array(["a"]), {}),
        (np.array([None]), {}),
        ([1.0, 2.0], {}),
        (1.0, {}),
    ],
)
def test_other_kinds_are_refused_by_name(array, options):
    with pytest.raises(TypeError, match=r"^weight: expected a"):
        as_stored(array, "weight", **options)


def test_shape_is_kept():
    for shape in ((), (1,), (0, 3), (2, 3)):
        assert as_stored(np.zeros(shape), "x", np.zeros(shape, np.float32)).shape == shape
    with pytest.raises(ValueError, match=r"x: expected an array of shape \[2, 3\], got shape \[3, 2\]"):
        as_stored(np.zeros((3, 2)), "x", np.zeros((2, 3), np.float32))


def test_what_is_kept_already_is_shared_unless_a_copy_is_asked_for():
    a = as_stored(np.zeros(3), "x")
    assert as_stored(a, "x") is a
    assert as_stored(a, "x", copy=True) is not a
    view = np.zeros(6, np.float32)[:3]
    view.flags.writeable = False
    assert not np.shares_memory(as_stored(view, "x"), view)  # its base can still be written


def test_tensors_are_taken():
    np.testing.assert_array_equal(as_stored(torch.tensor([1.0, 2.0], dtype=torch.float64), "x"), [1, 2])
