"""Phases of convolutions against a walk over all kernel cells: every product is taken once, and borders are as wide as they must be."""

from itertools import product

import numpy as np
import pytest

from cyconv.graph.phases import border_of, convolution, phase_cells, transposed
from cyconv.shapes import conv_output_size, conv_transpose_output_size


def reads(phase, sh, sw):
    """(output place, kernel cell, input place) of everything that a phase reads, borders included; input places of slices are inside."""
    for s in phase.slices:
        for (kz, z), (ky, y), (kx, x) in product(phase.depth_cells[s.begin : s.end], phase.row_cells, phase.column_cells):
            for row, column in np.ndindex(phase.rows, phase.columns):
                yield s.out, (kz, ky, kx), (s.first + z, row * sh + y, column * sw + x), (row, column)


CASES = [  # size, kernel, stride, dilation, padding, output padding
    ((4, 5, 6), (2, 2, 2), (2, 2, 2), (1, 1, 1), (0,) * 6, (0, 0, 0)),
    ((3, 4, 2), (4, 4, 4), (2, 2, 2), (1, 1, 1), (1,) * 6, (0, 0, 0)),
    ((2, 3, 4), (3, 3, 3), (2, 2, 2), (1, 1, 1), (1,) * 6, (1, 1, 0)),
    ((3, 2, 3), (1, 2, 5), (3, 3, 1), (1, 2, 2), (0, 0, 2, 1, 3, 0), (2, 0, 1)),
    ((1, 1, 1), (2, 3, 1), (1, 2, 3), (3, 1, 1), (1, 0, 0, 2, 0, 0), (0, 1, 2)),
    ((2, 2, 2), (3, 1, 3), (2, 3, 2), (2, 1, 3), (2, 2, 0, 0, 1, 4), (1, 2, 0)),
]


@pytest.mark.parametrize(("size", "kernel", "stride", "dilation", "padding", "extra"), CASES)
def test_transposed(size, kernel, stride, dilation, padding, extra):
    walk = zip(size, kernel, stride, padding[::2], padding[1::2], dilation, extra, strict=True)
    out = tuple(conv_transpose_output_size(*axis) for axis in walk)
    attrs = {"stride": stride, "dilation": dilation, "padding": padding}
    phases = transposed(size, out, kernel, attrs)
    top, bottom, left, right = border_of(size, phases)
    found, written, far = [], [], []
    for phase in phases:
        written += [
            (s.out, phase.top + r * stride[1], phase.left + c * stride[2])
            for s in phase.slices
            for r, c in np.ndindex(phase.rows, phase.columns)
        ]
        for z, cell, place, (row, column) in reads(phase, 1, 1):
            far.append(place)
            if all(0 <= p < s for p, s in zip(place, size, strict=True)):
                found.append(((z, phase.top + row * stride[1], phase.left + column * stride[2]), cell, place))
    assert sorted(written) == list(np.ndindex(*out))  # every output once
    want = []
    for place, cell in product(np.ndindex(*size), np.ndindex(*kernel)):
        at = tuple(p * s + k * d - b for p, s, k, d, b in zip(place, stride, cell, dilation, padding[::2], strict=True))
        if all(0 <= q < o for q, o in zip(at, out, strict=True)):
            want.append((at, cell, place))
    assert sorted(found) == sorted(want)
    rows, columns = [p[1] for p in far], [p[2] for p in far]
    assert (top, left) == (max(0, -min(rows)), max(0, -min(columns)))
    assert (bottom, right) == (max(0, max(rows) + 1 - size[1]), max(0, max(columns) + 1 - size[2]))


@pytest.mark.parametrize(("size", "kernel", "stride", "dilation", "padding"), [case[:5] for case in CASES])
def test_convolution(size, kernel, stride, dilation, padding):
    size = tuple(s + 6 for s in size)
    walk = zip(size, kernel, stride, padding[::2], padding[1::2], dilation, strict=True)
    out = tuple(conv_output_size(*axis) for axis in walk)
    phase = convolution(size, out, kernel, {"stride": stride, "dilation": dilation, "padding": padding})
    assert (len(phase.slices), phase.rows, phase.columns, phase.top, phase.left) == (*out, 0, 0)
    found = {(z, row, column, cell, place) for z, cell, place, (row, column) in reads(phase, *stride[1:])}
    want = set()
    for at, cell in product(np.ndindex(*out), np.ndindex(*kernel)):
        place = tuple(q * s + k * d - b for q, s, k, d, b in zip(at, stride, cell, dilation, padding[::2], strict=True))
        if 0 <= place[0] < size[0]:  # slices outside are left out, rows and columns outside are the border
            want.add((*at, cell, place))
    assert found == want


def test_images_have_one_slice():
    phase = convolution((5, 6), (3, 4), (3, 3), {"stride": (1, 1), "dilation": (1, 1), "padding": (0, 0, 1, 0)})
    assert [(s.out, s.first, s.begin, s.end) for s in phase.slices] == [(0, 0, 0, 1)]
    assert phase.row_cells == ((0, 0), (1, 1), (2, 2)) and phase.column_cells == ((0, -1), (1, 0), (2, 1))
    assert border_of((2, 2), transposed((2, 2), (4, 4), (2, 2), {"stride": (2, 2), "dilation": (1, 1), "padding": (0,) * 4})) == (0,) * 4


def test_phase_cells():
    assert phase_cells(0, 4, 2, 1, 1) == ((1, 0), (3, -1))
    assert phase_cells(1, 4, 2, 1, 1) == ((0, 1), (2, 0))
    assert phase_cells(1, 1, 2, 1, 0) == ()  # a kernel smaller than the stride leaves phases without a product
