/* test_gguf.c: GGUF files: every block type against the gguf package's values, every place where a file can lie, and
 * sharded .safetensors. */
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/gguf.h"
#include "engine/tensorfile.h"
#include "kernels/ggml.h"

#define VECTORS "tests/vectors/blocks"

/* --- decoded as others do ---------------------------------------------------------------------------------------- */

static void block_types(void **state)
{
    char error[400];
    size_t seen = 0;
    (void)state;
    struct tensorfile *blocks = tensorfile_open(VECTORS ".gguf", error, sizeof error);
    struct tensorfile *wanted = tensorfile_open(VECTORS ".safetensors", error, sizeof error);
    if (!blocks || !wanted)
        fail_msg("%s", error);
    assert_string_equal(tensorfile_kind(blocks), "GGUF");
    assert_int_equal(tensorfile_count(blocks), tensorfile_count(wanted));
    for (size_t i = 0; i < tensorfile_count(blocks); i++) {
        const struct safetensor *t = tensorfile_at(blocks, i);
        const struct safetensor *w = tensorfile_find(wanted, t->name, error, sizeof error);
        float *got = malloc(t->count * sizeof *got), *meant = malloc(t->count * sizeof *meant);
        assert_true(w && w->count == t->count && w->rank == t->rank && dtype_loads(t->dtype));
        assert_memory_equal(w->shape, t->shape, sizeof *t->shape * (size_t)t->rank);
        safetensor_floats(t, 0, t->count, got);
        safetensor_floats(w, 0, w->count, meant);
        for (size_t k = 0; k < t->count; k++)
            if (memcmp(&got[k], &meant[k], sizeof *got) != 0 && !(isnan(got[k]) && isnan(meant[k])))
                fail_msg("%s: value %zu is %.9g, not %.9g", t->name, k, (double)got[k], (double)meant[k]);
        for (size_t from = 0; from < 70 && from + 300 < t->count; from += 23) { /* from within a block to within one */
            float part[300];
            safetensor_floats(t, from, 300, part);
            assert_memory_equal(part, got + from, sizeof part);
        }
        seen += t->dtype->values > 1;
        free(got);
        free(meant);
    }
    assert_true(seen >= 14);
    tensorfile_close(blocks);
    tensorfile_close(wanted);
}

/* True bits a value, from the sizes that ggml publishes. */
static void bits(void **state)
{
    static const struct {
        const char *name;
        double      bits;
    } meant[] = { { "F32", 32 }, { "F16", 16 }, { "BF16", 16 }, { "Q4_0", 4.5 }, { "Q4_1", 5 }, { "Q5_0", 5.5 },
                  { "Q5_1", 6 }, { "Q8_0", 8.5 }, { "Q2_K", 2.625 }, { "Q3_K", 3.4375 }, { "Q4_K", 4.5 },
                  { "Q5_K", 5.5 }, { "Q6_K", 6.5625 }, { "IQ4_NL", 4.5 }, { "IQ4_XS", 4.25 }, { "MXFP4", 4.25 },
                  { "NVFP4", 4.5 } };
    size_t found = 0;
    (void)state;
    for (size_t i = 0; i < ggml_count(); i++)
        for (size_t k = 0; k < sizeof meant / sizeof meant[0]; k++)
            if (strcmp(ggml_at(i)->name, meant[k].name) == 0) {
                assert_true(8.0 * ggml_at(i)->bytes / ggml_at(i)->values == meant[k].bits && ggml_at(i)->decode);
                found++;
            }
    assert_int_equal(found, sizeof meant / sizeof meant[0]);
}

static void metadata(void **state)
{
    static const char *const meant[][2] = { { "general.architecture", "llama" }, { "general.name", "every block type" },
                                            { "test.words", "2 values" }, { "test.float", "0.5" } };
    char error[400];
    (void)state;
    struct tensorfile *file = tensorfile_open(VECTORS ".gguf", error, sizeof error);
    for (size_t k = 0; k < 4; k++) {
        bool found = false;
        for (size_t i = 0; tensorfile_entry(file, i); i++)
            found = found || (strcmp(tensorfile_entry(file, i)->key, meant[k][0]) == 0 &&
                              strcmp(tensorfile_entry(file, i)->text, meant[k][1]) == 0);
        if (!found)
            fail_msg("no %s = %s", meant[k][0], meant[k][1]);
    }
    tensorfile_close(file);
}

/* --- files that lie ----------------------------------------------------------------------------------------------- */

static uint8_t file[4096];
static size_t  size;

static void put(const void *bytes, size_t n)
{
    memcpy(file + size, bytes, n);
    size += n;
}

static void put32(uint32_t x) { put(&x, 4); }
static void put64(uint64_t x) { put(&x, 8); }

static void put_string(const char *text)
{
    put64(strlen(text));
    put(text, strlen(text));
}

static void begin(uint32_t version, uint64_t tensors, uint64_t entries)
{
    size = 0;
    put("GGUF", 4);
    put32(version);
    put64(tensors);
    put64(entries);
}

static void put_tensor(const char *name, uint32_t rank, uint64_t cols, uint64_t rows, uint32_t type, uint64_t offset)
{
    put_string(name);
    put32(rank);
    if (rank > 0)
        put64(cols);
    if (rank > 1)
        put64(rows);
    put32(type);
    put64(offset);
}

/* The data begin at a multiple of 32. */
static void put_data(size_t bytes)
{
    while (size % 32)
        put("", 1);
    memset(file + size, 0, bytes);
    size += bytes;
}

static void expect(const char *why)
{
    char error[500] = "";
    struct gguf *g = gguf_open_memory(file, size, "x", error, sizeof error);
    if (!why && g) {
        gguf_close(g);
        return;
    }
    if (!why || g || !strstr(error, why) || strncmp(error, "cannot read 'x': ", 17) != 0 || strpbrk(error, "\n\033"))
        fail_msg("'%s', not '%s'", error, why ? why : "a file");
}

static void good(void)
{
    begin(3, 2, 1);
    put_string("general.alignment");
    put32(4);
    put32(32);
    put_tensor("a", 2, 32, 2, 2, 0);
    put_tensor("b", 1, 3, 0, 0, 64);
    put_data(64 + 12);
}

static void cut_short(void **state)
{
    (void)state;
    good();
    expect(NULL);
    for (size_t whole = size; size > 0;) {
        char error[400];
        size--;
        assert_null(gguf_open_memory(file, size, "x", error, sizeof error));
        assert_true(whole > size);
    }
}

static void bad_headers(void **state)
{
    (void)state;
    begin(1, 0, 0), expect("version 1");
    begin(4, 0, 0), expect("version 4");
    begin(3u << 24, 0, 0), expect("big-endian");
    begin(3, 1ull << 60, 0), expect("claims 1152921504606846976 tensors");
    begin(3, 0, 1ull << 60), expect("entries");
    begin(3, 0, 0), expect(NULL);
    begin(3, 0, 1), put_string("k"), put32(77), put_data(64), expect("unknown type 77");
    begin(3, 0, 1), put_string("k"), put32(8), put64(1ull << 62), put_data(64), expect("a string");
    begin(3, 0, 1), put_string("k"), put32(9), put32(4), put64(1ull << 62), put_data(64), expect("values");
    begin(3, 0, 1), put_string("k"), put32(9), put32(50), put64(1), put_data(64), expect("unknown type 50");
    begin(3, 0, 1), put_string("k");
    for (int i = 0; i < 8; i++)
        put32(9), i ? put64(1) : (void)0;
    put_data(64), expect("unknown type 9");     /* arrays in arrays in arrays */
    begin(3, 0, 1), put64(1ull << 40), put_data(64), expect("a key");
    begin(3, 0, 1), put_string("k\033[2J"), put32(4), put32(1), put_data(64), expect("not printable");
    for (uint32_t bad = 0; bad < 4; bad += 3)
        begin(3, 0, 1), put_string("general.alignment"), put32(4), put32(bad), expect("power of two");
}

static void bad_tensors(void **state)
{
    (void)state;
    begin(3, 1, 0), put_tensor("a", 1, 33, 0, 2, 0), put_data(64), expect("no multiple of the 32 of Q4_0");
    begin(3, 1, 0), put_tensor("a", 1, 32, 0, 5, 0), put_data(64), expect("type 5, which is not known");
    begin(3, 1, 0), put_tensor("a", 1, 32, 0, 63, 0), put_data(64), expect("type 63");
    begin(3, 1, 0), put_tensor("a", 1, 32, 0, 4000000000u, 0), put_data(64), expect("type 4000000000");
    begin(3, 1, 0), put_tensor("a", 1, 32, 0, 0, 0), put_data(64), expect("past the end");
    begin(3, 1, 0), put_tensor("a", 1, 8, 0, 0, 64), put_data(64), expect("past the end");
    begin(3, 1, 0), put_tensor("a", 1, 8, 0, 0, 1ull << 63), put_data(64), expect("past the end");
    begin(3, 1, 0), put_tensor("a", 1, 8, 0, 0, 8), put_data(64), expect("no multiple of 32");
    begin(3, 1, 0), put_tensor("a", 2, 1ull << 33, 1ull << 33, 0, 0), put_data(64), expect("2^64 values");
    begin(3, 1, 0), put_tensor("a", 1, 1ull << 62, 0, 0, 0), put_data(64), expect("2^64 bytes");
    begin(3, 1, 0), put_tensor("a", 9, 1, 1, 0, 0), put_data(64), expect("9 dimensions");
    begin(3, 1, 0), put_tensor("", 1, 8, 0, 0, 0), put_data(64), expect("a tensor's name");
    begin(3, 1, 0), put_tensor("a\nb", 1, 8, 0, 0, 0), put_data(64), expect("not printable");
    begin(3, 2, 0), put_tensor("a", 1, 8, 0, 0, 0), put_tensor("a", 1, 8, 0, 0, 32), put_data(64);
    expect("two tensors 'a'");
    begin(3, 2, 0), put_tensor("a", 1, 9, 0, 0, 0), put_tensor("b", 1, 8, 0, 0, 32), put_data(64);
    expect("overlaps 'a'");
    begin(2, 1, 0), put_tensor("a", 2, 0, 7, 0, 0), put_data(0), expect(NULL);  /* empty, of the older version */
    begin(3, 1, 0), put_tensor("a", 0, 0, 0, 0, 0), put_data(4), expect(NULL);  /* a single number */
}

/* --- shards ------------------------------------------------------------------------------------------------------- */

static char folder[256];

static void write_file(const char *name, const char *text, size_t n)
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *out = fopen(path, "wb");
    assert_true(out && fwrite(text, 1, n, out) == n && fclose(out) == 0);
}

/* A shard of tensors of one F32 value each; the second may be NULL. */
static void write_shard(const char *name, const char *first, const char *second)
{
    char text[300];
    const float ones[2] = { 1, 1 };
    size_t count = second ? 2 : 1;
    int n = snprintf(text + 8, 280, "{\"%s\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}", first);
    if (second)
        n += snprintf(text + 8 + n, (size_t)(280 - n),
                      ",\"%s\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}", second);
    text[8 + n++] = '}';
    uint64_t length = (uint64_t)n;
    memcpy(text, &length, 8);
    memcpy(text + 8 + n, ones, 4 * count);
    write_file(name, text, (size_t)n + 8 + 4 * count);
}

static void shards(void **state)
{
    static const struct {
        const char *index, *why;
    } cases[] = {
        { "{\"metadata\":{},\"weight_map\":{\"a\":\"1.safetensors\",\"b\":\"2.safetensors\"}}", NULL },
        { "{\"weight_map\":{\"a\":\"1.safetensors\",\"b\":\"3.safetensors\"}}", "3.safetensors': No such file" },
        { "{\"weight_map\":{\"a\":\"1.safetensors\",\"c\":\"2.safetensors\"}}", "'c' is not in '2.safetensors'" },
        { "{\"weight_map\":{\"a\":\"../1.safetensors\"}}", "not files beside it" },
        { "{\"weight_map\":{\"a\":\"1.safetensors\",\"b\":\"4.safetensors\"}}", "two shards hold a tensor 'a'" },
        { "{\"weight_map\":{\"a\":7}}", "names no files" },
        { "{\"weight_map\":{}}", "no index with a weight_map" },
        { "{\"weight_map\":{\"a\":\"1.safetensors\"}", "line 1 is not valid JSON" },
        { "{}", "no index" },
    };
    (void)state;
    write_shard("1.safetensors", "a", NULL);
    write_shard("2.safetensors", "b", NULL);
    write_shard("4.safetensors", "b", "a");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char path[400], error[500] = "";
        snprintf(path, sizeof path, "%s/model.safetensors.index.json", folder);
        write_file("model.safetensors.index.json", cases[i].index, strlen(cases[i].index));
        struct tensorfile *f = tensorfile_open(path, error, sizeof error);
        if ((f != NULL) != !cases[i].why || (!f && !strstr(error, cases[i].why)))
            fail_msg("case %zu: %s", i, error);
        if (!f)
            continue;
        assert_string_equal(tensorfile_kind(f), "safetensors, 2 shards");
        assert_true(tensorfile_count(f) == 2 && tensorfile_find(f, "b", error, sizeof error));
        assert_null(tensorfile_find(f, "c", error, sizeof error));
        tensorfile_close(f);
    }
}

/* A header's length may begin with the byte that begins an index. */
static void brace(void **state)
{
    char name[100], text[400], path[400], error[500] = "";
    (void)state;
    memset(name, 'n', sizeof name);
    for (int fill = 1; fill < 80; fill++) {
        int n = snprintf(text + 8, 392, "{\"%.*s\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", fill,
                         name);
        uint64_t length = (uint64_t)n;
        memcpy(text, &length, 8);
        if (text[0] != '{')
            continue;
        write_file("brace.safetensors", text, (size_t)n + 8);
        snprintf(path, sizeof path, "%s/brace.safetensors", folder);
        struct tensorfile *f = tensorfile_open(path, error, sizeof error);
        if (!f)
            fail_msg("%s", error);
        assert_string_equal(tensorfile_kind(f), "safetensors");
        tensorfile_close(f);
        return;
    }
    fail_msg("no header of 123 bytes");
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "%s/saffron-gguf.XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    char command[300];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(block_types), cmocka_unit_test(bits),        cmocka_unit_test(metadata),
        cmocka_unit_test(cut_short),   cmocka_unit_test(bad_headers), cmocka_unit_test(bad_tensors),
        cmocka_unit_test(shards),      cmocka_unit_test(brace),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
