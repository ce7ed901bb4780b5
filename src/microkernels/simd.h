/* The vector type of the micro-kernels and its verbs.
 *
 * Layer: micro-kernels, lowest. Included by each isa_*.c after LANES (16, 8 or 4 floats) was set. Everything here is
 * static, so that code compiled for one instruction set is never linked into another. The verbs are written with GCC's
 * vector extensions; a lane loop stands where the extensions have no word for it and the compiler finds one instruction.
 */
#ifndef CYCONV_SIMD_H
#define CYCONV_SIMD_H

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifndef LANES
#error "set LANES before including simd.h"
#endif

#define VERB static inline __attribute__((always_inline, unused))
#define EACH_LANE for (int lane = 0; lane < LANES; lane++)

typedef float vf __attribute__((vector_size(LANES * sizeof(float))));
typedef int32_t vi __attribute__((vector_size(LANES * sizeof(float))));
typedef uint32_t vu __attribute__((vector_size(LANES * sizeof(float))));

VERB vf v_set(float x) {
  vf v;
  EACH_LANE v[lane] = x;
  return v;
}

VERB vi v_seti(int32_t x) {
  vi v;
  EACH_LANE v[lane] = x;
  return v;
}

VERB vf v_zero(void) { return (vf){0}; }

/* Any alignment. */
VERB vf v_load(const float *p) {
  vf v;
  memcpy(&v, p, sizeof v);
  return v;
}

VERB void v_store(float *p, vf v) { memcpy(p, &v, sizeof v); }

/* The first `n` floats at p, zeros behind them; nothing past p[n-1] is touched. */
VERB vf v_load_n(const float *p, ptrdiff_t n) {
  vf v = v_zero();
  memcpy(&v, p, (size_t)n * sizeof(float));
  return v;
}

VERB void v_store_n(float *p, vf v, ptrdiff_t n) { memcpy(p, &v, (size_t)n * sizeof(float)); }

/* a where the mask's lane is all ones, b where it is zero. */
VERB vf v_select(vi mask, vf a, vf b) { return (vf)((mask & (vi)a) | (~mask & (vi)b)); }

/* a·b + c: one rounding where the instruction set has FMA, two where it has not. */
VERB vf v_fma(vf a, vf b, vf c) { return a * b + c; }

/* Larger and smaller of bound and x. A NaN in x stays NaN: the bound is the first operand. */
VERB vf v_max_bound(vf bound, vf x) {
  vf v;
  EACH_LANE v[lane] = bound[lane] > x[lane] ? bound[lane] : x[lane];
  return v;
}

VERB vf v_min_bound(vf bound, vf x) {
  vf v;
  EACH_LANE v[lane] = bound[lane] < x[lane] ? bound[lane] : x[lane];
  return v;
}

VERB vf v_sqrt(vf x) {
  vf v;
  EACH_LANE v[lane] = sqrtf(x[lane]);
  return v;
}

/* Larger of a and b; NaN when either is NaN, as PyTorch's pooling. */
VERB vf v_max_nan(vf a, vf b) {
  vf m = v_max_bound(a, b); /* b when either is NaN: only a NaN in a can be lost */
  return v_select(a != a, a, m);
}

VERB vf v_abs(vf x) { return (vf)((vi)x & v_seti(0x7fffffff)); }

VERB float v_sum(vf x) {
  float total = 0.0f;
  EACH_LANE total += x[lane];
  return total;
}

VERB float v_max_lane(vf x) {
  float top = x[0];
  for (int lane = 1; lane < LANES; lane++) top = (x[lane] > top || x[lane] != x[lane]) ? x[lane] : top;
  return top;
}

#endif
