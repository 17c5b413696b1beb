/* check.c: `saffron check`: every predict step is computed on the scalar kernels and on the best ones, its own answer
 * must hit, its wrong answers must miss; then once with each knob at its ends. */
#include "engine/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/answer.h"
#include "engine/document.h"
#include "engine/lab.h"
#include "engine/loader.h"
#include "engine/text.h"
#include "engine/view.h"
#include "engine/watch.h"

enum {
    SLOW_MS   = 20000,  /* a step that takes longer is a finding */
    SEED      = 20260,  /* of every check: the same findings every time */
    WORDS_MOST = 120,   /* of one paragraph */
    CODE_MOST  = 72,    /* columns */
    LABEL_MOST = 28,
};

struct check {
    const struct host_env *env;
    struct lab_lesson      lesson;
    struct document       *document;
    json_t                *findings;
};

static void find_fault(struct check *c, const struct step *step, const char *near, const char *said)
{
    char text[640];
    int line = step ? (int)json_integer_value(json_object_get(step->json, "line")) : 1;
    snprintf(text, sizeof text, step ? "step '%s': %s" : "%s%s", step ? step->id : "", said);
    loader_finding(c->findings, c->lesson.name, c->lesson.text, c->lesson.size, line, near, text);
}

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static int count_words(const char *text)
{
    int words = 0;
    for (const char *p = text; *p; p += strspn(p, " \n")) {
        words++;
        p += strcspn(p, " \n");
    }
    return words;
}

static bool has_control(const char *text)
{
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 && *p != '\n' && *p != '\t')
            return true;
    return false;
}

/* The longest line of a text, in columns. */
static int longest_line(const char *text)
{
    int longest = 0;
    for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
        int width = text_width_of(p, strcspn(p, "\n"));
        longest = width > longest ? width : longest;
    }
    return longest;
}

/* What has no room on the narrowest screen that is promised whole (40 columns wrap; code and labels do not). */
static const char *too_wide(const json_t *block)
{
    const char *view = view_text(block, "view", "");
    if (strcmp(view, "code") == 0 && longest_line(view_text(block, "text", "")) > CODE_MOST)
        return "a line of code is wider than 72 columns";
    if (strcmp(view, "bars") == 0) {
        size_t i;
        json_t *bar;
        json_array_foreach(json_object_get(block, "bars"), i, bar)
            if (longest_line(view_text(bar, "label", "")) > LABEL_MOST)
                return "a bar's label is wider than 28 columns";
    }
    return NULL;
}

/* Every text below `value`: no escape codes; paragraphs short enough to be read; nothing too wide. */
static void check_texts(struct check *c, const struct step *step, const json_t *value)
{
    size_t i;
    const char *key, *text = json_string_value(value);
    json_t *item;
    if (text && has_control(text))
        find_fault(c, step, NULL, "a text holds control characters");
    if (json_is_object(value) && strcmp(view_text(value, "view", ""), "prose") == 0
        && count_words(view_text(value, "text", "")) > WORDS_MOST)
        find_fault(c, step, NULL, "a paragraph has more than 120 words");
    if (json_is_object(value) && too_wide(value))
        find_fault(c, step, NULL, too_wide(value));
    json_array_foreach((json_t *)(uintptr_t)value, i, item)
        check_texts(c, step, item);
    json_object_foreach((json_t *)(uintptr_t)value, key, item)
        check_texts(c, step, item);
}

static bool has_id(const json_t *list, const char *field, const char *id)
{
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)(uintptr_t)list, i, item)
        if (strcmp(view_text(item, field, ""), id) == 0)
            return true;
    return false;
}

/* Ids in `field` of the step are those of a list of the document. */
static void check_references(struct check *c, const struct step *step, const char *field, const char *list,
                             const char *id_name)
{
    size_t i;
    json_t *id;
    json_array_foreach(json_object_get(step->json, field), i, id)
        if (!has_id(json_object_get(c->lesson.document, list), id_name, json_string_value(id))) {
            char said[160];
            snprintf(said, sizeof said, "'%.64s' in %s is not in the lesson", json_string_value(id), field);
            find_fault(c, step, field, said);
        }
}

/* Several predictions of one part may build one idea: the part needs a card or a takeaway, each step of it does not. */
static bool part_has_card(const struct check *c, const struct step *step)
{
    for (int i = 0; i < document_step_count(c->document); i++) {
        const struct step *other = document_step(c->document, i);
        bool keeps = json_object_get(other->json, "card") || json_object_get(other->json, "takeaway");
        if (keeps && other->part == step->part && (step->part >= 0 || other == step))
            return true;
    }
    return false;
}

static void check_step_data(struct check *c, const struct step *step)
{
    const json_t *cited = json_object_get(step->json, "answer");
    check_texts(c, step, step->json);
    check_references(c, step, "dives", "dives", "id");
    check_references(c, step, "links", "links", "lesson");
    if (step->kind != STEP_PREDICT)
        return;
    if (!part_has_card(c, step))
        find_fault(c, step, NULL, "neither it nor its part has a card or a takeaway");
    if (cited && !json_object_get(step->json, "source"))
        find_fault(c, step, "answer", "an answer of the author's needs a source");
    if (!cited && !step->live)
        find_fault(c, step, NULL, "has neither compute() nor an answer");
    if (json_object_get(step->json, "because") && !cited)
        find_fault(c, step, "because", "'because' goes with an answer of the author's");
}

/* --- computing ---------------------------------------------------------------------------------------------------- */

/* On another machine a timing may prove another guess right, so wrong answers to it only have to fit. */
static void check_answer(struct check *c, const struct step *step, const json_t *answer, bool timed)
{
    size_t i;
    json_t *wrong;
    if (!answer_hit(step, answer, answer))
        find_fault(c, step, NULL, "its own answer does not count as right");
    json_array_foreach(json_object_get(step->json, "wrong"), i, wrong) {
        char said[160], *text = json_dumps(wrong, JSON_ENCODE_ANY | JSON_REAL_PRECISION(12));
        if (timed ? !answer_fits(step, wrong) : answer_hit(step, wrong, answer)) {
            snprintf(said, sizeof said, timed ? "wrong answer %.80s is none that the step can have"
                                             : "wrong answer %.80s counts as right", text ? text : "");
            find_fault(c, step, "wrong", said);
        }
        free(text);
    }
}

/* `where`: " on scalar", " with times = 100", or "". */
static void add_problem(struct check *c, const struct step *step, const struct host_problem *p, const char *where)
{
    char text[800];
    int line = p->line ? p->line : (int)json_integer_value(json_object_get(step->json, "line"));
    snprintf(text, sizeof text, "step '%s'%s: %s", step->id, where, p->text);
    loader_finding(c->findings, c->lesson.name, c->lesson.text, c->lesson.size, line, NULL, text);
}

/* One computation of a step; its result, or NULL and a finding. */
static json_t *compute_once(struct check *c, const struct step *step, const char *isa, const json_t *knobs,
                            const json_t *guess, const char *where)
{
    struct host_problem problem;
    struct host_env env = *c->env;
    double began = now_ms();
    env.isa = isa;
    env.quick = true;
    watch_renew();
    struct lab_question q = { .lesson = &c->lesson, .step = step->id, .seed = SEED, .knobs = knobs, .guess = guess };
    json_t *result = lab_compute(&env, &q, &problem);
    if (!result)
        add_problem(c, step, &problem, where);
    else if (now_ms() - began > SLOW_MS)
        find_fault(c, step, "compute", "takes longer than 20 s");
    return result;
}

/* As the learner meets it first, on the scalar kernels; then on the best ones, with a guess. */
static bool compute_default(struct check *c, const struct step *step)
{
    size_t before = json_array_size(c->findings);
    json_t *wrong = json_array_get(json_object_get(step->json, "wrong"), 0);
    json_t *result = compute_once(c, step, "scalar", NULL, NULL, " on scalar");
    if (!result)
        return false;
    json_t *answer = json_object_get(result, "answer");
    check_texts(c, step, json_object_get(result, "blocks"));
    if (step->kind == STEP_PREDICT)
        check_answer(c, step, answer, json_is_true(json_object_get(json_object_get(result, "provenance"), "timed")));
    if (json_array_size(json_object_get(result, "blocks")) == 0)
        find_fault(c, step, "reveal", "reveals nothing");
    json_t *guess = json_pack("{s:O, s:s, s:i}", "value", wrong ? wrong : answer, "text", "a guess", "confidence", 50);
    json_decref(compute_once(c, step, NULL, NULL, guess, " with a guess"));
    json_decref(guess);
    json_decref(result);
    return json_array_size(c->findings) == before;
}

static void compute_knob(struct check *c, const struct step *step, const char *name, const json_t *value)
{
    char where[128], *text = json_dumps(value, JSON_ENCODE_ANY);
    json_t *knobs = json_pack("{s:O}", name, value);
    snprintf(where, sizeof where, " with %.40s = %.60s", name, text ? text : "");
    json_decref(compute_once(c, step, NULL, knobs, NULL, where));
    json_decref(knobs);
    free(text);
}

/* Each knob at both ends, or at each of its choices, the others where they start. */
static void compute_knobs(struct check *c, const struct step *step)
{
    size_t i, k;
    json_t *knob, *choice;
    json_array_foreach(json_object_get(step->json, "knobs"), i, knob) {
        const char *name = view_text(knob, "id", "");
        const json_t *ends[] = { json_object_get(knob, "from"), json_object_get(knob, "to") };
        json_array_foreach(json_object_get(knob, "choices"), k, choice)
            if (!json_equal(choice, json_object_get(knob, "value")))
                compute_knob(c, step, name, choice);
        for (int e = 0; e < 2; e++)
            if (ends[e])
                compute_knob(c, step, name, ends[e]);
    }
}

static void compute_given(struct check *c, const struct step *step)
{
    struct host_problem problem;
    struct host *h = host_new(c->env);
    json_t *blocks = NULL;
    if (h && host_load(h, c->lesson.name, c->lesson.text, c->lesson.size, NULL, &problem))
        blocks = host_given(h, step->id, SEED, &problem);
    if (h && !blocks)
        add_problem(c, step, &problem, " before the commit");
    json_decref(blocks);
    host_free(h);
}

/* A deep dive that computes: on the scalar kernels and on the best ones. */
static void compute_dive(struct check *c, const json_t *dive)
{
    const struct step step = { .id = view_text(dive, "id", ""), .json = dive };
    static const char *const isas[] = { "scalar", NULL };
    for (int i = 0; i < 2; i++) {
        json_t *result = compute_once(c, &step, isas[i], NULL, NULL, i ? "" : " on scalar");
        if (result && json_array_size(json_object_get(result, "blocks")) == 0)
            find_fault(c, &step, "reveal", "reveals nothing");
        check_texts(c, &step, json_object_get(result, "blocks"));
        json_decref(result);
    }
}

static void check_dives(struct check *c)
{
    size_t i;
    json_t *dive;
    json_array_foreach(json_object_get(c->lesson.document, "dives"), i, dive)
        if (json_is_true(json_object_get(dive, "live")) && !watch_canceled())
            compute_dive(c, dive);
}

static void check_steps(struct check *c)
{
    for (int i = 0; i < document_step_count(c->document); i++) {
        const struct step *step = document_step(c->document, i);
        check_step_data(c, step);
        if (step->given_live)
            compute_given(c, step);
        if (step->live && compute_default(c, step))
            compute_knobs(c, step);
        if (watch_canceled())
            return;
    }
}

void check_lesson(const struct host_env *env, const char *path, json_t *findings)
{
    struct check c = { .env = env, .findings = findings };
    char error[512];
    snprintf(c.lesson.name, sizeof c.lesson.name, "%s", path);
    c.lesson.text = loader_read(path, &c.lesson.size, error, sizeof error);
    if (!c.lesson.text) {
        loader_finding(findings, path, NULL, 0, 0, NULL, error);
        return;
    }
    c.lesson.document = loader_document(env, path, c.lesson.text, c.lesson.size, findings);
    c.document = c.lesson.document ? document_new(c.lesson.document, error, sizeof error) : NULL;
    if (c.document) {
        check_steps(&c);
        check_dives(&c);
    }
    document_free(c.document);
    json_decref(c.lesson.document);
    free(c.lesson.text);
}
