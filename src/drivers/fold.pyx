"""Batch normalisation's four parameter vectors folded into a scale and a shift.

Layer: drivers. Computed in float64 and rounded once: scale = γ/√(σ²+ε), shift = β − μ·scale; lanes behind the last channel get zeros.
"""

from libc.math cimport sqrt

from cyconv._kernels.step cimport Step, allocate, at, next_item, operand_t, read_operand, run_t


cdef struct fold_params:
    operand_t mean           # IN
    operand_t var            # IN
    operand_t gamma          # IN
    operand_t beta           # IN
    operand_t scale          # OUT
    operand_t shift          # OUT
    ptrdiff_t channels, padded
    double eps


cdef void fold_share(const void *params, const run_t *run) noexcept nogil:
    cdef const fold_params *p = <const fold_params *> params
    cdef ptrdiff_t c
    cdef double scale
    if next_item(run, 1) > 0:
        return
    for c in range(p.channels):
        scale = at(run, &p.gamma)[c] / sqrt(at(run, &p.var)[c] + p.eps)
        at(run, &p.scale)[c] = <float> scale
        at(run, &p.shift)[c] = <float> (at(run, &p.beta)[c] - at(run, &p.mean)[c] * scale)
    for c in range(p.channels, p.padded):
        at(run, &p.scale)[c] = 0.0
        at(run, &p.shift)[c] = 0.0


cdef class FoldNorm(Step):
    """scale and shift of `channels` channels, padded with zeros to `padded`."""

    def __cinit__(self, mean, var, gamma, beta, scale, shift, channels, padded, eps):
        cdef fold_params *p = <fold_params *> allocate(1, sizeof(fold_params))
        self.fn = fold_share
        self.params = p
        read_operand(&p.mean, mean)
        read_operand(&p.var, var)
        read_operand(&p.gamma, gamma)
        read_operand(&p.beta, beta)
        read_operand(&p.scale, scale)
        read_operand(&p.shift, shift)
        p.channels, p.padded, p.eps = channels, padded, eps
