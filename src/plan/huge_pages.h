/* Asks the system for huge pages behind a large block: fewer address translations in the weights and the arena.
 *
 * Layer: plan. Included by program.pyx. A hint: where the system knows none, nothing happens.
 */
#ifndef CYCONV_HUGE_PAGES_H
#define CYCONV_HUGE_PAGES_H

#include <stddef.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

static inline void cy_advise_huge_pages(void *p, size_t size) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  madvise(p, size, MADV_HUGEPAGE);
#else
  (void)p;
  (void)size;
#endif
}

#endif
