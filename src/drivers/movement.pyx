"""Data movement: between layouts, into packed weights, and along axes of dense arrays. Every copy is bit-exact.

Layer: drivers. graph/compile makes these steps where two layouts meet, for concatenation, slicing, padding and broadcasting, and
to pack weights. Items are whole channel blocks, output blocks or rows of the destination; each writes only its own.
"""

from libc.stdint cimport int32_t, int64_t, uint32_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

from cyconv._kernels.cpu cimport kernels
from cyconv._kernels.step cimport (
    Step, allocate, at, blocks, copy_ints, image_at, next_item, operand_t, read_operand, run_t, zero_border,
)

DEF MAX_DIMS = 8
DEF MAX_LANES = 16
DEF RUN_PIXELS = 256  # of short rows that are brought together at a time: 16 KiB of all lanes


# Relayout: y[n, c, h, w] = x[n, channel(c), h, w], where either side is planar (lanes 1) or blocked.

cdef struct relayout_params:
    operand_t x              # IN
    operand_t y              # OUT, with its border
    ptrdiff_t *channel       # the input channel of each output channel, or NULL for the identity


cdef inline const float *channel_of(const float *x, const operand_t *t, ptrdiff_t c) noexcept nogil:
    return x + c // t.lanes * t.c_stride + c % t.lanes


cdef inline bint solid(const operand_t *t) noexcept nogil:
    """Whether all rows of a channel, or of a block, are one."""
    return t.h_stride == t.w * t.lanes


cdef void relayout_block(const relayout_params *p, const float *x, float *y, ptrdiff_t first) noexcept nogil:
    """One channel block of one image: channels first … first + lanes − 1 of y; lanes past the last channel become zero."""
    cdef ptrdiff_t lane, row, px, c
    cdef ptrdiff_t width = p.x.w, from_lanes = p.x.lanes, to_lanes = p.y.lanes
    cdef const float *src = x
    cdef float *dst
    for lane in range(to_lanes):
        c = first + lane
        if c < p.y.c:
            src = channel_of(x, &p.x, p.channel[c] if p.channel != NULL else c)
        for row in range(p.y.h):
            dst = y + row * p.y.h_stride + lane
            if c >= p.y.c:
                for px in range(width):
                    dst[px * to_lanes] = 0.0
            elif from_lanes == 1 and to_lanes == 1:
                memcpy(dst, src + row * p.x.h_stride, width * sizeof(float))
            else:
                for px in range(width):
                    dst[px * to_lanes] = src[row * p.x.h_stride + px * from_lanes]


cdef void interleave_block(const relayout_params *p, const float *x, float *y, ptrdiff_t first) noexcept nogil:
    """The same from planar channels. Rows of less than a vector that only the border keeps apart are first brought into blocks as one."""
    cdef const float *rows[MAX_LANES]
    cdef float pixels[MAX_LANES * RUN_PIXELS]
    cdef ptrdiff_t lane, row, c, start, count, total = p.y.h * p.y.w
    cdef bint whole = solid(&p.x) and solid(&p.y)
    cdef bint short = solid(&p.x) and not whole and p.y.w < p.y.lanes
    for row in range(1 if whole or short else p.y.h):
        for lane in range(p.y.lanes):
            c = first + lane
            rows[lane] = NULL
            if c < p.y.c:
                rows[lane] = x + (p.channel[c] if p.channel != NULL else c) * p.x.c_stride + row * p.x.h_stride
        if not short:
            kernels.interleave(rows, y + row * p.y.h_stride, total if whole else p.y.w)
    start = 0
    while short and start < total:
        count = min(total - start, <ptrdiff_t> RUN_PIXELS // p.y.w * p.y.w)
        kernels.interleave(rows, pixels, count)
        for row in range(count // p.y.w):
            memcpy(y + (start // p.y.w + row) * p.y.h_stride, pixels + row * p.y.w * p.y.lanes, p.y.w * p.y.lanes * sizeof(float))
        for lane in range(p.y.lanes):
            if rows[lane] != NULL:
                rows[lane] += count
        start += count


cdef void deinterleave_block(const relayout_params *p, const float *x, float *y, ptrdiff_t first) noexcept nogil:
    """Planar channels first … first + lanes − 1 from one block of x."""
    cdef float *rows[MAX_LANES]
    cdef ptrdiff_t lane, row
    cdef bint whole = solid(&p.x) and solid(&p.y)
    for lane in range(min(p.x.lanes, p.y.c - first)):
        zero_border(y + (first + lane) * p.y.c_stride, &p.y)
    for row in range(1 if whole else p.y.h):
        for lane in range(p.x.lanes):
            rows[lane] = y + (first + lane) * p.y.c_stride + row * p.y.h_stride if first + lane < p.y.c else NULL
        kernels.deinterleave(x + row * p.x.h_stride, rows, p.y.h * p.y.w if whole else p.y.w)


cdef void relayout_share(const void *params, const run_t *run) noexcept nogil:
    cdef const relayout_params *p = <const relayout_params *> params
    cdef bint planar_from_blocks = p.y.lanes == 1 and p.x.lanes > 1 and p.channel == NULL
    cdef ptrdiff_t n_blocks = blocks(&p.x) if planar_from_blocks else blocks(&p.y), item, image, block, row
    cdef const float *x
    cdef float *y
    while True:
        item = next_item(run, p.y.n * n_blocks)
        if item >= p.y.n * n_blocks:
            return
        image, block = item // n_blocks, item % n_blocks
        x, y = image_at(run, &p.x, image), image_at(run, &p.y, image)
        if planar_from_blocks:
            deinterleave_block(p, x + block * p.x.c_stride, y, block * p.x.lanes)
            continue
        y += block * p.y.c_stride
        zero_border(y, &p.y)
        if p.x.lanes == p.y.lanes and p.x.lanes > 1 and p.channel == NULL:
            for row in range(p.y.h):
                memcpy(y + row * p.y.h_stride, x + block * p.x.c_stride + row * p.x.h_stride, p.y.w * p.y.lanes * sizeof(float))
        elif p.x.lanes == 1 and p.y.lanes > 1:
            interleave_block(p, x, y, block * p.y.lanes)
        else:
            relayout_block(p, x, y, block * p.y.lanes)


cdef class Relayout(Step):
    """y = x in another layout; `channel`, if given, names the input channel of each output channel."""

    def __cinit__(self, x, y, channel=None):
        cdef relayout_params *p = <relayout_params *> allocate(1, sizeof(relayout_params))
        self.fn = relayout_share
        self.params = p
        read_operand(&p.x, x)
        read_operand(&p.y, y)
        if channel is None:
            if (p.x.n, p.x.c, p.x.h, p.x.w) != (p.y.n, p.y.c, p.y.h, p.y.w):
                raise ValueError(f"relayout of {x.dims} into {y.dims}")
        else:
            if len(channel) != p.y.c or (p.x.n, p.x.h, p.x.w) != (p.y.n, p.y.h, p.y.w) or not all(0 <= c < p.x.c for c in channel):
                raise ValueError(f"relayout of {x.dims} into {y.dims} with {len(channel)} channels named")
            p.channel = copy_ints(channel)

    def __dealloc__(self):
        if self.params != NULL:
            free((<relayout_params *> self.params).channel)


# Packing: the weights of one source into some of the output blocks of a product. For output block k of the source, lane l and
# the s-th (tap, lane) pair (tap t, lane i of it):
#   y[target[k] + s·pitch[k] + l] = w[k·lanes + l, channel[t] + i, row[t], column[t]],   0 where k·lanes + l ≥ w.n
# where w begins shift[k] floats on: one of several arrays of weights.
# In bfloat16 lanes 2j and 2j + 1 of a tap share a float, the first in its lower half, and s counts these pairs.

cdef struct pack_params:
    operand_t w              # IN   planar: dims are (o, i, kh, kw), in any order of the first two
    operand_t y              # OUT  base and offset only
    ptrdiff_t n_blocks, n_taps
    ptrdiff_t *source        # k: which LANES output channels of w
    ptrdiff_t *target
    ptrdiff_t *pitch
    ptrdiff_t *shift         # or NULL for zeros
    ptrdiff_t *taps          # (channel, row, column, lanes) of each
    bint bfloat16


cdef inline uint32_t upper_half(float x) noexcept nogil:
    """x as bfloat16: rounded to nearest, ties to even."""
    cdef uint32_t bits
    memcpy(&bits, &x, sizeof(bits))
    if x != x:
        return bits >> 16 | 0x40  # a NaN whose upper half would be an infinity stays a NaN
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16


cdef inline ptrdiff_t vectors_of(const pack_params *p, const ptrdiff_t *tap) noexcept nogil:
    """Vectors of weights that a tap has for one output block."""
    return (tap[3] + 1) // 2 if p.bfloat16 else tap[3]


cdef void pack_lane(const pack_params *p, const float *w, float *y, ptrdiff_t lanes, ptrdiff_t pitch) noexcept nogil:
    """The weights of one tap to one output channel."""
    cdef ptrdiff_t i, plane = p.w.c_stride
    cdef uint32_t pair
    if not p.bfloat16:
        for i in range(lanes):
            y[i * pitch] = w[i * plane]
        return
    for i in range(0, lanes, 2):
        pair = upper_half(w[i * plane])
        if i + 1 < lanes:
            pair |= upper_half(w[(i + 1) * plane]) << 16
        memcpy(y + i // 2 * pitch, &pair, sizeof(pair))


cdef void pack_block(const pack_params *p, const float *w, float *y, ptrdiff_t k) noexcept nogil:
    cdef ptrdiff_t L = kernels.lanes
    cdef ptrdiff_t pitch = p.pitch[k]
    cdef ptrdiff_t valid = min(L, p.w.n - p.source[k] * L)
    cdef ptrdiff_t t, i, lane
    cdef const ptrdiff_t *tap
    cdef const float *first
    w += p.source[k] * L * p.w.n_stride + (p.shift[k] if p.shift != NULL else 0)
    y += p.target[k]
    for t in range(p.n_taps):
        tap = p.taps + 4 * t
        first = w + tap[0] * p.w.c_stride + tap[1] * p.w.h_stride + tap[2]
        if p.w.n_stride == 1 and not p.bfloat16:
            for i in range(tap[3]):
                memcpy(y + i * pitch, first + i * p.w.c_stride, valid * sizeof(float))
        else:
            for lane in range(valid):
                pack_lane(p, first + lane * p.w.n_stride, y + lane, tap[3], pitch)
        for lane in range(valid, L):
            for i in range(vectors_of(p, tap)):
                y[i * pitch + lane] = 0.0
        y += vectors_of(p, tap) * pitch


cdef void pack_share(const void *params, const run_t *run) noexcept nogil:
    cdef const pack_params *p = <const pack_params *> params
    cdef ptrdiff_t item
    while True:
        item = next_item(run, p.n_blocks)
        if item >= p.n_blocks:
            return
        pack_block(p, at(run, &p.w), at(run, &p.y), item)


cdef class Pack(Step):
    """Packed weights; `placed` lists (source block, target, pitch), `taps` (channel, row, column, lanes), `shifts` one for each placed."""

    def __cinit__(self, w, y, placed, taps, bint bfloat16=False, shifts=None):
        cdef pack_params *p = <pack_params *> allocate(1, sizeof(pack_params))
        self.fn = pack_share
        self.params = p
        read_operand(&p.w, w)
        read_operand(&p.y, y)
        p.n_blocks, p.n_taps, p.bfloat16 = len(placed), len(taps), bfloat16
        p.source = copy_ints([k for k, _, _ in placed])
        p.target = copy_ints([target for _, target, _ in placed])
        p.pitch = copy_ints([pitch for _, _, pitch in placed])
        p.taps = copy_ints([number for tap in taps for number in tap])
        if shifts is not None:
            if len(shifts) != len(placed):
                raise ValueError(f"{len(shifts)} shifts for {len(placed)} blocks")
            p.shift = copy_ints(shifts)

    def __dealloc__(self):
        cdef pack_params *p = <pack_params *> self.params
        if p != NULL:
            free(p.shift)
            free(p.source)
            free(p.target)
            free(p.pitch)
            free(p.taps)


# Copy with strides: y[i0, …, i7] = x[i0, …, i7] over at most eight axes, each side with its own strides (0 repeats).

cdef struct strided_params:
    operand_t x              # IN   base and offset only
    operand_t y              # OUT
    ptrdiff_t dims[MAX_DIMS]
    ptrdiff_t x_stride[MAX_DIMS]
    ptrdiff_t y_stride[MAX_DIMS]
    ptrdiff_t rows           # product of all dims but the last


cdef void strided_share(const void *params, const run_t *run) noexcept nogil:
    cdef const strided_params *p = <const strided_params *> params
    cdef ptrdiff_t item, rest, axis, i, n = p.dims[MAX_DIMS - 1]
    cdef ptrdiff_t xs = p.x_stride[MAX_DIMS - 1], ys = p.y_stride[MAX_DIMS - 1]
    cdef const float *x
    cdef float *y
    while True:
        item = next_item(run, p.rows)
        if item >= p.rows:
            return
        rest, x, y = item, at(run, &p.x), at(run, &p.y)
        for axis in range(MAX_DIMS - 2, -1, -1):
            x += rest % p.dims[axis] * p.x_stride[axis]
            y += rest % p.dims[axis] * p.y_stride[axis]
            rest = rest // p.dims[axis]
        if xs == 1 and ys == 1:
            memcpy(y, x, n * sizeof(float))
        else:
            for i in range(n):
                y[i * ys] = x[i * xs]


cdef class StridedCopy(Step):
    """y = x over `dims` with strides in floats; at most eight axes."""

    def __cinit__(self, x, y, dims, x_strides, y_strides):
        cdef strided_params *p = <strided_params *> allocate(1, sizeof(strided_params))
        cdef Py_ssize_t axis, first = MAX_DIMS - len(dims)
        self.fn = strided_share
        self.params = p
        if first < 0 or len(x_strides) != len(dims) or len(y_strides) != len(dims):
            raise ValueError(f"a copy over at most {MAX_DIMS} axes, got {len(dims)}")
        read_operand(&p.x, x)
        read_operand(&p.y, y)
        for axis in range(MAX_DIMS):
            p.dims[axis] = dims[axis - first] if axis >= first else 1
            p.x_stride[axis] = x_strides[axis - first] if axis >= first else 0
            p.y_stride[axis] = y_strides[axis - first] if axis >= first else 0
        p.rows = 1
        for axis in range(MAX_DIMS - 1):
            p.rows *= p.dims[axis]


# Along one axis: y[o, j, i] = x[o, index[j], i], or fill[i mod len(fill)] where index[j] is −1 (padding, cropping, reflection).

cdef struct take_params:
    operand_t x              # IN   dense (outer, n_in, inner)
    operand_t y              # OUT  dense (outer, n_out, inner)
    ptrdiff_t outer, n_in, n_out, inner
    ptrdiff_t *index
    int32_t fill[2]          # the floats of one element, as they lie in memory
    ptrdiff_t n_fill


cdef void take_share(const void *params, const run_t *run) noexcept nogil:
    cdef const take_params *p = <const take_params *> params
    cdef ptrdiff_t item, j, i
    cdef const float *x
    cdef float *y
    while True:
        item = next_item(run, p.outer)
        if item >= p.outer:
            return
        x = at(run, &p.x) + item * p.n_in * p.inner
        y = at(run, &p.y) + item * p.n_out * p.inner
        for j in range(p.n_out):
            if p.index[j] >= 0:
                memcpy(y + j * p.inner, x + p.index[j] * p.inner, p.inner * sizeof(float))
            else:
                for i in range(p.inner):
                    (<int32_t *> y)[j * p.inner + i] = p.fill[i % p.n_fill]


cdef class Take(Step):
    """y = x[:, index, :] with elements of `fill` where the index is −1; dense arrays (outer, n_in, inner) → (outer, len(index), inner).
    Sizes count floats, whatever they hold; fill is one element as one or two int32."""

    def __cinit__(self, x, y, outer, n_in, inner, index, fill=(0,)):
        cdef take_params *p = <take_params *> allocate(1, sizeof(take_params))
        self.fn = take_share
        self.params = p
        if not all(-1 <= i < n_in for i in index):
            raise ValueError(f"index outside an axis of {n_in}")
        read_operand(&p.x, x)
        read_operand(&p.y, y)
        p.outer, p.n_in, p.n_out, p.inner, p.n_fill = outer, n_in, len(index), inner, len(fill)
        if not 1 <= p.n_fill <= 2 or p.inner % p.n_fill:
            raise ValueError(f"a filling of {len(fill)} floats for rows of {inner}")
        p.fill[0], p.fill[1] = fill[0], fill[p.n_fill - 1]
        p.index = copy_ints(index)

    def __dealloc__(self):
        if self.params != NULL:
            free((<take_params *> self.params).index)


# Selection by indices that are known at run time only: y[o, j, i] = x[o, index[j], i], negative indices counting from the end. Where an
# index is out of range y is zero, and the call fails.

cdef struct gather_params:
    operand_t x              # IN   dense (outer, n_in, inner)
    operand_t index          # IN   n_out integers
    operand_t y              # OUT  dense (outer, n_out, inner)
    ptrdiff_t outer, n_in, n_out, inner
    bint wide                # indices are int64, else int32


cdef void gather_share(const void *params, const run_t *run) noexcept nogil:
    cdef const gather_params *p = <const gather_params *> params
    cdef ptrdiff_t item, j
    cdef int64_t place
    cdef const int64_t *wide = <const int64_t *> at(run, &p.index)
    cdef const int32_t *narrow = <const int32_t *> at(run, &p.index)
    cdef float *y
    while True:
        item = next_item(run, p.outer * p.n_out)
        if item >= p.outer * p.n_out:
            return
        j = item % p.n_out
        place = wide[j] if p.wide else narrow[j]
        y = at(run, &p.y) + item * p.inner
        if -p.n_in <= place < p.n_in:
            place += p.n_in if place < 0 else 0
            memcpy(y, at(run, &p.x) + (item // p.n_out * p.n_in + place) * p.inner, p.inner * sizeof(float))
        else:
            run.fault[0] = True
            memset(y, 0, p.inner * sizeof(float))


cdef class Gather(Step):
    """y = x[:, index, :] of dense arrays; sizes is (outer, n_in, inner), inner in floats; `wide` says that indices are int64."""

    def __cinit__(self, x, index, y, sizes, n_out, bint wide):
        cdef gather_params *p = <gather_params *> allocate(1, sizeof(gather_params))
        self.fn = gather_share
        self.params = p
        read_operand(&p.x, x)
        read_operand(&p.index, index)
        read_operand(&p.y, y)
        p.outer, p.n_in, p.inner = sizes
        p.n_out, p.wide = n_out, wide


# A vector into whole blocks: y[i] = x[i] for i < n, 0 for n ≤ i < padded.

cdef struct padded_params:
    operand_t x              # IN
    operand_t y              # OUT
    ptrdiff_t n, padded


cdef void padded_share(const void *params, const run_t *run) noexcept nogil:
    cdef const padded_params *p = <const padded_params *> params
    cdef float *y = at(run, &p.y)
    if next_item(run, 1) > 0:
        return
    if p.n > 0:
        memcpy(y, at(run, &p.x), p.n * sizeof(float))
    memset(y + p.n, 0, (p.padded - p.n) * sizeof(float))


cdef class PadVector(Step):
    """The n floats of x, then zeros up to `padded`; x is not read when n is 0."""

    def __cinit__(self, x, y, n, padded):
        cdef padded_params *p = <padded_params *> allocate(1, sizeof(padded_params))
        self.fn = padded_share
        self.params = p
        read_operand(&p.x, x)
        read_operand(&p.y, y)
        p.n, p.padded = n, padded
