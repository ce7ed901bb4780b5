"""Normalisation that looks along an axis: local response normalisation across channels, softmax and its logarithm.

Layer: drivers; made by graph/compile. Lrn: an item is up to 64 neighbouring pixels of one row, with all their channels. Softmax: an
item is a group of rows, or of neighbouring columns where the axis is not the last. Every sum stays inside one item and each item
writes only its own outputs, so items are independent and their borders have no influence on any bit.
"""

from cyconv._kernels.cpu cimport CY_LRN_PIXELS, kernels
from cyconv._kernels.step cimport Step, allocate, at, blocks, next_item, operand_t, read_operand, run_t, zero_border

cdef enum:
    ITEM_FLOATS = 8192  # of softmax, 32 KiB: a vector's work takes some nanoseconds, an atomic addition some tens
    ITEM_PIXELS = 64    # of lrn, with all their channels


def lrn_scratch_floats(Py_ssize_t channels, Py_ssize_t lanes, Py_ssize_t size):
    """Floats of scratch that one thread of an Lrn step needs."""
    return CY_LRN_PIXELS * ((channels + lanes - 1) // lanes + 2 * ((size + lanes - 1) // lanes)) * lanes


cdef struct lrn_params:
    operand_t x              # IN   blocked
    operand_t y              # OUT, with its border; may be x
    operand_t scratch        # SCRATCH  base and offset only; one part for each thread
    ptrdiff_t scratch_floats, max_threads
    ptrdiff_t size
    float alpha_beta_k[3]
    ptrdiff_t pieces, n_items


cdef void lrn_share(const void *params, const run_t *run) noexcept nogil:
    cdef const lrn_params *p = <const lrn_params *> params
    cdef ptrdiff_t item, image, row, block, first, n
    cdef const float *x
    cdef float *y
    cdef float *scratch = at(run, &p.scratch) + run.thread * p.scratch_floats
    if run.thread >= p.max_threads:
        return  # it has no scratch; the others take its items
    while True:
        item = next_item(run, p.n_items)
        if item >= p.n_items:
            return
        first = item % p.pieces * ITEM_PIXELS
        row, image = item // p.pieces % p.y.h, item // p.pieces // p.y.h
        x = at(run, &p.x) + image * p.x.n_stride
        y = at(run, &p.y) + image * p.y.n_stride
        if row == 0 and first == 0:
            for block in range(blocks(&p.y)):
                zero_border(y + block * p.y.c_stride, &p.y)
        n = min(ITEM_PIXELS, p.y.w - first)
        kernels.lrn(x + row * p.x.h_stride + first * p.x.lanes, y + row * p.y.h_stride + first * p.y.lanes, p.x.c_stride, p.y.c_stride,
                    p.y.c, n, p.size, p.alpha_beta_k, scratch)


cdef class Lrn(Step):
    """y = x / (k + alpha/size·Σ x²)^beta over `size` neighbouring channels. The operand scratch has lrn_scratch_floats() for each of
    max_threads threads."""

    def __cinit__(self, x, y, scratch, Py_ssize_t size, float alpha, float beta, float k, Py_ssize_t max_threads):
        cdef lrn_params *p = <lrn_params *> allocate(1, sizeof(lrn_params))
        self.fn = lrn_share
        self.params = p
        read_operand(&p.x, x)
        read_operand(&p.y, y)
        read_operand(&p.scratch, scratch)
        p.size = size
        p.alpha_beta_k[0], p.alpha_beta_k[1], p.alpha_beta_k[2] = alpha, beta, k
        if p.x.lanes != kernels.lanes or p.y.lanes != kernels.lanes:
            raise ValueError(f"lrn needs blocks of {kernels.lanes} channels, got {p.x.lanes} and {p.y.lanes}")
        if (p.x.n, p.x.c, p.x.h, p.x.w) != (p.y.n, p.y.c, p.y.h, p.y.w):
            raise ValueError(f"lrn of {x.dims} into {y.dims}")
        if p.size < 1 or max_threads < 1:
            raise ValueError(f"size and max_threads must be at least 1, got {p.size} and {max_threads}")
        p.max_threads = max_threads
        p.scratch_floats = lrn_scratch_floats(p.y.c, p.y.lanes, p.size)
        p.pieces = (p.y.w + ITEM_PIXELS - 1) // ITEM_PIXELS
        p.n_items = p.y.n * p.y.h * p.pieces if p.y.c > 0 else 0


cdef struct softmax_params:
    operand_t x              # IN   dense (outer, n, inner)
    operand_t y              # OUT  the same; may be x
    ptrdiff_t outer, n, inner
    ptrdiff_t group          # rows of an item when inner is 1, else columns
    ptrdiff_t pieces         # items of one index of outer
    ptrdiff_t n_items
    bint logarithm


cdef void softmax_share(const void *params, const run_t *run) noexcept nogil:
    cdef const softmax_params *p = <const softmax_params *> params
    cdef ptrdiff_t item, row, first
    cdef const float *x = at(run, &p.x)
    cdef float *y = at(run, &p.y)
    while True:
        item = next_item(run, p.n_items)
        if item >= p.n_items:
            return
        if p.inner == 1:
            for row in range(item * p.group, min((item + 1) * p.group, p.outer)):
                kernels.softmax(x + row * p.n, y + row * p.n, p.n, 1, 1, p.logarithm)
        else:
            first = item % p.pieces * p.group
            row = item // p.pieces * p.n * p.inner + first
            kernels.softmax(x + row, y + row, p.n, p.inner, min(p.group, p.inner - first), p.logarithm)


cdef class Softmax(Step):
    """Softmax, or its logarithm, along the middle axis of a dense array (outer, n, inner)."""

    def __cinit__(self, x, y, Py_ssize_t outer, Py_ssize_t n, Py_ssize_t inner, bint logarithm):
        cdef softmax_params *p = <softmax_params *> allocate(1, sizeof(softmax_params))
        self.fn = softmax_share
        self.params = p
        read_operand(&p.x, x)
        read_operand(&p.y, y)
        p.outer, p.n, p.inner = outer, n, inner
        p.logarithm = logarithm
        if p.outer * p.n * p.inner <= 0:
            return
        if p.inner == 1:
            p.group = max(1, ITEM_FLOATS // p.n)
            p.n_items = (p.outer + p.group - 1) // p.group
        else:
            p.group = max(1, ITEM_FLOATS // p.n // kernels.lanes) * kernels.lanes
            p.pieces = (p.inner + p.group - 1) // p.group
            p.n_items = p.outer * p.pieces
