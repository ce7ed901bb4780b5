# Which weights an item of a product prefetches, so that they wait in the second-level cache when their turn comes (prefetch.pyx).

from cyconv._kernels.step cimport operand_t, run_t

# The weights of one group of output blocks, and the items that multiply with them.
ctypedef struct part_t:
    ptrdiff_t weights        # where they begin, in floats
    ptrdiff_t floats
    ptrdiff_t first_item
    ptrdiff_t n_items

ctypedef struct schedule_t:
    operand_t w              # IN   packed weights: base and offset only
    operand_t following      # IN   weights of the plan's next product
    ptrdiff_t following_floats   # of them that a thread needs first
    ptrdiff_t following_total    # of all groups, or 0 when every thread begins with the first
    part_t *parts            # in the order of their items
    ptrdiff_t n_parts, n_items

ctypedef struct ahead_t:
    const float *start
    ptrdiff_t floats

cdef int read_following(schedule_t *s, object w, object following, tuple floats) except -1
cdef ptrdiff_t cache_floats() noexcept nogil
cdef ahead_t ahead_of(const schedule_t *s, const run_t *run, ptrdiff_t part, ptrdiff_t item) noexcept nogil
cdef ahead_t following_of(const schedule_t *s, const run_t *run) noexcept nogil
cdef bint first_of_range(const run_t *run, ptrdiff_t item, ptrdiff_t n_items) noexcept nogil
