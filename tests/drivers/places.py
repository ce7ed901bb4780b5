"""Tensors in arrays of their own, and one step run over them: what the tests of drivers share."""

from dataclasses import dataclass

import numpy as np

from cyconv._kernels import program

NO_BORDER = (0, 0, 0, 0)
FILL = np.float32(-777)  # what memory holds before a step writes it


@dataclass(frozen=True)
class Operand:
    """The description that drivers read (cyconv/_kernels/step.pxd); bases from 2 on are the arrays of a run."""

    base: int
    lanes: int
    offset: int
    n_stride: int
    c_stride: int
    h_stride: int
    dims: tuple
    border: tuple
    depth: int = 1


def place(base, dims, lanes, border=NO_BORDER, gap=0):
    """An operand whose channel blocks lie `gap` floats apart."""
    _, c, h, w = dims
    top, bottom, left, right = border
    h_stride = (left + w + right) * lanes
    c_stride = (top + h + bottom) * h_stride + gap
    return Operand(base, lanes, top * h_stride + left * lanes, -(-c // lanes) * c_stride, c_stride, h_stride, dims, border)


def blocks_of(array, t):
    """A view (n, blocks, h, w, lanes) of the tensor's pixels."""
    n, c, h, w = t.dims
    strides = [4 * s for s in (t.n_stride, t.c_stride, t.h_stride, t.lanes, 1)]
    return np.lib.stride_tricks.as_strided(array[t.offset :], (n, -(-c // t.lanes), h, w, t.lanes), strides)


def put(x, t):
    """An array that holds x (n, c, h, w) at t; NaN in the lanes past the last channel, zeros in the border."""
    n, c, h, w = t.dims
    array = np.zeros(n * t.n_stride, np.float32)
    count = -(-c // t.lanes)
    padded = np.full((n, count * t.lanes, h, w), np.nan, np.float32)
    padded[:, :c] = x
    blocks_of(array, t)[...] = padded.reshape(n, count, t.lanes, h, w).transpose(0, 1, 3, 4, 2)
    return array


def get(array, t):
    """(n, c, h, w) from the tensor at t."""
    n, c, h, w = t.dims
    return blocks_of(array, t).transpose(0, 1, 4, 2, 3).reshape(n, -1, h, w)[:, :c]


def run(step, inputs, output, threads):
    """The output array after one step; `output` operand has the base behind the inputs."""
    array = np.full(output.dims[0] * output.n_stride, FILL, np.float32)
    program.Program([step], 64, program.Memory(64)).run([*inputs, array], 1, threads)
    return array


def check(array, t, want):
    """The tensor holds `want`, its border zeros, and what lies between channel blocks is untouched."""
    assert np.array_equal(get(array, t), want, equal_nan=True)
    n, c, h, w = t.dims
    top, bottom, left, right = t.border
    whole = Operand(t.base, t.lanes, 0, t.n_stride, t.c_stride, t.h_stride, (n, c, top + h + bottom, left + w + right), NO_BORDER)
    pixels = blocks_of(array.copy(), whole)
    if h and w:
        pixels[:, :, top : top + h, left : left + w] = 0
    assert not pixels.any()
    rest = array.copy()
    blocks_of(rest, whole)[...] = FILL
    assert np.all(rest == FILL)
