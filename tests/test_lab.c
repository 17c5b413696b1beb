/* test_lab: what the lab answers: documents, computed steps, errors with their place, cancel, the end of the pipe. */
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/labtest.h"

extern char **environ;

static const char LESSON[] =
    "return lesson { id = 'x', title = 'x', win = 'x',\n"
    "  predict { id = 'zeros', ask = 'q', number = { unit = '%', within = '25 %' }, wrong = { 0.1 },\n"
    "    knobs = { times = { 60, from = 1, to = 100 }, scale = { 'tensor', choices = { 'tensor', 'token' } } },\n"
    "    compute = function(lab, knob)\n"
    "      local x = lab.gaussian { rows = 64, cols = 1024, outliers = 0.001, times = knob.times }\n"
    "      local q = lab.quantize(x, { format = 'int8', scale = knob.scale })\n"
    "      return { answer = 100 * q.zero_fraction, q = q, x = x, times = knob.times }\n"
    "    end,\n"
    "    reveal = function(o, guess)\n"
    "      return { view.hist { o.x, grid = o.q }, view.heat { o.x }, view.heat { o.q },\n"
    "        guess and (guess.hit and 'hit' or 'miss') or 'no guess', guess and guess.text or '-' }\n"
    "    end, card = { front = 'f', back = 'b' } },\n"
    "  predict { id = 'slow', ask = 'q', number = { within = '1 %' },\n"
    "    compute = function(lab) lab.gemv { formats = { 'fp32' }, rows = 4096, rounds = 31, batch = 256 }\n"
    "      return { answer = 1 } end,\n"
    "    reveal = function() return { 'r' } end },\n"
    "  predict { id = 'facts', ask = 'q', given = function(lab) return { view.bits { lab.cast(237.4, 'e4m3') } } end,\n"
    "    choice = { { 'a', 'A' }, { 'b', 'B' } }, compute = function() return { up = true } end,\n"
    "    correct = function(o) return o.up and 'a' or 'b' end, reveal = function() return 'r' end },\n"
    "}\n";

/* A reply to request `id`, of this type. */
static json_t *reply(struct labproc *lab, const char *type, long id)
{
    for (;;) {
        json_t *message = labtest_wait(lab, type, 20000, NULL);
        if (!message)
            fail_msg("no %s for %ld", type, id);
        if (json_integer_value(json_object_get(message, "id")) == id)
            return message;
        json_decref(message);
    }
}

static const char *text_at(const json_t *message, size_t block)
{
    return json_string_value(json_object_get(json_array_get(json_object_get(message, "blocks"), block), "text"));
}

static void computes(void **state)
{
    (void)state;
    struct labproc *lab = labtest_start(NULL);
    labtest_compute(lab, 1, "lessons/x.lua", LESSON, "zeros", NULL);
    json_t *first = reply(lab, "result", 1);
    const json_t *provenance = json_object_get(first, "provenance");
    double answer = json_number_value(json_object_get(first, "answer"));
    assert_true(answer > 10 && answer < 90);
    assert_string_equal(json_string_value(json_object_get(provenance, "device")), "cpu");
    assert_string_equal(json_string_value(json_object_get(provenance, "seed")), "0123456789abcdef");
    assert_string_equal(json_string_value(json_object_get(provenance, "command")),
                        "saffron run lessons/x.lua:zeros --seed 0x0123456789abcdef");
    assert_string_equal(json_string_value(json_array_get(json_object_get(provenance, "kernels"), 0)), "quantize");
    assert_int_equal(json_array_size(json_object_get(first, "blocks")), 5);
    assert_string_equal(text_at(first, 3), "no guess");

    labtest_compute(lab, 2, "lessons/x.lua", LESSON, "zeros", NULL); /* the same bits again */
    json_t *second = reply(lab, "result", 2);
    assert_true(json_equal(json_object_get(first, "blocks"), json_object_get(second, "blocks")));
    json_decref(second);

    labtest_compute(lab, 3, "lessons/x.lua", LESSON, "zeros", json_pack("{s:f, s:s}", "times", 1.0, "scale", "token"));
    json_t *turned = reply(lab, "result", 3);
    assert_true(json_number_value(json_object_get(turned, "answer")) < answer / 4);
    assert_non_null(strstr(json_string_value(json_object_get(json_object_get(turned, "provenance"), "command")),
                           "--knob scale=token --knob times=1"));
    json_decref(turned);
    json_decref(first);
    labproc_free(lab);
}

/* compute() never sees the guess; reveal() does, with whether it hit. */
static void guesses(void **state)
{
    char hex[SHA256_HEX];
    (void)state;
    struct labproc *lab = labtest_start(NULL);
    labtest_sha256(LESSON, hex);
    labproc_offer(lab, "lessons/x.lua", LESSON, strlen(LESSON));
    labproc_send(lab,
                 json_pack("{s:s, s:i, s:s, s:s, s:s, s:{s:f, s:s, s:i}}", "type", "compute", "id", 1, "lesson", hex,
                           "step", "zeros", "seed", "00", "guess", "value", 0.1, "text", "0.1 %", "confidence", 2));
    json_t *result = reply(lab, "result", 1);
    assert_string_equal(text_at(result, 3), "miss");
    assert_string_equal(text_at(result, 4), "0.1 %");
    json_decref(result);
    labproc_send(
        lab,
        json_pack("{s:s, s:i, s:s, s:s, s:s}", "type", "given", "id", 2, "lesson", hex, "step", "facts", "seed", "00"));
    json_t *given = reply(lab, "given", 2);
    const json_t *row = json_array_get(json_object_get(json_array_get(json_object_get(given, "blocks"), 0), "rows"), 0);
    assert_string_equal(json_string_value(json_object_get(row, "value")), "240");
    assert_string_equal(json_string_value(json_object_get(row, "bits")), "01110111");
    json_decref(given);
    labtest_compute(lab, 3, "lessons/x.lua", LESSON, "facts", NULL);
    json_t *choice = reply(lab, "result", 3);
    assert_string_equal(json_string_value(json_object_get(choice, "answer")), "a");
    json_decref(choice);
    labproc_free(lab);
}

/* Wrong requests are answered, each with one line. */
static void problems(void **state)
{
    static const struct { const char *step, *knob, *says; } cases[] = {
        { "zeroes", NULL, "the lesson has no step 'zeroes'" },
        { "zeros", "time", "no knob 'time'" },
        { "zeros", "times", "cannot stand there" },
    };
    (void)state;
    struct labproc *lab = labtest_start(NULL);
    for (int i = 0; i < 3; i++) {
        labtest_compute(lab, i, "lessons/x.lua", LESSON, cases[i].step,
                        cases[i].knob ? json_pack("{s:i}", cases[i].knob, 101) : NULL);
        json_t *problem = reply(lab, "problem", i);
        if (!strstr(json_string_value(json_object_get(problem, "text")), cases[i].says))
            fail_msg("%s", json_string_value(json_object_get(problem, "text")));
        json_decref(problem);
    }
    labproc_send(lab, json_pack("{s:s, s:i, s:s}", "type", "source", "id", 9, "function", "no_such_function"));
    json_decref(reply(lab, "problem", 9));
    labproc_send(lab, json_pack("{s:s, s:i, s:s}", "type", "kv", "id", 10, "path", "/nowhere/config.json"));
    json_decref(reply(lab, "problem", 10));
    labproc_free(lab);
}

/* Every mistake of an author: where it is, and what was meant. */
static void findings(void **state)
{
    static const struct { const char *text; int line, column; const char *says;
    } cases[] = {
        { "return lesson {\n  id = 'x', title = 'x', win = 'x'\n  read { id = 'a' },\n}", 3, 3, "'}' expected" },
        { "return lesson {\n  id = 'x', title = 'x', win = 'x',\n  raed { id = 'a' },\n}", 3, 0,
          "did you mean 'read'?" },
        { "return lesson {\n  id = 'x', titel = 'x', win = 'x',\n  read { id = 'a' },\n}", 2, 13,
          "did you mean 'title'?" },
        { "return lesson {\n  id = 'x', title = 'x', win = 'x',\n  read { id = 'a', view.prsoe 'x' },\n}", 3, 0,
          "unknown 'view.prsoe'; did you mean 'prose'?" },
        { "return lesson {\n  id = 'x', title = 'x', win = 'x',\n  read { id = 'a',\n    view.note { txt = 'x' } },\n}",
          4, 0, "did you mean 'text'?" },
        { "return lesson {\n  id = 'x', title = 'x', win = 'x',\n  predict { id = 'p', ask = 'q',\n"
          "    number = { witin = '25 %' } },\n}",
          4, 16, "did you mean 'within'?" },
        { "return lesson {\n  id = 'x', title = 'x', win = 'x',\n  predict { id = 'p', ask = 'q',\n"
          "    number = { within = 'nearly' } },\n}",
          4, 16, "within" },
        { "return lesson {\n  id = 'x', title = 'x', win = 'x',\n  read { id = 'a', 'x' },\n"
          "  read { id = 'a', 'y' },\n}",
          4, 3, "used twice" },
        { "return lesson {\n  id = 'x', title = 'x', win = 'x',\n  read { id = 'A b', 'x' },\n}", 3, 10, "an id has" },
        { "return lesson {\n  id = 'x', title = 'x', win = 'x',\n  predict { id = 'p', ask = 'q',\n"
          "    choice = { 'int8', 'e4m3' } },\n}",
          4, 5, "{ \"int8\", \"...\" }" },
        { "return lesson {\n  id = 'x', title = 'x', win = 'x',\n  predict { id = 'p', ask = 'q',\n"
          "    correct = 'a', choice = { { 'a', 'A' }, { 'b', 'B' } } },\n}",
          4, 5, "'correct' is a function" },
        { "return lesson { id = 'x', title = 'x', win = 'x' }", 1, 0, "no steps" },
        { "return 7", 1, 0, "return lesson" },
        { "x = 1", 1, 0, "local x" },
        { "error('boom')", 1, 0, "boom" },
        { "error({})", 1, 0, "no text" },
        { "return lesson { { 'x' } }", 1, 0, "" },
        { "return lesson 'x'", 1, 0, "takes one table" },
        { "\033Lua", 1, 0, "binary chunk" },
    };
    (void)state;
    struct labproc *lab = labtest_start(NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        labproc_send(lab,
                     json_pack("{s:s, s:i, s:s, s:s}", "type", "document", "id", (int)i, "name", "lessons/x.lua",
                               "text", cases[i].text));
        json_t *message = reply(lab, "document", (long)i);
        const json_t *first = json_array_get(json_object_get(message, "findings"), 0);
        assert_true(json_is_null(json_object_get(message, "document")));
        assert_non_null(first);
        const char *said = json_string_value(json_object_get(first, "text"));
        int line = (int)json_integer_value(json_object_get(first, "line"));
        int column = (int)json_integer_value(json_object_get(first, "column"));
        if (!strstr(said, cases[i].says) || line != cases[i].line || (cases[i].column && column != cases[i].column))
            fail_msg("case %zu: %d:%d: %s", i, line, column, said);
        json_decref(message);
    }
    labproc_free(lab);
}

static void errors_of_callbacks(void **state)
{
    static const struct { const char *body; int line; const char *says; } cases[] = {
        { "return { answer = knob.tims }", 4, "unknown knob 'tims'; did you mean 'times'?" },
        { "local t = nil\n    return { answer = t.x }", 5, "attempt to index a nil value (local 't')" },
        { "return { answer = lab.quantise }", 4, "unknown 'lab.quantise'; did you mean 'quantize'?" },
        { "return { answer = lab.quantize(lab.values { 1 }, { format = 'int9' }).mse }", 4, "did you mean 'int8'?" },
        { "return { answer = lab.quantize(lab.values { 1 }, { format = 'int8' }).sqnr }", 4,
          "did you mean 'sqnr_db'?" },
        { "return { answer = lab.quantize(lab.values { 1 }, { fromat = 'int8' }).mse }", 4, "did you mean 'format'?" },
        { "return { answer = lab.tensor('minilm/ffn_inn').rms }", 4, "did you mean 'minilm/ffn_in'?" },
        { "return { answer = lab.tensor('./../x.safetensors').rms }", 4, "" },
        { "return { answer = 'many' }", 2, "no number" },
        { "return { answer = lab.machine().cpu }", 2, "no number" }, /* no arguments, and no colon */
        { "return { answer = lab.quantize(lab.values { 1 }, { format = 'fp8' }).mse }", 4, "did you mean 'e4m3'?" },
        { "return { answer = lab.quantize(lab.values { 1 }, { kind = 'int8' }).mse }", 4, "there are format, scale," },
        { "return { answer = lab:values { 1 } }", 4, "are called with a dot, lab.values" },
        { "error('isa: ' .. lab.machine().isa)", 4, "isa: " }, /* no argument at all is no colon */
        { "return { answer = lab.config 'llama-3-8b' }", 4, "there are deepseek-v3, gemma-3-27b" },
        { "return { answer = lab.kv { config = 'llama-3-8b' }.x }", 4, "there are deepseek-v3, gemma-3-27b" },
        { "print(lab) return { answer = 1 }", 4, "reveal() can show" },
        { "return { answer = math.random() }", 4, "lab.uniform give seeded values" },
        { "return 7", 0, "returns a table" },
    };
    char text[1024];
    (void)state;
    struct labproc *lab = labtest_start(NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(text, sizeof text,
                 "return lesson { id = 'x', title = 'x', win = 'x',\n  predict { id = 's', ask = 'q',\n"
                 "    number = { within = '1 %%' }, knobs = { times = { 1 } }, compute = function(lab, knob)\n    %s\n"
                 "    end, reveal = function() return {} end } }",
                 cases[i].body);
        labtest_compute(lab, (long)i, "lessons/x.lua", text, "s", NULL);
        json_t *problem = reply(lab, "problem", (long)i);
        const char *said = json_string_value(json_object_get(problem, "text"));
        int line = (int)json_integer_value(json_object_get(problem, "line"));
        if (!strstr(said, cases[i].says) || (cases[i].line && line != cases[i].line))
            fail_msg("case %zu: line %d: %s", i, line, said);
        assert_string_equal(json_string_value(json_object_get(problem, "path")), "lessons/x.lua");
        json_decref(problem);
    }
    labproc_free(lab);
}

/* Cancels a kernel that runs, asks for something else behind it; how many ms its end took to be told. */
static int cancel_once(struct labproc *lab)
{
    labtest_compute(lab, 2, "lessons/x.lua", LESSON, "slow", NULL);
    json_decref(labtest_wait(lab, "progress", 20000, NULL)); /* the kernel runs */
    labtest_compute(lab, 3, "lessons/x.lua", LESSON, "zeros", NULL);
    int64_t began = labtest_now();
    labproc_send(lab, json_pack("{s:s, s:i}", "type", "cancel", "id", 2));
    json_t *problem = reply(lab, "problem", 2);
    int64_t took = labtest_now() - began;
    assert_non_null(strstr(json_string_value(json_object_get(problem, "text")), "canceled"));
    json_decref(problem);
    json_decref(reply(lab, "result", 3));
    return (int)took;
}

/* What was canceled ends within 100 ms, where a busy machine lets it, and the next request is answered. */
static void cancels(void **state)
{
    (void)state;
    struct labproc *lab = labtest_start(NULL);
    labtest_compute(lab, 1, "lessons/x.lua", LESSON, "zeros", NULL);
    json_decref(reply(lab, "result", 1));
    int took = cancel_once(lab);
    for (int tries = 1; took > 100 * LABTEST_SLOW; tries++) {
        if (tries == 10)
            fail_msg("ten times a cancel took over 100 ms, at last %d", took);
        took = cancel_once(lab);
    }
    labproc_send(lab, json_pack("{s:s, s:i}", "type", "cancel", "id", 99)); /* nobody: nothing happens */
    labproc_send(lab, json_pack("{s:s, s:i}", "type", "info", "id", 4));
    json_decref(reply(lab, "info", 4));
    labproc_free(lab);
}

/* A request that waits behind another can be canceled too. */
static void cancels_what_waits(void **state)
{
    (void)state;
    struct labproc *lab = labtest_start(NULL);
    labtest_compute(lab, 1, "lessons/x.lua", LESSON, "slow", NULL);
    json_decref(labtest_wait(lab, "progress", 20000, NULL));
    labtest_compute(lab, 2, "lessons/x.lua", LESSON, "zeros", NULL);
    labproc_send(lab, json_pack("{s:s, s:i}", "type", "cancel", "id", 2));
    json_decref(reply(lab, "problem", 2));
    labproc_send(lab, json_pack("{s:s, s:i}", "type", "cancel", "id", 1));
    json_decref(reply(lab, "problem", 1));
    labproc_free(lab);
}

static void write_line(int fd, json_t *message)
{
    char *line = json_dumps(message, JSON_COMPACT);
    assert_true(write(fd, line, strlen(line)) == (ssize_t)strlen(line) && write(fd, "\n", 1) == 1);
    free(line);
    json_decref(message);
}

/* Starts the lab on plain pipes: its stdin's end in *to. */
static pid_t start_raw(int *to, int *from)
{
    int in[2], out[2];
    pid_t pid;
    posix_spawn_file_actions_t actions;
    char *argv[] = { (char[]){ "saffron" }, (char[]){ "lab" }, NULL };
    assert_true(pipe(in) == 0 && pipe(out) == 0);
    fcntl(in[1], F_SETFD, FD_CLOEXEC);
    fcntl(out[0], F_SETFD, FD_CLOEXEC);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    assert_int_equal(posix_spawn(&pid, labtest_program(), &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    *to = in[1];
    *from = out[0];
    return pid;
}

/* Reads on until the text is there. */
static void read_until(int from, char *chunk, size_t size, const char *text)
{
    for (size_t used = 0;;) {
        ssize_t n = read(from, chunk + used, size - 1 - used);
        assert_true(n > 0);
        used += (size_t)n;
        chunk[used] = '\0';
        if (strstr(chunk, text))
            return;
    }
}

/* The end of the pipe ends the lab, even inside a kernel. */
static void end_of_file(void **state)
{
    char chunk[65536], hex[SHA256_HEX];
    int to, from, status;
    (void)state;
    pid_t pid = start_raw(&to, &from);
    labtest_sha256(LESSON, hex);
    write_line(to, json_pack("{s:s}", "type", "open"));
    write_line(to, json_pack("{s:s, s:s, s:s, s:s}", "type", "lesson", "sha256", hex, "name", "x.lua", "text", LESSON));
    write_line(
        to,
        json_pack("{s:s, s:i, s:s, s:s, s:s}", "type", "compute", "id", 1, "lesson", hex, "step", "slow", "seed", "0"));
    read_until(from, chunk, sizeof chunk, "\"progress\""); /* the kernel runs */
    int64_t began = labtest_now();
    close(to);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(labtest_now() - began < 2000 * LABTEST_SLOW); /* the kernel alone would take longer */
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(from);
}

/* Garbage on its stdin is passed over; a line too long ends it. */
static void garbage_for_the_lab(void **state)
{
    char chunk[65536];
    int to, from, status;
    (void)state;
    pid_t pid = start_raw(&to, &from);
    static const char garbage[] = "garbage\n{}\n\377\n[[[[[[\n{\"type\":\"quit\",\"x\":1}\n";
    assert_true(write(to, garbage, sizeof garbage - 1) > 0);
    write_line(to, json_pack("{s:s, s:i}", "type", "info", "id", 1)); /* not open yet: a problem */
    write_line(to, json_pack("{s:s}", "type", "open"));
    write_line(to, json_pack("{s:s, s:i}", "type", "info", "id", 2));
    read_until(from, chunk, sizeof chunk, "\"info\"");
    assert_non_null(strstr(chunk, "not open yet"));
    char *block = calloc(1, 65536);
    for (int i = 0; i < 100; i++)
        if (write(to, block, 65536) < 0)
            break;
    free(block);
    close(to);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    close(from);
}

static json_t *ask_zeros(int id, const char *sha256)
{
    return json_pack("{s:s, s:i, s:s, s:s, s:s}", "type", "compute", "id", id, "lesson", sha256, "step", "zeros",
                     "seed", "0");
}

/* The lab asks for a text that it does not have; what then comes must be that text. */
static void need_lesson(void **state)
{
    char chunk[65536], hex[SHA256_HEX];
    int to, from;
    (void)state;
    pid_t pid = start_raw(&to, &from);
    labtest_sha256(LESSON, hex);
    write_line(to, json_pack("{s:s}", "type", "open"));
    write_line(to, ask_zeros(1, hex));
    read_until(from, chunk, sizeof chunk, "\"need-lesson\"");
    assert_non_null(strstr(chunk, hex));
    write_line(to, json_pack("{s:s, s:s, s:s, s:s}", "type", "lesson", "sha256", hex, "name", "x.lua", "text",
                             "return lesson { id = 'y', title = 'y', win = 'y', read { id = 'r', 'x' } }"));
    read_until(from, chunk, sizeof chunk, "not the one that was asked for");
    write_line(to, ask_zeros(2, hex));
    read_until(from, chunk, sizeof chunk, "\"need-lesson\"");
    write_line(to, json_pack("{s:s, s:s, s:s, s:s}", "type", "lesson", "sha256", hex, "name", "x.lua", "text", LESSON));
    read_until(from, chunk, sizeof chunk, "\"result\"");
    close(to);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    close(from);
}

/* And where the tutor has none, the request ends. */
static void no_lesson(void **state)
{
    char hex[SHA256_HEX];
    (void)state;
    struct labproc *lab = labtest_start(NULL);
    labtest_sha256(LESSON, hex);
    labproc_send(lab, ask_zeros(1, hex));
    json_t *problem = reply(lab, "problem", 1);
    assert_non_null(strstr(json_string_value(json_object_get(problem, "text")), "cannot be read or has changed"));
    json_decref(problem);
    labproc_free(lab);
}

/* What a lesson shows cannot reach the terminal as an escape code. */
static void escape_codes(void **state)
{
    static const char text[] = "return lesson { id = 'x', title = 'x', win = 'x', predict { id = 's', ask = 'q',\n"
        "number = { within = '1 %' }, compute = function() return { answer = 1 } end,\n"
        "reveal = function() return { '\\27[2J\\27]0;x\\7 \\u{202e}' } end } }";
    (void)state;
    struct labproc *lab = labtest_start(NULL);
    labtest_compute(lab, 1, "lessons/x.lua", text, "s", NULL);
    json_t *result = reply(lab, "result", 1);
    assert_string_equal(text_at(result, 0), "\xef\xbf\xbd[2J\xef\xbf\xbd]0;x\xef\xbf\xbd \xef\xbf\xbd");
    json_decref(result);
    labproc_free(lab);
}

/* pairs() goes by key, so that a lesson does the same on every run. */
static void pairs_in_order(void **state)
{
    static const char text[] = "return lesson { id = 'x', title = 'x', win = 'x', predict { id = 's', ask = 'q',\n"
        "choice = { { 'a', 'A' }, { 'b', 'B' } }, compute = function() local t, s = {}, ''\n"
        "for i = 20, 1, -1 do t['k' .. i % 10 .. i] = i t[i] = i end t.k11 = nil\n"
        "for k, v in pairs(t) do s = s .. k .. ' ' if k == 3 then t[4] = nil end end\n"
        "return { answer = 'a', s = s } end, reveal = function(o) return { o.s } end } }";
    (void)state;
    struct labproc *lab = labtest_start(NULL);
    labtest_compute(lab, 1, "lessons/x.lua", text, "s", NULL);
    json_t *result = reply(lab, "result", 1);
    assert_string_equal(text_at(result, 0), "1 2 3 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 "
                                            "k010 k020 k111 k212 k22 k313 k33 k414 k44 k515 k55 k616 k66 k717 "
                                            "k77 k818 k88 k919 k99 ");
    json_decref(result);
    labproc_free(lab);
}

static void shows_source(void **state)
{
    (void)state;
    struct labproc *lab = labtest_start(NULL);
    labproc_send(lab, json_pack("{s:s, s:i, s:s}", "type", "source", "id", 1, "function", "gemv_fp16__scalar"));
    json_t *source = reply(lab, "source", 1);
    assert_non_null(strstr(text_at(source, 0), "void gemv_fp16__scalar(const struct matrix *w"));
    assert_true(text_at(source, 0)[strlen(text_at(source, 0)) - 2] == '}');
    json_decref(source);
    labproc_free(lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(computes),
        cmocka_unit_test(guesses),
        cmocka_unit_test(problems),
        cmocka_unit_test(findings),
        cmocka_unit_test(errors_of_callbacks),
        cmocka_unit_test(cancels),
        cmocka_unit_test(cancels_what_waits),
        cmocka_unit_test(end_of_file),
        cmocka_unit_test(garbage_for_the_lab),
        cmocka_unit_test(need_lesson),
        cmocka_unit_test(no_lesson),
        cmocka_unit_test(escape_codes),
        cmocka_unit_test(pairs_in_order),
        cmocka_unit_test(shows_source),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
