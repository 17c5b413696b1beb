/* test_labproc: the tutor's side of the pipe, against labs that lie, die, fall silent or talk nonsense, and the real
 * one killed at random moments. */
#include <signal.h>
#include <unistd.h>

#include "tests/labtest.h"

static const char HELLO[] = "printf '{\"type\":\"hello\",\"protocol\":1,\"api\":1,\"version\":\"x\",\"pid\":1}\\n'; ";
static const char READY[] = "read open; printf '{\"type\":\"ready\",\"isa\":\"scalar\"}\\n'; ";

/* `sh -c` with hello and ready before `rest`. */
static struct labproc *fake(const char *rest)
{
    char command[2048];
    snprintf(command, sizeof command, "%s%s%s", HELLO, READY, rest);
    return labtest_start(command);
}

static void expect_lost(struct labproc *lab, int64_t limit, const char *why)
{
    struct labproc_event lost = { .kind = LABPROC_NOTHING };
    json_t *none = labtest_wait(lab, "no such type", limit, &lost);
    assert_null(none);
    if (lost.kind != LABPROC_LOST || !strstr(lost.text, why))
        fail_msg("expected '%s', got '%s'", why, lost.text);
    for (const char *p = lost.text; *p; p++)
        assert_true((unsigned char)*p >= 0x20 && (unsigned char)*p < 0x7f);
}

static void liars(void **state)
{
    static const struct { const char *rest, *why; int64_t limit; } cases[] = {
        { "head -c 100000 /dev/urandom; sleep 20", "garbage", 5000 },
        { "head -c 6000000 /dev/zero; sleep 20", "longer than 4 MiB", 8000 },
        { "head -c 5000000 /dev/zero | tr '\\0' '['; echo; sleep 20", "longer than 4 MiB", 8000 },
        { "head -c 1000000 /dev/zero | tr '\\0' '['; echo; sleep 20", "nested too deeply", 5000 },
        { "echo '{\"type\":\"result\",\"id\":1,\"answer\":{}}'; sleep 20", "garbage", 5000 },
        { "echo '{\"type\":\"result\",\"id\":1,\"blocks\":[{\"view\":\"prose\"}]}'; sleep 20", "no 'text'", 5000 },
        { "echo '{\"type\":\"no\"}'; sleep 20", "no type that is known", 5000 },
        { "exit 7", "ended (status 7)", 5000 },
        { "kill -SEGV $$", "ended (signal 11)", 5000 },
        { "echo out of luck >&2; exit 1", "out of luck", 5000 },
        { "printf '\\033[2Jred\\n' >&2; exit 1", "?[2Jred", 5000 },
        { "exec >&-; sleep 20", "closed its output", 5000 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct labproc *lab = fake(cases[i].rest);
        expect_lost(lab, cases[i].limit, cases[i].why);
        labproc_free(lab);
    }
}

/* An endless flood of good lines never blocks a step for long. */
static void flood(void **state)
{
    (void)state;
    struct labproc *lab =
        fake("while :; do echo '{\"type\":\"progress\",\"id\":1,\"fraction\":0.5,\"label\":\"x\"}'; done");
    int64_t end = labtest_now() + 500, longest = 0;
    while (labtest_now() < end) {
        int64_t began = labtest_now();
        labproc_step(lab, began);
        if (labtest_now() - began > longest)
            longest = labtest_now() - began;
        for (struct labproc_event e; (e = labproc_next(lab)).kind != LABPROC_NOTHING;)
            json_decref(e.message);
    }
    assert_true(longest < 5000); /* one that reads on would never end */
    labproc_free(lab);
}

/* Nobody takes the events: memory stays bounded, and the newest still come once somebody does. */
static void nobody_reads(void **state)
{
    (void)state;
    struct labproc *lab =
        fake("i=0; while [ $i -lt 2000 ]; do echo '{\"type\":\"progress\",\"id\":1}'; i=$((i+1)); done;"
             "echo '{\"type\":\"problem\",\"id\":1,\"text\":\"end\"}'; sleep 20");
    for (int i = 0; i < 50; i++) {
        labproc_step(lab, labtest_now());
        usleep(2000);
    }
    json_t *last = labtest_wait(lab, "problem", 5000, NULL);
    assert_non_null(last);
    json_decref(last);
    labproc_free(lab);
}

static void hello_is_awaited(void **state)
{
    (void)state;
    struct labproc *lab = labtest_start("sleep 30");
    int64_t fake_clock = 1000;
    labproc_step(lab, fake_clock);
    for (int i = 0; i < 40; i++)
        labproc_step(lab, fake_clock += 500); /* a remote lab: Esc is the learner's */
    assert_int_equal(labproc_next(lab).kind, LABPROC_NOTHING);
    labproc_free(lab);
}

static void silence(void **state)
{
    (void)state;
    struct labproc *lab = fake("sleep 60");
    json_t *ready = labtest_wait(lab, "ready", 5000, NULL);
    assert_non_null(ready);
    json_decref(ready);
    int64_t fake_clock = labtest_now();
    for (int i = 0; i < 28; i++)
        labproc_step(lab, fake_clock += 500);
    assert_int_equal(labproc_next(lab).kind, LABPROC_NOTHING); /* 14 s: a network may do that */
    for (int i = 0; i < 6; i++)
        labproc_step(lab, fake_clock += 500);
    expect_lost(lab, 3000, "fell silent");
    labproc_free(lab);
}

/* Ctrl-Z of the tutor for a minute is no silence of the lab. */
static void tutor_stood_still(void **state)
{
    (void)state;
    struct labproc *lab = fake("sleep 60");
    json_decref(labtest_wait(lab, "ready", 5000, NULL));
    int64_t fake_clock = labtest_now();
    labproc_step(lab, fake_clock += 100);
    labproc_step(lab, fake_clock += 60000);
    labproc_step(lab, fake_clock += 100);
    assert_int_equal(labproc_next(lab).kind, LABPROC_NOTHING);
    labproc_free(lab);
}

static void banner_is_skipped(void **state)
{
    char command[1024];
    (void)state;
    snprintf(command, sizeof command, "echo Welcome to the cluster; printf '\\377\\000\\n{}\\n[1]\\n'; %s%ssleep 20",
             HELLO, READY);
    struct labproc *lab = labtest_start(command);
    json_t *ready = labtest_wait(lab, "ready", 5000, NULL);
    assert_non_null(ready);
    json_decref(ready);
    labproc_free(lab);
}

static void long_banner(void **state)
{
    (void)state;
    struct labproc *lab = labtest_start("yes no | head -c 100000; sleep 20");
    expect_lost(lab, 5000, "first 64 KiB");
    labproc_free(lab);
}

static void other_version(void **state)
{
    (void)state;
    struct labproc *lab = labtest_start("echo '{\"type\":\"hello\",\"protocol\":9,\"api\":1}'; sleep 20");
    expect_lost(lab, 5000, "protocol 9");
    labproc_free(lab);
}

/* Three starts in a row that come to nothing: no more, until somebody asks again. */
static void gives_up(void **state)
{
    (void)state;
    struct labproc *lab = labtest_start("echo no such host >&2; exit 255");
    for (int i = 1; i <= 3; i++) {
        struct labproc_event e;
        do
            e = labtest_next(lab, 5000);
        while (e.kind == LABPROC_MESSAGE);
        assert_int_equal(e.kind, LABPROC_LOST);
        assert_non_null(strstr(e.text, "no such host"));
        assert_int_equal(e.stopped, i == 3);
    }
    assert_int_equal(labtest_next(lab, 300).kind, LABPROC_NOTHING);
    labproc_send(lab, json_pack("{s:s, s:i}", "type", "info", "id", 1));
    assert_int_equal(labtest_next(lab, 5000).kind, LABPROC_LOST);
    labproc_free(lab);
}

static void no_program(void **state)
{
    (void)state;
    struct labproc_config config = { .program = "/nowhere/saffron" };
    struct labproc *lab = labproc_new(&config);
    expect_lost(lab, 2000, "cannot start the lab '/nowhere/saffron'");
    labproc_free(lab);
}

/* Whether a process is there, and no zombie that nobody has reaped. */
static bool runs(long pid)
{
    char path[64], state = 'Z';
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return kill((pid_t)pid, 0) == 0;
    if (fscanf(file, "%*d %*s %c", &state) != 1)
        state = 'Z';
    fclose(file);
    return state != 'Z' && state != 'X';
}

/* What the command started dies with it. */
static void grandchildren_end(void **state)
{
    char path[256], command[512];
    const char *folder = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
    long pid = 0;
    (void)state;
    snprintf(path, sizeof path, "%s/labproc-%d", folder, (int)getpid());
    snprintf(command, sizeof command, "sleep 1000 & echo $! >%s; wait", path);
    struct labproc *lab = labtest_start(command);
    for (int i = 0; i < 1000 && pid == 0; i++) {
        labproc_step(lab, labtest_now());
        usleep(20000);
        FILE *file = fopen(path, "r");
        if (file && fscanf(file, "%ld", &pid) != 1)
            pid = 0;
        if (file)
            fclose(file);
    }
    assert_true(pid > 0);
    labproc_free(lab);
    unlink(path);
    for (int i = 0; i < 2000 && runs(pid); i++)
        usleep(10000);
    assert_false(runs(pid));
}

static void killed_and_replaced(void **state)
{
    (void)state;
    struct labproc *lab = labtest_start(NULL);
    unsigned random = 12345;
    for (int i = 0; i < 20; i++) {
        random = random * 1103515245u + 12345u;
        labproc_send(lab, json_pack("{s:s, s:i}", "type", "info", "id", i + 1));
        int64_t end = labtest_now() + (random >> 16) % 12;
        struct labproc_event lost = { .kind = LABPROC_NOTHING };
        labproc_step(lab, labtest_now());
        while (labtest_now() < end)
            json_decref(labtest_next(lab, 1).message);
        if (labproc_pid(lab) > 0)
            kill((pid_t)labproc_pid(lab), SIGKILL);
        json_t *none = labtest_wait(lab, "no such type", 5000, &lost);
        assert_null(none);
        assert_int_equal(lost.kind, LABPROC_LOST);
        assert_non_null(strstr(lost.text, "the lab ended (signal 9)"));
        if (lost.stopped)
            labproc_send(lab, json_pack("{s:s, s:i}", "type", "info", "id", 1));
    }
    labproc_send(lab, json_pack("{s:s, s:i}", "type", "info", "id", 77));
    for (json_t *info = NULL;; json_decref(info)) {
        info = labtest_wait(lab, "info", 5000, NULL);
        assert_non_null(info);
        if (json_integer_value(json_object_get(info, "id")) == 77) {
            json_decref(info);
            break;
        }
    }
    labproc_free(lab);
}

static void queue_is_bounded(void **state)
{
    (void)state;
    struct labproc *lab = labtest_start("sleep 30"); /* never says hello, never reads */
    char *text = malloc(1000001);
    memset(text, 'x', 1000000);
    text[1000000] = '\0';
    int taken = 0;
    while (taken < 100 && labproc_send(lab, json_pack("{s:s, s:i, s:s, s:s}", "type", "document", "id", 1, "name", "x",
                                                      "text", text)))
        taken++;
    assert_true(taken > 4 && taken < 40);
    free(text);
    labproc_free(lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(liars),
        cmocka_unit_test(flood),
        cmocka_unit_test(nobody_reads),
        cmocka_unit_test(hello_is_awaited),
        cmocka_unit_test(silence),
        cmocka_unit_test(tutor_stood_still),
        cmocka_unit_test(banner_is_skipped),
        cmocka_unit_test(long_banner),
        cmocka_unit_test(other_version),
        cmocka_unit_test(gives_up),
        cmocka_unit_test(no_program),
        cmocka_unit_test(grandchildren_end),
        cmocka_unit_test(killed_and_replaced),
        cmocka_unit_test(queue_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
