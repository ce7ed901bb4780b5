"""The three bfloat16 parts of an input and of weights, for the products of drivers/bf16x3.pyx.

Layer: drivers; made by graph/lower_bf16x3. The arithmetic is that of microkernels/isa_amx.c.

    V[p·part + (j·plane + (i·phases + f)·R·P + r·P + x)·32 + c]      split input of a stretch, in bfloat16: part p, channels 32·j + c of
                                                                      image i, of phase f the pixel x in row r
    W[group][step][part][block of the group][16 pairs of channels][16 outputs][2]      packed weights, in bfloat16

A convolution of stride s falls into phases: phase (a, b) holds the pixels (r·s + a, x·s + b) of the padded input, so each tap reads
neighbouring pixels of one phase. Rows of V are as long as the widest tap needs, P. Items of the input are (pair of channel blocks, image,
phase, rows), items of the weights (block of outputs, pair of channel blocks).
"""

from libc.stdint cimport int32_t, uint16_t
from libc.stdlib cimport free
from libc.string cimport memset

from cyconv._kernels.cpu cimport CY_PARTS, CY_TILE_CHANNELS, CY_TILE_FLOATS, CY_TILE_TAPS, cy_tile_pack_args, kernels
from cyconv._kernels.step cimport Step, allocate, at, copy_ints, next_item, operand_t, read_operand, run_t

cdef enum:
    SPLIT_PIXELS = 128       # of one split item, about: 1 to 2 µs


cdef int expect_tiles() except -1:
    """ValueError where there are no kernels for any of this."""
    if kernels.tiles == NULL:
        raise ValueError(f"instruction set {kernels.isa.decode()!r} has no tile registers")
    return 0


cdef int read_stretch(stretch_t *s, spec) except -1:
    s.first_image, s.images, s.first_row, s.rows = spec.first_image, spec.images, spec.first_row, spec.rows
    s.ow, s.pitch, s.phase_rows, s.phases = spec.ow, spec.pitch, spec.phase_rows, spec.phases
    s.units, s.unit_rows, s.unit_tiles, s.unit_pixels = spec.units, spec.unit_rows, spec.unit_tiles, spec.unit_pixels
    s.plane, s.pairs = spec.plane, spec.pairs
    return expect_tiles()


cdef ptrdiff_t part_pixels(const stretch_t *s) noexcept nogil:
    """Pixels of V between the parts."""
    return s.pairs * s.plane


cdef int read_source(source_t *source, x, spec) except -1:
    """`spec` is a cyconv.graph.lower_bf16x3.Window with the padding."""
    read_operand(&source.x, x)
    source.phase = copy_ints([number for phase in spec.phases for number in phase])
    source.sh, source.sw = spec.stride
    source.top, source.left = spec.padding
    return 0


cdef void split_row(const source_t *source, const run_t *run, const stretch_t *s, ptrdiff_t image, ptrdiff_t pair, ptrdiff_t phase,
                    ptrdiff_t r, uint16_t *v) noexcept nogil:
    """One row of one phase of an image of the stretch, zeros where it lies outside the image."""
    cdef const operand_t *x = &source.x
    cdef uint16_t *y = v + (pair * s.plane + ((image * s.phases + phase) * s.phase_rows + r) * s.pitch) * CY_TILE_CHANNELS
    cdef ptrdiff_t part = part_pixels(s) * CY_TILE_CHANNELS
    cdef ptrdiff_t row = (s.first_row + r) * source.sh + source.phase[2 * phase] - source.top
    cdef ptrdiff_t column = source.phase[2 * phase + 1] - source.left
    cdef ptrdiff_t before = min(max((-column + source.sw - 1) // source.sw, 0), s.pitch)
    cdef ptrdiff_t end = min(max((x.w - column + source.sw - 1) // source.sw, before), s.pitch)
    cdef const float *first
    cdef int k
    if not 0 <= row < x.h:
        before = end = s.pitch
    for k in range(CY_PARTS):
        memset(y + k * part, 0, before * CY_TILE_CHANNELS * sizeof(uint16_t))
        memset(y + k * part + end * CY_TILE_CHANNELS, 0, (s.pitch - end) * CY_TILE_CHANNELS * sizeof(uint16_t))
    if before == end:
        return
    y += before * CY_TILE_CHANNELS
    first = (at(run, x) + (s.first_image + image) * x.n_stride + pair * CY_TILE_CHANNELS // x.lanes * x.c_stride + row * x.h_stride
             + (column + before * source.sw) * x.lanes)
    if x.lanes == 1:
        kernels.tiles.split_planes(first, x.c_stride, source.sw, x.c - pair * CY_TILE_CHANNELS, y, part, end - before)
    else:
        kernels.tiles.split(first, first + x.c_stride, source.sw * x.lanes, x.c - pair * CY_TILE_CHANNELS, y, part, end - before)


cdef void split_rows(const source_t *source, const run_t *run, const stretch_t *s, ptrdiff_t rows, uint16_t *v) noexcept nogil:
    """The first rows of all phases of a stretch."""
    cdef ptrdiff_t pair, image, phase, r
    for pair in range(s.pairs):
        for image in range(s.images):
            for phase in range(s.phases):
                for r in range(rows):
                    split_row(source, run, s, image, pair, phase, r, v)


cdef struct split_params:
    source_t source
    operand_t v              # OUT  base and offset only
    stretch_t stretch
    ptrdiff_t item_rows


cdef void split_share(const void *params, const run_t *run) noexcept nogil:
    cdef const split_params *p = <const split_params *> params
    cdef const stretch_t *s = &p.stretch
    cdef ptrdiff_t runs = (s.phase_rows + p.item_rows - 1) // p.item_rows
    cdef ptrdiff_t n_items = s.images * s.phases * runs * s.pairs
    cdef ptrdiff_t item, pair, first, r
    while True:
        item = next_item(run, n_items)
        if item >= n_items:
            return
        pair, item = item % s.pairs, item // s.pairs
        first, item = item % runs * p.item_rows, item // runs
        for r in range(first, min(first + p.item_rows, s.phase_rows)):
            split_row(&p.source, run, s, item // s.phases, pair, item % s.phases, r, <uint16_t *> at(run, &p.v))


cdef class Split(Step):
    """V of one stretch, for all threads."""

    def __cinit__(self, x, v, stretch, window):
        cdef split_params *p = <split_params *> allocate(1, sizeof(split_params))
        self.fn = split_share
        self.params = p
        read_source(&p.source, x, window)
        read_operand(&p.v, v)
        read_stretch(&p.stretch, stretch)
        p.item_rows = max(SPLIT_PIXELS // p.stretch.pitch, 1)

    def __dealloc__(self):
        cdef split_params *p = <split_params *> self.params
        if p != NULL:
            free(p.source.phase)


# Packing of the weights of one source, an oihw array or some of its rows. For block k of the source and n blocks of its group,
# step s, part q, channel c of the step and lane l:  the bfloat16 at  target[k] + (s·3 + q)·n·512 + c/2·32 + l·2 + c%2
# is part q of w[k·16 + l, 32·j + c, y, x], or 0 outside; step s counts pairs of channel blocks j, and within them the kernel's (y, x).
# Each item says in a word of its own whether all of its weights are finite.

cdef struct pack_params:
    operand_t w                  # IN   dense, dims (o, i, kh, kw)
    operand_t y                  # OUT  base and offset only
    operand_t finite             # OUT  int32 for each item, if has_finite; base and offset only
    ptrdiff_t n_blocks, pairs
    ptrdiff_t *target            # in bfloat16
    ptrdiff_t *group_blocks
    bint has_finite


cdef int pack_block(const operand_t *w, const run_t *run, ptrdiff_t k, ptrdiff_t j, ptrdiff_t n, uint16_t *y) noexcept nogil:
    """The parts of output block k for pair j, one of n blocks of a group; whether the weights are finite. y is where pair 0 begins."""
    cdef cy_tile_pack_args a
    a.w_output, a.taps = w.n_stride, w.h * w.w
    a.w = at(run, w) + k * 16 * w.n_stride + j * CY_TILE_CHANNELS * w.c_stride
    a.outputs, a.channels = min(w.n - k * 16, 16), min(w.c - j * CY_TILE_CHANNELS, CY_TILE_CHANNELS)
    a.y_part = n * 2 * CY_TILE_FLOATS
    a.y = y + j * a.taps * CY_PARTS * a.y_part
    return kernels.tiles.pack(&a)


cdef void pack_share(const void *params, const run_t *run) noexcept nogil:
    cdef const pack_params *p = <const pack_params *> params
    cdef ptrdiff_t item, k
    cdef int finite
    while True:
        item = next_item(run, p.n_blocks * p.pairs)
        if item >= p.n_blocks * p.pairs:
            return
        k = item // p.pairs
        finite = pack_block(&p.w, run, k, item % p.pairs, p.group_blocks[k], <uint16_t *> at(run, &p.y) + p.target[k])
        if p.has_finite:
            (<int32_t *> at(run, &p.finite))[item] = finite


cdef int read_weights(operand_t *w, source) except -1:
    """Weights that pack_block takes."""
    read_operand(w, source)
    if w.lanes != 1 or w.h_stride != w.w or w.c_stride != w.h * w.w or not 1 <= w.h * w.w <= CY_TILE_TAPS:
        raise ValueError(f"parts of weights {source.dims}, which must be dense and have at most {CY_TILE_TAPS} taps")
    return expect_tiles()


cdef bint all_finite(const operand_t *finite, ptrdiff_t count, const run_t *run) noexcept nogil:
    """Whether none of the first `count` words is zero."""
    cdef const int32_t *words = <const int32_t *> at(run, finite)
    cdef ptrdiff_t i
    for i in range(count):
        if words[i] == 0:
            return False
    return True


cdef class PackParts(Step):
    """Packed parts of the weights of one source; `placed` lists (target in floats, blocks of the group) of its blocks. `finite`, if
    given, has room for a word of each block and pair of channel blocks."""

    def __cinit__(self, w, y, placed, finite=None):
        cdef pack_params *p = <pack_params *> allocate(1, sizeof(pack_params))
        self.fn = pack_share
        self.params = p
        read_weights(&p.w, w)
        read_operand(&p.y, y)
        p.has_finite = finite is not None
        if p.has_finite:
            read_operand(&p.finite, finite)
        p.n_blocks, p.pairs = len(placed), (p.w.c + CY_TILE_CHANNELS - 1) // CY_TILE_CHANNELS
        p.target = copy_ints([2 * target for target, _ in placed])
        p.group_blocks = copy_ints([blocks for _, blocks in placed])

    def __dealloc__(self):
        cdef pack_params *p = <pack_params *> self.params
        if p != NULL:
            free(p.target)
            free(p.group_blocks)
