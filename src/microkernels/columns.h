/* Columns of 16 rows of floats, for instruction sets with AVX-512.
 *
 * Layer: micro-kernels; included by transpose.inc and isa_amx.c. Loads bring every fourth row together, which takes half of the shuffles
 * that transposing in registers takes, and there are two loads a cycle but one shuffle.
 */
#ifndef CYCONV_COLUMNS_H
#define CYCONV_COLUMNS_H

#include <immintrin.h>
#include <stddef.h>

/* out[q][l] = row[l][at + q] for q < 4 and l < 16. */
static inline __attribute__((always_inline)) void columns(const float *const row[16], ptrdiff_t at, __m512 out[4]) {
  __m512 r[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    r[i] = _mm512_castps128_ps512(_mm_loadu_ps(row[i] + at));
    r[i] = _mm512_insertf32x4(r[i], _mm_loadu_ps(row[4 + i] + at), 1);
    r[i] = _mm512_insertf32x4(r[i], _mm_loadu_ps(row[8 + i] + at), 2);
    r[i] = _mm512_insertf32x4(r[i], _mm_loadu_ps(row[12 + i] + at), 3);
  }
  const __m512d low = (__m512d)_mm512_unpacklo_ps(r[0], r[1]), next_low = (__m512d)_mm512_unpacklo_ps(r[2], r[3]);
  const __m512d high = (__m512d)_mm512_unpackhi_ps(r[0], r[1]), next_high = (__m512d)_mm512_unpackhi_ps(r[2], r[3]);
  out[0] = (__m512)_mm512_unpacklo_pd(low, next_low);
  out[1] = (__m512)_mm512_unpackhi_pd(low, next_low);
  out[2] = (__m512)_mm512_unpacklo_pd(high, next_high);
  out[3] = (__m512)_mm512_unpackhi_pd(high, next_high);
}

/* 16 rows that begin `pitch` floats apart. */
static inline void rows_of(const float *first, ptrdiff_t pitch, const float *row[16]) {
  for (int l = 0; l < 16; l++) row[l] = first + l * pitch;
}

#endif
