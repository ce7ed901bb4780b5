"""Element-wise steps of float32 tensors: functions of one, functions of two, and a scale and shift or slope per channel.

Layer: drivers; made by graph/compile. All steps of this file walk over rows in the same way: (image, plane, row), a plane being a
channel block or, in a planar tensor, a channel. Axes that lie without a gap in all operands are joined, so that a dense array is
one long row. An item is a band of rows or a piece of a long one; it writes only its own floats, so items are independent.
"""

from cyconv._kernels.cpu cimport CY_BINARY_COUNT, CY_EACH, CY_LANES, CY_ONE, CY_UNARY_COUNT, kernels
from cyconv._kernels.step cimport Step, allocate, at, blocks, next_item, operand_t, read_operand, run_t, zero_border

cdef enum:
    ITEM_FLOATS = 8192  # of one item, 32 KiB: a microsecond or more of work for one atomic addition; a multiple of every LANES

ctypedef void (*row_fn)(const rows_params *, const float *, const float *, const float *, float *, ptrdiff_t) noexcept nogil

cdef struct rows_params:
    operand_t x              # IN
    operand_t b              # IN   second operand, scale or slope
    operand_t c              # IN   shift
    operand_t y              # OUT, with its border; may be x
    row_fn row               # computes n floats of a row
    int function
    int b_runs               # CY_EACH: b runs along with x; else it is constant over the pixels of a plane, as c is
    float p0, p1
    ptrdiff_t images, planes, rows, floats    # floats of one row
    ptrdiff_t band_rows, bands, chunks, n_items


cdef void unary_row(const rows_params *p, const float *x, const float *b, const float *c, float *y, ptrdiff_t n) noexcept nogil:
    kernels.unary(p.function, x, y, n, p.p0, p.p1)


cdef void binary_row(const rows_params *p, const float *x, const float *b, const float *c, float *y, ptrdiff_t n) noexcept nogil:
    kernels.binary(p.function, x, b, y, n, p.b_runs)


cdef void scale_row(const rows_params *p, const float *x, const float *b, const float *c, float *y, ptrdiff_t n) noexcept nogil:
    kernels.scale_shift(x, b, c, y, n // kernels.lanes)


cdef void prelu_row(const rows_params *p, const float *x, const float *b, const float *c, float *y, ptrdiff_t n) noexcept nogil:
    kernels.prelu(x, b, y, n // kernels.lanes)


cdef void rows_share(const void *params, const run_t *run) noexcept nogil:
    cdef const rows_params *p = <const rows_params *> params
    cdef ptrdiff_t item, image, plane, band, chunk, row, start, n, b_start
    cdef const float *x
    cdef const float *b
    cdef const float *c
    cdef float *y
    while True:
        item = next_item(run, p.n_items)
        if item >= p.n_items:
            return
        chunk, item = item % p.chunks, item // p.chunks
        band, item = item % p.bands, item // p.bands
        plane, image = item % p.planes, item // p.planes
        x = at(run, &p.x) + image * p.x.n_stride + plane * p.x.c_stride
        b = at(run, &p.b) + image * p.b.n_stride + plane * p.b.c_stride
        c = at(run, &p.c) + image * p.c.n_stride + plane * p.c.c_stride
        y = at(run, &p.y) + image * p.y.n_stride + plane * p.y.c_stride
        if band == 0 and chunk == 0:
            zero_border(y, &p.y)
        start = chunk * ITEM_FLOATS
        b_start = start if p.b_runs == CY_EACH else 0
        n = min(ITEM_FLOATS, p.floats - start) if p.chunks > 1 else p.floats
        for row in range(band * p.band_rows, min((band + 1) * p.band_rows, p.rows)):
            p.row(p, x + row * p.x.h_stride + start, b + row * p.b.h_stride + b_start, c, y + row * p.y.h_stride + start, n)


cdef int broadcast(operand_t *t, const operand_t *y, bint constant) except -1:
    """Give an operand stride 0 along the axes where it has one element and y has more; `constant` over the pixels of a plane."""
    if t.n not in (1, y.n) or t.c not in (1, y.c) or t.h not in (1, y.h) or (t.w != y.w and not constant):
        raise ValueError(f"({t.n}, {t.c}, {t.h}, {t.w}) does not broadcast to ({y.n}, {y.c}, {y.h}, {y.w})")
    if constant and t.h * t.w != 1:
        raise ValueError(f"an operand that is constant over pixels is 1 x 1, got {t.h} x {t.w}")
    if t.n == 1:
        t.n_stride = 0
    if t.c == 1 and y.c != 1:
        if t.lanes != 1:
            raise ValueError("one channel for all must be planar")
        t.c_stride = 0
    if t.h == 1:
        t.h_stride = 0
    return 0


cdef bint joins(ptrdiff_t count, ptrdiff_t span, ptrdiff_t x, ptrdiff_t y, ptrdiff_t b, ptrdiff_t c, bint constant) noexcept:
    """Whether `count` steps along an axis follow each other in all operands; arguments x to c are the strides of this axis."""
    return count == 1 or (x == span and y == span and b == (0 if constant else span) and c == 0)


cdef int walk(rows_params *p, bint two) except -1:
    """Join what can be joined, then cut into items. `two`: whether there is an operand b."""
    cdef bint constant = not two or p.b_runs != CY_EACH
    if (p.x.n, p.x.c, p.x.h, p.x.w, p.x.lanes) != (p.y.n, p.y.c, p.y.h, p.y.w, p.y.lanes):
        raise ValueError(f"({p.x.n}, {p.x.c}, {p.x.h}, {p.x.w}) in blocks of {p.x.lanes} channels into "
                         f"({p.y.n}, {p.y.c}, {p.y.h}, {p.y.w}) in blocks of {p.y.lanes}")
    p.images, p.planes, p.rows, p.floats = p.y.n, blocks(&p.y), p.y.h, p.y.w * p.y.lanes
    if joins(p.rows, p.floats, p.x.h_stride, p.y.h_stride, p.b.h_stride, 0, constant):
        p.floats, p.rows = p.floats * p.rows, 1
        if joins(p.planes, p.floats, p.x.c_stride, p.y.c_stride, p.b.c_stride, p.c.c_stride, constant):
            p.floats, p.planes = p.floats * p.planes, 1
            if joins(p.images, p.floats, p.x.n_stride, p.y.n_stride, p.b.n_stride, p.c.n_stride, constant):
                p.floats, p.images = p.floats * p.images, 1
    p.chunks = max(1, (p.floats + ITEM_FLOATS - 1) // ITEM_FLOATS)
    p.band_rows = max(1, ITEM_FLOATS // max(1, p.floats))
    p.bands = max(1, (p.rows + p.band_rows - 1) // p.band_rows)
    p.n_items = p.images * p.planes * p.bands * p.chunks if p.rows * p.floats > 0 else 0
    return 0


cdef class RowStep(Step):
    """What the steps of this file share: params of their kind, read from operands."""

    cdef rows_params *begin(self, x, y, row_fn row) except NULL:
        cdef rows_params *p = <rows_params *> allocate(1, sizeof(rows_params))
        self.fn = rows_share
        self.params = p
        p.row = row
        read_operand(&p.x, x)
        read_operand(&p.y, y)
        return p

    cdef int per_channel(self, operand_t *t, object view) except -1:
        """Read one number for each channel: a row of whole vectors, one for each channel block of y."""
        cdef rows_params *p = <rows_params *> self.params
        read_operand(t, view)
        if p.y.lanes != kernels.lanes or t.w != blocks(&p.y) * p.y.lanes:
            raise ValueError(f"{t.w} numbers for {p.y.c} channels in blocks of {p.y.lanes}")
        t.n_stride, t.c_stride, t.h_stride = 0, p.y.lanes, 0
        p.b_runs = CY_LANES
        return 0


cdef class Unary(RowStep):
    """y = f(x); function is an index of the list in microkernels.h, p0 and p1 are its parameters."""

    def __cinit__(self, x, y, int function, float p0=0.0, float p1=0.0):
        cdef rows_params *p = self.begin(x, y, unary_row)
        if not 0 <= function < CY_UNARY_COUNT:
            raise ValueError(f"function must be one of 0 to {CY_UNARY_COUNT - 1}, got {function}")
        p.function, p.p0, p.p1 = function, p0, p1
        walk(p, False)


cdef class Binary(RowStep):
    """y = f(a, b); function is an index of the list in microkernels.h. mode: "each" when b has a number for each of a's, "channel" when it
    is constant over the pixels of a channel, "one" when it is one number. b may have one image for all, and when planar one channel or
    row for all."""

    def __cinit__(self, a, b, y, int function, str mode):
        cdef rows_params *p = self.begin(a, y, binary_row)
        if not 0 <= function < CY_BINARY_COUNT:
            raise ValueError(f"function must be one of 0 to {CY_BINARY_COUNT - 1}, got {function}")
        if mode not in ("each", "channel", "one"):
            raise ValueError(f"mode must be 'each', 'channel' or 'one', got {mode!r}")
        read_operand(&p.b, b)
        p.function = function
        p.b_runs = CY_EACH if mode == "each" else CY_LANES if mode == "channel" and p.y.lanes > 1 else CY_ONE
        if p.b.lanes != (1 if mode == "one" else p.y.lanes):
            raise ValueError(f"blocks of {p.b.lanes} and {p.y.lanes} channels do not go together in mode {mode!r}")
        if mode == "one" and p.b.c != 1:
            raise ValueError(f"mode 'one' takes one channel, got {p.b.c}")
        broadcast(&p.b, &p.y, mode != "each")
        walk(p, True)


cdef class ScaleShift(RowStep):
    """y = x·scale + shift with one scale and shift for each channel; blocked tensors, rows of whole vectors of numbers."""

    def __cinit__(self, x, scale, shift, y):
        cdef rows_params *p = self.begin(x, y, scale_row)
        self.per_channel(&p.b, scale)
        self.per_channel(&p.c, shift)
        walk(p, True)


cdef class Prelu(RowStep):
    """y = x where x > 0, slope·x elsewhere, with one slope for each channel; blocked tensors, a row of whole vectors of slopes."""

    def __cinit__(self, x, slope, y):
        cdef rows_params *p = self.begin(x, y, prelu_row)
        self.per_channel(&p.b, slope)
        walk(p, True)
