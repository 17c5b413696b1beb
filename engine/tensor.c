/* tensor: the named sample tensors, and a lesson's own files, as float matrices.
 * Files of the index stay mapped once opened, and their checksums are compared once.
 * A lesson may only name plain files beneath its own folder: each step of the path is opened without links. */
#include "engine/tensor.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "engine/schema.h"

/* One line of the index. Its texts belong to the JSON. */
struct sample {
    const char         *name, *file, *tensor, *sha256, *title;
    struct safetensors *opened;  /* NULL until first used; samples of one file share it */
    bool                verified;
};

struct tensors {
    char          *folder;       /* lessons/tensors of the data folder */
    json_t        *json;
    struct sample *sample;
    size_t         count;
};

/* ---- the index -------------------------------------------------------------------------------- */

static const struct object index_entry = { "sample tensor", (const struct field[]){
    { .name = "file", .type = FIELD_STRING, .flags = FIELD_REQUIRED, .max = 128, .help = "beside the index" },
    { .name = "tensor", .type = FIELD_STRING, .flags = FIELD_REQUIRED, .max = 128, .help = "its name in the file" },
    { .name = "sha256", .type = FIELD_STRING, .flags = FIELD_REQUIRED, .max = 64, .help = "of its bytes, in hex" },
    { .name = "title", .type = FIELD_STRING, .flags = FIELD_REQUIRED, .max = 127, .help = "what it is" },
    { .name = "license", .type = FIELD_STRING, .flags = FIELD_REQUIRED, .max = 64, .help = "its SPDX name" },
    { .name = "source", .type = FIELD_STRING, .flags = FIELD_REQUIRED, .max = 256, .help = "where it comes from" },
    { .name = NULL } },
    "a tensor that lessons can name" };

static const char *text(const json_t *entry, const char *key)
{
    return json_string_value(json_object_get(entry, key));
}

static bool read_index(struct tensors *tensors, char *error, size_t size)
{
    const char *name;
    json_t *entry;
    char reason[256];

    tensors->sample = calloc(json_object_size(tensors->json) + 1, sizeof *tensors->sample);
    if (!tensors->sample) {
        snprintf(error, size, "cannot read the sample tensors: out of memory");
        return false;
    }
    json_object_foreach(tensors->json, name, entry) {
        if (!schema_check(entry, &index_entry, reason, sizeof reason)) {
            snprintf(error, size, "cannot use '%s/index.json': '%.80s': %s; install again", tensors->folder, name,
                     reason);
            return false;
        }
        tensors->sample[tensors->count++] = (struct sample){
            .name = name, .file = text(entry, "file"), .tensor = text(entry, "tensor"),
            .sha256 = text(entry, "sha256"), .title = text(entry, "title") };
    }
    return true;
}

static char *join(const char *folder, const char *name)
{
    char *path = malloc(strlen(folder) + strlen(name) + 2);

    if (path)
        sprintf(path, "%s/%s", folder, name);
    return path;
}

struct tensors *tensors_open(const char *data_folder, char *error, size_t size)
{
    struct tensors *tensors = calloc(1, sizeof *tensors);
    char *path = NULL;
    json_error_t fault;

    if (tensors)
        tensors->folder = join(data_folder, "lessons/tensors");
    if (tensors && tensors->folder)
        path = join(tensors->folder, "index.json");
    if (!path) {
        snprintf(error, size, "cannot read the sample tensors: out of memory");
        tensors_close(tensors);
        return NULL;
    }
    tensors->json = json_load_file(path, JSON_REJECT_DUPLICATES, &fault);
    if (!tensors->json || !json_is_object(tensors->json))
        snprintf(error, size, "cannot read '%s': %s; install again or set SAFFRON_DATA", path,
                 tensors->json ? "it is not a JSON object"
                 : json_error_code(&fault) == json_error_cannot_open_file ? strerror(errno) : fault.text);
    free(path);
    if (!json_is_object(tensors->json) || !read_index(tensors, error, size)) {
        tensors_close(tensors);
        return NULL;
    }
    return tensors;
}

/* True if an earlier sample has the same open file, which is then closed there. */
static bool shared(const struct tensors *tensors, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (tensors->sample[j].opened == tensors->sample[i].opened)
            return true;
    return false;
}

void tensors_close(struct tensors *tensors)
{
    if (!tensors)
        return;
    for (size_t i = tensors->count; i-- > 0;)
        if (!shared(tensors, i))
            safetensors_close(tensors->sample[i].opened);
    json_decref(tensors->json);
    free(tensors->sample);
    free(tensors->folder);
    free(tensors);
}

size_t tensors_count(const struct tensors *tensors)
{
    return tensors->count;
}

const char *tensors_name(const struct tensors *tensors, size_t i)
{
    return tensors->sample[i].name;
}

const char *tensors_sha256(const struct tensors *tensors, size_t i)
{
    return tensors->sample[i].sha256;
}

/* ---- from a file to a matrix ------------------------------------------------------------------ */

static const struct safetensor *choose(const struct safetensors *file, const char *file_name, const char *name,
                                       char *error, size_t size)
{
    const struct safetensor *found;

    if (!name && safetensors_count(file) == 1)
        return safetensors_at(file, 0);
    if (!name) {
        snprintf(error, size, "cannot choose a tensor of '%s': it has %zu; write '%s:NAME'", file_name,
                 safetensors_count(file), file_name);
        return NULL;
    }
    found = safetensors_find(file, name);
    if (!found)
        snprintf(error, size, "cannot find tensor '%.80s' in '%s'%s%.80s", name, file_name,
                 safetensors_count(file) ? ", which begins with " : ", which has none",
                 safetensors_count(file) ? safetensors_at(file, 0)->name : "");
    return found;
}

static struct tensor *to_floats(const struct safetensor *stored, const char *name, char *error, size_t size)
{
    struct tensor *tensor;

    if (stored->count == 0 || stored->count > TENSOR_LIMIT) {
        snprintf(error, size, "cannot use tensor '%.80s': it has %" PRIu64 " elements; 1 to %d can be used", name,
                 stored->count, TENSOR_LIMIT);
        return NULL;
    }
    if (!dtype_loads(stored->dtype)) {
        snprintf(error, size, "cannot use tensor '%.80s': values of type %s cannot be decoded here", name,
                 stored->dtype->name);
        return NULL;
    }
    tensor = calloc(1, sizeof *tensor);
    if (tensor)
        tensor->values = malloc(stored->count * sizeof *tensor->values);
    if (!tensor || !tensor->values) {
        snprintf(error, size, "cannot use tensor '%.80s': out of memory", name);
        tensor_free(tensor);
        return NULL;
    }
    tensor->cols = stored->rank ? (size_t)stored->shape[stored->rank - 1] : 1;
    tensor->rows = (size_t)stored->count / tensor->cols;
    safetensor_floats(stored, 0, stored->count, tensor->values);
    snprintf(tensor->name, sizeof tensor->name, "%s", name);
    snprintf(tensor->dtype, sizeof tensor->dtype, "%s", stored->dtype->name);
    return tensor;
}

static void checksum(const struct safetensor *stored, char hex[SHA256_HEX])
{
    uint8_t digest[SHA256_BYTES];

    sha256_of(stored->data, stored->bytes, digest);
    sha256_hex(digest, hex);
}

struct tensor *tensor_read(const struct safetensors *file, const char *file_name, const char *tensor_name,
                           char *error, size_t size)
{
    const struct safetensor *stored = choose(file, file_name, tensor_name, error, size);
    struct tensor *tensor = stored ? to_floats(stored, stored->name, error, size) : NULL;

    if (tensor)
        checksum(stored, tensor->sha256);
    return tensor;
}

void tensor_free(struct tensor *tensor)
{
    if (!tensor)
        return;
    free(tensor->values);
    free(tensor);
}

/* ---- samples ---------------------------------------------------------------------------------- */

/* The file of a sample, opened at most once for all samples in it. */
static struct safetensors *sample_file(struct tensors *tensors, struct sample *sample, char *error, size_t size)
{
    char *path;

    for (size_t i = 0; !sample->opened && i < tensors->count; i++)
        if (strcmp(tensors->sample[i].file, sample->file) == 0)
            sample->opened = tensors->sample[i].opened;
    if (sample->opened)
        return sample->opened;
    path = join(tensors->folder, sample->file);
    if (!path) {
        snprintf(error, size, "cannot read '%s': out of memory", sample->file);
        return NULL;
    }
    sample->opened = safetensors_open(path, error, size);
    free(path);
    return sample->opened;
}

static struct tensor *open_sample(struct tensors *tensors, struct sample *sample, char *error, size_t size)
{
    const struct safetensors *file = sample_file(tensors, sample, error, size);
    const struct safetensor *stored = file ? choose(file, sample->file, sample->tensor, error, size) : NULL;
    struct tensor *tensor;
    char hex[SHA256_HEX];

    if (!stored)
        return NULL;
    if (!sample->verified) {
        checksum(stored, hex);
        sample->verified = strcmp(hex, sample->sha256) == 0;
    }
    if (!sample->verified) {
        snprintf(error, size, "cannot use tensor '%s': its bytes do not match the checksum in index.json; "
                 "install again", sample->name);
        return NULL;
    }
    tensor = to_floats(stored, sample->name, error, size);
    if (tensor) {
        snprintf(tensor->title, sizeof tensor->title, "%s", sample->title);
        snprintf(tensor->sha256, sizeof tensor->sha256, "%s", sample->sha256);
    }
    return tensor;
}

static void suggest(const struct tensors *tensors, const char *name, char *error, size_t size)
{
    const char **names = calloc(tensors->count + 1, sizeof *names);
    const char *nearest = NULL;

    for (size_t i = 0; names && i < tensors->count; i++)
        names[i] = tensors->sample[i].name;
    if (names)
        nearest = schema_nearest(name, names, tensors->count);
    if (nearest)
        snprintf(error, size, "no tensor '%.80s'; did you mean '%s'?", name, nearest);
    else
        snprintf(error, size, "no tensor '%.80s'; '%s' is one, and './NAME.safetensors' is a file beside the lesson",
                 name, tensors->count ? tensors->sample[0].name : "none");
    free(names);
}

/* ---- a lesson's own files --------------------------------------------------------------------- */

/* Open path ("a/b.safetensors") beneath folder one step at a time, so that no link leads out of it.
 * -1 with errno set; EPERM for "..", an empty step or an absolute path. */
static int open_beneath(const char *folder, const char *path)
{
    int at = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    while (at >= 0) {
        char step[NAME_MAX + 1];
        size_t length = strcspn(path, "/");
        bool last = path[length] == 0;
        int next = -1, reason;

        if (length == 0 || length > NAME_MAX || strncmp(path, "..", length) == 0) {
            errno = EPERM;
        } else {
            memcpy(step, path, length);
            step[length] = 0;
            next = openat(at, step, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | (last ? 0 : O_DIRECTORY));
        }
        reason = errno;
        close(at);
        errno = reason;
        if (next < 0 || last)
            return next;
        at = next;
        path += length + 1;
    }
    return -1;
}

/* name is "./file" or "./file:tensor". */
static struct tensor *open_beside(const char *name, const char *folder, char *error, size_t size)
{
    char file_name[512];
    const char *colon = strstr(name, ".safetensors:");
    const char *tensor_name = colon ? colon + strlen(".safetensors:") : NULL;
    struct safetensors *file;
    struct tensor *tensor;
    int fd;

    if (snprintf(file_name, sizeof file_name, "%.*s", colon ? (int)(tensor_name - 1 - name) : INT_MAX, name) >=
        (int)sizeof file_name) {
        snprintf(error, size, "cannot read '%.40s...': its name is too long", name);
        return NULL;
    }
    fd = open_beneath(folder, file_name + 2);
    if (fd < 0) {
        snprintf(error, size, "cannot read '%s': %s", file_name,
                 errno == EPERM || errno == ELOOP || errno == ENOTDIR
                     ? "a lesson reads only files in its own folder, without '..' and links" : strerror(errno));
        return NULL;
    }
    file = safetensors_open_fd(fd, file_name, error, size);
    close(fd);
    if (!file)
        return NULL;
    tensor = tensor_read(file, file_name, tensor_name, error, size);
    safetensors_close(file);
    if (tensor)
        snprintf(tensor->name, sizeof tensor->name, "%s", name);
    return tensor;
}

struct tensor *tensor_open(struct tensors *tensors, const char *name, const char *lesson_folder, char *error,
                           size_t size)
{
    if (strncmp(name, "./", 2) == 0 && lesson_folder)
        return open_beside(name, lesson_folder, error, size);
    if (strncmp(name, "./", 2) == 0 || *name == '/' || strncmp(name, "..", 2) == 0) {
        snprintf(error, size, "cannot read '%.80s': a lesson reads only files in its own folder, as './NAME'", name);
        return NULL;
    }
    for (size_t i = 0; i < tensors->count; i++)
        if (strcmp(tensors->sample[i].name, name) == 0)
            return open_sample(tensors, &tensors->sample[i], error, size);
    suggest(tensors, name, error, size);
    return NULL;
}
