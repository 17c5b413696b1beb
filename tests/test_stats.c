/* test_stats.c: what statistics show: too few, then a plot; drawn and said, every block is one that views know. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/view.h"
#include "tutor/say.h"
#include "tutor/stats.h"

static char said[16384];

static void keep(void *context, const char *line)
{
    (void)context;
    snprintf(said + strlen(said), sizeof said - strlen(said), "%s\n", line);
}

/* The record of n predictions and as many reviews; shared out over two levels. */
static json_t *record(int n)
{
    json_t *sums = json_pack("{s:i, s:i, s:f, s:f, s:f}", "n", n, "hits", n / 2, "brier", 0.21, "mean_confidence", 0.6,
                             "hit_rate", 0.5);
    json_t *c = json_deep_copy(sums);
    json_object_set_new(sums, "lesson", json_string("grids"));
    json_object_set_new(c, "enough", json_boolean(n >= 20));
    json_object_set_new(c, "surprises", json_integer(1));
    json_object_set_new(c, "lessons", json_pack("[o]", sums));
    json_object_set_new(c, "over_time", json_pack("[{s:i, s:i, s:i, s:f, s:f, s:f}]", "from", 1, "to", n, "n", n,
                                                  "mean_confidence", 0.6, "hit_rate", 0.5, "brier", 0.21));
    json_object_set_new(c, "magnitudes", json_pack("{s:i, s:f, s:i}", "n", n, "median_octaves", 1.0, "within_one", 7));
    json_object_set_new(c, "levels",
                        json_pack("[{s:s, s:i, s:i, s:f, s:f, s:f, s:f}, {s:s, s:i}]", "level", "50", "n", n, "hits",
                                  n / 2, "mean_confidence", 0.5, "hit_rate", 0.5, "low", 0.3, "high", 0.7, "level",
                                  "75", "n", 0));
    json_object_set_new(c, "forgetting",
                        json_pack("{s:i, s:b, s:[{s:i, s:i, s:i, s:i, s:f, s:f, s:f, s:f}]}", "reviews", n, "enough",
                                  n >= 50, "bins", "from", 2, "to", 3, "n", n, "recalled", n - 1, "rate", 0.9, "low",
                                  0.8, "high", 0.97, "expected", 0.93));
    json_object_set_new(c, "evidence", json_pack("{s:{s:i, s:i}, s:{s:i, s:i}, s:b}", "predicted", "cards", 12,
                                                 "recalled", 9, "read", "cards", 11, "recalled", 5, "enough", n >= 50));
    return c;
}

static void show(json_t *calibration)
{
    char    why[512] = "";
    json_t *cards = json_pack("{s:i, s:i, s:{s:i, s:i}}", "due", 2, "total", 5, "ahead", "now", 2, "tomorrow", 3);
    json_t *blocks = stats_blocks(calibration, cards);
    if (!view_check_list(blocks, why, sizeof why))
        fail_msg("%s", why);
    said[0] = '\0';
    say_blocks(blocks, keep, NULL);
    json_decref(blocks);
    json_decref(cards);
    json_decref(calibration);
}

static void says(const char *words)
{
    if (!strstr(said, words))
        fail_msg("nothing says '%s' in\n%s", words, said);
}

static void nothing_yet(void **unused)
{
    (void)unused;
    show(json_object());
    says("No scored predictions yet.");
    says("0 reviews are too few for a curve of your own; from 50 on it stands here.");
    says("Too few to compare");
}

static void too_few_and_enough(void **unused)
{
    (void)unused;
    show(record(19));
    says("19 predictions are too few to judge your calibration; from 20 on a plot stands here.");
    says("2 of 5 cards are due now.");
    says("tomorrow: 3");
    assert_null(strstr(said, "How often you were right"));
    show(record(20));
    says("How often you were right, by how sure you were");
    says("said 50 %: times 20, right 10, share 50 %, 95 % interval 30 to 70 %");
    says("20 reviews are too few");
    show(record(50));
    says("after 2 to 3 days: 90 %");
    says("49 of 50, expected 93 %");
    says("predicted first, 9 of 12 recalled; only read, 5 of 11.");
    assert_null(strstr(said, "oo few"));
    assert_null(strstr(said, "nan"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_yet),
        cmocka_unit_test(too_few_and_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
