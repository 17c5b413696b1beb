/* safetensors_write.c: header first, then each part at its place. Wider elements come first, and the header is padded
 * with blanks to 8 bytes, so that every tensor is aligned for its type. */
#include "engine/safetensors_write.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool write_all(int fd, const void *data, size_t bytes)
{
    const char *at = data;
    while (bytes > 0) {
        ssize_t n = write(fd, at, bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        bytes -= (size_t)n;
    }
    return true;
}

int safetensors_add(struct safetensors_writer *w, const char *name, const char *dtype, int rank, const uint64_t *shape)
{
    const struct dtype *type = safetensors_dtype(dtype);
    if (w->count == SAFETENSORS_PARTS || !type || type->values || rank < 0 || rank > SAFETENSORS_RANK)
        return -1;
    struct safetensors_part *part = &w->part[w->count];
    *part = (struct safetensors_part){ .name = name, .dtype = type, .rank = rank, .bytes = type->bytes };
    for (int i = 0; i < rank; i++) {
        part->shape[i] = shape[i];
        if (__builtin_mul_overflow(part->bytes, shape[i], &part->bytes))
            return -1;
    }
    return w->count++;
}

/* Gives each part its place behind the header, wider types first. */
static void place(struct safetensors_writer *w)
{
    uint64_t at = 0;
    for (unsigned bytes = 8; bytes > 0; bytes /= 2)
        for (int i = 0; i < w->count; i++)
            if (w->part[i].dtype->bytes == bytes) {
                w->part[i].at = at;
                at += w->part[i].bytes;
            }
}

static json_t *describe(const struct safetensors_part *part)
{
    json_t *shape = json_array();
    for (int i = 0; i < part->rank; i++)
        json_array_append_new(shape, json_integer((json_int_t)part->shape[i]));
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", part->dtype->name, "shape", shape, "data_offsets",
                     (json_int_t)part->at, (json_int_t)(part->at + part->bytes));
}

/* The header's text, padded; NULL without memory. */
static char *header(const struct safetensors_writer *w, const json_t *metadata, size_t *size)
{
    json_t *object = json_object();
    if (metadata)
        json_object_set_new(object, "__metadata__", json_deep_copy(metadata));
    for (int i = 0; i < w->count; i++)
        json_object_set_new(object, w->part[i].name, describe(&w->part[i]));
    char *text = json_dumps(object, JSON_COMPACT), *padded = NULL;
    json_decref(object);
    if (text) {
        size_t length = strlen(text);
        *size = (length + 7) / 8 * 8;
        padded = malloc(*size);
        if (padded) {
            memset(padded, ' ', *size);
            memcpy(padded, text, length);
        }
    }
    free(text);
    return padded;
}

bool safetensors_begin(struct safetensors_writer *w, const json_t *metadata)
{
    size_t size = 0;
    place(w);
    char *text = header(w, metadata, &size);
    uint64_t length = size;
    if (!text) {
        errno = ENOMEM;
        return false;
    }
    bool done = write_all(w->fd, &length, sizeof length) && write_all(w->fd, text, size);
    free(text);
    for (int i = 0; i < w->count; i++)
        w->part[i].at += sizeof length + size;
    return done;
}

bool safetensors_put(struct safetensors_writer *w, int part, const void *data, size_t bytes)
{
    struct safetensors_part *p = &w->part[part];
    if (bytes > p->bytes - p->done) {
        errno = EINVAL;
        return false;
    }
    if (lseek(w->fd, (off_t)(p->at + p->done), SEEK_SET) < 0 || !write_all(w->fd, data, bytes))
        return false;
    p->done += bytes;
    return true;
}

bool safetensors_whole(const struct safetensors_writer *w)
{
    for (int i = 0; i < w->count; i++)
        if (w->part[i].done != w->part[i].bytes)
            return false;
    return true;
}
