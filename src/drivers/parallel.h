/* What a thread of a plan's team needs besides OpenMP's own words: shares of a step, the barrier, the denormal mode, a clock.
 *
 * Layer: drivers. Included by the Cython drivers and by the plan.
 */
#ifndef CYCONV_PARALLEL_H
#define CYCONV_PARALLEL_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

/* The next item of a step that no thread of the team has taken yet. Items go to whoever is free, so a thread that the
 * system has slowed down takes fewer; which thread computes an item has no influence on its bits. */
static inline ptrdiff_t cy_next_item(ptrdiff_t *counter) { return __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED); }

/* Waits for the whole team; binds to the parallel region that the plan has opened. */
static inline void cy_barrier(void) {
#pragma omp barrier
}

/* Sets flush-to-zero and denormals-are-zero on this thread and returns the mode to put back. */
static inline uint32_t cy_flush_denormals(void) {
#if defined(__x86_64__)
  uint32_t mode = _mm_getcsr();
  _mm_setcsr(mode | 0x8040);
  return mode;
#elif defined(__aarch64__)
  uint64_t mode;
  __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
  __asm__ volatile("msr fpcr, %0" : : "r"(mode | (1u << 24)));
  return (uint32_t)mode;
#else
  return 0;
#endif
}

static inline void cy_restore_denormals(uint32_t mode) {
#if defined(__x86_64__)
  _mm_setcsr(mode);
#elif defined(__aarch64__)
  __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)mode));
#else
  (void)mode;
#endif
}

static inline int64_t cy_nanoseconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

#endif
