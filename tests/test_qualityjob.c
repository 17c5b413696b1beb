/* test_qualityjob: which file a measurement reads at which time, so that one that shrinks is the one that is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <jansson.h>

#include "engine/qualityjob.h"
#include "kernels/cpu.h"

#define MODEL "lessons/model"

struct heard {
    char files[512];
    char begun[512];     /* files, when the work began */
};

static void reads(void *ctx, const char *path)
{
    struct heard *heard = ctx;
    size_t used = strlen(heard->files);
    snprintf(heard->files + used, sizeof heard->files - used, "%s;", path);
}

static bool begins(void *ctx, double fraction, const char *label)
{
    struct heard *heard = ctx;
    (void)fraction, (void)label;
    if (!*heard->begun)
        snprintf(heard->begun, sizeof heard->begun, "%s", heard->files);
    return true;
}

static json_t *measure(struct heard *heard, const char *text, const char *calib, char *error, size_t size)
{
    const struct qualityjob_env env = { .isa = cpu_info()->best, .reads = reads, .progress = begins, .ctx = heard };
    json_t *request = json_pack("{s:s, s:s, s:i, s:s*, s:[{s:{s:s, s:s}}]}", "path", MODEL, "text", text, "tokens", 8,
                                "calib", calib, "runs", "weights", "format", "int8", "scale", "channel");
    json_t *reply = qualityjob_run(request, &env, error, size);
    json_decref(request);
    return reply;
}

static void each_file_is_named_while_it_is_read(void **state)
{
    char error[256];
    struct heard heard = { "", "" };
    json_t *reply = measure(&heard, MODEL "/heldout.txt", MODEL "/calibration.txt", error, sizeof error);
    (void)state;
    if (!reply)
        fail_msg("%s", error);
    json_decref(reply);
    assert_string_equal(heard.files, MODEL ";" MODEL "/heldout.txt;" MODEL "/calibration.txt;" MODEL ";");
    assert_string_equal(heard.begun, heard.files);
}

static void a_text_that_cannot_be_read_was_the_last(void **state)
{
    char error[256];
    struct heard heard = { "", "" };
    (void)state;
    assert_null(measure(&heard, "/nowhere/text", NULL, error, sizeof error));
    assert_string_equal(heard.files, MODEL ";/nowhere/text;");
    assert_non_null(strstr(error, "'/nowhere/text'"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_file_is_named_while_it_is_read),
        cmocka_unit_test(a_text_that_cannot_be_read_was_the_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
