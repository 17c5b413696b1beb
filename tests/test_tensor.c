/* test_tensor: the shipped samples are what their checksums say, and a lesson reads nothing outside its folder. */
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

#include "engine/tensor.h"

static char folder[] = "/tmp/saffron-tensor-XXXXXX";
static char error[512];

static void write_file(const char *name, const void *data, size_t bytes)
{
    char path[512];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, bytes, file), bytes);
    fclose(file);
}

static void write_safetensors(const char *name, const char *header, size_t data)
{
    uint8_t bytes[1024] = { (uint8_t)strlen(header) };

    memcpy(bytes + 8, header, strlen(header));
    for (size_t i = 0; i < data; i++)
        bytes[8 + strlen(header) + i] = (uint8_t)i;
    write_file(name, bytes, 8 + strlen(header) + data);
}

#define ONE "{\"w\":{\"dtype\":\"U8\",\"shape\":[2,1,3],\"data_offsets\":[0,6]}}"
#define TWO "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}," \
            "\"b\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[2,2]}}"

static void make_folder(const char *name)
{
    char path[512];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(mkdir(path, 0700), 0);
}

static int set_up(void **state)
{
    char path[512];

    (void)state;
    if (!mkdtemp(folder))
        return -1;
    make_folder("lesson");
    make_folder("lesson/inner");
    make_folder("lessons");
    make_folder("lessons/tensors");
    write_safetensors("lesson/one.safetensors", ONE, 6);
    write_safetensors("lesson/inner/two.safetensors", TWO, 2);
    write_safetensors("secret.safetensors", ONE, 6);
    snprintf(path, sizeof path, "%s/lesson/link.safetensors", folder);
    assert_int_equal(symlink("../secret.safetensors", path), 0);
    snprintf(path, sizeof path, "%s/lesson/up", folder);
    assert_int_equal(symlink("..", path), 0);
    return 0;
}

static int tear_down(void **state)
{
    char command[512];

    (void)state;
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command);
}

static void tensor_samples_match_their_checksums(void **state)
{
    static const struct { const char *name; size_t rows, cols; } row[] = {
        { "minilm/ffn_in", 128, 384 }, { "minilm/ffn_weight", 1536, 384 },
        { "minilm/ffn_out_in", 128, 1536 }, { "minilm/ffn_out_weight", 384, 1536 },
        { "minilm/key_weight", 384, 384 }, { "minilm/wide_ffn_in", 1024, 384 },
        { "minilm/wide_ffn_out_in", 1024, 1536 }, { "minilm/embeddings", 2000, 384 },
        { "smollm2/k0", 1024, 192 }, { "smollm2/down_in", 256, 1536 },
    };
    struct tensors *tensors = tensors_open(".", error, sizeof error);

    (void)state;
    assert_non_null(tensors);
    assert_true(tensors_count(tensors) >= sizeof row / sizeof row[0]);
    for (size_t i = 0; i < tensors_count(tensors); i++) {
        struct tensor *tensor = tensor_open(tensors, tensors_name(tensors, i), NULL, error, sizeof error);
        assert_non_null(tensor);    /* its bytes match the index, or it would not open */
        assert_string_equal(tensor->dtype, "F16");
        assert_string_equal(tensor->sha256, tensors_sha256(tensors, i));
        tensor_free(tensor);
    }
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct tensor *tensor = tensor_open(tensors, row[i].name, NULL, error, sizeof error);
        assert_non_null(tensor);
        assert_int_equal(tensor->rows, row[i].rows);
        assert_int_equal(tensor->cols, row[i].cols);
        tensor_free(tensor);
    }
    tensors_close(tensors);
}

/* The lesson on outliers stands on this: feature 223 is large at every token. */
static void tensor_ffn_in_has_its_outlier_feature(void **state)
{
    struct tensors *tensors = tensors_open(".", error, sizeof error);
    struct tensor *tensor = tensor_open(tensors, "minilm/ffn_in", NULL, error, sizeof error);
    double column = 0, all = 0;

    (void)state;
    assert_non_null(tensor);
    for (size_t i = 0; i < tensor->rows * tensor->cols; i++) {
        double size = tensor->values[i] < 0 ? -tensor->values[i] : tensor->values[i];
        all += size / (double)(tensor->rows * tensor->cols);
        if (i % tensor->cols == 223)
            column += size / (double)tensor->rows;
    }
    assert_true(column > 15 * all);
    tensor_free(tensor);
    tensors_close(tensors);
}

static void expect_refusal(struct tensors *tensors, const char *name, const char *lesson, const char *line)
{
    assert_null(tensor_open(tensors, name, lesson, error, sizeof error));
    assert_string_equal(error, line);
}

static void tensor_unknown_names_get_the_nearest(void **state)
{
    struct tensors *tensors = tensors_open(".", error, sizeof error);

    (void)state;
    assert_non_null(tensors);
    expect_refusal(tensors, "minilm/fnn_in", NULL, "no tensor 'minilm/fnn_in'; did you mean 'minilm/ffn_in'?");
    expect_refusal(tensors, "gpt", NULL, "no tensor 'gpt'; 'minilm/ffn_in' is one, and './NAME.safetensors' is a "
                   "file beside the lesson");
    expect_refusal(tensors, "/etc/passwd", "lesson", "cannot read '/etc/passwd': a lesson reads only files in its own "
                   "folder, as './NAME'");
    expect_refusal(tensors, "./x.safetensors", NULL, "cannot read './x.safetensors': a lesson reads only files in its "
                   "own folder, as './NAME'");
    tensors_close(tensors);
}

static void tensor_files_beside_the_lesson(void **state)
{
    char lesson[256];
    struct tensors *tensors = tensors_open(".", error, sizeof error);
    struct tensor *tensor;

    (void)state;
    snprintf(lesson, sizeof lesson, "%s/lesson", folder);
    tensor = tensor_open(tensors, "./one.safetensors", lesson, error, sizeof error);
    assert_non_null(tensor);
    assert_int_equal(tensor->rows, 2);
    assert_int_equal(tensor->cols, 3);
    assert_true(tensor->values[5] == 5);
    tensor_free(tensor);
    tensor = tensor_open(tensors, "./inner/two.safetensors:a", lesson, error, sizeof error);
    assert_non_null(tensor);
    assert_int_equal(tensor->rows, 1);
    assert_int_equal(tensor->cols, 2);
    tensor_free(tensor);
    expect_refusal(tensors, "./inner/two.safetensors", lesson, "cannot choose a tensor of './inner/two.safetensors': "
                   "it has 2; write './inner/two.safetensors:NAME'");
    expect_refusal(tensors, "./inner/two.safetensors:b", lesson,
                   "cannot use tensor 'b': it has 0 elements; 1 to 67108864 can be used");
    expect_refusal(tensors, "./one.safetensors:x", lesson,
                   "cannot find tensor 'x' in './one.safetensors', which begins with w");
    expect_refusal(tensors, "./none.safetensors", lesson,
                   "cannot read './none.safetensors': No such file or directory");
    tensors_close(tensors);
}

static void tensor_no_way_out_of_the_folder(void **state)
{
    static const char *const way[] = {
        "./../secret.safetensors", "./link.safetensors", "./up/secret.safetensors", "./inner/../../secret.safetensors",
        ".//etc/passwd", "./", "./inner/",
    };
    char lesson[256], line[256];
    struct tensors *tensors = tensors_open(".", error, sizeof error);

    (void)state;
    snprintf(lesson, sizeof lesson, "%s/lesson", folder);
    for (size_t i = 0; i < sizeof way / sizeof way[0]; i++) {
        snprintf(line, sizeof line, "cannot read '%s': a lesson reads only files in its own folder, without '..' and "
                 "links", way[i]);
        expect_refusal(tensors, way[i], lesson, line);
    }
    tensors_close(tensors);
}

static void tensor_damaged_installations_are_named(void **state)
{
    static const char index[] =
        "{\"a/b\":{\"file\":\"x.safetensors\",\"tensor\":\"w\",\"sha256\":\"00\",\"title\":\"t\","
        "\"license\":\"none\",\"source\":\"here\"}}";
    struct tensors *tensors;

    (void)state;
    assert_null(tensors_open("/nowhere", error, sizeof error));
    assert_string_equal(error, "cannot read '/nowhere/lessons/tensors/index.json': No such file or directory; install "
                        "again or set SAFFRON_DATA");
    write_file("lessons/tensors/index.json", "{\"a\":{\"fil\":1}}", 15);
    assert_null(tensors_open(folder, error, sizeof error));
    assert_non_null(strstr(error, "index.json': 'a': "));
    assert_non_null(strstr(error, "; install again"));
    write_file("lessons/tensors/index.json", index, strlen(index));
    tensors = tensors_open(folder, error, sizeof error);
    assert_non_null(tensors);
    assert_null(tensor_open(tensors, "a/b", NULL, error, sizeof error));
    assert_non_null(strstr(error, "x.safetensors': No such file or directory"));
    write_safetensors("lessons/tensors/x.safetensors", ONE, 6);
    expect_refusal(tensors, "a/b", NULL,
                   "cannot use tensor 'a/b': its bytes do not match the checksum in index.json; install again");
    tensors_close(tensors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensor_samples_match_their_checksums),
        cmocka_unit_test(tensor_ffn_in_has_its_outlier_feature),
        cmocka_unit_test(tensor_unknown_names_get_the_nearest),
        cmocka_unit_test(tensor_files_beside_the_lesson),
        cmocka_unit_test(tensor_no_way_out_of_the_folder),
        cmocka_unit_test(tensor_damaged_installations_are_named),
    };
    return cmocka_run_group_tests_name("tensor", tests, set_up, tear_down);
}
