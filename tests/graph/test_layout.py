"""Tensors in buffers: the equation of _kernels/step.pxd against NumPy, element by element."""

import numpy as np
import pytest

from cyconv.graph.layout import (
    Buffer,
    canonical,
    flat,
    image_dims,
    joined,
    round_up,
    slices,
    tensor,
    tensor_floats,
    volume,
)


def place_of(t, n, c, y, x) -> int:
    """The equation, written out once more."""
    return t.offset + n * t.n_stride + c // t.lanes * t.c_stride + y * t.h_stride + x * t.lanes + c % t.lanes


@pytest.mark.parametrize("border", [(0, 0, 0, 0), (1, 2, 3, 4)])
@pytest.mark.parametrize("lanes", [1, 4, 16])
def test_elements_have_places_of_their_own(lanes, border):
    dims = (2, 5, 3, 4)
    t = tensor(Buffer("arena", tensor_floats(dims, lanes, border)), dims, lanes, border)
    places = [place_of(t, *index) for index in np.ndindex(dims)]
    assert len(set(places)) == len(places) and min(places) >= 0 and max(places) < t.buffer.floats
    top, bottom, left, right = border
    corners = [place_of(t, n, c, y, x) for n in (0, 1) for c in (0, 4) for y in (-top, 2 + bottom) for x in (-left, 3 + right)]
    assert min(corners) == 0 and max(corners) < t.buffer.floats
    if not any(border) and lanes == 1:
        assert places == list(range(120))


def test_a_slice_of_channels():
    t = tensor(Buffer("arena", 0), (2, 40, 3, 4), 8, (1, 1, 1, 1))
    part = t.channels(16, 9)
    assert part.dims == (2, 9, 3, 4) and part.border == t.border
    assert place_of(part, 1, 5, 2, 1) == place_of(t, 1, 21, 2, 1)


def test_operand_is_resolved():
    buffer = Buffer("array", 12, 3, name="x")
    buffer.offset = 100
    t = tensor(buffer, (1, 2, 2, 3), 1, (0, 0, 1, 0))
    operand = t.operand()
    assert (operand.base, operand.lanes, operand.offset, operand.h_stride) == (5, 1, 101, 4)
    assert [Buffer(space, 0).base for space in ("arena", "constant", "array")] == [0, 1, 2]


def test_flat():
    t = flat(tensor(Buffer("arena", 24), (1, 2, 3, 4), 1), 24)
    assert t.dims == (1, 1, 1, 24) and place_of(t, 0, 0, 0, 23) == 23


def test_shapes():
    assert canonical((2, 3)) == (2, 3, 1, 1)
    assert canonical((2, 3, 4)) == (2, 3, 1, 4)
    assert canonical((2, 3, 4, 5)) == (2, 3, 4, 5) == image_dims((2, 3, 4, 5))
    assert canonical((2, 3, 4, 5, 6)) == (8, 3, 5, 6) and volume((2, 3, 4, 5, 6)) == (2, 3, 4, 5, 6)
    assert volume((2, 3, 5, 6)) == volume((2, 3, 1, 5, 6)) == (2, 3, 1, 5, 6) and volume((2, 3, 6)) == (2, 3, 1, 1, 6)
    assert canonical((2,)) is canonical(()) is canonical((1, 2, 3, 4, 5, 6)) is None
    with pytest.raises(ValueError, match="no blocked layout"):
        image_dims((2,))
    assert [round_up(n, 16) for n in (0, 1, 16, 17)] == [0, 16, 16, 32]


def test_slices_of_dense_volumes():
    shape = (2, 3, 4, 5, 6)
    t = slices(tensor(Buffer("array", 720), (1, 1, 1, 720), 1), shape)
    assert t.dims == (8, 3, 5, 6) and t.depth == 4 and t.operand().depth == 4
    for n, c, d, y, x in np.ndindex(shape):
        # step.pxd: slice i begins at (i // depth)·n_stride + (i % depth)·h·h_stride
        begin = n * t.n_stride + d * t.dims[2] * t.h_stride
        assert begin + place_of(t, 0, c, y, x) == np.ravel_multi_index((n, c, d, y, x), shape)
    plain = tensor(Buffer("array", 120), (2, 3, 4, 5), 1)
    assert slices(plain, (2, 3, 4, 5)) is slices(plain, (2, 3, 1, 4, 5)) is plain


def test_layout_names():
    assert [tensor(Buffer("arena", 0), (1, 1, 1, 1), lanes).layout for lanes in (1, 4, 16)] == ["nchw", "nchw4c", "nchw16c"]


@pytest.mark.parametrize(
    ("dims", "strides", "want"),
    [
        ((2, 3, 4), [(12, 4, 1)], ((24,), (1,))),
        ((4, 2, 3), [(1, 12, 4), (6, 3, 1)], ((4, 6), (1, 4), (6, 1))),
        ((2, 1, 3), [(3, 99, 1)], ((6,), (1,))),
        ((2, 3), [(1, 2)], ((2, 3), (1, 2))),
        ((5, 3), [(0, 1), (3, 1)], ((5, 3), (0, 1), (3, 1))),
        ((5, 3), [(0, 0), (0, 0)], ((15,), (0,), (0,))),
        ((5,), [(-1,)], ((5,), (-1,))),
        ((2, 0, 3), [(0, 3, 1)], ((0,), (1,))),
        ((1, 1), [(7, 9)], ((1,), (1,))),
        ((), [(), ()], ((1,), (1,), (1,))),
    ],
)
def test_joined(dims, strides, want):
    assert joined(dims, *strides) == want
