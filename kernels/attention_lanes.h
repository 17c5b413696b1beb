/* attention_lanes.h: decode attention's functions of the table, the same for every instruction set.
 * To be included at the end of attention_avx2.c and its like, after scores(), values(), weigh(), struct coding and the
 * row_ functions, of which each has its own. */
#ifndef KERNELS_ATTENTION_LANES_H
#define KERNELS_ATTENTION_LANES_H

/* The steps of a format: scores() and values() with its coding as a constant. */
#define STEPS(name, ...) \
    static void scores_##name(const struct attention_piece *p, const uint8_t *block, float *to) \
    { \
        const struct coding coding = {__VA_ARGS__}; \
        scores(coding, p, block, to); \
    } \
    static void values_##name(const struct attention_piece *p, const uint8_t *block, const float *weights, float *y) \
    { \
        const struct coding coding = {__VA_ARGS__}; \
        values(coding, p, block, weights, y); \
    } \
    static const struct attention_steps steps_##name = {scores_##name, weigh, values_##name}

/* A row of BF16 is 32 upper halves of FP32. One of E4M3 becomes FP16 bits by a shift and a mask, then FP32; the head's
 * scale comes last. INT8's row scales are multiplied into queries and weights first; INT4's too, and minima are added
 * to the sums. */
STEPS(bf16, .row = row_bf16, .bytes = 64, .factor = 1);
STEPS(e4m3, .row = row_e4m3, .bytes = 32, .factor = E4M3_ROW_FACTOR);
STEPS(int8, .row = row_int8, .bytes = 32, .scaled = true, .factor = 1);
STEPS(int4, .row = row_int4, .bytes = 16, .scaled = true, .ranged = true, .factor = 1);

/* Scores of every block, softmax, then every block's values: see attention_walk and the steps of the format. */
#define ATTENTION(name, suffix) \
    void attention_##name##__##suffix(const struct attention_piece *p) \
    { \
        attention_walk(p, &steps_##name); \
    }
#define ATTENTIONS(suffix) \
    ATTENTION(bf16, suffix) \
    ATTENTION(e4m3, suffix) \
    ATTENTION(int8, suffix) \
    ATTENTION(int4, suffix)

#endif
