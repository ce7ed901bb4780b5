/* The frozen reference: what benchmarks divide their times by, so that a slow moment of the machine cancels.
 *
 * Two kinds of work: register tiles of a product on numbers in the first cache, and reading a buffer larger than all caches. On x86-64
 * the tiles are written in assembly, so that no compiler changes them. Independent of cyconv; compiled and called by
 * benchmarks/reference.py. A change here starts new series of all ratios: tests/benchmarks/pins.json holds this file's hash.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { STEPS = 128, X_PIXEL = 132, MAX_PIXELS = 14, MAX_LANES = 16, TILES_A_TURN = 64, READ_A_TURN = 1 << 18 };

/* One tile: y[b][p] = Σ_i x[p·X_PIXEL + i] · w[i][b], b in 0..1, for vectors w, y of the instruction set. */
typedef void (*tile_fn)(const float *x, const float *w, float *y);
typedef float (*read_fn)(const char *from, ptrdiff_t bytes);

static float x_data[MAX_PIXELS * X_PIXEL] __attribute__((aligned(64)));
static float w_data[STEPS * 2 * MAX_LANES] __attribute__((aligned(64)));

#define LOOP(body) "1:\n" body "incq %%rcx\ncmpq $128, %%rcx\njne 1b\n"
#define TEXT_(a) #a
#define TEXT(a) TEXT_(a)
#define PIXEL(p) TEXT(p) "*132*4(%[x],%%rcx,4)"

#if defined(__x86_64__)

#define ZERO_512(a) "vpxord %%zmm" #a ", %%zmm" #a ", %%zmm" #a "\n"
#define PX_512(p, a, b) \
  "vbroadcastss " PIXEL(p) ", %%zmm31\nvfmadd231ps %%zmm31, %%zmm28, %%zmm" #a "\nvfmadd231ps %%zmm31, %%zmm29, %%zmm" #b "\n"
#define OUT_512(a) "vmovups %%zmm" #a ", " #a "*64(%[y])\n"
#define EACH_10(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8) M(9)
#define EACH_20(M) EACH_10(M) M(10) M(11) M(12) M(13) M(14) M(15) M(16) M(17) M(18) M(19)
#define EACH_28(M) EACH_20(M) M(20) M(21) M(22) M(23) M(24) M(25) M(26) M(27)
#define PIXELS_7(M) M(0, 0, 14) M(1, 1, 15) M(2, 2, 16) M(3, 3, 17) M(4, 4, 18) M(5, 5, 19) M(6, 6, 20)
#define PIXELS_14(M) PIXELS_7(M) M(7, 7, 21) M(8, 8, 22) M(9, 9, 23) M(10, 10, 24) M(11, 11, 25) M(12, 12, 26) M(13, 13, 27)

__attribute__((target("avx512f"))) static void tile_avx512(const float *x, const float *w, float *y) {
  __asm__ volatile("xorl %%ecx, %%ecx\n" EACH_28(ZERO_512)
                       LOOP("vmovups (%[w]), %%zmm28\nvmovups 64(%[w]), %%zmm29\naddq $128, %[w]\n" PIXELS_14(PX_512)) EACH_28(OUT_512)
                   : [w] "+r"(w)
                   : [x] "r"(x), [y] "r"(y)
                   : "rcx", "cc", "memory", "zmm0", "zmm1", "zmm2", "zmm3", "zmm4", "zmm5", "zmm6", "zmm7", "zmm8", "zmm9", "zmm10",
                     "zmm11", "zmm12", "zmm13", "zmm14", "zmm15", "zmm16", "zmm17", "zmm18", "zmm19", "zmm20", "zmm21", "zmm22", "zmm23",
                     "zmm24", "zmm25", "zmm26", "zmm27", "zmm28", "zmm29", "zmm31");
}

#define ZERO_256(a) "vxorps %%ymm" #a ", %%ymm" #a ", %%ymm" #a "\n"
#define PX_256(p, a, b) \
  "vbroadcastss " PIXEL(p) ", %%ymm14\nvfmadd231ps %%ymm14, %%ymm12, %%ymm" #a "\nvfmadd231ps %%ymm14, %%ymm13, %%ymm" #b "\n"
#define OUT_256(a) "vmovups %%ymm" #a ", " #a "*32(%[y])\n"
#define EACH_12(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8) M(9) M(10) M(11)
#define PIXELS_6(M) M(0, 0, 6) M(1, 1, 7) M(2, 2, 8) M(3, 3, 9) M(4, 4, 10) M(5, 5, 11)
#define XMM_0_TO_11 "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11"

__attribute__((target("avx2,fma"))) static void tile_avx2(const float *x, const float *w, float *y) {
  __asm__ volatile("xorl %%ecx, %%ecx\n" EACH_12(ZERO_256)
                       LOOP("vmovups (%[w]), %%ymm12\nvmovups 32(%[w]), %%ymm13\naddq $64, %[w]\n" PIXELS_6(PX_256))
                           EACH_12(OUT_256) "vzeroupper\n"
                   : [w] "+r"(w)
                   : [x] "r"(x), [y] "r"(y)
                   : "rcx", "cc", "memory", XMM_0_TO_11, "xmm12", "xmm13", "xmm14");
}

#define ZERO_128(a) "xorps %%xmm" #a ", %%xmm" #a "\n"
#define PX_128(p, a, b)                                                                                                               \
  "movss " PIXEL(p) ", %%xmm10\nshufps $0, %%xmm10, %%xmm10\nmovaps %%xmm10, %%xmm11\nmulps %%xmm8, %%xmm11\naddps %%xmm11, %%xmm" #a \
                    "\nmulps %%xmm9, %%xmm10\naddps %%xmm10, %%xmm" #b "\n"
#define OUT_128(a) "movups %%xmm" #a ", " #a "*16(%[y])\n"
#define EACH_8(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7)
#define PIXELS_4(M) M(0, 0, 4) M(1, 1, 5) M(2, 2, 6) M(3, 3, 7)

static void tile_baseline(const float *x, const float *w, float *y) {
  __asm__ volatile("xorl %%ecx, %%ecx\n" EACH_8(ZERO_128)
                       LOOP("movups (%[w]), %%xmm8\nmovups 16(%[w]), %%xmm9\naddq $32, %[w]\n" PIXELS_4(PX_128)) EACH_8(OUT_128)
                   : [w] "+r"(w)
                   : [x] "r"(x), [y] "r"(y)
                   : "rcx", "cc", "memory", XMM_0_TO_11);
}

#else

enum { PORTABLE_PIXELS = 4 };
typedef float v4 __attribute__((vector_size(16)));

static void tile_baseline(const float *x, const float *w, float *y) {
  v4 acc[2][PORTABLE_PIXELS] = {{{0}}}, weights[2];
  for (int i = 0; i < STEPS; i++) {
    memcpy(weights, w + i * 8, sizeof weights);
#pragma GCC unroll 4
    for (int p = 0; p < PORTABLE_PIXELS; p++)
      for (int b = 0; b < 2; b++) acc[b][p] += x[p * X_PIXEL + i] * weights[b];
  }
  memcpy(y, acc, sizeof acc);
}

#endif

/* Reading is bound by memory, so its instructions may be the compiler's: eight independent sums of whole cache lines. */
#define READER(name, attribute, floats)                                                        \
  attribute static float name(const char *from, ptrdiff_t bytes) {                             \
    typedef float vector __attribute__((vector_size(floats * 4)));                             \
    vector sum[8] = {{0}}, v;                                                                  \
    for (ptrdiff_t at = 0; at + (ptrdiff_t)sizeof sum <= bytes; at += (ptrdiff_t)sizeof sum) { \
      _Pragma("GCC unroll 8") for (int i = 0; i < 8; i++) {                                    \
        memcpy(&v, from + at + i * (ptrdiff_t)sizeof v, sizeof v);                             \
        sum[i] += v;                                                                           \
      }                                                                                        \
    }                                                                                          \
    for (int i = 1; i < 8; i++) sum[0] += sum[i];                                              \
    return sum[0][0] + sum[0][floats - 1];                                                     \
  }

READER(read_baseline, , 4)
#if defined(__x86_64__)
READER(read_avx2, __attribute__((target("avx2"))), 8)
READER(read_avx512, __attribute__((target("avx512f,prefer-vector-width=512"))), 16)
#endif

static const struct {
  const char *isa;
  int lanes, pixels;
  tile_fn tile;
  read_fn read;
} TABLE[] = {
#if defined(__x86_64__)
    {"avx512", 16, 14, tile_avx512, read_avx512},
    {"avx2", 8, 6, tile_avx2, read_avx2},
    {"baseline", 4, 4, tile_baseline, read_baseline},
#else
    {"baseline", 4, PORTABLE_PIXELS, tile_baseline, read_baseline},
#endif
};

/* Index of an instruction set, -1 when there is none of this name. Fills the data, numbers between -1 and 1. */
int reference_find(const char *isa) {
  uint32_t state = 1;
  for (size_t i = 0; i < sizeof x_data / sizeof *x_data; i++)
    x_data[i] = (float)(int32_t)(state = state * 1664525u + 1013904223u) * 0x1p-31f;
  for (size_t i = 0; i < sizeof w_data / sizeof *w_data; i++)
    w_data[i] = (float)(int32_t)(state = state * 1664525u + 1013904223u) * 0x1p-31f;
  for (size_t i = 0; i < sizeof TABLE / sizeof *TABLE; i++)
    if (!strcmp(TABLE[i].isa, isa)) return (int)i;
  return -1;
}

/* Multiply-adds of one tile. */
ptrdiff_t reference_tile_macs(int which) { return (ptrdiff_t)STEPS * 2 * TABLE[which].pixels * TABLE[which].lanes; }

/* One tile, for tests; gives its data back. */
void reference_tile(int which, const float **x, const float **w, float *y) {
  *x = x_data;
  *w = w_data;
  TABLE[which].tile(x_data, w_data, y);
}

/* n tiles; threads take turns as in a plan, so a thread that loses its processor does not hold the others up for long. */
void reference_multiply(int which, ptrdiff_t n, int threads) {
  const tile_fn tile = TABLE[which].tile;
  const ptrdiff_t turns = (n + TILES_A_TURN - 1) / TILES_A_TURN;
#pragma omp parallel for schedule(dynamic) num_threads(threads) if (threads > 1)
  for (ptrdiff_t t = 0; t < turns; t++) {
    float y[2 * MAX_PIXELS * MAX_LANES] __attribute__((aligned(64)));
    const ptrdiff_t count = n - t * TILES_A_TURN < TILES_A_TURN ? n - t * TILES_A_TURN : TILES_A_TURN;
    for (ptrdiff_t i = 0; i < count; i++) tile(x_data, w_data, y);
  }
}

/* Reads bytes from the buffer; a sum keeps the reads from being removed. */
float reference_read(int which, const char *buffer, ptrdiff_t bytes, int threads) {
  const read_fn read = TABLE[which].read;
  const ptrdiff_t turns = (bytes + READ_A_TURN - 1) / READ_A_TURN;
  float total = 0.0f;
#pragma omp parallel for schedule(dynamic) num_threads(threads) reduction(+ : total) if (threads > 1)
  for (ptrdiff_t t = 0; t < turns; t++) {
    const ptrdiff_t at = t * READ_A_TURN;
    total += read(buffer + at, bytes - at < READ_A_TURN ? bytes - at : READ_A_TURN);
  }
  return total;
}
