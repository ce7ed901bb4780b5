"""Steps: the base class of all drivers, and the helpers that read a plan's description into C structs.

Layer: drivers, lowest. Every driver subclasses `Step`; graph/compile makes the objects, plan/program runs them.
"""

from libc.stdlib cimport calloc, free
from libc.string cimport memset


cdef class Step:
    """One step of a plan: a C function and the params it works from. Subclasses allocate `params`; it is freed here."""

    def __dealloc__(self):
        free(self.params)


def take_items(list threads, int n_threads, Py_ssize_t n_items):
    """The item that each of `threads`, numbers of threads of a team, gets when they ask in this order; None when there is none left."""
    cdef run_t run
    cdef ptrdiff_t counts[8]
    cdef ptrdiff_t item
    memset(counts, 0, sizeof(counts))
    run.ranges, run.range_pitch, run.n_threads = counts, 1, n_threads
    taken = []
    for run.thread in threads:
        item = next_item(&run, n_items)
        taken.append(item if item < n_items else None)
    return taken


cdef void *allocate(Py_ssize_t count, Py_ssize_t size) except NULL:
    """Zeroed memory for `count` items, or MemoryError."""
    cdef void *p = calloc(count if count > 0 else 1, size)
    if p == NULL:
        raise MemoryError(f"no memory for {count} x {size} bytes of step parameters")
    return p


cdef ptrdiff_t *copy_ints(object values) except NULL:
    """A C copy of a sequence of ints; the caller frees it."""
    cdef Py_ssize_t i
    cdef Py_ssize_t count = len(values)
    cdef ptrdiff_t *p = <ptrdiff_t *> allocate(count, sizeof(ptrdiff_t))
    for i in range(count):
        p[i] = values[i]
    return p


cdef int read_operand(operand_t *operand, object view) except -1:
    """Fill `operand` from a cyconv.graph.layout.Operand."""
    operand.base = view.base
    operand.lanes = view.lanes
    operand.offset = view.offset
    operand.n_stride = view.n_stride
    operand.c_stride = view.c_stride
    operand.h_stride = view.h_stride
    operand.n, operand.c, operand.h, operand.w = view.dims
    operand.top, operand.bottom, operand.left, operand.right = view.border
    operand.depth = view.depth
    return 0


cdef void zero_border(float *block, const operand_t *t) noexcept nogil:
    """Write zeros around one channel block; `block` is the address of its pixel (0, 0)."""
    cdef ptrdiff_t y
    cdef ptrdiff_t left = t.left * t.lanes, right = t.right * t.lanes, width = t.w * t.lanes
    if t.top + t.bottom + t.left + t.right == 0:
        return
    for y in range(-t.top, 0):
        memset(block + y * t.h_stride - left, 0, (left + width + right) * sizeof(float))
    for y in range(t.h):
        memset(block + y * t.h_stride - left, 0, left * sizeof(float))
        memset(block + y * t.h_stride + width, 0, right * sizeof(float))
    for y in range(t.h, t.h + t.bottom):
        memset(block + y * t.h_stride - left, 0, (left + width + right) * sizeof(float))
