/* test_safetensors: what is read is what was written, and each way to lie gets its own line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/safetensors.h"

/* A file in memory: header length, header, data. The caller frees it. */
static uint8_t *build(const char *header, size_t data, size_t *size)
{
    uint64_t length = strlen(header);
    uint8_t *file = malloc(8 + length + data);

    assert_non_null(file);
    memcpy(file, &length, 8);
    memcpy(file + 8, header, length);
    for (size_t i = 0; i < data; i++)
        file[8 + length + i] = (uint8_t)i;
    *size = 8 + length + data;
    return file;
}

/* A header over `data` bytes is refused with exactly this reason. */
static void expect_refusal(const char *header, size_t data, const char *reason)
{
    size_t size;
    uint8_t *file = build(header, data, &size);
    char error[256], want[256];

    snprintf(want, sizeof want, "cannot read 'x.safetensors': %s", reason);
    assert_null(safetensors_open_memory(file, size, "x.safetensors", error, sizeof error));
    assert_string_equal(error, want);
    free(file);
}

#define W(dtype, shape, offsets) \
    "{\"w\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

static void safetensors_reads_every_number_type(void **state)
{
    static const struct { const char *dtype; unsigned bytes; uint8_t data[8]; float value; } row[] = {
        { "F64", 8, { 0, 0, 0, 0, 0, 0, 0xf8, 0xbf }, -1.5f },
        { "F32", 4, { 0, 0, 0xc0, 0xbf }, -1.5f },
        { "F16", 2, { 0x00, 0xbe }, -1.5f },
        { "F16", 2, { 0x01, 0x00 }, 0x1p-24f },
        { "F16", 2, { 0xff, 0x7b }, 65504.0f },
        { "BF16", 2, { 0xc0, 0xbf }, -1.5f },
        { "I64", 8, { 0xfe, 255, 255, 255, 255, 255, 255, 255 }, -2.0f },
        { "I32", 4, { 0xfe, 255, 255, 255 }, -2.0f },
        { "I16", 2, { 0xfe, 255 }, -2.0f },
        { "I8", 1, { 0xfe }, -2.0f },
        { "U64", 8, { 0, 1 }, 256.0f },
        { "U32", 4, { 0, 1 }, 256.0f },
        { "U16", 2, { 0, 1 }, 256.0f },
        { "U8", 1, { 254 }, 254.0f },
        { "BOOL", 1, { 1 }, 1.0f },
        { "F8_E4M3FNUZ", 1, { 0x44 }, 1.5f }, /* its bias is one more than OCP's */
        { "F8_E5M2FNUZ", 1, { 0x42 }, 1.5f },
        { "F8_E8M0", 1, { 130 }, 8.0f },
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        char header[128], error[256];
        size_t size;
        float value;
        snprintf(header, sizeof header, W("\"%s\"", "[1]", "[0,%u]"), row[i].dtype, row[i].bytes);
        uint8_t *bytes = build(header, row[i].bytes, &size);
        memcpy(bytes + size - row[i].bytes, row[i].data, row[i].bytes);
        struct safetensors *file = safetensors_open_memory(bytes, size, "x", error, sizeof error);
        assert_non_null(file);
        safetensor_floats(safetensors_at(file, 0), 0, 1, &value);
        assert_true(value == row[i].value);
        safetensors_close(file);
        free(bytes);
    }
}

static void safetensors_f16_specials(void **state)
{
    static const char header[] = W("\"F16\"", "[4]", "[0,8]");
    static const uint8_t codes[8] = { 0x00, 0x7c, 0x00, 0xfc, 0x01, 0x7e, 0x00, 0x80 };
    char error[256];
    size_t size;
    float value[4];
    uint8_t *bytes = build(header, 8, &size);

    (void)state;
    memcpy(bytes + size - 8, codes, 8);
    struct safetensors *file = safetensors_open_memory(bytes, size, "x", error, sizeof error);
    assert_non_null(file);
    safetensor_floats(safetensors_at(file, 0), 0, 4, value);
    assert_true(value[0] > 3e38f && value[1] < -3e38f && value[2] != value[2]);
    assert_true(value[3] == 0 && 1 / value[3] < 0);
    safetensors_close(file);
    free(bytes);
}

static void safetensors_lists_in_data_order(void **state)
{
    static const char header[] =
        "{\"__metadata__\":{\"made\":\"by hand\"},"
        "\"late\":{\"dtype\":\"U8\",\"shape\":[2,3],\"data_offsets\":[4,10]},"
        "\"none\":{\"dtype\":\"F32\",\"shape\":[0,7],\"data_offsets\":[4,4]},"
        "\"early\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}   ";
    char error[256];
    size_t size;
    uint8_t *bytes = build(header, 10, &size);
    struct safetensors *file = safetensors_open_memory(bytes, size, "x", error, sizeof error);
    float value[2];

    (void)state;
    assert_non_null(file);
    assert_int_equal(safetensors_count(file), 3);
    assert_string_equal(safetensors_at(file, 0)->name, "early");
    assert_int_equal(safetensors_at(file, 0)->count, 1);
    assert_string_equal(safetensors_at(file, 1)->name, "none");
    assert_int_equal(safetensors_at(file, 1)->count, 0);
    const struct safetensor *late = safetensors_find(file, "late");
    assert_int_equal(late->rank, 2);
    assert_int_equal(late->shape[1], 3);
    assert_string_equal(late->dtype->name, "U8");
    safetensor_floats(late, 4, 2, value);
    assert_true(value[0] == 8 && value[1] == 9);
    assert_null(safetensors_find(file, "made"));
    safetensors_close(file);
    free(bytes);
}

static void safetensors_refuses_lies_about_the_data(void **state)
{
    (void)state;
    expect_refusal(W("\"F32\"", "[4]", "[0,16]"), 4, "tensor 'w' ends 12 bytes past the end of the file");
    expect_refusal(W("\"F32\"", "[4]", "[0,12]"), 12, "tensor 'w' takes 12 bytes, but its shape needs 16");
    expect_refusal(W("\"F32\"", "[1]", "[4,0]"), 4, "tensor 'w' ends before it begins");
    expect_refusal(W("\"F32\"", "[1]", "[2,6]"), 6, "2 bytes before tensor 'w' belong to no tensor");
    expect_refusal(W("\"F32\"", "[1]", "[0,4]"), 7, "the last 3 bytes belong to no tensor");
    expect_refusal(W("\"F32\"", "[1]", "[-4,0]"), 4,
                   "tensor 'w' has data_offsets that are not two whole numbers from 0 up");
    expect_refusal(W("\"F32\"", "[1]", "[0,4,8]"), 4,
                   "tensor 'w' has data_offsets that are not two whole numbers from 0 up");
    expect_refusal(W("\"F32\"", "[1]", "[0,1e1]"), 4,
                   "tensor 'w' has data_offsets that are not two whole numbers from 0 up");
    expect_refusal("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
                   "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[2,6]}}",
                   6, "tensor 'b' overlaps 'a' by 2 bytes");
}

static void safetensors_refuses_impossible_shapes(void **state)
{
    (void)state;
    expect_refusal(W("\"F32\"", "[4294967296,4294967296]", "[0,0]"), 0,
                   "tensor 'w' has a shape of more than 2^64 bytes");
    expect_refusal(W("\"F32\"", "[9223372036854775807]", "[0,0]"), 0,
                   "tensor 'w' has a shape of more than 2^64 bytes");
    expect_refusal(W("\"U8\"", "[1,1,1,1,1,1,1,1,1]", "[0,1]"), 1,
                   "tensor 'w' has 9 dimensions; at most 8 are read");
    expect_refusal(W("\"U8\"", "[-1]", "[0,0]"), 0,
                   "tensor 'w' has a shape that is not all whole numbers from 0 up");
    expect_refusal(W("\"U8\"", "[1.0]", "[0,1]"), 1,
                   "tensor 'w' has a shape that is not all whole numbers from 0 up");
    expect_refusal(W("\"U8\"", "7", "[0,7]"), 7, "tensor 'w' has no shape");
    expect_refusal(W("\"F3\"", "[2]", "[0,1]"), 1, "tensor 'w' has the dtype 'F3', which is not known here");
    expect_refusal(W("\"F4\"", "[3]", "[0,1]"), 1, "tensor 'w' has 3 values of type F4, which end within a byte");
    expect_refusal(W("\"F6_E2M3\"", "[8]", "[0,8]"), 8, "tensor 'w' takes 8 bytes, but its shape needs 6");
    expect_refusal(W("\"\\u001b[2J\"", "[2]", "[0,1]"), 1, "tensor 'w' has a dtype that is no type's name");
    expect_refusal(W("8", "[2]", "[0,1]"), 1, "tensor 'w' has no dtype");
}

static void safetensors_refuses_broken_headers(void **state)
{
    static const char control[] = "a tensor's name is empty, longer than 512 bytes, or not printable";
    char *deep = malloc(100001);

    (void)state;
    assert_non_null(deep);
    expect_refusal("", 4, "its header is not a JSON object; is it a safetensors file?");
    expect_refusal("[]", 0, "its header is not a JSON object; is it a safetensors file?");
    expect_refusal("{\"w\":7}", 0, "tensor 'w' is not described by a JSON object");
    expect_refusal("{\"w\":{},\"w\":{}}", 0, "its header is not valid JSON: duplicate object key near '\"w\"'");
    expect_refusal("{\"\xff\":{}}", 0, "its header is not valid JSON: unable to decode byte 0xff near '\"'");
    expect_refusal("{\"\\u001b[2J\":{}}", 0, control);
    expect_refusal("{\"\\u202e\":{}}", 0, control);
    expect_refusal("{\"\":{}}", 0, control);
    memset(deep, '[', 100000);
    memcpy(deep, "{\"w\":", 5);
    deep[100000] = 0;
    expect_refusal(deep, 0, "its header is not valid JSON: maximum parsing depth reached near '['");
    free(deep);
}

static void safetensors_refuses_every_truncation(void **state)
{
    char error[256];
    size_t size;
    uint8_t *bytes = build(W("\"F32\"", "[4]", "[0,16]"), 16, &size);

    (void)state;
    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *piece = malloc(cut + 1);
        assert_non_null(piece);
        memcpy(piece, bytes, cut);
        assert_null(safetensors_open_memory(piece, cut, "x", error, sizeof error));
        assert_non_null(strstr(error, cut < 8 ? "too short" : "past the end of the file"));
        free(piece);
    }
    memset(bytes, 255, 8);
    assert_null(safetensors_open_memory(bytes, size, "x", error, sizeof error));
    assert_string_equal(error, "cannot read 'x': its header claims 18446744073709551615 bytes; "
                               "more than 16777216 are not read");
    free(bytes);
}

static void safetensors_opens_paths_and_descriptors(void **state)
{
    char path[] = "/tmp/saffron-test-XXXXXX", error[256], fifo[64];
    size_t size;
    uint8_t *bytes = build(W("\"U8\"", "[3]", "[0,3]"), 3, &size);
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    struct safetensors *file = safetensors_open_fd(fd, "given", error, sizeof error);
    assert_non_null(file);
    close(fd);
    assert_int_equal(safetensors_at(file, 0)->data[2], 2);
    safetensors_close(file);
    file = safetensors_open(path, error, sizeof error);
    assert_non_null(file);
    safetensors_close(file);
    assert_int_equal(truncate(path, 0), 0);
    assert_null(safetensors_open(path, error, sizeof error));
    assert_non_null(strstr(error, "it is 0 bytes long, too short"));
    unlink(path);
    assert_null(safetensors_open(path, error, sizeof error));
    assert_non_null(strstr(error, ": No such file or directory"));
    assert_null(safetensors_open("/", error, sizeof error));
    assert_string_equal(error, "cannot read '/': it is a folder");
    snprintf(fifo, sizeof fifo, "%s.fifo", path);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_null(safetensors_open(fifo, error, sizeof error));
    assert_non_null(strstr(error, "it is not a plain file"));
    unlink(fifo);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(safetensors_reads_every_number_type),
        cmocka_unit_test(safetensors_f16_specials),
        cmocka_unit_test(safetensors_lists_in_data_order),
        cmocka_unit_test(safetensors_refuses_lies_about_the_data),
        cmocka_unit_test(safetensors_refuses_impossible_shapes),
        cmocka_unit_test(safetensors_refuses_broken_headers),
        cmocka_unit_test(safetensors_refuses_every_truncation),
        cmocka_unit_test(safetensors_opens_paths_and_descriptors),
    };
    return cmocka_run_group_tests_name("safetensors", tests, NULL, NULL);
}
