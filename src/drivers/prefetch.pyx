"""Which weights the items of a product bring into the second-level cache, for those items that come after them on the same thread.

Layer: drivers; used by conv.pyx and winograd.pyx. Weights are read once a call, in order, and mostly from beyond the caches. An item
prefetches a part of those of the group after its own, so that loads are spread evenly over the multiply-adds: the memory is busy all the
time, and no tile waits for it. A thread of a team of T takes about every T-th item; where a group has fewer items than that, the next
group of this thread lies T items on.
"""

from posix.unistd cimport sysconf

from cyconv._kernels.step cimport at, read_operand

cdef extern from "unistd.h" nogil:
    int _SC_LEVEL2_CACHE_SIZE

cdef enum:
    LEAST_CACHE_FLOATS = 1 << 18     # 1 MiB, what is assumed of a machine that does not tell

cdef ptrdiff_t second_level = max(sysconf(_SC_LEVEL2_CACHE_SIZE) // 4, LEAST_CACHE_FLOATS)


def second_level_floats():
    """Floats that one core's second-level cache holds, at least 2**18."""
    return second_level


cdef ptrdiff_t cache_floats() noexcept nogil:
    return second_level


cdef int read_following(schedule_t *s, object w, object following, Py_ssize_t following_floats) except -1:
    """The operands; the caller fills the parts."""
    read_operand(&s.w, w)
    read_operand(&s.following, following)
    s.following_floats = following_floats
    return 0


cdef ahead_t ahead_of(const schedule_t *s, const run_t *run, ptrdiff_t part, ptrdiff_t item) noexcept nogil:
    """What an item of this part prefetches: its share of the weights that its thread needs after those of the part."""
    cdef const part_t *own = &s.parts[part]
    cdef ptrdiff_t pieces = max(own.n_items // run.n_threads, 1)
    cdef ptrdiff_t piece = min((item - own.first_item) // run.n_threads, pieces - 1)
    cdef ptrdiff_t wanted = max(own.first_item + own.n_items, item + run.n_threads if own.n_items < run.n_threads else 0)
    cdef ahead_t ahead
    part += 1
    while part < s.n_parts and wanted >= s.parts[part].first_item + s.parts[part].n_items:
        part += 1
    if part < s.n_parts:
        ahead.start, ahead.floats = at(run, &s.w) + s.parts[part].weights, s.parts[part].floats
    else:
        wanted -= s.parts[s.n_parts - 1].first_item + s.parts[s.n_parts - 1].n_items
        ahead.start, ahead.floats = at(run, &s.following) + wanted * s.following_floats, s.following_floats
    ahead.floats = (ahead.floats + pieces - 1) // pieces
    ahead.start += piece * ahead.floats
    return ahead
