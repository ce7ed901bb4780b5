"""Element-wise steps of dense arrays of any dtype, with NumPy's broadcasting: arithmetic, comparisons, selection, conversion.

Layer: drivers; made by graph/lower_elements.py, which joins axes and gives each operand its strides. The fast steps of float32 tensors
of equal shapes, blocked or not, stand in elementwise.pyx. The output is walked over in rows along its last axis; an item is a band of
short rows or a piece of a long one. It writes only its own elements, so items are independent.
"""

from libc.stdint cimport int32_t

from cyconv._kernels.cpu cimport (
    CY_ABS, CY_BINARY_COUNT, CY_BOOL, CY_BYTE, CY_COMPARE_COUNT, CY_DTYPE_COUNT, CY_EACH, CY_FLOAT32, CY_INT64, CY_NEG, CY_ONE, CY_SIGN,
    kernels,
)
from cyconv._kernels.step cimport Step, allocate, at, next_item, operand_t, read_operand, run_t

DEF MAX_DIMS = 8
DEF MAX_INPUTS = 3

cdef enum:
    ITEM_ELEMENTS = 8192  # of one item: a microsecond or more of work for one atomic addition

ctypedef void (*row_fn)(const elements_params *, const char **, char *, ptrdiff_t) noexcept nogil

cdef struct elements_params:
    operand_t inputs[MAX_INPUTS]      # IN   base and offset only
    operand_t y                       # OUT  base and offset only; dense
    int n_inputs
    int function, dtype, to           # dtype of the inputs (of the selected ones), and of the result of a conversion
    row_fn row
    ptrdiff_t dims[MAX_DIMS]
    ptrdiff_t strides[MAX_INPUTS][MAX_DIMS]   # in elements; along the last axis 1, or 0 for an operand that stays the same
    ptrdiff_t size[MAX_INPUTS]        # bytes of an element
    ptrdiff_t y_size
    ptrdiff_t rows, band_rows, chunks, n_items


cdef inline ptrdiff_t step_of(const elements_params *p, int i) noexcept nogil:
    return p.strides[i][MAX_DIMS - 1]


cdef void float_row(const elements_params *p, const char **x, char *y, ptrdiff_t n) noexcept nogil:
    kernels.binary(p.function, <const float *> x[0], <const float *> x[1], <float *> y, n, CY_EACH if step_of(p, 1) else CY_ONE)


cdef void integer_row(const elements_params *p, const char **x, char *y, ptrdiff_t n) noexcept nogil:
    kernels.integer_binary(p.function, p.dtype, x[0], step_of(p, 0), x[1], step_of(p, 1), y, n)


cdef void integer_unary_row(const elements_params *p, const char **x, char *y, ptrdiff_t n) noexcept nogil:
    kernels.integer_unary(p.function, p.dtype, x[0], y, n)


cdef void compare_row(const elements_params *p, const char **x, char *y, ptrdiff_t n) noexcept nogil:
    kernels.compare(p.function, p.dtype, x[0], step_of(p, 0), x[1], step_of(p, 1), <int32_t *> y, n)


cdef void where_row(const elements_params *p, const char **x, char *y, ptrdiff_t n) noexcept nogil:
    kernels.where(2 if p.dtype == CY_INT64 else 1, <const int32_t *> x[0], step_of(p, 0), x[1], step_of(p, 1), x[2], step_of(p, 2), y, n)


cdef void cast_row(const elements_params *p, const char **x, char *y, ptrdiff_t n) noexcept nogil:
    kernels.cast(p.dtype, p.to, x[0], y, n)


cdef void elements_share(const void *params, const run_t *run) noexcept nogil:
    cdef const elements_params *p = <const elements_params *> params
    cdef ptrdiff_t item, row, rest, axis, place, first, n, count = p.dims[MAX_DIMS - 1]
    cdef int i
    cdef const char *x[MAX_INPUTS]
    while True:
        item = next_item(run, p.n_items)
        if item >= p.n_items:
            return
        first = item % p.chunks * ITEM_ELEMENTS
        n = min(ITEM_ELEMENTS, count - first) if p.chunks > 1 else count
        item = item // p.chunks * p.band_rows
        for row in range(item, min(item + p.band_rows, p.rows)):
            for i in range(p.n_inputs):
                rest, place = row, first * step_of(p, i)
                for axis in range(MAX_DIMS - 2, -1, -1):
                    place += rest % p.dims[axis] * p.strides[i][axis]
                    rest = rest // p.dims[axis]
                x[i] = <const char *> at(run, &p.inputs[i]) + place * p.size[i]
            p.row(p, x, <char *> at(run, &p.y) + (row * count + first) * p.y_size, n)


cdef int bytes_of(int dtype) except 0:
    """Of one element inside a plan; CY_BYTE in a caller's array."""
    if not 0 <= dtype < CY_DTYPE_COUNT:
        raise ValueError(f"dtype must be one of 0 to {CY_DTYPE_COUNT - 1}, got {dtype}")
    return 8 if dtype == CY_INT64 else 1 if dtype == CY_BYTE else 4


cdef class ElementStep(Step):
    """What the steps of this file share. Dtypes are numbers of the list in microkernels.h; strides hold one tuple for each input."""

    cdef elements_params *begin(self, row_fn row, inputs, y, dims, strides, dtypes) except NULL:
        cdef elements_params *p = <elements_params *> allocate(1, sizeof(elements_params))
        cdef Py_ssize_t axis, first = MAX_DIMS - len(dims)
        cdef int i
        self.fn = elements_share
        self.params = p
        if not 1 <= len(dims) <= MAX_DIMS:
            raise ValueError(f"1 to {MAX_DIMS} axes, got {len(dims)}")
        p.row, p.n_inputs = row, len(inputs)
        read_operand(&p.y, y)
        p.y_size = bytes_of(dtypes[len(dtypes) - 1])
        p.rows = 1
        for axis in range(MAX_DIMS):
            p.dims[axis] = dims[axis - first] if axis >= first else 1
            p.rows *= p.dims[axis] if axis < MAX_DIMS - 1 else 1
        for i in range(p.n_inputs):
            read_operand(&p.inputs[i], inputs[i])
            p.size[i] = bytes_of(dtypes[i])
            for axis in range(first, MAX_DIMS):
                p.strides[i][axis] = strides[i][axis - first]
            if step_of(p, i) not in (0, 1):
                raise ValueError(f"a stride of {step_of(p, i)} along the last axis")
        p.chunks = max(1, (p.dims[MAX_DIMS - 1] + ITEM_ELEMENTS - 1) // ITEM_ELEMENTS)
        p.band_rows = max(1, ITEM_ELEMENTS // max(1, p.dims[MAX_DIMS - 1]))
        p.n_items = (p.rows + p.band_rows - 1) // p.band_rows * p.chunks
        return p


cdef class Arithmetic(ElementStep):
    """y = f(a, b) of float32 or integers; float32 a must run along the last axis."""

    def __cinit__(self, a, b, y, dims, strides, int function, int dtype):
        cdef elements_params *p = self.begin(float_row if dtype == CY_FLOAT32 else integer_row, (a, b), y, dims, strides, (dtype,) * 3)
        if not 0 <= function < CY_BINARY_COUNT:
            raise ValueError(f"function must be one of 0 to {CY_BINARY_COUNT - 1}, got {function}")
        if dtype >= CY_BOOL or (dtype == CY_FLOAT32 and step_of(p, 0) != 1):
            raise ValueError(f"dtype {dtype} with a step of {step_of(p, 0)}")
        p.function, p.dtype = function, dtype


cdef class IntegerUnary(ElementStep):
    """y = |x|, -x or the sign of x, of integers."""

    def __cinit__(self, x, y, ptrdiff_t n, int function, int dtype):
        cdef elements_params *p = self.begin(integer_unary_row, (x,), y, (n,), ((1,),), (dtype,) * 2)
        if function not in (CY_ABS, CY_NEG, CY_SIGN):
            raise ValueError(f"function must be {CY_ABS}, {CY_NEG} or {CY_SIGN}, got {function}")
        p.function, p.dtype = function, dtype


cdef class Compare(ElementStep):
    """y = whether a and b compare so, a bool."""

    def __cinit__(self, a, b, y, dims, strides, int function, int dtype):
        cdef elements_params *p = self.begin(compare_row, (a, b), y, dims, strides, (dtype, dtype, CY_BOOL))
        if not 0 <= function < CY_COMPARE_COUNT:
            raise ValueError(f"function must be one of 0 to {CY_COMPARE_COUNT - 1}, got {function}")
        p.function, p.dtype = function, dtype


cdef class Where(ElementStep):
    """y = a where the condition, a bool, is true, else b."""

    def __cinit__(self, condition, a, b, y, dims, strides, int dtype):
        cdef elements_params *p = self.begin(where_row, (condition, a, b), y, dims, strides, (CY_BOOL, dtype, dtype, dtype))
        p.dtype = dtype


cdef class Cast(ElementStep):
    """y = n elements of x as another dtype."""

    def __cinit__(self, x, y, ptrdiff_t n, int dtype, int to):
        cdef elements_params *p = self.begin(cast_row, (x,), y, (n,), ((1,),), (dtype, to))
        p.dtype, p.to = dtype, to
