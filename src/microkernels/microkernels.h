/* The contract between micro-kernels and drivers: one table of functions and tile sizes per instruction set.
 *
 * Layer: micro-kernels. Included by the isa_*.c files, which fill a table, and by drivers/cpu.pyx, which picks one.
 * A micro-kernel works on registers, lanes and tails. It does not allocate, start threads, or know a network.
 * Each .inc file states the equation of its functions; the duties of every caller are:
 *   - pointers tagged IN are only read, OUT only written, INOUT both; they need no alignment and do not overlap
 *     unless the function says so;
 *   - a blocked tensor holds LANES channels next to each other for each pixel (nchw16c, nchw8c or nchw4c);
 *   - strides are counted in floats.
 */
#ifndef CYCONV_MICROKERNELS_H
#define CYCONV_MICROKERNELS_H

#include <stddef.h>
#include <stdint.h>

enum { CY_CONV_BLOCKS = 3, CY_CONV_ROWS = 2, CY_CONV_PIXELS = 14 }; /* largest register tile of any instruction set */

/* Activations that a product applies in its store. */
enum { CY_ACT_NONE = 0, CY_ACT_CLAMP = 1, CY_ACT_LEAKY = 2 };

/* One tap of a convolution: where its input starts relative to the tile, and how many neighbouring floats it reads. */
typedef struct {
  ptrdiff_t offset;
  ptrdiff_t lanes;
} cy_tap;

/* Arguments of conv, linear_bf16 and lanewise tiles; equations in the .inc files of these names. */
typedef struct {
  const float *in;          /* IN  first pixel of the tile, tap offset 0 */
  const float *w_packed;    /* IN  one slice per (tap, lane) pair, in order */
  ptrdiff_t w_step;         /* of conv: between slices */
  const float *bias_packed; /* IN  blocks·LANES */
  ptrdiff_t bias_px;        /* of conv: between the biases of pixels */
  const float *prefetch;    /* what will be needed next, see conv.inc; never dereferenced */
  ptrdiff_t prefetch_step;  /* floats that it moves on with each slice of weights */
  int prefetch_taps;        /* whether it begins again at each tap, at prefetch + offset */
  const cy_tap *taps;       /* IN  n_taps */
  ptrdiff_t n_taps;
  ptrdiff_t in_row, in_px;            /* between the rows and pixels of the tile, in the input */
  float *out[CY_CONV_BLOCKS];         /* OUT first pixel of each block */
  ptrdiff_t out_row[CY_CONV_BLOCKS];  /* between rows, for each block */
  ptrdiff_t out_px;                   /* between pixels */
  const float *residual[CY_CONV_BLOCKS]; /* IN  added before the activation, or NULL */
  ptrdiff_t res_row[CY_CONV_BLOCKS], res_px;
  int act;
  float lo, hi; /* bounds of CY_ACT_CLAMP */
  float slope;  /* of CY_ACT_LEAKY */
} cy_conv_args;

typedef void (*cy_conv_fn)(const cy_conv_args *);

enum { CY_WINO_KINDS = 8 }; /* F(2,3), F(3,3), F(4,3), F(2,5), F(4,4), F(3,5), F(6,3), F(4,5) */

/* One tile of one channel block; equations in winograd.inc. */
typedef struct {
  const float *in;                    /* IN  pixel (0, 0) of the tile, which may lie outside the image */
  ptrdiff_t in_row;                   /* between rows */
  ptrdiff_t row0, row1, col0, col1;   /* the part of the tile that lies inside the image, and is read */
  float *out;                         /* OUT point 0 */
  ptrdiff_t out_point;                /* between points */
} cy_wino_input_args;

typedef struct {
  const float *in;      /* IN  point 0 */
  ptrdiff_t in_point;   /* between points */
  const float *bias;    /* IN  LANES */
  const float *residual; /* IN  added before the activation, or NULL */
  ptrdiff_t res_row;
  float *out;           /* OUT pixel (0, 0) of the tile */
  ptrdiff_t out_row;
  ptrdiff_t rows, columns; /* of the tile that lie inside the image, and are written */
  int pooled;           /* whether only the largest of each 2 x 2 pixels is written, of tiles with an even number of rows and columns */
  int act;
  float lo, hi, slope;
} cy_wino_output_args;

enum { CY_WINO_MAX_N = 8, CY_WINO_MAX_R = 7 }; /* largest points and taps of one dimension that wino_weights has room for */

/* Weights of one input channel to LANES output channels; equation in winograd_weights.inc. */
typedef struct {
  const float *w;         /* IN  r·r floats for each of `valid` output channels */
  ptrdiff_t w_lane;       /* between output channels */
  ptrdiff_t valid;        /* output channels that there are, at most LANES */
  const double *g;        /* IN  n·r */
  ptrdiff_t n, r;
  float *out;             /* OUT point 0 */
  ptrdiff_t out_point;    /* between points */
} cy_wino_weights_args;

/* One row of pooled outputs of one channel block; equation in pool.inc. */
typedef struct {
  const float *in;       /* IN  first row of the windows' first slice, column 0 */
  ptrdiff_t in_slice;    /* between the slices of a window */
  ptrdiff_t n_slices;    /* of the windows, inside the volume; 1 for images */
  ptrdiff_t in_row;      /* between the rows of a window */
  ptrdiff_t n_rows;      /* rows of the windows that lie inside the image */
  const int32_t *column; /* IN  n_out: first column of each window that lies inside the image */
  const int32_t *n_cols; /* IN  n_out: columns of each window that lie inside the image */
  ptrdiff_t col_step;    /* between the columns of a window, in pixels (dilation) */
  const float *divisor;  /* IN  n_out: what a sum is divided by; not read for a maximum */
  float power;           /* of lp_pool */
  int absolute;          /* whether lp_pool takes magnitudes */
  float *out;            /* OUT n_out·LANES */
  ptrdiff_t n_out;
  /* Outputs run_first <= j < run_end have windows of n_cols[run_first] columns that begin run_stride columns apart. They
   * may be none; they are only a way to save work. */
  ptrdiff_t run_first, run_end, run_stride;
} cy_pool_args;

/* Element-wise functions of one argument; the parameters p0, p1 in brackets. */
enum {
  CY_RELU,
  CY_RELU6,
  CY_LEAKY_RELU, /* [slope] */
  CY_SIGMOID,
  CY_TANH,
  CY_HARDSWISH,
  CY_HARDSIGMOID,
  CY_SILU,
  CY_GELU,
  CY_GELU_TANH,
  CY_ELU, /* [alpha] */
  CY_SQRT,
  CY_EXP,
  CY_LOG,
  CY_ABS,
  CY_NEG,
  CY_SOFTPLUS, /* [beta, threshold] */
  CY_MISH,
  CY_SELU,
  CY_FLOOR,
  CY_CEIL,
  CY_ERF,
  CY_SIGN,
  CY_RECIPROCAL,
  CY_CLIP, /* [min, max] */
  CY_UNARY_COUNT
};

/* Functions of a and b; an R means that the operands are exchanged: RSUB is b - a. */
enum { CY_ADD, CY_MUL, CY_SUB, CY_RSUB, CY_DIV, CY_RDIV, CY_POW, CY_RPOW, CY_MINIMUM, CY_MAXIMUM, CY_BINARY_COUNT };

/* What an element is; a bool inside a plan is an int32 of 0 or 1, and a byte in a caller's array. */
enum { CY_FLOAT32, CY_INT32, CY_INT64, CY_BOOL, CY_BYTE, CY_DTYPE_COUNT };

enum { CY_EQUAL, CY_NOT_EQUAL, CY_GREATER, CY_GREATER_EQUAL, CY_LESS, CY_LESS_EQUAL, CY_COMPARE_COUNT };

enum { CY_SUM, CY_MEAN, CY_MAX, CY_MIN, CY_REDUCE_COUNT };

/* How the second operand of a binary function runs along a row of n floats. */
enum { CY_EACH = 0 /* n floats */, CY_LANES = 1 /* LANES floats, again for each pixel */, CY_ONE = 2 /* one float */ };

enum { CY_LRN_PIXELS = 8 }; /* pixels that lrn works on at a time; its scratch grows with them, see lrn.inc */

/* What standardise subtracts from each lane (hi + lo), then multiplies it by and adds to it; equation in moments.inc. */
enum { CY_MOST_LANES = 16 };
typedef struct {
  float hi[CY_MOST_LANES], lo[CY_MOST_LANES], scale[CY_MOST_LANES], shift[CY_MOST_LANES];
} cy_standard;

/* Of isa_amx.c, which has the equations. */
enum { CY_TILE_PIXELS = 16, CY_TILE_FLOATS = 256, CY_TILE_CHANNELS = 32, CY_PARTS = 3, CY_PRODUCTS = 6, CY_TILE_PEAK = 2048 };
enum { CY_TILE_TAPS = 256 }; /* of a kernel whose weights are packed, at most */

/* Products of tiles of pixels and tiles of output channels. */
typedef struct {
  const uint16_t *in;       /* IN  the first pixel, part 0 */
  ptrdiff_t part;           /* between the parts of the input, in bfloat16 */
  const uint16_t *w;        /* IN  packed parts of the weights */
  const ptrdiff_t *steps;   /* IN  where the input of each step begins relative to `in`, in bfloat16 */
  ptrdiff_t n_steps;
  float *out;               /* OUT tile after tile */
  const char *prefetch;     /* what will be needed next; never dereferenced */
  ptrdiff_t prefetch_lines; /* of it, with each of the CY_PRODUCTS products of a step */
} cy_tiles_args;

/* Up to 16 neighbouring pixels of one block of output channels. */
typedef struct {
  const float *in;       /* IN  n·16 sums */
  ptrdiff_t n;
  const float *bias;     /* IN  16 */
  const float *residual; /* IN  n·16, added before the activation, or NULL */
  float *out;            /* OUT n·16 */
  int act;
  float lo, hi, slope;
} cy_tile_store_args;

/* A tile of 16 pixels of one block of output channels, on its way to planes: pixels first[r] … first[r] + count[r] - 1 of the tile go to
 * out[at[r]] and behind it, channel by channel. */
typedef struct {
  const float *in;         /* IN  16·16 sums */
  const float *bias;       /* IN  16 */
  float *out;              /* OUT */
  ptrdiff_t out_channel;   /* between the planes */
  int channels;            /* of the block that there are */
  int n_runs;
  int first[CY_TILE_PIXELS], count[CY_TILE_PIXELS];
  ptrdiff_t at[CY_TILE_PIXELS];
  int act;
  float lo, hi, slope;
} cy_tile_planes_args;

/* The weights of up to 16 outputs and up to 32 channels: w[l·w_output + c·taps + t] of output l, channel c and tap t. */
typedef struct {
  const float *w;        /* IN */
  ptrdiff_t w_output;
  ptrdiff_t outputs, channels;
  ptrdiff_t taps;        /* at most CY_TILE_TAPS */
  uint16_t *y;           /* OUT */
  ptrdiff_t y_part;      /* between the parts of a tap, and a third of what lies between taps */
} cy_tile_pack_args;

/* Micro-kernels on tile registers. */
typedef struct {
  void (*begin)(void); /* once on a thread before it calls the others, and */
  void (*end)(void);   /* when it has done with them */
  void (*split)(const float *x, const float *second, ptrdiff_t step, ptrdiff_t channels, uint16_t *y, ptrdiff_t part, ptrdiff_t n);
  void (*split_planes)(const float *x, ptrdiff_t plane, ptrdiff_t step, ptrdiff_t channels, uint16_t *y, ptrdiff_t part, ptrdiff_t n);
  int (*pack)(const cy_tile_pack_args *); /* whether all weights are finite */
  /* [tiles of channels − 1][tiles of pixels − 1]; NULL beyond 2 x 2 and 1 x 4 */
  void (*multiply[2][4])(const cy_tiles_args *);
  void (*store)(const cy_tile_store_args *);
  void (*store_planes)(const cy_tile_planes_args *);
  float (*peak)(ptrdiff_t n_steps); /* n_steps steps of 2 x 2 tiles, CY_TILE_PEAK multiply-adds of 16 lanes each */
} cy_tile_kernels;

typedef struct {
  const char *isa; /* "baseline", "avx2", "avx512" or "amx" */
  int lanes;       /* floats in a vector, channels in a block */

  /* Tiles of 1..3 blocks, 1..2 rows, 1..max pixels; [blocks-1][rows-1][pixels-1], NULL beyond the largest. */
  int conv_pixels[CY_CONV_BLOCKS][CY_CONV_ROWS];
  cy_conv_fn conv[CY_CONV_BLOCKS][CY_CONV_ROWS][CY_CONV_PIXELS];
  /* The one-row tiles again, with weights in bfloat16; [blocks-1][pixels-1]. */
  cy_conv_fn linear_bf16[CY_CONV_BLOCKS][CY_CONV_PIXELS];
  /* Tiles of one block, one row, 1..lanewise_pixels pixels; [pixels-1]. */
  int lanewise_pixels;
  cy_conv_fn lanewise[CY_CONV_PIXELS];

  /* [kind] */
  int wino_m[CY_WINO_KINDS], wino_n[CY_WINO_KINDS]; /* outputs and inputs of one dimension of a tile */
  void (*wino_input[CY_WINO_KINDS])(const cy_wino_input_args *);
  void (*wino_output[CY_WINO_KINDS])(const cy_wino_output_args *);
  void (*wino_weights)(const cy_wino_weights_args *);

  void (*max_pool)(const cy_pool_args *);
  void (*avg_pool)(const cy_pool_args *);
  void (*lp_pool)(const cy_pool_args *);

  void (*interleave)(const float *const *rows, float *y, ptrdiff_t n);
  void (*deinterleave)(const float *x, float *const *rows, ptrdiff_t n);
  void (*take)(const float *x, ptrdiff_t stride, float *y, ptrdiff_t n);

  void (*unary)(int function, const float *x, float *y, ptrdiff_t n, float p0, float p1);
  void (*binary)(int function, const float *a, const float *b, float *y, ptrdiff_t n, int b_runs);
  /* Of any dtype; equations in typed.inc. */
  void (*integer_unary)(int function, int dtype, const void *x, void *y, ptrdiff_t n);
  void (*integer_binary)(int function, int dtype, const void *a, ptrdiff_t a_step, const void *b, ptrdiff_t b_step, void *y, ptrdiff_t n);
  void (*compare)(int function, int dtype, const void *a, ptrdiff_t a_step, const void *b, ptrdiff_t b_step, int32_t *y, ptrdiff_t n);
  void (*where)(int words, const int32_t *condition, ptrdiff_t c_step, const void *a, ptrdiff_t a_step, const void *b, ptrdiff_t b_step,
                void *y, ptrdiff_t n);
  void (*cast)(int from, int to, const void *x, void *y, ptrdiff_t n);
  void (*scale_shift)(const float *x, const float *scale, const float *shift, float *y, ptrdiff_t n_pixels);
  void (*prelu)(const float *x, const float *slope, float *y, ptrdiff_t n_pixels);
  void (*lrn)(const float *x, float *y, ptrdiff_t c_stride_x, ptrdiff_t c_stride_y, ptrdiff_t channels, ptrdiff_t n_pixels, ptrdiff_t size,
              const float alpha_beta_k[3], float *scratch);
  void (*softmax)(const float *x, float *y, ptrdiff_t n, ptrdiff_t stride, ptrdiff_t columns, int logarithm);
  void (*reduce)(int function, int dtype, const void *x, void *y, ptrdiff_t n, ptrdiff_t stride, ptrdiff_t columns);
  void (*arg_max)(int dtype, const void *x, int64_t *y, ptrdiff_t n, ptrdiff_t stride, ptrdiff_t columns, int last);
  void (*top_k)(int dtype, const void *x, void *y, int64_t *index, ptrdiff_t n, ptrdiff_t k, ptrdiff_t stride, int largest);
  void (*mix)(const float *a, const float *b, float w0, float w1, float *y, ptrdiff_t n);
  void (*mix_gather)(const float *x, const int32_t *first, const int32_t *second, const float *w0, const float *w1, float *y, ptrdiff_t n);
  void (*resize_row)(const float *top, const float *bottom, float r0, float r1, const int32_t *first, const int32_t *second,
                     const float *w0, const float *w1, float *y, ptrdiff_t n);

  void (*layer_norm)(const float *x, float *y, ptrdiff_t x_step, ptrdiff_t y_step, ptrdiff_t n, const float *w, const float *b, double eps);
  void (*lane_moments)(const float *x, ptrdiff_t rows, ptrdiff_t row_stride, ptrdiff_t n, const double *centre, double *sum, int squares);
  void (*standardise)(const float *x, float *y, ptrdiff_t n, const cy_standard *lanes);

  /* n_steps·fma_per_step independent multiply-adds of whole vectors; the sum keeps them from being removed. */
  float (*fma_peak)(ptrdiff_t n_steps);
  int fma_per_step;

  const cy_tile_kernels *tiles; /* or NULL */
} cy_kernels;

extern const cy_kernels cy_kernels__baseline;
#if defined(__x86_64__)
extern const cy_kernels cy_kernels__avx2;
extern const cy_kernels cy_kernels__avx512;
extern const cy_tile_kernels cy_tile_kernels__amx;
#endif

#endif
