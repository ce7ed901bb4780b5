/* What a thread of a plan's team needs besides OpenMP's own words: shares of a step, waiting for it, the denormal mode, a clock.
 *
 * Layer: drivers. Included by the Cython drivers and by the plan.
 */
#ifndef CYCONV_PARALLEL_H
#define CYCONV_PARALLEL_H

#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

/* The items of a step lie in as many ranges of neighbours as there are threads (8 at most, which then share them). A thread takes those of
 * its own range from the front, and when it has none left, those of others from the back: neighbouring items read the same memory,
 * which stays in the cache of the core that has read it, and a thread that the system has slowed down takes fewer. Which thread
 * computes an item has no influence on its bits. `ranges` holds two counts each, `pitch` apart: taken from the front (lower 32 bits) and
 * from the back. Who sees that an item was taken also sees its taker at work (below), hence the ordering. */
enum { CY_RANGES = 8 };

static inline int cy_n_ranges(int n_threads) { return n_threads < CY_RANGES ? n_threads : CY_RANGES; }

static inline ptrdiff_t cy_next_item(ptrdiff_t *ranges, ptrdiff_t pitch, int thread, int n_threads, ptrdiff_t n_items) {
  const int count = cy_n_ranges(n_threads);
  for (int k = 0; k < count; k++) {
    const int r = (thread + k) % count;
    const ptrdiff_t first = n_items * r / count, size = n_items * (r + 1) / count - first;
    uint64_t *range = (uint64_t *)(ranges + r * pitch);
    if (k > 0) {
      const uint64_t seen = __atomic_load_n(range, __ATOMIC_ACQUIRE);
      if ((ptrdiff_t)(uint32_t)seen + (ptrdiff_t)(seen >> 32) >= size) continue;
    }
    const uint64_t taken = __atomic_fetch_add(range, k == 0 ? 1 : (uint64_t)1 << 32, __ATOMIC_ACQ_REL);
    const ptrdiff_t front = (ptrdiff_t)(uint32_t)taken, back = (ptrdiff_t)(taken >> 32);
    if (front + back < size) return k == 0 ? first + front : first + size - 1 - back;
  }
  return n_items;
}

/* Who is at work in a step. A thread that comes back from the step's function knows that all items were taken; when nobody
 * is at work any more, all are done. So a step is waited for, not the other threads: one that the system keeps off its CPU
 * holds nobody up unless it holds an item. */
static inline void cy_enter_step(ptrdiff_t *at_work) { __atomic_fetch_add(at_work, 1, __ATOMIC_ACQ_REL); }

static inline void cy_leave_step(ptrdiff_t *at_work) { __atomic_fetch_sub(at_work, 1, __ATOMIC_ACQ_REL); }

/* Looks at the count for about 20 µs before it offers the CPU to whoever may be waiting for it. */
enum { CY_SPINS = 2000 };

static inline void cy_wait_for_step(const ptrdiff_t *at_work) {
  for (long spins = 0; __atomic_load_n(at_work, __ATOMIC_ACQUIRE) != 0; spins++) {
    if (spins > CY_SPINS) {
      sched_yield();
    } else {
#if defined(__x86_64__)
      _mm_pause();
#endif
    }
  }
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

/* Notes the time of an event that several threads see, once: by the first of them. */
static inline void cy_note_time(int64_t *time) {
  int64_t unset = 0;
  __atomic_compare_exchange_n(time, &unset, cy_nanoseconds(), 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

#endif
