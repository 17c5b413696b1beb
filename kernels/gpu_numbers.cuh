/* gpu_numbers.cuh: the number formats on the device: format.c and scale.c once more, driven by a copy of the row.
 * Integer arithmetic on the bits of FP32 throughout, so that nothing depends on how a card rounds.
 * The tests compare it with the reference on every input of 16 bits, and on all 2^32 floats. */
#ifndef KERNELS_GPU_NUMBERS_CUH
#define KERNELS_GPU_NUMBERS_CUH

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "kernels/gpu_encode.h"
#include "kernels/recipe.h"

static const uint32_t INFINITE_BITS = 0x7f800000u, NAN_BITS = 0x7fc00000u;

/* ---- Values ---------------------------------------------------------------------------------------- */

static __device__ __forceinline__ bool is_finite(float x)
{
    return (__float_as_uint(x) & 0x7fffffffu) < INFINITE_BITS;
}

static __device__ __forceinline__ bool is_nan(float x)
{
    return (__float_as_uint(x) & 0x7fffffffu) > INFINITE_BITS;
}

/* Element i of a tensor of `type`, exactly. */
static __device__ __forceinline__ float load_value(const void *x, int type, size_t i)
{
    switch (type) {
    case GPU_FP16: return __half2float(((const __half *)x)[i]);
    case GPU_BF16: return __uint_as_float((uint32_t)((const uint16_t *)x)[i] << 16);
    default:       return ((const float *)x)[i];
    }
}

/* The 24 random bits of element i: Philox4x32-10 as in random.c. */
static __device__ uint32_t random_of(uint64_t seed, uint64_t i)
{
    uint64_t block = i / 4;
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    uint32_t c[4] = {(uint32_t)block, (uint32_t)(block >> 32), 0, 0};
#pragma unroll
    for (int round = 0; round < 10; round++) {
        uint32_t h0 = __umulhi(0xD2511F53u, c[0]), l0 = 0xD2511F53u * c[0];
        uint32_t h1 = __umulhi(0xCD9E8D57u, c[2]), l1 = 0xCD9E8D57u * c[2];
        c[0] = h1 ^ c[1] ^ k0;
        c[1] = l1;
        c[2] = h0 ^ c[3] ^ k1;
        c[3] = l0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    uint32_t low = i & 1 ? c[1] : c[0], high = i & 1 ? c[3] : c[2];
    return (i & 2 ? high : low) >> 8;
}

/* ---- Rounding -------------------------------------------------------------------------------------- */

struct how {
    int      rounding, overflow;
    uint32_t random;
};

/* 1 if kept + rest / 2^shift is to be rounded up; rest < min(2^shift, 2^24), shift > 0. */
static __device__ __forceinline__ uint32_t round_up(uint32_t kept, uint32_t rest, int shift, const how &h)
{
    if (h.rounding == ROUND_NEAREST) {
        if (shift > 24)
            return 0;
        uint32_t half = 1u << (shift - 1);
        return rest > half || (rest == half && (kept & 1));
    }
    if (h.rounding == ROUND_ZERO)
        return 0;
    if (shift <= 24)            /* random / 2^24 < rest / 2^shift, in integers */
        return h.random < (uint64_t)rest << (24 - shift);
    return (uint64_t)h.random << (shift - 24 < 39 ? shift - 24 : 39) < rest;
}

/* The magnitude bits of a finite float on f's grid, as if exponents had no end. */
static __device__ __forceinline__ uint32_t float_round(const gpu_format &f, uint32_t magnitude, const how &h)
{
    int exponent = (int)(magnitude >> 23);
    uint32_t significand = magnitude & 0x7fffffu;
    if (exponent > 0)
        significand |= 0x800000u;
    else
        exponent = 1;
    int target = exponent - 127 + f.bias, shift = 23 - f.mantissa;
    uint32_t base = 0;
    if (target >= 1)
        base = (uint32_t)(target - 1) << f.mantissa;
    else
        shift += 1 - target;
    if (shift == 0)
        return base + significand;
    uint32_t kept = shift < 32 ? significand >> shift : 0;
    uint32_t rest = shift < 32 ? significand & ((1u << shift) - 1) : significand;
    return base + kept + round_up(kept, rest, shift, h);
}

/* |y| rounded to an integer as if the range had no end; y is finite. */
static __device__ __forceinline__ float integer_round(float y, const how &h)
{
    float magnitude = fabsf(y), low = floorf(magnitude), rest = magnitude - low;
    if (h.rounding == ROUND_NEAREST) {
        bool odd = low - 2 * floorf(low * 0.5f) != 0;
        return rest > 0.5f || (rest == 0.5f && odd) ? low + 1 : low;
    }
    if (h.rounding == ROUND_ZERO)
        return low;
    return (float)h.random < rest * 16777216.0f ? low + 1 : low;
}

/* NaN gives 0, infinities stay. */
static __device__ __forceinline__ float round_integer(float y, const how &h)
{
    if (is_nan(y))
        return 0;
    return is_finite(y) ? copysignf(integer_round(y, h), y) : y;
}

/* The exponent of a positive float, and its significand in [2^23, 2^24); subnormals too. */
static __device__ __forceinline__ int exponent_of(float x, uint32_t *significand)
{
    uint32_t bits = __float_as_uint(x);
    int exponent = (int)(bits >> 23) - 127;
    *significand = (bits & 0x7fffffu) | 0x800000u;
    if (exponent == -127) {
        int up = __clz((int)bits) - 8;          /* places to bit 23 */
        *significand = bits << up;
        exponent = -126 - up;
    }
    return exponent;
}

static __device__ __forceinline__ int power_round(float magnitude, const how &h)
{
    uint32_t significand;
    int exponent = exponent_of(magnitude, &significand);
    if (h.rounding == ROUND_NEAREST)
        return exponent + (significand >= 0xC00000u);
    if (h.rounding == ROUND_ZERO)
        return exponent;
    return exponent + (h.random < 2 * (significand - 0x800000u));
}

/* ---- Codes ----------------------------------------------------------------------------------------- */

static __device__ __forceinline__ float clamp(float x, float low, float high)
{
    return x < low ? low : x > high ? high : x;
}

static __device__ __forceinline__ uint32_t code_mask(const gpu_format &f)
{
    return 0xffffffffu >> (32 - f.bits);
}

static __device__ uint32_t encode_float(const gpu_format &f, float y, const how &h)
{
    uint32_t bits = __float_as_uint(y), magnitude = bits & 0x7fffffffu;
    if (magnitude > INFINITE_BITS)
        return f.nan;
    uint32_t sign = bits >> 31 << (f.bits - 1), largest = (uint32_t)f.code_max;
    bool infinite = magnitude == INFINITE_BITS;
    uint32_t code = infinite ? largest + 1 : float_round(f, magnitude, h);
    if (code == 0 && f.specials == SPECIALS_FNUZ)
        return 0;
    if (code <= largest)
        return sign | code;
    if (h.overflow == OVERFLOW_SATURATE || f.specials == SPECIALS_NONE)
        return sign | largest;
    if (h.rounding == ROUND_ZERO && !infinite)
        return sign | largest;
    return f.specials == SPECIALS_IEEE ? sign | (largest + 1) : f.nan;
}

static __device__ int32_t integer_code(const gpu_format &f, float y, const how &h)
{
    return (int32_t)clamp(round_integer(y / f.smallest, h), (float)f.code_min, (float)f.code_max);
}

static __device__ uint32_t encode_power(const gpu_format &f, float y, const how &h)
{
    if (!(y > 0))
        return f.nan;
    bool infinite = !is_finite(y);
    int code = infinite ? f.code_max + 1 : power_round(y, h) + f.bias;
    if (code > f.code_max && h.rounding == ROUND_ZERO && !infinite)
        return (uint32_t)f.code_max;
    if (code > f.code_max)
        return h.overflow == OVERFLOW_SATURATE ? (uint32_t)f.code_max : f.nan;
    return code < 0 ? 0 : (uint32_t)code;
}

static __device__ uint32_t encode_levels(const gpu_format &f, float y, const how &h)
{
    if (is_nan(y))
        return f.nan;
    uint32_t code = 0;
    for (int i = 0; i + 1 < 1 << f.bits; i++)
        code += (f.levels[i] + f.levels[i + 1]) * 0.5f < y;
    if (h.rounding == ROUND_ZERO && y > 0 && f.levels[code] > y)
        code--;
    if (h.rounding == ROUND_ZERO && y < 0 && f.levels[code] < y)
        code++;
    return code;
}

static __device__ uint32_t encode_value(const gpu_format &f, float y, const how &h)
{
    switch (f.pair) {
    case GPU_PAIR_FLOAT:   return encode_float(f, y, h);
    case GPU_PAIR_INTEGER: return (uint32_t)integer_code(f, y, h) & code_mask(f);
    case GPU_PAIR_OFFSET:  return (uint32_t)(integer_code(f, y, h) + (1 << (f.bits - 1)));
    case GPU_PAIR_POWER:   return encode_power(f, y, h);
    default:               return encode_levels(f, y, h);
    }
}

/* 2^e as FP32, rounded to 0 or a subnormal where it must be; -150 < e < 128. */
static __device__ __forceinline__ float power_of_two(int e)
{
    return e >= -126 ? __uint_as_float((uint32_t)(e + 127) << 23) : __uint_as_float(1u << (e + 149));
}

static __device__ float decode_float(const gpu_format &f, uint32_t code)
{
    uint32_t sign = code >> (f.bits - 1) & 1, magnitude = code & (code_mask(f) >> 1);
    if (f.specials == SPECIALS_FNUZ && sign && magnitude == 0)
        return __uint_as_float(NAN_BITS);
    if (magnitude > (uint32_t)f.code_max) {
        bool infinite = f.specials == SPECIALS_IEEE && magnitude == (uint32_t)f.code_max + 1;
        return __uint_as_float(sign << 31 | (infinite ? INFINITE_BITS : NAN_BITS));
    }
    if (f.mantissa == 23)       /* FP32 itself */
        return __uint_as_float(code);
    int exponent = (int)(magnitude >> f.mantissa), significand = (int)(magnitude & ((1u << f.mantissa) - 1));
    if (exponent > 0)
        significand |= 1 << f.mantissa;
    else
        exponent = 1;
    int power = exponent - f.bias;              /* in two steps, since 2^(power - mantissa) may be subnormal */
    float value = (float)significand * power_of_two(-f.mantissa) * power_of_two(power);
    return sign ? -value : value;
}

static __device__ float decode_value(const gpu_format &f, uint32_t code)
{
    int32_t number;
    code &= code_mask(f);
    switch (f.pair) {
    case GPU_PAIR_FLOAT:
        return decode_float(f, code);
    case GPU_PAIR_INTEGER:
        number = (int32_t)(code << (32 - f.bits)) >> (32 - f.bits);
        return (float)number * f.smallest;
    case GPU_PAIR_OFFSET:
        return (float)((int32_t)code - (1 << (f.bits - 1))) * f.smallest;
    case GPU_PAIR_POWER:
        return code == f.nan ? __uint_as_float(NAN_BITS) : power_of_two((int)code - f.bias);
    default:
        return f.levels[code];
    }
}

/* True if y, rounded as if the range had no end, exceeds the largest value. */
static __device__ bool clips_value(const gpu_format &f, float y, const how &h)
{
    uint32_t bits = __float_as_uint(y), magnitude = bits & 0x7fffffffu;
    if (magnitude >= INFINITE_BITS)
        return magnitude == INFINITE_BITS;
    switch (f.pair) {
    case GPU_PAIR_FLOAT:
        return float_round(f, magnitude, h) > (uint32_t)f.code_max;
    case GPU_PAIR_INTEGER:
    case GPU_PAIR_OFFSET:
        return integer_round(y / f.smallest, h) > (float)(bits >> 31 ? -f.code_min : f.code_max);
    case GPU_PAIR_POWER:
        return y > 0 && power_round(y, h) + f.bias > f.code_max;
    default: {
        int last = (1 << f.bits) - 1;
        double end = (double)(y < 0 ? -f.levels[0] : f.levels[last]);
        double gap = (double)(y < 0 ? f.levels[1] - f.levels[0] : f.levels[last] - f.levels[last - 1]);
        double over = fabs((double)y) - end;
        return h.rounding == ROUND_ZERO ? over >= gap : over > gap / 2;
    }
    }
}

/* ---- A value under a fit --------------------------------------------------------------------------- */

/* What became of one value. */
struct outcome {
    uint32_t code;
    float    value;
    bool     clipped;
};

static __device__ __forceinline__ bool has_zero_point(int zero)
{
    return zero >= ZERO_AWQ;
}

/* The value of a code. A NaN keeps its bits, as on the CPU: the device would replace them. */
static __device__ __forceinline__ float value_of(const gpu_format &f, int zero, const struct fit &fit, uint32_t code)
{
    if (has_zero_point(zero))
        return ((float)code - (float)fit.zero) * fit.scale + fit.offset;
    float value = decode_value(f, code);
    return is_nan(value) ? value : value * fit.scale;
}

static __device__ outcome encode_under(const gpu_format &f, int zero, const struct fit &fit, float x, const how &h)
{
    outcome o;
    if (has_zero_point(zero)) {
        float top = (float)code_mask(f);
        float number = round_integer((x - fit.offset) * fit.inverse, h) + (float)fit.zero;
        float code = number < 0 ? 0 : number > top ? top : number;
        o.code = (uint32_t)code;
        o.clipped = number != code;
    } else {
        float y = x * fit.inverse;
        o.code = encode_value(f, y, h);
        o.clipped = clips_value(f, y, h);
    }
    o.value = value_of(f, zero, fit, o.code);
    return o;
}

/* ---- Scales ---------------------------------------------------------------------------------------- */

static __device__ __forceinline__ gpu_format e4m3_row(void)
{
    gpu_format f = {};
    f.pair = GPU_PAIR_FLOAT, f.specials = SPECIALS_NAN, f.bits = 8, f.mantissa = 3, f.bias = 7, f.code_max = 0x7e;
    f.nan = 0x7f;
    return f;
}

static __device__ __forceinline__ float absmax_scale(float most, float largest)
{
    return most == 0 ? 1 : clamp(most / largest, power_of_two(-126), power_of_two(126));
}

/* FP16, nearest even, saturating; NaN as 7E00. */
static __device__ __forceinline__ uint32_t half_bits(float x)
{
    gpu_format f = {};
    f.pair = GPU_PAIR_FLOAT, f.specials = SPECIALS_IEEE, f.bits = 16, f.mantissa = 10, f.bias = 15;
    f.code_max = 0x7bff, f.nan = 0x7e00;
    const how nearest = {ROUND_NEAREST, OVERFLOW_SATURATE, 0};
    return encode_float(f, x, nearest);
}

static __device__ __forceinline__ float half_value(uint32_t bits)
{
    return __half2float(__ushort_as_half((unsigned short)bits));
}

static __device__ __forceinline__ float half_scale(float scale)
{
    return clamp(half_value(half_bits(scale)), power_of_two(-24), 65504);
}

static __device__ __forceinline__ struct fit fit_scale(float scale, uint32_t stored)
{
    struct fit fit = {};
    fit.scale = scale, fit.inverse = 1 / scale, fit.stored = stored;
    return fit;
}

static __device__ float exact_scale(const gpu_task &t, const struct range &range)
{
    if (t.zero == ZERO_FULL)
        return absmax_scale(range.amax, t.largest + 0.5f);
    if (has_zero_point(t.zero))
        return absmax_scale(range.high - range.low, t.full_largest);
    return absmax_scale(range.amax, t.largest);
}

static __device__ struct fit fit_power(const gpu_task &t, float amax)
{
    uint32_t significand, top;
    int e = 0;
    if (amax > 0) {
        e = exponent_of(amax, &significand) - exponent_of(t.largest, &top);
        e += t.mx == MX_CEIL && significand > top;
        e = e < -126 ? -126 : e > 126 ? 126 : e;
    }
    return fit_scale(power_of_two(e), (uint32_t)(e + 127));
}

static __device__ struct fit fit_two_level(const gpu_task &t, float amax)
{
    const how nearest = {ROUND_NEAREST, OVERFLOW_SATURATE, 0};
    const gpu_format e4m3 = e4m3_row();
    float unit = 1 / (t.largest * t.tensor);
    uint32_t code = encode_float(e4m3, amax * unit, nearest);
    float scale = decode_float(e4m3, code) * t.tensor;
    struct fit fit = {};
    fit.scale = scale, fit.inverse = scale > 0 ? 1 / scale : 0, fit.stored = code;
    return fit;
}

static __device__ struct fit fit_by_kind(const gpu_task &t, const struct range &range)
{
    float scale;
    struct fit fit;
    switch (t.kind) {
    case SCALE_NONE:
        return fit_scale(1, 0x3f800000u);
    case SCALE_GROUP:
        scale = half_scale(exact_scale(t, range));
        return fit_scale(scale, half_bits(scale));
    case SCALE_SIGNED:
        scale = half_scale(absmax_scale(range.amax, (float)-t.format.code_min));
        scale = range.peak > 0 ? -scale : scale;
        return fit_scale(scale, half_bits(scale));
    case SCALE_BLOCK:
        return fit_power(t, range.amax);
    case SCALE_TWO_LEVEL:
        return fit_two_level(t, range.amax);
    case SCALE_DOUBLE:
        scale = exact_scale(t, range);
        fit = fit_scale(scale, __float_as_uint(scale));
        fit.scale = range.amax;         /* exact until scale_double has seen them all */
        return fit;
    default:
        scale = exact_scale(t, range);
        return fit_scale(scale, __float_as_uint(scale));
    }
}

/* The fit of a group with this range: scale_fit of scale.c. */
static __device__ struct fit fit_of(const gpu_task &t, struct range range)
{
    const how nearest = {ROUND_NEAREST, OVERFLOW_SATURATE, 0};
    if (t.zero == ZERO_GPTQ) {
        range.low = range.low < 0 ? range.low : 0;
        range.high = range.high > 0 ? range.high : 0;
    }
    struct fit fit = fit_by_kind(t, range);
    if (t.zero == ZERO_KIVI)
        fit.offset = half_value(half_bits(range.low));
    else if (has_zero_point(t.zero))
        fit.zero = (int32_t)clamp(round_integer(-range.low * fit.inverse, nearest), 0, t.full_largest);
    return fit;
}

#endif
