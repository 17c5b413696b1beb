/* npy.c: .npy files. Layout: 6 bytes of magic, version, header length (2 bytes, from version 2 on 4), a Python
 * dictionary (descr '<f4', fortran_order False, shape (3, 4)), data. Source: the manual of numpy.lib.format. */
#include "engine/npy.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/mapping.h"

enum { MAGIC = 6, HEADER_MOST = 1 << 16 };

struct npy {
    struct mapping    map;       /* the whole file */
    struct safetensor tensor;
    const char       *name;      /* these three serve messages while opening */
    char             *error;
    size_t            error_size;
};

static bool fail(struct npy *file, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Always false. */
static bool fail(struct npy *file, const char *format, ...)
{
    char why[256];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    snprintf(file->error, file->error_size, "cannot read '%.160s': %s", file->name, why);
    return false;
}

bool npy_is(const void *bytes, size_t count)
{
    return count >= MAGIC && memcmp(bytes, "\x93NUMPY", MAGIC) == 0;
}

/* --- the header --------------------------------------------------------------------------------------------------- */

/* NumPy's names of the types that are read; the byte order stands before them. */
static const struct {
    const char *descr, *dtype;
} types[] = {
    { "f8", "F64" }, { "f4", "F32" }, { "f2", "F16" }, { "i8", "I64" }, { "i4", "I32" }, { "i2", "I16" },
    { "i1", "I8" },  { "u8", "U64" }, { "u4", "U32" }, { "u2", "U16" }, { "u1", "U8" },  { "b1", "BOOL" },
};

struct cursor {
    const char *at, *end;
};

static void skip_blanks(struct cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n'))
        c->at++;
}

static bool take(struct cursor *c, const char *text)
{
    size_t n = strlen(text);
    skip_blanks(c);
    if ((size_t)(c->end - c->at) < n || memcmp(c->at, text, n) != 0)
        return false;
    c->at += n;
    return true;
}

/* A quoted word without quotes or backslashes in it. */
static bool take_word(struct cursor *c, char *word, size_t room)
{
    size_t n = 0;
    if (!take(c, "'"))
        return false;
    while (c->at < c->end && *c->at != '\'' && *c->at >= ' ' && *c->at <= '~' && *c->at != '\\' && n + 1 < room)
        word[n++] = *c->at++;
    word[n] = '\0';
    return c->at < c->end && *c->at++ == '\'';
}

static bool take_number(struct cursor *c, uint64_t *number)
{
    skip_blanks(c);
    const char *first = c->at;
    for (*number = 0; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++)
        if (__builtin_mul_overflow(*number, 10, number) ||
            __builtin_add_overflow(*number, (uint64_t)(*c->at - '0'), number))
            return false;
    return c->at > first;
}

static bool read_type(struct npy *file, struct cursor *c)
{
    char descr[24];
    if (!take_word(c, descr, sizeof descr))
        return fail(file, "its type is not that of plain numbers");
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strchr("<|=", descr[0]) && descr[0] && strcmp(descr + 1, types[i].descr) == 0)
            file->tensor.dtype = safetensors_dtype(types[i].dtype);
    if (descr[0] == '>')
        return fail(file, "its numbers are big-endian, save them with .astype('<f4')");
    if (!file->tensor.dtype)
        return fail(file, "its type '%s' is not read, save it with .astype('float32')", descr);
    return true;
}

static bool read_shape(struct npy *file, struct cursor *c)
{
    struct safetensor *tensor = &file->tensor;
    if (!take(c, "("))
        return fail(file, "its shape is missing");
    while (!take(c, ")")) {
        if (tensor->rank == SAFETENSORS_RANK)
            return fail(file, "it has more than %d dimensions", SAFETENSORS_RANK);
        if (!take_number(c, &tensor->shape[tensor->rank++]))
            return fail(file, "its shape is not all whole numbers from 0 up");
        if (!take(c, ",") && !(take(c, ")") && (c->at--, true)))
            return fail(file, "its shape does not end");
    }
    return true;
}

static bool read_entry(struct npy *file, struct cursor *c, unsigned *seen)
{
    char key[24];
    if (!take_word(c, key, sizeof key) || !take(c, ":"))
        return fail(file, "its header is not the dictionary that NumPy writes");
    if (strcmp(key, "descr") == 0)
        return *seen |= 1, read_type(file, c);
    if (strcmp(key, "shape") == 0 && !(*seen & 2))
        return *seen |= 2, read_shape(file, c);
    if (strcmp(key, "fortran_order") != 0)
        return fail(file, "its header has the key '%s', which NumPy does not write", key);
    *seen |= 4;
    if (take(c, "True"))
        return fail(file, "its columns come first (Fortran order), save it with numpy.ascontiguousarray");
    return take(c, "False") || fail(file, "its fortran_order is neither True nor False");
}

static bool read_dictionary(struct npy *file, struct cursor c)
{
    unsigned seen = 0;
    if (!take(&c, "{"))
        return fail(file, "its header is not the dictionary that NumPy writes");
    while (!take(&c, "}")) {
        if (!read_entry(file, &c, &seen))
            return false;
        take(&c, ",");
    }
    skip_blanks(&c);
    if (seen != 7 || c.at != c.end)
        return fail(file, "its header is not the dictionary that NumPy writes");
    return true;
}

static bool read_file(struct npy *file)
{
    const uint8_t *b = file->map.bytes;
    struct safetensor *tensor = &file->tensor;
    if (!npy_is(b, file->map.size) || file->map.size < 12)
        return fail(file, "it is no .npy file");
    size_t wide = b[6] == 1 ? 2 : 4, start = 8 + wide, length = b[8] | (size_t)b[9] << 8;
    if (b[6] < 1 || b[6] > 3)
        return fail(file, "it is of version %d of the format, 1 to 3 are read", b[6]);
    if (wide == 4)
        length |= (size_t)b[10] << 16 | (size_t)b[11] << 24;
    if (length > HEADER_MOST || length > file->map.size - start)
        return fail(file, "its header claims %zu bytes", length);
    if (!read_dictionary(file, (struct cursor){ (const char *)b + start, (const char *)b + start + length }))
        return false;
    tensor->name = "";
    tensor->bytes = tensor->dtype->bytes;
    for (int i = 0; i < tensor->rank; i++)
        if (__builtin_mul_overflow(tensor->bytes, tensor->shape[i], &tensor->bytes))
            return fail(file, "its shape is of more than 2^64 bytes");
    tensor->count = tensor->bytes / tensor->dtype->bytes;
    tensor->data = b + start + length;
    if (tensor->bytes != file->map.size - start - length)
        return fail(file, "it holds %zu bytes, but its shape needs %" PRIu64, file->map.size - start - length,
                    tensor->bytes);
    return true;
}

/* --- opening and closing ------------------------------------------------------------------------------------------ */

/* Takes the mapping, on failure too, and checks everything in it; `why` is what kept it from being made, or NULL. */
static struct npy *open_mapping(struct mapping m, const char *why, const char *name, char *error, size_t size)
{
    struct npy *file = why ? NULL : malloc(sizeof *file);
    struct npy local = { .map = m, .name = name, .error = error, .error_size = size };
    if (!file) {
        fail(&local, "%s", why ? why : "out of memory");
        mapping_close(&m);
        return NULL;
    }
    *file = local;
    if (!read_file(file)) {
        npy_close(file);
        return NULL;
    }
    file->name = NULL;
    file->error = NULL;
    return file;
}

struct npy *npy_open_memory(const void *data, size_t bytes, const char *name, char *error, size_t size)
{
    return open_mapping(mapping_of(data, bytes), NULL, name, error, size);
}

struct npy *npy_open_fd(int fd, const char *name, char *error, size_t size)
{
    struct mapping m;
    const char *why = mapping_open_fd(&m, fd);
    return open_mapping(m, why, name, error, size);
}

struct npy *npy_open(const char *path, char *error, size_t size)
{
    struct mapping m;
    const char *why = mapping_open(&m, path);
    return open_mapping(m, why, path, error, size);
}

void npy_close(struct npy *file)
{
    if (!file)
        return;
    mapping_close(&file->map);
    free(file);
}

const struct safetensor *npy_tensor(const struct npy *file)
{
    return &file->tensor;
}
