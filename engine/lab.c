/* lab.c: the process `saffron lab`: message loop, worker, sandbox, watchdog.
 * The main thread never runs lesson code, so that a beat, a cancel and the end of the pipe are heard whatever the
 * worker does. */
#include "engine/lab.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/device.h"
#include "engine/lab_state.h"
#include "engine/loader.h"
#include "engine/protocol.h"
#include "engine/sandbox.h"
#include "engine/stubs.h"
#include "engine/tensor.h"
#include "engine/view.h"
#include "engine/watch.h"
#include "kernels/cpu.h"
#include "kernels/dense.h"
#include "kernels/gpu.h"
#include "kernels/pool.h"

enum {
    BEAT_MS      = 500,
    LOOK_MS      = 50, /* between two looks at the worker */
    EXIT_OVERDUE = 3,
    REFUSED_MOST = 64 << 10,
};

struct lab lab = { .out_lock = PTHREAD_MUTEX_INITIALIZER, .lock = PTHREAD_MUTEX_INITIALIZER,
                   .more = PTHREAD_COND_INITIALIZER };

/* --- messages ----------------------------------------------------------------------------------------------------- */

const char *lab_text(const json_t *message, const char *name)
{
    return view_text(message, name, "");
}

json_int_t lab_id(const json_t *message)
{
    return json_integer_value(json_object_get(message, "id"));
}

bool lab_is(const json_t *message, const char *type)
{
    return strcmp(lab_text(message, "type"), type) == 0;
}

enum isa lab_isa(void)
{
    enum isa isa = cpu_info()->best;
    if (lab.env.isa)
        isa_find(lab.env.isa, &isa);
    return isa;
}

const char *lab_isa_names(char *out, size_t size)
{
    size_t used = 0;
    *out = '\0';
    for (int i = 0; i < ISA_COUNT && used < size; i++)
        if (cpu_info()->has[i])
            used += (size_t)snprintf(out + used, size - used, "%s%s", used ? ", " : "", isa_name((enum isa)i));
    return out;
}

/* --- worker ------------------------------------------------------------------------------------------------------- */

/* The next job, taken and begun in one step, so that a cancel finds it either waiting or under way. */
static json_t *next_job(void)
{
    pthread_mutex_lock(&lab.lock);
    while (lab.job_count == 0)
        pthread_cond_wait(&lab.more, &lab.lock);
    json_t *job = lab.jobs[0];
    memmove(&lab.jobs[0], &lab.jobs[1], (size_t)--lab.job_count * sizeof lab.jobs[0]);
    watch_begin((long)lab_id(job));
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
    lab_send(json_pack("{s:s, s:s, s:s, s:s, s:o, s:{s:s, s:s, s:s}}", "type", "ready", "isa",
                           lab.env.isa ? lab.env.isa : isa_name(cpu->best), "cpu", cpu->model, "device", device_name(),
                           "tensors", checksums, "sandbox", "landlock", lab.sandbox.landlock, "seccomp",
                           lab.sandbox.seccomp, "limits", lab.sandbox.limits));
}

/* False, and said, where the tutor asked for instructions that this processor lacks. */
static bool can_compute(const json_t *job)
{
    char text[160], sets[64];
    enum isa isa = lab_isa();
    if (cpu_info()->has[isa] || lab_is(job, "document") || lab_is(job, "lesson") || lab_is(job, "info"))
        return true;
    snprintf(text, sizeof text, "this processor has no '%s', it has %s", isa_name(isa),
             lab_isa_names(sets, sizeof sets));
    lab_problem(lab_id(job), text, NULL, 0);
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
        if (can_compute(job))
            lab_answer(job);
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
    const char *name = lab_text(open, "isa");
    if (lab.opened)
        return;
    lab.opened = true;
    if (!*lab_text(open, "folder") || !realpath(lab_text(open, "folder"), lab.folder))
        lab.folder[0] = '\0';
    if (isa_find(name, &isa))
        snprintf(lab.isa, sizeof lab.isa, "%s", name);
    lab.env = (struct host_env){
        .data = *lab.place->data ? lab.place->data : NULL, .folder = lab.folder[0] ? lab.folder : NULL,
        .isa = lab.isa[0] ? lab.isa : NULL, .threads = (int)view_number(open, "threads", 0), .progress = lab_progress };
    cpu_info(); /* reads what the sandbox may not show */
    if (*lab_text(open, "output"))
        outfile_open(&lab.output, lab_text(open, "output"), lab.output_error, sizeof lab.output_error);
    bool gpu = device_open(lab_text(open, "device"));
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
        lab_problem(lab_id(message), "too many requests at once", NULL, 0);
        json_decref(message);
    }
}

/* Takes a request out of a list; true if it was there. */
static bool take_out(json_t **list, int *count, json_int_t id)
{
    for (int i = 0; i < *count; i++)
        if (lab_id(list[i]) == id && !lab_is(list[i], "lesson")) {
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
        lab_problem(id, "canceled", NULL, 0);
}

/* A line that was refused: whoever waits for its answer gets one, if its id can be read. */
static void refuse_line(const char *line, size_t size, const char *why)
{
    json_t *message = size < REFUSED_MOST ? json_loadb(line, size, 0, NULL) : NULL;
    const json_t *id = json_object_get(message, "id");
    fprintf(stderr, "saffron lab: ignored a line: %s\n", why);
    if (json_integer_value(id) > 0 && json_number_value(id) < 1e15)
        lab_problem(json_integer_value(id), why, NULL, 0);
    json_decref(message);
}

static void take_line(const char *line, size_t size)
{
    char error[256];
    json_t *message = protocol_decode(PROTOCOL_FROM_TUTOR, line, size, error, sizeof error);
    if (!message)
        refuse_line(line, size, error);
    else if (lab_is(message, "quit"))
        _exit(0);
    else if (lab_is(message, "open"))
        take_open(message);
    else if (lab_is(message, "cancel"))
        cancel(lab_id(message));
    else if (lab.opened) {
        add_job(message);
        return;
    } else
        lab_problem(lab_id(message), "the lab is not open yet", NULL, 0);
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
        lab_problem(watch_request(), why, path, line);
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
    double next_beat = lab_now_ms() + BEAT_MS;
    for (;;) {
        struct pollfd in = { .fd = lab.in, .events = POLLIN };
        int wait = lab.opened && watch_request() ? LOOK_MS : (int)(next_beat - lab_now_ms()) + 1;
        if (poll(&in, 1, wait < 1 ? 1 : wait) > 0)
            read_pipe();
        look_at_worker();
        if (lab_now_ms() >= next_beat) {
            lab_beat();
            next_beat = lab_now_ms() + BEAT_MS;
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
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        puts("saffron lab\nthe process that computes, on stdin and stdout\n"
             "  --document FILE                   a lesson as the tutor sees it, in JSON\n"
             "  --stubs                           what a lesson can use, for editors");
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
    lab_send(json_pack("{s:s, s:i, s:i, s:s, s:i}", "type", "hello", "protocol", PROTOCOL_VERSION, "api",
                           LESSON_API_VERSION, "version", place->version, "pid", (int)getpid()));
    serve();
    return 0;
}
