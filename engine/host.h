/* host.h: the Lua state that a lesson runs in, one for each request.
 * Nothing of Lua is seen outside the host's files; what comes out is JSON. Not thread-safe: the worker's alone. */
#ifndef ENGINE_HOST_H
#define ENGINE_HOST_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where things are and how to compute; lives as long as the host. */
struct host_env {
    const char *data;    /* the installation's data folder, or NULL */
    const char *folder;  /* the lesson's own folder, or NULL */
    const char *isa;     /* "scalar", "avx2", ..., or NULL for the best */
    const char *own_path, *own_tensor; /* what lab.tensor gives first, in place of what it is asked for; or NULL */
    bool        quick;   /* a check: timings take the fewest rounds */
    int         threads; /* 0: as many as the machine has */
    struct pool *pool;   /* those threads, for the kernels; NULL: the worker's alone */
    struct gpu_seat *gpu; /* a GPU that rounds tensors, or NULL */
    void      (*progress)(void *ctx, double fraction, const char *label); /* or NULL */
    void       *ctx;
};

/* Why something failed: one line, and where in the lesson (line 0: nowhere in particular). */
struct host_problem {
    char text[512];
    char path[256];
    int  line;
};

struct host;

/* NULL when out of memory. */
struct host *host_new(const struct host_env *env);
void         host_free(struct host *);

/* Runs the text of a lesson file, whose name is for messages. With `tree` the lesson as written: tables as objects
 * and lists; a table with both has its list under "#"; functions are {"@function": true}; what part, read, predict and
 * so on made has "@kind" and "@line". */
bool host_load(struct host *, const char *name, const char *text, size_t size, json_t **tree, struct host_problem *);

/* Calls a step's compute() with these knobs; the answer it gave (null if none) or NULL. The outcome stays for
 * host_reveal. `seed` drives every generator. */
json_t *host_compute(struct host *, const char *step, uint64_t seed, const json_t *knobs, struct host_problem *);

/* Calls reveal(outcome, guess); a checked list of blocks. `guess` is null or an object. */
json_t *host_reveal(struct host *, const char *step, const json_t *guess, struct host_problem *);

/* Calls given(lab); a checked list of blocks. */
json_t *host_given(struct host *, const char *step, uint64_t seed, struct host_problem *);

/* What the calls so far used: {"tensors", "kernels", "timed"}, and the numbers and texts of the outcome. New
 * references. */
json_t *host_used(const struct host *);
json_t *host_values(const struct host *);

/* Whether the calls so far took the learner's own tensor (host_env.own_path). */
bool host_own_given(const struct host *);

/* What a lesson can call, for the editor stubs: "lab.quantize", "tensor.at", "fmt"; returns NULL for a field that is no
 * function, whose type then stands in `params`. NULL past the end. */
struct host_doc {
    const char *name, *params, *returns, *help;
};
const struct host_doc *host_doc(size_t i);

/* Gives back the large things that are kept from request to request for one step's knobs. */
void host_forget(void);

#endif
