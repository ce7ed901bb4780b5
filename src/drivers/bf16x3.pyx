"""Convolution on tile registers: the input in three bfloat16 parts, products of the parts, packing of the weights' parts.

Layer: drivers. graph/lower_bf16x3 cuts the output into stretches whose split input stays in the cache and makes two steps of each:
`Split`, then `TileProduct`. The micro-kernels, with the arithmetic and its error, are those of microkernels/isa_amx.c.

    V[p·part + ((j·plane + (i·phases + f)·R·P + r·P + x)·32 + c]      split input of a stretch, in bfloat16: part p, channels 32·j + c of
                                                                      image i, of phase f the pixel x in row r
    W[group][step][part][block of the group][16 pairs of channels][16 outputs][2]      packed weights, in bfloat16

A convolution of stride s falls into phases: phase (a, b) holds the pixels (r·s + a, x·s + b) of the padded input, so each tap reads
neighbouring pixels of one phase. Rows of V are as long as the widest tap needs, P; the output has ow <= P pixels a row, and sums that
belong to no pixel are not stored. Positions p = r·P + x are counted through the rows of a *unit*, one image, or where taps read nothing but
their own pixel all images of the stretch, and cut into tiles of 16.

Split items are (pair of channel blocks, image, phase, rows), product items (group, tiles), or tiles for all groups: each writes what no other
writes, and a sum stays inside one item.
"""

from libc.stdint cimport int32_t, uint16_t, uint32_t, uintptr_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

from cyconv._kernels.cpu cimport (
    CY_PARTS, CY_TILE_CHANNELS, CY_TILE_FLOATS, CY_TILE_PIXELS, cy_tile_store_args, cy_tiles_args, kernels,
)
from cyconv._kernels.prefetch cimport ahead_of, ahead_t, following_of, part_t, read_following, schedule_t
from cyconv._kernels.step cimport Step, allocate, at, blocks, copy_ints, next_item, operand_t, read_operand, run_t, zero_border

cdef enum:
    LINE_FLOATS = 16         # of what one prefetch brings
    SPLIT_PIXELS = 128       # of one split item, about: 1 to 2 µs
    ALIGNED_FLOATS = 16


# How a stretch lies over the images, and V over memory; fields of a cyconv.graph.lower_bf16x3.Stretch.
cdef struct stretch_t:
    int32_t first_image, images
    int32_t first_row, rows      # output rows of each image
    int32_t ow
    int32_t pitch                # P
    int32_t phase_rows           # R
    int32_t phases
    int32_t units
    int32_t unit_rows            # output rows of a unit
    int32_t unit_tiles
    ptrdiff_t unit_pixels        # of V, between units
    ptrdiff_t plane              # pixels of V between pairs of channel blocks
    ptrdiff_t pairs              # of channel blocks


cdef int read_stretch(stretch_t *s, spec) except -1:
    s.first_image, s.images, s.first_row, s.rows = spec.first_image, spec.images, spec.first_row, spec.rows
    s.ow, s.pitch, s.phase_rows, s.phases = spec.ow, spec.pitch, spec.phase_rows, spec.phases
    s.units, s.unit_rows, s.unit_tiles, s.unit_pixels = spec.units, spec.unit_rows, spec.unit_tiles, spec.unit_pixels
    s.plane, s.pairs = spec.plane, spec.pairs
    if kernels.tiles == NULL:
        raise ValueError(f"instruction set {kernels.isa.decode()!r} has no tile registers")
    return 0


cdef inline ptrdiff_t part_pixels(const stretch_t *s) noexcept nogil:
    """Pixels of V between the parts."""
    return s.pairs * s.plane


cdef struct split_params:
    operand_t x              # IN   blocked
    operand_t v              # OUT  base and offset only
    stretch_t stretch
    ptrdiff_t sh, sw, top, left
    ptrdiff_t *phase         # (a, b) of each
    ptrdiff_t item_rows


cdef void split_row(const split_params *p, const run_t *run, ptrdiff_t image, ptrdiff_t pair, const ptrdiff_t *phase, ptrdiff_t r,
                    uint16_t *y) noexcept nogil:
    """One row of one phase, zeros where it lies outside the image."""
    cdef const stretch_t *s = &p.stretch
    cdef ptrdiff_t part = part_pixels(s) * CY_TILE_CHANNELS
    cdef ptrdiff_t row = (s.first_row + r) * p.sh + phase[0] - p.top, column = phase[1] - p.left
    cdef ptrdiff_t before = min(max((-column + p.sw - 1) // p.sw, 0), s.pitch)
    cdef ptrdiff_t end = min(max((p.x.w - column + p.sw - 1) // p.sw, before), s.pitch)
    cdef ptrdiff_t channels = p.x.c - pair * CY_TILE_CHANNELS
    cdef const float *x
    cdef int k
    if not 0 <= row < p.x.h:
        before = end = s.pitch
    for k in range(CY_PARTS):
        memset(y + k * part, 0, before * CY_TILE_CHANNELS * sizeof(uint16_t))
        memset(y + k * part + end * CY_TILE_CHANNELS, 0, (s.pitch - end) * CY_TILE_CHANNELS * sizeof(uint16_t))
    if before < end:
        x = (at(run, &p.x) + (s.first_image + image) * p.x.n_stride + 2 * pair * p.x.c_stride + row * p.x.h_stride
             + (column + before * p.sw) * p.x.lanes)
        kernels.tiles.split(x, x + p.x.c_stride, p.sw * p.x.lanes, channels, y + before * CY_TILE_CHANNELS, part, end - before)


cdef void split_share(const void *params, const run_t *run) noexcept nogil:
    cdef const split_params *p = <const split_params *> params
    cdef const stretch_t *s = &p.stretch
    cdef ptrdiff_t runs = (s.phase_rows + p.item_rows - 1) // p.item_rows
    cdef ptrdiff_t n_items = s.images * s.phases * runs * s.pairs
    cdef ptrdiff_t item, pair, image, phase, first, r, pixel
    while True:
        item = next_item(run, n_items)
        if item >= n_items:
            return
        pair, item = item % s.pairs, item // s.pairs
        first, item = item % runs * p.item_rows, item // runs
        phase, image = item % s.phases, item // s.phases
        for r in range(first, min(first + p.item_rows, s.phase_rows)):
            pixel = pair * s.plane + ((image * s.phases + phase) * s.phase_rows + r) * s.pitch
            split_row(p, run, image, pair, p.phase + 2 * phase, r, <uint16_t *> at(run, &p.v) + pixel * CY_TILE_CHANNELS)


cdef class Split(Step):
    """V of one stretch; `phases` lists (a, b), `stride` is (sh, sw), `padding` (top, left)."""

    def __cinit__(self, x, v, stretch, phases, stride, padding):
        cdef split_params *p = <split_params *> allocate(1, sizeof(split_params))
        self.fn = split_share
        self.params = p
        read_operand(&p.x, x)
        read_operand(&p.v, v)
        read_stretch(&p.stretch, stretch)
        p.phase = copy_ints([number for phase in phases for number in phase])
        p.sh, p.sw = stride
        p.top, p.left = padding
        p.item_rows = max(SPLIT_PIXELS // p.stretch.pitch, 1)

    def __dealloc__(self):
        cdef split_params *p = <split_params *> self.params
        if p != NULL:
            free(p.phase)


# One or two neighbouring output blocks.
cdef struct group_t:
    int n_blocks
    ptrdiff_t first_block
    ptrdiff_t weights            # in floats


# Where one output block goes: block `index` of output `out`.
cdef struct block_t:
    ptrdiff_t out
    ptrdiff_t index


cdef struct product_params:
    operand_t v                  # IN
    schedule_t schedule          # IN   packed weights, and in which order they are read
    operand_t bias               # IN   one vector per output block
    operand_t residual           # IN   if has_residual
    operand_t *outs              # OUT
    block_t *blocks
    group_t *groups
    ptrdiff_t *steps
    stretch_t stretch
    ptrdiff_t n_groups, n_steps, n_items
    ptrdiff_t item_tiles         # of pixels
    ptrdiff_t unit_items
    bint pixels_first, has_residual
    int act
    float lo, hi, slope


# An output pixel, as positions are counted on.
cdef struct place_t:
    int32_t row                  # of the unit
    int32_t x
    int32_t image
    int32_t y


cdef inline place_t place_of(const stretch_t *s, int32_t unit, int32_t position) noexcept nogil:
    cdef place_t place
    cdef int32_t row
    place.row, place.x = position // s.pitch, position % s.pitch
    row = unit * s.unit_rows + place.row
    place.image, place.y = s.first_image + row // s.rows, s.first_row + row % s.rows
    return place


cdef void store_pixels(const product_params *p, const run_t *run, const group_t *g, const place_t *at_place, const float *sums,
                       ptrdiff_t n) noexcept nogil:
    """n neighbouring pixels of one row, of all blocks of the group."""
    cdef cy_tile_store_args a
    cdef const block_t *block
    cdef const operand_t *out
    cdef const operand_t *res = &p.residual
    cdef ptrdiff_t L = kernels.lanes
    cdef int b
    a.n, a.act, a.lo, a.hi, a.slope = n, p.act, p.lo, p.hi, p.slope
    a.residual = NULL
    for b in range(g.n_blocks):
        block = &p.blocks[g.first_block + b]
        out = &p.outs[block.out]
        a.inp = sums + b * CY_TILE_FLOATS
        a.bias = at(run, &p.bias) + (g.first_block + b) * L
        a.out = (at(run, out) + at_place.image * out.n_stride + block.index * out.c_stride + at_place.y * out.h_stride
                 + at_place.x * L)
        if p.has_residual:
            a.residual = (at(run, res) + at_place.image * res.n_stride + (g.first_block + b) * res.c_stride
                          + at_place.y * res.h_stride + at_place.x * L)
        kernels.tiles.store(&a)
        if at_place.y == 0 and at_place.x == 0:
            zero_border(a.out, out)


cdef void store_tiles(const product_params *p, const run_t *run, const group_t *g, int32_t unit, int32_t tile, int32_t count,
                      const float *sums) noexcept nogil:
    """The pixels of `count` tiles, row by row."""
    cdef const stretch_t *s = &p.stretch
    cdef place_t place = place_of(s, unit, tile * CY_TILE_PIXELS)
    cdef int32_t t, i, n, in_row
    for t in range(count):
        i = 0
        while i < CY_TILE_PIXELS and place.row < s.unit_rows:
            n = min(CY_TILE_PIXELS - i, s.pitch - place.x)
            in_row = min(n, s.ow - place.x)
            if in_row > 0:
                store_pixels(p, run, g, &place, sums + t * g.n_blocks * CY_TILE_FLOATS + i * kernels.lanes, in_row)
            i += n
            place.x += n
            if place.x == s.pitch:
                place.x = 0
                place.row += 1
                place.y += 1
                if place.y == s.first_row + s.rows:
                    place.y = s.first_row
                    place.image += 1


# What one item's tiles of pixels prefetch, step by step.
cdef struct stream_t:
    const char *at
    ptrdiff_t lines


cdef inline int32_t most_tiles(const group_t *g) noexcept nogil:
    """Tiles of pixels that one call multiplies."""
    return 2 if g.n_blocks == 2 else 4


cdef void multiply(const product_params *p, const run_t *run, const group_t *g, int32_t unit, int32_t tile, int32_t count,
                   stream_t *stream, float *sums) noexcept nogil:
    """`count` tiles of pixels of a group, at most most_tiles."""
    cdef cy_tiles_args a
    a.inp = <const uint16_t *> at(run, &p.v) + (unit * p.stretch.unit_pixels + tile * CY_TILE_PIXELS) * CY_TILE_CHANNELS
    a.part = part_pixels(&p.stretch) * CY_TILE_CHANNELS
    a.w = <const uint16_t *> (at(run, &p.schedule.w) + g.weights)
    a.steps, a.n_steps, a.out = p.steps, p.n_steps, sums
    a.prefetch, a.prefetch_lines = stream.at, stream.lines
    kernels.tiles.multiply[g.n_blocks - 1][count - 1](&a)
    stream.at += stream.lines * p.n_steps * LINE_FLOATS * sizeof(float)
    store_tiles(p, run, g, unit, tile, count, sums)


cdef stream_t spread(const product_params *p, ahead_t ahead, ptrdiff_t calls) noexcept nogil:
    """Equal parts of `ahead` for all steps of some calls, at most what a step multiplies with."""
    cdef ptrdiff_t steps = calls * p.n_steps
    cdef ptrdiff_t lines = (ahead.floats // LINE_FLOATS + steps - 1) // steps
    return stream_t(<const char *> ahead.start, min(lines, 2 * CY_PARTS * CY_TILE_FLOATS // LINE_FLOATS))


cdef void group_item(const product_params *p, const run_t *run, const group_t *g, ahead_t ahead, int32_t unit, int32_t first,
                     int32_t end, float *sums) noexcept nogil:
    """Tiles first … end − 1 of one group."""
    cdef int32_t most = most_tiles(g), tile = first
    cdef stream_t stream = spread(p, ahead, (end - first + most - 1) // most)
    while tile < end:
        multiply(p, run, g, unit, tile, min(most, end - tile), &stream, sums)
        tile += most


cdef void pixel_item(const product_params *p, const run_t *run, ptrdiff_t item, int32_t unit, int32_t first, int32_t end,
                     float *sums) noexcept nogil:
    """Tiles first … end − 1 of all groups: a few tiles that wait in the first-level cache with all weights. With the first of them each group
    prefetches the weights of the next, with the last ones of all what the next product needs."""
    cdef int32_t tile = first, t, most
    cdef ptrdiff_t k
    cdef const group_t *g
    cdef ahead_t ahead
    cdef stream_t stream
    while tile < end:
        for k in range(p.n_groups):
            g = p.groups + k
            most = most_tiles(g)
            ahead = ahead_t(at(run, &p.schedule.w), 0)
            if tile == first and k + 1 < p.n_groups:
                ahead = ahead_t(at(run, &p.schedule.w) + g[1].weights, p.schedule.parts[k + 1].floats)
            elif item + 1 == p.n_items and k + 1 == p.n_groups:
                ahead = following_of(&p.schedule, run)
            stream = spread(p, ahead, 4 // most)
            t = tile
            while t < min(tile + 4, end):
                multiply(p, run, g, unit, t, min(most, end - t), &stream, sums)
                t += most
        tile += 4


cdef void product_share(const void *params, const run_t *run) noexcept nogil:
    cdef const product_params *p = <const product_params *> params
    cdef const group_t *g = p.groups
    cdef ptrdiff_t item, places = p.stretch.units * p.unit_items
    cdef int32_t unit, first, end
    cdef float memory[4 * 256 + 16]
    cdef float *sums = <float *> ((<uintptr_t> memory + 63) & ~<uintptr_t> 63)
    kernels.tiles.begin()
    while True:
        item = next_item(run, p.n_items)
        if item >= p.n_items:
            break
        unit, first = item % places // p.unit_items, item % p.unit_items * p.item_tiles
        end = min(first + p.item_tiles, p.stretch.unit_tiles)
        if p.pixels_first:
            pixel_item(p, run, item, unit, first, end, sums)
        else:
            g = p.groups + item // places
            group_item(p, run, g, ahead_of(&p.schedule, run, g - p.groups, item), unit, first, end, sums)
    kernels.tiles.end()


cdef class TileProduct(Step):
    """The output pixels of one stretch; `spec` is a cyconv.graph.lower_bf16x3.ProductSpec."""

    def __cinit__(self, spec):
        cdef product_params *p = <product_params *> allocate(1, sizeof(product_params))
        cdef Py_ssize_t i
        self.fn = product_share
        self.params = p
        read_stretch(&p.stretch, spec.stretch)
        read_operand(&p.v, spec.v)
        read_following(&p.schedule, spec.w, spec.following, spec.following_floats)
        read_operand(&p.bias, spec.bias)
        p.has_residual = spec.residual is not None
        if p.has_residual:
            read_operand(&p.residual, spec.residual)
        p.act, p.lo, p.hi, p.slope = spec.act, spec.lo, spec.hi, spec.slope
        p.n_steps, p.steps = len(spec.steps), copy_ints(spec.steps)
        p.item_tiles, p.pixels_first = spec.item_tiles, spec.pixels_first
        p.unit_items = (p.stretch.unit_tiles + p.item_tiles - 1) // p.item_tiles
        p.outs = <operand_t *> allocate(len(spec.outs), sizeof(operand_t))
        for i, out in enumerate(spec.outs):
            read_operand(&p.outs[i], out)
        p.blocks = <block_t *> allocate(len(spec.blocks), sizeof(block_t))
        for i, (out, index) in enumerate(spec.blocks):
            p.blocks[i] = block_t(out, index)
        self.read_groups(p, spec)

    cdef int read_groups(self, product_params *p, spec) except -1:
        cdef Py_ssize_t i
        cdef ptrdiff_t items = p.stretch.units * p.unit_items
        p.n_groups = p.schedule.n_parts = len(spec.groups)
        p.groups = <group_t *> allocate(p.n_groups, sizeof(group_t))
        p.schedule.parts = <part_t *> allocate(p.n_groups, sizeof(part_t))
        for i, (n_blocks, first_block, weights) in enumerate(spec.groups):
            if n_blocks not in (1, 2):
                raise ValueError(f"group {i} has {n_blocks} blocks, not 1 or 2")
            p.groups[i] = group_t(n_blocks, first_block, weights)
            p.schedule.parts[i] = part_t(weights, p.n_steps * CY_PARTS * n_blocks * CY_TILE_FLOATS, i * items, items)
        p.schedule.n_items = p.n_groups * items
        p.n_items = items if p.pixels_first else p.n_groups * items
        return 0

    def __dealloc__(self):
        cdef product_params *p = <product_params *> self.params
        if p != NULL:
            free(p.outs)
            free(p.blocks)
            free(p.groups)
            free(p.steps)
            free(p.schedule.parts)


# Packing of the weights of one source, an oihw array or some of its rows. For block k of the source and n blocks of its group,
# step s, part q, channel c of the step and lane l:  the bfloat16 at  target[k] + (s·3 + q)·n·512 + c/2·32 + l·2 + c%2
# is part q of w[k·16 + l, 32·j + c, y, x], or 0 outside; step s counts pairs of channel blocks j, and within them the kernel's (y, x).

cdef struct pack_params:
    operand_t w                  # IN   planar, dims (o, i, kh, kw)
    operand_t y                  # OUT  base and offset only
    ptrdiff_t n_blocks, pairs
    ptrdiff_t *target            # in bfloat16
    ptrdiff_t *group_blocks


cdef inline uint32_t rounded(float x) noexcept nogil:
    """x rounded to 8 bits, halves away from zero, unless that would be infinite; its bits."""
    cdef uint32_t bits
    memcpy(&bits, &x, sizeof(bits))
    return (bits + (0x8000 if bits & 0x7fffffff < 0x7f7f8000 else 0)) & <uint32_t> 0xffff0000


cdef inline void split_weight(float x, uint16_t *part) noexcept nogil:
    """The three parts of x, as in isa_amx.c."""
    cdef uint32_t bits
    cdef float upper
    cdef int q
    memcpy(&bits, &x, sizeof(bits))
    if bits & 0x7f800000 == 0x7f800000:
        part[0] = part[1] = 0
        part[2] = <uint16_t> (bits >> 16 | (0x40 if x != x else 0))
        return
    for q in range(CY_PARTS):
        bits = rounded(x)
        part[q] = <uint16_t> (bits >> 16)
        memcpy(&upper, &bits, sizeof(upper))
        x -= upper


cdef void pack_share(const void *params, const run_t *run) noexcept nogil:
    cdef const pack_params *p = <const pack_params *> params
    cdef ptrdiff_t item, k, j, taps = p.w.h * p.w.w, tap, c, lane, channels, n, q
    cdef const float *w
    cdef uint16_t *y
    cdef uint16_t part[3]
    while True:
        item = next_item(run, p.n_blocks * p.pairs)
        if item >= p.n_blocks * p.pairs:
            return
        k, j = item // p.pairs, item % p.pairs
        n = p.group_blocks[k]
        channels = min(p.w.c - j * CY_TILE_CHANNELS, CY_TILE_CHANNELS)
        y = <uint16_t *> at(run, &p.y) + p.target[k] + j * taps * CY_PARTS * n * 2 * CY_TILE_FLOATS
        for tap in range(taps * CY_PARTS):
            memset(y + tap * n * 2 * CY_TILE_FLOATS, 0, CY_TILE_FLOATS * sizeof(float))
        for lane in range(min(p.w.n - k * 16, 16)):
            w = at(run, &p.w) + (k * 16 + lane) * p.w.n_stride + j * CY_TILE_CHANNELS * p.w.c_stride
            for c in range(channels):
                for tap in range(taps):
                    split_weight(w[c * p.w.c_stride + tap // p.w.w * p.w.h_stride + tap % p.w.w], part)
                    for q in range(CY_PARTS):
                        y[(tap * CY_PARTS + q) * n * 2 * CY_TILE_FLOATS + c // 2 * 32 + lane * 2 + c % 2] = part[q]


cdef class PackParts(Step):
    """Packed parts of the weights of one source; `placed` lists (target in floats, blocks of the group) of its blocks."""

    def __cinit__(self, w, y, placed):
        cdef pack_params *p = <pack_params *> allocate(1, sizeof(pack_params))
        self.fn = pack_share
        self.params = p
        read_operand(&p.w, w)
        read_operand(&p.y, y)
        p.n_blocks, p.pairs = len(placed), (p.w.c + CY_TILE_CHANNELS - 1) // CY_TILE_CHANNELS
        p.target = copy_ints([2 * target for target, _ in placed])
        p.group_blocks = copy_ints([blocks for _, blocks in placed])

    def __dealloc__(self):
        cdef pack_params *p = <pack_params *> self.params
        if p != NULL:
            free(p.target)
            free(p.group_blocks)
