/* Products on Intel's tile registers (AMX), which multiply bfloat16 and add in float32, at the precision of float32.
 *
 * Layer: micro-kernels; called by drivers/bf16x3.pyx through the table. All else of this instruction set is that of avx512.
 *
 * A float is the sum of three bfloat16, x = x0 + x1 + x2, each the rest rounded to 8 bits: exactly, but for rests below 2^-126. So
 *   x·w = x0·w0 + (x0·w1 + x1·w0) + (x1·w1 + x0·w2 + x2·w0) + rest,   |rest| <= 2^-23 |x·w|
 * and each of the six products is exact in float32, in which they are summed: G. Henry, P. T. P. Tang, A. Heinecke, "Leveraging the
 * bfloat16 artificial intelligence datatype for higher-precision computations", 2019. Sums of 32 channels are added to the total at once,
 * so fewer roundings add up than in a chain of multiply-adds. A value that is infinite or not a number stands in x2 (or w2) alone, with
 * zeros in the other two. It then meets nothing but the other factor rounded to bfloat16, and the product is what float32 gives: w·inf is
 * infinite, and 0·inf is not a number.
 */
#include <immintrin.h>
#include <math.h>

#include "microkernels.h"

enum { ROWS = CY_TILE_PIXELS, ROW_BYTES = 64, TILE_BF16 = 512, PACKED = 512, ROUNDS_TO_INFINITY = 0x7f7f8000 };

/* All eight tiles of 16 rows. It is constant because GCC 12 takes only its first word for an operand of the intrinsic. */
static const struct {
  uint8_t palette, start_row, reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
} CONFIG = {1, 0, {0}, {64, 64, 64, 64, 64, 64, 64, 64}, {ROWS, ROWS, ROWS, ROWS, ROWS, ROWS, ROWS, ROWS}};

static void begin__amx(void) { _tile_loadconfig(&CONFIG); }

static void end__amx(void) { _tile_release(); }

/* x rounded to 8 bits, halves away from zero, as a float; x is finite and below 0x7f7f8000. */
static inline __m512i upper(__m512i x) {
  return _mm512_and_si512(_mm512_add_epi32(x, _mm512_set1_epi32(0x8000)), _mm512_set1_epi32((int)0xffff0000));
}

static inline __m512i rest(__m512i x, __m512i part) {
  return _mm512_castps_si512(_mm512_sub_ps(_mm512_castsi512_ps(x), _mm512_castsi512_ps(part)));
}

/* The three parts of 16 floats, each in the upper half of a word. */
static inline void parts(__m512i x, __m512i part[3]) {
  const __m512i magnitude = _mm512_and_si512(x, _mm512_set1_epi32(0x7fffffff));
  const __mmask16 large = _mm512_cmpge_epu32_mask(magnitude, _mm512_set1_epi32(ROUNDS_TO_INFINITY));
  if (__builtin_expect(large != 0, 0)) {
    const __mmask16 finite = _mm512_cmplt_epu32_mask(magnitude, _mm512_set1_epi32(0x7f800000));
    const __m512i first = _mm512_mask_and_epi32(upper(x), large, x, _mm512_set1_epi32((int)0xffff0000));
    part[0] = _mm512_maskz_mov_epi32(finite, first);
    const __m512i second = rest(x, first);
    part[1] = _mm512_maskz_mov_epi32(finite, upper(second));
    /* A payload in the lower half alone must not make infinity of what is not a number. */
    const __mmask16 unordered = _mm512_cmpgt_epu32_mask(magnitude, _mm512_set1_epi32(0x7f800000));
    const __m512i special = _mm512_mask_or_epi32(x, unordered, x, _mm512_set1_epi32(0x00400000));
    part[2] = _mm512_mask_mov_epi32(special, finite, rest(second, upper(second)));
    return;
  }
  part[0] = upper(x);
  x = rest(x, part[0]);
  part[1] = upper(x);
  part[2] = rest(x, part[1]);
}

/* The upper halves of the words of a, then those of b. */
static inline __m512i join(__m512i a, __m512i b) {
  static const uint16_t odd[32] = {1,  3,  5,  7,  9,  11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31,
                                   33, 35, 37, 39, 41, 43, 45, 47, 49, 51, 53, 55, 57, 59, 61, 63};
  return _mm512_permutex2var_epi16(a, _mm512_loadu_si512(odd), b);
}

/* y[p·part + j·32 + i] = part p of x[j·step + i] for i < 16, of second[j·step + i − 16] for the others; j < n pixels. Of the channels i
 * only those below `channels` are read, the others are zeros. x and second IN, y OUT. */
static void split__amx(const float *x, const float *second, ptrdiff_t step, ptrdiff_t channels, uint16_t *y, ptrdiff_t part, ptrdiff_t n) {
  const __mmask32 read = channels < 32 ? (1u << channels) - 1 : ~0u;
  for (ptrdiff_t j = 0; j < n; j++) {
    __m512i a[3], b[3];
    parts(_mm512_maskz_loadu_epi32((__mmask16)read, x + j * step), a);
    parts(_mm512_maskz_loadu_epi32((__mmask16)(read >> 16), second + j * step), b);
    for (int p = 0; p < 3; p++) _mm512_storeu_si512(y + p * part + j * 32, join(a[p], b[p]));
  }
}

/* Four columns of 16 rows: out[q][l] = row[l][at + q]. Loads bring every fourth row together, which takes half of the shuffles that
 * transposing in registers takes, and there are two loads a cycle but one shuffle. */
static inline void columns(const float *const row[16], ptrdiff_t at, __m512 out[4]) {
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

/* y[l·16 + j] = x[l·row + j·step] for l < rows and j < n <= 16, zeros for the other l < all and j; nothing behind the last one is read. */
static inline void bring(const float *x, ptrdiff_t row, ptrdiff_t step, ptrdiff_t rows, ptrdiff_t n, ptrdiff_t all, float *y) {
  const __mmask16 read = (__mmask16)((1u << n) - 1);
  const __m512i places =
      _mm512_mullo_epi32(_mm512_set1_epi32((int)step), _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0));
  for (ptrdiff_t l = 0; l < all; l++) {
    __m512 v = _mm512_setzero_ps();
    if (l < rows) v = step == 1 ? _mm512_maskz_loadu_ps(read, x + l * row) : _mm512_mask_i32gather_ps(v, read, places, x + l * row, 4);
    _mm512_store_ps(y + l * 16, v);
  }
}

/* The same as split of x[i·plane + j·step], with channels i < channels of pixels j < n. */
static void split_planes__amx(const float *x, ptrdiff_t plane, ptrdiff_t step, ptrdiff_t channels, uint16_t *y, ptrdiff_t part,
                              ptrdiff_t n) {
  float brought[32 * 16] __attribute__((aligned(64)));
  const float *low_rows[16], *high_rows[16];
  for (ptrdiff_t j = 0; j < n; j += 16) {
    const ptrdiff_t count = n - j < 16 ? n - j : 16;
    const int whole = step == 1 && channels >= 32 && count == 16;
    if (!whole) bring(x + j * step, plane, step, channels, count, 32, brought);
    rows_of(whole ? x + j : brought, whole ? plane : 16, low_rows);
    rows_of(low_rows[15] + (whole ? plane : 16), whole ? plane : 16, high_rows);
    for (ptrdiff_t k = 0; k < count; k += 4) {
      __m512 low[4], high[4];
      columns(low_rows, k, low);
      columns(high_rows, k, high);
      for (ptrdiff_t q = 0; q < 4 && k + q < count; q++) {
        __m512i a[3], b[3];
        parts((__m512i)low[q], a);
        parts((__m512i)high[q], b);
        for (int p = 0; p < 3; p++) _mm512_storeu_si512(y + p * part + (j + k + q) * 32, join(a[p], b[p]));
      }
    }
  }
}

/* Part p of w[l, c, t] → y[(t·3 + p)·y_part + c/2·32 + l·2 + c%2], zeros for c < 32 and l < 16 that there are not. As many channels at a
 * time as fit into the first-level cache between the transposition and the parts. */
static int pack__amx(const cy_tile_pack_args *a) {
  __m512 rows[PACKED + 16];
  float brought[16 * 16] __attribute__((aligned(64)));
  const float *from[16];
  const __m512i exponent = _mm512_set1_epi32(0x7f800000);
  __mmask16 finite = 0xffff;
  const ptrdiff_t most = PACKED / a->taps / 2 * 2, step = most < 32 ? most : 32;
  for (ptrdiff_t first = 0; first < 32; first += step) {
    const ptrdiff_t channels = first + step < 32 ? step : 32 - first;
    const ptrdiff_t there = first >= a->channels ? 0 : (a->channels - first < channels ? a->channels - first : channels) * a->taps;
    const float *w = a->w + first * a->taps;
    ptrdiff_t q = 0;
    for (; q < there; q += 16) {
      const int whole = a->outputs == 16 && there - q >= 16;
      if (!whole) bring(w + q, a->w_output, 1, a->outputs, there - q < 16 ? there - q : 16, 16, brought);
      rows_of(whole ? w + q : brought, whole ? a->w_output : 16, from);
      for (ptrdiff_t k = 0; k < 16; k += 4) columns(from, k, rows + q + k);
    }
    for (; q < channels * a->taps; q++) rows[q] = _mm512_setzero_ps();
    for (ptrdiff_t t = 0; t < a->taps; t++)
      for (ptrdiff_t c = 0; c < channels; c += 2) {
        const __m512i even = (__m512i)rows[c * a->taps + t], odd = (__m512i)rows[(c + 1) * a->taps + t];
        finite &= _mm512_cmpneq_epi32_mask(_mm512_and_si512(even, exponent), exponent);
        finite &= _mm512_cmpneq_epi32_mask(_mm512_and_si512(odd, exponent), exponent);
        __m512i low[3], high[3];
        parts(even, low);
        parts(odd, high);
        for (int p = 0; p < 3; p++)
          _mm512_storeu_si512(a->y + (t * 3 + p) * a->y_part + (first + c) * 16,
                              _mm512_mask_blend_epi16(0xaaaaaaaa, _mm512_srli_epi32(low[p], 16), high[p]));
      }
  }
  return finite == 0xffff;
}

/* The bounds and the slope of an activation; what has none is bounded by infinities. */
typedef struct {
  __m512 lo, hi, slope;
  int leaky;
} activation;

static inline activation activation_of(int act, float lo, float hi, float slope) {
  const int clamp = act == CY_ACT_CLAMP;
  return (activation){_mm512_set1_ps(clamp ? lo : -INFINITY), _mm512_set1_ps(clamp ? hi : INFINITY), _mm512_set1_ps(slope),
                      act == CY_ACT_LEAKY};
}

/* What is not a number passes: it is the second operand. */
static inline __m512 activate(__m512 v, activation a) {
  v = _mm512_min_ps(a.hi, _mm512_max_ps(a.lo, v));
  return a.leaky ? _mm512_mask_mul_ps(v, _mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_NGT_UQ), v, a.slope) : v;
}

/* out = act(bias + in + residual), pixel by pixel. */
static void store__amx(const cy_tile_store_args *a) {
  const __m512 bias = _mm512_loadu_ps(a->bias);
  const activation act = activation_of(a->act, a->lo, a->hi, a->slope);
  for (ptrdiff_t i = 0; i < a->n; i++) {
    __m512 v = _mm512_add_ps(bias, _mm512_loadu_ps(a->in + i * 16));
    if (a->residual) v = _mm512_add_ps(v, _mm512_loadu_ps(a->residual + i * 16));
    _mm512_storeu_ps(a->out + i * 16, activate(v, act));
  }
}

/* out = act(bias + in), channel by channel. */
static void store_planes__amx(const cy_tile_planes_args *a) {
  const activation act = activation_of(a->act, a->lo, a->hi, a->slope);
  const float *from[16];
  rows_of(a->in, 16, from);
  for (int k = 0; k < a->channels; k += 4) {
    __m512 m[4];
    columns(from, k, m);
    for (int q = 0; q < 4 && k + q < a->channels; q++) {
      const __m512 v = activate(_mm512_add_ps(_mm512_set1_ps(a->bias[k + q]), m[q]), act);
      float *out = a->out + (k + q) * a->out_channel;
      for (int r = 0; r < a->n_runs; r++)
        _mm512_mask_storeu_ps(out + a->at[r] - a->first[r], (__mmask16)(((1u << a->count[r]) - 1) << a->first[r]), v);
    }
  }
}

/* Products. For tile i of 16 pixels and tile o of 16 output channels, with n of the latter:
 *   out[(i·n + o)·256 + j·16 + l] = Σ_s Σ_{c < 32} x[steps[s] + (i·16 + j)·32 + c] · w[s, o, c, l]
 * where x and w are the sums of their parts; part p of w[s, o, c, l] stands at w[((s·3 + p)·n + o)·512 + c/2·32 + l·2 + c%2].
 * Pixels behind the last one that is wanted may hold anything: no other pixel's sum reads them. The order of the sums depends on n
 * alone, not on how many tiles of pixels there are. */

/* Six products of one step: A and B name pairs of tiles of pixels and of outputs, MULTIPLY what is done with each. The small ones come
 * first. */
#define STEP(A, B, MULTIPLY) A(0) B(2) MULTIPLY B(1) MULTIPLY A(1) MULTIPLY B(0) MULTIPLY A(2) MULTIPLY A(0) MULTIPLY

#define IN(t, p, i) _tile_loadd(t, in + (p) * a->part + (i) * ROWS * 32, ROW_BYTES);
#define W(t, p, i, n) _tile_loadd(t, w + ((p) * (n) + (i)) * TILE_BF16, ROW_BYTES);
/* Before each product, since prefetches that wait for memory take up the buffers through which the tiles are loaded. */
#define PREFETCH \
  for (ptrdiff_t l = 0; l < lines; l++, ahead += ROW_BYTES) _mm_prefetch(ahead, _MM_HINT_T2);
/* The first tile store after more than about a hundred products takes 250 ns, as long as two steps, whatever it stores; any other takes 4.
 * So a tile that needs no storing is stored now and then, where the sums go later. Measured on Sapphire Rapids. */
#define KEEP_STORES_SHORT _tile_stored(4, a->out, ROW_BYTES);
#define STEPS(n, ...)                                                    \
  const char *ahead = a->prefetch;                                       \
  const ptrdiff_t lines = a->prefetch_lines;                             \
  const uint16_t *w = a->w;                                              \
  for (ptrdiff_t k = 0; k < a->n_steps; k++, w += 3 * (n) * TILE_BF16) { \
    const uint16_t *in = a->in + a->steps[k];                            \
    __VA_ARGS__                                                          \
    if (k % 2) KEEP_STORES_SHORT                                         \
  }
#define STORE(t) _tile_stored(t, a->out + (t) * CY_TILE_FLOATS, ROW_BYTES);

#define A1(p) IN(4, p, 0)
#define A2(p) IN(4, p, 0) IN(5, p, 1)
#define B2(p) W(6, p, 0, 2) W(7, p, 1, 2)
#define MULTIPLY_1X2                \
  PREFETCH _tile_dpbf16ps(0, 4, 6); \
  _tile_dpbf16ps(1, 4, 7);
#define MULTIPLY_2X2                    \
  MULTIPLY_1X2 _tile_dpbf16ps(2, 5, 6); \
  _tile_dpbf16ps(3, 5, 7);

static void tiles_1x2__amx(const cy_tiles_args *a) {
  _tile_zero(0);
  _tile_zero(1);
  STEPS(2, STEP(A1, B2, MULTIPLY_1X2))
  STORE(0) STORE(1)
}

static void tiles_2x2__amx(const cy_tiles_args *a) {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  STEPS(2, STEP(A2, B2, MULTIPLY_2X2))
  STORE(0) STORE(1) STORE(2) STORE(3)
}

/* One tile of outputs: up to four of pixels, so that enough sums are under way. */
#define B1(p) W(7, p, 0, 1)
#define ONE(c, t, p) IN(t, p, c) _tile_dpbf16ps(c, t, 7);
#define MULTIPLY_1(p) PREFETCH ONE(0, 4, p)
#define MULTIPLY_2(p) MULTIPLY_1(p) ONE(1, 5, p)
#define MULTIPLY_3(p) MULTIPLY_2(p) ONE(2, 6, p)
#define MULTIPLY_4(p) MULTIPLY_3(p) ONE(3, 4, p)
#define STEP_1(M) B1(2) M(0) B1(1) M(0) M(1) B1(0) M(1) M(2) M(0)

static void tiles_1x1__amx(const cy_tiles_args *a) {
  _tile_zero(0);
  STEPS(1, STEP_1(MULTIPLY_1))
  STORE(0)
}

static void tiles_2x1__amx(const cy_tiles_args *a) {
  _tile_zero(0);
  _tile_zero(1);
  STEPS(1, STEP_1(MULTIPLY_2))
  STORE(0) STORE(1)
}

static void tiles_3x1__amx(const cy_tiles_args *a) {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  STEPS(1, STEP_1(MULTIPLY_3))
  STORE(0) STORE(1) STORE(2)
}

static void tiles_4x1__amx(const cy_tiles_args *a) {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  STEPS(1, STEP_1(MULTIPLY_4))
  STORE(0) STORE(1) STORE(2) STORE(3)
}

/* Steps of 2 x 2 tiles from the first-level cache, on numbers that differ in all bits. */
static float peak__amx(ptrdiff_t n_steps) {
  uint16_t data[CY_PARTS * 2 * TILE_BF16] __attribute__((aligned(64)));
  float out[4 * CY_TILE_FLOATS];
  const cy_tiles_args args = {.part = 2 * TILE_BF16, .out = out}, *a = &args;
  const uint16_t *in = data, *w = data;
  for (int i = 0; i < CY_PARTS * 2 * TILE_BF16; i++) data[i] = (uint16_t)(0x3e00 | (i * 40503u & 0x81ffu));
  const char *ahead = (const char *)data;
  const ptrdiff_t lines = 0;
  begin__amx();
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (ptrdiff_t s = 0; s < n_steps; s++) {
    STEP(A2, B2, MULTIPLY_2X2)
  }
  STORE(0) STORE(1) STORE(2) STORE(3) end__amx();
  return out[0];
}

const cy_tile_kernels cy_tile_kernels__amx = {
    .begin = begin__amx,
    .end = end__amx,
    .split = split__amx,
    .split_planes = split_planes__amx,
    .pack = pack__amx,
    .multiply = {{tiles_1x1__amx, tiles_2x1__amx, tiles_3x1__amx, tiles_4x1__amx}, {tiles_1x2__amx, tiles_2x2__amx}},
    .store = store__amx,
    .store_planes = store_planes__amx,
    .peak = peak__amx,
};
