# The micro-kernel table as Cython sees it (src/microkernels/microkernels.h), and the one that was chosen at import.

from libc.stdint cimport int32_t, int64_t, uint16_t

cdef extern from "microkernels.h" nogil:
    enum:
        CY_CONV_BLOCKS
        CY_CONV_ROWS
        CY_CONV_PIXELS
        CY_WINO_KINDS
        CY_WINO_MAX_N
        CY_WINO_MAX_R
        CY_ACT_NONE
        CY_ACT_CLAMP
        CY_ACT_LEAKY
        CY_EACH
        CY_LANES
        CY_ONE
        CY_ABS
        CY_NEG
        CY_SIGN
        CY_UNARY_COUNT
        CY_BINARY_COUNT
        CY_FLOAT32
        CY_INT32
        CY_INT64
        CY_BOOL
        CY_BYTE
        CY_DTYPE_COUNT
        CY_COMPARE_COUNT
        CY_MEAN
        CY_REDUCE_COUNT
        CY_LRN_PIXELS
        CY_TILE_PIXELS
        CY_TILE_FLOATS
        CY_TILE_CHANNELS
        CY_PARTS
        CY_PRODUCTS
        CY_TILE_TAPS

    ctypedef struct cy_tap:
        ptrdiff_t offset
        ptrdiff_t lanes

    ctypedef struct cy_conv_args:
        const float *inp "in"
        const float *w_packed
        ptrdiff_t w_step
        const float *bias_packed
        ptrdiff_t bias_px
        const float *prefetch
        ptrdiff_t prefetch_step
        int prefetch_taps
        const cy_tap *taps
        ptrdiff_t n_taps
        ptrdiff_t in_row
        ptrdiff_t in_px
        float *out[3]
        ptrdiff_t out_row[3]
        ptrdiff_t out_px
        const float *residual[3]
        ptrdiff_t res_row[3]
        ptrdiff_t res_px
        int act
        float lo
        float hi
        float slope

    ctypedef void (*cy_conv_fn)(const cy_conv_args *) noexcept nogil

    ctypedef struct cy_wino_input_args:
        const float *inp "in"
        ptrdiff_t in_row
        ptrdiff_t row0
        ptrdiff_t row1
        ptrdiff_t col0
        ptrdiff_t col1
        float *out
        ptrdiff_t out_point

    ctypedef struct cy_wino_output_args:
        const float *inp "in"
        ptrdiff_t in_point
        const float *bias
        const float *residual
        ptrdiff_t res_row
        float *out
        ptrdiff_t out_row
        ptrdiff_t rows
        ptrdiff_t columns
        int pooled
        int act
        float lo
        float hi
        float slope

    ctypedef struct cy_wino_weights_args:
        const float *w
        ptrdiff_t w_lane
        ptrdiff_t valid
        const double *g
        ptrdiff_t n
        ptrdiff_t r
        float *out
        ptrdiff_t out_point

    ctypedef struct cy_pool_args:
        const float *inp "in"
        ptrdiff_t in_slice
        ptrdiff_t n_slices
        ptrdiff_t in_row
        ptrdiff_t n_rows
        const int32_t *column
        const int32_t *n_cols
        ptrdiff_t col_step
        const float *divisor
        float power
        int absolute
        float *out
        ptrdiff_t n_out
        ptrdiff_t run_first
        ptrdiff_t run_end
        ptrdiff_t run_stride

    ctypedef struct cy_standard:
        float hi[16]
        float lo[16]
        float scale[16]
        float shift[16]

    ctypedef struct cy_tiles_args:
        const uint16_t *inp "in"
        ptrdiff_t part
        const uint16_t *w
        const ptrdiff_t *steps
        ptrdiff_t n_steps
        float *out
        const char *prefetch
        ptrdiff_t prefetch_lines

    ctypedef struct cy_tile_store_args:
        const float *inp "in"
        ptrdiff_t n
        const float *bias
        const float *residual
        float *out
        int act
        float lo
        float hi
        float slope

    ctypedef struct cy_tile_planes_args:
        const float *inp "in"
        const float *bias
        float *out
        ptrdiff_t out_channel
        int channels
        int n_runs
        int first[16]
        int count[16]
        ptrdiff_t at[16]
        int act
        float lo
        float hi
        float slope

    ctypedef struct cy_tile_pack_args:
        const float *w
        ptrdiff_t w_output
        ptrdiff_t outputs
        ptrdiff_t channels
        ptrdiff_t taps
        uint16_t *y
        ptrdiff_t y_part

    ctypedef struct cy_tile_kernels:
        void (*begin)() noexcept nogil
        void (*end)() noexcept nogil
        void (*split)(const float *, const float *, ptrdiff_t, ptrdiff_t, uint16_t *, ptrdiff_t, ptrdiff_t) noexcept nogil
        void (*split_planes)(const float *, ptrdiff_t, ptrdiff_t, ptrdiff_t, uint16_t *, ptrdiff_t, ptrdiff_t) noexcept nogil
        int (*pack)(const cy_tile_pack_args *) noexcept nogil
        void (*multiply[2][4])(const cy_tiles_args *) noexcept nogil
        void (*store)(const cy_tile_store_args *) noexcept nogil
        void (*store_planes)(const cy_tile_planes_args *) noexcept nogil

    ctypedef struct cy_kernels:
        const char *isa
        int lanes
        int conv_pixels[3][2]
        cy_conv_fn conv[3][2][14]
        cy_conv_fn linear_bf16[3][14]
        int lanewise_pixels
        cy_conv_fn lanewise[14]
        int wino_m[8]
        int wino_n[8]
        void (*wino_input[8])(const cy_wino_input_args *) noexcept nogil
        void (*wino_output[8])(const cy_wino_output_args *) noexcept nogil
        void (*wino_weights)(const cy_wino_weights_args *) noexcept nogil
        void (*max_pool)(const cy_pool_args *) noexcept nogil
        void (*avg_pool)(const cy_pool_args *) noexcept nogil
        void (*lp_pool)(const cy_pool_args *) noexcept nogil
        void (*interleave)(const float *const *, float *, ptrdiff_t) noexcept nogil
        void (*deinterleave)(const float *, float *const *, ptrdiff_t) noexcept nogil
        void (*take)(const float *, ptrdiff_t, float *, ptrdiff_t) noexcept nogil
        void (*unary)(int, const float *, float *, ptrdiff_t, float, float) noexcept nogil
        void (*binary)(int, const float *, const float *, float *, ptrdiff_t, int) noexcept nogil
        void (*integer_unary)(int, int, const void *, void *, ptrdiff_t) noexcept nogil
        void (*integer_binary)(int, int, const void *, ptrdiff_t, const void *, ptrdiff_t, void *, ptrdiff_t) noexcept nogil
        void (*compare)(int, int, const void *, ptrdiff_t, const void *, ptrdiff_t, int32_t *, ptrdiff_t) noexcept nogil
        void (*where)(int, const int32_t *, ptrdiff_t, const void *, ptrdiff_t, const void *, ptrdiff_t, void *, ptrdiff_t) noexcept nogil
        void (*cast)(int, int, const void *, void *, ptrdiff_t) noexcept nogil
        void (*scale_shift)(const float *, const float *, const float *, float *, ptrdiff_t) noexcept nogil
        void (*prelu)(const float *, const float *, float *, ptrdiff_t) noexcept nogil
        void (*lrn)(const float *, float *, ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t, const float *, float *) noexcept nogil
        void (*softmax)(const float *, float *, ptrdiff_t, ptrdiff_t, ptrdiff_t, int) noexcept nogil
        void (*layer_norm)(const float *, float *, ptrdiff_t, ptrdiff_t, ptrdiff_t, const float *, const float *, double) noexcept nogil
        void (*lane_moments)(const float *, ptrdiff_t, ptrdiff_t, ptrdiff_t, const double *, double *, int) noexcept nogil
        void (*standardise)(const float *, float *, ptrdiff_t, const cy_standard *) noexcept nogil
        void (*reduce)(int, int, const void *, void *, ptrdiff_t, ptrdiff_t, ptrdiff_t) noexcept nogil
        void (*arg_max)(int, const void *, int64_t *, ptrdiff_t, ptrdiff_t, ptrdiff_t, int) noexcept nogil
        void (*top_k)(int, const void *, void *, int64_t *, ptrdiff_t, ptrdiff_t, ptrdiff_t, int) noexcept nogil
        void (*mix)(const float *, const float *, float, float, float *, ptrdiff_t) noexcept nogil
        void (*mix_gather)(const float *, const int32_t *, const int32_t *, const float *, const float *, float *, ptrdiff_t) noexcept nogil
        void (*resize_row)(const float *, const float *, float, float, const int32_t *, const int32_t *, const float *, const float *,
                           float *, ptrdiff_t) noexcept nogil
        float (*fma_peak)(ptrdiff_t) noexcept nogil
        int fma_per_step
        const cy_tile_kernels *tiles

cdef const cy_kernels *kernels
cdef const cy_kernels *table_of(str isa) except NULL
