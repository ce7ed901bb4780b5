"""Convolution on tile registers: the input in three bfloat16 parts, products of the parts, packing of the weights' parts.

Layer: drivers. graph/lower_bf16x3 cuts the output into stretches whose split input stays in the cache and makes two steps of each,
`Split`, then `TileProduct`. The micro-kernels, with the arithmetic and its error, are those of microkernels/isa_amx.c.

    V[p·part + (j·plane + (i·phases + f)·R·P + r·P + x)·32 + c]      split input of a stretch, in bfloat16: part p, channels 32·j + c of
                                                                      image i, of phase f the pixel x in row r
    W[group][step][part][block of the group][16 pairs of channels][16 outputs][2]      packed weights, in bfloat16

A convolution of stride s falls into phases: phase (a, b) holds the pixels (r·s + a, x·s + b) of the padded input, so each tap reads
neighbouring pixels of one phase. Rows of V are as long as the widest tap needs, P; the output has ow <= P pixels a row, and sums that
belong to no pixel are not stored. Positions p = r·P + x are counted through the rows of a *unit* and cut into tiles of 16; a unit is an
image, or all images of the stretch where a tap reads nothing but its own pixel.

Split items are (pair of channel blocks, image, phase, rows), product items (group, place), where a place is some tiles of a unit: each
writes what no other writes, and a sum stays inside one item. Group by group the weights are read once. Where they are not many, several
threads go place by place: what a thread multiplies with is then mostly what it has split, and not in the other's cache. Where the weights stay in the cache there is no `Split`: an item of the product is a band of rows for all groups,
and makes the parts of its input itself.
"""

from libc.stdint cimport int32_t, uint16_t, uint32_t, uintptr_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

from cyconv._kernels.cpu cimport (
    CY_PARTS, CY_PRODUCTS, CY_TILE_CHANNELS, CY_TILE_FLOATS, CY_TILE_PIXELS, cy_tile_store_args, cy_tiles_args, kernels,
)
from cyconv._kernels.prefetch cimport ahead_of, ahead_t, first_of_range, following_of, part_t, read_following, schedule_t
from cyconv._kernels.step cimport Step, allocate, at, blocks, copy_ints, next_item, operand_t, read_operand, run_t, zero_border

cdef enum:
    LINE_FLOATS = 16         # of what one prefetch brings
    STREAM_STEPS = 4         # ahead
    SPLIT_PIXELS = 128       # of one split item, about: 1 to 2 µs


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


# Where the parts come from.
cdef struct source_t:
    operand_t x              # IN   blocked
    ptrdiff_t sh, sw, top, left
    ptrdiff_t *phase         # (a, b) of each


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
    if before < end:
        first = (at(run, x) + (s.first_image + image) * x.n_stride + 2 * pair * x.c_stride + row * x.h_stride
                 + (column + before * source.sw) * x.lanes)
        kernels.tiles.split(first, first + x.c_stride, source.sw * x.lanes, x.c - pair * CY_TILE_CHANNELS,
                            y + before * CY_TILE_CHANNELS, part, end - before)


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
    operand_t v                  # IN   or SCRATCH, v_floats for each thread, if `fused`
    source_t source              # IN   if `fused`
    schedule_t schedule          # IN   packed weights, and in which order they are read, group by group
    schedule_t by_place          # the same, place by place, if places_first
    operand_t bias               # IN   one vector per output block
    operand_t residual           # IN   if has_residual
    operand_t *outs              # OUT
    block_t *blocks
    group_t *groups
    ptrdiff_t *steps
    stretch_t stretch            # if `fused`, of the first item
    ptrdiff_t n_groups, n_steps, n_items
    ptrdiff_t item_tiles         # of pixels; if not `fused`
    ptrdiff_t unit_items
    bint places_first            # on several threads
    ptrdiff_t bands, oh, v_floats  # if `fused`
    bint fused, has_residual
    int act
    float lo, hi, slope


# What an item works on.
cdef struct job_t:
    const product_params *p
    const run_t *run
    const stretch_t *s
    const uint16_t *v
    float *sums                  # SCRATCH of one call of the micro-kernel


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


cdef void store_pixels(const job_t *job, const group_t *g, const place_t *place, const float *sums, ptrdiff_t n) noexcept nogil:
    """n neighbouring pixels of one row, of all blocks of the group."""
    cdef const product_params *p = job.p
    cdef const run_t *run = job.run
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
        a.out = at(run, out) + place.image * out.n_stride + block.index * out.c_stride + place.y * out.h_stride + place.x * L
        if p.has_residual:
            a.residual = (at(run, res) + place.image * res.n_stride + (g.first_block + b) * res.c_stride + place.y * res.h_stride
                          + place.x * L)
        kernels.tiles.store(&a)
        if place.y == 0 and place.x == 0:
            zero_border(a.out, out)


cdef void store_tiles(const job_t *job, const group_t *g, int32_t unit, int32_t tile, int32_t count) noexcept nogil:
    """The pixels of `count` tiles, row by row."""
    cdef const stretch_t *s = job.s
    cdef place_t place = place_of(s, unit, tile * CY_TILE_PIXELS)
    cdef int32_t t, i, n, in_row
    for t in range(count):
        i = 0
        while i < CY_TILE_PIXELS and place.row < s.unit_rows:
            n = min(CY_TILE_PIXELS - i, s.pitch - place.x)
            in_row = min(n, s.ow - place.x)
            if in_row > 0:
                store_pixels(job, g, &place, job.sums + t * g.n_blocks * CY_TILE_FLOATS + i * kernels.lanes, in_row)
            i += n
            place.x += n
            if place.x == s.pitch:
                place.x = 0
                place.row += 1
                place.y += 1
                if place.y == s.first_row + s.rows:
                    place.y = s.first_row
                    place.image += 1


# What the products of some calls prefetch.
cdef struct stream_t:
    const char *at
    ptrdiff_t lines              # with each


cdef stream_t spread(const product_params *p, ahead_t ahead, ptrdiff_t calls) noexcept nogil:
    """Equal parts of `ahead` for all products of some calls, together at most what they multiply with."""
    cdef ptrdiff_t products = calls * p.n_steps * CY_PRODUCTS
    cdef ptrdiff_t lines = (ahead.floats // LINE_FLOATS + products - 1) // products
    return stream_t(<const char *> ahead.start, min(lines, CY_TILE_FLOATS // LINE_FLOATS))


cdef inline int32_t most_tiles(const group_t *g) noexcept nogil:
    """Tiles of pixels that one call multiplies."""
    return 2 if g.n_blocks == 2 else 4


cdef void multiply(const job_t *job, const group_t *g, int32_t unit, int32_t tile, int32_t count, stream_t *stream) noexcept nogil:
    """`count` tiles of pixels of a group, at most most_tiles."""
    cdef cy_tiles_args a
    cdef const product_params *p = job.p
    a.inp = job.v + (unit * job.s.unit_pixels + tile * CY_TILE_PIXELS) * CY_TILE_CHANNELS
    a.part = part_pixels(job.s) * CY_TILE_CHANNELS
    a.w = <const uint16_t *> (at(job.run, &p.schedule.w) + g.weights)
    a.steps, a.n_steps, a.out = p.steps, p.n_steps, job.sums
    a.prefetch, a.prefetch_lines = stream.at, stream.lines
    kernels.tiles.multiply[g.n_blocks - 1][count - 1](&a)
    stream.at += stream.lines * p.n_steps * CY_PRODUCTS * LINE_FLOATS * sizeof(float)
    store_tiles(job, g, unit, tile, count)


cdef void group_item(const job_t *job, ptrdiff_t item) noexcept nogil:
    """Some tiles of pixels of one group, from parts that all threads share."""
    cdef const product_params *p = job.p
    cdef bint by_place = p.places_first and job.run.n_threads > 1
    cdef ptrdiff_t places = job.s.units * p.unit_items
    cdef ptrdiff_t group = item % p.n_groups if by_place else item // places
    cdef ptrdiff_t place = item // p.n_groups if by_place else item % places
    cdef const group_t *g = p.groups + group
    cdef int32_t unit = place // p.unit_items, tile = place % p.unit_items * p.item_tiles
    cdef int32_t end = min(tile + p.item_tiles, job.s.unit_tiles), most = most_tiles(g)
    cdef ahead_t ahead
    cdef stream_t stream
    if job.s.units * job.s.unit_tiles <= most:  # the weights are read once, straight through
        stream.at = <const char *> (at(job.run, &p.schedule.w) + g.weights + STREAM_STEPS * CY_PARTS * g.n_blocks * CY_TILE_FLOATS)
        stream.lines = g.n_blocks * CY_PARTS * CY_TILE_FLOATS // LINE_FLOATS // CY_PRODUCTS
    else:
        ahead = ahead_of(&p.by_place, job.run, item, item) if by_place else ahead_of(&p.schedule, job.run, group, item)
        stream = spread(p, ahead, (end - tile + most - 1) // most)
    while tile < end:
        multiply(job, g, unit, tile, min(most, end - tile), &stream)
        tile += most


cdef void fused_item(const job_t *job, ptrdiff_t item) noexcept nogil:
    """A band of one image: its parts, then its tiles in pairs, which wait in the first-level cache, for all groups."""
    cdef const product_params *p = job.p
    cdef stretch_t s = p.stretch
    cdef job_t own = job[0]
    cdef ptrdiff_t pair, phase, r, k
    cdef int32_t tile = 0
    cdef ahead_t ahead
    cdef stream_t stream
    own.s = &s
    s.first_image, s.first_row = item // p.bands, item % p.bands * s.rows
    s.rows = s.unit_rows = min(s.rows, p.oh - s.first_row)
    s.unit_tiles = ((s.rows - 1) * s.pitch + s.ow + CY_TILE_PIXELS - 1) // CY_TILE_PIXELS
    for pair in range(s.pairs):
        for phase in range(s.phases):
            for r in range(s.rows + s.phase_rows - p.stretch.rows):
                split_row(&p.source, job.run, &s, 0, pair, phase, r, <uint16_t *> job.v)
    while tile < s.unit_tiles:
        for k in range(p.n_groups):
            ahead = ahead_t(at(job.run, &p.schedule.w), 0)
            if tile == 0 and k + 1 < p.n_groups and first_of_range(job.run, item, p.n_items):
                ahead = ahead_t(at(job.run, &p.schedule.w) + p.groups[k + 1].weights, p.schedule.parts[k + 1].floats)
            elif tile + 2 >= s.unit_tiles and item + 1 == p.n_items:
                ahead = following_of(&p.schedule, job.run)
                ahead.floats = ahead.floats // p.n_groups
                ahead.start += k * ahead.floats
            stream = spread(p, ahead, 1)
            multiply(&own, p.groups + k, 0, tile, min(2, s.unit_tiles - tile), &stream)
        tile += 2


cdef void product_share(const void *params, const run_t *run) noexcept nogil:
    cdef const product_params *p = <const product_params *> params
    cdef ptrdiff_t item
    cdef float memory[4 * 256 + 16]
    cdef job_t job
    job.p, job.run, job.s = p, run, &p.stretch
    job.v = <const uint16_t *> (at(run, &p.v) + (run.thread * p.v_floats if p.fused else 0))
    job.sums = <float *> ((<uintptr_t> memory + 63) & ~<uintptr_t> 63)
    kernels.tiles.begin()
    while True:
        item = next_item(run, p.n_items)
        if item >= p.n_items:
            break
        if p.fused:
            fused_item(&job, item)
        else:
            group_item(&job, item)
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
        p.fused = spec.source is not None
        if p.fused:
            read_source(&p.source, spec.source, spec.window)
            p.oh, p.v_floats = spec.oh, spec.v_floats
            p.bands = (p.oh + p.stretch.rows - 1) // p.stretch.rows
        p.item_tiles = spec.item_tiles
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
        cdef ptrdiff_t items = p.bands * spec.outs[0].dims[0] if p.fused else p.stretch.units * p.unit_items
        p.n_groups = p.schedule.n_parts = len(spec.groups)
        p.groups = <group_t *> allocate(p.n_groups, sizeof(group_t))
        p.schedule.parts = <part_t *> allocate(p.n_groups, sizeof(part_t))
        for i, (n_blocks, first_block, weights) in enumerate(spec.groups):
            if n_blocks not in (1, 2):
                raise ValueError(f"group {i} has {n_blocks} blocks, not 1 or 2")
            p.groups[i] = group_t(n_blocks, first_block, weights)
            p.schedule.parts[i] = part_t(weights, p.n_steps * CY_PARTS * n_blocks * CY_TILE_FLOATS, i * items, items)
        p.schedule.n_items = p.n_groups * items
        p.n_items = items if p.fused else p.n_groups * items
        p.places_first = spec.places_first
        if p.places_first:
            p.by_place = p.schedule
            p.by_place.n_parts = p.n_items
            p.by_place.parts = <part_t *> allocate(p.n_items, sizeof(part_t))
            for i in range(p.n_items):
                p.by_place.parts[i] = p.schedule.parts[i % p.n_groups]
                p.by_place.parts[i].first_item, p.by_place.parts[i].n_items = i, 1
        return 0

    def __dealloc__(self):
        cdef product_params *p = <product_params *> self.params
        if p != NULL:
            free(p.outs)
            free(p.blocks)
            free(p.groups)
            free(p.steps)
            free(p.source.phase)
            free(p.schedule.parts)
            free(p.by_place.parts)


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
