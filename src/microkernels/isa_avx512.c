/* The micro-kernels for x86-64-v4, AVX-512 F, BW, CD, DQ and VL: 16 lanes, 32 registers.
 *
 * Layer: micro-kernels. Compiled with the flags of this instruction set in setup.py; exports one table.
 */
#define ISA avx512
#define LANES 16
#define CONV_1 14
#define CONV_2 14
#define CONV_3 9
#define LANEWISE 14

#include "table.inc"
