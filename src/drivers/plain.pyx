"""Convolution in the order of its definition, for what the kernels of drivers/bf16x3.pyx cannot compute: weights that are not all finite.

Layer: drivers; made by graph/lower_bf16x3 behind the product of a single call. Nearly always it finds that the weights are finite, and
does nothing. An item is an output channel of an image. For output pixel (i, j) and the taps t at (row[t], column[t]):

    y[n, o, i, j] = act(bias[o] + Σ_c Σ_t x[n, c, i·sh + row[t] − top, j·sw + column[t] − left] · w[o, c, t])

summed in float32; what lies outside x is zero.
"""

from libc.stdlib cimport free

from cyconv._kernels.cpu cimport CY_ACT_CLAMP, CY_ACT_LEAKY
from cyconv._kernels.parts cimport all_finite
from cyconv._kernels.step cimport Step, allocate, at, copy_ints, next_item, operand_t, read_operand, run_t


cdef struct plain_params:
    operand_t x              # IN   planar
    operand_t w              # IN   dense oihw
    operand_t bias           # IN   one float for each output channel
    operand_t finite         # IN   what PackParts says of the weights, n_finite words
    operand_t y              # OUT  planar
    ptrdiff_t *cells         # (row, column) of each tap
    ptrdiff_t n_cells, n_finite
    ptrdiff_t sh, sw, top, left
    int act
    float lo, hi, slope


cdef inline float activated(const plain_params *p, float v) noexcept nogil:
    """What is not a number passes."""
    if p.act == CY_ACT_CLAMP:
        return p.lo if v < p.lo else p.hi if v > p.hi else v
    if p.act == CY_ACT_LEAKY and not v > 0:
        return v * p.slope
    return v


cdef float pixel(const plain_params *p, const float *x, const float *w, ptrdiff_t i, ptrdiff_t j) noexcept nogil:
    cdef ptrdiff_t c, t, row, column
    cdef float total = 0.0, value
    for c in range(p.x.c):
        for t in range(p.n_cells):
            row, column = i * p.sh + p.cells[2 * t] - p.top, j * p.sw + p.cells[2 * t + 1] - p.left
            value = 0.0
            if 0 <= row < p.x.h and 0 <= column < p.x.w:
                value = x[c * p.x.c_stride + row * p.x.h_stride + column]
            total += value * w[c * p.n_cells + t]
    return total


cdef void plain_share(const void *params, const run_t *run) noexcept nogil:
    cdef const plain_params *p = <const plain_params *> params
    cdef ptrdiff_t item, image, o, i, j
    cdef const float *x
    cdef float *y
    if all_finite(&p.finite, p.n_finite, run):
        return
    while True:
        item = next_item(run, p.y.n * p.y.c)
        if item >= p.y.n * p.y.c:
            return
        image, o = item // p.y.c, item % p.y.c
        x = at(run, &p.x) + image * p.x.n_stride
        y = at(run, &p.y) + image * p.y.n_stride + o * p.y.c_stride
        for i in range(p.y.h):
            for j in range(p.y.w):
                y[i * p.y.h_stride + j] = activated(p, at(run, &p.bias)[o] + pixel(p, x, at(run, &p.w) + o * p.w.n_stride, i, j))


cdef class PlainConv(Step):
    """`window` is a cyconv.graph.lower_bf16x3.Window, `activation` (act, lo, hi, slope) as in microkernels.h, `finite` an operand and how
    many words it has."""

    def __cinit__(self, x, w, bias, y, window, finite, activation):
        cdef plain_params *p = <plain_params *> allocate(1, sizeof(plain_params))
        self.fn = plain_share
        self.params = p
        read_operand(&p.x, x)
        read_operand(&p.w, w)
        read_operand(&p.bias, bias)
        read_operand(&p.y, y)
        words, p.n_finite = finite
        read_operand(&p.finite, words)
        p.cells, p.n_cells = copy_ints([number for cell in window.cells for number in cell]), len(window.cells)
        p.sh, p.sw = window.stride
        p.top, p.left = window.padding
        p.act, p.lo, p.hi, p.slope = activation
        if p.x.lanes != 1 or p.y.lanes != 1 or p.w.n_stride != p.x.c * p.n_cells:
            raise ValueError(f"planar tensors and dense weights are due, got {x.lanes} and {y.lanes} lanes, weights {w.dims}")

    def __dealloc__(self):
        if self.params != NULL:
            free((<plain_params *> self.params).cells)
