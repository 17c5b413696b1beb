/* lab_state.h: what the files of the lab share: its state, and what is said to the tutor.
 * lab.c: the main thread and the worker's loop. lab_write.c: the protocol's output. lab_answer.c: what a request is
 * answered with. lab_job.c: the requests that may take minutes. */
#ifndef ENGINE_LAB_STATE_H
#define ENGINE_LAB_STATE_H

#include <pthread.h>
#include <stdbool.h>

#include "engine/lab.h"
#include "engine/outfile.h"
#include "engine/sandbox.h"
#include "kernels/cpu.h"

enum { JOBS_MOST = 64, LESSONS_MOST = 16 };

/* Everything of this process; one lab is one process. */
struct lab {
    const struct lab_place *place;
    int                 in, out;         /* the protocol's descriptors */
    pthread_mutex_t     out_lock;
    bool                opened;
    char                folder[4096], isa[16];
    struct host_env     env;
    struct sandbox_report sandbox;
    struct outfile      output;          /* of this lab's one quantize request */
    char                output_error[320];

    pthread_mutex_t     lock;            /* guards what follows, down to `job_count` */
    pthread_cond_t      more;
    json_t             *jobs[JOBS_MOST]; /* waiting, oldest first */
    int                 job_count;

    struct lab_lesson   lessons[LESSONS_MOST]; /* worker only */
    int                 next_lesson;
    json_t             *parked[JOBS_MOST];     /* waiting for a lesson's text; worker only, but counted under lock */
    int                 parked_count;
    char                step[144];             /* lesson and step of the last compute; worker only */
    double              reported;              /* when progress was last sent */
};

extern struct lab lab;

/* A message's text field ("" if it has none), its id, and whether it is of a type. */
const char *lab_text(const json_t *message, const char *name);
json_int_t  lab_id(const json_t *message);
bool        lab_is(const json_t *message, const char *type);

/* The instruction set that the tutor asked for, else the best one. */
enum isa lab_isa(void);

/* The names of the sets that this processor has, into out[0..size). */
const char *lab_isa_names(char *out, size_t size);

/* --- lab_write.c -------------------------------------------------------------------------------------------------- */

/* Milliseconds of a clock that never jumps. */
double lab_now_ms(void);

/* Sends a message and takes its reference. A line that the protocol does not allow is replaced by a problem. */
void lab_send(json_t *message);

/* Says why a request comes to nothing, with the place in a lesson if there is one (NULL and 0: none). */
void lab_problem(json_int_t id, const char *text, const char *path, int line);

/* A sign of life, from the main thread: never waits, for the worker may hold the lock with a full pipe before it. */
void lab_beat(void);

/* Says how far the running request is, 0 to 1, if it was not said just now. Worker only; `ctx` is not looked at. */
void lab_progress(void *ctx, double fraction, const char *label);

/* From here on to the next call this file is read through a map, which may lose its end: then that is said in answer to
 * the request `id`, and the process ends. NULL: none is. */
void lab_read_mapped(json_int_t id, const char *path);

/* --- lab_answer.c, lab_job.c: worker only ------------------------------------------------------------------------- */

/* Answers a request. */
void lab_answer(json_t *message);

/* Whole tensors, models, files and machines: long, canceled between two looks. */
void lab_quantize(json_t *message);
void lab_quality(json_t *message);
void lab_inspect(json_t *message);
void lab_bench(json_t *message);

#endif
