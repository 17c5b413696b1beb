/* gpu_test_all.c: every FP32 number there is, rounded to nearest and saturating, through the generic kernel for every
 * format of at most 16 bits, and through the fast encoders of that format and of those whose elements are the same:
 * codes and, where a row has them, sums must be the scalar reference's bits. On demand: --exhaustive. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernels/encode.h"
#include "kernels/gpu_quantize.h"
#include "tests/gpu_check.h"

enum { PIECE = 1 << 24, PIECES = 1 << 8, THREADS_MOST = 64, ROWS_MOST = 4 };

/* ---- What is tested -------------------------------------------------------------------------------- */

/* A fast row with scales of 1, and what it wrote. */
struct fast {
    const struct gpu_kernel *row;
    struct gpu_cast work;
    uint8_t *codes;
    struct gpu_sums *sums;
};

/* A format: the generic kernel's task and the fast rows. */
struct subject {
    const struct format *format;
    struct gpu_task task;
    uint8_t *codes;
    struct fast fast[ROWS_MOST];
    int fasts;
    uint64_t right;             /* inputs whose codes and sums were all as they should be */
};

static bool same_elements(const struct format *a, const struct format *b)
{
    return a->encode == b->encode && a->bits == b->bits && a->bias == b->bias && a->lane[2] == b->lane[2] &&
           a->specials == b->specials && a->code_max == b->code_max && a->smallest == b->smallest;
}

/* Scales of 1 for a whole piece, on the card; NULL where one serves the tensor. */
static void *scales_of_one(struct gpu_checks *c, const struct format *f)
{
    size_t bytes = encode_scale(f).kind < SCALE_GROUP ? 0 : encode_scale_bytes(f);
    size_t n = bytes ? encode_scales_of_row(f, PIECE) : 0;
    uint8_t *host = malloc(n * bytes + 1);
    for (size_t i = 0; i < n * bytes; i++)
        host[i] = bytes == 2 ? (i % 2 ? 0x3c : 0) : f->block == 16 ? 0x38 : 127;
    void *p = bytes ? gpu_put(c, host, n * bytes) : NULL;
    free(host);
    return p;
}

static void add_fast(struct gpu_checks *c, struct subject *s, const struct gpu_kernel *k, const float *x)
{
    const struct format *f = format_find(k->format);
    struct fast *fast = &s->fast[s->fasts++];
    size_t chunks = PIECE / GPU_SUMS_OF;
    *fast = (struct fast){k, {.x = x, .rows = 1, .cols = PIECE, .scale = 1, .inverse = 1, .tensor = 1}, NULL, NULL};
    gpu_format_of(f, &fast->work.format);
    fast->work.unit = 1 / f->largest;
    fast->work.codes = gpu_room(c, encode_row_bytes(f, PIECE));
    fast->work.scales = scales_of_one(c, f);
    fast->work.sums = k->op == GPU_CAST_STATS ? gpu_room(c, chunks * sizeof *fast->work.sums) : NULL;
    fast->codes = malloc(encode_row_bytes(f, PIECE));
    fast->sums = malloc(chunks * sizeof *fast->sums);
}

static void open_subject(struct gpu_checks *c, struct subject *s, const struct format *f, const float *x, void *fits)
{
    const struct gpu_kernel *k;
    *s = (struct subject){.format = f, .codes = malloc(PIECE * format_code_bytes(f))};
    s->task = (struct gpu_task){.source = GPU_FP32, .rounding = ROUND_NEAREST, .overflow = OVERFLOW_SATURATE,
                                .rows = 1, .cols = PIECE, .tile_rows = 1, .tile_cols = PIECE, .per_row = 1, .x = x,
                                .fits = fits};
    gpu_format_of(f, &s->task.format);
    s->task.codes = gpu_room(c, PIECE * format_code_bytes(f));
    for (size_t i = 0; (k = c->m->kernel(i)); i++)
        if ((k->op == GPU_CAST || k->op == GPU_CAST_STATS) && k->needs <= c->m->device(c->g)->capability &&
            strcmp(k->input, "fp32") == 0 && same_elements(format_find(k->format), f) && s->fasts < ROWS_MOST)
            add_fast(c, s, k, x);
}

static void close_subject(struct gpu_checks *c, struct subject *s)
{
    for (int i = 0; i < s->fasts; i++) {
        struct fast *fast = &s->fast[i];
        gpu_drop(c, fast->work.codes), gpu_drop(c, fast->work.scales), gpu_drop(c, fast->work.sums);
        free(fast->codes);
        free(fast->sums);
    }
    gpu_drop(c, s->task.codes);
    free(s->codes);
}

/* ---- The reference --------------------------------------------------------------------------------- */

/* A part of a piece, compared in a thread of its own, a chunk at a time. */
struct part {
    const struct subject *s;
    const float *x;             /* of the piece */
    uint32_t first, last;       /* chunks of the piece */
    uint32_t right;             /* chunks that agree */
    uint32_t wrong;             /* the first that does not */
};

static bool sums_agree(const struct gpu_sums *got, const struct error_sums *want)
{
    float most = (float)want->max_abs;
    return memcmp(&got->signal, &want->signal, 8) == 0 && memcmp(&got->noise, &want->noise, 8) == 0 &&
           memcmp(&got->most, &most, 4) == 0 && got->count == want->count;
}

static bool chunk_agrees(const struct part *p, uint32_t chunk)
{
    const struct format *f = p->s->format;
    uint32_t codes[GPU_SUMS_OF];
    float values[GPU_SUMS_OF];
    uint8_t packed[2 * GPU_SUMS_OF] = {0};
    size_t bytes = GPU_SUMS_OF * format_code_bytes(f), row = GPU_SUMS_OF * f->bits / 8;
    struct round_run run = {.format = f, .x = p->x + chunk * GPU_SUMS_OF, .n = GPU_SUMS_OF, .scale = 1, .inverse = 1,
                            .codes = codes, .values = values};
    kernel_find(KERNEL_ROUND, f->name, ISA_SCALAR)->round(&run);
    bool same = memcmp(p->s->codes + chunk * bytes, codes, bytes) == 0;
    struct error_sums sums = error_measure(run.x, values, p->s->fasts ? GPU_SUMS_OF : 0);
    for (size_t i = 0; p->s->fasts && f->bits == 4 && i < row; i++)
        packed[i] = (uint8_t)(((uint8_t *)codes)[2 * i] | ((uint8_t *)codes)[2 * i + 1] << 4);
    const void *want = f->bits == 4 ? (const void *)packed : codes;
    for (int i = 0; i < p->s->fasts; i++) {
        const struct fast *fast = &p->s->fast[i];
        same = same && memcmp(fast->codes + chunk * row, want, row) == 0;
        same = same && (!fast->work.sums || sums_agree(&fast->sums[chunk], &sums));
    }
    return same;
}

static void *check_part(void *arg)
{
    struct part *p = arg;
    for (uint32_t chunk = p->first; chunk < p->last; chunk++)
        if (chunk_agrees(p, chunk))
            p->right++;
        else
            p->wrong = p->wrong == UINT32_MAX ? chunk : p->wrong;
    return NULL;
}

/* ---- Pieces ---------------------------------------------------------------------------------------- */

static bool run_on_card(struct gpu_checks *c, struct subject *s)
{
    const struct format *f = s->format;
    bool done = gpu_do(c, c->m->find(c->g, GPU_ENCODE, NULL, NULL), &s->task, f->name);
    done = done && c->m->download(c->g, s->codes, s->task.codes, PIECE * format_code_bytes(f)) == KERNEL_OK;
    for (int i = 0; i < s->fasts; i++) {
        struct fast *fast = &s->fast[i];
        done = done && gpu_do(c, fast->row, &fast->work, fast->row->format);
        done = done && c->m->download(c->g, fast->codes, fast->work.codes, PIECE / 8 * (size_t)f->bits) == KERNEL_OK;
        if (fast->work.sums)
            done = done && c->m->download(c->g, fast->sums, fast->work.sums,
                                          PIECE / GPU_SUMS_OF * sizeof *fast->sums) == KERNEL_OK;
    }
    return done;
}

static void check_piece(struct gpu_checks *c, struct subject *s, const float *x, uint32_t base)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    uint32_t threads = cores < 1 ? 1 : cores > THREADS_MOST ? THREADS_MOST : (uint32_t)cores, wrong = UINT32_MAX;
    const uint32_t chunks = PIECE / GPU_SUMS_OF;
    pthread_t thread[THREADS_MOST];
    struct part part[THREADS_MOST];
    if (!run_on_card(c, s))
        return;
    for (uint32_t i = 0; i < threads; i++) {
        part[i] = (struct part){s, x, chunks * i / threads, chunks * (i + 1) / threads, 0, UINT32_MAX};
        pthread_create(&thread[i], NULL, check_part, &part[i]);
    }
    for (uint32_t i = 0; i < threads; i++) {
        pthread_join(thread[i], NULL);
        wrong = part[i].wrong < wrong ? part[i].wrong : wrong;
        s->right += (uint64_t)part[i].right * GPU_SUMS_OF;
    }
    gpu_expect(c, wrong == UINT32_MAX, "%s: among the 4096 floats from %08x something differs", s->format->name,
               base + wrong * GPU_SUMS_OF);
}

/* Formats of elements only: a block format's elements are those of one of them. */
static int open_subjects(struct gpu_checks *c, struct subject *list, int room, const float *x, void *fits)
{
    const struct format *f;
    int count = 0;
    for (size_t k = 0; (f = format_at(k)); k++)
        if (!f->block && f->bits <= 16 && count < room)
            open_subject(c, &list[count++], f, x, fits);
    return count;
}

void gpu_test_all(struct gpu_checks *c)
{
    enum { SUBJECTS_MOST = 32 };
    static struct subject list[SUBJECTS_MOST];
    const struct fit fit = {.scale = 1, .inverse = 1};
    if (!c->exhaustive)
        return;
    float *x = malloc(PIECE * sizeof *x), *on_card = gpu_room(c, PIECE * sizeof *x);
    void *fits = gpu_put(c, &fit, sizeof fit);
    int count = open_subjects(c, list, SUBJECTS_MOST, on_card, fits);
    for (uint32_t piece = 0; piece < PIECES; piece++) {
        if (!gpu_mine(c, piece))
            continue;
        for (uint32_t i = 0; i < PIECE; i++) {
            uint32_t bits = piece * PIECE + i;
            memcpy(&x[i], &bits, sizeof bits);
        }
        c->m->upload(c->g, on_card, x, PIECE * sizeof *x);
        for (int k = 0; k < count; k++)
            if (list[k].fasts || !c->tuned)
                check_piece(c, &list[k], x, piece * PIECE);
        printf("all floats: piece %u of %d\n", piece, PIECES);
    }
    for (int k = 0; k < count; k++) {
        printf("all floats: %s: %llu inputs right, by the generic kernel", list[k].format->name,
               (unsigned long long)list[k].right);
        for (int i = 0; i < list[k].fasts; i++)
            printf(", %s of %s", list[k].fast[i].row->function, list[k].fast[i].row->format);
        printf("\n");
        close_subject(c, &list[k]);
    }
    gpu_drop(c, on_card), gpu_drop(c, fits);
    free(x);
}
