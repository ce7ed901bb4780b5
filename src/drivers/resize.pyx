"""Resizing from tables: along one axis of a dense array, or over the rows and columns of blocked images.

Layer: drivers; made by graph/lower_resize.py, which computes the tables: for each place of the output the two places of the input that
it mixes, and their weights. An item is one row of the output of one channel block, or one place along the axis of one outer index. It
writes only its own pixels, so items are independent.
"""

from libc.stdint cimport int32_t
from libc.stdlib cimport free

from cyconv._kernels.cpu cimport kernels
from cyconv._kernels.step cimport Step, allocate, at, blocks, next_item, operand_t, read_operand, run_t, zero_border


# Output place j is w0[j] times input place first[j] plus w1[j] times second[j]; w1 of 0: that of first[j] alone.
cdef struct table_t:
    ptrdiff_t n
    int32_t *first
    int32_t *second
    float *w0
    float *w1


cdef int read_table(table_t *t, object table, ptrdiff_t size, ptrdiff_t out) except -1:
    """Fill from (first, second, weight of second), sequences of `out` entries about an axis of `size`."""
    cdef Py_ssize_t i
    first, second, weight = table
    if not len(first) == len(second) == len(weight) == out:
        raise ValueError(f"tables of {len(first)}, {len(second)} and {len(weight)} entries for {out} places")
    t.n = out
    t.first = <int32_t *> allocate(out, sizeof(int32_t))
    t.second = <int32_t *> allocate(out, sizeof(int32_t))
    t.w0 = <float *> allocate(out, sizeof(float))
    t.w1 = <float *> allocate(out, sizeof(float))
    for i in range(out):
        if not (0 <= first[i] < size and 0 <= second[i] < size):
            raise ValueError(f"places {first[i]} and {second[i]} on an axis of {size}")
        t.first[i], t.second[i], t.w0[i], t.w1[i] = first[i], second[i], 1 - weight[i], weight[i]
    return 0


cdef void free_table(table_t *t) noexcept:
    free(t.first)
    free(t.second)
    free(t.w0)
    free(t.w1)


cdef struct axis_params:
    operand_t x              # IN   base and offset only; dense (outer, n, inner)
    operand_t y              # OUT  base and offset only; dense (outer, table.n, inner)
    ptrdiff_t outer, n, inner
    table_t table


cdef void axis_share(const void *params, const run_t *run) noexcept nogil:
    cdef const axis_params *p = <const axis_params *> params
    cdef const table_t *t = &p.table
    cdef ptrdiff_t item, j, n_items = p.outer if p.inner == 1 else p.outer * t.n
    cdef const float *x
    cdef float *y
    while True:
        item = next_item(run, n_items)
        if item >= n_items:
            return
        if p.inner == 1:
            kernels.mix_gather(at(run, &p.x) + item * p.n, t.first, t.second, t.w0, t.w1, at(run, &p.y) + item * t.n, t.n)
        else:
            j = item % t.n
            x = at(run, &p.x) + item // t.n * p.n * p.inner
            y = at(run, &p.y) + item * p.inner
            kernels.mix(x + t.first[j] * p.inner, x + t.second[j] * p.inner, t.w0[j], t.w1[j], y, p.inner)


cdef class ResizeAxis(Step):
    """Along the middle axis of a dense array; sizes is (outer, n, inner), table (first, second, weight of second)."""

    def __cinit__(self, x, y, sizes, table):
        cdef axis_params *p = <axis_params *> allocate(1, sizeof(axis_params))
        self.fn = axis_share
        self.params = p
        read_operand(&p.x, x)
        read_operand(&p.y, y)
        p.outer, p.n, p.inner = sizes
        read_table(&p.table, table, p.n, len(table[0]))

    def __dealloc__(self):
        if self.params != NULL:
            free_table(&(<axis_params *> self.params).table)


cdef struct image_params:
    operand_t x              # IN   blocked
    operand_t y              # OUT  blocked, with its border
    table_t rows, columns


cdef void image_share(const void *params, const run_t *run) noexcept nogil:
    cdef const image_params *p = <const image_params *> params
    cdef const table_t *r = &p.rows
    cdef const table_t *c = &p.columns
    cdef ptrdiff_t n_blocks = blocks(&p.y), item, rest, row
    cdef const float *x
    cdef float *y
    while True:
        item = next_item(run, p.y.n * n_blocks * p.y.h)
        if item >= p.y.n * n_blocks * p.y.h:
            return
        row, rest = item % p.y.h, item // p.y.h
        x = at(run, &p.x) + rest // n_blocks * p.x.n_stride + rest % n_blocks * p.x.c_stride
        y = at(run, &p.y) + rest // n_blocks * p.y.n_stride + rest % n_blocks * p.y.c_stride
        if row == 0:
            zero_border(y, &p.y)
        kernels.resize_row(x + r.first[row] * p.x.h_stride, x + r.second[row] * p.x.h_stride, r.w0[row], r.w1[row],
                           c.first, c.second, c.w0, c.w1, y + row * p.y.h_stride, c.n)


cdef class ResizeImage(Step):
    """Rows and columns of blocked images; each table is (first, second, weight of second)."""

    def __cinit__(self, x, y, rows, columns):
        cdef image_params *p = <image_params *> allocate(1, sizeof(image_params))
        self.fn = image_share
        self.params = p
        read_operand(&p.x, x)
        read_operand(&p.y, y)
        if p.x.lanes != kernels.lanes or p.y.lanes != kernels.lanes or (p.x.n, p.x.c) != (p.y.n, p.y.c):
            raise ValueError(f"resizing {x.dims} in blocks of {p.x.lanes} channels into {y.dims} in blocks of {p.y.lanes}")
        read_table(&p.rows, rows, p.x.h, p.y.h)
        read_table(&p.columns, columns, p.x.w, p.y.w)

    def __dealloc__(self):
        cdef image_params *p = <image_params *> self.params
        if p != NULL:
            free_table(&p.rows)
            free_table(&p.columns)
