/* test_answer.c: what a learner types is read as meant, echoed as read, and judged as the question says. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/answer.h"

/* --- reading ------------------------------------------------------------------------------------------------------ */

static const struct reading {
    const char *text, *unit;
    double      value;
    const char *echo;
} readings[] = {
    /* plain numbers */
    { "18", "", 18, "18" },
    { " 18 ", "", 18, "18" },
    { "+3", "", 3, "3" },
    { "-5", "", -5, "-5" },
    { ".5", "", 0.5, "0.5" },
    { "5.", "", 5, "5" },
    { "0", "", 0, "0" },
    { "1.2345", "", 1.2345, "1.2345" },
    { "237.375", "", 237.375, "237.375" },
    { "1.2e-3", "", 1.2e-3, "0.0012" },
    { "1E3", "", 1000, "1000" },
    { "1e20", "", 1e20, "1e+20" },
    { "2^-7", "", 0.0078125, "0.0078125" },
    { "2^10", "", 1024, "1024" },
    { "2^0.5", "", 1.4142135623730951, "1.41421356" },
    { "65,536", "", 65536, "65,536" },
    { "12,345,678", "", 12345678, "12,345,678" },
    { "1,234.5", "", 1234.5, "1234.5" },
    { "1,000", "", 1000, "1000" },
    /* the unit that was asked for, said or not */
    { "18", "bytes", 18, "18 bytes" },
    { "18 bytes", "bytes", 18, "18 bytes" },
    { "18", "B", 18, "18 bytes" },
    { "18B", "B", 18, "18 bytes" },
    { "4.5 bpw", "bits", 4.5, "4.5 bits" },
    { "12 %", "%", 12, "12 %" },
    { "12%", "%", 12, "12 %" },
    { "12 percent", "%", 12, "12 %" },
    { "3.5x", "x", 3.5, "3.5 x" },
    { "3.5×", "x", 3.5, "3.5 x" },
    { "3 times", "x", 3, "3 x" },
    { "12 dB", "dB", 12, "12 dB" },
    { "5 tokens/s", "tokens/s", 5, "5 tokens/s" },
    { "5", "tokens/s", 5, "5 tokens/s" },
    { "4 chats", "chats", 4, "4 chats" },
    /* another of the same family */
    { "32 GiB", "KiB", 33554432, "32 GiB = 33,554,432 KiB" },
    { "32 gib", "GiB", 32, "32 GiB" },
    { "2^10 KiB", "MiB", 1, "1024 KiB = 1 MiB" },
    { "10 MB", "B", 1e7, "10 MB = 10,000,000 bytes" },
    { "1 MiB", "bytes", 1048576, "1 MiB = 1,048,576 bytes" },
    { "64 KiB", "KiB", 64, "64 KiB" },
    { "100ms", "s", 0.1, "100 ms = 0.1 s" },
    { "250 us", "ms", 0.25, "250 us = 0.25 ms" },
    { "250 µs", "ms", 0.25, "250 µs = 0.25 ms" },
    { "0.3 kg", "g", 300, "0.3 kg = 300 g" },
    { "1.5k", "chats", 1500, "1.5 k = 1500 chats" },
    { "2 m", "tokens", 2e6, "2 m = 2,000,000 tokens" },
    /* no unit was asked for */
    { "4.5 bpw", "", 4.5, "4.5 bpw" },
    { "32 GiB", "", 34359738368., "32 GiB = 34,359,738,368 bytes" },
    { "1.5k", "", 1500, "1.5 k = 1500" },
};

static void test_reads(void **state)
{
    char echo[256];
    (void)state;
    for (size_t i = 0; i < sizeof readings / sizeof readings[0]; i++) {
        const struct reading *r = &readings[i];
        double value = NAN;
        if (!answer_read_number(r->text, r->unit, &value, echo, sizeof echo))
            fail_msg("'%s' in '%s' was refused: %s", r->text, r->unit, echo);
        if (fabs(value - r->value) > 1e-12 * fabs(r->value))
            fail_msg("'%s' in '%s' is %.17g, not %.17g", r->text, r->unit, value, r->value);
        if (strcmp(echo, r->echo) != 0)
            fail_msg("'%s' in '%s' is echoed as '%s', not '%s'", r->text, r->unit, echo, r->echo);
    }
}

static void test_refuses(void **state)
{
    static const struct {
        const char *text, *unit, *says;
    } refused[] = {
        { "", "", "cannot read '' as a number" },
        { "  ", "%", "or 18 %" },
        { "-", "", "cannot read '-'" },
        { "e", "", "cannot read 'e'" },
        { "1e", "", "cannot use 'e' here: the answer is in plain numbers" },
        { "2^", "", "cannot read '2^'" },
        { "^2", "", "cannot read '^2'" },
        { "2^3^2", "", "cannot read" },
        { "1.2.3", "", "cannot read" },
        { "-2^0.5", "", "cannot read" },
        { "1e999", "", "cannot read" },
        { "nan", "", "cannot read 'nan'" },
        { "inf", "", "cannot read 'inf'" },
        { "0x10", "", "cannot use 'x10'" },
        { "3,4", "", "cannot read '3,4'" },
        { "1,2345", "", "cannot read" },
        { ",123", "", "cannot read" },
        { "1 000", "", "cannot use '000'" },
        { "18 bytes", "%", "cannot use 'bytes' here: the answer is in %" },
        { "12 %", "B", "cannot use '%' here" },
        { "5 s", "tokens/s", "cannot use 's' here: the answer is in tokens/s" },
        { "1.5k", "x", "cannot use 'k' here" },
        { "4 bananas", "chats", "cannot use 'bananas'" },
        { "5 é", "", "cannot use 'é'" },
        { "5 a unit that nobody could mean, and then some more", "", "cannot use 'a unit that nobody c'" },
    };
    char echo[256];
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        double value = 42;
        if (answer_read_number(refused[i].text, refused[i].unit, &value, echo, sizeof echo))
            fail_msg("'%s' was read as %g", refused[i].text, value);
        assert_true(value == 42);
        if (!strstr(echo, refused[i].says))
            fail_msg("'%s' is refused with '%s', which lacks '%s'", refused[i].text, echo, refused[i].says);
    }
}

static uint32_t random_bits(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

/* The last value of an echo, "A = B" or "B", read again in the same unit. */
static void reads_back(const char *text, const char *unit)
{
    char echo[256], again[256];
    double value = NAN, back = NAN;
    if (!answer_read_number(text, unit, &value, echo, sizeof echo))
        return;
    const char *last = strstr(echo, "= ") ? strstr(echo, "= ") + 2 : echo;
    if (!answer_read_number(last, unit, &back, again, sizeof again))
        fail_msg("'%s' in '%s' is echoed as '%s', which cannot be read: %s", text, unit, echo, again);
    if (fabs(back - value) > 1e-8 * fabs(value))
        fail_msg("'%s' in '%s' is %.17g, its echo '%s' is %.17g", text, unit, value, echo, back);
}

static void test_echo_reads_back(void **state)
{
    static const char *const names[] = { "", "B", "KiB", "GiB", "bits", "s", "ms", "%", "x", "dB", "g", "chats" };
    static const char *const typed[] = { "", " bytes", " MiB", "GB", " bit", "ms", "us", "%", "x", " dB", "kg", "k" };
    uint32_t seed = 12345;
    char text[96];
    (void)state;
    for (size_t i = 0; i < sizeof readings / sizeof readings[0]; i++)
        reads_back(readings[i].text, readings[i].unit);
    for (int i = 0; i < 20000; i++) {
        double number = (int)(random_bits(&seed) % 2000001) / 1000.0 * pow(10, (int)(random_bits(&seed) % 25) - 12);
        int digits = 1 + (int)(random_bits(&seed) % 9);
        snprintf(text, sizeof text, "%.*g%s", digits, number, typed[random_bits(&seed) % 12]);
        reads_back(text, names[random_bits(&seed) % 12]);
    }
}

/* Any text: never a crash, an echo that is no UTF-8 (a view could not hold it), or a value that is no number. */
static void test_junk(void **state)
{
    static const char *const pieces[] = { "1", "9", ".", ",", "^", "-", "+", "e", "E", " ", "é", "×", "KiB", "µs", "%",
                                          "😀" };
    uint32_t seed = 99;
    char text[256], echo[64];
    (void)state;
    for (int i = 0; i < 50000; i++) {
        double value = 0;
        size_t used = 0;
        for (int n = (int)(random_bits(&seed) % 40); n > 0; n--)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s", pieces[random_bits(&seed) % 16]);
        text[used] = '\0';
        bool read = answer_read_number(text, i % 2 ? "KiB" : "", &value, echo, 1 + random_bits(&seed) % sizeof echo);
        json_t *json = json_string(echo);
        if (!json || (read && !isfinite(value)))
            fail_msg("'%s' gives the echo '%s'", text, echo);
        json_decref(json);
    }
}

/* --- judging ------------------------------------------------------------------------------------------------------ */

static struct step step_of(enum answer_kind kind, json_t *rule)
{
    return (struct step){ .kind = STEP_PREDICT, .answer = kind, .id = "s", .rule = rule, .json = rule };
}

static json_t *number_json(double value)
{
    return isfinite(value) ? json_real(value) : json_string(isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
}

static void test_number_rules(void **state)
{
    const struct {
        const char *within;
        double      guess, outcome;
        bool        hit;
    } cases[] = {
        { "exact", 18, 18, true },           { "exact", 18, 18.1, false },      { "exact", 0.1 + 0.2, 0.3, true },
        { "exact", 0, 0, true },             { "exact", 1e-12, 0, false },
        { "25 %", 75, 100, true },           { "25 %", 125, 100, true },        { "25 %", 74.9, 100, false },
        { "25 %", 125.1, 100, false },       { "25 %", -75, -100, true },       { "25 %", -74, -100, false },
        { "25 %", 75, -100, false },         { "25 %", 0, 0, true },            { "25 %", 1e-9, 0, false },
        { "10%", 90, 100, true },            { "3 points", 97, 100, true },     { "3 points", 96.9, 100, false },
        { "1 point", -1, 0, true },          { "0.5 points", 0.5, 0, true },
        { "2 x", 50, 100, true },            { "2 x", 200, 100, true },         { "2 x", 49, 100, false },
        { "2 x", 201, 100, false },          { "2 x", -50, -100, true },        { "2 x", -50, 100, false },
        { "2 x", 0, 100, false },            { "2 x", 0, 0, false },            { "2 x", 1e-300, 1.5e-300, true },
        { "tick", 240, 240.5, true },        { "tick", 240, 240.6, false },
        { "25 %", NAN, 100, false },         { "25 %", 100, NAN, false },       { "exact", NAN, NAN, false },
        { "25 %", 5, INFINITY, false },      { "25 %", INFINITY, INFINITY, true },
        { "exact", INFINITY, INFINITY, true }, { "2 x", INFINITY, 5, false },
        { "3 points", -INFINITY, INFINITY, false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *rule = json_pack("{s:s, s:i}", "within", cases[i].within, "tick", 1);
        struct step step = step_of(i % 2 ? ANSWER_NUMBER : ANSWER_PLACE, rule);
        json_t *guess = number_json(cases[i].guess), *outcome = number_json(cases[i].outcome);
        if (answer_hit(&step, guess, outcome) != cases[i].hit)
            fail_msg("%g for %g within %s should %s", cases[i].guess, cases[i].outcome, cases[i].within,
                     cases[i].hit ? "hit" : "miss");
        json_decref(guess);
        json_decref(outcome);
        json_decref(rule);
    }
}

static void test_rules_known(void **state)
{
    static const char *const known[] = { "exact", "tick",     "25 %",    "25%", "0.1 %",
                                         "3 points", "1 point", "2 x",  "1.5x" };
    static const char *const unknown[] = { "",    "near", "%",     "25",         "-25 %",
                                           "0 %", "1 x",  "0.5 x", "25 percent", "25 %!" };
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        json_t *rule = json_pack("{s:s}", "within", known[i]);
        assert_true(answer_rule_known(rule));
        json_decref(rule);
    }
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        json_t *rule = json_pack("{s:s}", "within", unknown[i]);
        if (answer_rule_known(rule))
            fail_msg("'%s' was taken for a rule", unknown[i]);
        json_decref(rule);
    }
}

static void test_rule_texts(void **state)
{
    const struct {
        enum answer_kind kind;
        const char      *within, *unit, *text;
    } cases[] = {
        { ANSWER_NUMBER, "exact", "", "right if exact" },
        { ANSWER_NUMBER, "25 %", "%", "right within 25 % of it" },
        { ANSWER_NUMBER, "3 points", "%", "right within 3 points" },
        { ANSWER_NUMBER, "3 points", "dB", "right within 3 dB" },
        { ANSWER_NUMBER, "2 x", "", "right within a factor of 2" },
        { ANSWER_PLACE, "tick", "g", "right on the same mark, 1 g wide" },
        { ANSWER_ORDER, "", "", "right if the whole order is" },
        { ANSWER_CHOICE, "", "", "" },
    };
    char text[128];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *rule = json_pack("{s:s, s:s, s:i}", "within", cases[i].within, "unit", cases[i].unit, "tick", 1);
        struct step step = step_of(cases[i].kind, rule);
        answer_rule_text(&step, text, sizeof text);
        assert_string_equal(text, cases[i].text);
        json_decref(rule);
    }
}

static json_t *options(void)
{
    return json_pack("{s:[{s:s, s:s}, {s:s, s:s}, {s:s, s:s}], s:s}", "options", "id", "a", "text", "Alpha", "id", "b",
                     "text", "Beta", "id", "c", "text", "Gamma", "first", "most");
}

static void check_words(const struct step *step, json_t *guess, json_t *outcome, bool hit, const char *words)
{
    char text[256];
    assert_int_equal(answer_hit(step, guess, outcome), hit);
    answer_difference(step, guess, outcome, text, sizeof text);
    assert_string_equal(text, words);
    json_decref(guess);
    json_decref(outcome);
}

/* A measured outcome: the band of its spread, options that tie, a machine too noisy to judge anybody. */
static void test_measured_outcomes(void **state)
{
    static const struct {
        double guess, outcome;
        const char *values;
        enum verdict verdict;
    } cases[] = {
        { 4, 8, "{\"low\":7,\"high\":9}", VERDICT_HIT },      { 3.4, 8, "{\"low\":7,\"high\":9}", VERDICT_MISS },
        { 18, 8, "{\"low\":7,\"high\":9}", VERDICT_HIT },     { 18.1, 8, "{\"low\":7,\"high\":9}", VERDICT_MISS },
        { 100, 8, "{\"low\":1,\"high\":1000}", VERDICT_HIT }, { 100, 8, "{\"low\":1}", VERDICT_MISS },
        { 8, 8, "{\"unscored\":\"noise\"}", VERDICT_UNSCORED }, { 8, 8, "{}", VERDICT_HIT },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *rule = json_pack("{s:s}", "within", "2 x"), *values = json_loads(cases[i].values, 0, NULL);
        struct step step = step_of(ANSWER_NUMBER, rule);
        json_t *guess = json_real(cases[i].guess), *outcome = json_real(cases[i].outcome);
        if (answer_judge(&step, guess, outcome, values) != cases[i].verdict)
            fail_msg("%g for %g with %s", cases[i].guess, cases[i].outcome, cases[i].values);
        json_decref(guess);
        json_decref(outcome);
        json_decref(values);
        json_decref(rule);
    }
}

static void check_order(const char *guess, const char *ties, enum verdict verdict)
{
    json_t *rule = options(), *outcome = json_pack("[s, s, s]", "a", "b", "c"), *order = json_array();
    json_t *values = ties ? json_pack("{s:s}", "ties", ties) : NULL;
    struct step step = step_of(ANSWER_ORDER, rule);
    for (const char *p = guess; *p; p++)
        json_array_append_new(order, json_stringn(p, 1));
    assert_int_equal(answer_judge(&step, order, outcome, values), verdict);
    json_decref(order);
    json_decref(values);
    json_decref(outcome);
    json_decref(rule);
}

static void test_ties(void **state)
{
    (void)state;
    check_order("abc", NULL, VERDICT_HIT);
    check_order("bac", NULL, VERDICT_MISS);
    check_order("bac", "a=b", VERDICT_HIT);
    check_order("acb", "a=b", VERDICT_MISS);
    check_order("acb", "a b=c", VERDICT_HIT);
    check_order("bac", "a b=c", VERDICT_MISS);
    check_order("cba", "a=b=c", VERDICT_HIT);
    check_order("bac", "ab=c", VERDICT_MISS); /* 'ab' is another option */
}

static void test_choices_and_orders(void **state)
{
    json_t *rule = options();
    struct step choice = step_of(ANSWER_CHOICE, rule), order = step_of(ANSWER_ORDER, rule);
    (void)state;
    check_words(&choice, json_string("a"), json_string("a"), true, "Right: Alpha.");
    check_words(&choice, json_string("a"), json_string("b"), false, "Not that one: Beta.");
    check_words(&choice, json_null(), json_string("b"), false, "");
    check_words(&order, json_pack("[sss]", "a", "b", "c"), json_pack("[sss]", "a", "b", "c"), true,
                "Right: the whole order.");
    check_words(&order, json_pack("[sss]", "a", "b", "c"), json_pack("[sss]", "a", "c", "b"), false,
                "1 of 3 stand where you put them.");
    check_words(&order, json_pack("[sss]", "a", "b", "c"), json_array(), false, "0 of 0 stand where you put them.");
    /* What no honest lab answers. */
    check_words(&choice, json_string("a"), json_integer(3), false, "");
    check_words(&choice, json_string("a"), json_pack("[s]", "a"), false, "");
    check_words(&order, json_pack("[sss]", "a", "b", "c"), json_string("a"), false, "0 of 0 stand where you put them.");
    check_words(&order, json_integer(1), json_pack("[ii]", 1, 2), false, "0 of 2 stand where you put them.");
    assert_string_equal(answer_option_text(&choice, "b"), "Beta");
    assert_string_equal(answer_option_text(&choice, "z"), "z");
    assert_string_equal(answer_option_text(&choice, NULL), "");
    json_decref(rule);
}

static void test_fits(void **state)
{
    static const struct {
        enum answer_kind kind;
        const char      *json;
        bool             fits;
    } cases[] = {
        { ANSWER_NUMBER, "1.5", true },        { ANSWER_NUMBER, "'nan'", true },  { ANSWER_NUMBER, "[1]", false },
        { ANSWER_PLACE, "240", true },         { ANSWER_PLACE, "true", false },   { ANSWER_CHOICE, "'a'", true },
        { ANSWER_CHOICE, "'z'", false },       { ANSWER_CHOICE, "1", false },     { ANSWER_CHOICE, "['a']", false },
        { ANSWER_ORDER, "['b','a','c']", true }, { ANSWER_ORDER, "['a','b']", false },
        { ANSWER_ORDER, "['a','b','b']", false }, { ANSWER_ORDER, "['a','b','z']", false },
        { ANSWER_ORDER, "'a'", false },        { ANSWER_ORDER, "null", true },    { ANSWER_CHOICE, "null", true },
    };
    json_t *rule = options();
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[64];
        struct step step = step_of(cases[i].kind, rule);
        snprintf(text, sizeof text, "%s", cases[i].json);
        for (char *p = text; *p; p++)
            *p = *p == '\'' ? '"' : *p;
        json_t *answer = json_loads(text, JSON_DECODE_ANY, NULL);
        if (answer_fits(&step, answer) != cases[i].fits)
            fail_msg("%s as a %s", cases[i].json, answer_kind_names[cases[i].kind]);
        json_decref(answer);
    }
    json_decref(rule);
}

static void test_difference_of_numbers(void **state)
{
    const struct {
        enum answer_kind kind;
        double           guess, outcome;
        const char      *words;
    } cases[] = {
        { ANSWER_NUMBER, 240, 240, "Right: 240 g." },
        { ANSWER_NUMBER, 230, 240, "Right: your 230 g is close enough to 240 g." },
        { ANSWER_NUMBER, 200, 240, "It is 240 g: your 200 g is 16.7 % too low." },
        { ANSWER_NUMBER, 300, 240, "It is 240 g: your 300 g is 25 % too high." },
        { ANSWER_NUMBER, 24, 240, "It is 240 g: your 24 g is 10 times too small." },
        { ANSWER_NUMBER, 2400, 240, "It is 240 g: your 2400 g is 10 times too large." },
        { ANSWER_NUMBER, -240, 240, "Off by 480 g: it is 240 g." },
        { ANSWER_NUMBER, 0, 240, "Off by 240 g: it is 240 g." },
        { ANSWER_NUMBER, 3, 0, "Off by 3 g: it is 0 g." },
        { ANSWER_NUMBER, 3, NAN, "It is nan g." },
        { ANSWER_NUMBER, 3, INFINITY, "It is inf g." },
        { ANSWER_PLACE, 200, 240, "Off by 40 g: it is 240 g." },
    };
    char text[256];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *rule = json_pack("{s:s, s:s}", "within", "5 %", "unit", "g");
        struct step step = step_of(cases[i].kind, rule);
        json_t *guess = number_json(cases[i].guess), *outcome = number_json(cases[i].outcome);
        answer_difference(&step, guess, outcome, text, sizeof text);
        assert_string_equal(text, cases[i].words);
        json_decref(guess);
        json_decref(outcome);
        json_decref(rule);
    }
}

/* Levels and shares are compared by their difference. */
static void test_difference_of_levels(void **state)
{
    const struct { const char *unit, *within, *words; } cases[] = {
        { "dB", "10 %", "Off by 30 dB: it is 10 dB." },
        { "%", "2 points", "Off by 30 points: it is 10 %." },
        { "%", "10 %", "It is 10 %: your 40 % is 4 times too large." },
    };
    char text[256];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *rule = json_pack("{s:s, s:s}", "within", cases[i].within, "unit", cases[i].unit);
        struct step step = step_of(ANSWER_NUMBER, rule);
        json_t *guess = number_json(40), *outcome = number_json(10);
        answer_difference(&step, guess, outcome, text, sizeof text);
        assert_string_equal(text, cases[i].words);
        json_decref(guess);
        json_decref(outcome);
        json_decref(rule);
    }
}

static void test_octaves(void **state)
{
    json_t *one = json_real(1), *eight = json_real(8), *minus = json_real(-8), *text = json_string("a");
    (void)state;
    assert_true(answer_octaves(one, eight) == 3);
    assert_true(answer_octaves(eight, one) == 3);
    assert_true(isnan(answer_octaves(minus, eight)));
    assert_true(isnan(answer_octaves(text, eight)));
    assert_true(isnan(answer_octaves(NULL, eight)));
    json_decref(one);
    json_decref(eight);
    json_decref(minus);
    json_decref(text);
}

/* A permutation, the same for the same seed; over many seeds each item comes to each place about as often. */
static void test_shuffle(void **state)
{
    enum { N = 4, SEEDS = 24000 };
    int count[N][N] = { { 0 } }, order[N], again[N];
    (void)state;
    for (unsigned long long seed = 0; seed < SEEDS; seed++) {
        int seen = 0;
        answer_shuffle(seed * 0x9e3779b97f4a7c15u, N, order);
        answer_shuffle(seed * 0x9e3779b97f4a7c15u, N, again);
        assert_memory_equal(order, again, sizeof order);
        for (int i = 0; i < N; i++) {
            seen |= 1 << order[i];
            count[i][order[i]]++;
        }
        assert_int_equal(seen, (1 << N) - 1);
    }
    for (int i = 0; i < N; i++)
        for (int k = 0; k < N; k++)
            assert_in_range(count[i][k], SEEDS / N - 400, SEEDS / N + 400); /* 6 standard deviations */
    answer_shuffle(7, 0, order);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_echo_reads_back),
        cmocka_unit_test(test_junk),
        cmocka_unit_test(test_number_rules),
        cmocka_unit_test(test_rules_known),
        cmocka_unit_test(test_rule_texts),
        cmocka_unit_test(test_measured_outcomes), cmocka_unit_test(test_ties),
        cmocka_unit_test(test_choices_and_orders),
        cmocka_unit_test(test_fits),
        cmocka_unit_test(test_difference_of_numbers),
        cmocka_unit_test(test_difference_of_levels),
        cmocka_unit_test(test_octaves),
        cmocka_unit_test(test_shuffle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
