/* round.c: values to codes and back by the reference pair of the format's row.
 * The definition that round_avx2.c and round_avx512.c match bit for bit; it also ends their runs.
 * Called through the kernel table. */
#include <math.h>

#include "kernels/random.h"
#include "kernels/variants.h"

static void store_code(const struct round_run *run, size_t i, uint32_t code)
{
    switch (format_code_bytes(run->format)) {
    case 1:  ((uint8_t *)run->codes)[i] = (uint8_t)code; break;
    case 2:  ((uint16_t *)run->codes)[i] = (uint16_t)code; break;
    default: ((uint32_t *)run->codes)[i] = code; break;
    }
}

void round__scalar(struct round_run *run)
{
    struct cast cast = run->cast;
    float inverse = run->inverse;
    for (size_t i = 0; i < run->n; i++) {
        if (cast.rounding == ROUND_STOCHASTIC)
            cast.random = random_bits(run->seed, STREAM_VALUES, run->index + i) >> 8;
        float y = run->x[i] * inverse;
        uint32_t code = format_encode(run->format, y, cast);
        float value = format_decode(run->format, code) * run->scale;
        store_code(run, i, code);
        run->values[i] = value;
        run->zeros += value == 0;
        run->nonfinite += !isfinite(run->x[i]);
        run->clipped += format_clips(run->format, y, cast);
    }
}

void round_affine(struct round_run *run)
{
    struct cast cast = run->cast;
    float top = (float)((1 << run->format->bits) - 1);
    for (size_t i = 0; i < run->n; i++) {
        if (cast.rounding == ROUND_STOCHASTIC)
            cast.random = random_bits(run->seed, STREAM_VALUES, run->index + i) >> 8;
        float y = (run->x[i] - run->offset) * run->inverse;
        float number = format_integer(y, cast) + (float)run->zero;
        float code = number < 0 ? 0 : number > top ? top : number;
        float value = (code - (float)run->zero) * run->scale + run->offset;
        store_code(run, i, (uint32_t)code);
        run->values[i] = value;
        run->zeros += value == 0;
        run->nonfinite += !isfinite(run->x[i]);
        run->clipped += number != code;
    }
}

void round_rest(struct round_run *run, size_t first)
{
    struct round_run rest = *run;
    rest.index += first;
    rest.x += first;
    rest.n -= first;
    rest.values += first;
    rest.codes = (uint8_t *)run->codes + first * format_code_bytes(run->format);
    round__scalar(&rest);
    run->zeros = rest.zeros;
    run->nonfinite = rest.nonfinite;
    run->clipped = rest.clipped;
}
