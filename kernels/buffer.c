/* buffer.c: large aligned memory by mmap, with the advice to use huge pages.
 * The advice is ignored where huge pages are off or do not exist.
 * Small buffers are mapped too: who asks here means to stream. */
#include "kernels/buffer.h"

#include <sys/mman.h>

#if !defined(MAP_ANONYMOUS)
#define MAP_ANONYMOUS MAP_ANON
#endif

enum { HUGE_PAGE = 2 << 20, PAGE = 4096 };

/* What is mapped for `bytes`: whole huge pages where at least one is filled. */
static size_t mapped(size_t bytes)
{
    size_t page = bytes >= HUGE_PAGE ? HUGE_PAGE : PAGE;
    return (bytes / page + 1) * page;
}

void *buffer_open(size_t bytes)
{
    void *p = mmap(NULL, mapped(bytes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
#if defined(MADV_HUGEPAGE)
    if (bytes >= HUGE_PAGE)
        madvise(p, mapped(bytes), MADV_HUGEPAGE);
#endif
    return p;
}

void buffer_close(void *buffer, size_t bytes)
{
    if (buffer)
        munmap(buffer, mapped(bytes));
}
