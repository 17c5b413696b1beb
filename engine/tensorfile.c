/* tensorfile.c: .safetensors and .npy behind one door. */
#include "engine/tensorfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/npy.h"
#include "engine/schema.h"

struct tensorfile {
    struct safetensors *safetensors; /* one of the two */
    struct npy         *npy;
    char                path[512];
};

static bool open_either(struct tensorfile *file, int fd, char *error, size_t size)
{
    char magic[8] = "";
    ssize_t got = pread(fd, magic, sizeof magic, 0);
    if (got > 0 && npy_is(magic, (size_t)got))
        file->npy = npy_open_fd(fd, file->path, error, size);
    else
        file->safetensors = safetensors_open_fd(fd, file->path, error, size);
    return file->npy || file->safetensors;
}

struct tensorfile *tensorfile_open(const char *path, char *error, size_t size)
{
    struct tensorfile *file = calloc(1, sizeof *file);
    /* Without O_NONBLOCK a named pipe would wait for a writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || !file)
        snprintf(error, size, "cannot read '%.200s': %s", path, fd < 0 ? strerror(errno) : "out of memory");
    if (file)
        snprintf(file->path, sizeof file->path, "%s", path);
    if (fd < 0 || !file || !open_either(file, fd, error, size)) {
        free(file);
        file = NULL;
    }
    if (fd >= 0)
        close(fd);
    return file;
}

void tensorfile_close(struct tensorfile *file)
{
    if (!file)
        return;
    safetensors_close(file->safetensors);
    npy_close(file->npy);
    free(file);
}

static void unknown_tensor(const struct tensorfile *file, const char *name, char *error, size_t size)
{
    size_t count = safetensors_count(file->safetensors);
    const char **names = malloc((count + 1) * sizeof *names), *nearest = NULL;
    for (size_t i = 0; names && i < count; i++)
        names[i] = safetensors_at(file->safetensors, i)->name;
    if (names && count)
        nearest = schema_nearest(name, names, count);
    if (nearest)
        snprintf(error, size, "no tensor '%.120s' in '%.160s', did you mean '%.120s'?", name, file->path, nearest);
    else
        snprintf(error, size, "no tensor '%.120s' in '%.160s', it has %zu, such as '%.120s'", name, file->path, count,
                 count ? safetensors_at(file->safetensors, 0)->name : "");
    free(names);
}

const struct safetensor *tensorfile_find(const struct tensorfile *file, const char *name, char *error, size_t size)
{
    if (file->npy)
        return npy_tensor(file->npy);
    size_t count = safetensors_count(file->safetensors);
    const struct safetensor *tensor = NULL;
    if (name && *name)
        tensor = safetensors_find(file->safetensors, name);
    else if (count == 1)
        tensor = safetensors_at(file->safetensors, 0);
    if (tensor)
        return tensor;
    if (name && *name)
        unknown_tensor(file, name, error, size);
    else
        snprintf(error, size, "'%.160s' has %zu tensors, name one%s%.120s%s", file->path, count,
                 count ? ", such as '" : "", count ? safetensors_at(file->safetensors, 0)->name : "", count ? "'" : "");
    return NULL;
}

uint64_t tensorfile_cols(const struct safetensor *tensor)
{
    return tensor->rank ? tensor->shape[tensor->rank - 1] : 1;
}

uint64_t tensorfile_rows(const struct safetensor *tensor)
{
    uint64_t rows = 1;
    for (int i = 0; i + 1 < tensor->rank; i++)
        rows *= tensor->shape[i];
    return rows;
}
