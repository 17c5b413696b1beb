/* compute.c: one step of a lesson computed: knobs in, answer, blocks and provenance out.
 * Called by the worker for a learner and by check for an author; the host is made anew each time. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/answer.h"
#include "engine/device.h"
#include "engine/document.h"
#include "engine/lab.h"
#include "engine/view.h"
#include "kernels/cpu.h"

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

const json_t *lab_step(const struct lab_lesson *lesson, const char *id)
{
    size_t i;
    json_t *step;
    static const char *const lists[] = { "steps", "dives" }; /* ids are unique over both */
    for (int l = 0; l < 2; l++)
        json_array_foreach(json_object_get(lesson->document, lists[l]), i, step)
            if (strcmp(view_text(step, "id", ""), id) == 0)
                return step;
    return NULL;
}

static bool fail(struct host_problem *p, const struct lab_lesson *lesson, const json_t *step, const char *text)
{
    snprintf(p->text, sizeof p->text, "%s", text);
    snprintf(p->path, sizeof p->path, "%s", lesson->name);
    p->line = step ? (int)json_integer_value(json_object_get(step, "line")) : 0;
    return false;
}

/* --- knobs -------------------------------------------------------------------------------------------------------- */

static bool is_choice(const json_t *choices, const json_t *value)
{
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)(uintptr_t)choices, i, item)
        if (json_equal(item, value))
            return true;
    return false;
}

/* Whether the knob can stand at this value. */
static bool knob_takes(const json_t *knob, const json_t *value)
{
    const json_t *choices = json_object_get(knob, "choices");
    if (choices)
        return is_choice(choices, value);
    if (json_is_string(value)) { /* the bits of a code */
        const json_t *code = json_object_get(knob, "value");
        size_t n = json_string_length(value);
        return json_is_string(code) && n == json_string_length(code) && strspn(json_string_value(value), "01") == n;
    }
    if (!json_is_number(value))
        return json_typeof(value) == json_typeof(json_object_get(knob, "value"));
    double x = json_number_value(value);
    return x >= view_number(knob, "from", -INFINITY) && x <= view_number(knob, "to", INFINITY);
}

/* Every knob of the step, at its start unless the request turned it; NULL if the request names what is not there. */
static json_t *knobs_of(const json_t *step, const json_t *turned, char *why, size_t size)
{
    json_t *values = json_object(), *knob, *value;
    const char *name;
    size_t i;
    json_array_foreach(json_object_get(step, "knobs"), i, knob)
        json_object_set(values, view_text(knob, "id", ""), json_object_get(knob, "value"));
    json_object_foreach((json_t *)(uintptr_t)turned, name, value) {
        const json_t *known = NULL;
        json_array_foreach(json_object_get(step, "knobs"), i, knob)
            if (strcmp(view_text(knob, "id", ""), name) == 0)
                known = knob;
        if (!known || !knob_takes(known, value)) {
            snprintf(why, size, known ? "knob '%.40s' cannot stand there" : "the step has no knob '%.40s'", name);
            json_decref(values);
            return NULL;
        }
        json_object_set(values, name, value);
    }
    return values;
}

/* --- the answer --------------------------------------------------------------------------------------------------- */

static bool is_option(const json_t *rule, const json_t *id)
{
    size_t i;
    json_t *option;
    json_array_foreach(json_object_get(rule, "options"), i, option)
        if (json_is_string(id) && json_equal(json_object_get(option, "id"), id))
            return true;
    return false;
}

static bool is_ranking(const json_t *rule, const json_t *answer)
{
    size_t n = json_array_size(json_object_get(rule, "options"));
    if (!json_is_array(answer) || json_array_size(answer) != n)
        return false;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++)
            if (!is_option(rule, json_array_get(answer, i))
                || (j < i && json_equal(json_array_get(answer, i), json_array_get(answer, j))))
                return false;
    return true;
}

static bool is_number(const json_t *value)
{
    const char *text = json_string_value(value);
    return json_is_number(value)
        || (text && (strcmp(text, "nan") == 0 || strcmp(text, "inf") == 0 || strcmp(text, "-inf") == 0));
}

/* NULL if the answer is of the step's kind, else what is wrong. */
static const char *wrong_kind(const json_t *step, const json_t *answer)
{
    const json_t *rule;
    if ((json_object_get(step, "number") || json_object_get(step, "place")) && !is_number(answer))
        return "the answer is no number: compute() returns { answer = number, ... }";
    if ((rule = json_object_get(step, "choice")) && !is_option(rule, answer))
        return "the answer is none of the choice's options: correct = function(outcome) returns an option's id";
    if ((rule = json_object_get(step, "order")) && !is_ranking(rule, answer))
        return "the answer is no list of all the options' ids, each once";
    return NULL;
}

/* The guess as reveal() sees it: with whether it hit. */
static json_t *judged_guess(const struct lab_question *q, const json_t *answer, const json_t *values)
{
    char error[256];
    if (!q->guess || json_is_null(q->guess))
        return json_null();
    json_t *guess = json_copy((json_t *)(uintptr_t)q->guess);
    struct document *d = document_new(q->lesson->document, error, sizeof error);
    const struct step *step = d ? document_step(d, document_find(d, q->step)) : NULL;
    json_t *value = json_object_get(guess, "value");
    if (step && step->answer != ANSWER_NONE && value && !json_is_null(value))
        json_object_set_new(guess, "hit", json_boolean(answer_judge(step, value, answer, values) == VERDICT_HIT));
    document_free(d);
    return guess;
}

/* --- provenance --------------------------------------------------------------------------------------------------- */

/* A lesson of the installation is named by its id, another by its path. */
static const char *lesson_word(const struct host_env *env, const struct lab_lesson *lesson)
{
    char path[4096];
    const char *slash = strrchr(lesson->name, '/'), *file = slash ? slash + 1 : lesson->name;
    snprintf(path, sizeof path, "%s/lessons/%s", env->data ? env->data : "", file);
    return access(path, R_OK) == 0 ? view_text(lesson->document, "id", lesson->name) : lesson->name;
}

static void add_knob(char *out, size_t size, const char *name, const json_t *value)
{
    size_t used = strlen(out);
    char number[64];
    const char *text = json_string_value(value);
    if (json_is_number(value))
        snprintf(number, sizeof number, "%.10g", json_number_value(value));
    snprintf(out + used, size - used, " --knob %s=%s", name,
             json_is_number(value) ? number : text ? text : json_is_true(value) ? "true" : "false");
}

/* What to type to see it again: saffron run LESSON:STEP --seed 0x... */
static void command_of(const struct host_env *env, const struct lab_question *q, char *out, size_t size)
{
    const json_t *step = lab_step(q->lesson, q->step);
    const char *name;
    json_t *value, *knob;
    size_t i;
    snprintf(out, size, "saffron run %s:%s --seed 0x%016llx", lesson_word(env, q->lesson), q->step,
             (unsigned long long)q->seed);
    json_object_foreach((json_t *)(uintptr_t)q->knobs, name, value)
        json_array_foreach(json_object_get(step, "knobs"), i, knob)
            if (strcmp(view_text(knob, "id", ""), name) == 0 && !json_equal(json_object_get(knob, "value"), value))
                add_knob(out, size, name, value);
    if (env->own_path)
        snprintf(out + strlen(out), size - strlen(out), " --tensor '%s' %s", env->own_path, env->own_tensor);
    if (env->isa)
        snprintf(out + strlen(out), size - strlen(out), " --isa %s", env->isa);
    snprintf(out + strlen(out), size - strlen(out), "%s", device_option());
}

static json_t *join(const json_t *names)
{
    char text[512] = "";
    size_t i;
    json_t *name;
    json_array_foreach((json_t *)(uintptr_t)names, i, name)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i ? ", " : "", json_string_value(name));
    return json_string(text);
}

static json_t *provenance(const struct host_env *env, const struct lab_question *q, const struct host *h,
                          double elapsed)
{
    char command[1024], seed[24];
    const json_t *step = lab_step(q->lesson, q->step);
    const char *source = view_text(step, "source", NULL);
    json_t *used = host_used(h);
    command_of(env, q, command, sizeof command);
    snprintf(seed, sizeof seed, "%016llx", (unsigned long long)q->seed);
    const char *isa = device_isa(env->isa ? env->isa : isa_name(cpu_info()->best));
    json_t *made = json_pack("{s:s, s:s, s:s, s:f, s:s, s:O, s:O}", "device", device_computed(), "isa", isa, "seed",
                             seed, "elapsed_ms", elapsed, "command", command, "kernels",
                             json_object_get(used, "kernels"), "timed", json_object_get(used, "timed"));
    if (json_array_size(json_object_get(used, "tensors")) > 0)
        json_object_set_new(made, "tensor", join(json_object_get(used, "tensors")));
    if (source)
        json_object_set_new(made, "cited", json_string(source));
    json_decref(used);
    return made;
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

static json_t *run(const struct host_env *env, const struct lab_question *q, const json_t *knobs, struct host *h,
                   struct host_problem *p)
{
    const json_t *step = lab_step(q->lesson, q->step);
    double began = now_ms();
    json_t *answer = host_compute(h, q->step, q->seed, knobs, p);
    if (!answer)
        return NULL;
    double elapsed = now_ms() - began;
    const char *wrong = env->own_path && !host_own_given(h) ? "this step reads no tensor, it makes its values itself"
                                                            : wrong_kind(step, answer);
    if (wrong) {
        fail(p, q->lesson, step, wrong);
        json_decref(answer);
        return NULL;
    }
    json_t *values = host_values(h), *guess = judged_guess(q, answer, values);
    json_decref(values);
    json_t *blocks = host_reveal(h, q->step, guess, p);
    json_decref(guess);
    if (!blocks) {
        json_decref(answer);
        return NULL;
    }
    return json_pack("{s:o, s:o, s:o, s:o}", "answer", answer, "blocks", blocks, "provenance",
                     provenance(env, q, h, elapsed), "values", host_values(h));
}

json_t *lab_compute(const struct host_env *env, const struct lab_question *q, struct host_problem *p)
{
    char why[160];
    json_t *result = NULL;
    const json_t *step = lab_step(q->lesson, q->step);
    memset(p, 0, sizeof *p);
    if (!step) {
        snprintf(why, sizeof why, "the lesson has no step '%.64s'", q->step);
        fail(p, q->lesson, NULL, why);
        return NULL;
    }
    json_t *knobs = knobs_of(step, q->knobs, why, sizeof why);
    struct host *h = knobs ? host_new(env) : NULL;
    if (!h)
        fail(p, q->lesson, step, knobs ? "out of memory" : why);
    else if (host_load(h, q->lesson->name, q->lesson->text, q->lesson->size, NULL, p))
        result = run(env, q, knobs, h, p);
    host_free(h);
    json_decref(knobs);
    return result;
}
