/* What the processor and the operating system can run; GCC's run-time checks include the saved register state.
 *
 * Layer: drivers. Included by cpu.pyx alone.
 */
#ifndef CYCONV_CPU_FEATURES_H
#define CYCONV_CPU_FEATURES_H

#include "microkernels.h"

/* The tables that were compiled and can run here, best first, NULL at the end. */
static inline void cy_runnable(const cy_kernels *tables[4]) {
  int n = 0;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("bmi2") &&
      __builtin_cpu_supports("fma"))
    tables[n++] = &cy_kernels__avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) tables[n++] = &cy_kernels__avx2;
#endif
  tables[n++] = &cy_kernels__baseline;
  tables[n] = 0;
}

#endif
