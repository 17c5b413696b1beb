/* test_db.c: the store as the tutor uses it: appending, asking, undo, cards, calibration, settings. */
#include "tests/db.h"

#include <sqlite3.h>

/* ---- appending and asking ---- */

static void stores_and_reads_back(void **state)
{
    struct bench      *b = *state;
    struct store_reply r;
    post(b, "prediction", "coarse-cup", "zeros",
         "{\"value\":12,\"unit\":\"%\",\"confidence\":75,\"type\":\"number\"}", &r);
    assert_true(r.ok);
    assert_int_equal(r.seq, 1);
    assert_int_equal(strlen(r.uuid), 36);
    json_t *events = ask(b, STORE_LESSON, "coarse-cup");
    assert_int_equal(json_array_size(events), 1);
    json_t *e = json_array_get(events, 0);
    assert_string_equal(text(e, "kind"), "prediction");
    assert_string_equal(text(e, "step"), "zeros");
    assert_int_equal(number(json_object_get(e, "payload"), "value"), 12);
    assert_int_equal(number(e, "utc"), b->utc);
    assert_int_equal(number(e, "offset"), b->offset);
    json_decref(events);
}

static void replies_come_by_fd_in_order(void **state)
{
    struct bench      *b = *state;
    struct store_reply r;
    for (uint64_t id = 1; id <= 100; id++)
        assert_true(
            store_post(b->store, &(struct record){ .id = id, .kind = "seen", .lesson = "l", .step = "s" }));
    assert_true(store_ask(b->store, 101, STORE_LESSON, "l"));
    for (uint64_t id = 1; id <= 101; id++) {
        struct pollfd p = { .fd = store_fd(b->store), .events = POLLIN };
        assert_int_equal(poll(&p, 1, 5000), 1);
        assert_true(store_next(b->store, &r));
        assert_int_equal(r.id, id);
        assert_true(r.ok);
        if (id <= 100)
            assert_int_equal(r.seq, id);
        store_reply_clear(&r);
    }
    struct pollfd p = { .fd = store_fd(b->store), .events = POLLIN };
    assert_int_equal(poll(&p, 1, 0), 0);
    assert_false(store_next(b->store, &r));
}

static void refuses_what_makes_no_sense(void **state)
{
    static const struct {
        const char *kind, *payload, *why;
    } bad[] = {
        { "rumor", "{}", "the record's kind is unknown" },
        { "seen", "[1]", "the record's payload is no JSON object" },
        { "seen", "{", "the record's payload is no JSON object" },
        { "prediction", "{\"outcome\":3}", "a prediction cannot hold its outcome" },
        { "prediction", "{\"hit\":true}", "a prediction cannot hold its outcome" },
    };
    struct bench *b = *state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct store_reply r;
        struct record      record = { .kind = bad[i].kind, .payload = bad[i].payload };
        assert_true(store_post_wait(b->store, &record, &r));
        assert_false(r.ok);
        assert_string_equal(r.text, bad[i].why);
        store_reply_clear(&r);
    }
}

static void same_uuid_is_stored_once(void **state)
{
    struct bench      *b = *state;
    struct store_reply first, second;
    struct record      record = {
             .uuid = "01890000-0000-7000-8000-000000000001", .kind = "seen", .lesson = "l", .step = "s"
    };
    assert_true(store_post_wait(b->store, &record, &first));
    b->utc += 1000;
    assert_true(store_post_wait(b->store, &record, &second));
    assert_true(first.ok && second.ok);
    assert_int_equal(first.seq, second.seq);
    assert_int_equal(first.utc, second.utc);
    json_t *events = ask(b, STORE_LESSON, "l");
    assert_int_equal(json_array_size(events), 1);
    json_decref(events);
}

static void time_never_runs_back(void **state)
{
    struct bench      *b = *state;
    struct store_reply r;
    post(b, "seen", "l", "a", "{}", &r);
    b->utc -= 3600000;
    post(b, "retract", "l", "", "{\"scope\":\"lesson\"}", &r);
    assert_int_equal(r.utc, b->utc + 3600000);
    json_t *events = ask(b, STORE_LESSON, "l");
    assert_true(json_is_true(json_object_get(json_array_get(events, 0), "retracted")));
    json_decref(events);
}

/* ---- progress ---- */

static void progress_follows_the_learner(void **state)
{
    static const char *const steps[] = { "a", "b", "c" };
    struct bench            *b = *state;
    say(b, "open", "l", "a", "{}");
    say(b, "seen", "l", "a", "{}");
    say(b, "prediction", "l", "b", "{\"confidence\":95}");
    json_t *p = ask(b, STORE_PROGRESS, NULL);
    assert_string_equal(
        text(json_object_get(json_object_get(progress_lesson(p, "l"), "steps"), "b"), "state"), "committed");
    assert_string_equal(progress_next(progress_lesson(p, "l"), steps, 3), "b");
    json_decref(p);
    say(b, "result", "l", "b", "{\"hit\":false}");
    say(b, "result", "l", "b", "{\"hit\":true}"); /* a look at another seed */
    p = ask(b, STORE_PROGRESS, NULL);
    json_t *l = progress_lesson(p, "l");
    assert_int_equal(number(l, "done"), 2);
    assert_int_equal(number(l, "misses"), 1);
    assert_int_equal(number(l, "hits"), 0);
    assert_true(json_is_true(json_object_get(json_object_get(json_object_get(l, "steps"), "b"), "surprise")));
    assert_string_equal(progress_next(l, steps, 3), "c");
    assert_string_equal(text(l, "last_step"), "b");
    assert_null(progress_lesson(p, "other"));
    json_decref(p);
    say(b, "skip", "l", "c", "{}");
    p = ask(b, STORE_PROGRESS, NULL);
    assert_null(progress_next(progress_lesson(p, "l"), steps, 3));
    json_decref(p);
}

static void reset_and_its_undo(void **state)
{
    struct bench      *b = *state;
    struct store_reply r;
    char               payload[64];
    say(b, "seen", "l", "a", "{}");
    say(b, "seen", "m", "a", "{}");
    json_t *before = ask(b, STORE_PROGRESS, NULL);
    post(b, "retract", "l", "", "{\"scope\":\"lesson\"}", &r);
    json_t *reset = ask(b, STORE_PROGRESS, NULL);
    assert_null(progress_lesson(reset, "l"));
    assert_non_null(progress_lesson(reset, "m"));
    snprintf(payload, sizeof payload, "{\"target\":\"%s\"}", r.uuid);
    say(b, "retract", "l", "", payload);
    json_t *after = ask(b, STORE_PROGRESS, NULL);
    assert_true(json_equal(before, after));
    json_decref(before);
    json_decref(reset);
    json_decref(after);
}

/* ---- cards ---- */

static void grade(struct bench *b, const char *step, const char *how, struct store_reply *r)
{
    json_t *payload = json_pack("{s:s, s:i}", "grade", how, "latency_ms", 1500);
    cards_complete(payload, b->utc, b->offset, -1);
    char *written = json_dumps(payload, JSON_COMPACT);
    post(b, "review", "l", step, written, r);
    free(written);
    json_decref(payload);
}

static void expect_due(struct bench *b, int due, int64_t next_in_days)
{
    json_t *cards = ask(b, STORE_CARDS, NULL);
    assert_int_equal(number(cards, "due"), due);
    if (next_in_days)
        assert_int_equal(number(cards, "next_day"), number(cards, "today") + next_in_days);
    json_decref(cards);
}

#define CARD "\"card\":{\"front\":\"f\",\"back\":\"b\",\"again\":\"g\",\"answer\":\"7\"}"

/* The one card there is, as "all" lists it: a new reference. */
static json_t *only_card(struct bench *b)
{
    json_t *cards = ask(b, STORE_CARDS, "all");
    assert_int_equal(json_array_size(json_object_get(cards, "cards")), 1);
    json_t *card = json_incref(json_array_get(json_object_get(cards, "cards"), 0));
    json_decref(cards);
    return card;
}

static void cards_come_back(void **state)
{
    static const int   days[] = { 2, 11, 46, 163, 498 };
    struct bench      *b = *state;
    struct store_reply r;
    expect_due(b, 0, 0);
    say(b, "prediction", "l", "a", "{\"type\":\"number\",\"confidence\":50}");
    expect_due(b, 0, 0); /* a prediction is no review, and makes no card */
    say(b, "result", "l", "a", "{\"hit\":true," CARD "}");
    json_t *card = only_card(b);
    assert_string_equal(text(card, "id"), "l:a");
    assert_string_equal(text(card, "state"), "new");
    assert_string_equal(text(card, "front"), "f");
    assert_string_equal(text(card, "back"), "b");
    assert_string_equal(text(card, "again"), "g");
    assert_string_equal(text(json_object_get(card, "card"), "answer"), "7");
    assert_int_equal(number(card, "reviews"), 0);
    assert_true(json_is_null(json_object_get(card, "stability")));
    assert_true(json_is_true(json_object_get(card, "predicted")));
    json_decref(card);
    expect_due(b, 1, 0);
    grade(b, "a", "good", &r);
    expect_due(b, 0, 0);
    b->utc += 10 * 60000;
    for (int i = 0; i < 5; i++) {
        expect_due(b, 1, 0);
        grade(b, "a", "good", &r);
        expect_due(b, 0, days[i]);
        b->utc += days[i] * (int64_t)DAY;
    }
    grade(b, "a", "again", &r);
    expect_due(b, 0, 0);
    card = only_card(b);
    assert_string_equal(text(card, "state"), "relearning");
    assert_true(fabs(json_real_value(json_object_get(card, "stability")) - 6.890412508) < 1e-9); /* vector A, line 7 */
    assert_int_equal(number(card, "reviews"), 7);
    assert_int_equal(number(card, "lapses"), 1);
    json_decref(card);
}

static void surprises_come_first_and_three_times(void **state)
{
    struct bench      *b = *state;
    struct store_reply r;
    say(b, "result", "l", "calm", "{\"hit\":true," CARD "}");
    say(b, "prediction", "l", "sure", "{\"type\":\"number\",\"confidence\":75}");
    say(b, "result", "l", "sure", "{\"hit\":false," CARD "}");
    expect_due(b, 1, 0);
    b->utc += 10 * 60000;
    json_t *cards = ask(b, STORE_CARDS, NULL), *first = json_array_get(json_object_get(cards, "cards"), 0);
    assert_int_equal(number(cards, "due"), 2);
    assert_string_equal(text(first, "id"), "l:sure");
    assert_string_equal(text(first, "state"), "surprise");
    json_decref(cards);
    grade(b, "calm", "good", &r);
    grade(b, "calm", "good", &r);
    grade(b, "sure", "good", &r);
    expect_due(b, 0, 1);
    b->utc += DAY;
    grade(b, "sure", "good", &r);
    expect_due(b, 0, 1); /* the calm one */
    b->utc += 2 * (int64_t)DAY;
    grade(b, "sure", "good", &r);
    cards = ask(b, STORE_CARDS, "all");
    json_t *sure = json_array_get(json_object_get(cards, "cards"), 1);
    assert_string_equal(text(sure, "state"), "learning");
    assert_near(json_real_value(json_object_get(sure, "stability")), 2.3065);
    json_decref(cards);
}

static void retention_and_fuzz_are_settings(void **state)
{
    struct bench      *b = *state;
    struct store_reply r;
    say(b, "result", "l", "a", "{\"hit\":true," CARD "}");
    for (int i = 0; i < 4; i++) {
        grade(b, "a", "good", &r);
        b->utc += i < 1 ? 600000 : 13 * (int64_t)DAY;
    }
    json_t *usual = only_card(b);
    say(b, "setting", "", "", "{\"name\":\"retention\",\"value\":\"0.95\"}");
    json_t *sooner = only_card(b);
    say(b, "setting", "", "", "{\"name\":\"retention\",\"value\":\"0.80\"}");
    json_t *later = only_card(b);
    assert_true(number(sooner, "interval_days") < number(usual, "interval_days"));
    assert_true(number(later, "interval_days") > number(usual, "interval_days"));
    assert_int_equal(number(usual, "interval_days"), lround(json_real_value(json_object_get(usual, "stability"))));
    say(b, "setting", "", "", "{\"name\":\"retention\",\"value\":\"0.90\"}");
    say(b, "setting", "", "", "{\"name\":\"fuzz\",\"value\":\"on\"}");
    json_t *moved = only_card(b), *same = only_card(b);
    assert_true(json_equal(moved, same));
    assert_true(llabs(number(moved, "interval_days") - number(usual, "interval_days")) <= 8);
    json_decref(usual);
    json_decref(sooner);
    json_decref(later);
    json_decref(moved);
    json_decref(same);
}

/* Reviews of the simple schedule that came before FSRS are replayed by it, and so are results without a time. */
static void older_reviews_are_replayed(void **state)
{
    struct bench *b = *state;
    char          payload[100];
    int64_t       day = cards_day(b->utc, b->offset);
    say(b, "result", "l", "a", "{\"hit\":true,\"card\":{\"front\":\"f\",\"back\":\"b\"}}");
    for (int i = 0; i < 3; i++) {
        snprintf(payload, sizeof payload, "{\"grade\":\"good\",\"local_day\":%d,\"algo_version\":\"steps-1\"}",
                 (int)day + 2 * (i == 2));
        say(b, "review", "l", "a", payload);
    }
    json_t *card = only_card(b);
    assert_true(fabs(json_real_value(json_object_get(card, "stability")) - 10.97104826) < 1e-8); /* vector A, line 3 */
    assert_string_equal(text(card, "state"), "review");
    json_decref(card);
}

/* A database as the version before FSRS left it: its derived tables are other ones. */
static void tables_of_the_simple_schedule_are_replaced(void **state)
{
    struct bench *b = *state;
    sqlite3      *db;
    say(b, "result", "l", "a", "{\"hit\":true," CARD "}");
    say(b, "review", "l", "a", "{\"grade\":\"again\"}");
    json_t *wanted = only_card(b);
    bench_stop(b);
    assert_int_equal(sqlite3_open(b->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "DROP TABLE card; DROP TABLE review; DROP TABLE forecast;"
                                  "CREATE TABLE card(lesson TEXT, step TEXT, course TEXT, rev INTEGER, front TEXT,"
                                  " back TEXT, again TEXT, made_day INTEGER, due_day INTEGER, streak INTEGER,"
                                  " reps INTEGER, lapses INTEGER, last_day INTEGER, last_review TEXT,"
                                  " PRIMARY KEY(lesson, step)) WITHOUT ROWID;"
                                  "CREATE TABLE forecast(lesson TEXT, step TEXT, uuid TEXT, device TEXT, utc INTEGER,"
                                  " seq INTEGER, level TEXT, chance REAL, hit INTEGER, closed INTEGER DEFAULT 0,"
                                  " PRIMARY KEY(lesson, step, uuid)) WITHOUT ROWID;"
                                  "INSERT INTO card(lesson, step, front, streak) VALUES ('l', 'a', 'old', 3);"
                                  "UPDATE fold_state SET value = '1' WHERE name = 'version'",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
    bench_start(b);
    json_t *card = only_card(b);
    assert_true(json_equal(card, wanted));
    json_decref(card);
    json_decref(wanted);
}

static void undo_of_a_grade(void **state)
{
    struct bench      *b = *state;
    struct store_reply r;
    char               payload[64];
    say(b, "review", "l", "q", "{\"grade\":\"good\",\"card\":{\"front\":\"f\",\"back\":\"b\"}}");
    b->utc += DAY;
    json_t *before = ask(b, STORE_CARDS, "all");
    assert_int_equal(number(before, "due"), 1);
    grade(b, "q", "again", &r);
    expect_due(b, 0, 0);
    snprintf(payload, sizeof payload, "{\"target\":\"%s\"}", r.uuid);
    say(b, "retract", "l", "q", payload);
    json_t *after = ask(b, STORE_CARDS, "all");
    assert_true(json_equal(before, after));
    json_decref(before);
    json_decref(after);
}

static void the_day_starts_at_four(void **state)
{
    (void)state;
    int64_t noon = 20000 * (int64_t)DAY + DAY / 2, hour = DAY / 24;
    assert_int_equal(cards_day(noon, 0), 20000);
    assert_int_equal(cards_day(noon + 15 * hour, 0), 20000);    /* 03:00 of the next date */
    assert_int_equal(cards_day(noon + 16 * hour, 0), 20001);    /* 04:00 */
    assert_int_equal(cards_day(noon + 14 * hour, 120), 20001);  /* 02:00 UTC is 04:00 here */
    assert_int_equal(cards_day(noon - 8 * hour - 1, 0), 19999); /* 03:59:59.999 */
    assert_int_equal(cards_day(0, 0), -1);
}

/* ---- calibration ---- */

static void predict(struct bench *b, int i, const char *payload, const char *result)
{
    char step[16];
    snprintf(step, sizeof step, "s%d", i);
    say(b, "prediction", "l", step, payload);
    say(b, "result", "l", step, result);
}

static void calibration_by_hand(void **state)
{
    struct bench *b = *state;
    for (int i = 0; i < 4; i++)
        predict(b, i, "{\"type\":\"choice\",\"confidence\":\"guess\",\"order\":[\"a\",\"b\",\"c\",\"d\"]}",
                i ? "{\"hit\":false}" : "{\"hit\":true}");
    predict(b, 10, "{\"type\":\"number\",\"confidence\":\"guess\"}", "{\"hit\":false}");
    predict(b, 11, "{\"type\":\"number\",\"confidence\":95}", "{\"hit\":false}");
    predict(b, 12, "{\"type\":\"number\",\"confidence\":\"50\"}", "{\"hit\":true}");
    predict(b, 13, "{\"type\":\"number\",\"confidence\":null}", "{\"hit\":true}"); /* no idea */
    predict(b, 14, "{\"type\":\"number\",\"confidence\":95}", "{\"hit\":null}");   /* unscored */
    json_t *c = ask(b, STORE_CALIBRATION, NULL);
    assert_int_equal(number(c, "n"), 7);
    assert_int_equal(number(c, "hits"), 2);
    assert_int_equal(number(c, "surprises"), 1);
    assert_true(json_is_false(json_object_get(c, "enough")));
    /* 0.75^2 + 3 * 0.25^2 + 0.1^2 + 0.95^2 + 0.5^2, over 7 */
    assert_near(json_number_value(json_object_get(c, "brier")), (0.5625 + 0.1875 + 0.01 + 0.9025 + 0.25) / 7);
    assert_near(json_number_value(json_object_get(c, "mean_confidence")), (4 * 0.25 + 0.1 + 0.95 + 0.5) / 7);
    json_t *guess = json_array_get(json_object_get(c, "levels"), 0);
    assert_int_equal(number(guess, "n"), 5);
    assert_near(json_number_value(json_object_get(guess, "hit_rate")), 0.2);
    json_decref(c);
}

/* Everything that is grouped, against counts made here. */
static void calibration_in_groups(void **state)
{
    struct bench *b = *state;
    char          result[100];
    for (int i = 0; i < 45; i++) {
        bool far = i % 3 == 0;
        snprintf(result, sizeof result, "{\"hit\":%s,\"octaves\":%s}", i % 2 ? "true" : "false", far ? "2.5" : "0.5");
        predict(b, i, "{\"type\":\"number\",\"confidence\":50}", result);
    }
    say(b, "prediction", "m", "s", "{\"type\":\"number\",\"confidence\":95}");
    say(b, "result", "m", "s", "{\"hit\":true}");
    json_t *c = ask(b, STORE_CALIBRATION, NULL), *over = json_object_get(c, "over_time");
    assert_true(json_is_true(json_object_get(c, "enough")));
    assert_int_equal(json_array_size(over), 3);
    for (int i = 0; i < 3; i++) {
        json_t *row = json_array_get(over, (size_t)i);
        assert_int_equal(number(row, "from"), 20 * i + 1);
        assert_int_equal(number(row, "to"), i < 2 ? 20 * i + 20 : 46);
        assert_int_equal(number(row, "hits"), i < 2 ? 10 : 3);
    }
    json_t *lessons = json_object_get(c, "lessons");
    assert_int_equal(json_array_size(lessons), 2);
    assert_int_equal(number(json_array_get(lessons, 0), "n"), 45);
    assert_near(json_number_value(json_object_get(json_array_get(lessons, 1), "brier")), 0.0025);
    json_t *m = json_object_get(c, "magnitudes");
    assert_int_equal(number(m, "n"), 45);
    assert_int_equal(number(m, "within_one"), 30);
    assert_near(json_number_value(json_object_get(m, "median_octaves")), 0.5);
    assert_near(json_number_value(json_object_get(m, "mean_octaves")), (15 * 2.5 + 30 * 0.5) / 45);
    json_decref(c);
}

/* 12 cards of each kind, reviewed twice on the first day, then a day and four days later. */
static void forgetting_and_evidence(void **state)
{
    struct bench      *b = *state;
    struct store_reply r;
    char               step[16];
    for (int i = 0; i < 24; i++) {
        snprintf(step, sizeof step, "s%d", i);
        if (i < 12)
            say(b, "prediction", "l", step, "{\"type\":\"number\",\"confidence\":50}");
        say(b, i < 12 ? "result" : "answer", "l", step, i < 12 ? "{\"hit\":true," CARD "}" : "{" CARD "}");
    }
    for (int round = 0; round < 4; round++) {
        b->utc += round < 2 ? 600000 : round == 2 ? DAY : 4 * (int64_t)DAY;
        for (int i = 0; i < 24; i++) {
            snprintf(step, sizeof step, "s%d", i);
            grade(b, step, round == 2 && (i % 12) < (i < 12 ? 2 : 8) ? "again" : "good", &r);
        }
        json_t *c = ask(b, STORE_CALIBRATION, NULL), *f = json_object_get(c, "forgetting");
        assert_int_equal(number(f, "reviews"), 24 * (round + 1));
        assert_int_equal(json_is_true(json_object_get(f, "enough")), round >= 2);
        json_decref(c);
    }
    json_t *c = ask(b, STORE_CALIBRATION, NULL);
    json_t *day = json_array_get(json_object_get(json_object_get(c, "forgetting"), "bins"), 0);
    assert_int_equal(number(day, "from"), 1);
    assert_int_equal(number(day, "n"), 24);
    assert_int_equal(number(day, "recalled"), 14);
    assert_near(json_number_value(json_object_get(day, "expected")), fsrs_recall(fsrs_defaults, 1, 2.3065));
    json_t *later = json_array_get(json_object_get(json_object_get(c, "forgetting"), "bins"), 2);
    assert_int_equal(number(later, "n"), 24);
    assert_int_equal(number(later, "recalled"), 24);
    json_t *e = json_object_get(c, "evidence"), *predicted = json_object_get(e, "predicted");
    assert_true(json_is_true(json_object_get(e, "enough")));
    assert_int_equal(number(predicted, "cards"), 12);
    assert_int_equal(number(predicted, "recalled"), 10);
    assert_int_equal(number(json_object_get(e, "read"), "recalled"), 4);
    json_decref(c);
}

static void wilson_values(void **state)
{
    double low, high;
    (void)state;
    calibration_wilson(0, 0, &low, &high);
    assert_near(low, 0);
    assert_near(high, 1);
    calibration_wilson(8, 10, &low, &high); /* (p + z^2/2n +- z sqrt(pq/n + z^2/4n^2)) / (1 + z^2/n) */
    assert_near(low, 0.4901624715);
    assert_near(high, 0.9433178485);
    calibration_wilson(0, 10, &low, &high);
    assert_near(low, 0);
    assert_near(high, 0.2775327998);
}

/* ---- settings ---- */

static void settings_have_defaults_and_change(void **state)
{
    struct bench *b = *state;
    char          why[200];
    json_t       *s = ask(b, STORE_SETTINGS, NULL);
    assert_string_equal(text(s, "theme"), "auto");
    json_decref(s);
    say(b, "setting", "ignored", "ignored", "{\"name\":\"theme\",\"value\":\"light\"}");
    say(b, "setting", "", "", "{\"name\":\"theme\",\"value\":\"mauve\"}"); /* from a version that knew it */
    say(b, "setting", "", "", "{\"name\":\"plain\",\"value\":\"on\"}");
    s = ask(b, STORE_SETTINGS, NULL);
    assert_string_equal(text(s, "plain"), "on");
    assert_string_equal(text(s, "theme"), "auto");
    json_decref(s);
    assert_true(settings_check("theme", "light", why, sizeof why));
    assert_true(settings_check("retention", "0.85", why, sizeof why));
    assert_false(settings_check("retention", "1.5", why, sizeof why));
    assert_string_equal(why, "'1.5' is no value for 'retention'; use a number in 0.70..0.97");
    assert_false(settings_check("color", "aut", why, sizeof why));
    assert_string_equal(why, "'aut' is no value for 'color'; use one of auto|always|never");
    assert_false(settings_check("teme", "light", why, sizeof why));
    assert_string_equal(why, "unknown setting 'teme'; did you mean 'theme'?");
}

#define test(name) cmocka_unit_test_setup_teardown(name, bench_open, bench_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(stores_and_reads_back),
        test(replies_come_by_fd_in_order),
        test(refuses_what_makes_no_sense),
        test(same_uuid_is_stored_once),
        test(time_never_runs_back),
        test(progress_follows_the_learner),
        test(reset_and_its_undo),
        test(cards_come_back),
        test(surprises_come_first_and_three_times),
        test(retention_and_fuzz_are_settings),
        test(older_reviews_are_replayed),
        test(tables_of_the_simple_schedule_are_replaced),
        test(undo_of_a_grade),
        test(the_day_starts_at_four),
        test(calibration_by_hand),
        test(calibration_in_groups),
        test(forgetting_and_evidence),
        test(wilson_values),
        test(settings_have_defaults_and_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
