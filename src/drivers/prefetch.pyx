"""Which weights the items of a product bring into the second-level cache, for those items that come after them on the same thread.

Layer: drivers; used by conv.pyx and winograd.pyx. Weights are read once a call, in order, and mostly from beyond the caches. An item
prefetches a part of those of the group after its own, so that loads are spread evenly over the multiply-adds: the memory is busy all the
time, and no tile waits for it. A thread takes the items of its range (parallel.h) one after the other.
"""

from libc.string cimport memset
from posix.unistd cimport sysconf

from cyconv._kernels.step cimport at, read_operand

cdef extern from "unistd.h" nogil:
    int _SC_LEVEL2_CACHE_SIZE

cdef extern from "parallel.h" nogil:
    int cy_n_ranges(int n_threads)

cdef size_t FAR = 1 << 40

cdef enum:
    LEAST_CACHE_FLOATS = 1 << 18     # 1 MiB, what is assumed of a machine that does not tell

cdef ptrdiff_t second_level = max(sysconf(_SC_LEVEL2_CACHE_SIZE) // 4, LEAST_CACHE_FLOATS)


def second_level_floats():
    """Floats that one core's second-level cache holds, at least 2**18."""
    return second_level


cdef ptrdiff_t cache_floats() noexcept nogil:
    return second_level


cdef int read_following(schedule_t *s, object w, object following, tuple floats) except -1:
    """The operands, and (first, total) of the following weights; the caller fills the parts."""
    read_operand(&s.w, w)
    read_operand(&s.following, following)
    s.following_floats, s.following_total = floats
    return 0


cdef ahead_t ahead_of(const schedule_t *s, const run_t *run, ptrdiff_t part, ptrdiff_t item) noexcept nogil:
    """What an item of this part prefetches: its share of the weights that its thread needs after those of the part."""
    cdef const part_t *own = &s.parts[part]
    cdef ptrdiff_t count = cy_n_ranges(run.n_threads), r = run.thread % count
    cdef ptrdiff_t range_end = s.n_items * (r + 1) // count
    cdef ptrdiff_t first = max(own.first_item, s.n_items * r // count), end = min(own.first_item + own.n_items, range_end)
    cdef ptrdiff_t pieces = max(end - first, 1)
    cdef ahead_t ahead
    if end < range_end:
        ahead.start, ahead.floats = at(run, &s.w) + own[1].weights, own[1].floats
    else:
        ahead = following_of(s, run)
    ahead.floats = (ahead.floats + pieces - 1) // pieces
    ahead.start += max(min(item - first, pieces - 1), 0) * ahead.floats
    return ahead


cdef ahead_t following_of(const schedule_t *s, const run_t *run) noexcept nogil:
    """The weights of the next product that this thread needs first."""
    cdef ptrdiff_t count = cy_n_ranges(run.n_threads)
    return ahead_t(at(run, &s.following) + s.following_total * (run.thread % count) // count, s.following_floats)


cdef bint first_of_range(const run_t *run, ptrdiff_t item, ptrdiff_t n_items) noexcept nogil:
    """Whether an item is the first that its thread takes."""
    cdef ptrdiff_t count = cy_n_ranges(run.n_threads)
    return item == n_items * (run.thread % count) // count


def ahead(list parts, tuple following, int n_threads, int thread, Py_ssize_t item):
    """What a thread's item prefetches: whether it is of the following weights, where it begins in them, and how many floats.

    `parts` lists (weights, floats, items) of each group, `following` is (first, total) of the next product.
    """
    cdef schedule_t s
    cdef run_t run
    cdef part_t table[64]
    cdef char *bases[2]
    cdef ahead_t found
    cdef Py_ssize_t part = 0
    if not 0 < len(parts) <= 64:
        raise ValueError(f"1 to 64 groups, got {len(parts)}")
    memset(&s, 0, sizeof(s))
    s.following.base, s.parts, s.n_parts = 1, table, len(parts)
    s.following_floats, s.following_total = following
    for i, (weights, floats, n_items) in enumerate(parts):
        table[i] = part_t(weights, floats, s.n_items, n_items)
        s.n_items += n_items
        if item >= s.n_items:
            part = i + 1
    if not 0 <= item < s.n_items:
        raise ValueError(f"item {item} of {s.n_items}")
    bases[0], bases[1] = <char *> FAR, <char *> (2 * FAR)  # addresses that nothing reads
    run.bases, run.thread, run.n_threads = bases, thread, n_threads
    found = ahead_of(&s, &run, part, item)
    following_weights = <size_t> found.start >= 2 * FAR
    return following_weights, (<size_t> found.start - (2 * FAR if following_weights else FAR)) // sizeof(float), found.floats
