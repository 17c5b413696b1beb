/* test_lab_escapes: ways out of a Lua sandbox that others found; each must end within 3 s with an error that names it,
 * and the lab (the same, or a fresh one) must answer afterwards. */
#include "tests/labtest.h"

enum { LIMIT_MS = 3000 * LABTEST_SLOW };

static const struct escape {
    const char *name, *body; /* of compute() */
    const char *says;        /* in the problem */
    bool        ends_lab;    /* no hook sees it: the watchdog ends the process */
} escapes[] = {
    { "endless loop", "while true do end", "runs too long", false },
    { "endless loop in pcall", "while true do pcall(function() while true do end end) end", "runs too long", false },
    { "pcall of the budget error", "local function f() while true do end end while true do pcall(pcall, f) end",
      "runs too long", false },
    { "recursion", "local function f() return 1 + f() end return f()", "more than 64 MiB", false },
    { "nested pcall", "local function f() return pcall(f) end while true do f() end", "runs too long", false },
    { "coroutine", "local c = coroutine.wrap(function() while true do end end) c()", "unknown name 'coroutine'",
      false },
    { "xpcall", "xpcall(function() error 'x' end, function() while true do end end)", "unknown name 'xpcall'", false },
    { "load", "load('while true do end')()", "unknown name 'load'", false },
    { "require", "require 'os'", "unknown name 'require'", false },
    { "io", "io.open('/etc/passwd')", "unknown name 'io'", false },
    { "os", "os.execute('id')", "unknown name 'os'", false },
    { "debug", "debug.sethook()", "unknown name 'debug'", false },
    { "collectgarbage", "collectgarbage 'stop'", "unknown name 'collectgarbage'", false },
    { "setmetatable", "setmetatable({}, { __gc = function() while true do end end })", "unknown name 'setmetatable'",
      false },
    { "getmetatable", "getmetatable('').__index = nil", "unknown name 'getmetatable'", false },
    { "string metatable", "local s = ('').format s = nil string.format = print", "unknown name 'print'", false },
    { "string is locked", "string.format = nil", "cannot be changed", false },
    { "view is locked", "view.prose = nil", "cannot be changed", false },
    { "lab is locked", "lab.gaussian = nil", "cannot be changed", false },
    { "knob is locked", "knob.x = 1", "cannot be changed", false },
    { "string.dump", "string.dump(function() end)", "unknown 'string.dump'", false },
    { "math.random", "return { answer = math.random() }", "unknown 'math.random'", false },
    { "global", "leak = 1", "write 'local leak'", false },
    { "rawset", "rawset(string, 'x', 1)", "unknown name 'rawset'", false },
    { "string bomb", "local s = ('x'):rep(2^30)", "more than 64 MiB", false },
    { "table bomb", "local t = {} while true do t = { t, t, {} } t[#t + 1] = ('x'):rep(1000) .. #t end", "", false },
    { "doubling bomb", "local s = 'x' while true do s = s .. s end", "more than 64 MiB", false },
    { "pattern bomb", "string.find(('a'):rep(300), '.-.-.-.-.-.-b$')", "'find' ran for more than 1 s", true },
    { "method pattern bomb", "local s = ('a'):rep(300) return s:match('.-.-.-.-.-.-b$')", "'match' ran for more",
      true },
    { "gsub bomb", "string.gsub(('a'):rep(300), '.-.-.-.-.-.-b$', '')", "'gsub' ran for more than 1 s", true },
    { "pattern bomb in pcall", "while true do pcall(string.find, ('a'):rep(300), '.-.-.-.-.-.-b$') end", "ran for more",
      true },
    { "empty string repeated", "string.rep('', 1e15 // 1 | 0)", "'rep' ran for more than 1 s", true },
    { "table.move", "table.move({}, 1, 1e15 // 1 | 0, 2)", "'move' ran for more than 1 s", true },
    { "table.concat", "table.concat({}, '', 1, 2^53 | 0)", "", false },
    { "table.unpack", "table.unpack({}, 1, 1e8 // 1 | 0)", "too many results", false },
    { "sort with a lying order",
      "local t = {} for i = 1, 1000 do t[i] = i end table.sort(t, function() return true end)",
      "invalid order function", false },
    { "many host calls between bombs",
      "while true do lab.values { 1 } for i = 1, 3 do string.find(('a'):rep(110), '.-.-.-.-b$') end end",
      "ran for more", true },
    { "tensors without end", "local x, t = lab.gaussian { n = 2^20 }, {} for i = 1, 500 do t[i] = x:take() end",
      "out of memory", false },
    { "a huge tensor", "lab.gaussian { n = 2^40 }", "is not within", false },
    { "calls without end", "for i = 1, 1e6 do lab.values { 1 } end", "more than 2000 calls", false },
    { "blocks without end", "local b = {} for i = 1, 1e5 do b[i] = view.prose 'x' end", "more than 2048 blocks",
      false },
    { "progress without end", "while true do lab.progress(0.5, ('x'):rep(1000)) end", "more than 2000 calls", false },
};

/* A lesson whose step "s" has this body. */
static void make_lesson(char *out, size_t size, const char *body)
{
    snprintf(out, size, "return lesson { id = 'x', title = 'x', win = 'x',\n  predict { id = 's', ask = 'q',\n"
             "    number = { within = '1 %%' },\n    compute = function(lab, knob)\n      %s\n    end,\n"
             "    reveal = function() return { 'r' } end,\n  },\n}\n", body);
}

static void check_alive(struct labproc *lab)
{
    char text[512];
    json_t *message;
    struct labproc_event lost;
    make_lesson(text, sizeof text, "return { answer = 42 }");
    labtest_compute(lab, 900, "lessons/fine.lua", text, "s", NULL);
    const char *outcome = labtest_outcome(lab, 20000, &message, &lost);
    assert_string_equal(outcome, "result");
    assert_int_equal(json_integer_value(json_object_get(message, "answer")), 42);
    json_decref(message);
}

/* CPU seconds are what the watchdog counts; on a machine that gives us less than half of one, the clock says nothing.
 */
static bool busy_machine(void)
{
    struct timespec begin, end;
    int64_t began = labtest_now();
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
    while (labtest_now() - began < 200)
        ;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    return (end.tv_sec - begin.tv_sec) * 1000 + (end.tv_nsec - begin.tv_nsec) / 1000000 < 150;
}

static void try_escape(struct labproc *lab, const struct escape *e)
{
    char text[1024];
    json_t *message;
    struct labproc_event lost = { .kind = LABPROC_NOTHING };
    make_lesson(text, sizeof text, e->body);
    labtest_compute(lab, 1, "lessons/escape.lua", text, "s", NULL);
    int64_t began = labtest_now();
    const char *outcome = labtest_outcome(lab, 30000 * LABTEST_SLOW, &message, &lost);
    int64_t took = labtest_now() - began;
    const char *said = json_string_value(json_object_get(message, "text"));
    if (strcmp(outcome, "problem") != 0 || !said || !strstr(said, e->says) || (took > LIMIT_MS && !busy_machine()))
        fail_msg("%s: %s after %d ms: %s %s", e->name, outcome, (int)took, said ? said : "", lost.text);
    if (e->says[0] && (!json_object_get(message, "line")
        || strcmp(json_string_value(json_object_get(message, "path")), "lessons/escape.lua") != 0))
        fail_msg("%s: no place: %s", e->name, said);
    json_decref(message);
    if (e->ends_lab) {
        json_t *none = labtest_wait(lab, "result", 5000, &lost);
        assert_null(none);
        if (lost.kind != LABPROC_LOST || strcmp(lost.text, "") == 0)
            fail_msg("%s: the lab was not ended", e->name);
    }
}

static void escapes_end(void **state)
{
    (void)state;
    struct labproc *lab = labtest_start(NULL);
    check_alive(lab);
    for (size_t i = 0; i < sizeof escapes / sizeof escapes[0]; i++) {
        try_escape(lab, &escapes[i]);
        check_alive(lab);
    }
    labproc_free(lab);
}

/* The text of the file itself is run before any step is asked for: the same holds for it. */
static void escapes_at_load(void **state)
{
    static const char *const tops[] = {
        "while true do end", "string.find(('a'):rep(300), '.-.-.-.-.-.-b$')", "string.rep('', 1e15 // 1 | 0)",
    };
    (void)state;
    struct labproc *lab = labtest_start(NULL);
    check_alive(lab);
    for (size_t i = 0; i < sizeof tops / sizeof tops[0]; i++) {
        struct labproc_event lost = { .kind = LABPROC_NOTHING };
        int64_t began = labtest_now();
        labproc_send(
            lab,
            json_pack("{s:s, s:i, s:s, s:s}", "type", "document", "id", 7, "name", "lessons/top.lua", "text", tops[i]));
        json_t *message = labtest_wait(lab, i == 0 ? "document" : "problem", 30000 * LABTEST_SLOW, &lost);
        assert_true(labtest_now() - began <= LIMIT_MS || busy_machine());
        assert_non_null(message);
        if (i == 0)
            assert_int_equal(json_array_size(json_object_get(message, "findings")), 1);
        json_decref(message);
        if (i > 0)
            json_decref(labtest_wait(lab, "result", 5000, &lost));
        check_alive(lab);
    }
    labproc_free(lab);
}

/* Two labs ended by the same step: the second loss says so. */
static void second_strike(void **state)
{
    (void)state;
    char text[1024];
    json_t *message;
    struct labproc_event lost = { .kind = LABPROC_NOTHING };
    struct labproc *lab = labtest_start(NULL);
    make_lesson(text, sizeof text, "string.rep('', 1e15 // 1 | 0)");
    for (int strike = 1; strike <= 2; strike++) {
        labtest_compute(lab, strike, "lessons/twice.lua", text, "s", NULL);
        assert_string_equal(labtest_outcome(lab, 10000, &message, &lost), "problem");
        json_decref(message);
        assert_string_equal(labtest_outcome(lab, 10000, &message, &lost), "lost");
        assert_int_equal(lost.strikes, strike);
    }
    check_alive(lab);
    labproc_free(lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes_end),
        cmocka_unit_test(escapes_at_load),
        cmocka_unit_test(second_strike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
