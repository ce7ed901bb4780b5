"""Pooling: maximum, average and p-norm over windows of blocked tensors, and the maximum with its index over dense ones.

Layer: drivers; the lowering makes the steps for max, average, p-norm and adaptive pools alike: it lists where each window begins inside
the volume and how many slices, rows and columns of it lie inside. An item is a band of output rows of one channel block of one image (for
indices, one plane): it writes only these, so items are independent, and a band's input rows stay in the first-level cache. Bands come
before blocks, so that threads have neighbouring rows of all channels, as products do that go band by band.
"""

from libc.math cimport INFINITY
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free

from cyconv._kernels.cpu cimport cy_pool_args, kernels
from cyconv._kernels.step cimport (
    Step, allocate, at, blocks, copy_ints, image_at, next_item, operand_t, read_operand, run_t, zero_border,
)

cdef enum:
    ITEM_FLOATS = 8192  # output of one item, 32 KiB: some microseconds of work for one atomic addition
    SMALL_PIXELS = 64   # up to here one band an image; of larger ones each thread has rows of its own, which it next multiplies

ctypedef void (*pool_fn)(const cy_pool_args *) noexcept nogil


# Windows along the three axes, as every pool of this file reads them. Images are volumes of one slice.
cdef struct windows_t:
    ptrdiff_t *slice_start   # first slice inside the volume, for each output slice
    ptrdiff_t *n_slices
    ptrdiff_t *row_start     # first row inside the slice, for each output row
    ptrdiff_t *n_rows
    int32_t *column          # first column inside the slice, for each output column
    int32_t *n_cols
    ptrdiff_t slice_step, row_step, col_step
    ptrdiff_t depth, out_depth


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


cdef int read_windows(windows_t *t, const operand_t *x, const operand_t *y, axes) except -1:
    """`axes` holds (starts, counts, step, input size) of slices, rows and columns."""
    (slice_start, n_slices, t.slice_step, t.depth), (row_start, n_rows, t.row_step, h), (column, n_cols, t.col_step, w) = axes
    t.out_depth = len(slice_start)
    check_axis(slice_start, n_slices, t.slice_step, t.out_depth, t.depth)
    check_axis(row_start, n_rows, t.row_step, y.h, h)
    check_axis(column, n_cols, t.col_step, y.w, w)
    if (x.c, x.h, x.w) != (y.c, h, w) or x.n * t.out_depth != y.n * t.depth:
        raise ValueError(f"a pool of {x.n} images {x.c} x {x.h} x {x.w}, {t.depth} a volume, into {y.n} x {y.c}, {t.out_depth} a volume")
    t.slice_start = copy_ints(slice_start)
    t.n_slices = copy_ints(n_slices)
    t.row_start = copy_ints(row_start)
    t.n_rows = copy_ints(n_rows)
    t.column = copy_int32(column)
    t.n_cols = copy_int32(n_cols)
    return 0


cdef void free_windows(windows_t *t) noexcept:
    free(t.slice_start)
    free(t.n_slices)
    free(t.row_start)
    free(t.n_rows)
    free(t.column)
    free(t.n_cols)


# Blocked tensors.

cdef struct pool_params:
    operand_t x              # IN
    operand_t y              # OUT, with its border
    windows_t windows
    float *divisor           # for each output pixel of a volume, or NULL
    float power              # of the p-norm
    bint absolute
    pool_fn kernel
    ptrdiff_t run_first, run_end, run_stride  # equal windows of a row, see cy_pool_args
    ptrdiff_t band_rows, bands, n_items


cdef void pool_share(const void *params, const run_t *run) noexcept nogil:
    cdef const pool_params *p = <const pool_params *> params
    cdef const windows_t *t = &p.windows
    cdef ptrdiff_t item, image, block, band, row, z, n_blocks = blocks(&p.y)
    cdef const float *x
    cdef float *y
    cdef cy_pool_args a
    a.in_slice = t.slice_step * p.x.n_stride
    a.in_row = t.row_step * p.x.h_stride
    a.column = t.column
    a.n_cols = t.n_cols
    a.col_step = t.col_step
    a.divisor = NULL
    a.power, a.absolute = p.power, p.absolute
    a.n_out = p.y.w
    a.run_first, a.run_end, a.run_stride = p.run_first, p.run_end, p.run_stride
    while True:
        item = next_item(run, p.n_items)
        if item >= p.n_items:
            return
        block, band, image = item % n_blocks, item // n_blocks % p.bands, item // p.bands // n_blocks
        z = image % t.out_depth
        x = at(run, &p.x) + (image // t.out_depth * t.depth + t.slice_start[z]) * p.x.n_stride + block * p.x.c_stride
        a.n_slices = t.n_slices[z]
        y = at(run, &p.y) + image * p.y.n_stride + block * p.y.c_stride
        if band == 0:
            zero_border(y, &p.y)
        for row in range(band * p.band_rows, min((band + 1) * p.band_rows, p.y.h)):
            a.inp = x + t.row_start[row] * p.x.h_stride
            a.n_rows = t.n_rows[row]
            a.out = y + row * p.y.h_stride
            if p.divisor != NULL:
                a.divisor = p.divisor + (z * p.y.h + row) * p.y.w
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
    """A pool of blocked tensors.

    kind is "max", "avg" or "lp". axes holds (starts, counts, step, input size) of slices, rows and columns: for each output the first
    position inside the volume and how many lie inside, and the dilation; images have one slice. divisor has one number for each output
    pixel of a volume (avg, lp); power and absolute belong to lp."""

    def __cinit__(self, x, y, kind, axes, divisor=None, power=1.0, absolute=False):
        cdef pool_params *p = <pool_params *> allocate(1, sizeof(pool_params))
        cdef Py_ssize_t i
        self.fn = pool_share
        self.params = p
        read_operand(&p.x, x)
        read_operand(&p.y, y)
        if p.x.lanes != kernels.lanes or p.y.lanes != kernels.lanes:
            raise ValueError(f"a pool needs blocks of {kernels.lanes} channels, got {p.x.lanes} and {p.y.lanes}")
        if kind not in ("max", "avg", "lp") or (kind == "max") != (divisor is None):
            raise ValueError(f"kind must be 'max' without, or 'avg' or 'lp' with a divisor, got {kind!r}")
        read_windows(&p.windows, &p.x, &p.y, axes)
        p.kernel = kernels.max_pool if kind == "max" else kernels.avg_pool if kind == "avg" else kernels.lp_pool
        if divisor is not None:
            if len(divisor) != p.windows.out_depth * p.y.h * p.y.w:
                raise ValueError(f"{len(divisor)} divisors for {p.windows.out_depth} x {p.y.h} x {p.y.w} outputs")
            p.divisor = <float *> allocate(len(divisor), sizeof(float))
            for i in range(len(divisor)):
                p.divisor[i] = divisor[i]
        p.power, p.absolute = power, absolute
        find_run(p)
        p.band_rows = max(1, ITEM_FLOATS // max(1, p.y.w * p.y.lanes))
        if p.y.h * p.y.w > SMALL_PIXELS:
            p.band_rows = min(p.band_rows, (p.y.h + 1) // 2)
        p.bands = max(1, (p.y.h + p.band_rows - 1) // p.band_rows)
        p.n_items = p.y.n * blocks(&p.y) * p.bands

    def __dealloc__(self):
        cdef pool_params *p = <pool_params *> self.params
        if p != NULL:
            free_windows(&p.windows)
            free(p.divisor)


# Dense tensors with indices, by PyTorch's rule: in the order of slices, rows and columns a value replaces the maximum when it is
# larger or NaN, beginning with -inf at the window's first element. The index of (z, row, column) in the k-th plane or volume is
#   k·plane + z·index_step[0] + row·index_step[1] + column·index_step[2]

cdef struct index_params:
    operand_t x              # IN   planar
    operand_t y              # OUT  planar
    operand_t index          # OUT  base and offset only; dense int64
    windows_t windows
    ptrdiff_t plane
    ptrdiff_t index_step[3]
    ptrdiff_t n_items


cdef void pool_volume(const index_params *p, const float *x, float *y, int64_t *index, int64_t base) noexcept nogil:
    cdef const windows_t *t = &p.windows
    cdef ptrdiff_t k, i, j, s, r, c, z, row, column
    cdef int64_t best
    cdef float top, value
    for k in range(t.out_depth):
        for i in range(p.y.h):
            for j in range(p.y.w):
                top = -INFINITY
                best = base + t.slice_start[k] * p.index_step[0] + t.row_start[i] * p.index_step[1] + t.column[j] * p.index_step[2]
                for s in range(t.n_slices[k]):
                    z = t.slice_start[k] + s * t.slice_step
                    for r in range(t.n_rows[i]):
                        row = t.row_start[i] + r * t.row_step
                        for c in range(t.n_cols[j]):
                            column = t.column[j] + c * t.col_step
                            value = x[(z * p.x.h + row) * p.x.h_stride + column]
                            if value > top or value != value:
                                top = value
                                best = base + z * p.index_step[0] + row * p.index_step[1] + column * p.index_step[2]
                y[(k * p.y.h + i) * p.y.h_stride + j] = top
                index[(k * p.y.h + i) * p.y.w + j] = best


cdef void index_share(const void *params, const run_t *run) noexcept nogil:
    cdef const index_params *p = <const index_params *> params
    cdef ptrdiff_t item, first, channel, out_depth = p.windows.out_depth
    cdef int64_t *index = <int64_t *> at(run, &p.index)
    while True:
        item = next_item(run, p.n_items)
        if item >= p.n_items:
            return
        first, channel = item // p.y.c, item % p.y.c
        pool_volume(p, image_at(run, &p.x, first * p.windows.depth) + channel * p.x.c_stride,
                    image_at(run, &p.y, first * out_depth) + channel * p.y.c_stride, index + item * out_depth * p.y.h * p.y.w,
                    item * p.plane)


cdef class MaxPoolIndices(Step):
    """Maxima of planar tensors and where they were: `indices` is a dense int64 array; axes as in Pool.

    index_strides says by how much an index grows from plane to plane, slice to slice, row to row and column to column."""

    def __cinit__(self, x, y, indices, axes, index_strides):
        cdef index_params *p = <index_params *> allocate(1, sizeof(index_params))
        self.fn = index_share
        self.params = p
        read_operand(&p.x, x)
        read_operand(&p.y, y)
        read_operand(&p.index, indices)
        if p.x.lanes != 1 or p.y.lanes != 1:
            raise ValueError(f"indices need planar tensors, got blocks of {p.x.lanes} and {p.y.lanes} channels")
        read_windows(&p.windows, &p.x, &p.y, axes)
        if (p.x.depth, p.y.depth) != (p.windows.depth, p.windows.out_depth):
            raise ValueError(f"volumes of {p.x.depth} and {p.y.depth} slices, windows for {p.windows.depth} and {p.windows.out_depth}")
        p.n_items = p.y.n // p.y.depth * p.y.c
        p.plane, p.index_step[0], p.index_step[1], p.index_step[2] = index_strides

    def __dealloc__(self):
        if self.params != NULL:
            free_windows(&(<index_params *> self.params).windows)
