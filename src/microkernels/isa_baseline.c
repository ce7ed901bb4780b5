/* The micro-kernels for x86-64 without extensions (SSE2), and any other CPU: 4 lanes, 16 registers and no fused multiply-add assumed.
 *
 * Layer: micro-kernels. Compiled with the flags of this instruction set in setup.py; exports one table.
 */
#define ISA baseline
#define LANES 4
#define CONV_1 7
#define CONV_2 5
#define CONV_3 3
#define LANEWISE 8

#include "table.inc"
