"""Pooling: maximum and average over windows of blocked tensors, and the maximum with its index over dense ones.

Layer: drivers; graph/compile makes the steps for max, average and adaptive pools alike: it lists where each window begins inside
the image and how many rows and columns of it lie inside. An item is a band of output rows of one channel block of one image (for
indices, one plane): it writes only these, so items are independent, and a band's input rows stay in the first-level cache.
"""

from libc.math cimport INFINITY
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free

from cyconv._kernels.cpu cimport cy_pool_args, kernels
from cyconv._kernels.step cimport Step, allocate, at, blocks, copy_ints, cy_next_item, operand_t, read_operand, run_t, zero_border

cdef enum:
    ITEM_FLOATS = 8192  # output of one item, 32 KiB: some microseconds of work for one atomic addition

ctypedef void (*pool_fn)(const cy_pool_args *) noexcept nogil


# Windows along both axes, as every pool of this file reads them.
cdef struct windows_t:
    ptrdiff_t *row_start     # first row inside the image, for each output row
    ptrdiff_t *n_rows
    int32_t *column          # first column inside the image, for each output column
    int32_t *n_cols
    ptrdiff_t row_step, col_step


cdef int32_t *copy_int32(object values) except NULL:
    cdef Py_ssize_t i
    cdef int32_t *p = <int32_t *> allocate(len(values), sizeof(int32_t))
    for i in range(len(values)):
        p[i] = values[i]
    return p


cdef int check_axis(starts, counts, Py_ssize_t step, Py_ssize_t outputs, Py_ssize_t size) except -1:
    """Refuse windows that reach outside the image: the kernels do not test."""
    if len(starts) != outputs or len(counts) != outputs:
        raise ValueError(f"{len(starts)} windows with {len(counts)} lengths for {outputs} outputs")
    for first, count in zip(starts, counts):
        if step < 1 or first < 0 or count < 0 or (count > 0 and first + (count - 1) * step >= size):
            raise ValueError(f"a window of {count} from {first} in steps of {step} does not lie inside {size}")
    return 0


cdef int read_windows(windows_t *t, const operand_t *x, const operand_t *y, rows, columns) except -1:
    """`rows` is (row_start, n_rows, row_step), `columns` is (column, n_cols, col_step)."""
    row_start, n_rows, t.row_step = rows
    column, n_cols, t.col_step = columns
    check_axis(row_start, n_rows, t.row_step, y.h, x.h)
    check_axis(column, n_cols, t.col_step, y.w, x.w)
    if x.n != y.n or x.c != y.c:
        raise ValueError(f"a pool of {x.n} x {x.c} planes into {y.n} x {y.c}")
    t.row_start = copy_ints(row_start)
    t.n_rows = copy_ints(n_rows)
    t.column = copy_int32(column)
    t.n_cols = copy_int32(n_cols)
    return 0


cdef void free_windows(windows_t *t) noexcept:
    free(t.row_start)
    free(t.n_rows)
    free(t.column)
    free(t.n_cols)


# Blocked tensors.

cdef struct pool_params:
    operand_t x              # IN
    operand_t y              # OUT, with its border
    windows_t windows
    float *divisor           # for each output pixel, or NULL
    pool_fn kernel
    ptrdiff_t run_first, run_end, run_stride  # equal windows of a row, see cy_pool_args
    ptrdiff_t band_rows, bands, n_items


cdef void pool_share(const void *params, const run_t *run) noexcept nogil:
    cdef const pool_params *p = <const pool_params *> params
    cdef const windows_t *t = &p.windows
    cdef ptrdiff_t item, image, block, band, row, n_blocks = blocks(&p.y)
    cdef const float *x
    cdef float *y
    cdef cy_pool_args a
    a.in_row = t.row_step * p.x.h_stride
    a.column = t.column
    a.n_cols = t.n_cols
    a.col_step = t.col_step
    a.divisor = NULL
    a.n_out = p.y.w
    a.run_first, a.run_end, a.run_stride = p.run_first, p.run_end, p.run_stride
    while True:
        item = cy_next_item(run.counter)
        if item >= p.n_items:
            return
        band, block, image = item % p.bands, item // p.bands % n_blocks, item // p.bands // n_blocks
        x = at(run, &p.x) + image * p.x.n_stride + block * p.x.c_stride
        y = at(run, &p.y) + image * p.y.n_stride + block * p.y.c_stride
        if band == 0:
            zero_border(y, &p.y)
        for row in range(band * p.band_rows, min((band + 1) * p.band_rows, p.y.h)):
            a.inp = x + t.row_start[row] * p.x.h_stride
            a.n_rows = t.n_rows[row]
            a.out = y + row * p.y.h_stride
            if p.divisor != NULL:
                a.divisor = p.divisor + row * p.y.w
            p.kernel(&a)


cdef void find_run(pool_params *p) noexcept:
    """The longest run of windows with as many columns as any and a constant step between their beginnings."""
    cdef ptrdiff_t j, first = 0, most = 0
    cdef const windows_t *t = &p.windows
    for j in range(p.y.w):
        most = max(most, t.n_cols[j])
    for j in range(p.y.w):
        if t.n_cols[j] != most or (j > first + 1 and t.column[j] - t.column[j - 1] != t.column[first + 1] - t.column[first]):
            first = j + 1 if t.n_cols[j] != most else j
        if j + 1 - first > p.run_end - p.run_first and j > first:
            p.run_first, p.run_end, p.run_stride = first, j + 1, t.column[first + 1] - t.column[first]


cdef class Pool(Step):
    """A pool of blocked tensors. kind is "max" or "avg"; row_start and n_rows hold the first row inside the image and the number of
    rows inside for each output row, column and n_cols the same for columns; row_step and col_step are the dilations. divisor has
    one number for each output pixel (avg)."""

    def __cinit__(self, x, y, kind, row_start, n_rows, column, n_cols, row_step, col_step, divisor=None):
        cdef pool_params *p = <pool_params *> allocate(1, sizeof(pool_params))
        cdef Py_ssize_t i
        self.fn = pool_share
        self.params = p
        read_operand(&p.x, x)
        read_operand(&p.y, y)
        if p.x.lanes != kernels.lanes or p.y.lanes != kernels.lanes:
            raise ValueError(f"a pool needs blocks of {kernels.lanes} channels, got {p.x.lanes} and {p.y.lanes}")
        if kind not in ("max", "avg") or (kind == "avg") != (divisor is not None):
            raise ValueError(f"kind must be 'max' without or 'avg' with a divisor, got {kind!r}")
        read_windows(&p.windows, &p.x, &p.y, (row_start, n_rows, row_step), (column, n_cols, col_step))
        p.kernel = kernels.max_pool if kind == "max" else kernels.avg_pool
        if divisor is not None:
            if len(divisor) != p.y.h * p.y.w:
                raise ValueError(f"{len(divisor)} divisors for {p.y.h} x {p.y.w} outputs")
            p.divisor = <float *> allocate(len(divisor), sizeof(float))
            for i in range(len(divisor)):
                p.divisor[i] = divisor[i]
        find_run(p)
        p.band_rows = max(1, ITEM_FLOATS // max(1, p.y.w * p.y.lanes))
        p.bands = max(1, (p.y.h + p.band_rows - 1) // p.band_rows)
        p.n_items = p.y.n * blocks(&p.y) * p.bands

    def __dealloc__(self):
        cdef pool_params *p = <pool_params *> self.params
        if p != NULL:
            free_windows(&p.windows)
            free(p.divisor)


# Dense tensors with indices, by PyTorch's rule: in the order of rows and columns a value replaces the maximum when it is larger or
# NaN, beginning with -inf at the window's first element; the index counts in the h·w plane.

cdef struct index_params:
    operand_t x              # IN   planar
    operand_t y              # OUT  planar
    operand_t index          # OUT  base and offset only; dense int64
    windows_t windows


cdef void pool_plane(const index_params *p, const float *x, float *y, int64_t *index) noexcept nogil:
    cdef const windows_t *t = &p.windows
    cdef ptrdiff_t i, j, r, c, row, column
    cdef int64_t best
    cdef float top, value
    for i in range(p.y.h):
        for j in range(p.y.w):
            top = -INFINITY
            best = t.row_start[i] * p.x.w + t.column[j]
            for r in range(t.n_rows[i]):
                row = t.row_start[i] + r * t.row_step
                for c in range(t.n_cols[j]):
                    column = t.column[j] + c * t.col_step
                    value = x[row * p.x.h_stride + column]
                    if value > top or value != value:
                        top = value
                        best = row * p.x.w + column
            y[i * p.y.h_stride + j] = top
            index[i * p.y.w + j] = best


cdef void index_share(const void *params, const run_t *run) noexcept nogil:
    cdef const index_params *p = <const index_params *> params
    cdef ptrdiff_t item, image, channel
    cdef int64_t *index = <int64_t *> at(run, &p.index)
    while True:
        item = cy_next_item(run.counter)
        if item >= p.y.n * p.y.c:
            return
        image, channel = item // p.y.c, item % p.y.c
        pool_plane(p, at(run, &p.x) + image * p.x.n_stride + channel * p.x.c_stride,
                   at(run, &p.y) + image * p.y.n_stride + channel * p.y.c_stride, index + item * p.y.h * p.y.w)


cdef class MaxPoolIndices(Step):
    """Maxima of planar tensors and where they were: `indices` is a dense int64 array (n, c, oh, ow); windows as in Pool."""

    def __cinit__(self, x, y, indices, row_start, n_rows, column, n_cols, row_step, col_step):
        cdef index_params *p = <index_params *> allocate(1, sizeof(index_params))
        self.fn = index_share
        self.params = p
        read_operand(&p.x, x)
        read_operand(&p.y, y)
        read_operand(&p.index, indices)
        if p.x.lanes != 1 or p.y.lanes != 1:
            raise ValueError(f"indices need planar tensors, got blocks of {p.x.lanes} and {p.y.lanes} channels")
        read_windows(&p.windows, &p.x, &p.y, (row_start, n_rows, row_step), (column, n_cols, col_step))

    def __dealloc__(self):
        if self.params != NULL:
            free_windows(&(<index_params *> self.params).windows)
