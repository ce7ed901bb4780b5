/* The micro-kernels for x86-64 with AVX2 and FMA: 8 lanes, 16 registers.
 *
 * Layer: micro-kernels. Compiled with the flags of this instruction set in setup.py; exports one table.
 */
#define ISA avx2
#define LANES 8
#define CONV_1 12
#define CONV_2 6
#define CONV_3 4
#define LANEWISE 12

#include "table.inc"
