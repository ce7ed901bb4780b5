"""Normalisation by mean and variance of the data itself: of rows or pixels (LayerNorm), of groups of channels (GroupNorm).

Layer: drivers; made by graph/compile. Every mean and variance is taken inside one item, which writes only its own outputs. Items of
LayerNorm are groups of rows, or rows of pixels; those of GroupNorm are an image's groups: one of them in a planar tensor, in a blocked
one the fewest neighbouring ones that fill whole channel blocks.
"""

from libc.math cimport sqrt

from cyconv._kernels.cpu cimport cy_standard, kernels
from cyconv._kernels.step cimport Step, allocate, at, blocks, next_item, operand_t, read_operand, run_t, zero_border

cdef enum:
    ITEM_FLOATS = 8192  # of a LayerNorm of rows, 32 KiB: some microseconds of work for one atomic addition
    MOST_LANES = 16     # CY_MOST_LANES


cdef struct layer_norm_params:
    operand_t x              # IN   blocked: the channels of each pixel; planar: rows of n floats, w of them
    operand_t y              # OUT, with its border; may be x
    operand_t weight         # IN   n floats
    operand_t bias           # IN   n floats
    ptrdiff_t n
    ptrdiff_t group          # rows of an item when planar
    ptrdiff_t n_items
    double eps


cdef void layer_norm_share(const void *params, const run_t *run) noexcept nogil:
    cdef const layer_norm_params *p = <const layer_norm_params *> params
    cdef ptrdiff_t item, row, image, block, lanes = kernels.lanes
    cdef const float *w = at(run, &p.weight)
    cdef const float *b = at(run, &p.bias)
    cdef const float *x
    cdef float *y
    while True:
        item = next_item(run, p.n_items)
        if item >= p.n_items:
            return
        if p.y.lanes == 1:
            for row in range(item * p.group, min((item + 1) * p.group, p.y.w)):
                kernels.layer_norm(at(run, &p.x) + row * p.n, at(run, &p.y) + row * p.n, lanes, lanes, p.n, w, b, p.eps)
            continue
        row, image = item % p.y.h, item // p.y.h
        x = at(run, &p.x) + image * p.x.n_stride
        y = at(run, &p.y) + image * p.y.n_stride
        if row == 0:
            for block in range(blocks(&p.y)):
                zero_border(y + block * p.y.c_stride, &p.y)
        x += row * p.x.h_stride
        y += row * p.y.h_stride
        for row in range(p.y.w):
            kernels.layer_norm(x + row * lanes, y + row * lanes, p.x.c_stride, p.y.c_stride, p.n, w, b, p.eps)


cdef class LayerNorm(Step):
    """y = (x − mean)/√(variance + eps)·weight + bias: over the channels of each pixel when blocked; else x and y are rows of n floats,
    as many as the operands' width."""

    def __cinit__(self, x, y, weight, bias, Py_ssize_t n, double eps):
        cdef layer_norm_params *p = <layer_norm_params *> allocate(1, sizeof(layer_norm_params))
        self.fn = layer_norm_share
        self.params = p
        read_operand(&p.x, x)
        read_operand(&p.y, y)
        read_operand(&p.weight, weight)
        read_operand(&p.bias, bias)
        p.n, p.eps = n, eps
        if (p.x.n, p.x.c, p.x.h, p.x.w) != (p.y.n, p.y.c, p.y.h, p.y.w) or p.x.lanes != p.y.lanes or p.y.lanes not in (1, kernels.lanes):
            raise ValueError(f"layer norm of {x.dims} in blocks of {x.lanes} into {y.dims} in blocks of {y.lanes}")
        if p.y.lanes > 1 and p.y.c != n:
            raise ValueError(f"layer norm of {p.y.c} channels with {n} weights")
        if p.y.lanes == 1:
            p.group = max(1, ITEM_FLOATS // max(n, 1))
            p.n_items = (p.y.w + p.group - 1) // p.group if n > 0 else 0
        else:
            p.n_items = p.y.n * p.y.h if n > 0 else 0


cdef struct group_norm_params:
    operand_t x              # IN   blocked or planar; the rows of a planar channel lie without a gap
    operand_t y              # OUT, with its border; may be x
    operand_t weight         # IN   c floats
    operand_t bias           # IN   c floats
    ptrdiff_t group          # channels of a group
    ptrdiff_t groups         # of an item; at most MOST_LANES, for it is the least number that fills whole blocks
    ptrdiff_t items          # of an image
    double eps


cdef void group_moments(
    const group_norm_params *p, const float *x, ptrdiff_t first, ptrdiff_t end, double *mean, double *variance
) noexcept nogil:
    """Mean and variance of the groups of channels first … end − 1; x is the address of channel `first`."""
    cdef ptrdiff_t lanes = kernels.lanes, plane = p.x.h * p.x.w, c, lane, power, planar = p.x.lanes == 1
    cdef double centre[MOST_LANES]
    cdef double sums[MOST_LANES]
    cdef double total[MOST_LANES]
    cdef ptrdiff_t step = end - first if planar else lanes
    for power in range(2):
        for lane in range(MOST_LANES):
            total[lane] = 0.0
        c = first
        while c < end:
            for lane in range(lanes):
                sums[lane] = 0.0
                centre[lane] = 0.0 if power == 0 else mean[0 if planar else (min(c + lane, end - 1) - first) // p.group]
            if planar:
                kernels.lane_moments(x, 1, 0, p.group * plane, centre, sums, power)
            else:
                kernels.lane_moments(x + (c - first) // lanes * p.x.c_stride, p.x.h, p.x.h_stride, p.x.w * lanes, centre, sums, power)
            for lane in range(lanes if planar else min(lanes, end - c)):
                total[0 if planar else (c + lane - first) // p.group] += sums[lane]
            c += step
        for lane in range((end - first) // p.group):
            if power == 0:
                mean[lane] = total[lane] / <double> (p.group * plane)
            else:
                variance[lane] = total[lane] / <double> (p.group * plane)


cdef void group_norm_share(const void *params, const run_t *run) noexcept nogil:
    cdef const group_norm_params *p = <const group_norm_params *> params
    cdef ptrdiff_t item, image, first, end, c, lane, g, k, row
    cdef const float *w = at(run, &p.weight)
    cdef const float *b = at(run, &p.bias)
    cdef const float *x
    cdef float *y
    cdef double mean[MOST_LANES]
    cdef double variance[MOST_LANES]
    cdef cy_standard s
    while True:
        item = next_item(run, p.y.n * p.items)
        if item >= p.y.n * p.items:
            return
        image, first = item // p.items, item % p.items * p.groups * p.group
        end = min(first + p.groups * p.group, p.y.c)
        x = at(run, &p.x) + image * p.x.n_stride + first // p.x.lanes * p.x.c_stride
        y = at(run, &p.y) + image * p.y.n_stride + first // p.y.lanes * p.y.c_stride
        group_moments(p, x, first, end, mean, variance)
        c = first
        while c < end:
            for lane in range(kernels.lanes):
                k = min(c + lane, end - 1) if p.y.lanes > 1 else c
                g = (k - first) // p.group
                s.hi[lane] = <float> mean[g]
                s.lo[lane] = <float> (mean[g] - s.hi[lane])
                s.scale[lane] = <float> (w[k] / sqrt(variance[g] + p.eps))
                s.shift[lane] = b[k]
            zero_border(y, &p.y)
            for row in range(p.y.h):
                kernels.standardise(x + row * p.x.h_stride, y + row * p.y.h_stride, p.y.w * p.y.lanes, &s)
            x += p.x.c_stride
            y += p.y.c_stride
            c += p.y.lanes


cdef ptrdiff_t common_multiple(ptrdiff_t a, ptrdiff_t b) noexcept:
    cdef ptrdiff_t m = a
    while m % b:
        m += a
    return m


cdef class GroupNorm(Step):
    """y = (x − mean)/√(variance + eps)·weight + bias, with mean and variance of each of `groups` groups of an image's channels."""

    def __cinit__(self, x, y, weight, bias, Py_ssize_t groups, double eps):
        cdef group_norm_params *p = <group_norm_params *> allocate(1, sizeof(group_norm_params))
        self.fn = group_norm_share
        self.params = p
        read_operand(&p.x, x)
        read_operand(&p.y, y)
        read_operand(&p.weight, weight)
        read_operand(&p.bias, bias)
        if (p.x.n, p.x.c, p.x.h, p.x.w) != (p.y.n, p.y.c, p.y.h, p.y.w) or p.x.lanes != p.y.lanes or p.y.lanes not in (1, kernels.lanes):
            raise ValueError(f"group norm of {x.dims} in blocks of {x.lanes} into {y.dims} in blocks of {y.lanes}")
        if p.y.c > 0 and (groups < 1 or p.y.c % groups):
            raise ValueError(f"group norm of {p.y.c} channels in {groups} groups")
        if p.y.lanes == 1 and (p.x.h_stride != p.x.w or p.x.c_stride != p.x.h * p.x.w):
            raise ValueError("group norm of a planar tensor with gaps")
        p.eps = eps
        if p.y.n * p.y.c * p.y.h * p.y.w == 0:
            p.items, p.group, p.groups = 0, 1, 1
            return
        p.group = p.y.c // groups
        p.groups = common_multiple(p.group, p.y.lanes) // p.group
        p.items = (groups + p.groups - 1) // p.groups
