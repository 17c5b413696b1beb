/* test_device.c: what becomes of --device: which GPU is taken, what is said when there is none, and that a GPU that
 * refuses or breaks down leaves the work to the CPU. The GPU is tests/fake_cuda.c; each case has a process of its own,
 * since a process opens its device once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/device.h"
#include "kernels/gpu.h"
#include "kernels/gpu_quantize.h"

/* The line that `what` wrote in a child where the module fails as `fake` says. */
static void in_child(const char *fake, void (*what)(FILE *out), char line[512])
{
    int pipes[2], status;
    assert_int_equal(pipe(pipes), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        FILE *out = fdopen(pipes[1], "w");
        char path[512];
        setenv("FAKE_CUDA", fake, 1);
        snprintf(path, sizeof path, "%s/tests/fake_cuda.so", getenv("SAFFRON_BUILD"));
        gpu_place(path);
        what(out);
        fclose(out);
        _exit(0);
    }
    close(pipes[1]);
    FILE *in = fdopen(pipes[0], "r");
    line[0] = '\0';
    if (!fgets(line, 512, in))
        line[0] = '\0';
    fclose(in);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void say_opened(FILE *out, const char *wanted)
{
    bool open = device_open(wanted);
    fprintf(out, "%d|%s|%s|%s", open, device_name(), device_why(), device_option());
}

static void open_cuda(FILE *out) { say_opened(out, "cuda"); }
static void open_first(FILE *out) { say_opened(out, "cuda:0"); }
static void open_seventh(FILE *out) { say_opened(out, "cuda:7"); }
static void open_cpu(FILE *out) { say_opened(out, "cpu"); }
static void open_without_module(FILE *out)
{
    gpu_place(NULL);
    say_opened(out, "cuda");
}

static void which_device(void **state)
{
    static const struct {
        const char *fake;
        void (*open)(FILE *out);
        const char *line;
    } cases[] = {
        { "", open_cuda, "1|cuda:1 Fake 1|| --device cuda:1" },     /* the freest */
        { "", open_first, "1|cuda:0 Fake 0|| --device cuda:0" },
        { "", open_seventh, "0|cpu|there is no device cuda:7: the driver lists 2|" },
        { "", open_cpu, "0|cpu||" },
        { "none", open_cuda, "0|cpu|the driver lists no GPU|" },
        { "driver", open_cuda, "0|cpu|the NVIDIA driver knows CUDA 12.4, this program was built for 13.0|" },
        { "version", open_cuda, "0|cpu|the module is of another version: run make|" },
        { "", open_without_module, "0|cpu|not built: nvcc was not found|" },
    };
    char line[512];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        in_child(cases[i].fake, cases[i].open, line);
        assert_string_equal(line, cases[i].line);
    }
}

/* Rounds a tensor twice on the device that was asked for, and says whether the codes are the CPU's. */
static void round_twice(FILE *out)
{
    float x[64];
    struct recipe here = { .format = format_find("int8"), .scale = { .kind = SCALE_TENSOR } }, there = here;
    struct quant want, got;
    for (int i = 0; i < 64; i++)
        x[i] = (float)(i * i) - 900;
    device_open("cuda");
    there.gpu = device_seat();
    quantize(x, 8, 8, &here, NULL, &want);
    for (int turn = 0; turn < 2; turn++) {
        device_begin();
        enum kernel_status status = quantize(x, 8, 8, &there, NULL, &got);
        bool same = status == KERNEL_OK && memcmp(got.codes, want.codes, 64) == 0;
        fprintf(out, "%s, %s|", same ? "same" : "other", device_computed());
        quant_free(&got);
    }
    quant_free(&want);
}

static void when_it_fails(void **state)
{
    char line[512];
    (void)state;
    in_child("memory", round_twice, line);      /* may have memory the next time, so it is asked again */
    assert_string_equal(line, "same, cpu (cannot allocate 1.0 MiB on Fake 1: out of memory)|"
                              "same, cpu (cannot allocate 1.0 MiB on Fake 1: out of memory)|");
    in_child("lost", round_twice, line);        /* a context that failed is not asked again */
    assert_string_equal(line, "same, cpu (cannot finish a kernel on Fake 1: unspecified launch failure)|"
                              "same, cpu (cuda:1 Fake 1 broke down before)|");
    in_child("none", round_twice, line);
    assert_string_equal(line, "same, cpu (the driver lists no GPU)|same, cpu (the driver lists no GPU)|");
    in_child("", round_twice, line);            /* launches that do nothing are believed: it was the device's turn */
    assert_string_equal(line, "other, cuda:1 Fake 1|other, cuda:1 Fake 1|");
}

static void report_lines(FILE *out)
{
    json_t *lines = json_array(), *line;
    size_t i;
    device_open("cuda");
    device_report(lines);
    json_array_foreach(lines, i, line)
        fprintf(out, "%s: %s|", json_string_value(json_array_get(line, 0)),
                json_string_value(json_array_get(line, 1)));
    json_decref(lines);
}

static void what_doctor_says(void **state)
{
    char line[512];
    (void)state;
    in_child("", report_lines, line);
    assert_string_equal(line, "GPU: cuda:0 Fake 0, compute capability 9.0, 0.2 GiB, 0.0 free|"
                              "GPU: cuda:1 Fake 1, compute capability 9.0, 0.2 GiB, 0.2 free|"
                              "CUDA: driver 13.0, runtime 13.0|"
                              "GPU in use: cuda:1 Fake 1, for tensors of 1 or more values|");
    in_child("driver", report_lines, line);
    assert_string_equal(line, "GPU: not used: the NVIDIA driver knows CUDA 12.4, this program was built for 13.0|");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(which_device),
        cmocka_unit_test(when_it_fails),
        cmocka_unit_test(what_doctor_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
