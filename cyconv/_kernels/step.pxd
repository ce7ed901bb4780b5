# What every driver is built from: an operand (where an array of the plan lies), the state of one run, and a step.
#
# A driver module defines a params struct, a `noexcept nogil` function that takes its share of the work, and a subclass of
# Step whose __cinit__ fills the struct. The plan calls `fn(params, run)` on every thread of its team and waits until all items of
# a step are done before it calls the next.

cdef extern from "parallel.h" nogil:
    ptrdiff_t cy_next_item(ptrdiff_t *ranges, ptrdiff_t pitch, int thread, int n_threads, ptrdiff_t n_items)

# The state of one call of a plan on one thread. `bases` holds one pointer per buffer of the plan (arena, constants, inputs,
# outputs), the same for all threads; `ranges` counts the items of this step that were taken, see parallel.h. A step that meets an
# index out of range sets `fault`, reads nothing there, and goes on; the call then ends with an IndexError.
ctypedef struct run_t:
    char **bases
    ptrdiff_t *ranges
    ptrdiff_t range_pitch
    bint *fault
    int thread
    int n_threads

# A tensor in a buffer. Element (n, c, y, x) of a tensor with blocks of `lanes` channels (1: planar) is the float at
#   offset + n·n_stride + (c // lanes)·c_stride + y·h_stride + x·lanes + c % lanes
# `offset` is that of (0, 0, 0, 0); a border of top, bottom, left and right pixels lies around each channel block and belongs
# to the tensor: whoever writes the tensor writes zeros there. All strides and offsets count floats.
# A planar tensor of volumes (n, c, depth, h, w) has their slices as images: (n·depth, c, h, w). Slice n begins at
#   (n // depth)·n_stride + (n % depth)·h·h_stride
# Only steps that call image_at take such tensors; depth is 1 for all others.
ctypedef struct operand_t:
    int base
    int lanes
    ptrdiff_t offset
    ptrdiff_t n_stride
    ptrdiff_t c_stride
    ptrdiff_t h_stride
    ptrdiff_t n
    ptrdiff_t c
    ptrdiff_t h
    ptrdiff_t w
    ptrdiff_t top
    ptrdiff_t bottom
    ptrdiff_t left
    ptrdiff_t right
    ptrdiff_t depth

ctypedef void (*step_fn)(const void *params, const run_t *run) noexcept nogil

cdef class Step:
    cdef step_fn fn
    cdef void *params

cdef int read_operand(operand_t *operand, object view) except -1
cdef void *allocate(Py_ssize_t count, Py_ssize_t size) except NULL
cdef ptrdiff_t *copy_ints(object values) except NULL

cdef inline float *at(const run_t *run, const operand_t *t) noexcept nogil:
    """The address of the tensor's element (0, 0, 0, 0) in this run."""
    return <float *> run.bases[t.base] + t.offset

cdef inline ptrdiff_t next_item(const run_t *run, ptrdiff_t n_items) noexcept nogil:
    """An item below n_items that this thread shall do now, or n_items when all are taken."""
    return cy_next_item(run.ranges, run.range_pitch, run.thread, run.n_threads, n_items)

cdef inline float *image_at(const run_t *run, const operand_t *t, ptrdiff_t image) noexcept nogil:
    """The address of an image, or of a slice where the tensor holds volumes."""
    return at(run, t) + image // t.depth * t.n_stride + image % t.depth * t.h * t.h_stride

cdef inline ptrdiff_t blocks(const operand_t *t) noexcept nogil:
    """How many channel blocks the tensor has."""
    return (t.c + t.lanes - 1) // t.lanes

cdef void zero_border(float *block, const operand_t *t) noexcept nogil
