"""Products: convolution of images and volumes, transposed convolution, matrix products and lane-wise (depthwise) convolution.

Layer: drivers. graph/select decides groups, tiles and taps and the lowering makes the step; this file walks over them.
The output is split into items of (output group, volume, slice, band of rows); an image is a volume of one slice. An item writes its
own pixels of its own channel blocks and only reads the input, so items are independent; the reduction over taps stays inside one tile.
Groups come first in the order of items because a group's packed weights then stay in the cache while the images pass by. With
`bands_first` it is the other way round, for inputs that do not stay in the cache: an item is a band, for all groups.
"""

from libc.stdlib cimport free

from cyconv._kernels.cpu cimport CY_CONV_BLOCKS, cy_conv_args, cy_conv_fn, cy_tap, kernels
from cyconv._kernels.prefetch cimport ahead_of, ahead_t, cache_floats, following_of, read_following, schedule_t, part_t
from cyconv._kernels.step cimport Step, allocate, at, next_item, operand_t, read_operand, run_t, zero_border


cdef enum:
    STREAM_DISTANCE_FLOATS = 1 << 11     # 8 KiB: measured on Zen 5, 9216 → 4096 at batch 1
    LINE_FLOATS = 16                     # of what one prefetch brings


# One to three neighbouring output blocks that one tile computes together.
cdef struct group_t:
    int n_blocks
    ptrdiff_t first_block
    ptrdiff_t weights        # where its packed weights begin, in floats
    ptrdiff_t weight_floats
    ptrdiff_t input          # added to the input's address: the first channel of its convolution group
    ptrdiff_t first_tap
    ptrdiff_t n_taps
    ptrdiff_t first_tile     # its tiles of a row
    ptrdiff_t n_tiles
    ptrdiff_t tile_rows      # 1 or 2
    ptrdiff_t band_rows      # output rows of one item
    ptrdiff_t rows           # output rows
    ptrdiff_t out_shift      # added to the output's address: the first pixel of its phase of a transposed convolution
    ptrdiff_t first_slice    # its output slices of a volume
    ptrdiff_t n_slices
    ptrdiff_t depth_taps     # equal parts of its taps and weights, one for each input slice that an output slice reads
    ptrdiff_t first_item     # items of the groups before it
    ptrdiff_t bands


# Where one output block goes: block `index` of output `out`.
cdef struct block_t:
    ptrdiff_t out
    ptrdiff_t index


# An output slice of a volume, and the part of its taps that lies inside the input.
cdef struct slice_t:
    ptrdiff_t out            # which slice
    ptrdiff_t input          # added to the input's address: the slice that tap offset 0 belongs to, which may lie outside
    ptrdiff_t first_tap      # of the depth taps
    ptrdiff_t end_tap


cdef struct conv_params:
    operand_t x              # IN
    schedule_t schedule      # packed weights, floats or bfloat16, and in which order they are read
    operand_t bias           # IN   packed biases, one vector per output block
    operand_t residual       # IN   if has_residual
    operand_t *outs          # OUT
    block_t *blocks
    group_t *groups
    cy_tap *taps
    ptrdiff_t *tile_start    # first pixel of each tile of a row
    ptrdiff_t *tile_pixels
    slice_t *slices
    ptrdiff_t n_groups, n_tiles, n_items
    ptrdiff_t volumes, out_depth
    ptrdiff_t x_volume       # between the volumes of the input
    ptrdiff_t row_step       # between the output rows of a group, in rows
    ptrdiff_t in_row, in_px, out_px, res_px
    bint has_residual, lanewise, bfloat16, bands_first
    bint pointwise           # whether a tap reads nothing but the pixel itself
    int act
    float lo, hi, slope


cdef void set_outputs(cy_conv_args *a, const conv_params *p, const run_t *run, const group_t *g, ptrdiff_t image) noexcept nogil:
    """Point the blocks of group `g` at row 0, pixel 0 of the image."""
    cdef int b
    cdef const block_t *block
    cdef const operand_t *out
    for b in range(g.n_blocks):
        block = &p.blocks[g.first_block + b]
        out = &p.outs[block.out]
        a.out[b] = at(run, out) + image * out.n_stride + block.index * out.c_stride + g.out_shift
        a.out_row[b] = p.row_step * out.h_stride
        if p.has_residual:
            a.residual[b] = at(run, &p.residual) + image * p.residual.n_stride + (g.first_block + b) * p.residual.c_stride
            a.res_row[b] = p.residual.h_stride


cdef void zero_borders(const cy_conv_args *a, const conv_params *p, const group_t *g) noexcept nogil:
    cdef int b
    for b in range(g.n_blocks):
        zero_border(a.out[b], &p.outs[p.blocks[g.first_block + b].out])


cdef void compute_band(const cy_conv_args *a, const conv_params *p, const group_t *g, const float *image, ptrdiff_t first_row,
                       ptrdiff_t prefetch_tile) noexcept nogil:
    """The tiles of rows first_row … first_row + band_rows − 1; `a` has its outputs at row 0.

    Each tile prefetches prefetch_tile floats, or, with prefetch_taps, the input that lies so far from its own.
    """
    cdef cy_conv_args tile = a[0]
    cdef cy_conv_fn kernel
    cdef ptrdiff_t y = first_row, t, px, n_rows
    cdef ptrdiff_t end = min(first_row + g.band_rows, g.rows)
    cdef int b
    while y < end:
        n_rows = min(g.tile_rows, end - y)
        for t in range(g.first_tile, g.first_tile + g.n_tiles):
            px = p.tile_start[t]
            tile.inp = image + y * p.in_row + px * p.in_px
            for b in range(g.n_blocks):
                tile.out[b] = a.out[b] + y * a.out_row[b] + px * p.out_px
                if p.has_residual:
                    tile.residual[b] = a.residual[b] + y * a.res_row[b] + px * p.res_px
            if p.lanewise:
                kernel = kernels.lanewise[p.tile_pixels[t] - 1]
            elif p.bfloat16:
                kernel = kernels.linear_bf16[g.n_blocks - 1][p.tile_pixels[t] - 1]
            else:
                kernel = kernels.conv[g.n_blocks - 1][n_rows - 1][p.tile_pixels[t] - 1]
            if a.prefetch_taps:
                tile.prefetch = tile.inp + prefetch_tile
            kernel(&tile)
            tile.prefetch += prefetch_tile
        y += n_rows


cdef ptrdiff_t spread(cy_conv_args *a, const group_t *g, ahead_t ahead) noexcept nogil:
    """Let the tiles of an item prefetch equal parts of `ahead`: how many floats each."""
    cdef ptrdiff_t slices = max(g.weight_floats // (g.n_blocks * kernels.lanes), 1)
    cdef ptrdiff_t tiles = g.n_tiles * ((min(g.band_rows, g.rows) + g.tile_rows - 1) // g.tile_rows)
    cdef ptrdiff_t each = min((ahead.floats + tiles - 1) // tiles, slices * LINE_FLOATS)
    a.prefetch, a.prefetch_step, a.prefetch_taps = ahead.start, (each + slices - 1) // slices, False
    return each


# One item: a group, or all of them, and the place of a band.
cdef struct place_t:
    ptrdiff_t volume, band
    const slice_t *slice


cdef inline place_t place_of(const conv_params *p, const group_t *g, ptrdiff_t i) noexcept nogil:
    """Where the i-th band of a group lies."""
    return place_t(i // g.bands // g.n_slices, i % g.bands, &p.slices[g.first_slice + i // g.bands % g.n_slices])


cdef inline ptrdiff_t input_of(const conv_params *p, const group_t *g, const place_t *place) noexcept nogil:
    """Where the input of a band begins."""
    return g.input + place.volume * p.x_volume + place.slice.input + place.band * g.band_rows * p.in_row


cdef void compute_item(cy_conv_args *a, const conv_params *p, const run_t *run, const group_t *g, const place_t *place,
                       ptrdiff_t prefetch_tile) noexcept nogil:
    """One band of one group; of `a`, what is the same for all is set, and what its tiles prefetch."""
    cdef const slice_t *s = place.slice
    a.w_packed = at(run, &p.schedule.w) + g.weights + s.first_tap * (g.weight_floats // g.depth_taps)
    a.w_step = g.n_blocks * kernels.lanes
    a.bias_packed, a.bias_px = at(run, &p.bias) + g.first_block * kernels.lanes, 0
    a.taps = p.taps + g.first_tap + s.first_tap * (g.n_taps // g.depth_taps)
    a.n_taps = (s.end_tap - s.first_tap) * (g.n_taps // g.depth_taps)
    set_outputs(a, p, run, g, place.volume * p.out_depth + s.out)
    if place.band == 0 and g.out_shift == 0:
        zero_borders(a, p, g)
    compute_band(a, p, g, at(run, &p.x) + g.input + place.volume * p.x_volume + s.input, place.band * g.band_rows, prefetch_tile)


cdef void compute_bands_first(cy_conv_args *a, const conv_params *p, const run_t *run, ptrdiff_t item) noexcept nogil:
    """One band of all groups. The tiles of the first one prefetch the input of the next band, those of the last band what follows."""
    cdef ptrdiff_t k, prefetch_tile
    cdef const group_t *g = p.groups
    cdef place_t place = place_of(p, g, item), next
    for k in range(p.n_groups):
        g = p.groups + k
        prefetch_tile = a.prefetch_step = a.prefetch_taps = 0
        a.prefetch = at(run, &p.x)
        if item + 1 == p.n_items:
            prefetch_tile = spread(a, g, following_of(&p.schedule, run))
        elif k == 0 and p.pointwise:
            next = place_of(p, g, item + 1)
            a.prefetch_step, a.prefetch_taps = p.in_px, True
            prefetch_tile = input_of(p, g, &next) - input_of(p, g, &place)
        compute_item(a, p, run, g, &place, prefetch_tile)


cdef void conv_share(const void *params, const run_t *run) noexcept nogil:
    cdef const conv_params *p = <const conv_params *> params
    cdef const group_t *g = p.groups
    cdef cy_conv_args a
    cdef place_t place
    cdef ptrdiff_t item, i, prefetch_tile
    for i in range(CY_CONV_BLOCKS):
        a.residual[i] = NULL
        a.res_row[i] = 0
    a.in_row, a.in_px, a.out_px, a.res_px = p.in_row, p.in_px, p.out_px, p.res_px
    a.act, a.lo, a.hi, a.slope = p.act, p.lo, p.hi, p.slope
    while True:
        item = next_item(run, p.n_items)
        if item >= p.n_items:
            return
        if p.bands_first:
            compute_bands_first(&a, p, run, item)
            continue
        while item < g.first_item:
            g -= 1
        while item >= g.first_item + g.bands * g.n_slices * p.volumes:
            g += 1
        place = place_of(p, g, item - g.first_item)
        if g.weight_floats > cache_floats() // 8 * 3:  # two smaller ones leave a quarter for the input; this is read straight through
            prefetch_tile, a.prefetch_step, a.prefetch_taps = 0, g.n_blocks * kernels.lanes, False
            a.prefetch = at(run, &p.schedule.w) + g.weights + STREAM_DISTANCE_FLOATS
        else:
            prefetch_tile = spread(&a, g, ahead_of(&p.schedule, run, g - p.groups, item))
        compute_item(&a, p, run, g, &place, prefetch_tile)


cdef class Conv(Step):
    """A product step; `spec` is a cyconv.graph.lower_conv.ConvSpec whose operands have been placed."""

    def __cinit__(self, spec):
        cdef conv_params *p = <conv_params *> allocate(1, sizeof(conv_params))
        self.fn = conv_share
        self.params = p
        read_operand(&p.x, spec.x)
        read_operand(&p.bias, spec.bias)
        read_following(&p.schedule, spec.w, spec.following, spec.following_floats)
        p.has_residual = spec.residual is not None
        if p.has_residual:
            read_operand(&p.residual, spec.residual)
        p.lanewise, p.bfloat16 = spec.lanewise, spec.bfloat16
        p.bands_first, p.pointwise = spec.bands_first, spec.pointwise
        p.volumes, p.out_depth, p.x_volume, p.row_step = spec.volumes, spec.out_depth, spec.x_volume, spec.row_step
        p.in_row, p.in_px, p.out_px, p.res_px = spec.in_row, spec.in_px, spec.out_px, spec.res_px
        p.act, p.lo, p.hi, p.slope = spec.act, spec.lo, spec.hi, spec.slope
        self.read_tables(p, spec)
        self.check(p)

    cdef int read_tables(self, conv_params *p, spec) except -1:
        cdef Py_ssize_t i, items
        p.n_groups, p.n_tiles = len(spec.groups), len(spec.tiles)
        p.outs = <operand_t *> allocate(len(spec.outs), sizeof(operand_t))
        for i, out in enumerate(spec.outs):
            read_operand(&p.outs[i], out)
        p.blocks = <block_t *> allocate(len(spec.blocks), sizeof(block_t))
        for i, (out, index) in enumerate(spec.blocks):
            p.blocks[i].out, p.blocks[i].index = out, index
        p.groups = <group_t *> allocate(p.n_groups, sizeof(group_t))
        p.schedule.parts = <part_t *> allocate(p.n_groups, sizeof(part_t))
        p.schedule.n_parts = p.n_groups
        for i, g in enumerate(spec.groups):
            p.groups[i] = group_t(g.n_blocks, g.first_block, g.weights, g.weight_floats, g.input, g.first_tap, g.n_taps,
                                  g.first_tile, g.n_tiles, g.tile_rows, g.band_rows, g.rows, g.out_shift, g.first_slice, g.n_slices,
                                  g.depth_taps, p.n_items, (g.rows + g.band_rows - 1) // g.band_rows)
            items = p.groups[i].bands * g.n_slices * p.volumes
            p.schedule.parts[i] = part_t(g.weights, g.weight_floats, p.n_items, items)
            p.n_items += items
        p.schedule.n_items = p.n_items
        if p.bands_first:  # all groups have the same bands
            p.n_items //= max(p.n_groups, 1)
        p.slices = <slice_t *> allocate(len(spec.slices), sizeof(slice_t))
        for i, (out, start, first, end) in enumerate(spec.slices):
            p.slices[i] = slice_t(out, start, first, end)
        p.taps = <cy_tap *> allocate(len(spec.taps), sizeof(cy_tap))
        for i, (offset, lanes) in enumerate(spec.taps):
            p.taps[i].offset, p.taps[i].lanes = offset, lanes
        p.tile_start = <ptrdiff_t *> allocate(p.n_tiles, sizeof(ptrdiff_t))
        p.tile_pixels = <ptrdiff_t *> allocate(p.n_tiles, sizeof(ptrdiff_t))
        for i, (start, pixels) in enumerate(spec.tiles):
            p.tile_start[i], p.tile_pixels[i] = start, pixels
        return 0

    cdef int check(self, conv_params *p) except -1:
        """Refuse a tile that the table does not hold: a null function must never be called."""
        cdef Py_ssize_t i, t, r, largest
        cdef group_t *g
        cdef slice_t *s
        for i in range(p.n_groups):
            g = &p.groups[i]
            if p.bands_first and (g.rows, g.band_rows, g.first_slice, g.n_slices) != (
                p.groups[0].rows, p.groups[0].band_rows, p.groups[0].first_slice, p.groups[0].n_slices
            ):
                raise ValueError(f"the bands of group {i} are not those of group 0")
            for t in range(g.first_slice, g.first_slice + g.n_slices):
                s = &p.slices[t]
                if not 0 <= s.first_tap <= s.end_tap <= g.depth_taps or g.n_taps % g.depth_taps or g.weight_floats % g.depth_taps:
                    raise ValueError(f"depth taps {s.first_tap} to {s.end_tap} of {g.depth_taps} that share {g.n_taps} taps")
            for t in range(g.first_tile, g.first_tile + g.n_tiles):
                for r in range(g.tile_rows):
                    if p.lanewise:
                        largest = kernels.lanewise_pixels if r == 0 and g.n_blocks == 1 else 0
                    else:
                        largest = kernels.conv_pixels[g.n_blocks - 1][r] if r == 0 or not p.bfloat16 else 0
                    if not 1 <= p.tile_pixels[t] <= largest:
                        raise ValueError(f"no tile of {g.n_blocks} blocks x {r + 1} rows x {p.tile_pixels[t]} pixels")
        return 0

    def __dealloc__(self):
        cdef conv_params *p = <conv_params *> self.params
        if p != NULL:
            free(p.outs)
            free(p.blocks)
            free(p.groups)
            free(p.schedule.parts)
            free(p.taps)
            free(p.tile_start)
            free(p.tile_pixels)
            free(p.slices)
