/* test_plain_parts.c: lines of plain mode as replies, masking, the search of deep dives, times and options. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tutor/options.h"
#include "tutor/paths.h"
#include "tutor/plain_print.h"
#include "tutor/reply.h"
#include "tutor/search.h"

static struct reply read_reply(const char *line, enum session_wants wants, bool sure)
{
    char error[256] = "";
    struct reply reply;
    if (!reply_read(line, wants, sure, &reply, error, sizeof error))
        fail_msg("'%s' was refused: %s", line, error);
    return reply;
}

static void refuse(const char *line, enum session_wants wants, const char *why)
{
    char error[256] = "";
    struct reply reply;
    assert_false(reply_read(line, wants, true, &reply, error, sizeof error));
    assert_non_null(strstr(error, why));
}

static void test_answers(void **state)
{
    (void)state;
    struct reply reply = read_reply("  18 bytes @75 \r", WANTS_LINE, true);
    assert_int_equal(reply.kind, REPLY_ANSWER);
    assert_string_equal(reply.text, "18 bytes");
    assert_int_equal(reply.confidence, SURE_75);
    reply = read_reply("2 1 4 3@guess", WANTS_LINE, true);
    assert_string_equal(reply.text, "2 1 4 3");
    assert_int_equal(reply.confidence, SURE_GUESS);
    reply = read_reply("mail me @ home", WANTS_LINE, false);
    assert_string_equal(reply.text, "mail me @ home");
    assert_int_equal(reply.confidence, SURE_NONE);
    assert_int_equal(read_reply(" \t ", WANTS_LINE, true).kind, REPLY_EMPTY);
    refuse("18 @80", WANTS_LINE, "@guess");
}

static void test_sure_and_grade(void **state)
{
    (void)state;
    static const char *const sure[] = { "guess", "50", "75 %", "@95", "1", "2", "3", "4" };
    for (int i = 0; i < 8; i++) {
        struct reply reply = read_reply(sure[i], WANTS_CONFIDENCE, true);
        assert_int_equal(reply.kind, REPLY_SURE);
        assert_int_equal(reply.confidence, i % 4);
    }
    refuse("60", WANTS_CONFIDENCE, "'60'");
    assert_true(read_reply("good", WANTS_GRADE, false).good);
    assert_false(read_reply("a", WANTS_GRADE, false).good);
    refuse("meh", WANTS_GRADE, "again");
}

static void test_commands(void **state)
{
    (void)state;
    struct reply reply = read_reply(":knob  times=60 ", WANTS_NOTHING, false);
    assert_int_equal(reply.kind, REPLY_COMMAND);
    assert_int_equal(reply.command, COMMAND_KNOB);
    assert_string_equal(reply.text, "times=60");
    assert_int_equal(read_reply(":qu", WANTS_CONFIDENCE, false).command, COMMAND_QUIT);
    refuse(":bcak", WANTS_LINE, "':back'");
    assert_int_equal(read_reply(":q", WANTS_LINE, false).command, COMMAND_QUIT);
    assert_int_equal(read_reply(":R", WANTS_LINE, false).command, COMMAND_RESET);
    assert_string_equal(read_reply(":t x.npy", WANTS_LINE, false).text, "x.npy");
    refuse(":", WANTS_LINE, "no command");
    refuse(":x", WANTS_LINE, "no command");
}

static void test_long_line(void **state)
{
    (void)state;
    char *line = malloc(3 * REPLY_BYTES);
    memset(line, 'x', 3 * REPLY_BYTES);
    line[3 * REPLY_BYTES - 1] = '\0';
    assert_int_equal(strlen(read_reply(line, WANTS_LINE, true).text), REPLY_BYTES - 1);
    free(line);
}

static void expect_masked(const char *line, const char *masked)
{
    char out[256];
    plain_mask(line, "AMD EPYC 9655", true, out, sizeof out);
    assert_string_equal(out, masked);
}

static void test_mask(void **state)
{
    (void)state;
    expect_masked("FP8 took 1,234.5 ms, INT4 2e-3 s.", "FP8 took <measured> ms, INT4 <measured> s.");
    expect_masked("on AMD EPYC 9655, 12 cores", "on <measured>, <measured> cores");
    expect_masked("from 5.", "from <measured>.");
    expect_masked("640.5 MB/s of 1.2 GB/s, 3 GFLOP/s, 4 GB, 5 Mops",
                  "<measured> B/s of <measured> B/s, <measured> FLOP/s, <measured> GB, <measured> Mops");
    char small[16];
    plain_mask("1 2 3 4 5 6 7 8 9", NULL, true, small, sizeof small);
    assert_true(strlen(small) < sizeof small);
}

static void test_times(void **state)
{
    (void)state;
    int east = -1;
    assert_int_equal(options_time("1970-01-01T00:00:01Z", &east), 1000);
    assert_int_equal(east, 0);
    assert_int_equal(options_time("1970-01-01T01:00:00.25+01:00", &east), 250);
    assert_int_equal(east, 60);
    static const char *const bad[] = { "", "now", "2026-01-01", "2026-13-01T00:00:00Z", "2026-01-01T00:00:00",
                                       "2026-01-01T00:00:00+25:00", "2026-1-1T00:00:00Z" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(options_time(bad[i], &east), -1);
}

static enum options_word word(const char *text)
{
    return strcmp(text, "run") == 0 ? WORD_COMMAND : strcmp(text, "fit") == 0 ? WORD_UNBUILT : WORD_PLAIN;
}

static bool parse(int count, const char *const *words, struct options *options)
{
    static char *argv[16];
    char error[256];
    memcpy(argv, words, (size_t)count * sizeof *words);
    return options_parse(count, argv, word, options, error, sizeof error);
}

static void test_options(void **state)
{
    (void)state;
    struct options options;
    const char *const some[] = { "saffron", "--seed=7", "run", "a:b", "--knob", "k=1", "--plain", "--", "--x" };
    assert_true(parse(9, some, &options));
    assert_string_equal(options.command, "run");
    assert_string_equal(options.seed, "7");
    assert_int_equal(options.word_count, 2);
    assert_string_equal(options.words[1], "--x");
    assert_string_equal(options.knobs[0], "k=1");
    assert_true(options.plain);
    assert_null(options_misplaced(&options, "run"));
    assert_string_equal(options_misplaced(&options, "list"), "--knob");
    const char *const unbuilt[] = { "saffron", "fit", "--gpu", "H100" };
    assert_true(parse(4, unbuilt, &options));
    const char *const bad[] = { "saffron", "--plian" };
    assert_false(parse(2, bad, &options));
}

static void test_search(void **state)
{
    (void)state;
    char problem[256];
    struct search_hit hits[8];
    setenv("SAFFRON_DATA", "tests/plain", 1);
    struct catalog *catalog = catalog_load(problem, sizeof problem);
    assert_string_equal(problem, "");
    assert_int_equal(catalog_count(catalog), 1);
    assert_int_equal(search_dives(catalog, "salient", hits, 8), 1);
    assert_int_equal(search_dives(catalog, "SALEINT, chan!", hits, 8), 1);
    assert_int_equal(search_dives(catalog, "e5m2", hits, 8), 1);
    assert_int_equal(search_dives(catalog, "sal", hits, 8), 1);
    assert_int_equal(search_dives(catalog, "zebra", hits, 8), 0);
    assert_int_equal(search_dives(catalog, " ,. ", hits, 8), 0);
    assert_int_equal(search_dives(catalog, "", hits, 8), 0);
    catalog_free(catalog);
}

static void test_paths(void **state)
{
    (void)state;
    char out[64];
    assert_true(paths_is_file("a/b"));
    assert_true(paths_is_file("b.lua"));
    assert_false(paths_is_file("b"));
    assert_false(paths_is_file(".lua"));
    paths_folder("/a/b.lua", out, sizeof out);
    assert_string_equal(out, "/a");
    paths_folder("/b", out, sizeof out);
    assert_string_equal(out, "/");
    paths_folder("b", out, sizeof out);
    assert_string_equal(out, ".");
    paths_join("/", "b", out, sizeof out);
    assert_string_equal(out, "/b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers), cmocka_unit_test(test_sure_and_grade), cmocka_unit_test(test_commands),
        cmocka_unit_test(test_long_line), cmocka_unit_test(test_mask),         cmocka_unit_test(test_times),
        cmocka_unit_test(test_options), cmocka_unit_test(test_search),         cmocka_unit_test(test_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
