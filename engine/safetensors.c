/* safetensors: a read-only view of a .safetensors file, mapped, never copied.
 * Layout: u64 header length, JSON header {name: {dtype, shape, data_offsets}}, data.
 * As the format's own definition has it, the tensors cover the data exactly: no holes, no overlap. */
#include "engine/safetensors.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <utf8proc.h>

#include "engine/mapping.h"
#include "kernels/format.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "loads copy little-endian bytes as they are");

enum { PREFIX = 8 }; /* bytes of the header length */

struct safetensors {
    struct mapping     map;      /* the whole file */
    json_t            *header;   /* owns the tensors' names                       */
    struct safetensor *tensor;   /* sorted by position                            */
    const struct safetensor **named; /* the same, sorted by name */
    size_t             count;
    const char        *name;     /* what these four serve: messages while opening */
    char              *error;
    size_t             error_size;
};

/* ---- element types ---------------------------------------------------------------------------- */

#define LOAD(name, type)                            \
    static float load_##name(const uint8_t *element) \
    {                                               \
        type value;                                 \
        memcpy(&value, element, sizeof value);      \
        return (float)value;                        \
    }

LOAD(f64, double)
LOAD(f32, float)
LOAD(i64, int64_t)
LOAD(i32, int32_t)
LOAD(i16, int16_t)
LOAD(i8, int8_t)
LOAD(u64, uint64_t)
LOAD(u32, uint32_t)
LOAD(u16, uint16_t)
LOAD(u8, uint8_t)

static float from_bits(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

static float load_bf16(const uint8_t *element)
{
    return from_bits((uint32_t)element[0] << 16 | (uint32_t)element[1] << 24);
}

/* Exponent 31 is infinity or NaN, exponent 0 counts in steps of 2^-24. */
static float load_f16(const uint8_t *element)
{
    uint32_t code = element[0] | (uint32_t)element[1] << 8;
    uint32_t sign = (code & 0x8000) << 16, exponent = code >> 10 & 31, mantissa = code & 1023;

    if (exponent == 31)
        return from_bits(sign | 0x7f800000 | mantissa << 13);
    if (exponent == 0)
        return (sign ? -1.0f : 1.0f) * (float)mantissa * 0x1p-24f;
    return from_bits(sign | (exponent + 112) << 23 | mantissa << 13);
}

/* Eight bits by a row of the format table. */
#define LOAD_CODE(name, row)                         \
    static float load_##name(const uint8_t *element) \
    {                                                \
        static const struct format *format;          \
        format = format ? format : format_find(row); \
        return format_decode(format, *element);      \
    }

LOAD_CODE(e4m3, "e4m3")
LOAD_CODE(e5m2, "e5m2")
LOAD_CODE(e4m3fnuz, "e4m3fnuz")
LOAD_CODE(e5m2fnuz, "e5m2fnuz")
LOAD_CODE(e8m0, "e8m0")

#define ALONE(name_, bytes_, load_) { .name = name_, .bytes = bytes_, .load = load_ }

/* Those without a load are listed: two numbers an element, and codes narrower than a byte, whose order in it the format
 * does not say. */
static const struct dtype dtypes[] = {
    ALONE("F64", 8, load_f64),   ALONE("F32", 4, load_f32), ALONE("F16", 2, load_f16), ALONE("BF16", 2, load_bf16),
    ALONE("I64", 8, load_i64),   ALONE("I32", 4, load_i32), ALONE("I16", 2, load_i16), ALONE("I8", 1, load_i8),
    ALONE("U64", 8, load_u64),   ALONE("U32", 4, load_u32), ALONE("U16", 2, load_u16), ALONE("U8", 1, load_u8),
    ALONE("BOOL", 1, load_u8),   ALONE("F8_E4M3", 1, load_e4m3), ALONE("F8_E5M2", 1, load_e5m2),
    ALONE("F8_E4M3FNUZ", 1, load_e4m3fnuz), ALONE("F8_E5M2FNUZ", 1, load_e5m2fnuz), ALONE("F8_E8M0", 1, load_e8m0),
    ALONE("C64", 8, NULL),
    { .name = "F4", .bytes = 1, .values = 2 },
    { .name = "F6_E2M3", .bytes = 3, .values = 4 },
    { .name = "F6_E3M2", .bytes = 3, .values = 4 },
};

enum { DTYPES = sizeof dtypes / sizeof dtypes[0] };

const struct dtype *safetensors_dtype(const char *name)
{
    for (int i = 0; i < DTYPES; i++)
        if (strcmp(dtypes[i].name, name) == 0)
            return &dtypes[i];
    return NULL;
}

/* ---- the header ------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static bool fail(struct safetensors *file, const char *format, ...)
{
    int used = snprintf(file->error, file->error_size, "cannot read '%s': ", file->name);
    va_list args;

    if (used > 0 && (size_t)used < file->error_size) {
        va_start(args, format);
        vsnprintf(file->error + used, file->error_size - (size_t)used, format, args);
        va_end(args);
    }
    return false;
}

/* Names are printed to terminals, so controls, direction marks and line separators are refused. */
bool safetensors_printable(const char *text)
{
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text;

    while (*at) {
        utf8proc_int32_t point;
        utf8proc_ssize_t used = utf8proc_iterate(at, -1, &point);
        if (used < 1)
            return false;
        switch (utf8proc_category(point)) {
        case UTF8PROC_CATEGORY_CC:
        case UTF8PROC_CATEGORY_CF:
        case UTF8PROC_CATEGORY_CN:
        case UTF8PROC_CATEGORY_CS:
        case UTF8PROC_CATEGORY_ZL:
        case UTF8PROC_CATEGORY_ZP:
            return false;
        default:
            at += used;
        }
    }
    return true;
}

static bool read_dtype(struct safetensors *file, struct safetensor *tensor, const json_t *entry)
{
    const char *name = json_string_value(json_object_get(entry, "dtype"));

    if (!name)
        return fail(file, "tensor '%s' has no dtype", tensor->name);
    tensor->dtype = safetensors_dtype(name);
    if (!tensor->dtype && (strlen(name) > 16 || !safetensors_printable(name)))
        return fail(file, "tensor '%s' has a dtype that is no type's name", tensor->name);
    if (!tensor->dtype)
        return fail(file, "tensor '%s' has the dtype '%s', which is not known here", tensor->name, name);
    return true;
}

/* Elements that share bytes fill them. */
static bool count_bytes(struct safetensors *file, struct safetensor *tensor)
{
    uint64_t values = tensor->dtype->values ? tensor->dtype->values : 1;

    if (tensor->count % values != 0)
        return fail(file, "tensor '%s' has %" PRIu64 " values of type %s, which end within a byte", tensor->name,
                    tensor->count, tensor->dtype->name);
    if (__builtin_mul_overflow(tensor->count / values, (uint64_t)tensor->dtype->bytes, &tensor->bytes))
        return fail(file, "tensor '%s' has a shape of more than 2^64 bytes", tensor->name);
    return true;
}

static bool read_shape(struct safetensors *file, struct safetensor *tensor, const json_t *entry)
{
    const json_t *shape = json_object_get(entry, "shape");

    if (!json_is_array(shape))
        return fail(file, "tensor '%s' has no shape", tensor->name);
    if (json_array_size(shape) > SAFETENSORS_RANK)
        return fail(file, "tensor '%s' has %zu dimensions; at most %d are read", tensor->name,
                    json_array_size(shape), SAFETENSORS_RANK);
    tensor->rank = (int)json_array_size(shape);
    tensor->count = 1;
    for (int i = 0; i < tensor->rank; i++) {
        const json_t *side = json_array_get(shape, (size_t)i);
        if (!json_is_integer(side) || json_integer_value(side) < 0)
            return fail(file, "tensor '%s' has a shape that is not all whole numbers from 0 up", tensor->name);
        tensor->shape[i] = (uint64_t)json_integer_value(side);
        if (__builtin_mul_overflow(tensor->count, tensor->shape[i], &tensor->count))
            return fail(file, "tensor '%s' has a shape of more than 2^64 bytes", tensor->name);
    }
    return count_bytes(file, tensor);
}

static bool read_offsets(struct safetensors *file, struct safetensor *tensor, const json_t *entry,
                         uint64_t start)
{
    const json_t *offsets = json_object_get(entry, "data_offsets");
    const json_t *first = json_array_get(offsets, 0), *second = json_array_get(offsets, 1);
    uint64_t room = file->map.size - start, begin, end;

    if (json_array_size(offsets) != 2 || !json_is_integer(first) || !json_is_integer(second) ||
        json_integer_value(first) < 0 || json_integer_value(second) < 0)
        return fail(file, "tensor '%s' has data_offsets that are not two whole numbers from 0 up", tensor->name);
    begin = (uint64_t)json_integer_value(first);
    end = (uint64_t)json_integer_value(second);
    if (begin > end)
        return fail(file, "tensor '%s' ends before it begins", tensor->name);
    if (end > room)
        return fail(file, "tensor '%s' ends %" PRIu64 " bytes past the end of the file", tensor->name,
                    end - room);
    if (end - begin != tensor->bytes)
        return fail(file, "tensor '%s' takes %" PRIu64 " bytes, but its shape needs %" PRIu64, tensor->name,
                    end - begin, tensor->bytes);
    tensor->data = file->map.bytes + start + begin;
    return true;
}

static bool read_tensor(struct safetensors *file, struct safetensor *tensor, const char *name,
                        const json_t *entry, uint64_t start)
{
    if (*name == 0 || strlen(name) > SAFETENSORS_NAME || !safetensors_printable(name))
        return fail(file, "a tensor's name is empty, longer than %d bytes, or not printable", SAFETENSORS_NAME);
    if (!json_is_object(entry))
        return fail(file, "tensor '%s' is not described by a JSON object", name);
    tensor->name = name;
    return read_dtype(file, tensor, entry) && read_shape(file, tensor, entry) &&
           read_offsets(file, tensor, entry, start);
}

static int by_position(const void *left, const void *right)
{
    const struct safetensor *a = left, *b = right;

    if (a->data != b->data)
        return a->data < b->data ? -1 : 1;
    return (a->bytes > b->bytes) - (a->bytes < b->bytes);
}

static int by_name(const void *left, const void *right)
{
    return strcmp((*(const struct safetensor *const *)left)->name, (*(const struct safetensor *const *)right)->name);
}

/* Every byte of the data belongs to exactly one tensor. */
static bool check_cover(struct safetensors *file, uint64_t start)
{
    const uint8_t *covered = file->map.bytes + start, *end = file->map.bytes + file->map.size;

    for (size_t i = 0; i < file->count; i++) {
        const struct safetensor *tensor = &file->tensor[i];
        if (tensor->data < covered)
            return fail(file, "tensor '%s' overlaps '%s' by %td bytes", tensor->name, tensor[-1].name,
                        covered - tensor->data);
        if (tensor->data > covered)
            return fail(file, "%td bytes before tensor '%s' belong to no tensor", tensor->data - covered,
                        tensor->name);
        covered += tensor->bytes;
    }
    if (covered < end)
        return fail(file, "the last %td bytes belong to no tensor", end - covered);
    return true;
}

static bool read_tensors(struct safetensors *file, uint64_t start)
{
    const char *name;
    json_t *entry;

    file->tensor = calloc(json_object_size(file->header) + 1, sizeof *file->tensor);
    file->named = calloc(json_object_size(file->header) + 1, sizeof *file->named);
    if (!file->tensor || !file->named)
        return fail(file, "out of memory");
    json_object_foreach(file->header, name, entry) {
        if (strcmp(name, "__metadata__") == 0)
            continue;
        if (!read_tensor(file, &file->tensor[file->count], name, entry, start))
            return false;
        file->count++;
    }
    qsort(file->tensor, file->count, sizeof *file->tensor, by_position);
    for (size_t i = 0; i < file->count; i++)
        file->named[i] = &file->tensor[i];
    qsort(file->named, file->count, sizeof *file->named, by_name);
    return check_cover(file, start);
}

/* Jansson quotes the text near the fault, which may hold anything. */
static void mask_unprintable(char *text)
{
    for (; *text; text++)
        if (*text < ' ' || *text > '~')
            *text = '?';
}

static bool read_header(struct safetensors *file)
{
    uint64_t length;
    json_error_t fault;

    if (file->map.size < PREFIX)
        return fail(file, "it is %zu bytes long, too short for a safetensors file", file->map.size);
    memcpy(&length, file->map.bytes, PREFIX);
    if (length > SAFETENSORS_HEADER)
        return fail(file, "its header claims %" PRIu64 " bytes; more than %d are not read", length,
                    SAFETENSORS_HEADER);
    if (length > file->map.size - PREFIX)
        return fail(file, "its header ends %" PRIu64 " bytes past the end of the file",
                    length - (file->map.size - PREFIX));
    if (length == 0 || file->map.bytes[PREFIX] != '{')
        return fail(file, "its header is not a JSON object; is it a safetensors file?");
    file->header = json_loadb((const char *)file->map.bytes + PREFIX, length, JSON_REJECT_DUPLICATES, &fault);
    if (!file->header) {
        mask_unprintable(fault.text);
        return fail(file, "its header is not valid JSON: %s", fault.text);
    }
    return read_tensors(file, PREFIX + length);
}

/* ---- opening and closing ---------------------------------------------------------------------- */

/* Takes the mapping, on failure too, and checks everything in it; `why` is what kept it from being made, or NULL. */
static struct safetensors *open_mapping(struct mapping m, const char *why, const char *name, char *error, size_t size)
{
    struct safetensors *file = why ? NULL : malloc(sizeof *file);
    struct safetensors local = { .map = m, .name = name, .error = error, .error_size = size };
    if (!file) {
        fail(&local, "%s", why ? why : "out of memory");
        mapping_close(&m);
        return NULL;
    }
    *file = local;
    if (!read_header(file)) {
        safetensors_close(file);
        return NULL;
    }
    file->name = NULL;
    file->error = NULL;
    return file;
}

struct safetensors *safetensors_open_memory(const void *data, size_t bytes, const char *name, char *error, size_t size)
{
    return open_mapping(mapping_of(data, bytes), NULL, name, error, size);
}

struct safetensors *safetensors_open_fd(int fd, const char *name, char *error, size_t size)
{
    struct mapping m;
    const char *why = mapping_open_fd(&m, fd);
    return open_mapping(m, why, name, error, size);
}

struct safetensors *safetensors_open(const char *path, char *error, size_t size)
{
    struct mapping m;
    const char *why = mapping_open(&m, path);
    return open_mapping(m, why, path, error, size);
}

void safetensors_close(struct safetensors *file)
{
    if (!file)
        return;
    mapping_close(&file->map);
    json_decref(file->header);
    free(file->tensor);
    free(file->named);
    free(file);
}

/* ---- looking inside --------------------------------------------------------------------------- */

size_t safetensors_count(const struct safetensors *file)
{
    return file->count;
}

const struct safetensor *safetensors_at(const struct safetensors *file, size_t i)
{
    return &file->tensor[i];
}

const struct safetensor *safetensors_find(const struct safetensors *file, const char *name)
{
    const struct safetensor wanted = { .name = name }, *key = &wanted;
    const struct safetensor **found = bsearch(&key, file->named, file->count, sizeof *file->named, by_name);
    return found ? *found : NULL;
}

void safetensor_floats(const struct safetensor *tensor, uint64_t first, uint64_t count, float *out)
{
    const struct dtype *dtype = tensor->dtype;

    if (dtype->load) {
        const uint8_t *element = tensor->data + first * dtype->bytes;
        for (uint64_t i = 0; i < count; i++, element += dtype->bytes)
            out[i] = dtype->load(element);
        return;
    }
    for (uint64_t done = 0; done < count;) {
        float values[SAFETENSORS_BLOCK];
        uint64_t at = first + done, skip = at % dtype->values, n = dtype->values - skip;
        if (n > count - done)
            n = count - done;
        dtype->block(tensor->data + at / dtype->values * dtype->bytes, values);
        memcpy(out + done, values + skip, n * sizeof *out);
        done += n;
    }
}
