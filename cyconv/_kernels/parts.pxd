# The parts of an input, and how they lie in memory (parts.pyx).

from libc.stdint cimport int32_t, uint16_t

from cyconv._kernels.step cimport operand_t, run_t

# How a stretch lies over the images, and V over memory; fields of a cyconv.graph.lower_bf16x3.Stretch.
ctypedef struct stretch_t:
    int32_t first_image
    int32_t images
    int32_t first_row            # output rows of each image
    int32_t rows
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

# Where the parts come from.
ctypedef struct source_t:
    operand_t x                  # IN   blocked or planar
    ptrdiff_t sh, sw, top, left
    ptrdiff_t *phase             # (a, b) of each

cdef int read_stretch(stretch_t *s, spec) except -1
cdef int read_source(source_t *source, x, spec) except -1
cdef ptrdiff_t part_pixels(const stretch_t *s) noexcept nogil
cdef void split_rows(const source_t *source, const run_t *run, const stretch_t *s, ptrdiff_t rows, uint16_t *v) noexcept nogil
cdef bint all_finite(const operand_t *finite, ptrdiff_t count, const run_t *run) noexcept nogil
cdef int read_weights(operand_t *w, source) except -1
cdef int pack_block(const operand_t *w, const run_t *run, ptrdiff_t k, ptrdiff_t j, ptrdiff_t n, uint16_t *y) noexcept nogil
