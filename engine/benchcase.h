/* benchcase.h: what the bench times: one kernel, or one plain loop, over memory of a given size.
 * A case is cut into units that can be run apart, so that a slow kernel is timed over a part of the memory; it says how
 * many bytes a unit reads and writes. An operation of the kernel table is one row of families in benchcase.c. */
#ifndef ENGINE_BENCHCASE_H
#define ENGINE_BENCHCASE_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/encode.h"
#include "kernels/kvcache.h"
#include "kernels/kernel.h"
#include "kernels/limit.h"

/* Memory that the cases of one size share. */
struct benchmemory {
    bool     cache;         /* what a case moves fits half the second cache; else it is beyond four times the last */
    size_t   target;        /* bytes that a case moves in a pass: at least so many from memory, at most in cache */
    size_t   values;        /* in x and in y */
    float   *x, *y;         /* what is encoded; what is decoded, and what plain loops write */
    uint8_t *codes, *loose; /* packed; a whole number of bytes each */
    uint8_t *scales;
    struct error_sums *chunks;
};

/* False without memory. `threads` share the caches of as many cores. */
bool benchmemory_open(struct benchmemory *m, bool cache, int threads);
void benchmemory_close(struct benchmemory *m);

struct benchcase;

/* What the table's rows of one operation are to the bench. */
struct benchfamily {
    enum kernel_op op;
    const char    *name;    /* --only, JSON: "encode" */
    int            group;   /* cases of one group and format are timed together, in turns */
    int            shapes;  /* how many there are of each; benchcase.shape says which */
    /* Prepares a case whose kernel and format are set. */
    enum kernel_status (*open)(struct benchcase *c, struct benchmemory *m);
    void (*run)(struct benchcase *c, size_t first, size_t last);
    void (*close)(struct benchcase *c);
};

/* Row i of the families, NULL past the end. */
const struct benchfamily *benchfamily_at(size_t i);

enum { BENCH_ROUNDS_MOST = 101 };

struct benchcase {
    const struct benchfamily *family;
    const struct kernel *kernel;        /* NULL: a plain loop */
    const struct format *format;
    int                  shape;         /* 0 to shapes - 1 */
    const char          *shape_name;    /* "24:4 heads of 256"; NULL where there is one shape */
    size_t               units;
    double               read, written; /* bytes of a unit */
    double               values;        /* of a unit: weights, elements; to compare formats value by value */

    /* One of these, as the family wants it. */
    struct encode_job    job;
    struct round_run     rounding;
    struct {
        struct matrix  matrix;
        struct operand operand;
        float         *y;
    } product;
    struct {
        struct panels panels;
        const float  *x;
        float        *y;                /* of sgemm: [16, outputs], owned */
        float        *rows;             /* worked on in place */
    } forward;
    struct {
        struct kvcache cache;
        float         *q, *y;           /* [sequences, heads, head_dim] */
    } attention;
    struct {
        limit_fn   *turns;              /* or */
        read_fn    *reader;             /* or */
        move_fn    *move;               /* line by line; or none of them: memcpy */
        int         lines_read, lines_written;  /* of a step of `move` */
        enum move   how;
        const char *from;
        char       *to;
    } loop;

    /* Set by bench.c. */
    size_t               slice, passes, at;     /* units a timing, repetitions in it, where the next begins */
    double               seconds[BENCH_ROUNDS_MOST]; /* of one pass over a slice */
};

/* Plain loops: one that reads and writes in this proportion, in turns; one that only reads; one that moves lines in the
 * nearest proportion that it knows; memcpy. */
void benchcase_turns(struct benchcase *c, const struct benchmemory *m, limit_fn *turns, double read, double written);
void benchcase_reader(struct benchcase *c, const struct benchmemory *m, read_fn *reader);
void benchcase_mover(struct benchcase *c, const struct benchmemory *m, move_fn *move, enum move how, double read,
                     double written);
void benchcase_memcpy(struct benchcase *c, const struct benchmemory *m);

/* Opens kernel k of this family over `format`, in one of its shapes. KERNEL_NO_KERNEL where the row cannot do it. */
enum kernel_status benchcase_open(struct benchcase *c, const struct benchfamily *family, const struct kernel *k,
                                  const struct format *format, int shape, struct benchmemory *m);
void               benchcase_close(struct benchcase *c);

/* Runs units first..last on this thread. */
void benchcase_run(struct benchcase *c, size_t first, size_t last);

/* "fp32", "bf16", "int8": what meets the weights, or what is encoded; NULL where nothing does. */
const char *benchcase_input(const struct benchcase *c);

#endif
