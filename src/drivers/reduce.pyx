"""Reductions along one axis of dense arrays: sum, mean, maximum, minimum, the place of the maximum, the k largest.

Layer: drivers; made by graph/lower_reduce.py, which joins axes. An array is (outer, n, inner), reduced along its middle axis. An item is
a group of rows, or of neighbouring columns where the axis is not the last; each sum stays inside one item, which writes only its own
outputs, so items are independent and their borders have no influence on any bit.
"""

from libc.stdint cimport int64_t

from cyconv._kernels.cpu cimport CY_BOOL, CY_FLOAT32, CY_INT64, CY_MEAN, CY_REDUCE_COUNT, kernels
from cyconv._kernels.step cimport Step, allocate, at, next_item, operand_t, read_operand, run_t

cdef enum:
    ITEM_ELEMENTS = 8192  # read by one item: a microsecond or more of work for one atomic addition

ctypedef void (*reduce_fn)(const reduce_params *, const char *, char *, int64_t *, ptrdiff_t) noexcept nogil

cdef struct reduce_params:
    operand_t x              # IN   base and offset only; dense (outer, n, inner), as are the outputs with 1 or k for n
    operand_t y              # OUT  base and offset only
    operand_t index          # OUT  base and offset only; int64
    reduce_fn row            # reduces neighbouring columns
    int function, dtype
    bint flag                # the last place of the maximum; the largest k, not the smallest
    ptrdiff_t outer, n, inner, k
    ptrdiff_t size, y_size   # bytes of an element
    ptrdiff_t group          # rows of an item when inner is 1, else columns
    ptrdiff_t pieces         # items of one index of outer
    ptrdiff_t n_items


cdef void reduce_row(const reduce_params *p, const char *x, char *y, int64_t *index, ptrdiff_t columns) noexcept nogil:
    kernels.reduce(p.function, p.dtype, x, y, p.n, p.inner, columns)


cdef void arg_max_row(const reduce_params *p, const char *x, char *y, int64_t *index, ptrdiff_t columns) noexcept nogil:
    kernels.arg_max(p.dtype, x, <int64_t *> y, p.n, p.inner, columns, p.flag)


cdef void top_k_row(const reduce_params *p, const char *x, char *y, int64_t *index, ptrdiff_t columns) noexcept nogil:
    cdef ptrdiff_t j
    for j in range(columns):
        kernels.top_k(p.dtype, x + j * p.size, y + j * p.size, index + j, p.n, p.k, p.inner, p.flag)


cdef void reduce_share(const void *params, const run_t *run) noexcept nogil:
    cdef const reduce_params *p = <const reduce_params *> params
    cdef ptrdiff_t item, row, first, count, place
    cdef const char *x = <const char *> at(run, &p.x)
    cdef char *y = <char *> at(run, &p.y)
    cdef int64_t *index = <int64_t *> at(run, &p.index)
    while True:
        item = next_item(run, p.n_items)
        if item >= p.n_items:
            return
        if p.inner == 1:
            first, count = 0, 1
            for row in range(item * p.group, min((item + 1) * p.group, p.outer)):
                p.row(p, x + row * p.n * p.size, y + row * p.k * p.y_size, index + row * p.k, 1)
        else:
            first, row = item % p.pieces * p.group, item // p.pieces
            count, place = min(p.group, p.inner - first), row * p.k * p.inner + first
            p.row(p, x + (row * p.n * p.inner + first) * p.size, y + place * p.y_size, index + place, count)


cdef class AxisStep(Step):
    """What the steps of this file share. dtype is a number of the list in microkernels.h; sizes is (outer, n, inner)."""

    cdef reduce_params *begin(self, reduce_fn row, x, y, sizes, int dtype, Py_ssize_t k) except NULL:
        cdef reduce_params *p = <reduce_params *> allocate(1, sizeof(reduce_params))
        self.fn = reduce_share
        self.params = p
        read_operand(&p.x, x)
        read_operand(&p.y, y)
        p.index = p.y
        p.row, p.dtype, p.k = row, dtype, k
        p.outer, p.n, p.inner = sizes
        if not CY_FLOAT32 <= dtype <= CY_BOOL:
            raise ValueError(f"dtype must be one of {CY_FLOAT32} to {CY_BOOL}, got {dtype}")
        p.size = p.y_size = 8 if dtype == CY_INT64 else 4
        if p.inner == 1:
            p.group = max(1, ITEM_ELEMENTS // max(1, p.n))
            p.n_items = (p.outer + p.group - 1) // p.group
        else:
            p.group = max(1, ITEM_ELEMENTS // max(1, p.n) // kernels.lanes) * kernels.lanes
            p.pieces = (p.inner + p.group - 1) // p.group
            p.n_items = p.outer * p.pieces
        return p


cdef class Reduce(AxisStep):
    """Sum, mean, maximum or minimum; function is a number of the list in microkernels.h, the mean one of float32 only."""

    def __cinit__(self, x, y, sizes, int function, int dtype):
        cdef reduce_params *p = self.begin(reduce_row, x, y, sizes, dtype, 1)
        if not 0 <= function < CY_REDUCE_COUNT or (function == CY_MEAN and dtype != CY_FLOAT32):
            raise ValueError(f"function must be one of 0 to {CY_REDUCE_COUNT - 1}, a mean of float32, got {function} of dtype {dtype}")
        p.function = function


cdef class ArgMax(AxisStep):
    """The first, or with `last` the last, place of the maximum, as int64."""

    def __cinit__(self, x, y, sizes, int dtype, bint last=False):
        cdef reduce_params *p = self.begin(arg_max_row, x, y, sizes, dtype, 1)
        if p.n < 1:
            raise ValueError("the maximum of nothing has no place")
        p.flag, p.y_size = last, 8


cdef class TopK(AxisStep):
    """The k largest, or else smallest, in order, and their places as int64."""

    def __cinit__(self, x, y, index, sizes, int dtype, Py_ssize_t k, bint largest=True):
        cdef reduce_params *p = self.begin(top_k_row, x, y, sizes, dtype, k)
        read_operand(&p.index, index)
        if not 0 <= k <= p.n:
            raise ValueError(f"k must be one of 0 to {p.n}, got {k}")
        p.flag = largest
