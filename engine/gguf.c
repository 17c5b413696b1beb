/* gguf.c: GGUF files. Layout, all little-endian: magic, version, tensor count, entry count; entries (key, type, value);
 * tensors (name, dimensions, type, offset); then the data from the next multiple of general.alignment on. Source:
 * github.com/ggml-org/ggml, docs/gguf.md. */
#include "engine/gguf.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/mapping.h"
#include "kernels/ggml.h"

enum {
    MAGIC        = 4,
    TENSORS_MOST = 1 << 20,
    ENTRIES_MOST = 1 << 16,
    ENTRIES_KEPT = 512,
    DEPTH_MOST   = 4,      /* arrays of arrays */
    ALIGNMENT    = 32,     /* unless the file says otherwise */
    TYPES_MOST   = 64,
};

struct gguf {
    struct mapping     map;      /* the whole file */
    struct safetensor *tensor;
    size_t             count;
    struct gguf_entry *entry;
    size_t             entry_count;
    uint64_t           alignment;
    const char        *name;       /* these three serve messages while opening */
    char              *error;
    size_t             error_size;
};

static bool fail(struct gguf *file, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Always false. */
static bool fail(struct gguf *file, const char *format, ...)
{
    char why[320];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    snprintf(file->error, file->error_size, "cannot read '%.160s': %s", file->name, why);
    return false;
}

bool gguf_is(const void *bytes, size_t count)
{
    return count >= MAGIC && memcmp(bytes, "GGUF", MAGIC) == 0;
}

/* --- numbers and strings ------------------------------------------------------------------------------------------ */

struct cursor {
    struct gguf *file;
    size_t       at;
};

static size_t left(const struct cursor *c)
{
    return c->file->map.size - c->at;
}

/* The next `bytes` bytes into out; false, and said, at the end of the file. */
static bool take(struct cursor *c, void *out, size_t bytes, const char *what)
{
    if (left(c) < bytes)
        return fail(c->file, "it ends within %s, at byte %zu", what, c->file->map.size);
    memcpy(out, c->file->map.bytes + c->at, bytes);
    c->at += bytes;
    return true;
}

/* A string of at most `most` bytes, copied; longer ones and those that cannot be shown are refused. */
static char *take_name(struct cursor *c, uint64_t most, const char *what)
{
    uint64_t length = 0;
    if (!take(c, &length, sizeof length, what))
        return NULL;
    if (length == 0 || length > most || length > left(c)) {
        fail(c->file, "%s at byte %zu claims %" PRIu64 " bytes", what, c->at, length);
        return NULL;
    }
    char *text = malloc((size_t)length + 1);
    if (!text) {
        fail(c->file, "out of memory");
        return NULL;
    }
    memcpy(text, c->file->map.bytes + c->at, (size_t)length);
    text[length] = '\0';
    c->at += (size_t)length;
    if (strlen(text) == length && safetensors_printable(text))
        return text;
    fail(c->file, "%s that ends at byte %zu is not printable", what, c->at);
    free(text);
    return NULL;
}

/* --- entries ------------------------------------------------------------------------------------------------------ */

enum value_type { STRING = 8, ARRAY = 9, VALUE_TYPES = 13 };

/* Bytes of a value; 0: of its own length. */
static const uint8_t value_bytes[VALUE_TYPES] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };

static void print_value(const uint8_t *b, uint32_t type, char *out, size_t size)
{
    uint64_t bits = 0;
    float f;
    double d;
    memcpy(&bits, b, value_bytes[type]);
    memcpy(&f, b, value_bytes[type] >= sizeof f ? sizeof f : 0);
    memcpy(&d, b, value_bytes[type] >= sizeof d ? sizeof d : 0);
    switch (type) {
    case 1:  snprintf(out, size, "%d", (int8_t)bits); break;
    case 3:  snprintf(out, size, "%d", (int16_t)bits); break;
    case 5:  snprintf(out, size, "%" PRId32, (int32_t)bits); break;
    case 6:  snprintf(out, size, "%.6g", (double)f); break;
    case 7:  snprintf(out, size, "%s", bits ? "true" : "false"); break;
    case 11: snprintf(out, size, "%" PRId64, (int64_t)bits); break;
    case 12: snprintf(out, size, "%.9g", d); break;
    default: snprintf(out, size, "%" PRIu64, bits); break;
    }
}

/* What of a string can be shown; the file may hold anything there. */
static void print_string(const uint8_t *b, size_t length, char *out, size_t size)
{
    size_t n = length < size - 1 ? length : size - 1;
    memcpy(out, b, n);
    out[n] = '\0';
    while (n > 0 && !safetensors_printable(out))
        out[--n] = '\0';
}

static bool skip_value(struct cursor *c, uint32_t type, int depth, char *out, size_t size);

static bool skip_string(struct cursor *c, char *out, size_t size)
{
    uint64_t length = 0;
    if (!take(c, &length, sizeof length, "a string"))
        return false;
    if (length > left(c))
        return fail(c->file, "a string at byte %zu claims %" PRIu64 " bytes", c->at, length);
    if (size)
        print_string(c->file->map.bytes + c->at, (size_t)length, out, size);
    c->at += (size_t)length;
    return true;
}

static bool skip_array(struct cursor *c, int depth, char *out, size_t size)
{
    uint32_t type = 0;
    uint64_t count = 0;
    if (!take(c, &type, sizeof type, "an array") || !take(c, &count, sizeof count, "an array"))
        return false;
    if (type >= VALUE_TYPES || depth == DEPTH_MOST)
        return fail(c->file, "an array before byte %zu is of the unknown type %" PRIu32, c->at, type);
    if (size)
        snprintf(out, size, "%" PRIu64 " values", count);
    uint64_t least = value_bytes[type] ? value_bytes[type] : 8;
    if (count > left(c) / least)
        return fail(c->file, "an array at byte %zu claims %" PRIu64 " values", c->at, count);
    if (value_bytes[type]) {
        c->at += (size_t)count * value_bytes[type];
        return true;
    }
    for (uint64_t i = 0; i < count; i++)
        if (!skip_value(c, type, depth + 1, NULL, 0))
            return false;
    return true;
}

/* Moves past a value; with `size` also its text to out. */
static bool skip_value(struct cursor *c, uint32_t type, int depth, char *out, size_t size)
{
    uint8_t bytes[8] = { 0 };
    if (type >= VALUE_TYPES)
        return fail(c->file, "an entry before byte %zu is of the unknown type %" PRIu32, c->at, type);
    if (type == STRING)
        return skip_string(c, out, size);
    if (type == ARRAY)
        return skip_array(c, depth, out, size);
    if (!take(c, bytes, value_bytes[type], "an entry"))
        return false;
    if (size)
        print_value(bytes, type, out, size);
    return true;
}

/* general.alignment, an unsigned number. */
static bool read_alignment(struct gguf *file, const char *text)
{
    file->alignment = strtoull(text, NULL, 10);
    if (file->alignment == 0 || file->alignment > 1 << 20 || (file->alignment & (file->alignment - 1)) != 0)
        return fail(file, "its general.alignment '%s' is no power of two up to 1048576", text);
    return true;
}

static bool read_entry(struct cursor *c)
{
    struct gguf *file = c->file;
    struct gguf_entry entry = { .key = take_name(c, 65535, "a key") };
    uint32_t type = 0;
    bool done = entry.key && take(c, &type, sizeof type, "an entry") &&
                skip_value(c, type, 0, entry.text, sizeof entry.text);
    if (done && strcmp(entry.key, "general.alignment") == 0)
        done = read_alignment(file, entry.text);
    if (done && file->entry_count < ENTRIES_KEPT)
        file->entry[file->entry_count++] = entry;
    else
        free((char *)(uintptr_t)entry.key);
    return done;
}

/* --- tensors ------------------------------------------------------------------------------------------------------ */

/* A type of ggml.h as an element type of safetensors.h; made once, the same for all files. */
static const struct dtype *dtype_of(uint32_t id)
{
    static struct dtype known[TYPES_MOST];
    const struct ggml_type *type = ggml_find(id);
    if (!type || id >= TYPES_MOST)
        return NULL;
    if (type->values == 1)
        return safetensors_dtype(type->name);
    known[id] = (struct dtype){ .name = type->name, .bytes = type->bytes, .values = type->values,
                                .block = type->decode };
    return &known[id];
}

static bool read_shape(struct cursor *c, struct safetensor *tensor)
{
    uint32_t rank = 0;
    if (!take(c, &rank, sizeof rank, "a tensor"))
        return false;
    if (rank > SAFETENSORS_RANK)
        return fail(c->file, "tensor '%s' has %" PRIu32 " dimensions; at most %d are read", tensor->name, rank,
                    SAFETENSORS_RANK);
    tensor->rank = (int)rank;
    tensor->count = 1;
    for (int i = tensor->rank - 1; i >= 0; i--) {
        if (!take(c, &tensor->shape[i], sizeof tensor->shape[i], "a tensor"))
            return false;
        if (__builtin_mul_overflow(tensor->count, tensor->shape[i], &tensor->count))
            return fail(c->file, "tensor '%s' has a shape of more than 2^64 values", tensor->name);
    }
    return true;
}

/* Bytes from the type: rows are whole blocks. */
static bool read_type(struct cursor *c, struct safetensor *tensor)
{
    uint32_t id = 0;
    if (!take(c, &id, sizeof id, "a tensor"))
        return false;
    tensor->dtype = dtype_of(id);
    if (!tensor->dtype)
        return fail(c->file, "tensor '%s' is of type %" PRIu32 ", which is not known here", tensor->name, id);
    uint64_t row = tensor->rank ? tensor->shape[tensor->rank - 1] : 1, values = tensor->dtype->values;
    values = values ? values : 1;
    if (row % values != 0)
        return fail(c->file, "tensor '%s' has rows of %" PRIu64 " values, no multiple of the %u of %s", tensor->name,
                    row, tensor->dtype->values, tensor->dtype->name);
    if (__builtin_mul_overflow(tensor->count / values, (uint64_t)tensor->dtype->bytes, &tensor->bytes))
        return fail(c->file, "tensor '%s' has a shape of more than 2^64 bytes", tensor->name);
    return true;
}

/* The offset counts from where the data begin, which is known after the last tensor. */
static bool read_tensor(struct cursor *c, uint64_t *offset)
{
    struct safetensor *tensor = &c->file->tensor[c->file->count];
    tensor->name = take_name(c, SAFETENSORS_NAME, "a tensor's name");
    if (!tensor->name)
        return false;
    c->file->count++;
    return read_shape(c, tensor) && read_type(c, tensor) && take(c, offset, sizeof *offset, "a tensor");
}

static bool place(struct gguf *file, struct safetensor *tensor, uint64_t start, uint64_t offset)
{
    uint64_t room = start < file->map.size ? file->map.size - start : 0;
    if (offset % file->alignment != 0)
        return fail(file, "tensor '%s' begins at %" PRIu64 ", no multiple of %" PRIu64, tensor->name, offset,
                    file->alignment);
    if (offset > room || tensor->bytes > room - offset)
        return fail(file, "tensor '%s' ends past the end of the file: %" PRIu64 " bytes from %" PRIu64 " of %" PRIu64,
                    tensor->name, tensor->bytes, offset, room);
    tensor->data = tensor->bytes ? file->map.bytes + start + offset : file->map.bytes;
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const struct safetensor *const *)a)->name, (*(const struct safetensor *const *)b)->name);
}

static int by_place(const void *a, const void *b)
{
    const struct safetensor *x = a, *y = b;
    return x->data != y->data ? (x->data < y->data ? -1 : 1) : (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

/* No two tensors share a name or a byte. Sorts them by place. */
static bool check_apart(struct gguf *file)
{
    const struct safetensor **sorted = malloc((file->count + 1) * sizeof *sorted);
    bool good = sorted || fail(file, "out of memory");
    qsort(file->tensor, file->count, sizeof *file->tensor, by_place);
    for (size_t i = 0; good && i < file->count; i++)
        sorted[i] = &file->tensor[i];
    if (good)
        qsort(sorted, file->count, sizeof *sorted, by_name);
    for (size_t i = 1; good && i < file->count; i++)
        if (strcmp(sorted[i]->name, sorted[i - 1]->name) == 0)
            good = fail(file, "it has two tensors '%s'", sorted[i]->name);
    free(sorted);
    const struct safetensor *last = NULL;
    for (size_t i = 0; good && i < file->count; i++) {
        const struct safetensor *t = &file->tensor[i];
        if (last && t->bytes && t->data < last->data + last->bytes)
            good = fail(file, "tensor '%s' overlaps '%s'", t->name, last->name);
        last = t->bytes ? t : last;
    }
    return good;
}

static bool read_tensors(struct cursor *c, uint64_t count)
{
    struct gguf *file = c->file;
    uint64_t *offset = calloc((size_t)count + 1, sizeof *offset);
    file->tensor = calloc((size_t)count + 1, sizeof *file->tensor);
    bool good = (offset && file->tensor) || fail(file, "out of memory");
    for (uint64_t i = 0; good && i < count; i++)
        good = read_tensor(c, &offset[i]);
    uint64_t start = (c->at + file->alignment - 1) / file->alignment * file->alignment;
    for (size_t i = 0; good && i < file->count; i++)
        good = place(file, &file->tensor[i], start, offset[i]);
    free(offset);
    return good && check_apart(file);
}

static bool read_file(struct gguf *file)
{
    struct cursor c = { file, MAGIC };
    uint32_t version = 0;
    uint64_t tensors = 0, entries = 0;
    if (!gguf_is(file->map.bytes, file->map.size))
        return fail(file, "it is no GGUF file");
    if (!take(&c, &version, sizeof version, "its header"))
        return false;
    if (version != 0 && (version & 0xffff) == 0)
        return fail(file, "its numbers are big-endian");
    if (version != 2 && version != 3)
        return fail(file, "it is of version %" PRIu32 " of the format, 2 and 3 are read", version);
    if (!take(&c, &tensors, sizeof tensors, "its header") || !take(&c, &entries, sizeof entries, "its header"))
        return false;
    if (tensors > TENSORS_MOST || tensors > file->map.size / 24)
        return fail(file, "its header claims %" PRIu64 " tensors", tensors);
    if (entries > ENTRIES_MOST || entries > file->map.size / 13)
        return fail(file, "its header claims %" PRIu64 " entries", entries);
    file->alignment = ALIGNMENT;
    file->entry = calloc(ENTRIES_KEPT, sizeof *file->entry);
    if (!file->entry)
        return fail(file, "out of memory");
    for (uint64_t i = 0; i < entries; i++)
        if (!read_entry(&c))
            return false;
    return read_tensors(&c, tensors);
}

/* --- opening and closing ------------------------------------------------------------------------------------------ */

/* Takes the mapping, on failure too, and checks everything in it; `why` is what kept it from being made, or NULL. */
static struct gguf *open_mapping(struct mapping m, const char *why, const char *name, char *error, size_t size)
{
    struct gguf *file = why ? NULL : malloc(sizeof *file);
    struct gguf local = { .map = m, .name = name, .error = error, .error_size = size };
    if (!file) {
        fail(&local, "%s", why ? why : "out of memory");
        mapping_close(&m);
        return NULL;
    }
    *file = local;
    if (!read_file(file)) {
        gguf_close(file);
        return NULL;
    }
    file->name = NULL;
    file->error = NULL;
    return file;
}

struct gguf *gguf_open_memory(const void *data, size_t bytes, const char *name, char *error, size_t size)
{
    return open_mapping(mapping_of(data, bytes), NULL, name, error, size);
}

struct gguf *gguf_open_fd(int fd, const char *name, char *error, size_t size)
{
    struct mapping m;
    const char *why = mapping_open_fd(&m, fd);
    return open_mapping(m, why, name, error, size);
}

void gguf_close(struct gguf *file)
{
    if (!file)
        return;
    for (size_t i = 0; i < file->count; i++)
        free((char *)(uintptr_t)file->tensor[i].name);
    for (size_t i = 0; i < file->entry_count; i++)
        free((char *)(uintptr_t)file->entry[i].key);
    mapping_close(&file->map);
    free(file->tensor);
    free(file->entry);
    free(file);
}

size_t gguf_count(const struct gguf *file)
{
    return file->count;
}

const struct safetensor *gguf_at(const struct gguf *file, size_t i)
{
    return &file->tensor[i];
}

const struct gguf_entry *gguf_entry(const struct gguf *file, size_t i)
{
    return i < file->entry_count ? &file->entry[i] : NULL;
}
