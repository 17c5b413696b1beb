/* qualityjob.h: one request of `saffron quality`: a model folder, a text, schemes; and what lessons share with it.
 * Schemes travel as JSON: {"weights": {"format", "scale", "zero_point", "clip", "mx", "rounding", "method", "alpha",
 * "damp", "act_order"}, "activations": {"format", "scale"}, "kv": {"format", "scale", "zero_point"}}, each part
 * optional; a part may also be a list [format, scale]. */
#ifndef ENGINE_QUALITYJOB_H
#define ENGINE_QUALITYJOB_H

#include <jansson.h>

#include "engine/quality.h"

struct qualityjob_env {
    enum isa     isa;
    struct pool *pool;          /* the threads that may share the work; NULL: the caller's alone */
    struct gpu_seat *gpu;       /* a GPU that may run the model, or NULL */
    bool       (*progress)(void *ctx, double fraction, const char *label); /* false stops it */
    void       (*part)(void *ctx, json_t *report); /* takes what is known so far, after each scheme; or NULL */
    void       (*reads)(void *ctx, const char *path); /* takes the file or folder that is mapped and read from here on,
                                                         and may lose its end meanwhile; or NULL */
    void        *ctx;
};

enum { QUALITYJOB_RUNS = 64, QUALITYJOB_CALIBRATION = 2048 /* tokens */ };

/* Does what the message asks (protocol.c, "quality"): measures every scheme, unless "measure" is false, and lets each
 * go on from the beginning of the text for "sample" bytes, drawn with one seed. {"quality": what --json prints,
 * "blocks": the same for people}, or NULL with one line in error. Stopped after FP32 it answers what is done, and
 * "complete" is false. */
json_t *qualityjob_run(const json_t *request, const struct qualityjob_env *env, char *error, size_t size);

/* A scheme from its JSON. False with one line in error. */
bool qualityjob_scheme(const json_t *json, enum isa isa, uint64_t seed, struct scheme *scheme, char *error,
                       size_t size);

/* The schemes that are measured when none are named: formats and methods, weights alone, then activations and caches.
 * A new list. */
json_t *qualityjob_table(void);

/* One run's figures. A new object. */
json_t *qualityjob_figures(const struct quality *q, const struct quality_run *run);

/* Bytes as a terminal may get them, into out[count + 1]: a byte-level model may write any; '?' stands for others. */
void qualityjob_spell(const uint32_t *tokens, size_t count, char *out);

/* The text that a folder brings to calibrate on: FOLDER/calibration.txt, at most QUALITYJOB_CALIBRATION tokens; else a
 * copy of the beginning of `text`, and *own false. False with one line in error. */
bool qualityjob_calibration(const char *folder, const char *path, const struct quality_text *text, size_t vocab,
                            struct quality_text *calibration, bool *own, char *error, size_t size);

#endif
