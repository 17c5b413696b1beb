/* test_llamacard.c: a model's forward pass on a GPU, through tests/fake_cuda.c, whose launches are done here in plain
 * C: every family of tests/models under every kind of scheme gives the processor's losses to the bit; when the GPU is
 * chosen, and what becomes of it when it fails. */
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/llamacard.h"
#include "engine/quality.h"
#include "kernels/gpu_quantize.h"
#include "kernels/random.h"
#include "tests/forward_reference.h"

enum { TOKENS = 43, CONTEXT = 16 };     /* three windows of 14 and less than 16 predictions in the last */

static struct gpu_seat seat = { .least = 1, .busy = ATOMIC_FLAG_INIT };
static unsigned long   launches;

/* --- rounding as the card would ----------------------------------------------------------------------------------- */

static bool is_row_of(const struct format *f, const struct gpu_task *t)
{
    struct gpu_format row;
    bool same = gpu_format_of(f, &row);
    if (t->zero == ZERO_FULL)
        row.code_min = -row.code_max - 1;
    bool own = f->block ? (int)recipe_scale(f).kind == t->kind
                        : t->kind != SCALE_BLOCK && t->kind != SCALE_SIGNED && t->kind != SCALE_DOUBLE;
    return same && own && memcmp(&row, &t->format, sizeof row) == 0;
}

/* The magnitude whose tensor scale is t's. */
static float amax_of(const struct gpu_task *t, float largest)
{
    float amax = t->tensor * 448 * largest;
    for (int i = 0; i < 8 && scale_of_tensor(amax, largest) != t->tensor; i++)
        amax = nextafterf(amax, scale_of_tensor(amax, largest) < t->tensor ? INFINITY : 0);
    return amax;
}

static void round_task(const struct gpu_task *t)
{
    struct recipe r = { .zero = (enum zero_point)t->zero, .mx = (enum mx_rule)t->mx, .amax = t->amax, .seed = t->seed,
                        .clip = { (enum clip_kind)t->clip, (float)t->thousandths / 1000 },
                        .cast = { .rounding = (enum rounding)t->rounding, .overflow = (enum overflow)t->overflow } };
    for (size_t i = 0; i < format_count() && !r.format; i++)
        r.format = is_row_of(format_at(i), t) ? format_at(i) : NULL;
    assert_non_null(r.format);
    r.scale = r.format->block ? recipe_scale(r.format)
                              : (struct scale){ (enum scale_kind)t->kind, (uint32_t)t->tile_cols, 1 };
    if (t->kind == SCALE_TWO_LEVEL)
        r.amax = amax_of(t, r.format->largest);
    struct quant q;
    assert_int_equal(quantize(t->x, t->rows, t->cols, &r, NULL, &q), KERNEL_OK);
    memcpy(t->values, q.values, t->rows * t->cols * sizeof(float));
    quant_free(&q);
}

static void do_launch(enum gpu_op op, const void *work)
{
    launches++;
    if (op == GPU_ENCODE)
        round_task(work);
    else if (op != GPU_RANGE && op != GPU_FIT)
        reference_forward(op, work);
}

static int open_fake(void **state)
{
    char path[512], why[256];
    (void)state;
    setenv("FAKE_CUDA", "", 1);
    snprintf(path, sizeof path, "%s/tests/fake_cuda.so", getenv("SAFFRON_BUILD"));
    gpu_place(path);
    if (gpu_open(-1, &seat.g, why, sizeof why) != KERNEL_OK)
        return 1;
    void *fake = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    void (**hook)(enum gpu_op op, const void *work) = fake ? dlsym(fake, "fake_cuda_work") : NULL;
    if (!hook)
        return 1;
    *hook = do_launch;
    return 0;
}

/* --- the same bits ------------------------------------------------------------------------------------------------ */

static const struct scheme_words schemes[] = {
    { .weights = { .format = "int4", .scale = "group:16" } },
    { .weights = { .format = "int8", .scale = "channel" }, .activations = { .format = "int8" },
      .cache = { .format = "e4m3" } },
    { .weights = { .format = "int8", .scale = "channel" }, .activations = { .format = "int8", .scale = "tensor" },
      .cache = { .format = "int8", .scale = "tensor" } },
    { .activations = { .format = "bf16" }, .cache = { .format = "int4", .zero_point = "kivi" } },
    { .weights = { .format = "mxfp8-e4m3" }, .activations = { .format = "mxfp4" }, .cache = { .format = "mxint8" } },
    { .weights = { .format = "nvfp4" }, .activations = { .format = "nvfp4" } },
    { .weights = { .format = "int8", .scale = "channel" }, .method = "smoothquant" },
    { .weights = { .format = "int8", .scale = "channel" }, .method = "llm-int8" },
    { .weights = { .format = "int8", .scale = "channel" }, .activations = { .format = "int8", .scale = "tensor" },
      .method = "hadamard" },
    { .activations = { .format = "int4", .scale = "group:8", .clip = "mse" } },
};

static struct llama *open_model(const char *name, uint32_t tokens[TOKENS])
{
    char path[256], error[512];
    snprintf(path, sizeof path, "tests/models/%s", name);
    struct llama *model = llama_open(path, error, sizeof error);
    assert_non_null(model);
    for (size_t i = 0; i < TOKENS; i++)
        tokens[i] = (uint32_t)(random_uniform(3, STREAM_VALUES, i) * (double)model->config.vocab);
    return model;
}

static struct scheme scheme_of(const struct scheme_words *words)
{
    struct scheme scheme;
    char why[256];
    if (!scheme_parse(words, cpu_info()->best, 1, &scheme, why, sizeof why))
        fail_msg("%s", why);
    return scheme;
}

static void check_scheme(const struct quality *here, const struct quality *there, const struct scheme *scheme)
{
    struct quality_run want, got;
    unsigned long runs = seat.runs;
    assert_int_equal(quality_measure(here, scheme, NULL, &want), KERNEL_OK);
    assert_int_equal(quality_measure(there, scheme, NULL, &got), KERNEL_OK);
    if (seat.runs != runs + 1)
        fail_msg("%s did not run on the card: %s", scheme->label, seat.why);
    if (memcmp(got.loss, want.loss, here->predicted * sizeof *want.loss) != 0 || got.kl != want.kl
        || got.top1 != want.top1)
        fail_msg("%s: %.9g bits on the card, %.9g here", scheme->label, got.bits, want.bits);
    free(want.loss);
    free(got.loss);
}

static void same_bits(void **state)
{
    static const char *const models[] = { "llama-bias", "llama3", "mistral-linear", "qwen2", "qwen3" };
    (void)state;
    if (cpu_info()->best == ISA_SCALAR)
        skip();
    for (size_t m = 0; m < sizeof models / sizeof models[0]; m++) {
        uint32_t tokens[TOKENS];
        struct llama *model = open_model(models[m], tokens);
        struct scheme_text text = { tokens, TOKENS, CONTEXT };
        struct quality here, there;
        enum isa isa = cpu_info()->best;
        assert_int_equal(quality_open(&here, model, tokens, TOKENS, CONTEXT, &text, isa, NULL, NULL), KERNEL_OK);
        assert_int_equal(quality_open(&there, model, tokens, TOKENS, CONTEXT, &text, isa, &seat, NULL), KERNEL_OK);
        assert_memory_equal(here.logits, there.logits, here.predicted * model->config.vocab * sizeof *here.logits);
        for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
            struct scheme scheme = scheme_of(&schemes[i]);
            check_scheme(&here, &there, &scheme);
        }
        quality_close(&here);
        quality_close(&there);
        llama_close(model);
    }
    assert_true(launches > 1000);
}

/* Logits come in parts of any length from the last run. */
static void parts(void **state)
{
    enum { VOCAB = 67 };
    static float whole[TOKENS * VOCAB], part[TOKENS * VOCAB];
    uint32_t tokens[TOKENS];
    struct llama *model = open_model("llama3", tokens);
    struct scheme plain = scheme_plain();
    struct llama_net net;
    struct llamacard *card;
    (void)state;
    assert_int_equal(model->config.vocab, VOCAB);
    assert_int_equal(scheme_net(&plain, model, NULL, CONTEXT, cpu_info()->best, NULL, &net), KERNEL_OK);
    assert_int_equal(llamacard_open(&card, &net, &seat, TOKENS), KERNEL_OK);
    assert_int_equal(llamacard_run(card, tokens, TOKENS, NULL, 0, 1), KERNEL_OK);
    assert_int_equal(llamacard_logits(card, 0, TOKENS, whole), KERNEL_OK);
    for (size_t i = 0; i < TOKENS; i += 5)
        assert_int_equal(llamacard_logits(card, i, TOKENS - i < 5 ? TOKENS - i : 5, part + i * VOCAB), KERNEL_OK);
    assert_memory_equal(whole, part, sizeof whole);
    assert_true(llamacard_close(card, KERNEL_OK));
    llamanet_free(&net);
    llama_close(model);
}

/* --- when it is chosen, and when it fails ------------------------------------------------------------------------- */

static void choice(void **state)
{
    uint32_t tokens[TOKENS];
    struct llama *model = open_model("llama3", tokens);
    struct llama_net net = { .model = model, .isa = ISA_AVX2 }, scalar = { .model = model, .isa = ISA_SCALAR };
    struct gpu_seat given = { .g = seat.g, .least = 1 << 20 }, asked = { .g = seat.g, .least = 1 };
    struct gpu_seat gone = { .least = 1 };
    size_t much = (size_t)(6e8 / (double)llama_linear_weights(model)), most = (size_t)1 << 40;
    (void)state;
    assert_false(llamacard_worth(NULL, &net, much));
    assert_false(llamacard_worth(&gone, &net, much));
    assert_false(llamacard_worth(&given, &net, TOKENS));        /* --device auto: too little to be faster */
    assert_true(llamacard_worth(&given, &net, much));
    assert_false(llamacard_worth(&given, &net, most));          /* too many logits that come back */
    assert_true(llamacard_worth(&asked, &net, most));
    assert_true(llamacard_worth(&asked, &net, 1));              /* --device cuda */
    assert_false(llamacard_worth(&asked, &net, 0));
    assert_false(llamacard_worth(&asked, &scalar, much));       /* its sums are not fused: other bits */
    llama_close(model);
}

/* The losses where the card fails as `fake` says are the CPU's, and the seat says why. */
static void check_failure(const char *fake, const char *why, bool gone)
{
    uint32_t tokens[TOKENS];
    struct llama *model = open_model("qwen3", tokens);
    struct quality here, there;
    struct gpu_seat own = { .g = seat.g, .least = 1, .busy = ATOMIC_FLAG_INIT };
    enum isa isa = cpu_info()->best;
    setenv("FAKE_CUDA", fake, 1);
    assert_int_equal(quality_open(&here, model, tokens, TOKENS, CONTEXT, NULL, isa, NULL, NULL), KERNEL_OK);
    assert_int_equal(quality_open(&there, model, tokens, TOKENS, CONTEXT, NULL, isa, &own, NULL), KERNEL_OK);
    setenv("FAKE_CUDA", "", 1);
    assert_memory_equal(here.plain.loss, there.plain.loss, here.predicted * sizeof *here.plain.loss);
    assert_string_equal(own.why, why);
    assert_true(own.runs == 0 && (own.g == NULL) == gone);
    assert_false(atomic_flag_test_and_set(&own.busy));          /* it was given back */
    quality_close(&here);
    quality_close(&there);
    llama_close(model);
}

static void failures(void **state)
{
    (void)state;
    if (cpu_info()->best == ISA_SCALAR)
        skip();
    check_failure("memory", "cannot allocate 1.0 MiB on Fake 1: out of memory", false);
    check_failure("lost", "cannot finish a kernel on Fake 1: unspecified launch failure", true);
}

static void busy(void **state)
{
    uint32_t tokens[TOKENS];
    struct llama *model = open_model("qwen3", tokens);
    struct quality q;
    struct gpu_seat own = { .g = seat.g, .least = 1, .busy = ATOMIC_FLAG_INIT };
    (void)state;
    atomic_flag_test_and_set(&own.busy);
    assert_int_equal(quality_open(&q, model, tokens, TOKENS, CONTEXT, NULL, cpu_info()->best, &own, NULL), KERNEL_OK);
    assert_true(own.runs == 0 && !*own.why && atomic_flag_test_and_set(&own.busy));
    quality_close(&q);
    llama_close(model);
}

/* What the card cannot do is refused, with a reason. */
static void refused(void **state)
{
    uint32_t tokens[TOKENS];
    struct llama *model = open_model("llama3", tokens);
    const struct scheme_words words = { .activations = { .format = "int8", .scale = "tensor", .clip = "mse" } };
    struct scheme scheme = scheme_of(&words);
    struct scheme_text text = { tokens, TOKENS, CONTEXT };
    struct quality q;
    struct quality_run run;
    (void)state;
    if (cpu_info()->best == ISA_SCALAR)
        skip();
    assert_int_equal(quality_open(&q, model, tokens, TOKENS, CONTEXT, &text, cpu_info()->best, &seat, NULL), KERNEL_OK);
    unsigned long runs = seat.runs;
    assert_int_equal(quality_measure(&q, &scheme, NULL, &run), KERNEL_OK);
    assert_true(seat.runs == runs && strstr(seat.why, "scales that are fixed"));
    free(run.loss);
    quality_close(&q);
    llama_close(model);
}

/* A token so wide that its scale comes from several segments: there is room for one of each. */
static void wide(void **state)
{
    enum { WIDTH = 2, VOCAB = 4 };
    float table[VOCAB * WIDTH] = { 0 }, *zeros = calloc((GPU_SEGMENT + 2) * WIDTH, sizeof *zeros);
    struct llama_layer layer = { .bias = { NULL } };
    struct llama model = { .config = { .layers = 1, .width = WIDTH, .heads = 1, .kv_heads = 1, .head = 2,
                                       .vocab = VOCAB, .context = CONTEXT, .theta = 1e4 },
                           .layer = &layer, .embedding = table, .norm = table, .head = table };
    const struct scheme_words words = { .activations = { .format = "int8", .scale = "token" } };
    struct scheme scheme = scheme_of(&words);
    struct gpu_seat own = { .g = seat.g, .least = 1, .busy = ATOMIC_FLAG_INIT };
    (void)state;
    for (size_t more = 0; more <= 2; more += 2) {
        struct llama_net net;
        struct llamacard *card;
        model.config.inner = GPU_SEGMENT + more;
        assert_int_equal(llamanet_make(&net, &model, CONTEXT, cpu_info()->best), KERNEL_OK);
        for (int i = 0; i < LLAMA_LINEARS; i++)
            assert_int_equal(llamanet_pack(&net, 0, (enum llama_linear)i, zeros), KERNEL_OK);
        net.layer[0].entry[LLAMA_DOWN_IN].round = scheme.activations;
        enum kernel_status status = llamacard_open(&card, &net, &own, TOKENS);
        assert_int_equal(status, more ? KERNEL_NO_KERNEL : KERNEL_OK);
        llamacard_close(card, status);
        assert_true(!more || strstr(own.why, "of up to 65536 values"));
        llamanet_free(&net);
    }
    free(zeros);
}

static bool stop(void *ctx, double fraction)
{
    (void)ctx;
    return fraction < 0.4;
}

static void canceled(void **state)
{
    uint32_t tokens[TOKENS];
    struct llama *model = open_model("llama3", tokens);
    const struct progress progress = { stop, NULL, NULL };
    struct quality q;
    (void)state;
    assert_int_equal(quality_open(&q, model, tokens, TOKENS, CONTEXT, NULL, cpu_info()->best, &seat, &progress),
                     KERNEL_CANCELED);
    assert_false(atomic_flag_test_and_set(&seat.busy));
    atomic_flag_clear(&seat.busy);
    llama_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_bits), cmocka_unit_test(choice),  cmocka_unit_test(failures),
        cmocka_unit_test(busy),      cmocka_unit_test(refused), cmocka_unit_test(canceled), cmocka_unit_test(parts),
        cmocka_unit_test(wide),
    };
    return cmocka_run_group_tests(tests, open_fake, NULL);
}
