/* What the processor and the operating system can run; GCC's run-time checks include the saved register state.
 *
 * Layer: drivers. Included by cpu.pyx alone.
 */
#ifndef CYCONV_CPU_FEATURES_H
#define CYCONV_CPU_FEATURES_H

#include "microkernels.h"

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Linux wants to be asked before a process uses tile registers, once for all its threads; it refuses where one has too small a signal stack
 * for them. */
enum { CY_ARCH_REQ_XCOMP_PERM = 0x1023, CY_XTILEDATA = 18 };

static inline int cy_may_use_tiles(void) {
  unsigned a, b, c, d;
  const unsigned needed = bit_AMX_TILE | bit_AMX_BF16;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & needed) != needed) return 0;
  return syscall(SYS_arch_prctl, CY_ARCH_REQ_XCOMP_PERM, CY_XTILEDATA) == 0;
}
#elif defined(__x86_64__)
static inline int cy_may_use_tiles(void) { return 0; }
#endif

enum { CY_TABLES = 5 }; /* with NULL at the end */

/* The tables that were compiled and can run here, best first, NULL at the end; whether that with tile registers shall be among them. */
static inline void cy_runnable(const cy_kernels *tables[CY_TABLES], int with_tiles) {
  int n = 0;
#if defined(__x86_64__)
  static cy_kernels amx;
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("bmi2") &&
      __builtin_cpu_supports("fma")) {
    if (with_tiles && cy_may_use_tiles()) {
      amx = cy_kernels__avx512;
      amx.isa = "amx";
      amx.tiles = &cy_tile_kernels__amx;
      amx.fma_peak = amx.tiles->peak;
      amx.fma_per_step = CY_TILE_PEAK;
      tables[n++] = &amx;
    }
    tables[n++] = &cy_kernels__avx512;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) tables[n++] = &cy_kernels__avx2;
#else
  (void)with_tiles;
#endif
  tables[n++] = &cy_kernels__baseline;
  tables[n] = 0;
}

#endif
