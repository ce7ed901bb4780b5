"""A compiled plan: a flat list of steps over an arena. Running is a loop without Python, allocation or choice.

Layer: plan. graph/compile builds a Program; cyconv.graph.plan gives it its public face.
One parallel region serves the whole run: each thread of the team walks through all steps, takes its share of each, and goes on when
the step's last item is done. A Program is immutable; each call leases an arena of its own, so any number of threads may call it at once.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cython.parallel cimport parallel
from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset
from posix.stdlib cimport posix_memalign

from cyconv._kernels.cpu import team_size
from cyconv._kernels.step cimport Step, run_t, step_fn

cdef extern from "omp.h" nogil:
    int omp_get_thread_num()
    int omp_get_num_threads()

cdef extern from "parallel.h" nogil:
    void cy_enter_step(ptrdiff_t *at_work)
    void cy_leave_step(ptrdiff_t *at_work)
    void cy_wait_for_step(const ptrdiff_t *at_work)
    uint32_t cy_flush_denormals()
    void cy_restore_denormals(uint32_t mode)
    int64_t cy_nanoseconds()
    void cy_note_time(int64_t *time)
    int cy_n_ranges(int n_threads)
    enum:
        CY_RANGES

cdef extern from "interrupt.h" nogil:
    int cy_signals_pending()
    int cy_raise_pending() except -1

cdef extern from "huge_pages.h" nogil:
    void cy_advise_huge_pages(void *p, size_t size)

cdef enum:
    COUNTER_PITCH = 8                    # each count of a step, threads at work and items taken of a range, has a cache line of its own
    SIGNAL_INTERVAL = 50_000_000         # nanoseconds between looks at pending signals

cdef Py_ssize_t HUGE_PAGE = 2 << 20


cdef class Memory:
    """`size` bytes at a cache-line boundary, on huge pages when there are many; not initialised."""

    cdef char *data
    cdef readonly Py_ssize_t size

    def __cinit__(self, Py_ssize_t size):
        cdef void *p = NULL
        cdef size_t alignment = HUGE_PAGE if size >= HUGE_PAGE else 64
        if size < 0 or posix_memalign(&p, alignment, size if size > 0 else 1) != 0:
            raise MemoryError(f"no memory for {size} bytes")
        self.data = <char *> p
        self.size = size
        if size >= HUGE_PAGE:
            cy_advise_huge_pages(p, size)

    def __dealloc__(self):
        free(self.data)


cdef class Lease:
    """What one call needs for itself: an arena, and the counts of the steps: for all of them who is at work, then range after range."""

    cdef Memory arena
    cdef ptrdiff_t *counters

    def __cinit__(self, Py_ssize_t arena_bytes, Py_ssize_t n_steps):
        self.arena = Memory(arena_bytes)
        self.counters = <ptrdiff_t *> calloc(max(n_steps, 1) * (1 + CY_RANGES) * COUNTER_PITCH, sizeof(ptrdiff_t))
        if self.counters == NULL:
            raise MemoryError(f"no memory for the counters of {n_steps} steps")

    def __dealloc__(self):
        free(self.counters)


cdef struct entry_t:
    step_fn fn
    void *params
    Py_ssize_t after             # the steps before this one must be done first: those that write what it reads or use memory that it takes


cdef class Bases:
    """The addresses that one call works with: arena, constants, then the caller's arrays, which it holds as long as it lives."""

    cdef char **pointers
    cdef Py_buffer *views
    cdef Py_ssize_t held

    def __cinit__(self, Memory arena, Memory constants, list arrays, Py_ssize_t n_written):
        cdef Py_ssize_t i, n = len(arrays)
        self.pointers = <char **> calloc(n + 2, sizeof(char *))
        self.views = <Py_buffer *> calloc(max(n, 1), sizeof(Py_buffer))
        if self.pointers == NULL or self.views == NULL:
            raise MemoryError(f"no memory for the addresses of {n} arrays")
        self.pointers[0], self.pointers[1] = arena.data, constants.data
        for i in range(n):
            PyObject_GetBuffer(arrays[i], &self.views[i], PyBUF_WRITABLE if i >= n - n_written else PyBUF_SIMPLE)
            self.held = i + 1
            self.pointers[i + 2] = <char *> self.views[i].buf

    def __dealloc__(self):
        cdef Py_ssize_t i
        for i in range(self.held):
            PyBuffer_Release(&self.views[i])
        free(self.pointers)
        free(self.views)


# One call: the same for all threads of the team.
cdef struct job_t:
    entry_t *steps
    Py_ssize_t n_steps
    char **bases
    ptrdiff_t *counters
    int64_t *times               # n_steps + 1 clock readings, or NULL
    bint fault                   # set when a step met an index out of range
    bint stop                    # set when a signal is pending: every thread leaves before its next step


cdef void walk(job_t *job, int thread, int n_threads) noexcept nogil:
    """All steps, one thread's share of each."""
    cdef run_t run
    cdef Py_ssize_t k, done = 0
    cdef ptrdiff_t *at_work
    cdef int64_t now, looked = cy_nanoseconds()
    cdef uint32_t mode = cy_flush_denormals()
    run.bases, run.thread, run.n_threads, run.fault = job.bases, thread, n_threads, &job.fault
    run.range_pitch = max(job.n_steps, 1) * COUNTER_PITCH
    if job.times != NULL:
        cy_note_time(&job.times[0])
    for k in range(job.n_steps):
        if job.stop:
            break
        while done < job.steps[k].after:
            cy_wait_for_step(job.counters + done * COUNTER_PITCH)
            done += 1
        at_work = job.counters + k * COUNTER_PITCH
        run.ranges = at_work + run.range_pitch
        cy_enter_step(at_work)
        job.steps[k].fn(job.steps[k].params, &run)
        cy_leave_step(at_work)
        if job.times != NULL:  # steps are timed one by one
            cy_wait_for_step(at_work)
            cy_note_time(&job.times[k + 1])
        if thread == 0:
            now = cy_nanoseconds()
            if now - looked > SIGNAL_INTERVAL:
                looked = now
                cy_restore_denormals(mode)  # a handler is Python code
                job.stop = cy_signals_pending()
                cy_flush_denormals()
    cy_restore_denormals(mode)


cdef class Program:
    """Steps, the constants they read, and how large an arena they need.

    Base 0 is the arena, base 1 the constants, then come the arrays given to `run` in order. `after` says of each step how many of the
    steps before it must be done when it begins; without it, all.
    """

    cdef list step_objects
    cdef entry_t *steps
    cdef Py_ssize_t n_steps
    cdef readonly Py_ssize_t arena_bytes
    cdef readonly Memory constants
    cdef list free_leases

    def __cinit__(self, list steps, Py_ssize_t arena_bytes, Memory constants, list after=None):
        cdef Py_ssize_t k
        cdef Step step
        self.step_objects = list(steps)
        self.n_steps = len(steps)
        self.arena_bytes = arena_bytes
        self.constants = constants
        self.free_leases = []
        self.steps = <entry_t *> calloc(max(self.n_steps, 1), sizeof(entry_t))
        if self.steps == NULL:
            raise MemoryError(f"no memory for {self.n_steps} steps")
        for k in range(self.n_steps):
            step = self.step_objects[k]
            self.steps[k].fn, self.steps[k].params = step.fn, step.params
            self.steps[k].after = k if after is None else after[k]
            if not 0 <= self.steps[k].after <= k:
                raise ValueError(f"step {k} cannot begin after {after[k]} steps")

    def __dealloc__(self):
        free(self.steps)

    def run(self, list arrays, Py_ssize_t n_written, int num_threads, int64_t[::1] times=None):
        """Run on `arrays`, of which the last `n_written` are outputs; `times`, zeros, takes n_steps + 1 clock readings in nanoseconds."""
        cdef Bases bases
        cdef Lease lease
        cdef job_t job
        cdef int threads = team_size(num_threads)
        if times is not None and times.shape[0] != self.n_steps + 1:
            raise ValueError(f"times must hold {self.n_steps + 1} readings, got {times.shape[0]}")
        try:
            lease = self.free_leases.pop()
        except IndexError:
            lease = Lease(self.arena_bytes, self.n_steps)
        try:
            bases = Bases(lease.arena, self.constants, arrays, n_written)
            memset(lease.counters, 0, max(self.n_steps, 1) * (1 + cy_n_ranges(threads)) * COUNTER_PITCH * sizeof(ptrdiff_t))
            job.steps, job.n_steps, job.bases, job.counters = self.steps, self.n_steps, bases.pointers, lease.counters
            job.stop = job.fault = False
            job.times = &times[0] if times is not None else NULL
            self.work(&job, threads)
        finally:
            self.free_leases.append(lease)

    cdef int work(self, job_t *job, int threads) except -1:
        if threads <= 1:
            with nogil:
                walk(job, 0, 1)
        else:
            # Threads share nothing but the counters of the steps; what is independent within a step, its driver says.
            with nogil, parallel(num_threads=threads):
                walk(job, omp_get_thread_num(), omp_get_num_threads())
        if job.stop:
            cy_raise_pending()
        if job.fault:
            raise IndexError("an index is out of range for the axis that it selects from")
        return 0

    def __len__(self):
        return self.n_steps
