/* lab_answer.c: what each request is answered with. See lab_state.h.
 * A lesson is kept by its text's checksum; a request for one that is not here is parked until its text has come. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/check.h"
#include "engine/csource.h"
#include "engine/device.h"
#include "engine/kv.h"
#include "engine/lab_state.h"
#include "engine/loader.h"
#include "engine/sha256.h"
#include "engine/view.h"
#include "engine/viewtext.h"
#include "engine/watch.h"
#include "kernels/cpu.h"
#include "kernels/dense.h"
#include "kernels/format.h"

/* --- lessons ------------------------------------------------------------------------------------------------------ */

static struct lab_lesson *find_lesson(const char *sha256)
{
    for (int i = 0; i < LESSONS_MOST; i++)
        if (lab.lessons[i].text && strcmp(lab.lessons[i].sha256, sha256) == 0)
            return &lab.lessons[i];
    return NULL;
}

/* Keeps a lesson's text with its document; takes `text`. What is wrong goes to `findings`. */
static struct lab_lesson *keep_lesson(const char *name, char *text, size_t size, json_t *findings)
{
    uint8_t digest[SHA256_BYTES];
    char hex[SHA256_HEX];
    sha256_of(text, size, digest);
    sha256_hex(digest, hex);
    struct lab_lesson *lesson = find_lesson(hex);
    if (lesson && strcmp(lesson->name, name) == 0) {
        free(text);
        return lesson;
    }
    json_t *document = loader_document(&lab.env, name, text, size, findings);
    if (!document) {
        free(text);
        return NULL;
    }
    lesson = lesson ? lesson : &lab.lessons[lab.next_lesson++ % LESSONS_MOST];
    free(lesson->text);
    json_decref(lesson->document);
    *lesson = (struct lab_lesson){ .text = text, .size = size, .document = document };
    memcpy(lesson->sha256, hex, sizeof lesson->sha256);
    snprintf(lesson->name, sizeof lesson->name, "%s", name);
    return lesson;
}

/* The lesson of a request; else it is parked, and the tutor asked for the text. */
static const struct lab_lesson *lesson_for(json_t *message)
{
    const char *sha256 = lab_text(message, "lesson");
    const struct lab_lesson *lesson = find_lesson(sha256);
    if (lesson)
        return lesson;
    pthread_mutex_lock(&lab.lock);
    bool room = lab.parked_count < JOBS_MOST;
    if (room)
        lab.parked[lab.parked_count++] = json_incref(message);
    pthread_mutex_unlock(&lab.lock);
    if (room)
        lab_send(json_pack("{s:s, s:I, s:s}", "type", "need-lesson", "id", lab_id(message), "sha256", sha256));
    else
        lab_problem(lab_id(message), "too many requests wait for their lesson", NULL, 0);
    return NULL;
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

static json_int_t id_of_first_finding_line(const json_t *findings)
{
    return json_integer_value(json_object_get(json_array_get(findings, 0), "line"));
}

static uint64_t seed_of(const json_t *message)
{
    return strtoull(lab_text(message, "seed"), NULL, 16);
}

/* What was kept for the knobs of another step goes. */
static void note_step(const struct lab_lesson *lesson, const char *step)
{
    char now[sizeof lab.step];
    snprintf(now, sizeof now, "%s %.64s", lesson->sha256, step);
    if (strcmp(now, lab.step) != 0)
        host_forget();
    memcpy(lab.step, now, sizeof now);
}

static void answer_compute(json_t *message)
{
    struct host_problem problem;
    const struct lab_lesson *lesson = lesson_for(message);
    if (!lesson)
        return;
    note_step(lesson, lab_text(message, "step"));
    struct lab_question q = { .lesson = lesson, .step = lab_text(message, "step"), .seed = seed_of(message),
                              .knobs = json_object_get(message, "knobs"), .guess = json_object_get(message, "guess") };
    struct host_env env = lab.env;
    const json_t *own = json_object_get(message, "own");
    env.own_path = view_text(own, "path", NULL);
    env.own_tensor = view_text(own, "tensor", "");
    lab_read_mapped(lab_id(message), env.own_path);
    json_t *result = lab_compute(&env, &q, &problem);
    lab_read_mapped(0, NULL);
    if (!result) {
        lab_problem(lab_id(message), problem.text, problem.path, problem.line);
        return;
    }
    json_object_set_new(result, "type", json_string("result"));
    json_object_set_new(result, "id", json_integer(lab_id(message)));
    lab_send(result);
}

static void answer_given(json_t *message)
{
    struct host_problem problem = { .text = "out of memory" };
    const struct lab_lesson *lesson = lesson_for(message);
    if (!lesson)
        return;
    struct host *h = host_new(&lab.env);
    json_t *blocks = NULL;
    if (h && host_load(h, lesson->name, lesson->text, lesson->size, NULL, &problem))
        blocks = host_given(h, lab_text(message, "step"), seed_of(message), &problem);
    host_free(h);
    if (blocks)
        lab_send(json_pack("{s:s, s:I, s:o}", "type", "given", "id", lab_id(message), "blocks", blocks));
    else
        lab_problem(lab_id(message), problem.text, problem.path, problem.line);
}

/* A text comes by the pipe; then every request that waited for it goes on. */
static void take_lesson(json_t *message)
{
    const json_t *text = json_object_get(message, "text");
    const char *sha256 = lab_text(message, "sha256");
    size_t size = json_string_length(text);
    char *copy = malloc(size + 1);
    json_t *findings = json_array(), *waiting[JOBS_MOST];
    struct lab_lesson *lesson = NULL;
    int count = 0, kept = 0;
    if (copy)
        memcpy(copy, json_string_value(text) ? json_string_value(text) : "", size + 1);
    if (copy)
        lesson = keep_lesson(view_text(message, "name", "lesson"), copy, size, findings);
    const json_t *first = json_array_get(findings, 0);
    pthread_mutex_lock(&lab.lock);
    for (int i = 0; i < lab.parked_count; i++) {
        if (strcmp(lab_text(lab.parked[i], "lesson"), sha256) == 0)
            waiting[count++] = lab.parked[i];
        else
            lab.parked[kept++] = lab.parked[i];
    }
    lab.parked_count = kept;
    pthread_mutex_unlock(&lab.lock);
    for (int i = 0; i < count; i++) {
        watch_begin((long)lab_id(waiting[i]));
        if (!lesson)
            lab_problem(lab_id(waiting[i]), view_text(first, "text", "the lesson cannot be read"),
                         view_text(first, "path", ""), (int)id_of_first_finding_line(findings));
        else if (strcmp(lesson->sha256, sha256) != 0)
            lab_problem(lab_id(waiting[i]), "the lesson's text is not the one that was asked for", NULL, 0);
        else if (lab_is(waiting[i], "given"))
            answer_given(waiting[i]);
        else
            answer_compute(waiting[i]);
        json_decref(waiting[i]);
    }
    json_decref(findings);
}

static void answer_document(json_t *message)
{
    const char *path = lab_text(message, "path"), *name = view_text(message, "name", path);
    const json_t *given = json_object_get(message, "text");
    char error[512];
    char *text = NULL;
    size_t size = 0;
    json_t *findings = json_array();
    if (given) {
        size = json_string_length(given);
        text = malloc(size + 1);
        if (text)
            memcpy(text, json_string_value(given), size + 1);
    } else if (!(text = loader_read(path, &size, error, sizeof error)))
        loader_finding(findings, path, NULL, 0, 0, NULL, error);
    const struct lab_lesson *lesson = text ? keep_lesson(*name ? name : "lesson", text, size, findings) : NULL;
    json_t *document = lesson ? json_incref(lesson->document) : json_null();
    lab_send(json_pack("{s:s, s:I, s:o, s:o}", "type", "document", "id", lab_id(message), "document", document,
                           "findings", findings));
}

static void answer_check(json_t *message)
{
    json_t *findings = json_array();
    check_lesson(&lab.env, lab_text(message, "path"), findings);
    lab_send(json_pack("{s:s, s:I, s:o}", "type", "report", "id", lab_id(message), "findings", findings));
}

static void answer_source(json_t *message)
{
    char error[160];
    const char *data = lab.env.data ? lab.env.data : "";
    json_t *blocks = csource_blocks(data, lab_text(message, "function"), error, sizeof error);
    if (blocks)
        lab_send(json_pack("{s:s, s:I, s:o}", "type", "source", "id", lab_id(message), "blocks", blocks));
    else
        lab_problem(lab_id(message), error, NULL, 0);
}

/* "fp8" is what people call the format of a cache. */
static const struct format *cache_format(const char *name)
{
    return format_find(strcmp(name, "fp8") == 0 ? "e4m3" : name);
}

static void answer_kv(json_t *message)
{
    static struct modelconfig config; /* 2 KiB; the worker's alone */
    const char *path = lab_text(message, "path"), *name = view_text(message, "kv_format", "bf16");
    const struct format *format = cache_format(name);
    struct kv_answer answer;
    char error[256];
    struct kv_question question = {
        .format = name, .bits = format ? format->bits : 0,
        .context = (uint64_t)view_number(message, "context", 32768),
        .sequences = (uint64_t)view_number(message, "sequences", 1),
    };
    if (!format) {
        const struct format *near = format_nearest(name);
        snprintf(error, sizeof error, "unknown format '%.40s'%s%s%s", name, near ? "; did you mean '" : ": ",
                 near ? near->name : "use bf16, fp16, e4m3 or int8", near ? "'?" : "");
        lab_problem(lab_id(message), error, NULL, 0);
    } else if (!modelconfig_load(&config, path, error, sizeof error)
               || !kv_compute(&config, &question, &answer, error, sizeof error))
        lab_problem(lab_id(message), error, NULL, 0);
    else
        lab_send(json_pack("{s:s, s:I, s:o, s:o}", "type", "kv", "id", lab_id(message), "kv",
                               kv_json(&config, &question, &answer), "blocks",
                               kv_views(&config, &question, &answer)));
}

static void answer_info(json_t *message)
{
    const struct cpu *cpu = cpu_info();
    json_t *lines = json_array();
    char sets[64], why[256];
    viewtext_fact(lines, "processor", "%s", cpu->model);
    viewtext_fact(lines, "instruction sets", "%s (using %s)", lab_isa_names(sets, sizeof sets),
             lab.env.isa ? lab.env.isa : isa_name(cpu->best));
    viewtext_fact(lines, "last cache", "%.3g MiB", (double)cpu->last_cache_bytes / (1 << 20));
    const char *blas = dense_open(why, sizeof why);
    viewtext_fact(lines, "BLAS", "%s", blas ? blas : why);
    viewtext_fact(lines, "number formats", "%zu", format_count());
    viewtext_fact(lines, "sandbox: files", "%s", lab.sandbox.landlock);
    viewtext_fact(lines, "sandbox: system calls", "%s", lab.sandbox.seccomp);
    viewtext_fact(lines, "sandbox: limits", "%s", lab.sandbox.limits);
    device_report(lines);
    lab_send(json_pack("{s:s, s:I, s:o}", "type", "info", "id", lab_id(message), "lines", lines));
}

static const struct answer {
    const char *type;
    void      (*run)(json_t *message);
} answers[] = {
    { "compute", answer_compute }, { "given", answer_given },   { "lesson", take_lesson }, { "kv", answer_kv },
    { "quantize", lab_quantize },  { "quality", lab_quality },  { "bench", lab_bench },  { "inspect", lab_inspect },
    { "document", answer_document }, { "check", answer_check }, { "source", answer_source }, { "info", answer_info },
};

void lab_answer(json_t *message)
{
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++)
        if (lab_is(message, answers[i].type))
            answers[i].run(message);
}
