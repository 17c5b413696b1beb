/* test_tensorfile.c: .npy files read, .safetensors files written, and files that appear whole or not at all. */
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/npy.h"
#include "engine/outfile.h"
#include "engine/safetensors_write.h"
#include "engine/tensorfile.h"

static char folder[256];

static const char *path_of(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static bool is_there(const char *name)
{
    return access(path_of(name), F_OK) == 0;
}

/* --- .npy --------------------------------------------------------------------------------------------------------- */

/* A file of version 1 with this header text and `bytes` bytes of data, in `out`. Returns its size. */
static size_t make_npy(uint8_t *out, const char *header, size_t bytes)
{
    size_t length = strlen(header);
    memcpy(out, "\x93NUMPY\x01\x00", 8);
    out[8] = (uint8_t)length;
    out[9] = (uint8_t)(length >> 8);
    memcpy(out + 10, header, length);
    for (size_t i = 0; i < bytes; i++)
        out[10 + length + i] = (uint8_t)i;
    return 10 + length + bytes;
}

static void good_files(void **state)
{
    static const struct {
        const char *header;
        size_t bytes, count;
        int rank;
        const char *dtype;
    } files[] = {
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n", 24, 6, 2, "F32" },
        { "{'descr': '<f2', 'fortran_order': False, 'shape': (5,), }\n", 10, 5, 1, "F16" },
        { "{'descr': '|i1', 'fortran_order': False, 'shape': (), }\n", 1, 1, 0, "I8" },
        { "{'descr': '<f8', 'fortran_order': False, 'shape': (0, 3), }\n", 0, 0, 2, "F64" },
        { "{'shape': (1, 2, 3, 4), 'fortran_order': False, 'descr': '<u2'}", 48, 24, 4, "U16" },
    };
    uint8_t bytes[512];
    char error[256];
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        size_t n = make_npy(bytes, files[i].header, files[i].bytes);
        struct npy *file = npy_open_memory(bytes, n, "x", error, sizeof error);
        assert_non_null(file);
        const struct safetensor *t = npy_tensor(file);
        assert_true(t->count == files[i].count && t->rank == files[i].rank && t->bytes == files[i].bytes);
        assert_string_equal(t->dtype->name, files[i].dtype);
        npy_close(file);
        for (size_t cut = 0; cut < n; cut++)
            assert_null(npy_open_memory(bytes, cut, "x", error, sizeof error));
    }
}

static void bad_files(void **state)
{
    static const char *const headers[][2] = {
        { "{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }", "big-endian" },
        { "{'descr': '<f4', 'fortran_order': True, 'shape': (1,), }", "Fortran" },
        { "{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", "'<c8'" },
        { "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", "plain numbers" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", "8" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", "whole numbers" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296, 4294967296), }", "2^64" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", "whole numbers" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1), }", "dimensions" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (1", "end" },
        { "{'descr': '<f4', 'fortran_order': False}", "dictionary" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 1}", "'more'" },
        { "{'descr': '<f4', 'fortran_order': 0, 'shape': (1,), }", "neither" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), } x", "dictionary" },
        { "{'des\033cr': 1}", "dictionary" },
        { "", "dictionary" },
    };
    uint8_t bytes[512];
    char error[256];
    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        size_t n = make_npy(bytes, headers[i][0], 4);
        assert_null(npy_open_memory(bytes, n, "x", error, sizeof error));
        if (!strstr(error, headers[i][1]) || strncmp(error, "cannot read 'x': ", 17) != 0 || strpbrk(error, "\n\033"))
            fail_msg("%s: %s", headers[i][0], error);
    }
    make_npy(bytes, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", 4);
    bytes[6] = 9;
    assert_null(npy_open_memory(bytes, 80, "x", error, sizeof error));
    assert_null(npy_open(path_of("missing"), error, sizeof error));
    assert_null(npy_open(folder, error, sizeof error));
}

/* --- .safetensors ------------------------------------------------------------------------------------------------- */

static void written_and_read(void **state)
{
    const float wide[6] = { 1, -2, 3, INFINITY, 0, 0.5f };
    const uint8_t narrow[5] = { 1, 2, 3, 250, 255 };
    const uint64_t two[2] = { 2, 3 }, five = 5, none = 0;
    char error[256];
    (void)state;
    struct safetensors_writer w = { .fd = open(path_of("w.safetensors"), O_WRONLY | O_CREAT | O_TRUNC, 0600) };
    int a = safetensors_add(&w, "narrow", "U8", 1, &five), b = safetensors_add(&w, "wide", "F32", 2, two);
    int c = safetensors_add(&w, "none", "U16", 1, &none);
    assert_true(a == 0 && b == 1 && c == 2);
    assert_int_equal(safetensors_add(&w, "x", "F33", 1, &five), -1);
    json_t *about = json_pack("{s:s}", "format", "int8");
    assert_true(safetensors_begin(&w, about));
    json_decref(about);
    assert_true(safetensors_put(&w, a, narrow, 2));
    assert_true(safetensors_put(&w, b, wide, 12));
    assert_true(safetensors_put(&w, a, narrow + 2, 3));
    assert_false(safetensors_whole(&w));
    assert_false(safetensors_put(&w, b, wide, 16));
    assert_true(safetensors_put(&w, b, wide + 3, 12));
    assert_true(safetensors_whole(&w));
    close(w.fd);
    struct tensorfile *file = tensorfile_open(path_of("w.safetensors"), error, sizeof error);
    assert_non_null(file);
    const struct safetensor *t = tensorfile_find(file, "wide", error, sizeof error);
    float read[6];
    assert_true(t && tensorfile_rows(t) == 2 && tensorfile_cols(t) == 3 && (uintptr_t)t->data % 4 == 0);
    safetensor_floats(t, 0, 6, read);
    assert_memory_equal(read, wide, sizeof wide);
    t = tensorfile_find(file, "narrow", error, sizeof error);
    assert_true(t && tensorfile_rows(t) == 1 && memcmp(t->data, narrow, 5) == 0);
    assert_null(tensorfile_find(file, "wid", error, sizeof error));
    assert_non_null(strstr(error, "did you mean 'wide'"));
    assert_null(tensorfile_find(file, NULL, error, sizeof error));
    assert_non_null(strstr(error, "has 3 tensors"));
    tensorfile_close(file);
    assert_null(tensorfile_open(path_of("missing"), error, sizeof error));
}

static void full_disk(void **state)
{
    const uint64_t much = 1 << 20;
    struct safetensors_writer w = { .fd = open("/dev/full", O_WRONLY) };
    (void)state;
    if (w.fd < 0)
        skip();
    safetensors_add(&w, "x", "U8", 1, &much);
    assert_false(safetensors_begin(&w, NULL));
    close(w.fd);
}

/* --- whole or not at all ------------------------------------------------------------------------------------------ */

static int parts_left(void)
{
    char command[600];
    snprintf(command, sizeof command, "test -z \"$(ls '%s' | grep part)\"", folder);
    return system(command);
}

static void committed(void **state)
{
    struct outfile out;
    char error[320], text[8] = "";
    (void)state;
    assert_true(outfile_open(&out, path_of("o"), error, sizeof error));
    assert_int_equal(write(out.fd, "whole", 5), 5);
    assert_false(is_there("o"));
    assert_true(outfile_commit(&out, error, sizeof error));
    int fd = open(path_of("o"), O_RDONLY);
    assert_int_equal(read(fd, text, 8), 5);
    assert_string_equal(text, "whole");
    close(fd);
    assert_int_equal(parts_left(), 0);
}

static void abandoned(void **state)
{
    struct outfile out;
    char error[320];
    (void)state;
    assert_true(outfile_open(&out, path_of("gone"), error, sizeof error));
    outfile_abandon(&out);
    outfile_abandon(&out);
    assert_false(is_there("gone"));
    assert_int_equal(parts_left(), 0);
}

/* A writer that is killed leaves nothing, and what was there before stays. */
static void killed(void **state)
{
    struct outfile out;
    char error[320];
    int ready[2];
    (void)state;
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        bool opened = outfile_open(&out, path_of("o"), error, sizeof error);
        opened = opened && write(out.fd, "half", 4) == 4 && write(ready[1], "r", 1) == 1;
        for (;;)
            pause();
    }
    char c;
    assert_int_equal(read(ready[0], &c, 1), 1);
    assert_int_equal(parts_left() != 0, 1);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    for (int i = 0; i < 2000 && parts_left() != 0; i++)
        usleep(10000);
    assert_int_equal(parts_left(), 0);
    struct stat info;
    assert_true(stat(path_of("o"), &info) == 0 && info.st_size == 5);
    close(ready[0]);
    close(ready[1]);
}

/* So does one whose whole group is killed the moment its file is there, as a cancel does. */
static void killed_at_once(void **state)
{
    struct outfile out;
    char error[320], part[64];
    (void)state;
    for (int round = 0; round < 100; round++) {
        pid_t child = fork();
        if (child == 0) {
            setpgid(0, 0);
            outfile_open(&out, path_of("k"), error, sizeof error);
            for (;;)
                pause();
        }
        setpgid(child, child);
        snprintf(part, sizeof part, "k.%ld.part", (long)child);
        while (!is_there(part))
            ;
        kill(-child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    for (int i = 0; i < 2000 && parts_left() != 0; i++)
        usleep(10000);
    assert_int_equal(parts_left(), 0);
}

static void refused(void **state)
{
    struct outfile out;
    char error[320];
    (void)state;
    assert_false(outfile_open(&out, folder, error, sizeof error));
    assert_non_null(strstr(error, "folder"));
    assert_false(outfile_open(&out, "/dev/full", error, sizeof error));
    assert_non_null(strstr(error, "plain file"));
    assert_false(outfile_open(&out, path_of("no/such/place"), error, sizeof error));
    assert_false(outfile_open(&out, "", error, sizeof error));
    assert_true(out.fd == -1 && out.commit == -1 && out.reply == -1);
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "%s/saffron-tensorfile.XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
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
        cmocka_unit_test(good_files), cmocka_unit_test(bad_files), cmocka_unit_test(written_and_read),
        cmocka_unit_test(full_disk),  cmocka_unit_test(committed), cmocka_unit_test(abandoned),
        cmocka_unit_test(killed),     cmocka_unit_test(killed_at_once),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
