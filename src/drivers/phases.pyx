"""Phases: the s·s images that a convolution of stride s reads, as channels of one image that it reads with stride 1.

Layer: drivers; made by graph/lower_winograd. An item is a row of an image, of all channel blocks.

    y[n, (a·s + b)·C + c, i, j] = x[n, c, i·s + a − top, j·s + b − left],   0 outside x,   C channels of x
"""

from cyconv._kernels.cpu cimport kernels
from cyconv._kernels.step cimport Step, allocate, at, blocks, next_item, operand_t, read_operand, run_t

DEF MAX_LANES = 16
DEF PHASE_PIXELS = 64  # that are brought together at a time: 4 KiB of all lanes


cdef struct phases_params:
    operand_t x              # IN   planar
    operand_t y              # OUT  blocked, without border
    ptrdiff_t stride, top, left


cdef void phase_row(const phases_params *p, const float *x, float *y, ptrdiff_t c, ptrdiff_t start, ptrdiff_t count) noexcept nogil:
    """Pixels start … start + count − 1 of one row of channel `c`, next to each other; `x` is the row that they come from."""
    cdef ptrdiff_t s = p.stride
    cdef ptrdiff_t shift = start * s + c // p.x.c % s - p.left, j
    cdef ptrdiff_t first = min(count, (max(0, -shift) + s - 1) // s)
    cdef ptrdiff_t end = min(count, max(first, (p.x.w - shift + s - 1) // s))
    for j in range(first):
        y[j] = 0.0
    kernels.take(x + first * s + shift, s, y + first, end - first)
    for j in range(end, count):
        y[j] = 0.0


cdef void phases_block(const phases_params *p, const float *x, float *y, ptrdiff_t block, ptrdiff_t i) noexcept nogil:
    """Row i of one channel block: its lanes are brought together row by row, some pixels at a time, then transposed."""
    cdef float lanes[MAX_LANES * PHASE_PIXELS]
    cdef const float *rows[MAX_LANES]
    cdef ptrdiff_t start, count, lane, c, row
    for start in range(0, p.y.w, PHASE_PIXELS):
        count = min(p.y.w - start, <ptrdiff_t> PHASE_PIXELS)
        for lane in range(p.y.lanes):
            c = block * p.y.lanes + lane
            row = i * p.stride + c // p.x.c // p.stride - p.top
            rows[lane] = NULL
            if c < p.y.c and 0 <= row < p.x.h:
                phase_row(p, x + c % p.x.c * p.x.c_stride + row * p.x.h_stride, lanes + lane * PHASE_PIXELS, c, start, count)
                rows[lane] = lanes + lane * PHASE_PIXELS
        kernels.interleave(rows, y + start * p.y.lanes, count)


cdef void phases_share(const void *params, const run_t *run) noexcept nogil:
    cdef const phases_params *p = <const phases_params *> params
    cdef ptrdiff_t item, image, block, i
    while True:
        item = next_item(run, p.y.n * p.y.h)
        if item >= p.y.n * p.y.h:
            return
        image, i = item // p.y.h, item % p.y.h
        for block in range(blocks(&p.y)):
            phases_block(p, at(run, &p.x) + image * p.x.n_stride,
                         at(run, &p.y) + image * p.y.n_stride + block * p.y.c_stride + i * p.y.h_stride, block, i)


cdef class Phases(Step):
    """y = the phases of x for this stride; `top` and `left` are the padding that y includes."""

    def __cinit__(self, x, y, Py_ssize_t stride, Py_ssize_t top, Py_ssize_t left):
        cdef phases_params *p = <phases_params *> allocate(1, sizeof(phases_params))
        self.fn = phases_share
        self.params = p
        read_operand(&p.x, x)
        read_operand(&p.y, y)
        p.stride, p.top, p.left = stride, top, left
        if p.x.lanes != 1 or p.y.c != p.x.c * stride * stride or p.x.n != p.y.n:
            raise ValueError(f"phases of stride {stride} of {x.dims} with {p.x.lanes} lanes into {y.dims}")
