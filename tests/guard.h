/* guard.h: memory between two pages that nobody may touch, for tests of what kernels read and write.
 * Bytes lie flush against the page behind them, or against the one before. */
#ifndef TESTS_GUARD_H
#define TESTS_GUARD_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct guard {
    uint8_t *map;
    size_t   mapped;
    void    *bytes;
};

enum guard_side { GUARD_BEHIND, GUARD_BEFORE };

/* Room for n bytes, filled with 0x5a; `off` bytes away from the guarded side. Ends the program without memory. */
static inline struct guard guard_open(size_t n, enum guard_side side, size_t off)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), inside = (n + off + page) / page * page;
    struct guard g = {.mapped = inside + 2 * page};
    g.map = mmap(NULL, g.mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
    if (g.map == MAP_FAILED || mprotect(g.map, page, PROT_NONE) != 0 ||
        mprotect(g.map + page + inside, page, PROT_NONE) != 0)
        abort();
    memset(g.map + page, 0x5a, inside);
    g.bytes = side == GUARD_BEFORE ? g.map + page + off : g.map + page + inside - n - off;
    return g;
}

static inline void guard_close(struct guard *g)
{
    munmap(g->map, g->mapped);
}

/* True if what lies between the pages beside the n bytes is as it was. */
static inline int guard_intact(const struct guard *g, size_t n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (const uint8_t *p = g->map + page; p < g->map + g->mapped - page; p++)
        if ((p < (uint8_t *)g->bytes || p >= (uint8_t *)g->bytes + n) && *p != 0x5a)
            return 0;
    return 1;
}

#endif
