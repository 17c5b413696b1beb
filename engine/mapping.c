/* mapping.c: a plain file's bytes, mapped to be read. See mapping.h.
 * Private and read only: what another process writes may show, what we read is never written. */
#include "engine/mapping.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/infile.h"

struct mapping mapping_of(const void *bytes, size_t size)
{
    return (struct mapping){ .bytes = bytes, .size = size };
}

const char *mapping_open_fd(struct mapping *m, int fd)
{
    struct stat info;
    *m = mapping_of("", 0);
    if (fstat(fd, &info) < 0)
        return strerror(errno);
    if (!S_ISREG(info.st_mode))
        return S_ISDIR(info.st_mode) ? "it is a folder" : "it is not a plain file";
    if (info.st_size == 0)
        return NULL;
    void *bytes = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return strerror(errno);
    *m = (struct mapping){ .bytes = bytes, .size = (size_t)info.st_size, .owned = true };
    return NULL;
}

const char *mapping_open(struct mapping *m, const char *path)
{
    int fd = infile_fd(path);
    *m = mapping_of("", 0);
    if (fd < 0)
        return strerror(errno);
    const char *why = mapping_open_fd(m, fd);
    close(fd);
    return why;
}

void mapping_close(struct mapping *m)
{
    if (m->owned)
        munmap((void *)(uintptr_t)m->bytes, m->size);
    *m = mapping_of("", 0);
}
