"""Single calls of the micro-kernels of any instruction set that can run here, on plain float32 arrays.

Layer: drivers; called by tests, which check each kernel of each table by itself, and by benchmarks, which time `repeats` calls at
once. Nothing here checks a kernel's duties: what an array must hold is the equation of the kernel's .inc file. `isa` is one of
cpu.runnable_isas().
"""

from libc.stdint cimport int32_t, int64_t, uint16_t
from libc.stdlib cimport free

from cyconv._kernels.cpu cimport (
    CY_CONV_BLOCKS, CY_CONV_PIXELS, CY_CONV_ROWS, CY_LRN_PIXELS, CY_WINO_KINDS, CY_WINO_MAX_N, CY_WINO_MAX_R, cy_conv_args,
    cy_conv_fn, cy_kernels, cy_pool_args, cy_standard, cy_tap, cy_tile_kernels, cy_tile_pack_args,
    cy_tile_planes_args, cy_tile_store_args, cy_tiles_args,
    cy_wino_input_args, cy_wino_output_args, cy_wino_weights_args,
    table_of,
)
from cyconv._kernels.step cimport allocate


cdef const float *reading(const float[::1] view, Py_ssize_t offset=0) except? NULL:
    if not 0 <= offset <= view.shape[0]:
        raise ValueError(f"offset {offset} in an array of {view.shape[0]}")
    return &view[0] + offset if view.shape[0] > 0 else NULL


cdef float *writing(float[::1] view, Py_ssize_t offset=0) except? NULL:
    if not 0 <= offset <= view.shape[0]:
        raise ValueError(f"offset {offset} in an array of {view.shape[0]}")
    return &view[0] + offset if view.shape[0] > 0 else NULL


def lanes(str isa):
    """Floats in a vector of this instruction set."""
    return table_of(isa).lanes


def conv_pixels(str isa):
    """Pixels of the largest tile: ((one row, two rows) for 1, 2 and 3 blocks)."""
    cdef const cy_kernels *t = table_of(isa)
    return tuple(tuple(t.conv_pixels[b][r] for r in range(CY_CONV_ROWS)) for b in range(CY_CONV_BLOCKS))


def lanewise_pixels(str isa):
    """Pixels of the largest lane-wise tile."""
    return table_of(isa).lanewise_pixels


def interleave(str isa, list rows, float[::1] y, Py_ssize_t n, Py_ssize_t repeats=1):
    """n pixels of y from one array a lane, or None."""
    cdef const cy_kernels *t = table_of(isa)
    cdef const float *from_rows[16]
    cdef const float[::1] row
    cdef int lane
    for lane in range(t.lanes):
        from_rows[lane] = NULL
        if rows[lane] is not None:
            row = rows[lane]
            from_rows[lane] = reading(row)
    for _ in range(repeats):
        t.interleave(from_rows, writing(y), n)


def deinterleave(str isa, const float[::1] x, list rows, Py_ssize_t n, Py_ssize_t repeats=1):
    """n pixels of x into one array a lane, or None."""
    cdef const cy_kernels *t = table_of(isa)
    cdef float *to_rows[16]
    cdef float[::1] row
    cdef int lane
    for lane in range(t.lanes):
        to_rows[lane] = NULL
        if rows[lane] is not None:
            row = rows[lane]
            to_rows[lane] = writing(row)
    for _ in range(repeats):
        t.deinterleave(reading(x), to_rows, n)


def take(str isa, const float[::1] x, Py_ssize_t stride, float[::1] y):
    """y = x[::stride]; as many elements as y has."""
    if y.shape[0] > 0 and (stride < 1 or x.shape[0] <= (y.shape[0] - 1) * stride):
        raise ValueError(f"{x.shape[0]} floats are too few for {y.shape[0]} of every {stride}")
    table_of(isa).take(reading(x), stride, writing(y), y.shape[0])


def unary(str isa, int function, const float[::1] x, float[::1] y, float p0=0.0, float p1=0.0, Py_ssize_t repeats=1):
    """y = f(x); as many elements as y has."""
    cdef const cy_kernels *t = table_of(isa)
    for _ in range(repeats):
        t.unary(function, reading(x), writing(y), y.shape[0], p0, p1)


def binary(str isa, int function, const float[::1] a, const float[::1] b, float[::1] y, int b_runs):
    """y = a op b; as many elements as y has."""
    table_of(isa).binary(function, reading(a), reading(b), writing(y), y.shape[0], b_runs)


cdef const void *address(const unsigned char[::1] view) except? NULL:
    return &view[0] if view.shape[0] > 0 else NULL


cdef void *own_address(unsigned char[::1] view) except? NULL:
    return &view[0] if view.shape[0] > 0 else NULL


# Kernels of any dtype take arrays as bytes; n counts elements of the output.

def integer_unary(str isa, int function, int dtype, const unsigned char[::1] x, unsigned char[::1] y, Py_ssize_t n):
    """y = f(x), of integers."""
    table_of(isa).integer_unary(function, dtype, address(x), own_address(y), n)


def integer_binary(str isa, int function, int dtype, const unsigned char[::1] a, const unsigned char[::1] b, steps, unsigned char[::1] y,
                   Py_ssize_t n):
    """y = f(a, b), of integers."""
    table_of(isa).integer_binary(function, dtype, address(a), steps[0], address(b), steps[1], own_address(y), n)


def compare(str isa, int function, int dtype, const unsigned char[::1] a, const unsigned char[::1] b, steps, unsigned char[::1] y,
            Py_ssize_t n):
    """y = whether a and b compare so."""
    table_of(isa).compare(function, dtype, address(a), steps[0], address(b), steps[1], <int32_t *> own_address(y), n)


def where(str isa, int words, const unsigned char[::1] c, const unsigned char[::1] a, const unsigned char[::1] b, steps,
          unsigned char[::1] y, Py_ssize_t n):
    """y = c ? a : b."""
    table_of(isa).where(words, <const int32_t *> address(c), steps[0], address(a), steps[1], address(b), steps[2], own_address(y), n)


def cast(str isa, int dtype, int to, const unsigned char[::1] x, unsigned char[::1] y, Py_ssize_t n):
    """y = x as another dtype."""
    table_of(isa).cast(dtype, to, address(x), own_address(y), n)


def reduce(str isa, int function, int dtype, const unsigned char[::1] x, unsigned char[::1] y, sizes):
    """Sum, mean, maximum or minimum; sizes is (n, stride, columns)."""
    table_of(isa).reduce(function, dtype, address(x), own_address(y), sizes[0], sizes[1], sizes[2])


def arg_max(str isa, int dtype, const unsigned char[::1] x, unsigned char[::1] y, sizes, bint last):
    """Places of the maximum; sizes is (n, stride, columns)."""
    table_of(isa).arg_max(dtype, address(x), <int64_t *> own_address(y), sizes[0], sizes[1], sizes[2], last)


def top_k(str isa, int dtype, const unsigned char[::1] x, unsigned char[::1] y, unsigned char[::1] index, sizes, bint largest):
    """The k largest and their places; sizes is (n, k, stride)."""
    table_of(isa).top_k(dtype, address(x), own_address(y), <int64_t *> own_address(index), sizes[0], sizes[1], sizes[2], largest)


def mix(str isa, const float[::1] a, const float[::1] b, weights, float[::1] y):
    """y = w0·a + w1·b."""
    table_of(isa).mix(reading(a), reading(b), weights[0], weights[1], writing(y), y.shape[0])


def mix_gather(str isa, const float[::1] x, const int32_t[::1] first, const int32_t[::1] second, const float[::1] w0,
               const float[::1] w1, float[::1] y):
    """y[j] = w0[j]·x[first[j]] + w1[j]·x[second[j]]."""
    table_of(isa).mix_gather(reading(x), &first[0], &second[0], reading(w0), reading(w1), writing(y), y.shape[0])


def resize_row(str isa, rows, weights, table, float[::1] y):
    """One row of a resized image; rows are (top, bottom), weights theirs, table (first, second, w0, w1)."""
    cdef const cy_kernels *t = table_of(isa)
    cdef const float[::1] top = rows[0], bottom = rows[1], w0 = table[2], w1 = table[3]
    cdef const int32_t[::1] first = table[0], second = table[1]
    t.resize_row(reading(top), reading(bottom), weights[0], weights[1], &first[0], &second[0], reading(w0), reading(w1), writing(y),
                 y.shape[0] // t.lanes)


def scale_shift(str isa, const float[::1] x, const float[::1] scale, const float[::1] shift, float[::1] y):
    """y = x·scale + shift on as many whole vectors as y has."""
    cdef const cy_kernels *t = table_of(isa)
    t.scale_shift(reading(x), reading(scale), reading(shift), writing(y), y.shape[0] // t.lanes)


def prelu(str isa, const float[::1] x, const float[::1] slope, float[::1] y):
    """y = x > 0 ? x : slope·x on as many whole vectors as y has."""
    cdef const cy_kernels *t = table_of(isa)
    t.prelu(reading(x), reading(slope), writing(y), y.shape[0] // t.lanes)


def lrn_scratch_floats(str isa, Py_ssize_t channels, Py_ssize_t size):
    """What lrn needs, as lrn.inc says."""
    cdef Py_ssize_t L = table_of(isa).lanes
    return CY_LRN_PIXELS * ((channels + L - 1) // L + 2 * ((size + L - 1) // L)) * L


def lrn(str isa, const float[::1] x, float[::1] y, float[::1] scratch, c_strides, Py_ssize_t channels, Py_ssize_t n_pixels, options):
    """Normalise n_pixels; c_strides is (of x, of y), options (size, alpha, beta, k)."""
    cdef float alpha_beta_k[3]
    cdef Py_ssize_t size
    size, alpha_beta_k[0], alpha_beta_k[1], alpha_beta_k[2] = options
    table_of(isa).lrn(reading(x), writing(y), c_strides[0], c_strides[1], channels, n_pixels, size, alpha_beta_k, writing(scratch))


def softmax(str isa, const float[::1] x, float[::1] y, Py_ssize_t n, Py_ssize_t stride, Py_ssize_t columns, bint logarithm):
    """Softmax along n elements for neighbouring columns."""
    table_of(isa).softmax(reading(x), writing(y), n, stride, columns, logarithm)


def layer_norm(str isa, const float[::1] x, float[::1] y, steps, Py_ssize_t n, const float[::1] w, const float[::1] b, double eps):
    """Normalise n numbers; steps is (of x, of y)."""
    table_of(isa).layer_norm(reading(x), writing(y), steps[0], steps[1], n, reading(w), reading(b), eps)


def lane_moments(str isa, const float[::1] x, rows, Py_ssize_t n, const double[::1] centre, double[::1] total, bint squares):
    """Add to total, for each lane; rows is (number, stride)."""
    table_of(isa).lane_moments(reading(x), rows[0], rows[1], n, &centre[0], &total[0], squares)


def standardise(str isa, const float[::1] x, float[::1] y, lanes):
    """y = ((x - hi) - lo)·scale + shift on as many elements as y has; lanes is (hi, lo, scale, shift), a sequence each."""
    cdef cy_standard s
    cdef Py_ssize_t lane
    for lane in range(table_of(isa).lanes):
        s.hi[lane], s.lo[lane], s.scale[lane], s.shift[lane] = (part[lane] for part in lanes)
    table_of(isa).standardise(reading(x), writing(y), y.shape[0], &s)


def pool(str isa, str kind, const float[::1] x, float[::1] y, windows, Py_ssize_t repeats=1):
    """One row of outputs; windows has in_slice, n_slices, in_row, n_rows, column, n_cols, col_step, divisor, run = (first, end, stride),
    power and absolute."""
    cdef const cy_kernels *t = table_of(isa)
    cdef const int32_t[::1] column = windows.column
    cdef const int32_t[::1] n_cols = windows.n_cols
    cdef const float[::1] divisor = windows.divisor
    cdef cy_pool_args a
    a.inp, a.out = reading(x), writing(y)
    a.in_slice, a.n_slices = windows.in_slice, windows.n_slices
    a.in_row, a.n_rows, a.col_step, a.n_out = windows.in_row, windows.n_rows, windows.col_step, column.shape[0]
    a.column, a.n_cols, a.divisor = &column[0], &n_cols[0], reading(divisor)
    a.run_first, a.run_end, a.run_stride = windows.run
    a.power, a.absolute = windows.power, windows.absolute
    for _ in range(repeats):
        if kind == "max":
            t.max_pool(&a)
        elif kind == "avg":
            t.avg_pool(&a)
        else:
            t.lp_pool(&a)


cdef int check_wino(int kind) except -1:
    if not 0 <= kind < CY_WINO_KINDS:
        raise ValueError(f"no Winograd kernel of kind {kind}")
    return 0


def wino_input(str isa, int kind, tile, Py_ssize_t repeats=1):
    """Bᵀ d B of one tile. `tile` has x, x_offset (of pixel (0, 0), which may lie outside of x), in_row, rows and columns (first and
    end of the part inside the image), y, out_point."""
    cdef cy_wino_input_args a
    check_wino(kind)
    a.inp, a.in_row = reading(tile.x) + <Py_ssize_t> tile.x_offset, tile.in_row
    a.row0, a.row1 = tile.rows
    a.col0, a.col1 = tile.columns
    a.out, a.out_point = writing(tile.y), tile.out_point
    cdef const cy_kernels *t = table_of(isa)
    for _ in range(repeats):
        t.wino_input[kind](&a)


def wino_output(str isa, int kind, tile, Py_ssize_t repeats=1):
    """Aᵀ M A of one tile. `tile` has x, in_point, bias, residual (laid out as y) or None, y, out_row, rows and columns (how many lie
    inside the image), pooled if it is, act, lo, hi, slope."""
    cdef cy_wino_output_args a
    check_wino(kind)
    a.inp, a.in_point, a.bias = reading(tile.x), tile.in_point, reading(tile.bias)
    a.residual = NULL
    if tile.residual is not None:
        a.residual = reading(tile.residual)
    a.out, a.out_row, a.res_row = writing(tile.y), tile.out_row, tile.out_row
    a.rows, a.columns, a.pooled = tile.rows, tile.columns, getattr(tile, "pooled", False)
    a.act, a.lo, a.hi, a.slope = tile.act, tile.lo, tile.hi, tile.slope
    cdef const cy_kernels *t = table_of(isa)
    for _ in range(repeats):
        t.wino_output[kind](&a)


def wino_weights(str isa, tile):
    """G g Gᵀ of the kernels of `valid` output channels. `tile` has w, w_lane, valid, g (n x r, float64), y, out_point."""
    cdef cy_wino_weights_args a
    cdef const double[:, ::1] g = tile.g
    a.w, a.w_lane, a.valid = reading(tile.w), tile.w_lane, tile.valid
    a.g, a.n, a.r = &g[0, 0], g.shape[0], g.shape[1]
    if a.n > CY_WINO_MAX_N or a.r > CY_WINO_MAX_R:
        raise ValueError(f"no room for {a.n} points and {a.r} taps")
    a.out, a.out_point = writing(tile.y), tile.out_point
    table_of(isa).wino_weights(&a)


cdef int run_tile(cy_conv_fn kernel, tile, int n_blocks, Py_ssize_t repeats) except -1:
    """Call one tile. `tile` has x, x_offset, weights, bias, taps = [(offset, lanes)], in_row, in_px, y, out = [offset of each block],
    out_row, out_px, residual (laid out as y) or None, act, lo, hi, slope."""
    cdef cy_conv_args a
    cdef Py_ssize_t i, n_taps = len(tile.taps)
    cdef cy_tap *taps = <cy_tap *> allocate(n_taps, sizeof(cy_tap))
    try:
        for i in range(n_taps):
            taps[i].offset, taps[i].lanes = tile.taps[i]
        a.taps, a.n_taps = taps, n_taps
        a.inp, a.w_packed, a.bias_packed = reading(tile.x, tile.x_offset), reading(tile.weights), reading(tile.bias)
        a.w_step, a.bias_px = len(tile.bias), 0
        a.prefetch, a.prefetch_step, a.prefetch_taps = a.w_packed, 0, False
        a.in_row, a.in_px, a.out_px, a.res_px = tile.in_row, tile.in_px, tile.out_px, tile.out_px
        a.act, a.lo, a.hi, a.slope = tile.act, tile.lo, tile.hi, tile.slope
        for i in range(CY_CONV_BLOCKS):
            a.out[i], a.residual[i], a.out_row[i], a.res_row[i] = NULL, NULL, tile.out_row, tile.out_row
        for i in range(n_blocks):
            a.out[i] = writing(tile.y, tile.out[i])
            if tile.residual is not None:
                a.residual[i] = reading(tile.residual, tile.out[i])
        for _ in range(repeats):
            kernel(&a)
    finally:
        free(taps)
    return 0


def conv(str isa, int blocks, int rows, int pixels, tile, Py_ssize_t repeats=1):
    """One register tile of a dense product; ValueError when the table has none of this size."""
    cdef const cy_kernels *t = table_of(isa)
    cdef cy_conv_fn kernel = NULL
    if 1 <= blocks <= CY_CONV_BLOCKS and 1 <= rows <= CY_CONV_ROWS and 1 <= pixels <= CY_CONV_PIXELS:
        kernel = t.conv[blocks - 1][rows - 1][pixels - 1]
    if kernel == NULL:
        raise ValueError(f"no tile of {blocks} blocks x {rows} rows x {pixels} pixels")
    run_tile(kernel, tile, blocks, repeats)


def linear_bf16(str isa, int blocks, int pixels, tile):
    """One tile of a product with weights in bfloat16, pairs of steps in each float; ValueError when the table has none of this size."""
    cdef const cy_kernels *t = table_of(isa)
    cdef cy_conv_fn kernel = NULL
    if 1 <= blocks <= CY_CONV_BLOCKS and 1 <= pixels <= CY_CONV_PIXELS:
        kernel = t.linear_bf16[blocks - 1][pixels - 1]
    if kernel == NULL:
        raise ValueError(f"no tile of {blocks} blocks x {pixels} pixels")
    run_tile(kernel, tile, blocks, 1)


def lanewise(str isa, int pixels, tile, Py_ssize_t repeats=1):
    """One lane-wise tile; ValueError when the table has none of this size."""
    cdef const cy_kernels *t = table_of(isa)
    cdef cy_conv_fn kernel = t.lanewise[pixels - 1] if 1 <= pixels <= CY_CONV_PIXELS else NULL
    if kernel == NULL:
        raise ValueError(f"no lane-wise tile of {pixels} pixels")
    run_tile(kernel, tile, 1, repeats)


# On tile registers; arrays of bfloat16 come as uint16.

cdef const cy_tile_kernels *tiles_of(str isa) except NULL:
    if table_of(isa).tiles == NULL:
        raise ValueError(f"instruction set {isa!r} has no tile registers")
    return table_of(isa).tiles


def split(str isa, const float[::1] x, const float[::1] second, Py_ssize_t step, Py_ssize_t channels, uint16_t[::1] y, Py_ssize_t part,
          Py_ssize_t n):
    """The parts of n pixels of two channel blocks."""
    tiles_of(isa).split(reading(x), reading(second), step, channels, &y[0], part, n)


def tiles(str isa, int blocks, int pixels, spec):
    """Products of tiles: `blocks` of channels and `pixels` of pixels, by the numbers of `spec`."""
    cdef const cy_tile_kernels *t = tiles_of(isa)
    cdef cy_tiles_args a
    cdef const uint16_t[::1] x = spec.x, w = spec.w
    cdef ptrdiff_t steps[64]
    cdef Py_ssize_t i
    if not (1 <= blocks <= 2 and 1 <= pixels <= 4) or t.multiply[blocks - 1][pixels - 1] == NULL or len(spec.steps) > 64:
        raise ValueError(f"no tiles of {blocks} x {pixels}, or more than 64 steps: {len(spec.steps)}")
    for i in range(len(spec.steps)):
        steps[i] = spec.steps[i]
    a.inp, a.part, a.w, a.steps, a.n_steps, a.out = &x[0], spec.part, &w[0], steps, len(spec.steps), writing(spec.y)
    a.prefetch, a.prefetch_lines = <const char *> &w[0], spec.prefetch_lines
    t.begin()
    t.multiply[blocks - 1][pixels - 1](&a)
    t.end()


def store_tile(str isa, spec):
    """y = act(bias + sums + residual) of one block's pixels."""
    cdef const cy_tile_kernels *t = tiles_of(isa)
    cdef cy_tile_store_args a
    a.inp, a.n, a.bias, a.out = reading(spec.x), spec.n, reading(spec.bias), writing(spec.y)
    a.residual = reading(spec.residual) if spec.residual is not None else NULL
    a.act, a.lo, a.hi, a.slope = spec.act, spec.lo, spec.hi, spec.slope
    t.store(&a)


def split_planes(str isa, const float[::1] x, strides, Py_ssize_t channels, uint16_t[::1] y, Py_ssize_t part, Py_ssize_t n):
    """The parts of n pixels of up to 32 planes; strides are from plane to plane and from pixel to pixel."""
    plane, step = strides
    tiles_of(isa).split_planes(reading(x), plane, step, channels, &y[0], part, n)


def pack_tile(str isa, const float[::1] w, sizes, uint16_t[::1] y, Py_ssize_t y_part):
    """The parts of weights; sizes are the stride of the outputs, how many outputs, channels and taps. Whether all are finite."""
    cdef cy_tile_pack_args a
    a.w, a.y, a.y_part = reading(w), &y[0], y_part
    a.w_output, a.outputs, a.channels, a.taps = sizes
    return bool(tiles_of(isa).pack(&a))


def store_tile_planes(str isa, spec):
    """y = act(bias + sums) of one block's planes; spec.runs lists (first, count, at)."""
    cdef const cy_tile_kernels *t = tiles_of(isa)
    cdef cy_tile_planes_args a
    cdef Py_ssize_t i
    a.inp, a.bias, a.out = reading(spec.x), reading(spec.bias), writing(spec.y)
    a.out_channel, a.channels, a.n_runs = spec.plane, spec.channels, len(spec.runs)
    for i in range(len(spec.runs)):
        a.first[i], a.count[i], a.at[i] = spec.runs[i]
    a.act, a.lo, a.hi, a.slope = spec.act, spec.lo, spec.hi, spec.slope
    t.store_planes(&a)
