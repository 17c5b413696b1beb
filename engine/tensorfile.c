/* tensorfile.c: .safetensors, whole or in shards, .gguf and .npy behind one door. */
#include "engine/tensorfile.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/infile.h"
#include "engine/mapping.h"
#include "engine/npy.h"
#include "engine/schema.h"

enum { SHARDS_MOST = 1024, INDEX_MOST = 64 << 20 };

struct tensorfile {
    struct npy          *npy;                /* one of these; or shards */
    struct gguf         *gguf;
    struct safetensors **shards;
    size_t               shard_count;
    const struct safetensor **tensor, **named; /* in the order of the file; sorted by name */
    size_t               count;
    char                 path[PATH_MAX], kind[64];
};

/* --- the index of a sharded model --------------------------------------------------------------------------------- */

/* Opens the shard of this name beside the index, unless it is open. `names` holds those that are. */
static bool open_shard(struct tensorfile *file, const char *name, json_t *names, char *error, size_t size)
{
    char path[PATH_MAX];
    const char *slash = strrchr(file->path, '/');
    if (json_object_get(names, name))
        return true;
    if (!*name || strchr(name, '/') || strcmp(name, "..") == 0 || !safetensors_printable(name)) {
        snprintf(error, size, "cannot read '%.160s': its shards are not files beside it", file->path);
        return false;
    }
    if (file->shard_count == SHARDS_MOST) {
        snprintf(error, size, "cannot read '%.160s': it has more than %d shards", file->path, SHARDS_MOST);
        return false;
    }
    int n = snprintf(path, sizeof path, "%.*s%s", slash ? (int)(slash + 1 - file->path) : 0, file->path, name);
    if (n >= (int)sizeof path) {
        snprintf(error, size, "cannot read '%.160s': the path of a shard is too long", file->path);
        return false;
    }
    struct safetensors *shard = safetensors_open(path, error, size);
    if (!shard)
        return false;
    json_object_set_new(names, name, json_integer((json_int_t)file->shard_count));
    file->shards[file->shard_count++] = shard;
    return true;
}

/* Each tensor is in the shard that the index says. */
static bool check_map(const struct tensorfile *file, const json_t *map, const json_t *names, char *error, size_t size)
{
    const char *tensor;
    json_t *shard;
    json_object_foreach((json_t *)(uintptr_t)map, tensor, shard) {
        json_int_t i = json_integer_value(json_object_get(names, json_string_value(shard)));
        if (safetensors_find(file->shards[i], tensor))
            continue;
        snprintf(error, size, "cannot read '%.160s': tensor '%.100s' is not in '%.100s'", file->path,
                 safetensors_printable(tensor) ? tensor : "?", json_string_value(shard));
        return false;
    }
    return true;
}

static bool read_map(struct tensorfile *file, const json_t *map, char *error, size_t size)
{
    const char *tensor;
    json_t *shard, *names = json_object();
    bool good = true;
    json_object_foreach((json_t *)(uintptr_t)map, tensor, shard) {
        if (good && !json_is_string(shard)) {
            snprintf(error, size, "cannot read '%.160s': its weight_map names no files", file->path);
            good = false;
        }
        good = good && open_shard(file, json_string_value(shard), names, error, size);
    }
    good = good && check_map(file, map, names, error, size);
    json_decref(names);
    return good;
}

/* A new reference, or NULL with one line in error. */
static json_t *load_index(const struct tensorfile *file, int fd, char *error, size_t size)
{
    struct mapping m;
    json_error_t fault;
    json_t *index = NULL;
    const char *why = mapping_open_fd(&m, fd);
    if (why)
        snprintf(error, size, "cannot read '%.160s': %s", file->path, why);
    else if (m.size > INDEX_MOST)
        snprintf(error, size, "cannot read '%.160s': an index has at most %d MiB", file->path, INDEX_MOST >> 20);
    else if (!(index = json_loadb((const char *)m.bytes, m.size, JSON_REJECT_DUPLICATES, &fault)))
        snprintf(error, size, "cannot read '%.160s': it begins like an index, but line %d is not valid JSON",
                 file->path, fault.line);
    mapping_close(&m);
    return index;
}

static bool open_index(struct tensorfile *file, int fd, char *error, size_t size)
{
    json_t *index = load_index(file, fd, error, size);
    const json_t *map = json_object_get(index, "weight_map");
    bool good = json_object_size(map) > 0;
    if (index && !good)
        snprintf(error, size, "cannot read '%.160s': it is JSON, but no index with a weight_map", file->path);
    file->shards = good ? calloc(SHARDS_MOST, sizeof *file->shards) : NULL;
    if (good && !file->shards)
        snprintf(error, size, "cannot read '%.160s': out of memory", file->path);
    good = file->shards && read_map(file, map, error, size);
    snprintf(file->kind, sizeof file->kind, "safetensors, %zu shards", file->shard_count);
    json_decref(index);
    return good;
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

static bool open_single(struct tensorfile *file, int fd, char *error, size_t size)
{
    file->shards = calloc(1, sizeof *file->shards);
    if (file->shards)
        file->shards[0] = safetensors_open_fd(fd, file->path, error, size);
    file->shard_count = file->shards && file->shards[0];
    snprintf(file->kind, sizeof file->kind, "safetensors");
    return file->shard_count > 0;
}

static bool open_any(struct tensorfile *file, int fd, char *error, size_t size)
{
    char magic[16] = "";
    ssize_t got = pread(fd, magic, sizeof magic, 0);
    size_t n = got > 0 ? (size_t)got : 0;
    if (npy_is(magic, n)) {
        snprintf(file->kind, sizeof file->kind, "NumPy array");
        return (file->npy = npy_open_fd(fd, file->path, error, size)) != NULL;
    }
    if (gguf_is(magic, n)) {
        snprintf(file->kind, sizeof file->kind, "GGUF");
        return (file->gguf = gguf_open_fd(fd, file->path, error, size)) != NULL;
    }
    if (n && magic[0] == '{' && !memchr(magic, '\0', n)) /* the length of a header of 123 bytes begins so too */
        return open_index(file, fd, error, size);
    return open_single(file, fd, error, size);
}

static int by_name(const void *left, const void *right)
{
    return strcmp((*(const struct safetensor *const *)left)->name, (*(const struct safetensor *const *)right)->name);
}

/* Sorts them by name; no two shards have the same. */
static bool name_tensors(struct tensorfile *file, char *error, size_t size)
{
    memcpy(file->named, file->tensor, file->count * sizeof *file->named);
    qsort(file->named, file->count, sizeof *file->named, by_name);
    for (size_t i = 1; i < file->count; i++)
        if (strcmp(file->named[i]->name, file->named[i - 1]->name) == 0) {
            snprintf(error, size, "cannot read '%.160s': two shards hold a tensor '%.100s'", file->path,
                     file->named[i]->name);
            return false;
        }
    return true;
}

static bool list_tensors(struct tensorfile *file, char *error, size_t size)
{
    size_t most = file->npy ? 1 : file->gguf ? gguf_count(file->gguf) : 0;
    for (size_t s = 0; s < file->shard_count; s++)
        most += safetensors_count(file->shards[s]);
    file->tensor = malloc((most + 1) * sizeof *file->tensor);
    file->named = malloc((most + 1) * sizeof *file->named);
    if (!file->tensor || !file->named) {
        snprintf(error, size, "cannot read '%.200s': out of memory", file->path);
        return false;
    }
    if (file->npy)
        file->tensor[file->count++] = npy_tensor(file->npy);
    for (size_t i = 0; file->gguf && i < gguf_count(file->gguf); i++)
        file->tensor[file->count++] = gguf_at(file->gguf, i);
    for (size_t s = 0; s < file->shard_count; s++)
        for (size_t i = 0; i < safetensors_count(file->shards[s]); i++)
            file->tensor[file->count++] = safetensors_at(file->shards[s], i);
    return name_tensors(file, error, size);
}

struct tensorfile *tensorfile_open(const char *path, char *error, size_t size)
{
    struct tensorfile *file = calloc(1, sizeof *file);
    int fd = infile_fd(path);
    if (fd < 0 || !file)
        snprintf(error, size, "cannot read '%.200s': %s", path, fd < 0 ? strerror(errno) : "out of memory");
    if (file)
        snprintf(file->path, sizeof file->path, "%s", path); /* it was opened: it fits */
    if (fd < 0 || !file || !open_any(file, fd, error, size) || !list_tensors(file, error, size)) {
        tensorfile_close(file);
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
    for (size_t s = 0; s < file->shard_count; s++)
        safetensors_close(file->shards[s]);
    free(file->shards);
    gguf_close(file->gguf);
    npy_close(file->npy);
    free(file->tensor);
    free(file->named);
    free(file);
}

/* --- looking inside ----------------------------------------------------------------------------------------------- */

size_t tensorfile_count(const struct tensorfile *file)
{
    return file->count;
}

const struct safetensor *tensorfile_at(const struct tensorfile *file, size_t i)
{
    return file->tensor[i];
}

const char *tensorfile_kind(const struct tensorfile *file)
{
    return file->kind;
}

const struct gguf_entry *tensorfile_entry(const struct tensorfile *file, size_t i)
{
    return file->gguf ? gguf_entry(file->gguf, i) : NULL;
}

static void unknown_tensor(const struct tensorfile *file, const char *name, char *error, size_t size)
{
    const char **names = malloc((file->count + 1) * sizeof *names), *nearest = NULL;
    for (size_t i = 0; names && i < file->count; i++)
        names[i] = file->tensor[i]->name;
    if (names && file->count)
        nearest = schema_nearest(name, names, file->count);
    if (nearest)
        snprintf(error, size, "no tensor '%.120s' in '%.160s', did you mean '%.120s'?", name, file->path, nearest);
    else
        snprintf(error, size, "no tensor '%.120s' in '%.160s', it has %zu, such as '%.120s'", name, file->path,
                 file->count, file->count ? file->tensor[0]->name : "");
    free(names);
}

const struct safetensor *tensorfile_find(const struct tensorfile *file, const char *name, char *error, size_t size)
{
    bool named = name && *name;
    if (file->npy || (!named && file->count == 1))
        return file->tensor[0];
    const struct safetensor wanted = { .name = named ? name : "" }, *key = &wanted;
    const struct safetensor **found = bsearch(&key, file->named, file->count, sizeof *file->named, by_name);
    if (found)
        return *found;
    if (named)
        unknown_tensor(file, name, error, size);
    else
        snprintf(error, size, "'%.160s' has %zu tensors, name one%s%.120s%s", file->path, file->count,
                 file->count ? ", such as '" : "", file->count ? file->tensor[0]->name : "", file->count ? "'" : "");
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
