/* test_db_model.c: random histories against a model in memory that knows nothing of SQL, several devices included;
 * and after each, what was derived step by step equals what is derived from all events at once. */
#include "tests/db.h"

#include <sqlite3.h>

enum { LESSONS = 3, STEPS = 4, CELLS = LESSONS * STEPS, MOST = 400, ROUNDS = 25, OPERATIONS = 120 };

static const char *const lesson_ids[] = { "alpha", "beta", "gamma" };
static const char *const step_ids[] = { "one", "two", "three", "four" };
static const char *const settings[] = { "auto", "light", "contrast", "safe" };

enum action { SEEN, PREDICT, RESULT, GOOD, AGAIN, HINT, SKIP, SET, UNDO, RESET_STEP, RESET_LESSON, ACTIONS };

/* ---- the model: a list of what was done, and what it amounts to ---- */

struct deed {
    enum action action;
    int         lesson, step; /* lesson -1: what takes a setting back belongs to no lesson */
    int         value; /* a confidence, a hit (2: unscored), a setting */
    int         target;              /* UNDO: the deed taken back */
    int64_t     utc, day;
    char        uuid[40];
    bool        dead;
};

struct history {
    struct deed deeds[MOST];
    int         count;
};

struct cell {
    const char *state;
    int         hit, hints, surprise; /* hit: 2 unscored, -1 none yet */
    bool        card, open;           /* open: a forecast waits for its result */
    int         confidence;
    bool        predicted, sure;      /* the card's; sure: made by a surprise */
    struct schedule schedule;
};

struct world {
    struct cell cells[CELLS];
    int         n, hits, theme;
    double      brier;
};

static const double chances[] = { 0.10, 0.50, 0.75, 0.95 };

static void kill_targets(struct history *h)
{
    for (int i = 0; i < h->count; i++)
        h->deeds[i].dead = false;
    for (int i = h->count; i-- > 0;) {
        struct deed *d = &h->deeds[i];
        if (d->dead)
            continue;
        if (d->action == UNDO)
            h->deeds[d->target].dead = true;
        for (int j = 0; j < i && (d->action == RESET_STEP || d->action == RESET_LESSON); j++) {
            struct deed *e = &h->deeds[j];
            if (e->action < SET && e->lesson == d->lesson && (d->action == RESET_LESSON || e->step == d->step))
                e->dead = true;
        }
    }
}

static bool over(const struct cell *c)
{
    return c->state && (!strcmp(c->state, "seen") || !strcmp(c->state, "revealed") || !strcmp(c->state, "recalled"));
}

static void live_result(struct world *w, struct cell *c, const struct deed *d)
{
    bool surprise = false;
    c->state = "revealed";
    if (c->hit == -1)
        c->hit = d->value;
    if (c->open && c->confidence < 4 && d->value < 2) {
        double miss = chances[c->confidence] - d->value;
        w->n++;
        w->hits += d->value;
        w->brier += miss * miss;
        surprise = !d->value && c->confidence >= 2;
        c->surprise |= surprise;
    }
    if (!c->card || surprise) {
        schedule_reveal(&c->schedule, surprise, d->utc, d->day);
        c->sure = surprise;
        c->predicted = d->value < 2;
    }
    c->card = true;
    c->open = false;
}

static void live_grade(struct cell *c, const struct deed *d)
{
    c->state = "recalled";
    if (c->card)
        schedule_grade(&c->schedule, d->action == GOOD ? FSRS_GOOD : FSRS_AGAIN, d->utc, d->day);
}

static void live(struct world *w, const struct deed *d)
{
    struct cell *c = &w->cells[(d->lesson < 0 ? 0 : d->lesson) * STEPS + d->step];
    switch (d->action) {
    case SEEN: c->state = "seen"; break;
    case PREDICT:
        c->state = over(c) ? c->state : "committed";
        if (d->value < 4) {
            c->open = true;
            c->confidence = d->value;
        }
        break;
    case RESULT: live_result(w, c, d); break;
    case GOOD:
    case AGAIN: live_grade(c, d); break;
    case HINT:
        c->hints++;
        c->state = c->state ? c->state : "open";
        break;
    case SKIP: c->state = over(c) ? c->state : "skipped"; break;
    case SET: w->theme = d->value; break;
    default: break;
    }
}

static void live_all(struct history *h, struct world *w)
{
    *w = (struct world){ .theme = 0 };
    for (int i = 0; i < CELLS; i++)
        w->cells[i].hit = -1;
    kill_targets(h);
    for (int i = 0; i < h->count; i++)
        if (!h->deeds[i].dead)
            live(w, &h->deeds[i]);
}

/* ---- the same deeds in the store ---- */

static const char *kind_of(enum action action)
{
    static const char *const kinds[] = { "seen", "prediction", "result", "review",  "review", "hint",
                                         "skip", "setting",    "retract", "retract", "retract" };
    return kinds[action];
}

static void payload_of(const struct history *h, const struct deed *d, char *out, size_t size)
{
    static const char *const levels[] = { "\"guess\"", "50", "75", "95", "null" };
    static const char *const hits[] = { "false", "true", "null" };
    switch (d->action) {
    case PREDICT: snprintf(out, size, "{\"type\":\"number\",\"confidence\":%s}", levels[d->value]); break;
    case RESULT:
        snprintf(out, size, "{\"hit\":%s,\"card\":{\"front\":\"f\",\"back\":\"b\"}}", hits[d->value]);
        break;
    case GOOD:
        snprintf(out, size, "{\"grade\":\"good\",\"local_day\":%d,\"ts_utc\":%lld}", (int)d->day, (long long)d->utc);
        break;
    case AGAIN: snprintf(out, size, "{\"grade\":\"again\"}"); break;
    case SET: snprintf(out, size, "{\"name\":\"theme\",\"value\":\"%s\"}", settings[d->value]); break;
    case UNDO: snprintf(out, size, "{\"target\":\"%s\"}", h->deeds[d->target].uuid); break;
    case RESET_STEP: snprintf(out, size, "{\"scope\":\"step\"}"); break;
    case RESET_LESSON: snprintf(out, size, "{\"scope\":\"lesson\"}"); break;
    default: snprintf(out, size, "{}");
    }
}

static void act(struct bench *b, struct history *h)
{
    char               payload[200];
    struct store_reply reply;
    struct deed       *d = &h->deeds[h->count];
    b->utc += rand() % 3 ? rand() % 60000 : rand() % (3 * DAY);
    *d = (struct deed){ .action = rand() % ACTIONS, .lesson = rand() % LESSONS, .step = rand() % STEPS };
    d->value = d->action == PREDICT ? rand() % 5 : d->action == RESULT ? rand() % 3 : rand() % 4;
    d->utc = b->utc;
    d->day = cards_day(b->utc, b->offset);
    if (d->action == UNDO) {
        if (h->count == 0)
            return;
        d->target = rand() % 2 ? h->count - 1 : rand() % h->count;
        d->lesson = h->deeds[d->target].lesson;
        if (h->deeds[d->target].action == SET)
            d->lesson = -1;
    }
    h->count++;
    payload_of(h, d, payload, sizeof payload);
    post(b, kind_of(d->action), d->lesson < 0 ? "" : lesson_ids[d->lesson], step_ids[d->step], payload, &reply);
    memcpy(d->uuid, reply.uuid, RECORD_UUID);
}

/* ---- comparing ---- */

static void check_progress(struct bench *b, const struct world *w)
{
    json_t *progress = ask(b, STORE_PROGRESS, NULL);
    for (int i = 0; i < CELLS; i++) {
        const struct cell *c = &w->cells[i];
        json_t            *lesson = progress_lesson(progress, lesson_ids[i / STEPS]);
        json_t            *step = json_object_get(json_object_get(lesson, "steps"), step_ids[i % STEPS]);
        assert_string_equal(step ? text(step, "state") : "none", c->state ? c->state : "none");
        if (!step)
            continue;
        json_t *hit = json_object_get(step, "hit");
        assert_int_equal(json_is_null(hit) ? 2 : json_is_true(hit), c->hit == -1 ? 2 : c->hit);
        assert_int_equal(number(step, "hints"), c->hints);
        assert_int_equal(json_is_true(json_object_get(step, "surprise")), c->surprise);
    }
    json_decref(progress);
}

static void check_card(const struct cell *c, const json_t *card)
{
    const struct schedule *m = &c->schedule;
    assert_string_equal(text(card, "state"), schedule_names[m->state]);
    assert_int_equal(number(card, "reviews"), m->reviews);
    assert_int_equal(number(card, "lapses"), m->lapses);
    assert_int_equal(json_is_true(json_object_get(card, "surprise")), c->sure);
    assert_int_equal(json_is_true(json_object_get(card, "predicted")), c->predicted);
    assert_near(json_number_value(json_object_get(card, "stability")), m->memory.stability);
    assert_near(json_number_value(json_object_get(card, "difficulty")), m->memory.difficulty);
}

static void check_cards(struct bench *b, const struct world *w)
{
    json_t *cards = ask(b, STORE_CARDS, "all"), *card;
    int     due = 0, total = 0;
    size_t  at;
    for (int i = 0; i < CELLS; i++) {
        total += w->cells[i].card;
        due += w->cells[i].card && schedule_is_due(&w->cells[i].schedule, 0.9, 0, b->utc, b->offset);
    }
    assert_int_equal(number(cards, "due"), due);
    assert_int_equal(number(cards, "total"), total);
    assert_int_equal(json_array_size(json_object_get(cards, "cards")), total);
    json_array_foreach(json_object_get(cards, "cards"), at, card) {
        for (int i = 0; i < CELLS; i++)
            if (!strcmp(text(card, "lesson"), lesson_ids[i / STEPS]) &&
                !strcmp(text(card, "step"), step_ids[i % STEPS]))
                check_card(&w->cells[i], card);
    }
    json_decref(cards);
}

static void check_rest(struct bench *b, const struct world *w)
{
    json_t *calibration = ask(b, STORE_CALIBRATION, NULL), *now = ask(b, STORE_SETTINGS, NULL);
    assert_int_equal(number(calibration, "n"), w->n);
    assert_int_equal(number(calibration, "hits"), w->hits);
    if (w->n)
        assert_near(json_number_value(json_object_get(calibration, "brier")), w->brier / w->n);
    assert_string_equal(text(now, "theme"), settings[w->theme]);
    json_decref(calibration);
    json_decref(now);
}

static void check(struct bench *b, struct history *h)
{
    struct world w;
    live_all(h, &w);
    check_progress(b, &w);
    check_cards(b, &w);
    check_rest(b, &w);
}

static json_t *everything(struct bench *b)
{
    return json_pack("[o, o, o, o]", ask(b, STORE_PROGRESS, NULL), ask(b, STORE_CARDS, "all"),
                     ask(b, STORE_CALIBRATION, NULL), ask(b, STORE_SETTINGS, NULL));
}

static void expect_rebuild_equal(struct bench *b)
{
    json_t *before = everything(b);
    json_decref(ask(b, STORE_REBUILD, NULL));
    json_t *after = everything(b);
    if (!json_equal(before, after)) {
        char *x = json_dumps(before, JSON_SORT_KEYS), *y = json_dumps(after, JSON_SORT_KEYS);
        print_error("before %s\nafter  %s\n", x, y);
        free(x);
        free(y);
    }
    assert_true(json_equal(before, after));
    json_decref(before);
    json_decref(after);
}

/* ---- tests ---- */

static void histories_agree_with_the_model(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct bench   b;
        struct history h = { .count = 0 };
        srand((unsigned)round + 1);
        bench_folder(&b);
        bench_start(&b);
        for (int i = 0; i < OPERATIONS; i++) {
            act(&b, &h);
            if (rand() % 20 == 0)
                check(&b, &h);
            if (rand() % 60 == 0) { /* quit and come back */
                bench_stop(&b);
                bench_start(&b);
            }
        }
        check(&b, &h);
        expect_rebuild_equal(&b);
        check(&b, &h);
        bench_stop(&b);
        bench_sweep(&b);
    }
}

/* The model has to be able to fail: a deed that the store never saw shows. */
static void planted_difference_shows(void **state)
{
    struct bench  *b = *state;
    struct history h = { .count = 0 };
    struct world   w;
    for (int i = 0; i < 40; i++)
        act(b, &h);
    h.deeds[h.count] = (struct deed){ .action = SEEN, .lesson = 1, .step = 2 };
    h.count++;
    live_all(&h, &w);
    json_t *progress = ask(b, STORE_PROGRESS, NULL);
    json_t *step = json_object_get(
        json_object_get(progress_lesson(progress, lesson_ids[1]), "steps"), step_ids[2]);
    assert_string_not_equal(step ? text(step, "state") : "none", w.cells[1 * STEPS + 2].state);
    json_decref(progress);
}

/* Events of a second device that come later into the file but earlier in time, as an import brings them. */
static void late_arrivals_are_folded_in_order(void **state)
{
    struct bench  *b = *state;
    struct history h = { .count = 0 };
    sqlite3       *db;
    srand(77);
    for (int i = 0; i < 60; i++)
        act(b, &h);
    json_decref(everything(b));
    assert_int_equal(sqlite3_open(b->path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    assert_int_equal(
        sqlite3_exec(db,
                     "INSERT INTO event(uuid, learner, device, seq, utc, \"offset\", course, lesson, step, rev,"
                     " kind, payload) SELECT 'x' || substr(uuid, 2), learner, 'other', seq, utc + 1, \"offset\","
                     " course, lesson, step, rev, kind, payload FROM event WHERE kind <> 'retract' AND seq % 2",
                     NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    expect_rebuild_equal(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(histories_agree_with_the_model),
        cmocka_unit_test_setup_teardown(planted_difference_shows, bench_open, bench_close),
        cmocka_unit_test_setup_teardown(late_arrivals_are_folded_in_order, bench_open, bench_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
