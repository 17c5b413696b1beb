/* ggml.c: blocks to values. Layouts: ggml's block structs (github.com/ggml-org/ggml, ggml-common.h), checked against
 * the gguf package by tests/vectors/make_gguf.py.
 * "low" and "high" are halves of a byte. K blocks hold 256 values in runs of 16 or 32 with small integer scales, which
 * an FP16 of the block scales in turn. */
#include "kernels/ggml.h"

#include <math.h>
#include <string.h>

#include "kernels/format.h"

static float half(const uint8_t *at)
{
    static const struct format *fp16;
    if (!fp16)
        fp16 = format_find("fp16");
    return format_decode(fp16, (uint32_t)(at[0] | at[1] << 8));
}

/* ---- Plain numbers --------------------------------------------------------------------------------- */

static void f32(const uint8_t *b, float *v) { memcpy(v, b, sizeof *v); }
static void f16(const uint8_t *b, float *v) { *v = half(b); }
static void i8(const uint8_t *b, float *v) { *v = (int8_t)*b; }

static void bf16(const uint8_t *b, float *v)
{
    uint32_t bits = (uint32_t)b[0] << 16 | (uint32_t)b[1] << 24;
    memcpy(v, &bits, sizeof *v);
}

static void i16(const uint8_t *b, float *v)
{
    int16_t x;
    memcpy(&x, b, sizeof x);
    *v = x;
}

static void i32(const uint8_t *b, float *v)
{
    int32_t x;
    memcpy(&x, b, sizeof x);
    *v = (float)x;
}

static void i64(const uint8_t *b, float *v)
{
    int64_t x;
    memcpy(&x, b, sizeof x);
    *v = (float)x;
}

static void f64(const uint8_t *b, float *v)
{
    double x;
    memcpy(&x, b, sizeof x);
    *v = (float)x;
}

/* ---- Blocks of 32 ---------------------------------------------------------------------------------- */

/* Byte j of 16 holds values j (low) and 16 + j (high). */
static unsigned nibble(const uint8_t *codes, int i)
{
    return i < 16 ? codes[i] & 15u : codes[i - 16] >> 4;
}

/* FP16 scale, 16 bytes. */
static void q4_0(const uint8_t *b, float *v)
{
    for (int i = 0; i < 32; i++)
        v[i] = half(b) * (float)((int)nibble(b + 2, i) - 8);
}

/* FP16 scale, FP16 minimum, 16 bytes. */
static void q4_1(const uint8_t *b, float *v)
{
    for (int i = 0; i < 32; i++)
        v[i] = half(b) * (float)nibble(b + 4, i) + half(b + 2);
}

/* Bit i of 32 little-endian bits is the fifth of value i. */
static unsigned fifth(const uint8_t *bits, int i)
{
    return (bits[i / 8] >> i % 8 & 1u) << 4;
}

/* FP16 scale, fifth bits, 16 bytes. */
static void q5_0(const uint8_t *b, float *v)
{
    for (int i = 0; i < 32; i++)
        v[i] = half(b) * (float)((int)(nibble(b + 6, i) | fifth(b + 2, i)) - 16);
}

/* FP16 scale, FP16 minimum, fifth bits, 16 bytes. */
static void q5_1(const uint8_t *b, float *v)
{
    for (int i = 0; i < 32; i++)
        v[i] = half(b) * (float)(nibble(b + 8, i) | fifth(b + 4, i)) + half(b + 2);
}

static void q8_0(const uint8_t *b, float *v)
{
    for (int i = 0; i < 32; i++)
        v[i] = half(b) * (float)(int8_t)b[2 + i];
}

/* The sixteen levels of the non-linear types. */
static const int8_t levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

static void iq4_nl(const uint8_t *b, float *v)
{
    for (int i = 0; i < 32; i++)
        v[i] = half(b) * (float)levels[nibble(b + 2, i)];
}

/* E2M1 times two. */
static const int8_t twice_e2m1[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/* E8M0 scale, 16 bytes. Half of the scale meets the doubled values, also below FP32's normal range; code 255, which OCP
 * calls NaN, is 2^127 here, as in ggml. */
static void mxfp4(const uint8_t *b, float *v)
{
    float scale = ldexpf(1, b[0] - 128);
    for (int i = 0; i < 32; i++)
        v[i] = scale * (float)twice_e2m1[nibble(b + 1, i)];
}

/* Four E4M3 scales, then 8 bytes for each 16 values: byte j holds values j and 8 + j. Scale codes 0 and 127 (NaN) are
 * 0, and so are those with a sign, whose bit ggml does not look at: the exponent and mantissa count. */
static void nvfp4(const uint8_t *b, float *v)
{
    static const struct format *e4m3;
    if (!e4m3)
        e4m3 = format_find("e4m3");
    for (int i = 0; i < 64; i++) {
        const uint8_t *codes = b + 4 + i / 16 * 8;
        unsigned code = i % 16 < 8 ? codes[i % 8] & 15u : codes[i % 8] >> 4, stored = b[i / 16] & 127u;
        float scale = b[i / 16] == 127 ? 0 : stored == 127 ? 480 : format_decode(e4m3, stored);
        v[i] = scale * 0.5f * (float)twice_e2m1[code];
    }
}

/* ---- K blocks of 256 ------------------------------------------------------------------------------- */

/* 16 bytes of scale (low) and minimum (high) for runs of 16, 64 bytes of 2-bit codes, FP16 of scales, of minima. Byte j
 * of each 32 holds values j, 32 + j, 64 + j, 96 + j of 128. */
static void q2_k(const uint8_t *b, float *v)
{
    float d = half(b + 80), least = half(b + 82);
    for (int i = 0; i < 256; i++) {
        unsigned code = b[16 + i / 128 * 32 + i % 32] >> i % 128 / 32 * 2 & 3u, run = b[i / 16];
        v[i] = d * (float)(run & 15u) * (float)code - least * (float)(run >> 4);
    }
}

/* The 6-bit scale of run i of 16: 4 low bits in the first 8 bytes, 2 high ones in the next 4. */
static int q3_scale(const uint8_t *scales, int i)
{
    unsigned low = i < 8 ? scales[i] & 15u : scales[i - 8] >> 4, high = scales[8 + i % 4] >> i / 4 * 2 & 3u;
    return (int)(low | high << 4) - 32;
}

/* 32 bytes of third bits, 64 bytes of 2-bit codes as in Q2_K, 12 bytes of scales, FP16. A third bit of 0 takes 4. */
static void q3_k(const uint8_t *b, float *v)
{
    float d = half(b + 108);
    for (int i = 0; i < 256; i++) {
        int code = b[32 + i / 128 * 32 + i % 32] >> i % 128 / 32 * 2 & 3, third = b[i % 32] >> i / 32 & 1;
        v[i] = d * (float)q3_scale(b + 96, i / 16) * (float)(third ? code : code - 4);
    }
}

/* The 6-bit scale and minimum of run i of 8, in 12 bytes. */
static void k4_scale(const uint8_t *s, int i, float *scale, float *least)
{
    unsigned a = s[i % 4], m = s[4 + i % 4], both = s[8 + i % 4];
    *scale = (float)(i < 4 ? a & 63u : (both & 15u) | (a >> 6) << 4);
    *least = (float)(i < 4 ? m & 63u : both >> 4 | (m >> 6) << 4);
}

/* FP16 of scales, of minima, 12 bytes for both, 128 bytes: byte j of each 32 holds values j and 32 + j of 64. */
static void q4_k(const uint8_t *b, float *v)
{
    for (int i = 0; i < 256; i++) {
        float scale, least;
        uint8_t byte = b[16 + i / 64 * 32 + i % 32];
        k4_scale(b + 4, i / 32, &scale, &least);
        v[i] = half(b) * scale * (float)(i % 64 < 32 ? byte & 15 : byte >> 4) - half(b + 2) * least;
    }
}

/* As Q4_K, with 32 bytes of fifth bits before the codes: bit i / 32 of byte i % 32. */
static void q5_k(const uint8_t *b, float *v)
{
    for (int i = 0; i < 256; i++) {
        float scale, least;
        uint8_t byte = b[48 + i / 64 * 32 + i % 32];
        int code = (i % 64 < 32 ? byte & 15 : byte >> 4) | (b[16 + i % 32] >> i / 32 & 1) << 4;
        k4_scale(b + 4, i / 32, &scale, &least);
        v[i] = half(b) * scale * (float)code - half(b + 2) * least;
    }
}

/* 128 bytes of low halves, 64 of high bits, 16 signed scales for runs of 16, FP16. Of 128 values byte j of 64 holds
 * values j and 64 + j; byte j of 32 the high bits of values j, 32 + j, 64 + j, 96 + j. */
static void q6_k(const uint8_t *b, float *v)
{
    float d = half(b + 208);
    for (int i = 0; i < 256; i++) {
        uint8_t byte = b[i / 128 * 64 + i % 64];
        int low = i % 128 < 64 ? byte & 15 : byte >> 4, high = b[128 + i / 128 * 32 + i % 32] >> i % 128 / 32 * 2 & 3;
        v[i] = d * (float)(int8_t)b[192 + i / 16] * (float)((low | high << 4) - 32);
    }
}

/* FP16, 16 bits of high scale bits, 4 bytes of low ones for runs of 32, 128 bytes: byte j of each 16 holds values j and
 * 16 + j of a run. */
static void iq4_xs(const uint8_t *b, float *v)
{
    unsigned high = b[2] | (unsigned)b[3] << 8;
    for (int i = 0; i < 256; i++) {
        int run = i / 32;
        int scale = (int)((b[4 + run / 2] >> run % 2 * 4 & 15u) | (high >> 2 * run & 3u) << 4) - 32;
        v[i] = half(b) * (float)scale * (float)levels[nibble(b + 8 + 16 * run, i % 32)];
    }
}

/* ---- The table ------------------------------------------------------------------------------------- */

static const struct ggml_type types[] = {
    {0, "F32", 1, 4, f32},          {1, "F16", 1, 2, f16},          {2, "Q4_0", 32, 18, q4_0},
    {3, "Q4_1", 32, 20, q4_1},      {6, "Q5_0", 32, 22, q5_0},      {7, "Q5_1", 32, 24, q5_1},
    {8, "Q8_0", 32, 34, q8_0},      {9, "Q8_1", 32, 40, NULL},      {10, "Q2_K", 256, 84, q2_k},
    {11, "Q3_K", 256, 110, q3_k},   {12, "Q4_K", 256, 144, q4_k},   {13, "Q5_K", 256, 176, q5_k},
    {14, "Q6_K", 256, 210, q6_k},   {15, "Q8_K", 256, 292, NULL},   {16, "IQ2_XXS", 256, 66, NULL},
    {17, "IQ2_XS", 256, 74, NULL},  {18, "IQ3_XXS", 256, 98, NULL}, {19, "IQ1_S", 256, 50, NULL},
    {20, "IQ4_NL", 32, 18, iq4_nl}, {21, "IQ3_S", 256, 110, NULL},  {22, "IQ2_S", 256, 82, NULL},
    {23, "IQ4_XS", 256, 136, iq4_xs}, {24, "I8", 1, 1, i8},         {25, "I16", 1, 2, i16},
    {26, "I32", 1, 4, i32},         {27, "I64", 1, 8, i64},         {28, "F64", 1, 8, f64},
    {29, "IQ1_M", 256, 56, NULL},   {30, "BF16", 1, 2, bf16},       {34, "TQ1_0", 256, 54, NULL},
    {35, "TQ2_0", 256, 66, NULL},   {39, "MXFP4", 32, 17, mxfp4},   {40, "NVFP4", 64, 36, nvfp4},
    {41, "Q1_0", 128, 18, NULL},
};

size_t ggml_count(void)
{
    return sizeof types / sizeof types[0];
}

const struct ggml_type *ggml_at(size_t i)
{
    return i < ggml_count() ? &types[i] : NULL;
}

const struct ggml_type *ggml_find(uint32_t id)
{
    for (size_t i = 0; i < ggml_count(); i++)
        if (types[i].id == id)
            return &types[i];
    return NULL;
}
