/* npy.c: .npy files. Layout: 6 bytes of magic, version, header length (2 bytes, from version 2 on 4), a Python
 * dictionary (descr '<f4', fortran_order False, shape (3, 4)), data. Source: the manual of numpy.lib.format. */
#include "engine/npy.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAGIC = 6, HEADER_MOST = 1 << 16 };

struct npy {
    const uint8_t    *bytes;
    size_t            size;
    bool              mapped;
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
    const uint8_t *b = file->bytes;
    struct safetensor *tensor = &file->tensor;
    if (!npy_is(b, file->size) || file->size < 12)
        return fail(file, "it is no .npy file");
    size_t wide = b[6] == 1 ? 2 : 4, start = 8 + wide, length = b[8] | (size_t)b[9] << 8;
    if (b[6] < 1 || b[6] > 3)
        return fail(file, "it is of version %d of the format, 1 to 3 are read", b[6]);
    if (wide == 4)
        length |= (size_t)b[10] << 16 | (size_t)b[11] << 24;
    if (length > HEADER_MOST || length > file->size - start)
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
    if (tensor->bytes != file->size - start - length)
        return fail(file, "it holds %zu bytes, but its shape needs %" PRIu64, file->size - start - length,
                    tensor->bytes);
    return true;
}

/* --- opening and closing ------------------------------------------------------------------------------------------ */

static struct npy *open_bytes(const void *bytes, size_t count, bool mapped, const char *name, char *error, size_t size)
{
    struct npy *file = malloc(sizeof *file);
    struct npy local = { .bytes = bytes, .size = count, .mapped = mapped, .name = name, .error = error,
                         .error_size = size };
    if (!file) {
        fail(&local, "out of memory");
        if (mapped)
            munmap((void *)(uintptr_t)bytes, count);
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
    return open_bytes(data, bytes, false, name, error, size);
}

struct npy *npy_open_fd(int fd, const char *name, char *error, size_t size)
{
    struct npy teller = { .name = name, .error = error, .error_size = size };
    struct stat info;
    if (fstat(fd, &info) < 0 || !S_ISREG(info.st_mode)) {
        fail(&teller, "it is not a plain file");
        return NULL;
    }
    if (info.st_size < MAGIC)
        return open_bytes("", 0, false, name, error, size);
    void *bytes = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED) {
        fail(&teller, "%s", strerror(errno));
        return NULL;
    }
    return open_bytes(bytes, (size_t)info.st_size, true, name, error, size);
}

struct npy *npy_open(const char *path, char *error, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct npy *file = NULL;
    if (fd < 0)
        fail(&(struct npy){ .name = path, .error = error, .error_size = size }, "%s", strerror(errno));
    else
        file = npy_open_fd(fd, path, error, size);
    if (fd >= 0)
        close(fd);
    return file;
}

void npy_close(struct npy *file)
{
    if (!file)
        return;
    if (file->mapped)
        munmap((void *)(uintptr_t)file->bytes, file->size);
    free(file);
}

const struct safetensor *npy_tensor(const struct npy *file)
{
    return &file->tensor;
}
