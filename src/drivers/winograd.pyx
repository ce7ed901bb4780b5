"""Winograd convolution of 3x3, 4x4 and 5x5 kernels, and of strided ones in phases: input transform, products, output transform.

Layer: drivers. graph/lower_winograd cuts the image's tiles into stretches whose transformed input stays in the cache and makes two
steps of each: `WinogradInput`, then `WinogradProduct`. The second multiplies with the same register tiles as conv.pyx, one product
for each of the n² points, and transforms back while the products are still in the cache.

    V[(p·blocks + b)·tiles·L + t·L + l]                  transformed input of a stretch: point p, channel block b, tile t, lane l
    U[group][p][channel][block of the group][l]          transformed weights (PackWinograd)

Input items are (channel block, run of tiles), product items (output group, run of tiles): each writes what no other writes, and
the sum over channels stays inside one item. Groups come first in their order, so that threads share out the weights; where those are
less than V, runs of tiles come first, and a thread multiplies what it has transformed itself.
"""

from libc.stdlib cimport free

from cyconv._kernels.cpu cimport (
    CY_WINO_KINDS, CY_WINO_MAX_N, CY_WINO_MAX_R, cy_conv_args, cy_tap, cy_wino_input_args, cy_wino_output_args, cy_wino_weights_args,
    kernels,
)
from cyconv._kernels.prefetch cimport ahead_of, ahead_t, cache_floats, following_of, part_t, read_following, schedule_t
from cyconv._kernels.step cimport Step, allocate, at, blocks, next_item, operand_t, read_operand, run_t, zero_border

cdef enum:
    INPUT_RUN = 8        # tiles of one input item: about 1 µs
    MAX_LANES = 16
    LINE_FLOATS = 16     # of what one prefetch brings


# How a stretch of tiles lies over the images. Tile t of the stretch is tile first + t of all, counted by image, row, column.
cdef struct tiles_t:
    int kind
    ptrdiff_t m, n, points
    ptrdiff_t first, count       # the stretch
    ptrdiff_t across, down       # tiles of one image
    ptrdiff_t top, left          # padding
    bint tiles_first             # in the order of items


cdef struct place_t:
    ptrdiff_t image, y, x        # of the tile's first output pixel


cdef inline place_t place_of(const tiles_t *s, ptrdiff_t t) noexcept nogil:
    cdef place_t place
    t += s.first
    place.x = t % s.across * s.m
    place.y = t // s.across % s.down * s.m
    place.image = t // s.across // s.down
    return place


cdef int read_tiles(tiles_t *s, spec) except -1:
    """The fields of a cyconv.graph.lower_winograd.Stretch."""
    s.kind, s.m, s.n = spec.kind, spec.m, spec.n
    s.points = s.n * s.n
    s.first, s.count, s.across, s.down = spec.first, spec.count, spec.across, spec.down
    s.top, s.left, s.tiles_first = spec.top, spec.left, spec.tiles_first
    if not 0 <= s.kind < CY_WINO_KINDS or s.m != kernels.wino_m[s.kind] or s.n != kernels.wino_n[s.kind]:
        raise ValueError(f"no Winograd kernel of kind {s.kind} with {s.n} x {s.n} points for {s.m} x {s.m} outputs")
    return 0


cdef struct input_params:
    operand_t x              # IN   blocked
    operand_t v              # OUT  base and offset only
    tiles_t tiles
    ptrdiff_t runs


cdef void input_share(const void *params, const run_t *run) noexcept nogil:
    cdef const input_params *p = <const input_params *> params
    cdef const tiles_t *s = &p.tiles
    cdef cy_wino_input_args a
    cdef ptrdiff_t item, part, t, block, n_blocks = blocks(&p.x), L = kernels.lanes
    cdef place_t place
    a.in_row = p.x.h_stride
    a.out_point = n_blocks * s.count * L
    while True:
        item = next_item(run, n_blocks * p.runs)
        if item >= n_blocks * p.runs:
            return
        block, part = (item % n_blocks, item // n_blocks) if s.tiles_first else (item // p.runs, item % p.runs)
        for t in range(part * INPUT_RUN, min((part + 1) * INPUT_RUN, s.count)):
            place = place_of(s, t)
            a.row0, a.col0 = s.top - place.y, s.left - place.x
            a.row1, a.col1 = a.row0 + p.x.h, a.col0 + p.x.w
            a.inp = at(run, &p.x) + place.image * p.x.n_stride + block * p.x.c_stride - a.row0 * a.in_row - a.col0 * L
            a.out = at(run, &p.v) + (block * s.count + t) * L
            kernels.wino_input[s.kind](&a)


cdef class WinogradInput(Step):
    """V of one stretch of tiles."""

    def __cinit__(self, x, v, stretch):
        cdef input_params *p = <input_params *> allocate(1, sizeof(input_params))
        self.fn = input_share
        self.params = p
        read_operand(&p.x, x)
        read_operand(&p.v, v)
        read_tiles(&p.tiles, stretch)
        p.runs = (p.tiles.count + INPUT_RUN - 1) // INPUT_RUN


# One to three neighbouring output blocks, and how they cut the stretch into pieces that one register tile covers.
cdef struct group_t:
    int n_blocks
    ptrdiff_t first_block
    ptrdiff_t weights            # of point 0, in floats
    ptrdiff_t first_piece
    ptrdiff_t n_pieces
    ptrdiff_t item_pieces        # pieces of one item
    ptrdiff_t first_item         # items of the groups before it


cdef struct product_params:
    operand_t v                  # IN
    schedule_t schedule          # IN   transformed weights, and in which order they are read
    operand_t bias               # IN
    operand_t residual           # IN   if has_residual
    operand_t out                # OUT
    operand_t scratch            # SCRATCH  scratch_floats for each thread
    tiles_t tiles
    group_t *groups
    ptrdiff_t *piece_start
    ptrdiff_t *piece_tiles
    cy_tap *taps
    ptrdiff_t n_groups, n_items, channels, scratch_floats
    bint has_residual, pooled
    int act
    float lo, hi, slope


cdef void multiply(const product_params *p, const run_t *run, const group_t *g, ahead_t ahead, ptrdiff_t first, ptrdiff_t last, float *m,
                   ptrdiff_t m_block) noexcept nogil:
    """Products of pieces first … last − 1: m[(p·n_blocks + o)·m_block + t·L + l], t counted from the first piece's first tile.

    Each prefetches its part of `ahead`, at most a line for each slice of weights; where those are too many to wait in the cache, what the
    next point needs.
    """
    cdef const tiles_t *s = &p.tiles
    cdef cy_conv_args a
    cdef ptrdiff_t point, i, L = kernels.lanes
    cdef ptrdiff_t slice_floats = p.channels * g.n_blocks * L
    cdef ptrdiff_t products = s.points * (last - first)
    cdef bint near = s.tiles_first or s.points * slice_floats > cache_floats() // 4
    cdef ptrdiff_t prefetched = slice_floats // (last - first) if near else (ahead.floats + products - 1) // products
    cdef int b
    cdef float zeros[48]
    for b in range(48):
        zeros[b] = 0.0
    a.w_step, a.bias_px = g.n_blocks * L, 0
    a.bias_packed, a.taps, a.n_taps = zeros, p.taps, (p.channels + L - 1) // L
    a.in_row, a.in_px, a.out_px, a.res_px = 0, L, L, 0
    a.act, a.lo, a.hi, a.slope = 0, 0.0, 0.0, 0.0
    for b in range(3):
        a.residual[b], a.out_row[b], a.res_row[b] = NULL, 0, 0
    prefetched = min(prefetched, p.channels * LINE_FLOATS)
    a.prefetch, a.prefetch_step, a.prefetch_taps = ahead.start, (prefetched + p.channels - 1) // p.channels, False
    for point in range(s.points):
        a.w_packed = at(run, &p.schedule.w) + g.weights + point * slice_floats
        if near:
            a.prefetch = a.w_packed + slice_floats if point < s.points - 1 else ahead.start
        for i in range(first, last):
            a.inp = at(run, &p.v) + (point * a.n_taps * s.count + p.piece_start[i]) * L
            for b in range(g.n_blocks):
                a.out[b] = m + (point * g.n_blocks + b) * m_block + (p.piece_start[i] - p.piece_start[first]) * L
            kernels.conv[g.n_blocks - 1][0][p.piece_tiles[i] - 1](&a)
            a.prefetch += prefetched


cdef void transform_back(const product_params *p, const run_t *run, const group_t *g, ptrdiff_t t0, ptrdiff_t t1, const float *m,
                         ptrdiff_t m_block) noexcept nogil:
    """The output pixels of tiles t0 … t1 − 1, or the largest of each 2 x 2 of them; the last tile of a row or column writes only what lies
    inside the image."""
    cdef const tiles_t *s = &p.tiles
    cdef const operand_t *out = &p.out
    cdef const operand_t *res = &p.residual
    cdef cy_wino_output_args a
    cdef ptrdiff_t t, block, L = kernels.lanes, shrink = 2 if p.pooled else 1
    cdef place_t place
    cdef int b
    a.pooled = p.pooled
    a.in_point, a.out_row, a.res_row = g.n_blocks * m_block, out.h_stride, res.h_stride
    a.act, a.lo, a.hi, a.slope = p.act, p.lo, p.hi, p.slope
    a.residual = NULL
    for b in range(g.n_blocks):
        block = g.first_block + b
        a.bias = at(run, &p.bias) + block * L
        for t in range(t0, t1):
            place = place_of(s, t)
            a.inp = m + b * m_block + (t - t0) * L
            a.rows, a.columns = min(s.m, shrink * out.h - place.y), min(s.m, shrink * out.w - place.x)
            a.out = (at(run, out) + place.image * out.n_stride + block * out.c_stride + place.y // shrink * out.h_stride
                     + place.x // shrink * L)
            if p.has_residual:
                a.residual = (at(run, res) + place.image * res.n_stride + block * res.c_stride + place.y * res.h_stride
                              + place.x * L)
            kernels.wino_output[s.kind](&a)
            if place.y == 0 and place.x == 0:
                zero_border(a.out, out)


cdef void product_share(const void *params, const run_t *run) noexcept nogil:
    cdef const product_params *p = <const product_params *> params
    cdef const group_t *g = p.groups
    cdef float *m = at(run, &p.scratch) + run.thread * p.scratch_floats
    cdef ptrdiff_t item, place, first, last, t0, t1, m_block
    cdef ahead_t ahead
    while True:
        item = next_item(run, p.n_items)
        if item >= p.n_items:
            return
        if p.tiles.tiles_first:
            g, place = p.groups + item % p.n_groups, item // p.n_groups
            ahead = following_of(&p.schedule, run)
        else:
            while item < g.first_item:
                g -= 1
            while g + 1 < p.groups + p.n_groups and item >= (g + 1).first_item:
                g += 1
            place, ahead = item - g.first_item, ahead_of(&p.schedule, run, g - p.groups, item)
        first = g.first_piece + place * g.item_pieces
        last = min(first + g.item_pieces, g.first_piece + g.n_pieces)
        t0 = p.piece_start[first]
        t1 = p.piece_start[last - 1] + p.piece_tiles[last - 1]
        m_block = (t1 - t0) * kernels.lanes
        multiply(p, run, g, ahead, first, last, m, m_block)
        transform_back(p, run, g, t0, t1, m, m_block)


cdef class WinogradProduct(Step):
    """The output pixels of one stretch of tiles; `spec` is a cyconv.graph.lower_winograd.ProductSpec."""

    def __cinit__(self, spec):
        cdef product_params *p = <product_params *> allocate(1, sizeof(product_params))
        cdef Py_ssize_t i
        self.fn = product_share
        self.params = p
        read_operand(&p.v, spec.v)
        read_following(&p.schedule, spec.u, spec.following, spec.following_floats)
        read_operand(&p.bias, spec.bias)
        read_operand(&p.out, spec.out)
        read_operand(&p.scratch, spec.scratch)
        p.pooled = spec.pooled
        p.has_residual = spec.residual is not None
        if p.has_residual:
            read_operand(&p.residual, spec.residual)
        read_tiles(&p.tiles, spec.stretch)
        p.channels, p.scratch_floats = spec.channels, spec.scratch_floats
        p.act, p.lo, p.hi, p.slope = spec.act, spec.lo, spec.hi, spec.slope
        p.piece_start = <ptrdiff_t *> allocate(len(spec.pieces), sizeof(ptrdiff_t))
        p.piece_tiles = <ptrdiff_t *> allocate(len(spec.pieces), sizeof(ptrdiff_t))
        for i, (start, tiles) in enumerate(spec.pieces):
            p.piece_start[i], p.piece_tiles[i] = start, tiles
        p.taps = <cy_tap *> allocate((p.channels + kernels.lanes - 1) // kernels.lanes, sizeof(cy_tap))
        for i in range((p.channels + kernels.lanes - 1) // kernels.lanes):
            p.taps[i].offset = i * p.tiles.count * kernels.lanes
            p.taps[i].lanes = min(kernels.lanes, p.channels - i * kernels.lanes)
        self.read_groups(p, spec)

    cdef int read_groups(self, product_params *p, spec) except -1:
        cdef Py_ssize_t i, piece, items
        cdef group_t *g
        p.n_groups = p.schedule.n_parts = len(spec.groups)
        p.schedule.parts = <part_t *> allocate(p.n_groups, sizeof(part_t))
        p.groups = <group_t *> allocate(p.n_groups, sizeof(group_t))
        for i, group in enumerate(spec.groups):
            g = &p.groups[i]
            g[0] = group_t(group.n_blocks, group.first_block, group.weights, group.first_piece, group.n_pieces,
                           group.item_pieces, p.n_items)
            items = (g.n_pieces + g.item_pieces - 1) // g.item_pieces
            p.schedule.parts[i] = part_t(g.weights, p.tiles.points * p.channels * g.n_blocks * kernels.lanes, p.n_items, items)
            p.n_items += items
            p.schedule.n_items = p.n_items
            if p.tiles.tiles_first and (g.first_piece, g.n_pieces, g.item_pieces) != (
                p.groups[0].first_piece, p.groups[0].n_pieces, p.groups[0].item_pieces
            ):
                raise ValueError(f"the tiles of group {i} are not cut as those of group 0")
            for piece in range(g.first_piece, g.first_piece + g.n_pieces):
                if not 1 <= p.piece_tiles[piece] <= kernels.conv_pixels[g.n_blocks - 1][0]:
                    raise ValueError(f"no tile of {g.n_blocks} blocks x {p.piece_tiles[piece]} pixels")
        return 0

    def __dealloc__(self):
        cdef product_params *p = <product_params *> self.params
        if p != NULL:
            free(p.groups)
            free(p.schedule.parts)
            free(p.piece_start)
            free(p.piece_tiles)
            free(p.taps)


# Packing: U = G g Gᵀ in float64, rounded once. For block k at `target[k]` with `pitch[k]` floats from channel to channel and
# `point_pitch[k]` from point to point:  u[target + p·point_pitch + i·pitch + l] = (G g Gᵀ)[p] of g = w[k·L + l, i].
# With a stride s, i counts the phases of the input channels as drivers/phases.pyx does, i = (a·s + b)·C + c, and
# g[y, x] = w[k·L + l, c, y·s + a, x·s + b], 0 outside the kernel.

cdef struct pack_params:
    operand_t w                  # IN   dense oihw
    operand_t u                  # OUT
    ptrdiff_t n, r, n_blocks, stride
    ptrdiff_t *places            # (target, pitch, point_pitch) of each block
    double *g                    # n x r


cdef void phase_kernels(const pack_params *p, const float *w, ptrdiff_t valid, ptrdiff_t phase, float *g) noexcept nogil:
    """The r x r kernels of one phase of one input channel, of `valid` output channels; `w` is the first one's whole kernel."""
    cdef ptrdiff_t lane, y, x, ky, kx
    for lane in range(valid):
        for y in range(p.r):
            for x in range(p.r):
                ky, kx = y * p.stride + phase // p.stride, x * p.stride + phase % p.stride
                g[(lane * p.r + y) * p.r + x] = w[lane * p.w.n_stride + ky * p.w.h_stride + kx] if ky < p.w.h and kx < p.w.w else 0.0


cdef void pack_share(const void *params, const run_t *run) noexcept nogil:
    cdef const pack_params *p = <const pack_params *> params
    cdef const ptrdiff_t *place
    cdef const float *w
    cdef cy_wino_weights_args a
    cdef float g[MAX_LANES * CY_WINO_MAX_R * CY_WINO_MAX_R]
    cdef ptrdiff_t item, i, L = kernels.lanes
    a.g, a.n, a.r = p.g, p.n, p.r
    while True:
        item = next_item(run, p.n_blocks)
        if item >= p.n_blocks:
            return
        place = p.places + 3 * item
        a.valid = min(L, p.w.n - item * L)
        a.out_point = place[2]
        for i in range(p.w.c * p.stride * p.stride):
            w = at(run, &p.w) + item * L * p.w.n_stride + i % p.w.c * p.w.c_stride
            a.w, a.w_lane = w, p.w.n_stride
            if p.stride > 1:
                phase_kernels(p, w, a.valid, i // p.w.c, g)
                a.w, a.w_lane = g, p.r * p.r
            a.out = at(run, &p.u) + place[0] + i * place[1]
            kernels.wino_weights(&a)


cdef class PackWinograd(Step):
    """U of a weight array of a convolution of this stride.

    `places` lists (target, pitch, point pitch) of each output block, `g` the n rows of G.
    """

    def __cinit__(self, w, u, places, g, Py_ssize_t stride):
        cdef pack_params *p = <pack_params *> allocate(1, sizeof(pack_params))
        cdef Py_ssize_t i, j
        self.fn = pack_share
        self.params = p
        read_operand(&p.w, w)
        read_operand(&p.u, u)
        p.n, p.r, p.n_blocks, p.stride = len(g), len(g[0]), len(places), stride
        if p.n > CY_WINO_MAX_N or p.r > CY_WINO_MAX_R or p.w.h != p.w.w or stride < 1 or p.r != (p.w.h + stride - 1) // stride:
            raise ValueError(f"Winograd packing of {p.w.h} x {p.w.w} kernels of stride {stride} into {p.n} points of {p.r} taps")
        p.places = <ptrdiff_t *> allocate(3 * p.n_blocks, sizeof(ptrdiff_t))
        for i, place in enumerate(places):
            for j in range(3):
                p.places[3 * i + j] = place[j]
        p.g = <double *> allocate(p.r * p.n, sizeof(double))
        for i, row in enumerate(g):
            for j in range(p.r):
                p.g[p.r * i + j] = row[j]

    def __dealloc__(self):
        cdef pack_params *p = <pack_params *> self.params
        if p != NULL:
            free(p.places)
            free(p.g)
