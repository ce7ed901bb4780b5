"""Convolution on tile registers: products of the bfloat16 parts of an input and of weights.

Layer: drivers. graph/lower_bf16x3 cuts the output into stretches whose split input stays in the cache and makes two steps of each,
`Split` (parts.pyx, which says how the parts lie in memory), then `TileProduct`. The arithmetic is that of microkernels/isa_amx.c.

The output has ow <= P pixels a row of V, and sums that belong to no pixel are not stored. Positions p = r·P + x are counted through the
rows of a *unit* and cut into tiles of 16; a unit is an image, or all images of the stretch where a tap reads nothing but its own pixel.

Items are (group, place), where a place is some tiles of a unit: each writes what no other writes, and a sum stays inside one item. Group by
group the weights are read once. Where they are not many, several threads go place by place: what a thread multiplies with is then mostly
what it has split, and not in the other's cache. Where the weights stay in the cache there is no `Split`: an item is a band of rows for all
groups, and makes the parts of its input itself.

The output is blocked, or planar as the arrays of a single call are. Weights of a call may be infinite, which the parts of an infinite input
do not stand: then drivers/plain.pyx does the work of this step once more. Where a group has one place, its item packs these weights itself.
"""

from libc.stdint cimport int32_t, uint16_t, uintptr_t
from libc.stdlib cimport free

from cyconv._kernels.cpu cimport (
    CY_PARTS, CY_PRODUCTS, CY_TILE_CHANNELS, CY_TILE_FLOATS, CY_TILE_PIXELS, cy_tile_planes_args, cy_tile_store_args, cy_tiles_args,
    kernels,
)
from cyconv._kernels.parts cimport (
    all_finite, pack_block, part_pixels, read_source, read_stretch, read_weights, source_t, split_rows, stretch_t,
)
from cyconv._kernels.prefetch cimport ahead_of, ahead_t, first_of_range, following_of, part_t, read_following, schedule_t
from cyconv._kernels.step cimport Step, allocate, at, copy_ints, next_item, operand_t, read_operand, run_t, zero_border

cdef enum:
    LINE_FLOATS = 16         # of what one prefetch brings
    STREAM_STEPS = 4         # ahead


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
    operand_t finite             # IN   what PackParts says of the weights, n_finite words; 0 for those of a network. OUT if `packs`
    operand_t raw                # IN   weights as they come, if `packs`; those of the schedule are SCRATCH, w_floats for each thread
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
    ptrdiff_t n_finite, w_floats
    bint fused, has_residual, planar, packs
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


cdef inline void move_on(const stretch_t *s, place_t *place, int32_t n) noexcept nogil:
    """n positions on, at most to the end of the row of V."""
    place.x += n
    if place.x < s.pitch:
        return
    place.x = 0
    place.row += 1
    place.y += 1
    if place.y == s.first_row + s.rows:
        place.y = s.first_row
        place.image += 1


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
            move_on(s, &place, n)


cdef void store_planes(const job_t *job, const group_t *g, int32_t unit, int32_t tile, int32_t count) noexcept nogil:
    """The same into planes of one output: a tile is cut into the runs of its rows."""
    cdef const product_params *p = job.p
    cdef const stretch_t *s = job.s
    cdef const operand_t *out = p.outs
    cdef place_t place = place_of(s, unit, tile * CY_TILE_PIXELS)
    cdef cy_tile_planes_args a
    cdef int32_t t, i, n, in_row
    cdef ptrdiff_t channel
    cdef int b
    a.out_channel, a.act, a.lo, a.hi, a.slope = out.c_stride, p.act, p.lo, p.hi, p.slope
    for t in range(count):
        i = a.n_runs = 0
        while i < CY_TILE_PIXELS and place.row < s.unit_rows:
            n = min(CY_TILE_PIXELS - i, s.pitch - place.x)
            in_row = min(n, s.ow - place.x)
            if in_row > 0:
                a.first[a.n_runs], a.count[a.n_runs] = i, in_row
                a.at[a.n_runs] = place.image * out.n_stride + place.y * out.h_stride + place.x
                a.n_runs += 1
            i += n
            move_on(s, &place, n)
        for b in range(g.n_blocks):
            channel = (g.first_block + b) * kernels.lanes
            a.inp = job.sums + (t * g.n_blocks + b) * CY_TILE_FLOATS
            a.bias, a.out = at(job.run, &p.bias) + channel, at(job.run, out) + channel * out.c_stride
            a.channels = min(kernels.lanes, <int> (out.c - channel))
            kernels.tiles.store_planes(&a)


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
    a.w = <const uint16_t *> (at(job.run, &p.schedule.w) + (job.run.thread * p.w_floats if p.packs else g.weights))
    a.steps, a.n_steps, a.out = p.steps, p.n_steps, job.sums
    a.prefetch, a.prefetch_lines = stream.at, stream.lines
    kernels.tiles.multiply[g.n_blocks - 1][count - 1](&a)
    stream.at += stream.lines * p.n_steps * CY_PRODUCTS * LINE_FLOATS * sizeof(float)
    if p.planar:
        store_planes(job, g, unit, tile, count)
    else:
        store_tiles(job, g, unit, tile, count)


cdef void pack_group(const job_t *job, const group_t *g) noexcept nogil:
    """The packed weights of a group into those of the thread."""
    cdef const product_params *p = job.p
    cdef int32_t *finite = <int32_t *> at(job.run, &p.finite)
    cdef uint16_t *w = <uint16_t *> (at(job.run, &p.schedule.w) + job.run.thread * p.w_floats)
    cdef ptrdiff_t b, j, pairs = job.s.pairs
    for b in range(g.n_blocks):
        for j in range(pairs):
            finite[(g.first_block + b) * pairs + j] = pack_block(&p.raw, job.run, g.first_block + b, j, g.n_blocks,
                                                                 w + b * 2 * CY_TILE_FLOATS)


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
    if p.packs:
        pack_group(job, g)
        stream = stream_t(NULL, 0)
    elif job.s.units * job.s.unit_tiles <= most:  # the weights are read once, straight through
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
    cdef ptrdiff_t k
    cdef int32_t tile = 0
    cdef ahead_t ahead
    cdef stream_t stream
    own.s = &s
    s.first_image, s.first_row = item // p.bands, item % p.bands * s.rows
    s.rows = s.unit_rows = min(s.rows, p.oh - s.first_row)
    s.unit_tiles = ((s.rows - 1) * s.pitch + s.ow + CY_TILE_PIXELS - 1) // CY_TILE_PIXELS
    split_rows(&p.source, job.run, &s, s.rows + s.phase_rows - p.stretch.rows, <uint16_t *> job.v)
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
    if p.n_finite > 0 and not p.packs and not all_finite(&p.finite, p.n_finite, run):
        return
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
        read_stretch(&p.stretch, spec.cut.stretch)
        read_operand(&p.v, spec.v)
        read_following(&p.schedule, spec.w, spec.following, spec.following_floats)
        read_operand(&p.bias, spec.bias)
        p.n_finite = spec.n_finite
        if p.n_finite > 0:
            read_operand(&p.finite, spec.finite)
        p.packs = spec.raw is not None
        if p.packs:
            read_weights(&p.raw, spec.raw)
            p.w_floats = spec.w_floats
        p.has_residual = spec.residual is not None
        if p.has_residual:
            read_operand(&p.residual, spec.residual)
        p.act, p.lo, p.hi, p.slope = spec.act, spec.lo, spec.hi, spec.slope
        p.n_steps, p.steps = len(spec.cut.steps), copy_ints(spec.cut.steps)
        p.fused = spec.cut.fused
        if p.fused:
            read_source(&p.source, spec.source, spec.window)
            p.oh, p.v_floats = spec.oh, spec.cut.stretch.floats
            p.bands = (p.oh + p.stretch.rows - 1) // p.stretch.rows
        p.item_tiles = spec.cut.item_tiles
        p.unit_items = (p.stretch.unit_tiles + p.item_tiles - 1) // p.item_tiles
        p.outs = <operand_t *> allocate(len(spec.outs), sizeof(operand_t))
        for i, out in enumerate(spec.outs):
            read_operand(&p.outs[i], out)
        p.planar = p.outs[0].lanes == 1
        if p.planar and (len(spec.outs) > 1 or p.has_residual):
            raise ValueError(f"{len(spec.outs)} planar outputs{' with a residual' if p.has_residual else ''}, where one alone is due")
        p.blocks = <block_t *> allocate(len(spec.cut.blocks), sizeof(block_t))
        for i, (out, index) in enumerate(spec.cut.blocks):
            p.blocks[i] = block_t(out, index)
        self.read_groups(p, spec)

    cdef int read_groups(self, product_params *p, spec) except -1:
        cdef Py_ssize_t i
        cdef ptrdiff_t items = p.bands * spec.outs[0].dims[0] if p.fused else p.stretch.units * p.unit_items
        p.n_groups = p.schedule.n_parts = len(spec.cut.groups)
        p.groups = <group_t *> allocate(p.n_groups, sizeof(group_t))
        p.schedule.parts = <part_t *> allocate(p.n_groups, sizeof(part_t))
        for i, (n_blocks, first_block, weights) in enumerate(spec.cut.groups):
            if n_blocks not in (1, 2):
                raise ValueError(f"group {i} has {n_blocks} blocks, not 1 or 2")
            p.groups[i] = group_t(n_blocks, first_block, weights)
            p.schedule.parts[i] = part_t(weights, p.n_steps * CY_PARTS * n_blocks * CY_TILE_FLOATS, i * items, items)
        p.schedule.n_items = p.n_groups * items
        p.n_items = items if p.fused else p.n_groups * items
        p.places_first = spec.cut.places_first
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
