/* lab.c: the process `saffron lab`: message loop, worker, sandbox, watchdog.
 * Only this file writes to the protocol's descriptor. The main thread never runs lesson code, so that a beat, a cancel
 * and the end of the pipe are heard whatever the worker does. */
#include "engine/lab.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/bench.h"
#include "engine/check.h"
#include "engine/csource.h"
#include "engine/device.h"
#include "engine/inspectjob.h"
#include "engine/kv.h"
#include "engine/loader.h"
#include "engine/outfile.h"
#include "engine/protocol.h"
#include "engine/qualityjob.h"
#include "engine/quantjob.h"
#include "engine/sandbox.h"
#include "engine/sha256.h"
#include "engine/stubs.h"
#include "engine/tensor.h"
#include "engine/view.h"
#include "engine/watch.h"
#include "kernels/cpu.h"
#include "kernels/dense.h"
#include "kernels/format.h"
#include "kernels/gpu.h"
#include "kernels/pool.h"

enum {
    BEAT_MS       = 500,
    LOOK_MS       = 50,   /* between two looks at the worker */
    PROGRESS_MS   = 80,
    JOBS_MOST     = 64,
    LESSONS_MOST  = 16,
    EXIT_OVERDUE  = 3,
    REFUSED_MOST  = 64 << 10,
};

/* Everything of this process; one lab is one process. */
static struct {
    const struct lab_place *place;
    int                 in, out;         /* the protocol's descriptors */
    pthread_mutex_t     out_lock;
    bool                opened;
    char                folder[4096], isa[16];
    struct host_env     env;
    struct sandbox_report sandbox;
    struct outfile      output;          /* of this lab's one quantize request */
    char                output_error[320];

    pthread_mutex_t     lock;            /* guards what follows, down to `job` */
    pthread_cond_t      more;
    json_t             *jobs[JOBS_MOST]; /* waiting, oldest first */
    int                 job_count;
    json_t             *job;             /* being worked on */

    struct lab_lesson   lessons[LESSONS_MOST]; /* worker only */
    int                 next_lesson;
    json_t             *parked[JOBS_MOST];     /* waiting for a lesson's text; worker only, but counted under lock */
    int                 parked_count;
    char                step[144];             /* lesson and step of the last compute; worker only */
    double              reported;              /* when progress was last sent */
} lab = { .out_lock = PTHREAD_MUTEX_INITIALIZER, .lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER };

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

/* The whole line, or the end of the process: a tutor that is gone needs no lab. */
static void write_all(const char *line, size_t size)
{
    while (size > 0) {
        ssize_t n = write(lab.out, line, size);
        if (n < 0 && errno == EAGAIN)
            poll(&(struct pollfd){ .fd = lab.out, .events = POLLOUT }, 1, -1);
        else if (n < 0 && errno != EINTR)
            _exit(0);
        if (n > 0) {
            line += n;
            size -= (size_t)n;
        }
    }
}

/* Takes the reference. A line that the protocol does not allow is replaced by a problem. */
static void send_message(json_t *message)
{
    size_t size = 0;
    char *line = message ? protocol_encode(message, &size) : NULL;
    json_int_t id = json_integer_value(json_object_get(message, "id"));
    if (!line || size > PROTOCOL_LINE_MAX) {
        json_t *problem = json_pack("{s:s, s:I, s:s}", "type", "problem", "id", id, "text",
                                    line ? "the result is larger than 4 MiB" : "out of memory");
        free(line);
        line = problem ? protocol_encode(problem, &size) : NULL;
        json_decref(problem);
    }
    if (line) {
        pthread_mutex_lock(&lab.out_lock);
        write_all(line, size);
        pthread_mutex_unlock(&lab.out_lock);
    }
    free(line);
    json_decref(message);
}

static void send_problem(json_int_t id, const char *text, const char *path, int line)
{
    char said[640];
    protocol_line(text, said, sizeof said);
    json_t *message = json_pack("{s:s, s:I, s:s}", "type", "problem", "id", id, "text", said);
    if (path && *path)
        json_object_set_new(message, "path", json_string(path));
    if (line > 0)
        json_object_set_new(message, "line", json_integer(line));
    send_message(message);
}

/* From the main thread: never waits, for the worker may hold the lock with a full pipe before it. */
static void beat(void)
{
    static const char line[] = "{\"type\":\"beat\"}\n";
    struct pollfd room = { .fd = lab.out, .events = POLLOUT };
    if (pthread_mutex_trylock(&lab.out_lock) != 0)
        return;
    if (poll(&room, 1, 0) == 1 && room.revents & POLLOUT)
        write_all(line, sizeof line - 1);
    pthread_mutex_unlock(&lab.out_lock);
}

static void on_progress(void *ctx, double fraction, const char *label)
{
    (void)ctx;
    double now = now_ms();
    if (now - lab.reported < PROGRESS_MS)
        return;
    lab.reported = now;
    send_message(json_pack("{s:s, s:I, s:f, s:s}", "type", "progress", "id", (json_int_t)watch_request(), "fraction",
                           fraction, "label", label));
}

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

static const char *text_of(const json_t *message, const char *name)
{
    return view_text(message, name, "");
}

static json_int_t id_of(const json_t *message)
{
    return json_integer_value(json_object_get(message, "id"));
}

static bool is_type(const json_t *message, const char *type)
{
    return strcmp(text_of(message, "type"), type) == 0;
}

/* The lesson of a request; else it is parked, and the tutor asked for the text. */
static const struct lab_lesson *lesson_for(json_t *message)
{
    const char *sha256 = text_of(message, "lesson");
    const struct lab_lesson *lesson = find_lesson(sha256);
    if (lesson)
        return lesson;
    pthread_mutex_lock(&lab.lock);
    bool room = lab.parked_count < JOBS_MOST;
    if (room)
        lab.parked[lab.parked_count++] = json_incref(message);
    pthread_mutex_unlock(&lab.lock);
    if (room)
        send_message(json_pack("{s:s, s:I, s:s}", "type", "need-lesson", "id", id_of(message), "sha256", sha256));
    else
        send_problem(id_of(message), "too many requests wait for their lesson", NULL, 0);
    return NULL;
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

static json_int_t id_of_first_finding_line(const json_t *findings)
{
    return json_integer_value(json_object_get(json_array_get(findings, 0), "line"));
}

static uint64_t seed_of(const json_t *message)
{
    return strtoull(text_of(message, "seed"), NULL, 16);
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
    note_step(lesson, text_of(message, "step"));
    struct lab_question q = { .lesson = lesson, .step = text_of(message, "step"), .seed = seed_of(message),
                              .knobs = json_object_get(message, "knobs"), .guess = json_object_get(message, "guess") };
    struct host_env env = lab.env;
    const json_t *own = json_object_get(message, "own");
    env.own_path = view_text(own, "path", NULL);
    env.own_tensor = view_text(own, "tensor", "");
    json_t *result = lab_compute(&env, &q, &problem);
    if (!result) {
        send_problem(id_of(message), problem.text, problem.path, problem.line);
        return;
    }
    json_object_set_new(result, "type", json_string("result"));
    json_object_set_new(result, "id", json_integer(id_of(message)));
    send_message(result);
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
        blocks = host_given(h, text_of(message, "step"), seed_of(message), &problem);
    host_free(h);
    if (blocks)
        send_message(json_pack("{s:s, s:I, s:o}", "type", "given", "id", id_of(message), "blocks", blocks));
    else
        send_problem(id_of(message), problem.text, problem.path, problem.line);
}

/* A text comes by the pipe; then every request that waited for it goes on. */
static void take_lesson(json_t *message)
{
    const json_t *text = json_object_get(message, "text");
    const char *sha256 = text_of(message, "sha256");
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
        if (strcmp(text_of(lab.parked[i], "lesson"), sha256) == 0)
            waiting[count++] = lab.parked[i];
        else
            lab.parked[kept++] = lab.parked[i];
    }
    lab.parked_count = kept;
    pthread_mutex_unlock(&lab.lock);
    for (int i = 0; i < count; i++) {
        watch_begin((long)id_of(waiting[i]));
        if (!lesson)
            send_problem(id_of(waiting[i]), view_text(first, "text", "the lesson cannot be read"),
                         view_text(first, "path", ""), (int)id_of_first_finding_line(findings));
        else if (strcmp(lesson->sha256, sha256) != 0)
            send_problem(id_of(waiting[i]), "the lesson's text is not the one that was asked for", NULL, 0);
        else if (is_type(waiting[i], "given"))
            answer_given(waiting[i]);
        else
            answer_compute(waiting[i]);
        json_decref(waiting[i]);
    }
    json_decref(findings);
}

static void answer_document(json_t *message)
{
    const char *path = text_of(message, "path"), *name = view_text(message, "name", path);
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
    send_message(json_pack("{s:s, s:I, s:o, s:o}", "type", "document", "id", id_of(message), "document", document,
                           "findings", findings));
}

static void answer_check(json_t *message)
{
    json_t *findings = json_array();
    check_lesson(&lab.env, text_of(message, "path"), findings);
    send_message(json_pack("{s:s, s:I, s:o}", "type", "report", "id", id_of(message), "findings", findings));
}

static void answer_source(json_t *message)
{
    char error[160];
    const char *data = lab.env.data ? lab.env.data : "";
    json_t *blocks = csource_blocks(data, text_of(message, "function"), error, sizeof error);
    if (blocks)
        send_message(json_pack("{s:s, s:I, s:o}", "type", "source", "id", id_of(message), "blocks", blocks));
    else
        send_problem(id_of(message), error, NULL, 0);
}

/* "fp8" is what people call the format of a cache. */
static const struct format *cache_format(const char *name)
{
    return format_find(strcmp(name, "fp8") == 0 ? "e4m3" : name);
}

static void answer_kv(json_t *message)
{
    static struct modelconfig config; /* 2 KiB; the worker's alone */
    const char *path = text_of(message, "path"), *name = view_text(message, "kv_format", "bf16");
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
        snprintf(error, sizeof error, "unknown format '%.40s'%s%s%s", name, near ? "; did you mean '" : "",
                 near ? near->name : "", near ? "'?" : "");
        send_problem(id_of(message), error, NULL, 0);
    } else if (!modelconfig_load(&config, path, error, sizeof error)
               || !kv_compute(&config, &question, &answer, error, sizeof error))
        send_problem(id_of(message), error, NULL, 0);
    else
        send_message(json_pack("{s:s, s:I, s:o, s:o}", "type", "kv", "id", id_of(message), "kv",
                               kv_json(&config, &question, &answer), "blocks",
                               kv_views(&config, &question, &answer)));
}

/* --- files that shrink -------------------------------------------------------------------------------------------- */

/* What is said if a mapped file loses its end: made before, for a signal handler can make nothing. */
static struct {
    char   line[1024];
    size_t size;
} torn;

static void on_torn(int number)
{
    ssize_t n = write(lab.out, torn.line, torn.size);
    (void)number;
    _exit(n > 0 ? 0 : 1);
}

/* From here on to the next call the file of this message is read through a map; NULL: none is. */
static void read_mapped(const json_t *message)
{
    char text[400];
    size_t size = 0;
    const struct sigaction action = { .sa_handler = message ? on_torn : SIG_DFL };
    torn.size = 0;
    if (message) {
        snprintf(text, sizeof text, "'%.300s' became shorter while it was read", text_of(message, "path"));
        json_t *problem = json_pack("{s:s, s:I, s:s}", "type", "problem", "id", id_of(message), "text", text);
        char *line = protocol_encode(problem, &size);
        if (line && size <= sizeof torn.line) {
            memcpy(torn.line, line, size);
            torn.size = size;
        }
        free(line);
        json_decref(problem);
    }
    sigaction(SIGBUS, &action, NULL);
}

/* Between two looks at a request that may take long: the watchdog waits anew. */
static bool go_on(void *ctx, double fraction)
{
    (void)ctx;
    watch_host("quantize", 120);
    on_progress(NULL, fraction, "quantize");
    return !watch_canceled();
}

static bool bench_on(void *ctx, double fraction, const char *label)
{
    (void)ctx;
    watch_host("bench", 120);
    on_progress(NULL, fraction, label);
    return !watch_canceled();
}

static enum isa lab_isa(void)
{
    enum isa isa = cpu_info()->best;
    if (lab.env.isa)
        isa_find(lab.env.isa, &isa);
    return isa;
}

static void answer_quantize(json_t *message)
{
    char error[512];
    bool writes = *text_of(message, "out") != '\0';
    const struct quantjob_env env = { .isa = lab_isa(), .pool = lab.env.pool, .gpu = lab.env.gpu,
                                      .out = writes ? &lab.output : NULL, .progress = go_on };
    if (writes && lab.output.fd < 0) {
        send_problem(id_of(message), lab.output_error, NULL, 0);
        return;
    }
    watch_host("quantize", 120);
    read_mapped(message);
    json_t *reply = quantjob_run(message, &env, error, sizeof error);
    read_mapped(NULL);
    if (!reply) {
        send_problem(id_of(message), error, NULL, 0);
        return;
    }
    json_object_set_new(reply, "type", json_string("quantize"));
    json_object_set_new(reply, "id", json_integer(id_of(message)));
    send_message(reply);
}

/* A layer may be rounded for minutes by a method that searches. */
static bool go_on_measuring(void *ctx, double fraction)
{
    (void)ctx;
    watch_host("quality", 600);
    on_progress(NULL, fraction, "quality");
    return !watch_canceled();
}

static void answer_quality(json_t *message)
{
    char error[512];
    const struct qualityjob_env env = { .isa = lab_isa(), .pool = lab.env.pool, .progress = go_on_measuring };
    watch_host("quality", 600);
    read_mapped(message);
    json_t *reply = qualityjob_run(message, &env, error, sizeof error);
    read_mapped(NULL);
    if (!reply) {
        send_problem(id_of(message), error, NULL, 0);
        return;
    }
    json_object_set_new(reply, "type", json_string("quality"));
    json_object_set_new(reply, "id", json_integer(id_of(message)));
    send_message(reply);
}

static bool inspect_on(void *ctx, double fraction)
{
    (void)ctx;
    watch_host("inspect", 120);
    on_progress(NULL, fraction, "inspect");
    return !watch_canceled();
}

static void answer_inspect(json_t *message)
{
    char error[512];
    const struct inspectjob_env env = { .isa = lab_isa(), .pool = lab.env.pool, .progress = inspect_on };
    watch_host("inspect", 120);
    read_mapped(message);
    json_t *reply = inspectjob_run(message, &env, error, sizeof error);
    read_mapped(NULL);
    if (!reply) {
        send_problem(id_of(message), error, NULL, 0);
        return;
    }
    json_object_set_new(reply, "type", json_string("inspect"));
    json_object_set_new(reply, "id", json_integer(id_of(message)));
    send_message(reply);
}

static void answer_bench(json_t *message)
{
    char error[512];
    const struct bench_env env = { .isa = lab_isa(), .pool = lab.env.pool, .progress = bench_on,
                                   .device = view_text(message, "device", "cpu") };
    watch_host("bench", 120);
    json_t *reply = bench_run(message, &env, error, sizeof error);
    if (!reply) {
        send_problem(id_of(message), error, NULL, 0);
        return;
    }
    json_object_set_new(reply, "type", json_string("bench"));
    json_object_set_new(reply, "id", json_integer(id_of(message)));
    send_message(reply);
}

static void add_line(json_t *lines, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void add_line(json_t *lines, const char *name, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    json_array_append_new(lines, json_pack("[s, s]", name, text));
}

static void answer_info(json_t *message)
{
    const struct cpu *cpu = cpu_info();
    json_t *lines = json_array();
    char sets[64] = "", why[256];
    for (int i = 0; i < ISA_COUNT; i++)
        if (cpu->has[i])
            snprintf(sets + strlen(sets), sizeof sets - strlen(sets), "%s%s", *sets ? ", " : "", isa_name((enum isa)i));
    add_line(lines, "processor", "%s", cpu->model);
    add_line(lines, "instruction sets", "%s (using %s)", sets, lab.env.isa ? lab.env.isa : isa_name(cpu->best));
    add_line(lines, "last cache", "%.3g MiB", (double)cpu->last_cache_bytes / (1 << 20));
    const char *blas = dense_open(why, sizeof why);
    add_line(lines, "BLAS", "%s", blas ? blas : why);
    add_line(lines, "number formats", "%zu", format_count());
    add_line(lines, "sandbox: files", "%s", lab.sandbox.landlock);
    add_line(lines, "sandbox: system calls", "%s", lab.sandbox.seccomp);
    add_line(lines, "sandbox: limits", "%s", lab.sandbox.limits);
    device_report(lines);
    send_message(json_pack("{s:s, s:I, s:o}", "type", "info", "id", id_of(message), "lines", lines));
}

static const struct answer {
    const char *type;
    void      (*run)(json_t *message);
} answers[] = {
    { "compute", answer_compute }, { "given", answer_given },   { "lesson", take_lesson }, { "kv", answer_kv },
    { "quantize", answer_quantize }, { "quality", answer_quality }, { "bench", answer_bench },
    { "inspect", answer_inspect },
    { "document", answer_document }, { "check", answer_check }, { "source", answer_source }, { "info", answer_info },
};

/* --- worker ------------------------------------------------------------------------------------------------------- */

/* The next job, taken and begun in one step, so that a cancel finds it either waiting or under way. */
static json_t *next_job(void)
{
    pthread_mutex_lock(&lab.lock);
    while (lab.job_count == 0)
        pthread_cond_wait(&lab.more, &lab.lock);
    json_t *job = lab.jobs[0];
    memmove(&lab.jobs[0], &lab.jobs[1], (size_t)--lab.job_count * sizeof lab.jobs[0]);
    watch_begin((long)id_of(job));
    pthread_mutex_unlock(&lab.lock);
    return job;
}

static void send_ready(void)
{
    const struct cpu *cpu = cpu_info();
    char error[256];
    json_t *checksums = json_object();
    struct tensors *tensors = lab.env.data ? tensors_open(lab.env.data, error, sizeof error) : NULL;
    for (size_t i = 0; tensors && i < tensors_count(tensors) && i < 64; i++)
        json_object_set_new(checksums, tensors_name(tensors, i), json_string(tensors_sha256(tensors, i)));
    tensors_close(tensors);
    send_message(json_pack("{s:s, s:s, s:s, s:s, s:o, s:{s:s, s:s, s:s}}", "type", "ready", "isa",
                           lab.env.isa ? lab.env.isa : isa_name(cpu->best), "cpu", cpu->model, "device", device_name(),
                           "tensors", checksums, "sandbox", "landlock", lab.sandbox.landlock, "seccomp",
                           lab.sandbox.seccomp, "limits", lab.sandbox.limits));
}

/* False, and said, where the tutor asked for instructions that this processor lacks. */
static bool can_compute(const json_t *job)
{
    char text[160], sets[64] = "";
    enum isa isa = lab_isa();
    if (cpu_info()->has[isa] || is_type(job, "document") || is_type(job, "lesson") || is_type(job, "info"))
        return true;
    for (int i = 0; i < ISA_COUNT; i++)
        if (cpu_info()->has[i])
            snprintf(sets + strlen(sets), sizeof sets - strlen(sets), "%s%s", *sets ? ", " : "", isa_name((enum isa)i));
    snprintf(text, sizeof text, "this processor has no '%s', it has %s", isa_name(isa), sets);
    send_problem(id_of(job), text, NULL, 0);
    return false;
}

static void *work(void *unused)
{
    (void)unused;
    watch_worker();
    cpu_fp_setup();
    lab.env.pool = pool_open(lab.env.threads);
    send_ready();
    for (;;) {
        json_t *job = next_job();
        device_begin();
        for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++)
            if (is_type(job, answers[i].type) && can_compute(job))
                answers[i].run(job);
        watch_idle();
        watch_begin(0);
        json_decref(job);
    }
    return NULL;
}

/* --- main thread -------------------------------------------------------------------------------------------------- */

/* The index of a sharded model stands for its folder, where the shards lie. */
static bool has_shards(const char *path, char folder[PATH_MAX])
{
    static const char ending[] = ".index.json";
    size_t n = path ? strlen(path) : 0;
    const char *slash = n ? strrchr(path, '/') : NULL;
    if (n < sizeof ending || n >= PATH_MAX || strcmp(path + n - (sizeof ending - 1), ending) != 0 || !slash)
        return false;
    snprintf(folder, PATH_MAX, "%.*s", (int)(slash - path), path);
    return true;
}

static void enter_sandbox(const json_t *open, bool gpu)
{
    const char *readable[64];
    char folder[PATH_MAX] = "";
    size_t count = 0, i;
    json_t *file;
    readable[count++] = lab.place->data;
    readable[count++] = lab.folder;
    readable[count++] = lab.place->modules;
    json_array_foreach(json_object_get(open, "files"), i, file)
        if (count < 64)
            readable[count++] = json_string_value(file);
    json_array_foreach(json_object_get(open, "files"), i, file)
        if (has_shards(json_string_value(file), folder) && count < 64)
            readable[count++] = folder;
    sandbox_enter(readable, count, gpu, &lab.sandbox);
}

static void take_open(const json_t *open)
{
    pthread_t thread;
    enum isa isa;
    const char *name = text_of(open, "isa");
    if (lab.opened)
        return;
    lab.opened = true;
    if (!*text_of(open, "folder") || !realpath(text_of(open, "folder"), lab.folder))
        lab.folder[0] = '\0';
    if (isa_find(name, &isa))
        snprintf(lab.isa, sizeof lab.isa, "%s", name);
    lab.env = (struct host_env){
        .data = *lab.place->data ? lab.place->data : NULL, .folder = lab.folder[0] ? lab.folder : NULL,
        .isa = lab.isa[0] ? lab.isa : NULL, .threads = (int)view_number(open, "threads", 0), .progress = on_progress };
    cpu_info(); /* reads what the sandbox may not show */
    if (*text_of(open, "output"))
        outfile_open(&lab.output, text_of(open, "output"), lab.output_error, sizeof lab.output_error);
    bool gpu = device_open(text_of(open, "device"));
    lab.env.gpu = device_seat();
    enter_sandbox(open, gpu);
    if (pthread_create(&thread, NULL, work, NULL) != 0) {
        fprintf(stderr, "saffron lab: cannot start its worker\n");
        _exit(1);
    }
    pthread_detach(thread);
}

/* Takes the reference. */
static void add_job(json_t *message)
{
    pthread_mutex_lock(&lab.lock);
    bool room = lab.job_count < JOBS_MOST;
    if (room) {
        lab.jobs[lab.job_count++] = message;
        pthread_cond_signal(&lab.more);
    }
    pthread_mutex_unlock(&lab.lock);
    if (!room) {
        send_problem(id_of(message), "too many requests at once", NULL, 0);
        json_decref(message);
    }
}

/* Takes a request out of a list; true if it was there. */
static bool take_out(json_t **list, int *count, json_int_t id)
{
    for (int i = 0; i < *count; i++)
        if (id_of(list[i]) == id && !is_type(list[i], "lesson")) {
            json_decref(list[i]);
            memmove(&list[i], &list[i + 1], (size_t)(--*count - i) * sizeof list[0]);
            return true;
        }
    return false;
}

static void cancel(json_int_t id)
{
    pthread_mutex_lock(&lab.lock);
    bool waited = !watch_cancel((long)id)
               && (take_out(lab.jobs, &lab.job_count, id) || take_out(lab.parked, &lab.parked_count, id));
    pthread_mutex_unlock(&lab.lock);
    if (waited)
        send_problem(id, "canceled", NULL, 0);
}

/* A line that was refused: whoever waits for its answer gets one, if its id can be read. */
static void refuse_line(const char *line, size_t size, const char *why)
{
    json_t *message = size < REFUSED_MOST ? json_loadb(line, size, 0, NULL) : NULL;
    const json_t *id = json_object_get(message, "id");
    fprintf(stderr, "saffron lab: ignored a line: %s\n", why);
    if (json_integer_value(id) > 0 && json_number_value(id) < 1e15)
        send_problem(json_integer_value(id), why, NULL, 0);
    json_decref(message);
}

static void take_line(const char *line, size_t size)
{
    char error[256];
    json_t *message = protocol_decode(PROTOCOL_FROM_TUTOR, line, size, error, sizeof error);
    if (!message)
        refuse_line(line, size, error);
    else if (is_type(message, "quit"))
        _exit(0);
    else if (is_type(message, "open"))
        take_open(message);
    else if (is_type(message, "cancel"))
        cancel(id_of(message));
    else if (lab.opened) {
        add_job(message);
        return;
    } else
        send_problem(id_of(message), "the lab is not open yet", NULL, 0);
    json_decref(message);
}

/* The worker has used up what it may: say so, then end, for it cannot be stopped otherwise. */
static void look_at_worker(void)
{
    char why[256], path[256];
    int line;
    struct timespec soon;
    if (!watch_overdue(why, sizeof why, path, sizeof path, &line))
        return;
    fprintf(stderr, "saffron lab: %s%s%s\n", path, *path ? ": " : "", why);
    clock_gettime(CLOCK_REALTIME, &soon);
    soon.tv_sec++;
    if (pthread_mutex_timedlock(&lab.out_lock, &soon) == 0) {
        pthread_mutex_unlock(&lab.out_lock);
        send_problem(watch_request(), why, path, line);
    }
    _exit(EXIT_OVERDUE);
}

/* Bytes of the pipe, line by line. The end of the pipe is the end of the lab. */
static void read_pipe(void)
{
    static char  *bytes;
    static size_t used, room;
    if (room - used < 64 << 10) {
        room = 2 * room + (128 << 10);
        bytes = realloc(bytes, room);
        if (!bytes)
            _exit(1);
    }
    ssize_t n = read(lab.in, bytes + used, room - used);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0)
        _exit(0);
    size_t from = 0, seen = used;
    used += (size_t)n;
    for (char *end; (end = memchr(bytes + (seen > from ? seen : from), '\n', used - (seen > from ? seen : from)));) {
        take_line(bytes + from, (size_t)(end - bytes) - from);
        from = (size_t)(end - bytes) + 1;
    }
    memmove(bytes, bytes + from, used - from);
    used -= from;
    if (used >= PROTOCOL_LINE_MAX) {
        fprintf(stderr, "saffron lab: a line is longer than 4 MiB\n");
        _exit(1);
    }
}

static void serve(void)
{
    double next_beat = now_ms() + BEAT_MS;
    for (;;) {
        struct pollfd in = { .fd = lab.in, .events = POLLIN };
        int wait = lab.opened && watch_request() ? LOOK_MS : (int)(next_beat - now_ms()) + 1;
        if (poll(&in, 1, wait < 1 ? 1 : wait) > 0)
            read_pipe();
        look_at_worker();
        if (now_ms() >= next_beat) {
            beat();
            next_beat = now_ms() + BEAT_MS;
        }
    }
}

/* Nothing that the tutor had open, and nothing on 0 and 1 that a stray printf could reach. */
static void move_protocol(void)
{
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 3; fd < 256; fd++)
        if (fd != nothing)
            close(fd);
    lab.in = fcntl(0, F_DUPFD_CLOEXEC, 10);
    lab.out = fcntl(1, F_DUPFD_CLOEXEC, 10);
    if (nothing >= 0) {
        dup2(nothing, 0);
        close(nothing);
    }
    dup2(2, 1);
}

/* --- saffron lab --document FILE ---------------------------------------------------------------------------------- */

static void *guard(void *unused)
{
    (void)unused;
    for (;;) {
        char why[256], path[256];
        int line;
        usleep(LOOK_MS * 1000);
        if (watch_overdue(why, sizeof why, path, sizeof path, &line)) {
            fprintf(stderr, "%s:%d:1: %s\n", path, line, why);
            _exit(1);
        }
    }
    return NULL;
}

static int print_document(const char *path)
{
    struct host_env env = { 0 };
    struct sandbox_report report;
    pthread_t thread;
    char error[512];
    size_t size, i;
    json_t *findings = json_array(), *finding;
    char *text = loader_read(path, &size, error, sizeof error);
    if (!text) {
        fprintf(stderr, "saffron: %s\n", error);
        return 2;
    }
    watch_worker();
    sandbox_enter(NULL, 0, false, &report);
    if (pthread_create(&thread, NULL, guard, NULL) != 0)
        return 1;
    json_t *document = loader_document(&env, path, text, size, findings);
    json_array_foreach(findings, i, finding)
        fprintf(stderr, "%s:%d:%d: %s\n", view_text(finding, "path", ""), (int)view_number(finding, "line", 1),
                (int)view_number(finding, "column", 1), view_text(finding, "text", ""));
    bool done = document && json_dumpf(document, stdout, JSON_INDENT(1) | JSON_SORT_KEYS) == 0 && putchar('\n') != EOF
             && fflush(stdout) == 0;
    json_decref(document);
    json_decref(findings);
    free(text);
    return done ? 0 : 1;
}

/* Where kernels find what they open when first used. */
static void place_modules(const char *folder)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/saffron_blas.so", folder);
    dense_place(*folder && access(path, R_OK) == 0 ? path : NULL);
    snprintf(path, sizeof path, "%s/saffron_cuda.so", folder);
    gpu_place(*folder && access(path, R_OK) == 0 ? path : NULL);
}

int lab_main(int argc, char **argv, const struct lab_place *place)
{
    if (argc == 3 && strcmp(argv[1], "--document") == 0)
        _exit(print_document(argv[2]));
    if (argc == 2 && strcmp(argv[1], "--stubs") == 0) {
        stubs_print(stdout);
        return fflush(stdout) != 0;
    }
    if (argc > 1) {
        fprintf(stderr, "saffron: lab takes no arguments, or '--document FILE' or '--stubs', not '%s'\n", argv[1]);
        return 2;
    }
    lab.place = place;
    lab.output.fd = lab.output.commit = lab.output.reply = -1;
    snprintf(lab.output_error, sizeof lab.output_error, "the lab was opened without an output file");
    place_modules(place->modules);
    signal(SIGPIPE, SIG_IGN);
    move_protocol();
    send_message(json_pack("{s:s, s:i, s:i, s:s, s:i}", "type", "hello", "protocol", PROTOCOL_VERSION, "api",
                           LESSON_API_VERSION, "version", place->version, "pid", (int)getpid()));
    serve();
    return 0;
}
