/* quality.c: held-out loss of a model under a scheme, and what is compared with FP32.
 * Windows are independent, so threads take one each; every prediction has its own place for its result, and sums run
 * in order afterwards: the same bits for any number of threads, and where a GPU runs the model. */
#include "engine/quality.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/llamacard.h"
#include "engine/mapping.h"
#include "engine/npy.h"
#include "engine/protocol.h"
#include "kernels/pool.h"
#include "kernels/random.h"

enum {
    STRETCH    = 120,           /* tokens whose logits are held at a time */
    TEXT_MOST  = 256 << 20,     /* bytes of a text file */
};
#define KEPT_BYTES ((size_t)1 << 30)

/* --- texts -------------------------------------------------------------------------------------------------------- */

static bool read_bytes(struct quality_text *text, const struct mapping *map, size_t most, char *error, size_t size)
{
    size_t count = most && map->size > most ? most : map->size;
    text->bytes = true;
    if (!count || map->size > TEXT_MOST)
        snprintf(error, size, "cannot use '%.200s': a text has 2 bytes to %d MiB", text->name, TEXT_MOST >> 20);
    else if (!(text->tokens = malloc(count * sizeof *text->tokens)))
        snprintf(error, size, "out of memory");
    else
        text->count = count;
    for (size_t i = 0; i < text->count; i++)
        text->tokens[i] = map->bytes[i];
    return text->count > 0;
}

static bool read_npy(struct quality_text *text, const struct mapping *map, size_t vocab, size_t most, char *error,
                     size_t size)
{
    struct npy *file = npy_open_memory(map->bytes, map->size, text->name, error, size);
    const struct safetensor *t = file ? npy_tensor(file) : NULL;
    if (!t)
        return false;
    unsigned bytes = t->dtype->bytes;
    bool whole = strcmp(t->dtype->name, "U16") == 0 || strcmp(t->dtype->name, "U32") == 0;
    size_t count = most && t->count > most ? most : (size_t)t->count;
    text->tokens = whole ? malloc(count * sizeof *text->tokens + 1) : NULL;
    if (!whole)
        snprintf(error, size, "cannot use '%.200s': tokens are U16 or U32, not %s", text->name, t->dtype->name);
    else if (!count)
        snprintf(error, size, "cannot use '%.200s': it has no tokens", text->name);
    else if (!text->tokens)
        snprintf(error, size, "out of memory");
    else
        text->count = count;
    for (size_t i = 0; i < text->count; i++) {
        const uint8_t *p = t->data + i * bytes;
        text->tokens[i] = bytes == 2 ? (uint32_t)(p[0] | p[1] << 8)
                                     : p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
        if (text->tokens[i] >= vocab) {
            snprintf(error, size, "cannot use '%.200s': token %zu is %u, the model's vocabulary ends at %zu",
                     text->name, i, text->tokens[i], vocab - 1);
            text->count = 0;
        }
    }
    npy_close(file);
    return text->count > 0;
}

bool quality_read(struct quality_text *text, const char *path, size_t vocab, size_t most, char *error, size_t size)
{
    struct mapping map;
    const char *why = mapping_open(&map, path);
    bool fine = false;
    *text = (struct quality_text){ 0 };
    protocol_line(path, text->name, sizeof text->name);
    if (why)
        snprintf(error, size, "cannot read '%.200s': %s", path, why);
    else if (npy_is(map.bytes, map.size))
        fine = read_npy(text, &map, vocab, most, error, size);
    else if (vocab != 256)
        snprintf(error, size, "cannot use '%.200s': this model has %zu tokens, so its text comes as a .npy of token "
                 "numbers (U16, U32)", path, vocab);
    else
        fine = read_bytes(text, &map, most, error, size);
    mapping_close(&map);
    if (fine && text->count < 2) {
        snprintf(error, size, "cannot use '%.200s': one token predicts nothing", path);
        fine = false;
    }
    if (!fine)
        quality_drop(text);
    return fine;
}

void quality_drop(struct quality_text *text)
{
    free(text->tokens);
    text->tokens = NULL;
    text->count = 0;
}

size_t quality_most(size_t vocab)
{
    return KEPT_BYTES / sizeof(float) / vocab;
}

/* --- one pass over the text --------------------------------------------------------------------------------------- */

static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* What a thread needs; passed from hand to hand. */
struct seat {
    struct llama_state *state;
    float              *logits;     /* [STRETCH, vocab] */
    struct seat        *next;
};

struct reading {
    const struct quality   *q;
    const struct llama_net *net;
    bool    first;                  /* FP32 itself: logits are kept instead of compared */
    float  *loss;                   /* [predicted] */
    float  *kl;                     /* [predicted] */
    uint8_t *same;                  /* [predicted] */
    pthread_mutex_t lock;
    struct seat    *seats;
};

static void free_seat(struct seat *seat)
{
    if (seat) {
        llamastate_free(seat->state);
        free(seat->logits);
        free(seat);
    }
}

static struct seat *take_seat(struct reading *r)
{
    pthread_mutex_lock(&r->lock);
    struct seat *seat = r->seats;
    if (seat)
        r->seats = seat->next;
    pthread_mutex_unlock(&r->lock);
    if (seat)
        return seat;
    seat = calloc(1, sizeof *seat);
    if (!seat)
        return NULL;
    seat->state = llamastate_new(r->net, r->q->model->config.layers);
    seat->logits = malloc(STRETCH * r->q->model->config.vocab * sizeof *seat->logits);
    if (seat->state && seat->logits)
        return seat;
    free_seat(seat);
    return NULL;
}

static void give_seat(struct reading *r, struct seat *seat)
{
    pthread_mutex_lock(&r->lock);
    seat->next = r->seats;
    r->seats = seat;
    pthread_mutex_unlock(&r->lock);
}

static size_t likeliest(const float *logits, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        best = logits[i] > logits[best] ? i : best;
    return best;
}

/* Prediction `at` from these logits. */
static void note(const struct reading *r, size_t at, const float *logits)
{
    const struct quality *q = r->q;
    size_t vocab = q->model->config.vocab;
    double log_sum = r->net->rows->log_sum_exp(logits, vocab);
    r->loss[at] = (float)(log_sum - (double)logits[q->tokens[at + 1]]);
    if (r->first) {
        q->log_sum[at] = log_sum;
        return;
    }
    const float *plain = q->logits + at * vocab;
    r->kl[at] = (float)r->net->rows->divergence(plain, q->log_sum[at], logits, log_sum, vocab);
    r->same[at] = likeliest(plain, vocab) == likeliest(logits, vocab);
}

static enum kernel_status read_window(void *arg, size_t window)
{
    struct reading *r = arg;
    const struct quality *q = r->q;
    size_t vocab = q->model->config.vocab, begin = window * q->context;
    size_t end = q->predicted - begin < q->context ? q->predicted : begin + q->context;
    struct seat *seat = take_seat(r);
    enum kernel_status status = seat ? KERNEL_OK : KERNEL_NO_MEMORY;
    if (seat)
        llamastate_reset(seat->state);
    for (size_t i = begin; i < end && status == KERNEL_OK; i += STRETCH) {
        size_t n = end - i < STRETCH ? end - i : STRETCH;
        float *logits = r->first ? q->logits + i * vocab : seat->logits;
        status = llamanet_run(r->net, seat->state, q->tokens + i, n, logits, false);
        for (size_t j = 0; j < n && status == KERNEL_OK; j++)
            note(r, i + j, logits + j * vocab);
    }
    if (seat)
        give_seat(r, seat);
    return status;
}

/* Predictions first to first + count - 1, whose logits lie at `logits`. */
struct stretch {
    const struct reading *r;
    size_t       first, count;
    const float *logits;
};

static enum kernel_status note_stretch(void *arg, size_t task)
{
    const struct stretch *s = arg;
    size_t end = s->count - task * STRETCH < STRETCH ? s->count : (task + 1) * STRETCH;
    for (size_t i = task * STRETCH; i < end; i++)
        note(s->r, s->first + i, s->logits + i * s->r->q->model->config.vocab);
    return KERNEL_OK;
}

/* What the card says to predictions first to first + count - 1, its last run; room for a stretch of logits. */
static enum kernel_status read_logits(const struct reading *r, struct llamacard *card, size_t first, size_t count,
                                      float *room, const struct progress *progress)
{
    const struct quality *q = r->q;
    const struct progress quiet = { .pool = progress ? progress->pool : NULL };
    size_t vocab = q->model->config.vocab, step = llamacard_stretch(card);
    enum kernel_status status = KERNEL_OK;
    for (size_t i = 0; i < count && status == KERNEL_OK; i += step) {
        size_t n = count - i < step ? count - i : step;
        float *logits = r->first ? q->logits + (first + i) * vocab : room;
        struct stretch s = { r, first + i, n, logits };
        status = llamacard_logits(card, i, n, logits);
        if (status == KERNEL_OK)
            status = pool_run(&quiet, (n + STRETCH - 1) / STRETCH, note_stretch, &s);
        if (status == KERNEL_OK && !progress_tick(progress, (double)(first + i + n) / (double)q->predicted))
            status = KERNEL_CANCELED;
    }
    return status;
}

/* The text by an opened card, as many windows at a time as it takes. */
static enum kernel_status read_rows(const struct reading *r, struct llamacard *card, const struct progress *progress)
{
    const struct quality *q = r->q;
    size_t vocab = q->model->config.vocab, rows = llamacard_rows(card);
    float *room = r->first ? NULL : malloc(llamacard_stretch(card) * vocab * sizeof *room);
    enum kernel_status status = r->first || room ? KERNEL_OK : KERNEL_NO_MEMORY;
    for (size_t i = 0; i < q->predicted && status == KERNEL_OK; i += rows) {
        size_t n = q->predicted - i < rows ? q->predicted - i : rows;
        status = llamacard_run(card, q->tokens + i, n, progress, (double)i / (double)q->predicted,
                               (double)(i + n) / (double)q->predicted);
        if (status == KERNEL_OK)
            status = read_logits(r, card, i, n, room, progress);
    }
    free(room);
    return status;
}

/* False if the CPU is to do it. */
static bool read_by_card(const struct reading *r, const struct progress *progress, enum kernel_status *status)
{
    struct llamacard *card;
    *status = llamacard_open(&card, r->net, r->q->gpu, r->q->predicted);
    if (*status == KERNEL_OK)
        *status = read_rows(r, card, progress);
    return llamacard_close(card, *status);
}

static enum kernel_status read_text(struct reading *r, const struct progress *progress)
{
    enum kernel_status by_card;
    if (llamacard_worth(r->q->gpu, r->net, r->q->predicted) && read_by_card(r, progress, &by_card))
        return by_card;
    size_t windows = (r->q->predicted + r->q->context - 1) / r->q->context;
    pthread_mutex_init(&r->lock, NULL);
    enum kernel_status status = pool_run(progress, windows, read_window, r);
    while (r->seats) {
        struct seat *seat = r->seats;
        r->seats = seat->next;
        free_seat(seat);
    }
    pthread_mutex_destroy(&r->lock);
    return status;
}

/* --- FP32 --------------------------------------------------------------------------------------------------------- */

static double mean_bits(const float *loss, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)loss[i];
    return sum / log(2) / (double)n;
}

enum kernel_status quality_open(struct quality *q, const struct llama *model, const uint32_t *tokens, size_t count,
                                size_t context, const struct scheme_text *calibration, enum isa isa,
                                struct gpu_seat *gpu, const struct progress *progress)
{
    size_t predicted = count - 1, vocab = model->config.vocab;
    struct llama_net net;
    *q = (struct quality){ .model = model, .tokens = tokens, .predicted = predicted, .context = context, .isa = isa,
                           .gpu = gpu };
    q->calibration = calibration ? *calibration : (struct scheme_text){ 0 };
    q->plain = (struct quality_run){ .scheme = scheme_plain(), .top1 = 1, .bits_per_weight = 32 };
    q->logits = malloc(predicted * vocab * sizeof *q->logits);
    q->log_sum = malloc(predicted * sizeof *q->log_sum);
    q->plain.loss = malloc(predicted * sizeof *q->plain.loss);
    bool room = q->logits && q->log_sum && q->plain.loss;
    double began = seconds_now();
    enum kernel_status status = room ? scheme_net(&q->plain.scheme, model, NULL, context, isa, NULL, &net)
                                     : KERNEL_NO_MEMORY;
    if (status == KERNEL_OK) {
        struct reading r = { .q = q, .net = &net, .first = true, .loss = q->plain.loss };
        q->plain.prepare_seconds = seconds_now() - began;
        status = read_text(&r, progress);
        q->plain.seconds = seconds_now() - began - q->plain.prepare_seconds;
        q->plain.bits = mean_bits(q->plain.loss, predicted);
        llamanet_free(&net);
    }
    if (status != KERNEL_OK)
        quality_close(q);
    return status;
}

void quality_close(struct quality *q)
{
    free(q->logits);
    free(q->log_sum);
    free(q->plain.loss);
    *q = (struct quality){ 0 };
}

/* --- a scheme ----------------------------------------------------------------------------------------------------- */

void quality_compare(const float *a, const float *b, size_t predicted, double *delta, double *error)
{
    double sum = 0, blocks = 0, total = 0, squares = 0;
    for (size_t i = 0; i < predicted; i++)
        sum += ((double)a[i] - (double)b[i]) / log(2);
    *delta = sum / (double)predicted;
    for (size_t i = 0; i < predicted; i += QUALITY_BLOCK) {
        size_t n = predicted - i < QUALITY_BLOCK ? predicted - i : QUALITY_BLOCK;
        double part = 0;
        for (size_t j = i; j < i + n; j++)
            part += ((double)a[j] - (double)b[j]) / log(2) - *delta;
        squares += part * part;     /* of sums, so that a short last block weighs what it holds */
        blocks++;
        total += (double)n;
    }
    *error = blocks > 1 ? sqrt(squares * blocks / (blocks - 1)) / total : (double)INFINITY;
}

static void finish_run(const struct quality *q, const struct llama_net *net, const struct reading *r,
                       struct quality_run *run)
{
    double kl = 0, same = 0;
    for (size_t i = 0; i < q->predicted; i++) {
        kl += (double)r->kl[i];
        same += r->same[i];
    }
    run->kl = kl / (double)q->predicted;
    run->top1 = same / (double)q->predicted;
    run->bits = mean_bits(r->loss, q->predicted);
    quality_compare(r->loss, q->plain.loss, q->predicted, &run->delta, &run->delta_error);
    run->bits_per_weight = run->scheme.weights.format ? 8 * net->weight_bytes / (double)llama_linear_weights(q->model)
                                                      : 32;
}

enum kernel_status quality_measure(const struct quality *q, const struct scheme *scheme,
                                   const struct progress *progress, struct quality_run *run)
{
    struct llama_net net;
    *run = (struct quality_run){ .scheme = *scheme };
    double began = seconds_now();
    enum kernel_status status = scheme_net(scheme, q->model, q->calibration.tokens ? &q->calibration : NULL, q->context,
                                           q->isa, progress, &net);
    if (status != KERNEL_OK)
        return status;
    run->prepare_seconds = seconds_now() - began;
    struct reading r = { .q = q, .net = &net, .loss = malloc(q->predicted * sizeof *r.loss),
                         .kl = malloc(q->predicted * sizeof *r.kl), .same = malloc(q->predicted) };
    status = r.loss && r.kl && r.same ? read_text(&r, progress) : KERNEL_NO_MEMORY;
    run->seconds = seconds_now() - began - run->prepare_seconds;
    if (status == KERNEL_OK) {
        finish_run(q, &net, &r, run);
        run->loss = r.loss;
    } else
        free(r.loss);
    free(r.kl);
    free(r.same);
    llamanet_free(&net);
    return status;
}

/* --- ranks -------------------------------------------------------------------------------------------------------- */

/* The least loss first; a model that broke down, whose loss is no number, last. */
static int by_bits(const void *a, const void *b)
{
    const struct quality_run *x = *(struct quality_run *const *)a, *y = *(struct quality_run *const *)b;
    if (!isfinite(x->bits) || !isfinite(y->bits))
        return isfinite(y->bits) ? 1 : isfinite(x->bits) ? -1 : 0;
    return (x->bits > y->bits) - (x->bits < y->bits);
}

void quality_rank(struct quality_run *runs, size_t count, size_t predicted)
{
    struct quality_run **order = malloc(count * sizeof *order + 1);
    size_t leader = 0;
    for (size_t i = 0; order && i < count; i++)
        order[i] = &runs[i];
    if (order)
        qsort(order, count, sizeof *order, by_bits);
    for (size_t i = 0; order && i < count; i++) {
        double delta, error;
        quality_compare(order[i]->loss, order[leader]->loss, predicted, &delta, &error);
        bool broke = isfinite(order[leader]->bits) && !isfinite(order[i]->bits);
        if (i > 0 && (broke || delta > 2 * error))
            leader = i;
        order[i]->rank = leader + 1;
    }
    free(order);
}

/* --- text generation ---------------------------------------------------------------------------------------------- */

/* A token from softmax(logits / temperature), by one uniform number. */
static uint32_t draw(const struct rowops *rows, float *logits, size_t vocab, double temperature, double uniform)
{
    double sum = 0;
    if (temperature <= 0)
        return (uint32_t)likeliest(logits, vocab);
    rows->softmax(logits, (float)(1 / temperature), vocab);
    for (size_t i = 0; i < vocab; i++) {
        sum += (double)logits[i];
        if (uniform < sum)
            return (uint32_t)i;
    }
    return (uint32_t)likeliest(logits, vocab);
}

enum kernel_status quality_generate(const struct llama_net *net, const uint32_t *prompt, size_t prompt_count,
                                    size_t count, double temperature, uint64_t seed, const struct progress *progress,
                                    uint32_t *out)
{
    size_t vocab = net->model->config.vocab;
    if (!prompt_count || prompt_count + count > net->context)
        return KERNEL_BAD_SHAPE;
    struct llama_state *state = llamastate_new(net, net->model->config.layers);
    float *logits = malloc(vocab * sizeof *logits);
    enum kernel_status status = state && logits ? llamanet_run(net, state, prompt, prompt_count, logits, true)
                                                : KERNEL_NO_MEMORY;
    for (size_t i = 0; i < count && status == KERNEL_OK; i++) {
        out[i] = draw(net->rows, logits, vocab, temperature, random_uniform(seed, STREAM_VALUES, i));
        status = progress_tick(progress, (double)i / (double)count) ? KERNEL_OK : KERNEL_CANCELED;
        if (status == KERNEL_OK && i + 1 < count)
            status = llamanet_run(net, state, &out[i], 1, logits, true);
    }
    llamastate_free(state);
    free(logits);
    return status;
}
