/* test_infile: files that somebody named: plain ones, folders, pipes with data, with a slow writer, and with none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "engine/infile.h"

static char folder[] = "/tmp/saffron-infile-XXXXXX", pipe_name[64], file_name[64];

static int make_places(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(pipe_name, sizeof pipe_name, "%s/pipe", folder);
    snprintf(file_name, sizeof file_name, "%s/file", folder);
    return mkfifo(pipe_name, 0600);
}

static int remove_places(void **state)
{
    (void)state;
    unlink(pipe_name);
    unlink(file_name);
    return rmdir(folder);
}

static void sleep_ms(long ms)
{
    const struct timespec pause = { 0, ms * 1000000 };
    nanosleep(&pause, NULL);
}

/* A child that opens the pipe after a pause and writes after another. */
static pid_t writer(long opens_ms, long writes_ms)
{
    pid_t child = fork();
    if (child == 0) {
        sleep_ms(opens_ms);
        FILE *out = fopen(pipe_name, "w");
        sleep_ms(writes_ms);
        _exit(out && fputs("saffron\n", out) >= 0 && fclose(out) == 0 ? 0 : 1);
    }
    return child;
}

static void expect_line(FILE *file, const char *line)
{
    char got[32] = "";
    assert_non_null(file);
    assert_non_null(fgets(got, sizeof got, file));
    assert_string_equal(got, line);
    assert_null(fgets(got, sizeof got, file));
    fclose(file);
}

static void plain_files_are_read(void **state)
{
    const char *why;
    FILE *out = fopen(file_name, "w");
    (void)state;
    fputs("plain\n", out);
    fclose(out);
    expect_line(infile_open(file_name, &why), "plain\n");
    assert_null(why);
}

static void what_cannot_be_read_says_why(void **state)
{
    const char *why;
    (void)state;
    assert_null(infile_open(folder, &why));
    assert_non_null(strstr(why, "folder"));
    assert_null(infile_open("/nowhere/at/all", &why));
    assert_non_null(strstr(why, "No such file"));
}

static void pipes_wait_for_their_writer(void **state)
{
    static const long pauses[][2] = { { 0, 0 }, { 100, 0 }, { 0, 300 }, { 100, 300 } };
    const char *why;
    (void)state;
    for (size_t i = 0; i < sizeof pauses / sizeof *pauses; i++) {
        int status = 1;
        pid_t child = writer(pauses[i][0], pauses[i][1]);
        expect_line(infile_open(pipe_name, &why), "saffron\n");
        assert_true(waitpid(child, &status, 0) == child && status == 0);
    }
}

static void a_pipe_without_a_writer_is_refused(void **state)
{
    const char *why;
    (void)state;
    alarm(60);
    assert_null(infile_open(pipe_name, &why));
    assert_non_null(strstr(why, "pipe that nothing writes into"));
    alarm(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_files_are_read),
        cmocka_unit_test(what_cannot_be_read_says_why),
        cmocka_unit_test(pipes_wait_for_their_writer),
        cmocka_unit_test(a_pipe_without_a_writer_is_refused),
    };
    return cmocka_run_group_tests(tests, make_places, remove_places);
}
