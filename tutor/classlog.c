/* classlog.c: what a class did, gathered from many exports. See classlog.h.
 * Each file's learner has a desk: one place a step, where an undo can still take things back. When the file ends the
 * desk is counted into the class and cleared. */
#include "tutor/classlog.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "db/calibration.h"
#include "db/jsonscan.h"
#include "engine/view.h"
#include "tutor/export.h"

enum { NAME = 65, ANSWER = 96, FRONT = 400, UUID = 37, STEPS_MOST = 20000 };

static const char *const level_names[CLASSLOG_LEVELS] = { "guess", "50", "75", "95" };

/* What one learner did at one step. */
struct attempt {
    bool   done, scored, hit, no_idea, surprise;
    int    level; /* -1: none */
    char   kind;  /* 'n'umber, 'c'hoice, 'o'rder; 0: none yet */
    char   answer[ANSWER];
    double guess, outcome, octaves; /* NaN where there are none; octaves with its sign */
};

struct place {
    char           lesson[NAME], step[NAME], unit[24], front[FRONT];
    struct attempt now, before;         /* before: what the last reset took */
    char           result[UUID], reset[UUID], review[UUID];
    int            options;             /* of a choice */
    int            hints, flags, reviews, again;
    bool           last_again;
};

struct answers {
    struct { char text[ANSWER]; int n; bool hit; } list[CLASSLOG_ANSWERS];
    int  count;
    bool crowded; /* one had to give way */
};

struct level {
    int    n, hits;
    double chance, brier;
};

struct tally {
    char           lesson[NAME], step[NAME], unit[24], front[FRONT], kind;
    int            n, hits, no_idea, surprises, hinted, flags;
    struct level   levels[CLASSLOG_LEVELS];
    int            octaves[CLASSLOG_BINS];
    double         low, high; /* of the outcome */
    struct answers answers;
    int            learners, reviews, again; /* of its card */
};

struct classlog {
    int           files, events, overlapping, missing;
    json_t       *devices, *learners; /* device: last seq; learner: true */
    struct tally *tallies;
    int           count, room;
    struct place *desk;
    int           places, desk_room;
};

/* --- parts of an event -------------------------------------------------------------------------------------------- */

/* An event's members, found in one pass. */
struct event {
    struct jsonscan_part uuid, learner, device, seq, lesson, step, kind, payload;
};

static bool read_event(struct jsonscan_part object, struct event *e)
{
    const char *at = object.at;
    struct jsonscan_part key, value;
    struct { const char *name; struct jsonscan_part *to; } members[] = {
        { "uuid", &e->uuid }, { "learner", &e->learner }, { "device", &e->device }, { "seq", &e->seq },
        { "lesson", &e->lesson }, { "step", &e->step }, { "kind", &e->kind }, { "payload", &e->payload },
    };
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        *members[i].to = (struct jsonscan_part){ "", 0 };
    while (jsonscan_each(object, &at, &key, &value))
        for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
            if (jsonscan_is(key, members[i].name))
                *members[i].to = value;
    return e->device.size > 2 && e->seq.size > 0 && e->kind.size > 2 && e->payload.size > 1;
}

/* A string's bytes, cut to what fits; "" for anything else. Names and ids have no escapes. */
static void plain_text(struct jsonscan_part part, char *out, size_t size)
{
    bool string = part.size >= 2 && part.at[0] == '"';
    size_t length = string ? part.size - 2 : 0;
    length = length < size ? length : size - 1;
    memcpy(out, part.at + string, length);
    out[length] = '\0';
}

static bool is_string(struct jsonscan_part part, const char *text)
{
    return part.size == strlen(text) + 2 && part.at[0] == '"' && memcmp(part.at + 1, text, part.size - 2) == 0;
}

static json_t *parse(struct jsonscan_part part)
{
    return part.size ? json_loadb(part.at, part.size, JSON_DECODE_ANY, NULL) : NULL;
}

/* A member of an object as JSON, a new reference, or NULL. */
static json_t *member(struct jsonscan_part object, const char *name)
{
    struct jsonscan_part value;
    return jsonscan_member(object, name, &value) ? parse(value) : NULL;
}

/* --- the desk ----------------------------------------------------------------------------------------------------- */

static struct place *place_of(struct classlog *log, const struct event *e)
{
    char lesson[NAME], step[NAME];
    plain_text(e->lesson, lesson, sizeof lesson);
    plain_text(e->step, step, sizeof step);
    if (!*lesson || !*step)
        return NULL;
    for (int i = 0; i < log->places; i++)
        if (strcmp(log->desk[i].step, step) == 0 && strcmp(log->desk[i].lesson, lesson) == 0)
            return &log->desk[i];
    if (log->places == log->desk_room) {
        int room = log->desk_room ? 2 * log->desk_room : 64;
        struct place *desk = room > STEPS_MOST ? NULL : realloc(log->desk, (size_t)room * sizeof *desk);
        if (!desk)
            return NULL;
        log->desk = desk;
        log->desk_room = room;
    }
    struct place *place = &log->desk[log->places++];
    *place = (struct place){ .now = { .level = -1 } };
    memcpy(place->lesson, lesson, sizeof lesson);
    memcpy(place->step, step, sizeof step);
    return place;
}

static int level_of(const json_t *confidence)
{
    char text[16];
    if (json_is_integer(confidence))
        snprintf(text, sizeof text, "%d", (int)json_integer_value(confidence));
    else
        snprintf(text, sizeof text, "%s", json_is_string(confidence) ? json_string_value(confidence) : "");
    for (int i = 0; i < CLASSLOG_LEVELS; i++)
        if (strcmp(text, level_names[i]) == 0)
            return i;
    return -1;
}

/* Two digits are what people mean by "about". */
static void number_text(double value, const char *unit, char out[ANSWER])
{
    char rounded[32], text[64];
    snprintf(rounded, sizeof rounded, "%.2g", value);
    snprintf(out, ANSWER, "%s", view_format_unit(strtod(rounded, NULL), unit, text, sizeof text));
}

static void read_guess(struct attempt *a, const json_t *guess, const char *unit)
{
    size_t used = 0;
    a->kind = json_is_number(guess) ? 'n' : json_is_string(guess) ? 'c' : json_is_array(guess) ? 'o' : '\0';
    a->no_idea = guess == NULL || json_is_null(guess);
    a->guess = json_is_number(guess) ? json_number_value(guess) : NAN;
    a->answer[0] = '\0';
    if (a->kind == 'n')
        number_text(a->guess, unit, a->answer);
    if (a->kind == 'c')
        snprintf(a->answer, sizeof a->answer, "%s", json_string_value(guess));
    for (size_t i = 0; i < json_array_size(guess) && used < sizeof a->answer; i++) {
        const char *id = json_string_value(json_array_get(guess, i));
        used += (size_t)snprintf(a->answer + used, sizeof a->answer - used, "%s%s", i ? ", " : "", id ? id : "");
    }
}

static void take_prediction(struct place *place, const struct event *e)
{
    json_t *unit = member(e->payload, "unit"), *order = member(e->payload, "order");
    if (json_is_string(unit))
        snprintf(place->unit, sizeof place->unit, "%s", json_string_value(unit));
    place->options = (int)json_array_size(order);
    json_decref(unit);
    json_decref(order);
}

static void take_front(struct place *place, struct jsonscan_part card)
{
    json_t *front = member(card, "front");
    if (json_is_string(front))
        snprintf(place->front, sizeof place->front, "%s", json_string_value(front));
    json_decref(front);
}

static void take_result(struct place *place, const struct event *e)
{
    const char *at = e->payload.at;
    struct jsonscan_part key, value, answer = { "", 0 };
    json_t *hit = NULL, *guess = NULL, *confidence = NULL, *outcome = NULL;
    while (jsonscan_each(e->payload, &at, &key, &value)) {
        json_t **to = jsonscan_is(key, "hit") ? &hit : jsonscan_is(key, "guess") ? &guess
                    : jsonscan_is(key, "confidence") ? &confidence : NULL;
        if (to && !*to)
            *to = parse(value);
        if (jsonscan_is(key, "outcome") && jsonscan_member(value, "answer", &answer) && !outcome)
            outcome = parse(answer);
        if (jsonscan_is(key, "card"))
            take_front(place, value);
    }
    struct attempt a = { .done = true, .scored = json_is_boolean(hit), .hit = json_is_true(hit), .level = -1,
                         .outcome = json_is_number(outcome) ? json_number_value(outcome) : NAN, .octaves = NAN };
    read_guess(&a, guess, place->unit);
    a.level = a.scored ? level_of(confidence) : -1;
    a.surprise = a.scored && !a.hit && a.level >= 2;
    if (a.guess > 0 && a.outcome > 0)
        a.octaves = log2(a.guess / a.outcome);
    place->now = a;
    plain_text(e->uuid, place->result, sizeof place->result);
    json_decref(hit);
    json_decref(guess);
    json_decref(confidence);
    json_decref(outcome);
}

static void take_review(struct place *place, const struct event *e)
{
    struct jsonscan_part grade, card;
    place->last_again = !jsonscan_member(e->payload, "grade", &grade) || !is_string(grade, "good");
    if (jsonscan_member(e->payload, "card", &card))
        take_front(place, card);
    place->reviews++;
    place->again += place->last_again;
    plain_text(e->uuid, place->review, sizeof place->review);
}

static void reset(struct place *place, const char *uuid)
{
    place->before = place->now;
    place->now = (struct attempt){ .level = -1 };
    snprintf(place->reset, sizeof place->reset, "%s", uuid);
}

static void untake(struct place *place, const char *target)
{
    if (strcmp(place->reset, target) == 0)
        place->now = place->before;
    if (strcmp(place->result, target) == 0)
        place->now = (struct attempt){ .level = -1 };
    if (strcmp(place->review, target) == 0 && place->reviews > 0) {
        place->reviews--;
        place->again -= place->last_again;
        place->review[0] = '\0';
    }
}

static void take_retract(struct classlog *log, const struct event *e)
{
    struct jsonscan_part scope = { "", 0 }, target = { "", 0 };
    char lesson[NAME], step[NAME], uuid[UUID], aim[UUID] = "";
    plain_text(e->lesson, lesson, sizeof lesson);
    plain_text(e->step, step, sizeof step);
    plain_text(e->uuid, uuid, sizeof uuid);
    bool scoped = jsonscan_member(e->payload, "scope", &scope);
    if (jsonscan_member(e->payload, "target", &target))
        plain_text(target, aim, sizeof aim);
    for (int i = 0; i < log->places; i++) {
        struct place *place = &log->desk[i];
        bool same = strcmp(place->lesson, lesson) == 0;
        if (scoped && same && (is_string(scope, "lesson") || strcmp(place->step, step) == 0))
            reset(place, uuid);
        else if (*aim && same)
            untake(place, aim);
    }
}

/* --- the class ---------------------------------------------------------------------------------------------------- */

static struct tally *tally_of(struct classlog *log, const struct place *place)
{
    for (int i = 0; i < log->count; i++)
        if (strcmp(log->tallies[i].step, place->step) == 0 && strcmp(log->tallies[i].lesson, place->lesson) == 0)
            return &log->tallies[i];
    if (log->count == log->room) {
        int room = log->room ? 2 * log->room : 64;
        struct tally *tallies = room > STEPS_MOST ? NULL : realloc(log->tallies, (size_t)room * sizeof *tallies);
        if (!tallies)
            return NULL;
        log->tallies = tallies;
        log->room = room;
    }
    struct tally *t = &log->tallies[log->count++];
    *t = (struct tally){ .low = NAN, .high = NAN };
    memcpy(t->lesson, place->lesson, sizeof t->lesson);
    memcpy(t->step, place->step, sizeof t->step);
    return t;
}

/* Counts an answer; when all places are taken the rarest gives way, and the newcomer takes its count over: no common
 * answer is ever missing, though a rare one may look too common. */
static void count_answer(struct answers *answers, const char *text, bool hit)
{
    int least = 0;
    for (int i = 0; i < answers->count; i++) {
        if (strcmp(answers->list[i].text, text) == 0) {
            answers->list[i].n++;
            answers->list[i].hit = hit;
            return;
        }
        if (answers->list[i].n < answers->list[least].n)
            least = i;
    }
    bool full = answers->count == CLASSLOG_ANSWERS;
    int at = full ? least : answers->count++;
    answers->crowded = answers->crowded || full;
    answers->list[at].n = full ? answers->list[at].n + 1 : 1;
    answers->list[at].hit = hit;
    snprintf(answers->list[at].text, ANSWER, "%s", text);
}

static int bin_of(double octaves)
{
    double bin = round(2 * octaves) + CLASSLOG_BINS / 2;
    return bin < 0 ? 0 : bin > CLASSLOG_BINS - 1 ? CLASSLOG_BINS - 1 : (int)bin;
}

static void count_level(struct level *level, const struct attempt *a, int options)
{
    double chance = calibration_chance(level_names[a->level], a->kind == 'c' ? options : 0);
    level->n++;
    level->hits += a->hit;
    level->chance += chance;
    level->brier += (chance - a->hit) * (chance - a->hit);
}

static void count_attempt(struct tally *t, const struct attempt *a, int options)
{
    t->kind = a->kind ? a->kind : t->kind;
    t->n++;
    t->hits += a->scored && a->hit;
    t->no_idea += a->no_idea;
    t->surprises += a->surprise;
    if (a->level >= 0)
        count_level(&t->levels[a->level], a, options);
    if (isfinite(a->octaves))
        t->octaves[bin_of(a->octaves)]++;
    if (isfinite(a->outcome)) {
        t->low = fmin(a->outcome, t->low); /* NaN gives way */
        t->high = fmax(a->outcome, t->high);
    }
    if (a->answer[0])
        count_answer(&t->answers, a->answer, a->hit);
}

/* One learner's places become counts of the class. */
static bool clear_desk(struct classlog *log)
{
    bool ok = true;
    for (int i = 0; i < log->places; i++) {
        const struct place *place = &log->desk[i];
        struct tally *t = tally_of(log, place);
        ok = ok && t;
        if (!t)
            continue;
        if (*place->unit)
            memcpy(t->unit, place->unit, sizeof t->unit);
        if (*place->front)
            memcpy(t->front, place->front, sizeof t->front);
        if (place->now.done)
            count_attempt(t, &place->now, place->options);
        t->hinted += place->hints > 0;
        t->flags += place->flags > 0;
        t->learners += place->reviews > 0;
        t->reviews += place->reviews;
        t->again += place->again;
    }
    log->places = 0;
    return ok;
}

/* Whether the event is new: a device's seq has no gaps, so one not beyond the last was seen in another file. */
static bool is_new(struct classlog *log, const struct event *e)
{
    char device[80], learner[80];
    plain_text(e->device, device, sizeof device);
    plain_text(e->learner, learner, sizeof learner);
    json_int_t seq = strtoll(e->seq.at, NULL, 10), last = json_integer_value(json_object_get(log->devices, device));
    if (seq <= last) {
        log->overlapping++;
        return false;
    }
    log->missing += (int)(seq - last - 1);
    json_object_set_new(log->devices, device, json_integer(seq));
    if (!json_object_get(log->learners, learner))
        json_object_set_new(log->learners, learner, json_true());
    return true;
}

static void take_event(struct classlog *log, const struct event *e)
{
    log->events++;
    if (is_string(e->kind, "retract")) {
        take_retract(log, e);
        return;
    }
    struct place *place = place_of(log, e);
    struct jsonscan_part what;
    if (!place)
        return;
    if (is_string(e->kind, "prediction"))
        take_prediction(place, e);
    else if (is_string(e->kind, "result"))
        take_result(place, e);
    else if (is_string(e->kind, "review"))
        take_review(place, e);
    else if (is_string(e->kind, "hint"))
        place->hints++;
    else if (is_string(e->kind, "flag") && jsonscan_member(e->payload, "what", &what) && is_string(what, "problem"))
        place->flags++;
}

bool classlog_take(struct classlog *log, FILE *file, char *error, size_t size)
{
    struct jsonscan scan;
    struct jsonscan_part object;
    struct event e;
    char format[64];
    bool ok = jsonscan_open(&scan, file, "events", "format", format, sizeof format);
    if (ok && strcmp(format, EXPORT_FORMAT) != 0)
        ok = !snprintf(scan.error, sizeof scan.error, "it is no export of saffron");
    while (ok && jsonscan_next(&scan, &object))
        if (read_event(object, &e) && is_new(log, &e))
            take_event(log, &e);
    bool room = clear_desk(log);
    log->files += ok;
    snprintf(error, size, "%s", scan.error[0] ? scan.error : "it has more steps than a course can have");
    ok = ok && !scan.error[0] && room;
    jsonscan_close(&scan);
    return ok;
}

/* --- the report --------------------------------------------------------------------------------------------------- */

static json_t *mean(double sum, int n)
{
    return n ? json_real(sum / n) : json_null();
}

static void put_levels(json_t *out, const struct level levels[CLASSLOG_LEVELS])
{
    struct level all = { 0 };
    json_t *rows = json_array();
    for (int i = 0; i < CLASSLOG_LEVELS; i++) {
        double low, high;
        calibration_wilson(levels[i].hits, levels[i].n, &low, &high);
        json_array_append_new(rows, json_pack("{s:s, s:i, s:i, s:o, s:o, s:f, s:f}", "level", level_names[i], "n",
                                              levels[i].n, "hits", levels[i].hits, "mean_confidence",
                                              mean(levels[i].chance, levels[i].n), "hit_rate",
                                              mean(levels[i].hits, levels[i].n), "low", low, "high", high));
        all.n += levels[i].n;
        all.chance += levels[i].chance;
        all.brier += levels[i].brier;
    }
    json_object_set_new(out, "levels", rows);
    json_object_set_new(out, "brier", mean(all.brier, all.n));
    json_object_set_new(out, "mean_confidence", mean(all.chance, all.n));
}

static int by_count(const void *a, const void *b)
{
    const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
    json_int_t n = json_integer_value(json_object_get(y, "n")) - json_integer_value(json_object_get(x, "n"));
    return n ? (n > 0 ? 1 : -1) : strcmp(view_text(x, "answer", ""), view_text(y, "answer", ""));
}

/* The hardest card first: the share that was forgotten, with the lower end of its interval, so that one miss of one
 * does not lead. */
static int by_again(const void *a, const void *b)
{
    double low[2], high;
    const json_t *rows[] = { *(json_t *const *)a, *(json_t *const *)b };
    for (int i = 0; i < 2; i++)
        calibration_wilson((int)json_integer_value(json_object_get(rows[i], "again")),
                           (int)json_integer_value(json_object_get(rows[i], "reviews")), &low[i], &high);
    return low[0] < low[1]   ? 1
           : low[0] > low[1] ? -1
                             : strcmp(view_text(rows[0], "step", ""), view_text(rows[1], "step", ""));
}

static json_t *sorted(json_t *list, int (*compare)(const void *, const void *))
{
    size_t n = json_array_size(list);
    json_t **rows = malloc((n + 1) * sizeof *rows), *out = json_array();
    for (size_t i = 0; rows && i < n; i++)
        rows[i] = json_array_get(list, i);
    if (rows)
        qsort(rows, n, sizeof *rows, compare);
    for (size_t i = 0; rows && i < n; i++)
        json_array_append(out, rows[i]);
    free(rows);
    json_decref(list);
    return out;
}

static json_t *answers_json(const struct answers *answers)
{
    json_t *list = json_array();
    for (int i = 0; i < answers->count; i++)
        json_array_append_new(list, json_pack("{s:s, s:i, s:b}", "answer", answers->list[i].text, "n",
                                              answers->list[i].n, "hit", answers->list[i].hit));
    return sorted(list, by_count);
}

/* The size of error that half of the guesses do not exceed: the upper end of the median's bin. */
static json_t *median_octaves(const struct tally *t)
{
    int n = 0, seen = 0, middle = CLASSLOG_BINS / 2;
    for (int i = 0; i < CLASSLOG_BINS; i++)
        n += t->octaves[i];
    for (int i = 0; n && i <= middle; i++) {
        seen += t->octaves[middle + i] + (i ? t->octaves[middle - i] : 0);
        if (2 * seen >= n)
            return json_real(0.5 * i + 0.25);
    }
    return json_null();
}

static json_t *step_json(const struct tally *t)
{
    json_t *octaves = json_array();
    for (int i = 0; i < CLASSLOG_BINS; i++)
        json_array_append_new(octaves, json_integer(t->octaves[i]));
    json_t *out = json_pack(
        "{s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:o, s:b, s:o, s:o}", "lesson", t->lesson, "step", t->step,
        "kind", t->kind == 'c' ? "choice" : t->kind == 'o' ? "order" : "number", "unit", t->unit, "n", t->n, "hits",
        t->hits, "no_idea", t->no_idea, "surprises", t->surprises, "hinted", t->hinted, "flags", t->flags, "answers",
        answers_json(&t->answers), "answers_exact", !t->answers.crowded, "octaves", octaves, "median_octaves",
        median_octaves(t));
    put_levels(out, t->levels);
    if (isfinite(t->low))
        json_object_set_new(out, "outcome", json_pack("{s:f, s:f}", "low", t->low, "high", t->high));
    return out;
}

static int by_name(const void *a, const void *b)
{
    const struct tally *x = a, *y = b;
    int lesson = strcmp(x->lesson, y->lesson);
    return lesson ? lesson : strcmp(x->step, y->step);
}

json_t *classlog_json(const struct classlog *log)
{
    struct level levels[CLASSLOG_LEVELS] = { { 0 } };
    json_t *steps = json_array(), *cards = json_array(), *flags = json_array();
    int n = 0, hits = 0;
    if (log->count)
        qsort(log->tallies, (size_t)log->count, sizeof *log->tallies, by_name);
    for (int i = 0; i < log->count; i++) {
        const struct tally *t = &log->tallies[i];
        for (int k = 0; k < CLASSLOG_LEVELS; k++) {
            levels[k].n += t->levels[k].n;
            levels[k].hits += t->levels[k].hits;
            levels[k].chance += t->levels[k].chance;
            levels[k].brier += t->levels[k].brier;
            n += t->levels[k].n;
            hits += t->levels[k].hits;
        }
        if (t->n)
            json_array_append_new(steps, step_json(t));
        if (t->reviews)
            json_array_append_new(cards, json_pack("{s:s, s:s, s:s, s:i, s:i, s:i}", "lesson", t->lesson, "step",
                                                   t->step, "front", t->front, "learners", t->learners, "reviews",
                                                   t->reviews, "again", t->again));
        if (t->flags)
            json_array_append_new(flags, json_pack("{s:s, s:s, s:i}", "lesson", t->lesson, "step", t->step, "n",
                                                   t->flags));
    }
    json_t *out = json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:o, s:o, s:o}", "files", log->files, "learners",
                            (int)json_object_size(log->learners), "events", log->events, "overlapping",
                            log->overlapping, "missing", log->missing, "n", n, "hits", hits, "steps", steps, "cards",
                            sorted(cards, by_again), "flags", sorted(flags, by_count));
    put_levels(out, levels);
    return out;
}

struct classlog *classlog_new(void)
{
    struct classlog *log = calloc(1, sizeof *log);
    if (!log)
        return NULL;
    log->devices = json_object();
    log->learners = json_object();
    return log;
}

void classlog_free(struct classlog *log)
{
    if (!log)
        return;
    json_decref(log->devices);
    json_decref(log->learners);
    free(log->tallies);
    free(log->desk);
    free(log);
}
