"""1x1 convolution of planar images: y[n] = w · x[n], matrices of channels by pixels, with the pixels in the vectors' lanes.

Layer: drivers; made by graph/lower_planes for single calls on NCHW arrays, which so need neither blocks nor packed weights. The register
tiles are those of conv.pyx, with the roles exchanged: slices of x stand for the weights, rows of w for the pixels. So a tile has one or two
vectors of pixels by some output channels, and the sum is taken over input channels in order, from the bias on.

Items are (image, run of pixels, run of output channels): each writes what no other writes. A run of pixels that is no multiple of a vector
ends with a tile that begins within the one before and writes the same numbers again.
"""

from cyconv._kernels.cpu cimport CY_CONV_BLOCKS, cy_conv_args, cy_tap, kernels
from cyconv._kernels.step cimport Step, allocate, at, next_item, operand_t, read_operand, run_t

cdef enum:
    MOST_FLOATS = 14 * 2 * 16    # the biases of one tile


cdef struct planes_params:
    operand_t x              # IN   planar
    operand_t w              # IN   rows of ci floats
    operand_t bias           # IN   if has_bias
    operand_t y              # OUT  planar
    ptrdiff_t ci, co, pixels
    ptrdiff_t run_pixels, pixel_runs     # the last run takes what is left over
    ptrdiff_t run_channels, channel_runs
    bint has_bias
    int act
    float lo, hi, slope


cdef void spread_biases(const planes_params *p, const run_t *run, ptrdiff_t first, ptrdiff_t count, float *biases) noexcept nogil:
    """Each of `count` biases for two vectors."""
    cdef ptrdiff_t i, k, each = 2 * kernels.lanes
    for i in range(count):
        for k in range(each):
            biases[i * each + k] = at(run, &p.bias)[first + i] if p.has_bias else 0.0


cdef void compute_run(cy_conv_args *a, const float *x, float *y, ptrdiff_t count, ptrdiff_t pixels) noexcept nogil:
    """`pixels` neighbouring pixels of `count` output channels, whose rows of w `a` has; at least one vector of pixels."""
    cdef ptrdiff_t first = 0, start, vectors, k, L = kernels.lanes
    while first < pixels:
        vectors = 2 if pixels - first > L and pixels >= 2 * L else 1
        start = min(first, pixels - vectors * L)
        a.w_packed = a.prefetch = x + start
        for k in range(vectors):
            a.out[k] = y + start + k * L
        kernels.conv[vectors - 1][0][count - 1](a)
        first = start + vectors * L


cdef void planes_item(const planes_params *p, const run_t *run, cy_conv_args *a, float *biases, ptrdiff_t item) noexcept nogil:
    cdef ptrdiff_t image = item // (p.pixel_runs * p.channel_runs), place = item // p.channel_runs % p.pixel_runs
    cdef ptrdiff_t first = place * p.run_pixels, channel = item % p.channel_runs * p.run_channels
    cdef ptrdiff_t pixels = (p.pixels if place == p.pixel_runs - 1 else first + p.run_pixels) - first
    cdef ptrdiff_t last = min(channel + p.run_channels, p.co), most = kernels.conv_pixels[1][0], tiles, count
    while channel < last:
        tiles = (last - channel + most - 1) // most  # of about equal size
        count = (last - channel + tiles - 1) // tiles
        spread_biases(p, run, channel, count, biases)
        a.inp = at(run, &p.w) + channel * p.ci
        compute_run(a, at(run, &p.x) + image * p.x.n_stride + first,
                    at(run, &p.y) + image * p.y.n_stride + channel * p.pixels + first, count, pixels)
        channel += count


cdef void planes_share(const void *params, const run_t *run) noexcept nogil:
    cdef const planes_params *p = <const planes_params *> params
    cdef ptrdiff_t item, n_items = p.x.n * p.pixel_runs * p.channel_runs
    cdef float biases[MOST_FLOATS]
    cdef cy_conv_args a
    cdef cy_tap tap
    cdef int b
    tap.offset, tap.lanes = 0, p.ci
    a.taps, a.n_taps, a.in_row, a.in_px, a.w_step, a.out_px = &tap, 1, 0, p.ci, p.pixels, p.pixels
    a.bias_packed, a.bias_px = biases, 2 * kernels.lanes
    a.prefetch_step, a.prefetch_taps, a.res_px = 0, False, 0
    a.act, a.lo, a.hi, a.slope = p.act, p.lo, p.hi, p.slope
    for b in range(CY_CONV_BLOCKS):
        a.residual[b], a.out_row[b], a.res_row[b] = NULL, 0, 0
    while True:
        item = next_item(run, n_items)
        if item >= n_items:
            return
        planes_item(p, run, &a, biases, item)


cdef class Planes(Step):
    """y = act(w · x + bias) of planar x (n, ci, h, w) and y (n, co, h, w), w of co rows; `runs` is (pixels, channels) of a run,
    `activation` (act, lo, hi, slope)."""

    def __cinit__(self, x, w, bias, y, runs, activation):
        cdef planes_params *p = <planes_params *> allocate(1, sizeof(planes_params))
        self.fn = planes_share
        self.params = p
        read_operand(&p.x, x)
        read_operand(&p.w, w)
        read_operand(&p.y, y)
        p.has_bias = bias is not None
        if p.has_bias:
            read_operand(&p.bias, bias)
        p.ci, p.co, p.pixels = p.x.c, p.y.c, p.x.h * p.x.w
        if p.pixels < kernels.lanes:
            raise ValueError(f"{p.pixels} pixels are fewer than a vector has lanes, {kernels.lanes}")
        p.run_pixels, p.run_channels = runs
        p.pixel_runs = max(p.pixels // p.run_pixels, 1)
        p.channel_runs = (p.co + p.run_channels - 1) // p.run_channels
        p.act, p.lo, p.hi, p.slope = activation
